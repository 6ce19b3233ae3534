//! The balance of a tester, as S0 draws it: header card, by cycle, history, file.

use axum::extract::Query;
use axum::response::Response;
use http::StatusCode;
use quittance_proto::balance::v1 as wire;
use serde::Deserialize;
use uuid::Uuid;

use super::chart::{self, Bar};
use super::labels::{self, Badge};
use super::view::{Frame, Viewer, html};
use crate::problem::Problem;
use crate::rest::some;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Asked {
    cycle: Option<Uuid>,
    page_token: Option<String>,
}

#[derive(askama::Template)]
#[template(path = "balance.html")]
struct BalancePage {
    frame: Frame,
    earned: String,
    pending: String,
    awaiting: String,
    awaiting_count: String,
    owed: Option<String>,
    filed: String,
    rate: String,
    fraction: String,
    across: String,
    cycles: Vec<Cycle>,
    chart: Vec<Bar>,
    chart_height: usize,
    lines: Vec<Line>,
    only: Option<String>,
    next: Option<String>,
}

struct Cycle {
    id: String,
    name: String,
    issues: String,
    approved: String,
    paid: String,
    earned: String,
    chosen: bool,
}

struct Line {
    href: String,
    date: String,
    cycle: String,
    severity: Badge,
    title: String,
    status: Badge,
    payout: Badge,
    amount: String,
    why: Option<String>,
    paid: String,
    method: &'static str,
    reference: Option<String>,
}

/// Shows what is true about the viewer's money.
pub(super) async fn page(viewer: Viewer, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let caller = &viewer.caller;
    let only = asked.cycle.map(|id| id.to_string()).unwrap_or_default();
    let balance = caller.request(wire::GetBalanceRequest::default());
    let history = caller.request(wire::ListHistoryRequest {
        page_size: 50,
        page_token: asked.page_token.unwrap_or_default(),
        cycle_id: only.clone(),
    });
    let (mut first, mut second) = (viewer.gateway.balance(), viewer.gateway.balance());
    let asked =
        async { tokio::try_join!(first.get_balance(balance), second.list_history(history)) };
    let (frame, asked) = tokio::join!(viewer.frame("Balance"), asked);
    let (balance, history) = asked?;
    let (balance, history) = (balance.into_inner(), history.into_inner());
    Ok(html(StatusCode::OK, &viewer.balance(frame, &balance, history, &only)))
}

impl Viewer {
    fn balance(
        &self,
        frame: Frame,
        balance: &wire::GetBalanceResponse,
        history: wire::ListHistoryResponse,
        only: &str,
    ) -> BalancePage {
        let locale = self.locale;
        let sum = |of: fn(&wire::BalanceTotal) -> i64, mark: &str| {
            let amounts = balance.totals.iter().filter(|total| of(total) != 0);
            let texts: Vec<_> = amounts
                .map(|total| format!("{mark}{}", locale.money(of(total), &total.currency_code)))
                .collect();
            match (texts.is_empty(), balance.totals.first()) {
                (false, _) => texts.join(" + "),
                (true, Some(total)) => locale.money(0, &total.currency_code),
                (true, None) => "0".to_owned(),
            }
        };
        let bars = chart::bars(
            balance
                .cycles
                .iter()
                .flat_map(|cycle| cycle.earned.iter().map(|money| (cycle.name.as_str(), money))),
            |money| self.money(Some(money)),
        );
        let cycle_count = locale.count(i64::try_from(balance.cycles.len()).unwrap_or_default());
        let name = |id: &str| balance.cycles.iter().find(|cycle| cycle.cycle_id == id);
        BalancePage {
            frame,
            earned: sum(|total| total.earned_minor, ""),
            pending: sum(|total| total.pending_minor, ""),
            awaiting: sum(|total| total.awaiting_minor, "~"),
            awaiting_count: locale.counted(balance.awaiting_count, "issue"),
            owed: balance
                .totals
                .iter()
                .any(|total| total.receivable_minor != 0)
                .then(|| sum(|total| total.receivable_minor, "")),
            filed: locale.count(balance.filed_count),
            rate: locale.percent(balance.accepted_count, balance.filed_count),
            fraction: format!(
                "{}/{}",
                locale.count(balance.accepted_count),
                locale.count(balance.filed_count)
            ),
            across: match balance.cycles.len() {
                0 => String::new(),
                1 => "in 1 cycle".to_owned(),
                _ => format!("across {cycle_count} cycles"),
            },
            only: name(only).map(|cycle| cycle.name.clone()),
            cycles: balance.cycles.iter().map(|cycle| self.cycle_balance(cycle, only)).collect(),
            chart_height: chart::height(bars.len()),
            chart: bars,
            lines: history.lines.into_iter().map(|line| self.line(line)).collect(),
            next: some(history.next_page_token).map(|token| {
                format!("?cycle={only}&pageToken={token}#history").replace("cycle=&", "")
            }),
        }
    }

    fn cycle_balance(&self, cycle: &wire::CycleBalance, only: &str) -> Cycle {
        let earned: Vec<_> = cycle.earned.iter().map(|money| self.money(Some(money))).collect();
        Cycle {
            id: cycle.cycle_id.clone(),
            name: cycle.name.clone(),
            issues: self.locale.count(cycle.issues),
            approved: self.locale.count(cycle.approved),
            paid: self.locale.count(cycle.paid),
            earned: if earned.is_empty() { "0".to_owned() } else { earned.join(" + ") },
            chosen: cycle.cycle_id == only,
        }
    }

    fn line(&self, line: wire::HistoryLine) -> Line {
        Line {
            href: format!("/app/test-cycles/{}/issues/{}", line.cycle_id, line.issue_id),
            date: self.day(line.file_time),
            cycle: line.cycle_name,
            severity: labels::severity(line.severity),
            title: line.title,
            status: labels::status(line.status),
            payout: labels::payout(line.payout_status),
            amount: self.money(line.amount.as_ref()),
            why: some(line.rule),
            paid: self.day(line.pay_time),
            method: labels::method(line.method),
            reference: some(line.reference),
        }
    }
}
