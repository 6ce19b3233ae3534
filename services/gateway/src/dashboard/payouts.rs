//! The admin's payouts: what is owed, the queue, what waits for a decision (S0-50 to S0-58).

use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use quittance_proto::balance::v1::{GetOrganizationTotalsRequest, GetOrganizationTotalsResponse};
use quittance_proto::issues::v1 as issues;
use quittance_proto::payouts::v1 as wire;
use wire::batch_pay_response::Outcome;

use super::form::{Typed, fresh_key};
use super::issues::Row;
use super::labels::{manual_methods, method, number};
use super::triage::refused;
use super::view::{Choice, Frame, Viewer, answer, done, number as counted};
use crate::problem::Problem;
use crate::reply::required;
use crate::rest::{Names, names, not_payable};

const PAGE: &str = "/app/admin/payouts";

#[derive(askama::Template)]
#[template(path = "payouts.html")]
struct PayoutsPage {
    frame: Frame,
    key: String,
    unpaid: String,
    unpaid_count: String,
    paid: String,
    pending_count: String,
    top: Option<String>,
    voided: String,
    voided_count: String,
    queue: Vec<Payee>,
    more_payees: bool,
    queue_sums: String,
    pending: Vec<Row>,
    pays: bool,
}

/// One payee in the queue.
struct Payee {
    id: String,
    name: String,
    count: String,
    sums: String,
    small: Vec<String>,
    issue_ids: String,
    reference: String,
}

impl Viewer {
    fn payee(&self, entry: wire::PayQueueEntry, names: &Names) -> Payee {
        let small = entry.below_minimum.iter().map(|of| {
            let least = self.money(of.minimum.as_ref());
            format!("by {} from {least} on", method(of.method))
        });
        Payee {
            name: names.get(&entry.payee_id).cloned().unwrap_or_else(|| "Somebody".to_owned()),
            count: self.locale.counted(entry.issue_count, "issue"),
            sums: self.sums(&entry.totals),
            small: small.collect(),
            issue_ids: entry.issue_ids.join(","),
            id: entry.payee_id,
            reference: String::new(),
        }
    }

    fn top(&self, sums: &GetOrganizationTotalsResponse, names: &Names) -> Option<String> {
        let top = sums.top_earner.as_ref()?;
        let known = names.get(&top.member_id).map_or("Somebody", String::as_str);
        let name = if top.name.is_empty() { known } else { &top.name };
        Some(format!("{name} — {}", self.money(top.earned.as_ref())))
    }
}

/// Shows the page.
pub(super) async fn page(viewer: Viewer) -> Result<Response, Problem> {
    shown(&viewer, &Typed::default(), &[], None).await
}

async fn shown(
    viewer: &Viewer,
    typed: &Typed,
    results: &[issues::TriageResult],
    problem: Option<&Problem>,
) -> Result<Response, Problem> {
    let caller = &viewer.caller;
    let (mut balance, mut payouts, mut issues) =
        (viewer.gateway.balance(), viewer.gateway.payouts(), viewer.gateway.issues());
    let asked =
        async {
            tokio::try_join!(
                balance.get_organization_totals(caller.request(GetOrganizationTotalsRequest {})),
                payouts.list_pay_queue(caller.request(wire::ListPayQueueRequest::default())),
                issues.list_pending_review(caller.request(issues::ListPendingReviewRequest {
                    page_size: 50,
                    ..Default::default()
                })),
                names(&viewer.gateway, caller),
            )
        };
    let (frame, asked) = tokio::join!(viewer.frame("Payouts"), asked);
    let (sums, queue, pending, names) = asked?;
    let (sums, queue, pending) = (sums.into_inner(), queue.into_inner(), pending.into_inner());
    let review = |issue: issues::Issue| {
        let result = results.iter().find(|result| result.issue_id == issue.issue_id);
        let mut row = viewer.row(issue);
        typed.text(&format!("amount-{}", row.id)).clone_into(&mut row.typed);
        row.refused = result.filter(|result| !result.ok).map(|result| result.detail.clone());
        row
    };
    let page = PayoutsPage {
        frame: frame.with(problem),
        key: fresh_key(),
        unpaid: viewer.sums(&sums.approved_unpaid),
        unpaid_count: viewer.locale.counted(counted(&sums.approved_unpaid), "issue"),
        paid: viewer.sums(&sums.paid_lifetime),
        pending_count: viewer.locale.counted(pending.total_count, "issue"),
        top: viewer.top(&sums, &names),
        voided: viewer.sums(&sums.voided),
        voided_count: viewer.locale.counted(counted(&sums.voided), "payment"),
        queue_sums: viewer.sums(&queue.totals),
        more_payees: !queue.next_page_token.is_empty(),
        queue: queue.entries.into_iter().map(|entry| viewer.payee(entry, &names)).collect(),
        pending: pending.issues.into_iter().map(review).collect(),
        pays: viewer.may(&Method::POST, "/app/admin/payouts/pay"),
    };
    Ok(answer(problem, &page))
}

#[derive(askama::Template)]
#[template(path = "confirm.html")]
struct ConfirmPage {
    frame: Frame,
    key: String,
    payees: Vec<Payee>,
    sums: String,
    methods: Vec<Choice>,
    /// Something cannot be paid: the rest can be.
    blocked: bool,
}

/// Shows what would be paid to whom, and asks how.
pub(super) async fn confirm(viewer: Viewer, typed: Typed) -> Result<Response, Problem> {
    confirmed(&viewer, &typed, None).await
}

async fn confirmed(
    viewer: &Viewer,
    typed: &Typed,
    problem: Option<&Problem>,
) -> Result<Response, Problem> {
    let request = viewer.caller.request(wire::ListPayQueueRequest::default());
    let mut payouts = viewer.gateway.payouts();
    let (frame, queue, names) = tokio::join!(
        viewer.frame("Confirm the payment"),
        payouts.list_pay_queue(request),
        names(&viewer.gateway, &viewer.caller)
    );
    let (queue, names) = (queue?.into_inner(), names?);
    let chosen: Vec<&str> =
        if typed.has("only") { vec![typed.text("only")] } else { typed.all("payee").collect() };
    let mut totals = std::collections::BTreeMap::new();
    let mut payees = Vec::new();
    for entry in queue.entries {
        if !chosen.contains(&entry.payee_id.as_str()) {
            continue;
        }
        for total in &entry.totals {
            let money = total.amount.clone().unwrap_or_default();
            let sum = totals.entry(money.currency_code).or_insert(0_i64);
            *sum = sum.saturating_add(money.minor_units);
        }
        let mut payee = viewer.payee(entry, &names);
        typed.text(&format!("reference-{}", payee.id)).clone_into(&mut payee.reference);
        payees.push(payee);
    }
    if payees.is_empty() {
        let detail = "choose at least one person in the pay queue";
        let problem = Problem::new(StatusCode::BAD_REQUEST, "NOTHING_CHOSEN", detail);
        return shown(viewer, typed, &[], Some(&problem)).await;
    }
    let sums = totals.iter().map(|(code, minor)| viewer.locale.money(*minor, code));
    let page = ConfirmPage {
        frame: frame.with(problem),
        // Another attempt is another payment only if the first one was refused.
        key: fresh_key(),
        sums: sums.collect::<Vec<_>>().join(" + "),
        payees,
        methods: manual_methods(typed.text("method")),
        blocked: problem.is_some_and(|problem| problem.more.contains_key("excluded")),
    };
    Ok(answer(problem, &page))
}

/// Pays what was confirmed: exactly the issues that the page has shown, in one batch.
pub(super) async fn pay(viewer: Viewer, typed: Typed) -> Response {
    match paid(&viewer, &typed).await {
        Ok(()) => done(PAGE, "paid"),
        Err(problem) => confirmed(&viewer, &typed, Some(&problem))
            .await
            .unwrap_or_else(IntoResponse::into_response),
    }
}

async fn paid(viewer: &Viewer, typed: &Typed) -> Result<(), Problem> {
    let key = typed.key()?;
    let method = number(typed.text("method"));
    let group = |payee: &str| wire::PayGroup {
        payee_id: payee.to_owned(),
        issue_ids: typed
            .text(&format!("issues-{payee}"))
            .split(',')
            .filter(|id| !id.is_empty())
            .map(str::to_owned)
            .collect(),
        method,
        reference: typed.text(&format!("reference-{payee}")).to_owned(),
    };
    let skip = typed.has("skip");
    let on_blocked = if skip { wire::OnBlocked::Skip } else { wire::OnBlocked::Fail };
    let message = wire::BatchPayRequest {
        request_id: key.request_id(),
        groups: typed.all("payee").map(group).collect(),
        on_blocked: on_blocked.into(),
        net_receivables: typed.has("net"),
    };
    let request = key.request(&viewer.caller, message);
    let reply = viewer.gateway.payouts().batch_pay(request).await?.into_inner();
    match required(reply.outcome, "outcome")? {
        Outcome::Paid(_) => Ok(()),
        Outcome::Refused(refused) => Err(not_payable(refused.excluded, false)),
    }
}

/// Approves many at the default rate, or at the amount of their row (S0-58).
pub(super) async fn review(viewer: Viewer, typed: Typed) -> Response {
    match reviewed(&viewer, &typed).await {
        Ok(results) => match results.iter().find(|result| !result.ok) {
            None => done(PAGE, "approved"),
            Some(first) => {
                let problem = refused(first.clone());
                again(&viewer, &typed, &results, &problem).await
            }
        },
        Err(problem) => again(&viewer, &typed, &[], &problem).await,
    }
}

async fn again(
    viewer: &Viewer,
    typed: &Typed,
    results: &[issues::TriageResult],
    problem: &Problem,
) -> Response {
    let page = shown(viewer, typed, results, Some(problem)).await;
    page.unwrap_or_else(IntoResponse::into_response)
}

async fn reviewed(viewer: &Viewer, typed: &Typed) -> Result<Vec<issues::TriageResult>, Problem> {
    let key = typed.key()?;
    let decision = |issue: &str| {
        let currency = typed.text(&format!("currency-{issue}"));
        let amount = typed.amount(&format!("amount-{issue}"), currency, viewer.locale)?;
        Ok(issues::TriageDecision {
            issue_id: issue.to_owned(),
            decision: Some(issues::triage_decision::Decision::Approve(issues::TriageApproval {
                amount,
            })),
        })
    };
    let decisions = typed.all("issue").map(decision).collect::<Result<Vec<_>, Problem>>()?;
    let message = issues::DecideTriageRequest { request_id: key.request_id(), decisions };
    let request = key.request(&viewer.caller, message);
    Ok(viewer.gateway.issues().decide_triage(request).await?.into_inner().results)
}
