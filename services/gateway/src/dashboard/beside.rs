//! Numbers in fields, and what was refused of a field, to stand beside it.

use super::form::Typed;
use super::locale::Locale;
use crate::problem::{FieldError, Problem};

impl Typed {
    /// A whole number; `None` when the field was left empty.
    pub(super) fn whole(&self, name: &str) -> Result<Option<i64>, Problem> {
        let text: String =
            self.text(name).chars().filter(|c| !c.is_whitespace() && *c != ',').collect();
        if text.is_empty() {
            return Ok(None);
        }
        let number = text.parse();
        number.map(Some).map_err(|_| Problem::invalid(name, "must be a whole number"))
    }

    /// A percentage in basis points; `None` when the field was left empty.
    pub(super) fn percent(&self, name: &str, locale: Locale) -> Result<Option<i64>, Problem> {
        let text = self.text(name).trim_end_matches('%');
        if text.trim().is_empty() {
            return Ok(None);
        }
        // Hundredths of a percent are written as cents are.
        let bps = locale.amount(text, "USD").filter(|bps| *bps <= 10_000);
        bps.map(Some).ok_or_else(|| Problem::invalid(name, "must be between 0 and 100"))
    }
}

/// What was refused of one field, to stand beside it. Names as REST knows them.
pub(super) fn beside(problem: Option<&Problem>, names: &[&str]) -> Option<FieldError> {
    let errors = &problem?.errors;
    errors.iter().find(|error| names.contains(&error.field.as_str())).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        let typed = Typed::of(&[("points", "1,000"), ("few", "a few")]);
        assert_eq!(typed.whole("points").unwrap(), Some(1_000));
        assert_eq!(typed.whole("missing").unwrap(), None);
        assert!(typed.whole("few").is_err());
        let typed = Typed::of(&[("fee", "12.5 %"), ("all", "100"), ("more", "100.01")]);
        assert_eq!(typed.percent("fee", Locale::English).unwrap(), Some(1_250));
        assert_eq!(typed.percent("all", Locale::English).unwrap(), Some(10_000));
        assert_eq!(typed.percent("missing", Locale::English).unwrap(), None);
        assert!(typed.percent("more", Locale::English).is_err());
    }

    #[test]
    fn what_was_refused_stands_beside_its_field() {
        let problem = Problem::field("BELOW_MINIMUM", "valueMinor", "is too little");
        let found = beside(Some(&problem), &["valueMinor"]).unwrap();
        assert_eq!(found.code, "BELOW_MINIMUM");
        assert_eq!(beside(Some(&problem), &["title"]), None);
        assert_eq!(beside(None, &["title"]), None);
    }
}
