//! Which acknowledgements say that these deliveries are done, and no others, in the fewest words.

/// An acknowledgement of one delivery, or of all that are open up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ack {
    pub(super) tag: u64,
    pub(super) multiple: bool,
}

/// Plans the acknowledgement of deliveries in order of their tags, when the first one that is
/// still held is known: everything before it goes in one word, everything after it singly.
pub(super) fn plan(done: &[u64], first_held: Option<u64>) -> Vec<Ack> {
    let before = |tag: &u64| first_held.is_none_or(|held| *tag < held);
    let together = done.iter().copied().filter(before).max();
    let singly = done.iter().copied().filter(|tag| !before(tag));
    let together = together.map(|tag| Ack { tag, multiple: true });
    together.into_iter().chain(singly.map(|tag| Ack { tag, multiple: false })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_done_goes_in_one_word() {
        assert_eq!(plan(&[4, 5, 6], None), [Ack { tag: 6, multiple: true }]);
        assert_eq!(plan(&[4, 6], Some(7)), [Ack { tag: 6, multiple: true }]);
        assert_eq!(plan(&[], Some(7)), []);
    }

    #[test]
    fn what_is_held_is_not_acknowledged() {
        let acks = plan(&[4, 6, 7], Some(5));
        let single = |tag| Ack { tag, multiple: false };
        assert_eq!(acks, [Ack { tag: 4, multiple: true }, single(6), single(7)]);
        assert_eq!(plan(&[6], Some(5)), [single(6)]);
    }
}
