//! What becomes of a call, by the ids in it.

use std::time::Duration;

use crate::books::Params;

/// Longer than whoever tests will wait.
pub(crate) const HANG: Duration = Duration::from_secs(20);
pub(crate) const SLOW: Duration = Duration::from_millis(500);

/// The word of an id: `500after` of `acct_500after_1`.
pub(crate) fn word(id: &str) -> &str {
    id.split('_').nth(1).unwrap_or_default()
}

/// The id that a call behaves by, if it moves money.
pub(crate) fn subject<'a>(path: &str, params: &'a Params) -> &'a str {
    let name = match path {
        "transfers" => "destination",
        "payment_intents" => "payment_method",
        _ => return "",
    };
    params.get(name).map_or("", String::as_str)
}

/// What happens before anything is begun. Nothing of it is remembered.
pub(crate) enum Before {
    GoOn,
    Refuse(u16),
    Hang,
    Garble,
}

pub(crate) fn before(word: &str, times: u32) -> Before {
    match (word, times) {
        ("busy", 0 | 1) => Before::Refuse(429),
        ("500before", 0) => Before::Refuse(500),
        ("timeoutbefore", 0) => Before::Hang,
        ("garbledbefore", 0) => Before::Garble,
        _ => Before::GoOn,
    }
}
