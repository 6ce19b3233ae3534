//! Dividing a profit among the points of a product: first to look at, then exactly so.

use http::StatusCode;
use quittance_proto::payouts::v1 as wire;
use sha2::{Digest as _, Sha256};

use super::form::Typed;
use super::view::Viewer;
use crate::problem::Problem;

/// The reason when something else would be divided than was shown.
pub(super) const MOVED: &str = "DIVISION_CHANGED";

/// What each would get.
pub(super) struct Division {
    /// Of what it says, so that nothing else is divided than was shown.
    pub(super) digest: String,
    pub(super) period: String,
    pub(super) parts: Vec<Part>,
    pub(super) total: String,
    pub(super) residual: String,
    pub(super) fee: String,
}

pub(super) struct Part {
    pub(super) name: String,
    pub(super) points: String,
    pub(super) amount: String,
    pub(super) fee: String,
    pub(super) payout: String,
}

fn message(
    viewer: &Viewer,
    product: &str,
    typed: &Typed,
) -> Result<wire::DistributeProfitRequest, Problem> {
    Ok(wire::DistributeProfitRequest {
        request_id: String::new(),
        product_id: product.to_owned(),
        period: typed.text("period").to_owned(),
        profit: Some(typed.money(viewer.locale)?),
        pool_bps: typed.percent("part", viewer.locale)?,
        dry_run: true,
    })
}

/// Covers everything that somebody who looks at it decides by.
fn digest(of: &wire::DistributeProfitResponse) -> String {
    let mut digest = Sha256::new();
    digest.update(format!("{}\n{}\n{}", of.period, of.currency_code, of.total_minor));
    for part in &of.allocations {
        digest.update(format!("\n{} {} {}", part.member_id, part.points, part.payout_minor));
    }
    hex::encode(digest.finalize())
}

async fn dry_run(
    viewer: &Viewer,
    product: &str,
    typed: &Typed,
) -> Result<wire::DistributeProfitResponse, Problem> {
    let request = viewer.caller.request(message(viewer, product, typed)?);
    Ok(viewer.gateway.profit_shares().distribute_profit(request).await?.into_inner())
}

/// Shows the division, and creates nothing.
pub(super) async fn divide(
    viewer: &Viewer,
    product: &str,
    typed: &Typed,
) -> Result<Division, Problem> {
    let of = dry_run(viewer, product, typed).await?;
    let money = |minor| viewer.locale.money(minor, &of.currency_code);
    let part = |one: &wire::Allocation| Part {
        name: one.member_name.clone(),
        points: viewer.locale.count(one.points),
        amount: money(one.amount_minor),
        fee: money(one.platform_fee_minor),
        payout: money(one.payout_minor),
    };
    Ok(Division {
        digest: digest(&of),
        period: of.period.clone(),
        parts: of.allocations.iter().map(part).collect(),
        total: money(of.total_minor),
        residual: money(of.residual_minor),
        fee: money(of.platform_fee_minor),
    })
}

/// Creates the payouts that were shown, or says that they would be others now.
pub(super) async fn distribute(
    viewer: &Viewer,
    product: &str,
    typed: &Typed,
) -> Result<(), Problem> {
    let key = typed.key()?;
    let now = dry_run(viewer, product, typed).await;
    // A period that was distributed by the same form is answered again below.
    if let Ok(now) = now
        && digest(&now) != typed.text("digest")
    {
        let detail = "points have changed since: look at what each would get now";
        return Err(Problem::new(StatusCode::CONFLICT, MOVED, detail));
    }
    let message = wire::DistributeProfitRequest {
        request_id: key.request_id(),
        dry_run: false,
        ..message(viewer, product, typed)?
    };
    viewer.gateway.profit_shares().distribute_profit(key.request(&viewer.caller, message)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_tells_one_division_from_another() {
        let part = |points, payout_minor| wire::Allocation {
            member_id: "m".to_owned(),
            points,
            payout_minor,
            ..wire::Allocation::default()
        };
        let of = |allocations| wire::DistributeProfitResponse {
            period: "2026-Q1".to_owned(),
            allocations,
            ..wire::DistributeProfitResponse::default()
        };
        let one = digest(&of(vec![part(50, 9_000)]));
        assert_eq!(one, digest(&of(vec![part(50, 9_000)])));
        assert_ne!(one, digest(&of(vec![part(50, 9_001)])));
        assert_ne!(one, digest(&of(vec![])));
    }
}
