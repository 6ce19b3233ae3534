//! Pages: what a client sends to get one, and what it gets.

use chrono::DateTime;
use quittance_kernel::{PageError, PageRequest, Timestamp, token};
use uuid::Uuid;

use crate::error::Error;
use crate::store::After;

/// What a client sends to get a page.
#[derive(Clone, Debug, Default)]
pub struct Paging {
    pub size: i32,
    pub token: String,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Empty at the end.
    pub next: String,
}

/// What a list can be sorted by, apart from the id.
pub(super) trait SortKey: Sized {
    fn write(&self) -> Vec<String>;
    fn read(parts: &[String]) -> Option<Self>;
}

impl SortKey for Timestamp {
    fn write(&self) -> Vec<String> {
        vec![self.timestamp_micros().to_string()]
    }

    fn read(parts: &[String]) -> Option<Self> {
        match parts {
            [micros] => DateTime::from_timestamp_micros(micros.parse().ok()?),
            _ => None,
        }
    }
}

impl SortKey for String {
    fn write(&self) -> Vec<String> {
        vec![self.clone()]
    }

    fn read(parts: &[String]) -> Option<Self> {
        match parts {
            // A text that the database cannot hold was never the name of anything.
            [name] if !name.contains('\u{0}') => Some(name.clone()),
            _ => None,
        }
    }
}

/// A request for a page of one list.
pub(super) struct Cursor<K> {
    pub(super) after: Option<After<K>>,
    query: String,
    size: u32,
}

impl<K: SortKey> Cursor<K> {
    /// Reads a request; `query` names the list and its filters.
    pub(super) fn parse(paging: &Paging, query: String) -> Result<Self, Error> {
        let request = PageRequest::parse(paging.size, &paging.token, &query)?;
        let after = match request.after {
            None => None,
            Some(keys) => Some(read(&keys).ok_or(PageError::BadToken)?),
        };
        Ok(Self { after, query, size: request.size })
    }

    /// One row more than a page, which tells whether there is another page.
    pub(super) fn limit(&self) -> u32 {
        self.size + 1
    }

    /// Cuts the rows to a page; `key` tells where a row stands.
    pub(super) fn page<T>(&self, mut items: Vec<T>, key: impl Fn(&T) -> (K, Uuid)) -> Page<T> {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        let more = size < items.len();
        items.truncate(size);
        let next = match items.last() {
            Some(last) if more => {
                let (sort, id) = key(last);
                let mut keys = sort.write();
                keys.push(id.to_string());
                token::encode(&keys, &self.query)
            }
            Some(_) | None => String::new(),
        };
        Page { items, next }
    }
}

fn read<K: SortKey>(keys: &[String]) -> Option<After<K>> {
    let (id, sort) = keys.split_last()?;
    Some(After { key: K::read(sort)?, id: Uuid::try_parse(id).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_where_the_next_one_begins() {
        let cursor = Cursor::<String>::parse(&Paging { size: 2, token: String::new() }, "q".into());
        let cursor = cursor.unwrap();
        assert_eq!(cursor.limit(), 3);
        let page = cursor.page(vec!["a", "b", "c"], |name| ((*name).to_owned(), Uuid::nil()));
        assert_eq!(page.items, ["a", "b"]);
        let paging = Paging { size: 2, token: page.next };
        let next = Cursor::<String>::parse(&paging, "q".into()).unwrap();
        assert_eq!(next.after, Some(After { key: "b".to_owned(), id: Uuid::nil() }));
        assert!(next.page(vec!["c"], |name| ((*name).to_owned(), Uuid::nil())).next.is_empty());
        assert!(Cursor::<Timestamp>::parse(&paging, "q".into()).is_err());
        assert!(Cursor::<String>::parse(&paging, "other".into()).is_err());
    }
}
