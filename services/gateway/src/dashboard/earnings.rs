//! What a contributor has earned by bounties: fixed payments, shares of profits, receipts (S4-60).

use std::collections::HashMap;

use axum::extract::Query;
use axum::response::Response;
use http::StatusCode;
use quittance_proto::issues::v1::ListIssuesRequest;
use quittance_proto::payouts::v1 as wire;
use serde::Deserialize;

use super::labels::{self, Badge, reason};
use super::view::{Frame, Viewer, html};
use crate::problem::Problem;
use crate::rest::some;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    kind: String,
}

#[derive(askama::Template)]
#[template(path = "earnings.html")]
struct EarningsPage {
    frame: Frame,
    tab: &'static str,
    shares: bool,
    paid: String,
    paid_count: String,
    pending: String,
    pending_count: String,
    rows: Vec<Row>,
    full: bool,
}

struct Row {
    payout: String,
    issue: Option<String>,
    what: String,
    amount: String,
    status: Badge,
    reasons: Vec<String>,
    when: String,
    reference: Option<String>,
}

/// What the viewer has handed in, by its id.
type Works = HashMap<String, String>;

impl Viewer {
    /// The newest of them. What is older is shown without its title, and so is all if they cannot be
    /// read.
    async fn works(&self) -> Works {
        let request = self.caller.request(ListIssuesRequest {
            page_size: 200,
            reporter_id: self.caller.ctx.member().to_string(),
            ..ListIssuesRequest::default()
        });
        let reply = self.gateway.issues().list_issues(request).await;
        let issues = reply.map_or_else(|_| Vec::new(), |reply| reply.into_inner().issues);
        let work = |of: quittance_proto::issues::v1::Issue| {
            (of.issue_id, format!("{} {}", of.number, of.title))
        };
        issues.into_iter().map(work).collect()
    }

    fn earning(&self, of: wire::BountyEarning, works: &Works) -> Row {
        let work = works.get(&of.issue_id).map_or("Submission", String::as_str);
        Row {
            what: if of.period.is_empty() { work.to_owned() } else { of.period },
            issue: some(of.issue_id),
            amount: self.money(of.amount.as_ref()),
            status: labels::payment_state(&of.status),
            reasons: of.reasons.iter().map(|word| reason(word).to_owned()).collect(),
            when: self.day(of.pay_time.or(of.create_time)),
            reference: some(of.reference),
            payout: of.payout_id,
        }
    }

    fn earned(
        &self,
        totals: &[&wire::BountyEarningTotal],
        of: fn(&wire::BountyEarningTotal) -> i64,
    ) -> String {
        let sums = totals.iter().filter(|total| of(total) != 0);
        let texts: Vec<_> =
            sums.map(|total| self.locale.money(of(total), &total.currency_code)).collect();
        if texts.is_empty() { "0".to_owned() } else { texts.join(" + ") }
    }
}

/// Shows what the viewer has earned.
pub(super) async fn page(viewer: Viewer, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let shares = asked.kind == "profit-share";
    let request =
        viewer.caller.request(wire::GetBountyEarningsRequest { member_id: String::new() });
    let mut client = viewer.gateway.bounty_pay();
    let (frame, reply, works) =
        tokio::join!(viewer.frame("Earnings"), client.get_bounty_earnings(request), viewer.works());
    let reply = reply?.into_inner();
    let totals: Vec<_> = reply.totals.iter().filter(|total| total.fixed != shares).collect();
    let count = |of: fn(&wire::BountyEarningTotal) -> i64| {
        viewer.locale.counted(totals.iter().map(|total| of(total)).sum(), "payment")
    };
    let rows = if shares { reply.profit_shares } else { reply.fixed_payments };
    let page = EarningsPage {
        frame,
        tab: if shares { "profit-share" } else { "fixed" },
        shares,
        paid: viewer.earned(&totals, |total| total.paid_minor),
        paid_count: count(|total| total.paid_count),
        pending: viewer.earned(&totals, |total| total.pending_minor),
        pending_count: count(|total| total.pending_count),
        full: rows.len() >= 200,
        rows: rows.into_iter().map(|of| viewer.earning(of, &works)).collect(),
    };
    Ok(html(StatusCode::OK, &page))
}
