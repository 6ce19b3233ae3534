//! What providers answered about charges, as it is written: rows, audit and events.

use quittance_chassis::db::{Column, Entry, Journal, Update, WriteSet};
use quittance_events::{ChargeState as ChargeTold, kind};
use quittance_kernel::{Ctx, Timestamp};

use crate::domain::charge::{ChargeAttempt, ChargeState, Charged, Follows};

/// A charge as it was, what was said of it, and what follows.
#[derive(Clone, Debug)]
pub(crate) struct Concluded {
    pub(crate) charge: ChargeAttempt,
    pub(crate) charged: Charged,
    pub(crate) follows: Follows,
}

impl Concluded {
    /// The provider's name of the charge; what is known of it stays known.
    fn reference(&self) -> &str {
        match &self.charged {
            Charged::Succeeded { reference } | Charged::NeedsAction { reference } => reference,
            Charged::Declined { .. } | Charged::Retryable { .. } | Charged::Unknown => {
                &self.charge.reference
            }
        }
    }

    pub(crate) fn code(&self) -> &str {
        match &self.charged {
            Charged::Declined { code } | Charged::Retryable { code } => code,
            Charged::Succeeded { .. } | Charged::NeedsAction { .. } | Charged::Unknown => "",
        }
    }

    /// The charge as it is now.
    #[must_use]
    pub(crate) fn after(&self, now: Timestamp) -> ChargeAttempt {
        ChargeAttempt {
            state: self.follows.state,
            reference: self.reference().to_owned(),
            code: self.code().to_owned(),
            asked: self.charge.asked + 1,
            version: self.charge.version + 1,
            updated_at: now,
            ..self.charge.clone()
        }
    }
}

/// Adds what became of charges; fails as stale when somebody else was faster.
pub(crate) fn write(ctx: &Ctx, set: &mut WriteSet, journal: &mut Journal, all: &[Concluded]) {
    let after: Vec<(ChargeAttempt, Timestamp)> = all
        .iter()
        .map(|one| (one.after(ctx.now), one.follows.again_at.unwrap_or(ctx.now)))
        .collect();
    set.update(
        moved(ctx, &after).only_where("t.state IN ('submitted', 'unknown', 'needs_action')"),
    );
    for (concluded, (after, _)) in all.iter().zip(&after) {
        // What is asked for in vain is no news.
        if concluded.charge.state != after.state {
            let decided = !concluded.follows.another;
            tell(ctx, journal, concluded.charge.state, after, decided);
        }
    }
}

/// The rows of charges that are a version on, and when they are looked at next.
pub(crate) fn moved(ctx: &Ctx, after: &[(ChargeAttempt, Timestamp)]) -> Update {
    let text = |of: fn(&ChargeAttempt) -> &str| {
        Column::Text(after.iter().map(|(charge, _)| of(charge).to_owned()).collect())
    };
    let number = |of: fn(&ChargeAttempt) -> i64| {
        Column::I64(after.iter().map(|(charge, _)| of(charge)).collect())
    };
    let ids = after.iter().map(|(charge, _)| charge.id).collect();
    let versions = after.iter().map(|(charge, _)| charge.version - 1).collect();
    Update::of("charges", "id", ids, versions)
        .set("state", text(|charge| charge.state.as_str()))
        .set("reference", text(|charge| &charge.reference))
        .set("code", text(|charge| &charge.code))
        .set("asked", number(|charge| charge.asked))
        .set("refunded_minor", number(|charge| charge.refunded))
        .set("next_at", Column::Time(after.iter().map(|(_, at)| *at).collect()))
        .set("updated_at", Column::same_time(Some(ctx.now)))
}

/// Audit of a charge's step, and the event of one that is decided.
pub(crate) fn tell(
    ctx: &Ctx,
    journal: &mut Journal,
    from: ChargeState,
    after: &ChargeAttempt,
    decided: bool,
) {
    let told = serde_json::json!({
        "status": after.state.as_str(),
        "purpose": after.purpose.as_str(),
        "subjectId": after.subject,
        "amountMinor": after.quote.total,
        "currency": after.quote.currency.code(),
        "reference": after.reference,
    });
    let before = serde_json::json!({ "status": from.as_str() });
    let event = match after.state {
        ChargeState::Succeeded if from != ChargeState::Refunding => Some(kind::CHARGE_SUCCEEDED),
        ChargeState::Declined | ChargeState::FailedRetryable if decided => {
            Some(kind::CHARGE_FAILED)
        }
        ChargeState::Refunded => Some(kind::CHARGE_REFUNDED),
        ChargeState::Created
        | ChargeState::Submitted
        | ChargeState::NeedsAction
        | ChargeState::Unknown
        | ChargeState::Succeeded
        | ChargeState::Declined
        | ChargeState::FailedRetryable
        | ChargeState::Refunding => None,
    };
    let action = event.map_or_else(|| format!("charge.{}", after.state.as_str()), str::to_owned);
    let entry = Entry::new(action, "charge", after.id)
        .change(before.to_string(), told.to_string())
        .because(Some(after.code.clone()).filter(|code| !code.is_empty()));
    match event {
        Some(kind) => {
            journal.record(ctx, entry, kind, state(after));
        }
        None => journal.note(ctx, entry),
    }
}

fn state(charge: &ChargeAttempt) -> ChargeTold {
    let quote = &charge.quote;
    ChargeTold {
        charge_id: charge.id,
        version: charge.version,
        purpose: charge.purpose.as_str().to_owned(),
        subject_id: charge.subject,
        product_id: charge.product.0,
        payer_id: charge.payer.0,
        status: charge.state.as_str().to_owned(),
        number: charge.number,
        currency: quote.currency.code().to_owned(),
        value_minor: quote.value,
        tip_minor: quote.tip,
        platform_fee_minor: quote.platform_fee,
        processor_fee_minor: quote.processor_fee,
        rounding_minor: quote.rounding,
        total_minor: quote.total,
        refunded_minor: charge.refunded,
        reference: charge.reference.clone(),
        reason: charge.code.clone(),
    }
}

/// Adds that a charge is to be given back, and why.
pub(crate) fn refund(
    ctx: &Ctx,
    (set, journal): (&mut WriteSet, &mut Journal),
    after: &ChargeAttempt,
    why: &str,
) {
    let moved = moved(ctx, &[(after.clone(), ctx.now)]);
    set.update(moved.only_where("t.state = 'succeeded'"));
    let entry = Entry::new("charge.refunding", "charge", after.id)
        .change(r#"{"status":"succeeded"}"#, r#"{"status":"refunding"}"#)
        .because(Some(why.to_owned()));
    journal.note(ctx, entry);
}

/// Adds what became of it.
pub(crate) fn given_back(
    ctx: &Ctx,
    (set, journal): (&mut WriteSet, &mut Journal),
    after: &ChargeAttempt,
    next_at: Timestamp,
) {
    set.update(moved(ctx, &[(after.clone(), next_at)]).only_where("t.state = 'refunding'"));
    if after.state != ChargeState::Refunding {
        tell(ctx, journal, ChargeState::Refunding, after, true);
    }
}
