//! Where a member wants to be paid: what each method takes as a number, how much of it may be
//! shown, and when a changed one may be paid.

use chrono::TimeDelta;
use iban::IbanLike as _;
use quittance_kernel::{MemberId, Method, Timestamp};
use uuid::Uuid;

/// Why an account or a minimum is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    #[error("{field}: {detail}")]
    Field { field: &'static str, detail: &'static str },
    #[error("{0} needs no account")]
    NoAccount(Method),
    #[error("minimum: must not be below zero")]
    Minimum,
    #[error("member {0} not found")]
    MemberNotFound(MemberId),
}

/// The fields of a request; what was not given is empty.
#[derive(Clone, Copy, Default)]
pub(crate) struct Given<'a> {
    pub(crate) phone: &'a str,
    pub(crate) iban: &'a str,
    pub(crate) account_id: &'a str,
}

/// A checked number. It has no `Debug`: it is not to be printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Number {
    pub(crate) method: Method,
    /// In the one way of writing it.
    pub(crate) plain: String,
}

impl Number {
    /// Reads the number that the method asks for, and refuses any other.
    pub(crate) fn parse(method: Method, given: &Given<'_>) -> Result<Self, AccountError> {
        let (field, text) = match method {
            Method::Kaspi => ("phone", given.phone),
            Method::Bank => ("iban", given.iban),
            Method::Ach | Method::Paypal | Method::Stripe => ("account_id", given.account_id),
            Method::Cash => return Err(AccountError::NoAccount(method)),
        };
        for (other, text) in
            [("phone", given.phone), ("iban", given.iban), ("account_id", given.account_id)]
        {
            if other != field && !text.is_empty() {
                let detail = "does not belong to this method";
                return Err(AccountError::Field { field: other, detail });
            }
        }
        let refused = |detail| AccountError::Field { field, detail };
        if text.trim().is_empty() {
            return Err(refused("must be given"));
        }
        if is_card(text) {
            return Err(refused("must not be the number of a card"));
        }
        let read = match method {
            Method::Kaspi => phone(text).ok_or("must be a phone number such as +77011234567"),
            Method::Bank => iban(text).ok_or("must be an IBAN"),
            Method::Ach => {
                ach(text).ok_or("must be a routing and an account number: 9 digits/4 to 17")
            }
            Method::Paypal => mail(text).ok_or("must be an e-mail address"),
            Method::Stripe | Method::Cash => stripe(text).ok_or("must be an id such as acct_123"),
        };
        Ok(Self { method, plain: read.map_err(refused)? })
    }

    /// As much of it as tells its owner which one it is.
    #[must_use]
    pub(crate) fn masked(&self) -> String {
        let (kept, shown) = match self.method {
            Method::Kaspi | Method::Bank => (2, 4),
            Method::Stripe => (5, 4),
            Method::Paypal => (1, self.plain.len() - self.plain.find('@').unwrap_or_default()),
            Method::Ach | Method::Cash => (0, 4),
        };
        // Half of a short number is hidden, whatever is short.
        let tail = shown.min(self.plain.len() / 2);
        let head = kept.min(self.plain.len() / 2);
        let tail = if self.method == Method::Paypal { shown } else { tail };
        let (head, tail) = (&self.plain[..head], &self.plain[self.plain.len() - tail..]);
        format!("{head}••••{tail}")
    }
}

/// E.164; spaces, hyphens and brackets are how people write it.
fn phone(text: &str) -> Option<String> {
    let plain: String = text.chars().filter(|letter| !" -()".contains(*letter)).collect();
    let digits = plain.strip_prefix('+')?;
    let fits = (8..=15).contains(&digits.len()) && !digits.starts_with('0') && all_digits(digits);
    fits.then_some(plain)
}

fn iban(text: &str) -> Option<String> {
    let plain: String = text.chars().filter(|letter| *letter != ' ').collect();
    let read: iban::Iban = plain.to_ascii_uppercase().parse().ok()?;
    Some(read.electronic_str().to_owned())
}

/// `routing/account`; the routing number has the checksum of the ABA.
fn ach(text: &str) -> Option<String> {
    let (routing, account) = text.trim().split_once('/')?;
    let fits = routing.len() == 9 && (4..=17).contains(&account.len());
    if !fits || !all_digits(routing) || !all_digits(account) {
        return None;
    }
    let weights = [3, 7, 1].into_iter().cycle();
    let sum: u32 =
        routing.bytes().zip(weights).map(|(digit, by)| u32::from(digit - b'0') * by).sum();
    sum.is_multiple_of(10).then(|| text.trim().to_owned())
}

fn mail(text: &str) -> Option<String> {
    let text = text.trim();
    let (name, host) = text.split_once('@')?;
    let word = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'@')
    };
    let fits = word(name) && word(host) && host.contains('.') && text.len() <= 254;
    fits.then(|| text.to_owned())
}

fn stripe(text: &str) -> Option<String> {
    let rest = text.trim().strip_prefix("acct_")?;
    let word = rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    ((3..=64).contains(&rest.len()) && word).then(|| text.trim().to_owned())
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// 13 to 19 digits with the checksum of Luhn.
fn is_card(text: &str) -> bool {
    let plain: Vec<u32> = text
        .chars()
        .filter(|letter| !" -".contains(*letter))
        .map_while(|c| c.to_digit(10))
        .collect();
    let written = text.chars().filter(|letter| !" -".contains(*letter)).count();
    if written != plain.len() || !(13..=19).contains(&plain.len()) {
        return false;
    }
    let double = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let sum: u32 = plain
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| if place % 2 == 1 { double(*digit) } else { *digit })
        .sum();
    sum.is_multiple_of(10)
}

/// An account as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PayoutAccount {
    pub(crate) id: Uuid,
    pub(crate) member: MemberId,
    pub(crate) method: Method,
    pub(crate) masked: String,
    pub(crate) version: i64,
    /// None for a first number, which needs not wait.
    pub(crate) changed_at: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
}

impl PayoutAccount {
    /// From when on it is paid, if that is not now.
    #[must_use]
    pub(crate) fn payable_at(&self, cooldown: TimeDelta, now: Timestamp) -> Option<Timestamp> {
        let until = self.changed_at?.checked_add_signed(cooldown)?;
        (now < until).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: Method, text: &str) -> Result<Number, AccountError> {
        let given = match method {
            Method::Kaspi => Given { phone: text, ..Given::default() },
            Method::Bank => Given { iban: text, ..Given::default() },
            Method::Ach | Method::Cash | Method::Paypal | Method::Stripe => {
                Given { account_id: text, ..Given::default() }
            }
        };
        Number::parse(method, &given)
    }

    #[test]
    fn each_method_takes_its_number_and_shows_a_part_of_it() {
        for (method, text, plain, masked) in [
            (Method::Kaspi, "+7 (701) 123-45-67", "+77011234567", "+7••••4567"),
            (Method::Bank, "kz86 125k zt50 0410 0100", "KZ86125KZT5004100100", "KZ••••0100"),
            (Method::Bank, "DE89370400440532013000", "DE89370400440532013000", "DE••••3000"),
            (Method::Ach, "021000021/123456789", "021000021/123456789", "••••6789"),
            (Method::Paypal, " dana@example.com", "dana@example.com", "d••••@example.com"),
            (Method::Stripe, "acct_ok_12345", "acct_ok_12345", "acct_••••2345"),
        ] {
            let number = read(method, text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((number.plain.as_str(), number.masked()), (plain, masked.to_owned()));
        }
    }

    #[test]
    fn what_is_no_number_of_the_method_is_refused_by_field() {
        for (method, text, name) in [
            (Method::Kaspi, "87011234567", "phone"),
            (Method::Kaspi, "+0701123456", "phone"),
            (Method::Bank, "KZ86125KZT5004100101", "iban"),
            (Method::Bank, "", "iban"),
            (Method::Ach, "021000022/123456789", "account_id"),
            (Method::Ach, "4111 1111 1111 1111", "account_id"),
            (Method::Paypal, "dana", "account_id"),
            (Method::Stripe, "cus_1", "account_id"),
        ] {
            match read(method, text) {
                Err(AccountError::Field { field, .. }) => assert_eq!(field, name, "{text}"),
                Err(error) => panic!("{text}: {error}"),
                Ok(_) => panic!("{text} was taken"),
            }
        }
        assert!(
            read(Method::Cash, "x")
                .is_err_and(|error| error == AccountError::NoAccount(Method::Cash))
        );
        let both = Given { phone: "+77011234567", iban: "DE89370400440532013000", account_id: "" };
        assert!(Number::parse(Method::Kaspi, &both).is_err());
    }

    #[test]
    fn a_changed_number_waits_and_a_first_one_does_not() {
        let at: Timestamp = "2026-05-08T12:00:00Z".parse().unwrap();
        let first = PayoutAccount {
            id: Uuid::now_v7(),
            member: MemberId::new(),
            method: Method::Kaspi,
            masked: String::new(),
            version: 1,
            changed_at: None,
            created_at: at,
        };
        let day = TimeDelta::hours(24);
        assert_eq!(first.payable_at(day, at), None);
        let changed = PayoutAccount { changed_at: Some(at), ..first };
        assert_eq!(changed.payable_at(day, at), Some(at + day));
        // The first instant after it is not part of it.
        assert_eq!(changed.payable_at(day, at + day), None);
    }
}
