//! Whether a webhook is Stripe's own: `t=…,v1=…`, an HMAC-SHA256 over the time and the raw body.

use chrono::TimeDelta;
use hmac::{Hmac, KeyInit as _, Mac as _};
use quittance_kernel::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use super::Stripe;
use crate::domain::rail::SignatureError;

/// How far the time of a signature may be from ours: an old one may be a replay.
const TOLERANCE: TimeDelta = TimeDelta::seconds(300);

/// The longest header that is looked at, and how many signatures in it.
const MAX_HEADER: usize = 4_096;
const MAX_SIGNATURES: usize = 16;

struct Header<'a> {
    time: i64,
    signatures: Vec<&'a str>,
}

impl<'a> Header<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        if text.len() > MAX_HEADER {
            return None;
        }
        let (mut time, mut signatures) = (None, Vec::new());
        for part in text.split(',') {
            match part.trim().split_once('=')? {
                ("t", value) => time = Some(value.parse().ok()?),
                // While a secret is exchanged there is one for the old and one for the new.
                ("v1", value) => signatures.push(value),
                // Schemes that are not ours, such as that of test events.
                _ => {}
            }
        }
        signatures.truncate(MAX_SIGNATURES);
        Some(Self { time: time?, signatures })
    }
}

/// Checks a signature by any of these secrets. Signatures are compared in constant time.
pub(super) fn verify(
    secrets: &[SecretString],
    payload: &[u8],
    header: &str,
    now: Timestamp,
) -> Result<(), SignatureError> {
    if secrets.is_empty() {
        return Err(SignatureError::NotSetUp);
    }
    let header = Header::parse(header).ok_or(SignatureError::Forged)?;
    let signatures: Vec<Vec<u8>> =
        header.signatures.iter().filter_map(|text| hex::decode(text).ok()).collect();
    let genuine = secrets.iter().any(|secret| {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else {
            return false;
        };
        mac.update(header.time.to_string().as_bytes());
        mac.update(b".");
        mac.update(payload);
        signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
    });
    if !genuine {
        return Err(SignatureError::Forged);
    }
    let age = now.timestamp().checked_sub(header.time).map(i64::unsigned_abs);
    let tolerated = TOLERANCE.num_seconds().unsigned_abs();
    // Last: only who has the secret learns that the time is what is wrong.
    if age.is_none_or(|age| age > tolerated) {
        return Err(SignatureError::Stale);
    }
    Ok(())
}

impl Stripe {
    /// Checks that a body was signed by Stripe, and lately.
    pub(crate) fn verify(
        &self,
        payload: &[u8],
        header: &str,
        now: Timestamp,
    ) -> Result<(), SignatureError> {
        verify(&self.0.webhook_secrets, payload, header, now)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn sign(secret: &str, time: i64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(time.to_string().as_bytes());
        mac.update(b".");
        mac.update(body);
        hex::encode(mac.finalize().into_bytes())
    }

    fn check(header: &str, body: &[u8]) -> Result<(), SignatureError> {
        let secrets = [SecretString::from("old"), SecretString::from("new")];
        verify(&secrets, body, header, DateTime::from_timestamp(NOW, 0).unwrap())
    }

    #[test]
    fn the_signature_of_a_known_secret_and_time_is_a_known_text() {
        // Made with another program.
        let expected = "7656fc2882a7ca0a651666b36bf2f2f22ee204f54f608f227498a2419f2890b2";
        assert_eq!(sign("whsec_test", 1_492_774_577, b"{\"id\":\"evt_1\"}"), expected);
        let header = format!("t={NOW},v1={}", sign("new", NOW, b"{}"));
        assert_eq!(check(&header, b"{}"), Ok(()));
    }

    #[test]
    fn any_of_several_signatures_by_any_of_our_secrets_will_do() {
        let (old, new) = (sign("old", NOW, b"{}"), sign("new", NOW, b"{}"));
        let other = sign("other", NOW, b"{}");
        for header in [
            format!("t={NOW},v1={old}"),
            format!("t={NOW},v1={other},v1={new}"),
            format!("t={NOW}, v0={other}, v1={old}"),
        ] {
            assert_eq!(check(&header, b"{}"), Ok(()), "{header}");
        }
    }

    #[test]
    fn what_is_forged_changed_or_malformed_is_refused() {
        let good = sign("new", NOW, b"{}");
        let other = sign("other", NOW, b"{}");
        for header in [
            String::new(),
            "nonsense".to_owned(),
            format!("t={NOW}"),
            format!("v1={good}"),
            format!("t=soon,v1={good}"),
            format!("t={NOW},v1={other}"),
            format!("t={NOW},v0={good}"),
            format!("t={NOW},v1={}", &good[..62]),
            format!("t={NOW},v1={good}00"),
            // Another time was signed.
            format!("t={},v1={good}", NOW + 1),
        ] {
            assert_eq!(check(&header, b"{}"), Err(SignatureError::Forged), "{header}");
        }
        let header = format!("t={NOW},v1={good}");
        assert_eq!(check(&header, b"{ }"), Err(SignatureError::Forged));
        assert_eq!(
            check(&format!("{header},{}", "x".repeat(5_000)), b"{}"),
            Err(SignatureError::Forged)
        );
    }

    #[test]
    fn a_signature_is_good_for_five_minutes() {
        let at = |time: i64| check(&format!("t={time},v1={}", sign("new", time, b"{}")), b"{}");
        for time in [NOW, NOW - 300, NOW + 300] {
            assert_eq!(at(time), Ok(()), "{time}");
        }
        for time in [NOW - 301, NOW + 301, 0, i64::MIN, i64::MAX] {
            assert_eq!(at(time), Err(SignatureError::Stale), "{time}");
        }
    }

    #[test]
    fn without_a_secret_nothing_is_believed() {
        let now = DateTime::from_timestamp(NOW, 0).unwrap();
        assert_eq!(verify(&[], b"{}", "", now), Err(SignatureError::NotSetUp));
    }
}
