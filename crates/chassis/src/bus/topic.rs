//! Topic matching as AMQP 0-9-1 defines it, so that both buses route alike.
//!
//! Words are separated by dots; `*` stands for exactly one word and `#` for zero or more.

/// Tells whether a routing key matches a pattern.
///
/// ```
/// use quittance_chassis::bus::topic::matches;
///
/// assert!(matches("payouts.*.paid.v1", "payouts.payout.paid.v1"));
/// assert!(!matches("payouts.*", "payouts.payout.paid.v1"));
/// ```
#[must_use]
pub fn matches(pattern: &str, key: &str) -> bool {
    let pattern: Vec<&str> = words(pattern).collect();
    let key: Vec<&str> = words(key).collect();
    // `reach[k]` tells whether the pattern's words so far match the first `k` words of the key.
    let mut reach = vec![false; key.len() + 1];
    reach[0] = true;
    for word in pattern {
        if word == "#" {
            let first = reach.iter().position(|reached| *reached).unwrap_or(reach.len());
            reach[first..].fill(true);
        } else {
            for (index, part) in key.iter().enumerate().rev() {
                reach[index + 1] = reach[index] && (word == "*" || word == *part);
            }
            reach[0] = false;
        }
    }
    reach[key.len()]
}

/// The empty key has no words, where `split` would see an empty one.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split('.').filter(move |_| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_pattern_matches_only_itself() {
        assert!(matches("issue.approved", "issue.approved"));
        assert!(!matches("issue.approved", "issue.rejected"));
        assert!(!matches("issue.approved", "issue.approved.v1"));
        assert!(!matches("issue.approved.v1", "issue.approved"));
    }

    #[test]
    fn a_star_is_exactly_one_word() {
        assert!(matches("issue.*", "issue.approved"));
        assert!(matches("*.approved", "issue.approved"));
        assert!(matches("*.*.v1", "issue.approved.v1"));
        assert!(!matches("issue.*", "issue"));
        assert!(!matches("issue.*", "issue.approved.v1"));
        assert!(!matches("*", ""));
    }

    #[test]
    fn a_hash_is_any_number_of_words() {
        assert!(matches("#", ""));
        assert!(matches("#", "issue.approved.v1"));
        assert!(matches("issue.#", "issue"));
        assert!(matches("issue.#", "issue.approved.v1"));
        assert!(matches("#.v1", "v1"));
        assert!(matches("#.approved.#", "quittance.issue.approved.v1"));
        assert!(matches("issue.#.v1", "issue.v1"));
        assert!(!matches("issue.#", "issues"));
        assert!(!matches("#.approved.#", "quittance.issue.rejected.v1"));
    }

    #[test]
    fn wildcards_combine() {
        assert!(matches("*.#", "issue"));
        assert!(!matches("*.#", ""));
        assert!(matches("#.*.#", "a.b.c"));
        assert!(matches("a.#.b.*.c", "a.x.y.b.z.c"));
        assert!(!matches("a.#.b.*.c", "a.x.y.b.c"));
    }
}
