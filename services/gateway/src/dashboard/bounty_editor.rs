//! Where bounties are made and changed. What is refused stands beside its field, with its code (S4-62).

use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use quittance_chassis::config::Mode;
use quittance_proto::issues::v1 as wire;
use quittance_proto::payouts::v1::GetPayerRequest;
use uuid::Uuid;

use super::beside::beside;
use super::bounties::{Asked, PAGE};
use super::form::{Typed, fresh_key};
use super::labels::number;
use super::view::{Choice, Frame, Viewer, answer, done};
use crate::extract::Segments;
use crate::problem::{FieldError, Problem};
use crate::reply::required;

#[derive(askama::Template)]
#[template(path = "bounty_editor.html")]
struct EditorPage {
    frame: Frame,
    key: String,
    /// Where the form goes, and where one leaves it.
    action: String,
    back: String,
    product: String,
    version: i64,
    is_new: bool,
    fixed: bool,
    /// Why nothing can be paid at once yet.
    no_payer: Option<&'static str>,
    /// Whether that forbids fixed payments.
    blocked: bool,
    title: Field,
    description: Field,
    value: Field,
    currency: Field,
    points: Field,
    modes: Vec<Choice>,
    max_claims: Field,
    expiry: Field,
    evidence: Field,
    statuses: Vec<Choice>,
}

/// A field with what was refused of it.
struct Field {
    value: String,
    wrong: Option<FieldError>,
}

/// Why fixed payments wait for somebody who pays, and whether they can be offered before.
fn payer_hint(mode: Mode, is_named: bool) -> (Option<&'static str>, bool) {
    match (is_named, mode) {
        (true, _) => (None, false),
        (false, Mode::Production) => {
            (Some("A fixed payment requires Stripe Connect: name who pays."), true)
        }
        (false, Mode::Development) => {
            (Some("Nobody is named who pays; on the sandbox a test card does."), false)
        }
    }
}

impl Viewer {
    async fn has_payer(&self, product: &str) -> Result<bool, Problem> {
        let request = self.caller.request(GetPayerRequest { product_id: product.to_owned() });
        Ok(self.gateway.payers().get_payer(request).await?.into_inner().payer.is_some())
    }

    pub(super) async fn bounty(&self, id: Uuid) -> Result<wire::Bounty, Problem> {
        let request = self.caller.request(wire::GetBountyRequest { bounty_id: id.to_string() });
        let reply = self.gateway.bounties().get_bounty(request).await?.into_inner();
        required(reply.bounty, "bounty")
    }
}

/// The states that a bounty can be led to.
fn statuses(of: Option<&wire::Bounty>, chosen: &str) -> Vec<Choice> {
    use wire::BountyStatus::{Cancelled, Closed, Draft, Open};

    let steps: &[(wire::BountyStatus, &str)] = match of.map(wire::Bounty::status) {
        None => &[(Open, "open: it can be claimed"), (Draft, "draft: admins see it")],
        Some(Draft) => &[(Draft, "draft"), (Open, "open"), (Cancelled, "cancelled")],
        Some(Open) => &[(Open, "open"), (Closed, "closed"), (Cancelled, "cancelled")],
        Some(_) => &[],
    };
    let step = |(status, label): &(wire::BountyStatus, &str)| {
        Choice::new(&i32::from(*status).to_string(), label, chosen)
    };
    steps.iter().map(step).collect()
}

async fn shown(
    viewer: &Viewer,
    product: &str,
    of: Option<&wire::Bounty>,
    typed: &Typed,
    problem: Option<&Problem>,
) -> Result<Response, Problem> {
    let is_named = viewer.has_payer(product);
    let title = if of.is_some() { "Change the bounty" } else { "New bounty" };
    let (frame, is_named) = tokio::join!(viewer.frame(title), is_named);
    let (no_payer, blocked) = payer_hint(viewer.gateway.mode, is_named?);
    let kept = of.cloned().unwrap_or_else(|| wire::Bounty {
        claim_expiry_days: 14,
        status: wire::BountyStatus::Open.into(),
        reward_type: wire::RewardType::ProfitShare.into(),
        claim_mode: wire::ClaimMode::Single.into(),
        ..wire::Bounty::default()
    });
    let money = kept.value.clone().unwrap_or_default();
    let code = if money.currency_code.is_empty() { "USD" } else { &money.currency_code };
    let value = kept.value.as_ref().map(|of| viewer.locale.plain(of.minor_units, code));
    let field = |name: &str, kept: &str, names: &[&str]| Field {
        value: typed.or(name, kept),
        wrong: beside(problem, names),
    };
    let text = |number: Option<i64>| number.map(|of| of.to_string()).unwrap_or_default();
    let reward = number(&typed.or("reward", &kept.reward_type.to_string()));
    let mode = typed.or("mode", &kept.claim_mode.to_string());
    let path = of.map(|of| format!("{PAGE}/{}", of.bounty_id));
    let page = EditorPage {
        key: fresh_key(),
        action: path.as_ref().map_or_else(|| format!("{PAGE}/new"), |path| format!("{path}/edit")),
        back: path.unwrap_or_else(|| format!("{PAGE}?product={product}")),
        product: product.to_owned(),
        version: kept.version,
        is_new: of.is_none(),
        fixed: reward == i32::from(wire::RewardType::FixedPayment),
        no_payer,
        blocked,
        title: field("title", &kept.title, &["title"]),
        description: field("description", &kept.description, &["description"]),
        value: field("value", value.as_deref().unwrap_or_default(), &["value", "valueMinor"]),
        currency: field("currency", code, &["currency"]),
        points: field("points", &text(kept.points), &["points"]),
        modes: vec![Choice::new("1", "one person", &mode), Choice::new("2", "several", &mode)],
        max_claims: field("max-claims", &text(kept.max_claims), &["max-claims", "maxClaims"]),
        expiry: field(
            "expiry",
            &kept.claim_expiry_days.to_string(),
            &["expiry", "claimExpiryDays"],
        ),
        evidence: field("evidence", &kept.evidence_description, &["evidenceDescription"]),
        statuses: statuses(of, &typed.or("status", &kept.status.to_string())),
        frame: frame.with(problem),
    };
    Ok(answer(problem, &page))
}

/// Shows the form of a new bounty.
pub(super) async fn new(viewer: Viewer, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let (product, _) = viewer.product(&asked.product, PAGE).await?;
    let product = product.ok_or_else(Problem::not_found)?;
    shown(&viewer, &product.product_id, None, &Typed::default(), None).await
}

/// Offers work. What was typed stays when it is refused.
pub(super) async fn create(viewer: Viewer, typed: Typed) -> Response {
    match created(&viewer, &typed).await {
        Ok(id) => done(&format!("{PAGE}/{id}"), "offered"),
        Err(problem) => shown(&viewer, typed.text("product"), None, &typed, Some(&problem))
            .await
            .unwrap_or_else(IntoResponse::into_response),
    }
}

/// The value with the letters of its currency; `None` when it was left empty.
fn value(viewer: &Viewer, typed: &Typed) -> Result<(Option<i64>, String), Problem> {
    let code = typed.currency()?;
    let value = typed.amount("value", &code, viewer.locale)?;
    Ok((value.map(|value| value.minor_units), code))
}

async fn created(viewer: &Viewer, typed: &Typed) -> Result<String, Problem> {
    let key = typed.key()?;
    let (value_minor, currency_code) = value(viewer, typed)?;
    let message = wire::CreateBountyRequest {
        request_id: key.request_id(),
        product_id: typed.text("product").to_owned(),
        reward_type: number(typed.text("reward")),
        title: typed.text("title").to_owned(),
        description: typed.text("description").to_owned(),
        points: typed.whole("points")?,
        value_minor,
        currency_code,
        claim_mode: number(typed.text("mode")),
        max_claims: typed.whole("max-claims")?,
        claim_expiry_days: typed.whole("expiry")?,
        evidence_description: typed.text("evidence").to_owned(),
        status: number(typed.text("status")),
    };
    let request = key.request(&viewer.caller, message);
    let reply = viewer.gateway.bounties().create_bounty(request).await?.into_inner();
    Ok(required(reply.bounty, "bounty")?.bounty_id)
}

/// Shows the form of a bounty.
pub(super) async fn edit(
    viewer: Viewer,
    Segments(id): Segments<Uuid>,
) -> Result<Response, Problem> {
    let bounty = viewer.bounty(id).await?;
    shown(&viewer, &bounty.product_id, Some(&bounty), &Typed::default(), None).await
}

/// Changes a bounty. What was typed stays when it is refused.
pub(super) async fn change(viewer: Viewer, Segments(id): Segments<Uuid>, typed: Typed) -> Response {
    match changed(&viewer, id, &typed).await {
        Ok(()) => done(&format!("{PAGE}/{id}"), "saved"),
        Err(problem) => {
            let again = async {
                let bounty = viewer.bounty(id).await?;
                shown(&viewer, &bounty.product_id, Some(&bounty), &typed, Some(&problem)).await
            };
            again.await.unwrap_or_else(IntoResponse::into_response)
        }
    }
}

async fn changed(viewer: &Viewer, id: Uuid, typed: &Typed) -> Result<(), Problem> {
    let key = typed.key()?;
    let (value_minor, currency_code) = value(viewer, typed)?;
    let points = typed.whole("points")?;
    let message = wire::UpdateBountyRequest {
        request_id: key.request_id(),
        bounty_id: id.to_string(),
        version: typed.version(),
        title: Some(typed.text("title").to_owned()),
        description: Some(typed.text("description").to_owned()),
        status: number(typed.text("status")),
        reward_type: number(typed.text("reward")),
        points,
        clear_points: points.is_none(),
        value_minor,
        clear_value: value_minor.is_none(),
        currency_code,
        max_claims: typed.whole("max-claims")?,
        claim_expiry_days: typed.whole("expiry")?,
        evidence_description: Some(typed.text("evidence").to_owned()),
    };
    viewer.gateway.bounties().update_bounty(key.request(&viewer.caller, message)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S4-62: nobody promises money that nothing can pay.
    #[test]
    fn a_fixed_payment_requires_somebody_who_pays() {
        let (hint, blocked) = payer_hint(Mode::Production, false);
        assert!(hint.unwrap().contains("requires Stripe Connect") && blocked);
        assert!(!payer_hint(Mode::Development, false).1);
        assert_eq!(payer_hint(Mode::Production, true), (None, false));
    }

    #[test]
    fn a_bounty_that_has_ended_is_led_nowhere() {
        let of = |status: wire::BountyStatus| wire::Bounty {
            status: status.into(),
            ..wire::Bounty::default()
        };
        assert_eq!(statuses(None, "2").len(), 2);
        assert!(statuses(None, "2")[0].chosen);
        assert_eq!(statuses(Some(&of(wire::BountyStatus::Open)), "2").len(), 3);
        assert!(statuses(Some(&of(wire::BountyStatus::Closed)), "3").is_empty());
    }
}
