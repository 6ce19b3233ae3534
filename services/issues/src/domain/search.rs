//! Words of texts, and how alike two texts are. Both databases index the words that are made here,
//! so that a search finds the same in each of them.

use std::collections::HashSet;

use super::product;

/// Longer words are cut: nobody searches for the end of one, and indexes have limits.
const MAX_WORD: usize = 64;

/// How many words of an issue look for others like it.
const MAX_TERMS: usize = 16;

/// Shorter words say too little to look for others by them.
const LEAST_TERM: usize = 3;

/// How much of the likeness comes from the titles; the rest comes from all words.
const TITLE_SHARE: f64 = 0.6;

/// What is less alike than this is not worth a look.
pub const LEAST_SCORE: f64 = 0.3;

/// Returns the words of a text in lower case, each once, in their order.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    let mut seen = HashSet::new();
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| word.chars().take(MAX_WORD).flat_map(char::to_lowercase).collect::<String>())
        // Lower case can bring signs with it that are no letters, such as the dot of a Turkish i.
        .map(|word| word.chars().filter(|c| c.is_alphanumeric()).collect::<String>())
        .filter(|word| !word.is_empty() && seen.insert(word.clone()))
        .collect()
}

/// The words by which an issue is found: those of its title before those of its body.
#[must_use]
pub fn indexed(title: &str, body: &str) -> String {
    words(&format!("{title} {body}")).join(" ")
}

/// The words of an issue by which others like it are looked for.
#[must_use]
pub fn terms(title: &str, body: &str) -> Vec<String> {
    let mut terms = words(&format!("{title} {body}"));
    terms.retain(|word| LEAST_TERM <= word.chars().count());
    terms.truncate(MAX_TERMS);
    terms
}

/// How alike two issues are, each given by title and body: 0 with no word in common, 1 with all.
#[must_use]
pub fn likeness(one: (&str, &str), other: (&str, &str)) -> f64 {
    let titles = overlap(&words(one.0), &words(other.0));
    let all = |(title, body): (&str, &str)| words(&format!("{title} {body}"));
    TITLE_SHARE.mul_add(titles, (1.0 - TITLE_SHARE) * overlap(&all(one), &all(other)))
}

/// Dice's coefficient of two sets of words.
fn overlap(one: &[String], other: &[String]) -> f64 {
    let known: HashSet<&String> = one.iter().collect();
    let common = other.iter().filter(|word| known.contains(word)).count();
    let count = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    let total = one.len() + other.len();
    if total == 0 { 0.0 } else { 2.0 * count(common) / count(total) }
}

/// Reads the number of an issue, such as `shp-12`: the key of its product and the number in it.
#[must_use]
pub fn number(words: &[String]) -> Option<(String, i64)> {
    let [word] = words else { return None };
    let (key, number) = word.trim().rsplit_once('-')?;
    let key = product::key(&key.to_ascii_uppercase()).ok()?;
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    let number: i64 = number.parse().ok().filter(|number| digits && 0 < *number)?;
    Some((key, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_letters_and_digits_in_lower_case_each_once() {
        assert_eq!(
            words("Pay-page: PAY fails, 3x (Оплата)!"),
            ["pay", "page", "fails", "3x", "оплата"]
        );
        assert!(words(" % _ '\"").is_empty());
        assert_eq!(words(&"a".repeat(100))[0].len(), MAX_WORD);
        assert_eq!(words("İ"), ["i"]);
    }

    #[test]
    fn likeness_is_between_nothing_and_the_same() {
        let one = ("Payment fails on Safari", "Tap pay, nothing happens");
        assert!((likeness(one, one) - 1.0).abs() < 1e-9);
        assert!(likeness(one, ("Logo is blurred", "Look at it")) < 1e-9);
        let near = likeness(one, ("Safari: payment fails", "The button does nothing"));
        assert!(LEAST_SCORE < near && near < 1.0, "{near}");
        assert!(likeness(("%", ""), ("%", "")) < 1e-9);
    }

    #[test]
    fn terms_are_few_and_long_enough() {
        assert_eq!(terms("A bug is in it", "no way"), ["bug", "way"]);
        let body: Vec<String> = (100..200).map(|n| format!("word{n}")).collect();
        assert_eq!(terms("Title", &body.join(" ")).len(), MAX_TERMS);
    }

    #[test]
    fn a_number_is_a_key_and_digits() {
        let read = |text: &str| number(&[text.to_owned()]);
        assert_eq!(read("SHP-12"), Some(("SHP".to_owned(), 12)));
        assert_eq!(read("shp-012"), Some(("SHP".to_owned(), 12)));
        for other in ["SHP", "SHP-", "-12", "SHP-0", "SHP-+1", "1AB-2", "SHP-99999999999999999999"]
        {
            assert_eq!(read(other), None, "{other}");
        }
        assert_eq!(number(&["SHP-1".to_owned(), "x".to_owned()]), None);
    }
}
