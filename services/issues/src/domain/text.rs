//! What people may write into fields.

/// Titles of issues, in characters.
pub const MAX_TITLE: usize = 300;
/// Names of members, products, cycles and organizations.
pub const MAX_NAME: usize = 200;
/// Bodies of issues.
pub const MAX_BODY: usize = 20_000;
/// The same in bytes, so that a full page of issues fits into one message.
pub const MAX_BODY_BYTES: usize = 60_000;
/// Reasons of decisions.
pub const MAX_REASON: usize = 2_000;
/// What can be searched for.
pub const MAX_QUERY: usize = 200;
/// E-mail addresses (RFC 5321).
const MAX_EMAIL: usize = 254;

/// A field of a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {detail}")]
pub struct FieldError {
    pub field: String,
    /// What the field must be.
    pub detail: String,
}

impl FieldError {
    #[must_use]
    pub fn new(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: field.into(), detail: detail.into() }
    }
}

/// Reads one line of 1 to `max` characters, trimmed.
pub fn line(field: &str, text: &str, max: usize) -> Result<String, FieldError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(FieldError::new(field, "must not be empty"));
    }
    if max < text.chars().count() {
        return Err(FieldError::new(field, format!("must have at most {max} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(FieldError::new(field, "must not contain control characters"));
    }
    Ok(text.to_owned())
}

/// Reads a text of several lines, which may be empty.
pub fn paragraphs(field: &str, text: &str, max: usize) -> Result<String, FieldError> {
    if max < text.chars().count() {
        return Err(FieldError::new(field, format!("must have at most {max} characters")));
    }
    if MAX_BODY_BYTES < text.len() {
        return Err(FieldError::new(field, format!("must have at most {MAX_BODY_BYTES} bytes")));
    }
    // NUL in particular: PostgreSQL cannot store it.
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(FieldError::new(field, "must not contain control characters"));
    }
    Ok(text.to_owned())
}

/// Reads a reason; an empty one is none.
pub fn reason(field: &str, text: &str) -> Result<Option<String>, FieldError> {
    let text = paragraphs(field, text.trim(), MAX_REASON)?;
    Ok(if text.is_empty() { None } else { Some(text) })
}

/// Reads an e-mail address in lower case: people are found by it.
pub fn email(field: &str, text: &str) -> Result<String, FieldError> {
    let text = line(field, text, MAX_EMAIL)?.to_lowercase();
    let well_formed = text
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'));
    if !well_formed || text.chars().any(char::is_whitespace) {
        return Err(FieldError::new(field, "must be an e-mail address"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_trimmed_and_bounded() {
        assert_eq!(line("title", "  a b ", 3), Ok("a b".to_owned()));
        assert!(line("title", " \n ", 3).is_err());
        assert!(line("title", "abcd", 3).is_err());
        assert!(line("title", "a\u{0}b", 9).is_err());
        assert!(line("title", "ыыы", 3).is_ok());
    }

    #[test]
    fn paragraphs_keep_their_lines_and_refuse_nul() {
        assert_eq!(paragraphs("body", "a\n\tb", 9), Ok("a\n\tb".to_owned()));
        assert!(paragraphs("body", "a\u{0}", 9).is_err());
        assert!(paragraphs("body", &"🙂".repeat(MAX_BODY), MAX_BODY).is_err());
        assert_eq!(reason("reason", "  "), Ok(None));
    }

    #[test]
    fn addresses_are_lower_case() {
        assert_eq!(email("email", "Aibek@Example.com"), Ok("aibek@example.com".to_owned()));
        for bad in ["", "a", "@b", "a@", "a@b@c", "a b@c"] {
            assert!(email("email", bad).is_err(), "{bad}");
        }
    }
}
