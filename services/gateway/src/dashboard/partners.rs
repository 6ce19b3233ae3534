//! Partners' payouts: cards, a searchable table, creating and deciding them (S3-13).

use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use quittance_kernel::Currency;
use quittance_proto::issues::v1::ListMembersRequest;
use quittance_proto::payouts::v1 as wire;
use serde::Deserialize;
use uuid::Uuid;

use super::form::{Typed, fresh_key};
use super::labels::{self, Badge, manual_methods, number};
use super::view::{Choice, Frame, Viewer, answer, done};
use crate::extract::Segments;
use crate::problem::Problem;
use crate::rest::{name_of, some};

const PAGE: &str = "/app/admin/partners";

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Filter {
    state: String,
    period: String,
    q: String,
    page_token: String,
}

#[derive(askama::Template)]
#[template(path = "partners.html")]
struct PartnersPage {
    frame: Frame,
    key: String,
    cards: Vec<StateCard>,
    states: Vec<Choice>,
    period: String,
    q: String,
    payouts: Vec<Row>,
    next: Option<String>,
    decides: bool,
    methods: Vec<Choice>,
    partners: Vec<Choice>,
    amount: String,
    currency: String,
    new_period: String,
    notes: String,
}

/// How many payouts are in one state, and how much.
struct StateCard {
    label: &'static str,
    count: String,
    sums: String,
}

struct Row {
    id: String,
    partner: String,
    amount: String,
    state: Badge,
    period: String,
    notes: String,
    reference: String,
    when: String,
    pending: bool,
    approved: bool,
}

impl Viewer {
    fn cards(&self, stats: &[wire::PayoutStat]) -> Vec<StateCard> {
        let card = |label, states: &[wire::PayoutState]| {
            let of =
                stats.iter().filter(|stat| states.is_empty() || states.contains(&stat.state()));
            let totals: Vec<_> = of.filter_map(|stat| stat.total.clone()).collect();
            let mut sums = std::collections::BTreeMap::new();
            for total in &totals {
                let money = total.amount.clone().unwrap_or_default();
                let sum = sums.entry(money.currency_code).or_insert(0_i64);
                *sum = sum.saturating_add(money.minor_units);
            }
            let texts: Vec<_> =
                sums.iter().map(|(code, minor)| self.locale.money(*minor, code)).collect();
            StateCard {
                label,
                count: self.locale.counted(super::view::number(&totals), "payout"),
                sums: if texts.is_empty() { "0".to_owned() } else { texts.join(" + ") },
            }
        };
        vec![
            card("Pending", &[wire::PayoutState::PendingApproval]),
            card("Approved", &[wire::PayoutState::Approved]),
            card("Paid", &[wire::PayoutState::Paid]),
            card("Total", &[]),
        ]
    }

    fn partner_row(&self, of: wire::PartnerPayout, people: &[Choice]) -> Row {
        let payout = of.payout.unwrap_or_default();
        let state = payout.state();
        let known = people.iter().find(|one| one.value == payout.payee_id);
        Row {
            amount: self.money(payout.amount.as_ref()),
            state: labels::payout_state(payout.state),
            pending: state == wire::PayoutState::PendingApproval,
            approved: state == wire::PayoutState::Approved && of.source != "issue",
            when: self.day(payout.create_time),
            reference: payout.reference,
            id: payout.payout_id,
            // Payouts of issues know their payee by the id alone.
            partner: if of.partner_name.is_empty() {
                known.map(|one| one.label.clone()).unwrap_or_default()
            } else {
                of.partner_name
            },
            period: of.period,
            notes: if of.rejection.is_empty() { of.notes } else { of.rejection },
        }
    }
}

/// Shows the page.
pub(super) async fn page(
    viewer: Viewer,
    Query(filter): Query<Filter>,
) -> Result<Response, Problem> {
    shown(&viewer, &filter, &Typed::default(), None).await
}

async fn shown(
    viewer: &Viewer,
    filter: &Filter,
    typed: &Typed,
    problem: Option<&Problem>,
) -> Result<Response, Problem> {
    let caller = &viewer.caller;
    let list = caller.request(wire::ListPartnerPayoutsRequest {
        page_size: 50,
        page_token: filter.page_token.clone(),
        filter: Some(wire::PartnerPayoutFilter {
            state: number(&filter.state),
            partner_id: String::new(),
            period: filter.period.trim().to_owned(),
            currency_code: String::new(),
            query: filter.q.trim().to_owned(),
        }),
    });
    let people = caller.request(ListMembersRequest { page_size: 200, page_token: String::new() });
    let (mut first, mut second, mut third) = (
        viewer.gateway.partner_payouts(),
        viewer.gateway.partner_payouts(),
        viewer.gateway.members(),
    );
    let asked = async {
        tokio::try_join!(
            first.get_payout_stats(caller.request(wire::GetPayoutStatsRequest {})),
            second.list_partner_payouts(list),
            third.list_members(people),
        )
    };
    let (frame, asked) = tokio::join!(viewer.frame("Partners"), asked);
    let (stats, list, people) = asked?;
    let list = list.into_inner();
    let chosen = typed.text("partner");
    let people = people.into_inner().members;
    let people: Vec<Choice> =
        people.iter().map(|of| Choice::new(&of.member_id, &of.name, chosen)).collect();
    let page = PartnersPage {
        frame: frame.with(problem),
        key: fresh_key(),
        cards: viewer.cards(&stats.into_inner().states),
        states: labels::payout_states("any state", &filter.state),
        period: filter.period.clone(),
        q: filter.q.clone(),
        payouts: list.payouts.into_iter().map(|of| viewer.partner_row(of, &people)).collect(),
        next: some(list.next_page_token),
        decides: viewer.may(&Method::POST, PAGE),
        methods: manual_methods(""),
        partners: people,
        amount: typed.text("amount").to_owned(),
        currency: if typed.has("currency") { typed.text("currency") } else { "USD" }.to_owned(),
        new_period: typed.text("period").to_owned(),
        notes: typed.text("notes").to_owned(),
    };
    Ok(answer(problem, &page))
}

async fn ended(viewer: &Viewer, typed: &Typed, taken: Result<&str, Problem>) -> Response {
    match taken {
        Ok(notice) => done(PAGE, notice),
        Err(problem) => shown(viewer, &Filter::default(), typed, Some(&problem))
            .await
            .unwrap_or_else(IntoResponse::into_response),
    }
}

/// Creates a payout that waits for approval.
pub(super) async fn create(viewer: Viewer, typed: Typed) -> Response {
    let taken = created(&viewer, &typed).await.map(|()| "created");
    ended(&viewer, &typed, taken).await
}

async fn created(viewer: &Viewer, typed: &Typed) -> Result<(), Problem> {
    let key = typed.key()?;
    let partner = typed.text("partner");
    let id: Uuid = partner.parse().map_err(|_| Problem::required("partner"))?;
    let code = typed.text("currency").to_ascii_uppercase();
    if code.parse::<Currency>().is_err() {
        return Err(Problem::invalid("currency", "must be a code such as USD"));
    }
    let amount = typed.amount("amount", &code, viewer.locale)?;
    let message = wire::CreatePartnerPayoutRequest {
        request_id: key.request_id(),
        partner_id: partner.to_owned(),
        partner_name: name_of(&viewer.gateway, &viewer.caller, id).await?,
        amount: Some(amount.ok_or_else(|| Problem::required("amount"))?),
        period: typed.text("period").to_owned(),
        notes: typed.text("notes").to_owned(),
    };
    let request = key.request(&viewer.caller, message);
    viewer.gateway.partner_payouts().create_partner_payout(request).await?;
    Ok(())
}

/// Approves those that were chosen: all of them, or none.
pub(super) async fn approve(viewer: Viewer, typed: Typed) -> Response {
    let taken = approved(&viewer, &typed).await.map(|()| "approved");
    ended(&viewer, &typed, taken).await
}

async fn approved(viewer: &Viewer, typed: &Typed) -> Result<(), Problem> {
    let key = typed.key()?;
    let message = wire::BulkApprovePartnerPayoutsRequest {
        request_id: key.request_id(),
        payout_ids: typed.all("payout").map(str::to_owned).collect(),
        best_effort: false,
    };
    let request = key.request(&viewer.caller, message);
    let mut client = viewer.gateway.partner_payouts();
    let reply = client.bulk_approve_partner_payouts(request).await?.into_inner();
    match reply.results.into_iter().find(|result| !result.ok) {
        Some(result) if !reply.applied => {
            let detail = format!("none was approved: {}", result.detail);
            Err(Problem::new(StatusCode::CONFLICT, "NOT_APPROVABLE", detail))
        }
        Some(_) | None => Ok(()),
    }
}

/// Rejects one, or records that it was paid.
pub(super) async fn step(
    viewer: Viewer,
    Segments((id, step)): Segments<(Uuid, String)>,
    typed: Typed,
) -> Response {
    let taken = match step.as_str() {
        "reject" => reject(&viewer, id, &typed).await.map(|()| "rejected"),
        "pay" => mark_paid(&viewer, id, &typed).await.map(|()| "paid"),
        _ => return Problem::not_found().into_response(),
    };
    ended(&viewer, &typed, taken).await
}

async fn reject(viewer: &Viewer, id: Uuid, typed: &Typed) -> Result<(), Problem> {
    let key = typed.key()?;
    let message = wire::RejectPartnerPayoutRequest {
        request_id: key.request_id(),
        payout_id: id.to_string(),
        notes: typed.text("why").to_owned(),
    };
    let request = key.request(&viewer.caller, message);
    viewer.gateway.partner_payouts().reject_partner_payout(request).await?;
    Ok(())
}

async fn mark_paid(viewer: &Viewer, id: Uuid, typed: &Typed) -> Result<(), Problem> {
    let key = typed.key()?;
    let message = wire::MarkPartnerPayoutPaidRequest {
        request_id: key.request_id(),
        payout_id: id.to_string(),
        method: number(typed.text("method")),
        reference: typed.text("reference").to_owned(),
    };
    let request = key.request(&viewer.caller, message);
    viewer.gateway.partner_payouts().mark_partner_payout_paid(request).await?;
    Ok(())
}
