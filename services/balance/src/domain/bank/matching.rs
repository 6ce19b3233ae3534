//! Which payouts the lines of a statement are about: by reference first, then by amount and date.

use std::collections::HashMap;

use chrono::NaiveDate;
use quittance_kernel::{Currency, Money};
use uuid::Uuid;

use super::BankLine;

/// How far apart the bank's day and ours may be when the reference is the same.
pub(crate) const REFERENCE_DAYS: i64 = 10;

/// The same when nothing but the amount is.
const AMOUNT_DAYS: i64 = 3;

/// A shorter reference could stand in any text.
const TELLING: usize = 6;

/// How many payments of one amount are looked at for a reference within a text.
const MANY: usize = 1_000;

/// A payout that moved money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payment {
    pub(crate) id: Uuid,
    pub(crate) paid_on: NaiveDate,
    pub(crate) amount: Money,
    pub(crate) reference: String,
    /// Whether it can have come back.
    pub(crate) returned: bool,
}

/// What a match rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MatchedBy {
    /// Reference, amount and currency.
    Reference,
    /// Several payouts of one reference, which add up to the line.
    Sum,
    /// It is alone with its amount in these days, and so is the line.
    Amount,
}

impl MatchedBy {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Sum => "sum",
            Self::Amount => "amount",
        }
    }
}

/// Letters and digits only: banks change the rest.
fn bare(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

/// The payments of one direction.
struct Pool<'a> {
    payments: Vec<&'a Payment>,
    bare: Vec<String>,
    free: Vec<bool>,
    by_amount: HashMap<(i64, Currency), Vec<usize>>,
    by_reference: HashMap<String, Vec<usize>>,
}

impl<'a> Pool<'a> {
    fn of(payments: impl Iterator<Item = &'a Payment>) -> Self {
        let payments: Vec<&Payment> = payments.collect();
        let bare: Vec<String> = payments.iter().map(|payment| bare(&payment.reference)).collect();
        let mut by_amount: HashMap<_, Vec<usize>> = HashMap::new();
        let mut by_reference: HashMap<_, Vec<usize>> = HashMap::new();
        for (place, payment) in payments.iter().enumerate() {
            let key = (payment.amount.minor(), payment.amount.currency());
            by_amount.entry(key).or_default().push(place);
            if !bare[place].is_empty() {
                by_reference.entry(bare[place].clone()).or_default().push(place);
            }
        }
        Self { free: vec![true; payments.len()], payments, bare, by_amount, by_reference }
    }

    fn days(&self, place: usize, line: &BankLine) -> i64 {
        (self.payments[place].paid_on - line.booked_on).num_days().abs()
    }

    /// Those of this amount that are free and near enough.
    fn near(&self, line: &BankLine, days: i64) -> Vec<usize> {
        let key = (line.amount.minor().saturating_abs(), line.amount.currency());
        let places = self.by_amount.get(&key).map_or(&[][..], Vec::as_slice);
        let near = |place: &&usize| self.free[**place] && self.days(**place, line) <= days;
        places.iter().filter(near).copied().collect()
    }

    fn by_reference(&self, line: &BankLine) -> Option<usize> {
        let said = bare(&line.reference);
        let near = self.near(line, REFERENCE_DAYS);
        let few = near.len() <= MANY;
        let fits = |place: &usize| {
            let known = &self.bare[*place];
            let id = || bare(&self.payments[*place].id.simple().to_string());
            !known.is_empty() && *known == said
                || few && TELLING <= known.len() && said.contains(known.as_str())
                || few && said.contains(&id())
        };
        near.into_iter().filter(fits).min_by_key(|place| (self.days(*place, line), *place))
    }

    fn by_sum(&self, line: &BankLine) -> Option<Vec<usize>> {
        let places = self.by_reference.get(&bare(&line.reference))?;
        let near = |place: &&usize| {
            self.free[**place]
                && self.days(**place, line) <= REFERENCE_DAYS
                && self.payments[**place].amount.currency() == line.amount.currency()
        };
        let places: Vec<usize> = places.iter().filter(near).copied().collect();
        let sum: i128 =
            places.iter().map(|place| i128::from(self.payments[*place].amount.minor())).sum();
        let whole = sum == i128::from(line.amount.minor().saturating_abs());
        Some(places).filter(|places| whole && places.len() > 1)
    }

    fn take(&mut self, places: &[usize]) -> Vec<Uuid> {
        places
            .iter()
            .map(|place| {
                self.free[*place] = false;
                self.payments[*place].id
            })
            .collect()
    }
}

/// What each line is about, in the order of the lines.
pub(crate) fn match_lines(
    lines: &[BankLine],
    payments: &[Payment],
) -> Vec<Option<(MatchedBy, Vec<Uuid>)>> {
    let mut out = Pool::of(payments.iter());
    let mut back = Pool::of(payments.iter().filter(|payment| payment.returned));
    let mut found: Vec<Option<(MatchedBy, Vec<Uuid>)>> = vec![None; lines.len()];
    for (line, found) in lines.iter().zip(&mut found) {
        let pool = if line.amount.minor() < 0 { &mut out } else { &mut back };
        if let Some(place) = pool.by_reference(line) {
            *found = Some((MatchedBy::Reference, pool.take(&[place])));
        }
    }
    for (line, found) in lines.iter().zip(&mut found).filter(|(_, found)| found.is_none()) {
        let pool = if line.amount.minor() < 0 { &mut out } else { &mut back };
        if let Some(places) = pool.by_sum(line) {
            *found = Some((MatchedBy::Sum, pool.take(&places)));
        }
    }
    let mut rivals: HashMap<(i64, Currency), Vec<NaiveDate>> = HashMap::new();
    for (line, _) in lines.iter().zip(&found).filter(|(_, found)| found.is_none()) {
        let key = (line.amount.minor(), line.amount.currency());
        rivals.entry(key).or_default().push(line.booked_on);
    }
    for (line, found) in lines.iter().zip(&mut found).filter(|(_, found)| found.is_none()) {
        let pool = if line.amount.minor() < 0 { &mut out } else { &mut back };
        let near = pool.near(line, AMOUNT_DAYS);
        let [only] = near[..] else { continue };
        let paid_on = pool.payments[only].paid_on;
        let of_amount = rivals.get(&(line.amount.minor(), line.amount.currency()));
        let near = |day: &&NaiveDate| (**day - paid_on).num_days().abs() <= AMOUNT_DAYS;
        if of_amount.is_some_and(|days| days.iter().filter(near).count() == 1) {
            *found = Some((MatchedBy::Amount, pool.take(&[only])));
        }
    }
    found
}
