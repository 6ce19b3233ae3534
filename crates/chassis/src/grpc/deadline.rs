//! The `grpc-timeout` header: how long the caller will wait.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

pub(super) const HEADER: HeaderName = HeaderName::from_static("grpc-timeout");

/// Reads how long the caller will wait. What cannot be read counts as not given.
pub(super) fn read(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(HEADER)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

/// Writes how long we will wait, in milliseconds, at least one.
pub(super) fn write(wait: Duration) -> HeaderValue {
    // Eight digits are all that the header may have: about 27 hours.
    let millis = wait.as_millis().clamp(1, 99_999_999);
    HeaderValue::try_from(format!("{millis}m")).unwrap_or(HeaderValue::from_static("1m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_str(text).unwrap());
        read(&headers)
    }

    #[test]
    fn a_timeout_reads_back() {
        for millis in [1, 250, 30_000, 600_000] {
            let wait = Duration::from_millis(millis);
            assert_eq!(parsed(write(wait).to_str().unwrap()), Some(wait));
        }
        assert_eq!(parsed("2S"), Some(Duration::from_secs(2)));
        assert_eq!(write(Duration::MAX).to_str().unwrap(), "99999999m");
        assert_eq!(write(Duration::ZERO).to_str().unwrap(), "1m");
    }

    #[test]
    fn nonsense_counts_as_not_given() {
        for text in ["", "S", "5", "-1S", "123456789S", "1x", "1 S"] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }
}
