//! Fields that several forms have: an amount with its currency, days, people, ids.

use chrono::{NaiveDate, NaiveTime};
use prost_types::Timestamp;
use quittance_kernel::Currency;
use quittance_proto::common::v1::Money;
use quittance_proto::issues::v1::ListMembersRequest;
use uuid::Uuid;

use super::form::Typed;
use super::locale::Locale;
use super::view::{Choice, Viewer};
use crate::problem::Problem;
use crate::rest::{Names, stamp, time};

impl Typed {
    /// The fields `amount` and `currency`, which must be given.
    pub(super) fn money(&self, locale: Locale) -> Result<Money, Problem> {
        let code = self.currency()?;
        self.amount("amount", &code, locale)?.ok_or_else(|| Problem::required("amount"))
    }

    /// The field `currency`, in the letters that the services take.
    pub(super) fn currency(&self) -> Result<String, Problem> {
        let code = self.text("currency").to_ascii_uppercase();
        match code.parse::<Currency>() {
            Ok(_) => Ok(code),
            Err(_) => Err(Problem::invalid("currency", "must be a code such as USD")),
        }
    }

    /// The first instant of a day; `None` when the field was left empty.
    pub(super) fn day(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        let day: NaiveDate = text
            .parse()
            .map_err(|_| Problem::invalid(name, format!("“{text}” is no day; write 2026-02-28")))?;
        Ok(Some(stamp(day.and_time(NaiveTime::MIN).and_utc())))
    }

    /// An id that must be given.
    pub(super) fn id(&self, name: &str) -> Result<Uuid, Problem> {
        let text = self.text(name);
        if text.is_empty() {
            return Err(Problem::required(name));
        }
        text.parse().map_err(|_| Problem::invalid(name, "must be an id (a UUID)"))
    }

    /// What stands in a field: what was typed, even if that is nothing, or what is kept.
    pub(super) fn or(&self, name: &str, kept: &str) -> String {
        self.all(name).next().unwrap_or(kept).to_owned()
    }

    /// The version that the page has shown.
    pub(super) fn version(&self) -> i64 {
        self.text("version").parse().unwrap_or_default()
    }
}

/// A day as a field of the kind `date` takes it.
pub(super) fn in_field(of: Option<Timestamp>) -> String {
    time(of).map(|at| at.format("%Y-%m-%d").to_string()).unwrap_or_default()
}

/// The name of somebody.
pub(super) fn name(names: &Names, id: &str) -> String {
    names.get(id).cloned().unwrap_or_else(|| "Somebody".to_owned())
}

impl Viewer {
    /// The people of the organization to choose from, without the viewer: nobody is paid by
    /// themselves.
    pub(super) async fn people(&self, chosen: &str) -> Result<Vec<Choice>, Problem> {
        let request =
            self.caller.request(ListMembersRequest { page_size: 200, page_token: String::new() });
        let members = self.gateway.members().list_members(request).await?.into_inner().members;
        let me = self.caller.ctx.member().to_string();
        let others = members.iter().filter(|of| of.member_id != me);
        let mut people: Vec<Choice> =
            others.map(|of| Choice::new(&of.member_id, &of.name, chosen)).collect();
        people.sort_by_cached_key(|one| one.label.to_lowercase());
        if !people.iter().any(|one| one.chosen) {
            // Whoever is none of the first two hundred is kept, without a name.
            let label = if chosen.is_empty() { "choose one" } else { "somebody else" };
            people.insert(0, Choice::new(chosen, label, chosen));
        }
        Ok(people)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_amounts_and_numbers_are_read_as_people_write_them() {
        let typed = Typed::of(&[
            ("due", "2026-03-01"),
            ("never", "soon"),
            ("amount", "8,500.50"),
            ("currency", "usd"),
        ]);
        let due = typed.day("due").unwrap();
        assert_eq!(in_field(due), "2026-03-01");
        assert_eq!(typed.day("missing").unwrap(), None);
        assert!(typed.day("never").is_err());
        let money = typed.money(Locale::English).unwrap();
        assert_eq!((money.minor_units, money.currency_code.as_str()), (850_050, "USD"));
        assert!(typed.id("due").is_err());
    }

    #[test]
    fn a_field_keeps_what_was_typed_even_when_it_was_emptied() {
        assert_eq!(Typed::default().or("notes", "old"), "old");
        assert_eq!(Typed::of(&[("notes", "")]).or("notes", "old"), "");
        assert_eq!(Typed::of(&[("why", "x"), ("notes", "new")]).or("notes", "old"), "new");
    }
}
