//! Work that was handed in for a bounty: what came of it, and the decision about it.

use axum::response::{IntoResponse, Response};
use http::Method;
use quittance_kernel::Role;
use quittance_proto::common::v1::PayoutStatus;
use quittance_proto::issues::v1 as wire;
use quittance_proto::payouts::v1 as payouts;
use uuid::Uuid;

use super::form::{Typed, fresh_key};
use super::issues::Row;
use super::labels::{self, Badge, reason};
use super::quote::{Line, QUOTED};
use super::view::{Frame, Viewer, answer, done};
use crate::extract::Segments;
use crate::problem::Problem;
use crate::reply::required;
use crate::rest::{begin_payment, some};

pub(super) const PAGE: &str = "/app/submissions";
const STEPS: &str = "/app/submissions/{id}/{step}";

#[derive(askama::Template)]
#[template(path = "submission.html")]
struct SubmissionPage {
    frame: Frame,
    key: String,
    row: Row,
    bounty: String,
    body: String,
    version: i64,
    /// Of a fixed payment.
    value: Option<String>,
    reason: Option<String>,
    waits_for_verification: bool,
    payment: Option<Payment>,
    decides: bool,
    points: String,
    tip: String,
    note: String,
    refund: String,
}

/// How the money of a fixed payment stands.
struct Payment {
    payout: String,
    status: Badge,
    reasons: Vec<String>,
    amount: String,
    paid: Option<String>,
    reference: Option<String>,
    /// What it costs; only for those who pay it.
    lines: Vec<Line>,
    charge: Option<String>,
    in_escrow: bool,
    funding: Option<&'static str>,
    retries: bool,
    refunds: bool,
    /// To print; with its fees for those who pay them.
    receipt: Option<(String, &'static str)>,
}

/// What is known of a submission.
pub(super) struct Found {
    pub(super) issue: wire::Issue,
    pub(super) terms: wire::GetSubmissionTermsResponse,
}

impl Viewer {
    pub(super) async fn submission(&self, id: Uuid) -> Result<Found, Problem> {
        let issue_id = id.to_string();
        let one = self
            .caller
            .request(wire::GetIssueRequest { issue_id: issue_id.clone(), cycle_id: String::new() });
        let terms = self.caller.request(wire::GetSubmissionTermsRequest { issue_id });
        let (mut first, mut second) = (self.gateway.issues(), self.gateway.bounties());
        let (one, terms) =
            tokio::try_join!(first.get_issue(one), second.get_submission_terms(terms))?;
        let issue = required(one.into_inner().issue, "issue")?;
        Ok(Found { issue, terms: terms.into_inner() })
    }

    async fn payment(&self, id: Uuid) -> Result<Option<Payment>, Problem> {
        let request = self.caller.request(payouts::GetBountyPaymentRequest {
            issue_id: id.to_string(),
            payout_id: String::new(),
        });
        match self.gateway.bounty_pay().get_bounty_payment(request).await {
            Ok(reply) => Ok(reply.into_inner().payment.map(|of| self.payment_of(of))),
            // Who may see the work does not always see its money.
            Err(status) if status.code() == tonic::Code::NotFound => Ok(None),
            Err(status) => Err(status.into()),
        }
    }

    fn payment_of(&self, of: payouts::BountyPayment) -> Payment {
        let oversees = self.has(&[Role::Admin]) && self.may(&Method::POST, STEPS);
        let charge = of.charge.as_ref().map(|charge| {
            let amount = self.money(charge.amount.as_ref());
            let code = some(charge.code.clone()).map(|code| format!(" ({code})"));
            format!("{amount}, {}{}", charge.state.replace('_', " "), code.unwrap_or_default())
        });
        Payment {
            status: labels::payment_state(&of.status),
            reasons: of.reasons.iter().map(|word| reason(word).to_owned()).collect(),
            amount: self.money(of.amount.as_ref()),
            paid: of.pay_time.map(|at| self.minute(Some(at))),
            lines: of.quote.as_ref().map(|quote| self.lines(quote)).unwrap_or_default(),
            charge,
            in_escrow: of.in_escrow,
            funding: match of.funding.as_str() {
                "charge" => Some("a charge of the payer"),
                "pre_fund" => Some("the balance that was paid in advance"),
                _ => None,
            },
            retries: oversees && of.status == "failed",
            refunds: oversees
                && (of.in_escrow || of.status == "paid" || of.status == "failed")
                && of.charge.is_some(),
            receipt: if of.payee_id == self.caller.ctx.member().to_string() {
                Some((format!("/app/earnings/{}/receipt", of.payout_id), "Receipt"))
            } else {
                let path = format!("/app/admin/receipts/{}", of.payout_id);
                self.may(&Method::GET, "/app/admin/receipts/{id}")
                    .then_some((path, "Receipt with its fees"))
            },
            reference: some(of.reference),
            payout: of.payout_id,
        }
    }
}

async fn shown(
    viewer: &Viewer,
    id: Uuid,
    typed: &Typed,
    problem: Option<&Problem>,
) -> Result<Response, Problem> {
    let asked = async { tokio::try_join!(viewer.submission(id), viewer.payment(id)) };
    let (frame, asked) = tokio::join!(viewer.frame("Submission"), asked);
    let (Found { issue, terms }, payment) = asked?;
    let own = issue.reporter_id == viewer.caller.ctx.member().to_string();
    let page = SubmissionPage {
        frame: Frame { title: format!("{} {}", issue.number, issue.title), ..frame }.with(problem),
        key: fresh_key(),
        bounty: terms.bounty_id,
        body: issue.body.clone(),
        version: issue.version,
        value: terms.value.as_ref().map(|value| viewer.money(Some(value))),
        reason: some(issue.reason.clone()),
        waits_for_verification: terms.gate
            && !terms.verified
            && issue.payout_status() == PayoutStatus::Approved,
        payment,
        decides: !own
            && issue.payout_status() == PayoutStatus::Pending
            && viewer.may(&Method::POST, STEPS),
        points: typed.text("points").to_owned(),
        tip: typed.text("tip").to_owned(),
        note: typed.text("note").to_owned(),
        refund: typed.text("why").to_owned(),
        row: viewer.row(issue),
    };
    Ok(answer(problem, &page))
}

/// Shows a submission.
pub(super) async fn page(
    viewer: Viewer,
    Segments(id): Segments<Uuid>,
) -> Result<Response, Problem> {
    shown(&viewer, id, &Typed::default(), None).await
}

/// Decides about a submission, or moves its money on. What was typed stays when it is refused.
pub(super) async fn step(
    viewer: Viewer,
    Segments((id, step)): Segments<(Uuid, String)>,
    typed: Typed,
) -> Response {
    let taken = match step.as_str() {
        "approve" => super::quote::pay(&viewer, id, &typed).await.map(|()| "paying"),
        "grant" => grant(&viewer, id, &typed).await.map(|()| "granted"),
        "reject" => reject(&viewer, id, &typed).await.map(|()| "rejected"),
        "retry" => retry(&viewer, &typed).await.map(|()| "retried"),
        "refund" => refund(&viewer, &typed).await.map(|()| "refunding"),
        _ => return Problem::not_found().into_response(),
    };
    let refused = match taken {
        Ok(notice) => return done(&format!("{PAGE}/{id}"), notice),
        Err(problem) => problem,
    };
    // What it costs has changed: it is shown again before anybody pays it.
    let page = if refused.code == QUOTED {
        super::quote::shown(&viewer, id, &typed, Some(&refused)).await
    } else {
        shown(&viewer, id, &typed, Some(&refused)).await
    };
    page.unwrap_or_else(IntoResponse::into_response)
}

/// Approves a profit share: for the points of its bounty, or for others.
async fn grant(viewer: &Viewer, id: Uuid, typed: &Typed) -> Result<(), Problem> {
    let points = typed.whole("points")?;
    viewer.approve(id, typed, points, None).await
}

impl Viewer {
    pub(super) async fn approve(
        &self,
        id: Uuid,
        typed: &Typed,
        points: Option<i64>,
        tip_minor: Option<i64>,
    ) -> Result<(), Problem> {
        let key = typed.key()?;
        let message = wire::ApproveSubmissionRequest {
            request_id: key.request_id(),
            issue_id: id.to_string(),
            version: typed.version(),
            points,
            tip_minor,
        };
        let request = key.request(&self.caller, message);
        self.gateway.bounties().approve_submission(request).await?;
        // A failure here is none of the approval's: it begins by the event, too.
        begin_payment(&self.caller, &self.gateway, &id.to_string()).await;
        Ok(())
    }
}

async fn reject(viewer: &Viewer, id: Uuid, typed: &Typed) -> Result<(), Problem> {
    let key = typed.key()?;
    let message = wire::RejectSubmissionRequest {
        request_id: key.request_id(),
        issue_id: id.to_string(),
        version: typed.version(),
        note: typed.text("note").to_owned(),
    };
    viewer.gateway.bounties().reject_submission(key.request(&viewer.caller, message)).await?;
    Ok(())
}

async fn retry(viewer: &Viewer, typed: &Typed) -> Result<(), Problem> {
    let key = typed.key()?;
    let payout_id = typed.id("payout")?.to_string();
    let message = payouts::RetryPayoutRequest { request_id: key.request_id(), payout_id };
    viewer.gateway.rails().retry_payout(key.request(&viewer.caller, message)).await?;
    Ok(())
}

async fn refund(viewer: &Viewer, typed: &Typed) -> Result<(), Problem> {
    let request = viewer.caller.request(payouts::RefundPayoutRequest {
        payout_id: typed.id("payout")?.to_string(),
        reason: typed.text("why").to_owned(),
    });
    viewer.gateway.bounty_pay().refund_payout(request).await?;
    Ok(())
}
