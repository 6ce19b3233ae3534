//! How a notification reads as a letter.

use std::fmt::Write as _;
use std::time::SystemTime;

use lettre::Message;
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use quittance_kernel::{Currency, Money};
use serde_json::Value;

use crate::store::mail::Letter;

/// Tells vacation responders to keep quiet (RFC 3834).
const AUTOMATIC: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");

/// Writes the letter, or says why there cannot be one.
pub(super) fn compose(from: &Mailbox, letter: &Letter) -> Result<Message, String> {
    let email = letter.email.as_deref().ok_or("the member is not known")?;
    let to = email.parse().map_err(|_| "the member's e-mail is no address")?;
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(&letter.title)
        .date(SystemTime::from(letter.created_at))
        .message_id(Some(format!("<{}@{}>", letter.id, from.email.domain())))
        .raw_header(HeaderValue::new(AUTOMATIC, "auto-generated".to_owned()))
        .header(ContentType::TEXT_PLAIN)
        .body(text(letter))
        .map_err(|error| error.to_string())
}

/// The title, and what the data says for people.
fn text(letter: &Letter) -> String {
    let data: Value = serde_json::from_str(&letter.data).unwrap_or_default();
    let word = |name: &str| data[name].as_str();
    let mut text = format!("{}\n", letter.title);
    let currency = word("currency").and_then(|code| code.parse::<Currency>().ok());
    let amount = data["amountMinor"].as_i64().zip(currency);
    let amount = amount.map(|(minor, currency)| Money::signed(minor, currency).to_string());
    let lines = [
        ("Amount", amount.as_deref()),
        ("Reason", word("reason")),
        ("Reference", word("reference")),
        ("Issue", word("issueId")),
    ];
    for (name, value) in lines.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{name}: {value}");
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(title: &str, email: Option<&str>) -> Letter {
        Letter {
            id: uuid::Uuid::nil(),
            title: title.to_owned(),
            data: r#"{"issueId":"i","amountMinor":800000,"currency":"KZT"}"#.to_owned(),
            mail_tries: 1,
            created_at: "2026-05-08T12:00:00Z".parse().unwrap(),
            email: email.map(str::to_owned),
        }
    }

    #[test]
    fn a_letter_is_known_by_its_notification_and_nothing_breaks_out_of_its_subject() {
        let from: Mailbox = "Quittance <pay@quittance.example>".parse().unwrap();
        let letter = letter("Paid: x\r\nBcc: all@example.com", Some("aibek@example.com"));
        let message = compose(&from, &letter).unwrap();
        let text = String::from_utf8(message.formatted()).unwrap();
        let id = "Message-ID: <00000000-0000-0000-0000-000000000000@quittance.example>\r\n";
        assert!(text.contains(id), "{text}");
        assert!(text.contains("Auto-Submitted: auto-generated\r\n"), "{text}");
        assert!(text.contains("Amount: 8000.00 KZT"), "{text}");
        let head = text.split("\r\n\r\n").next().unwrap();
        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{text}");
    }

    #[test]
    fn a_letter_without_an_address_is_not_written() {
        let from: Mailbox = "pay@quittance.example".parse().unwrap();
        assert!(compose(&from, &letter("Paid", None)).is_err());
        assert!(compose(&from, &letter("Paid", Some("nobody"))).is_err());
    }
}
