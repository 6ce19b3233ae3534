//! Keyset pages: an opaque token holds the sort key of the last row, bound to the query it came from.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub const DEFAULT_PAGE_SIZE: u32 = 50;
pub const MAX_PAGE_SIZE: u32 = 200;

/// What can be wrong with a request for a page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    #[error("page size must not be negative")]
    NegativeSize,
    #[error("page token does not belong to this query")]
    BadToken,
}

/// A checked request for one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Between 1 and [`MAX_PAGE_SIZE`].
    pub size: u32,
    /// The sort key of the last row of the page before, one text per key column.
    pub after: Option<Vec<String>>,
}

impl PageRequest {
    /// Reads what the client sent: size 0 is the default, a larger one than allowed is cut (AIP-158).
    /// `query` names the list and its filters; a token of another query is refused.
    pub fn parse(size: i32, page_token: &str, query: &str) -> Result<Self, PageError> {
        let size = match u32::try_from(size) {
            Err(_) => return Err(PageError::NegativeSize),
            Ok(0) => DEFAULT_PAGE_SIZE,
            Ok(size) => size.min(MAX_PAGE_SIZE),
        };
        let after =
            if page_token.is_empty() { None } else { Some(token::decode(page_token, query)?) };
        Ok(Self { size, after })
    }
}

/// The token codec: base64url of `check US key US key …`, where `check` is a hash of the query.
pub mod token {
    use super::{Engine, PageError, URL_SAFE_NO_PAD};

    /// Separates the parts; it cannot occur in identifiers, times or numbers.
    const UNIT_SEPARATOR: char = '\u{1f}';

    /// Writes the token that continues `query` after the row with this sort key.
    #[must_use]
    pub fn encode(keys: &[String], query: &str) -> String {
        let mut text = check(query);
        for key in keys {
            text.push(UNIT_SEPARATOR);
            text.push_str(key);
        }
        URL_SAFE_NO_PAD.encode(text)
    }

    /// Reads a token of `query`.
    pub fn decode(token: &str, query: &str) -> Result<Vec<String>, PageError> {
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| PageError::BadToken)?;
        let text = String::from_utf8(bytes).map_err(|_| PageError::BadToken)?;
        let mut parts = text.split(UNIT_SEPARATOR);
        if parts.next() != Some(check(query).as_str()) {
            return Err(PageError::BadToken);
        }
        Ok(parts.map(str::to_owned).collect())
    }

    /// FNV-1a: tells queries apart; it guards against mistakes, access is checked elsewhere.
    fn check(query: &str) -> String {
        let hash = query.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{hash:x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_continues_its_own_query_only() {
        let keys = vec!["2026-05-08T10:00:00Z".to_owned(), "a".to_owned()];
        let written = token::encode(&keys, "issues?status=open");
        let request = PageRequest::parse(0, &written, "issues?status=open").unwrap();
        assert_eq!(request, PageRequest { size: 50, after: Some(keys) });
        assert_eq!(PageRequest::parse(0, &written, "issues"), Err(PageError::BadToken));
        assert_eq!(PageRequest::parse(0, "%%%", "issues"), Err(PageError::BadToken));
    }

    #[test]
    fn sizes_are_kept_within_bounds() {
        assert_eq!(PageRequest::parse(-1, "", "x"), Err(PageError::NegativeSize));
        assert_eq!(PageRequest::parse(10_000, "", "x").unwrap().size, MAX_PAGE_SIZE);
    }
}
