//! What somebody typed into a form of ours.

use axum::Form;
use axum::extract::{FromRequest, Request};
use quittance_proto::common::v1::Money;
use uuid::Uuid;

use super::guard::foreign;
use super::locale::Locale;
use super::session::Session;
use crate::idempotency::IdempotencyKey;
use crate::problem::Problem;

/// The fields of a form, in their order. It was on a page of this session.
#[derive(Clone, Debug, Default)]
pub(super) struct Typed(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Typed {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let session = request.extensions().get::<Session>().cloned().unwrap_or_default();
        let form = Form::<Vec<(String, String)>>::from_request(request, state).await;
        let Form(fields) =
            form.map_err(|error| Problem::new(error.status(), "BAD_REQUEST", error.body_text()))?;
        let typed = Self(fields);
        if session.owns(typed.text("form")) { Ok(typed) } else { Err(foreign()) }
    }
}

impl Typed {
    /// Fields that nobody has typed, such as those of an address.
    pub(super) fn of(fields: &[(&str, &str)]) -> Self {
        Self(fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
    }

    /// The first field of this name, without blanks around it; empty when there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value.trim())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        !self.text(name).is_empty()
    }

    /// All fields of this name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.trim())
    }

    /// The key of the page that the form was on, so that it happens once however often it is sent.
    pub(super) fn key(&self) -> Result<IdempotencyKey, Problem> {
        IdempotencyKey::of(self.text("key"))
    }

    /// An amount; `None` when the field was left empty.
    pub(super) fn amount(
        &self,
        name: &str,
        code: &str,
        locale: Locale,
    ) -> Result<Option<Money>, Problem> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        let minor_units = locale.amount(text, code).ok_or_else(|| {
            let example = locale.plain(123_450, code);
            Problem::invalid(name, format!("“{text}” is no amount of {code}; write {example}"))
        })?;
        Ok(Some(Money { minor_units, currency_code: code.to_owned() }))
    }
}

/// A key for a form: sent twice, it happens once.
pub(super) fn fresh_key() -> String {
    Uuid::now_v7().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_they_were_typed() {
        let form =
            Typed::of(&[("payee", "a"), ("payee", " b "), ("amount", "8,000"), ("empty", " ")]);
        assert_eq!(form.all("payee").collect::<Vec<_>>(), ["a", "b"]);
        assert!(form.has("amount") && !form.has("empty") && !form.has("missing"));
        let amount = form.amount("amount", "KZT", Locale::English).unwrap().unwrap();
        assert_eq!(amount.minor_units, 800_000);
        assert_eq!(form.amount("empty", "KZT", Locale::English).unwrap(), None);
        let refused = Typed::of(&[("amount", "lots")]).amount("amount", "KZT", Locale::English);
        assert_eq!(refused.unwrap_err().errors[0].field, "amount");
        assert!(form.key().is_err());
    }
}
