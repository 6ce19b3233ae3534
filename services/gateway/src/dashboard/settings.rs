//! The settings of a cycle: its rates (S0-82), and its gate with a preview (S1-29).

use axum::response::{IntoResponse, Response};
use http::Method;
use quittance_proto::issues::v1 as wire;
use uuid::Uuid;
use wire::GateSetting;

use super::cycles::Cycle;
use super::form::{Typed, fresh_key};
use super::view::{Choice, Frame, Viewer, answer, done, number};
use crate::extract::Segments;
use crate::problem::Problem;

#[derive(askama::Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    frame: Frame,
    key: String,
    cycle: Cycle,
    version: i64,
    changes: bool,
    rates: Vec<Rate>,
    currencies: Vec<Choice>,
    gates: Vec<Choice>,
    preview: Option<Preview>,
    history: Vec<Change>,
}

/// One of the four inputs.
struct Rate {
    name: &'static str,
    value: String,
}

struct Preview {
    effective: bool,
    payable: String,
    payable_count: String,
    blocked: String,
    blocked_count: String,
}

struct Change {
    when: String,
    who: String,
    after: String,
}

const CURRENCIES: [&str; 5] = ["KZT", "USD", "EUR", "RUB", "KGS"];
const GATES: [(GateSetting, &str, &str); 3] = [
    (GateSetting::Inherit, "inherit", "As the product says"),
    (GateSetting::Required, "required", "Required by this cycle"),
    (GateSetting::NotRequired, "off", "Off: pay on approval"),
];

fn gate_word(gate: GateSetting) -> &'static str {
    let found = GATES.iter().find(|(setting, ..)| *setting == gate);
    found.map_or("inherit", |(_, word, _)| word)
}

fn gate_of(word: &str) -> Result<GateSetting, Problem> {
    let found = GATES.iter().find(|(_, name, _)| *name == word);
    found.map(|(setting, ..)| *setting).ok_or_else(|| Problem::required("gate"))
}

fn four(rates: &wire::PayoutRates) -> [(&'static str, Option<i64>); 4] {
    [
        ("critical", rates.critical),
        ("high", rates.high),
        ("medium", rates.medium),
        ("low", rates.low),
    ]
}

impl Viewer {
    fn rates(&self, rates: &wire::PayoutRates, typed: &Typed) -> Vec<Rate> {
        let one = |(name, minor): (&'static str, Option<i64>)| {
            let set = minor.map(|minor| self.locale.plain(minor, &rates.currency_code));
            let value = if typed.has("rates") { Some(typed.text(name).to_owned()) } else { set };
            Rate { name, value: value.unwrap_or_default() }
        };
        four(rates).map(one).into()
    }

    fn written(&self, rates: Option<&wire::PayoutRates>) -> String {
        let Some(rates) = rates else { return "default rates".to_owned() };
        let one = |(name, minor): (&str, Option<i64>)| {
            minor.map(|minor| format!("{name} {}", self.locale.money(minor, &rates.currency_code)))
        };
        four(rates).into_iter().filter_map(one).collect::<Vec<_>>().join(", ")
    }

    async fn rate_changes(&self, id: Uuid) -> Result<Vec<Change>, Problem> {
        let request = self.caller.request(wire::ListRateChangesRequest {
            page_size: 20,
            page_token: String::new(),
            cycle_id: id.to_string(),
        });
        let reply = self.gateway.cycles().list_rate_changes(request).await?.into_inner();
        let change = |of: wire::RateChange| Change {
            when: self.minute(of.change_time),
            after: self.written(of.after.as_ref()),
            who: of.changed_by_name,
        };
        Ok(reply.changes.into_iter().map(change).collect())
    }
}

async fn shown(
    viewer: &Viewer,
    id: Uuid,
    typed: &Typed,
    preview: Option<Preview>,
    problem: Option<&Problem>,
) -> Result<Response, Problem> {
    let asked = async { tokio::try_join!(viewer.cycle(id), viewer.rate_changes(id)) };
    let (frame, asked) = tokio::join!(viewer.frame("Settings"), asked);
    let (cycle, history) = asked?;
    let rates = cycle.payout_rates.clone().unwrap_or_default();
    let currency = if rates.currency_code.is_empty() { "KZT" } else { &rates.currency_code };
    let currency = if typed.has("currency") { typed.text("currency") } else { currency };
    let mut currencies: Vec<_> =
        CURRENCIES.iter().map(|code| Choice::new(code, code, currency)).collect();
    if !CURRENCIES.contains(&currency) {
        currencies.push(Choice::new(currency, currency, currency));
    }
    let gate = if typed.has("gate") { typed.text("gate") } else { gate_word(cycle.gate()) };
    let page = SettingsPage {
        frame: Frame { title: format!("Settings: {}", cycle.name), ..frame }.with(problem),
        key: fresh_key(),
        version: cycle.version,
        changes: viewer.may(&Method::POST, "/app/test-cycles/{id}/settings/rates"),
        rates: viewer.rates(&rates, typed),
        currencies,
        gates: GATES.iter().map(|(_, word, label)| Choice::new(word, label, gate)).collect(),
        preview,
        history,
        cycle: Cycle::from(&cycle),
    };
    Ok(answer(problem, &page))
}

/// Shows the settings.
pub(super) async fn page(
    viewer: Viewer,
    Segments(id): Segments<Uuid>,
) -> Result<Response, Problem> {
    shown(&viewer, id, &Typed::default(), None, None).await
}

/// Sets the rates, or takes them away.
pub(super) async fn rates(viewer: Viewer, Segments(id): Segments<Uuid>, typed: Typed) -> Response {
    let saved = save(&viewer, id, &typed, |message| {
        if typed.text("rates") == "default" {
            message.clear_payout_rates = true;
            return Ok(());
        }
        let code = typed.text("currency");
        let rate = |name| {
            let amount = typed.amount(name, code, viewer.locale)?;
            Ok::<_, Problem>(amount.map(|amount| amount.minor_units))
        };
        message.payout_rates = Some(wire::PayoutRates {
            critical: rate("critical")?,
            high: rate("high")?,
            medium: rate("medium")?,
            low: rate("low")?,
            currency_code: code.to_owned(),
        });
        Ok(())
    });
    ended(&viewer, id, &typed, saved.await).await
}

/// Sets the gate.
pub(super) async fn gate(viewer: Viewer, Segments(id): Segments<Uuid>, typed: Typed) -> Response {
    let saved = save(&viewer, id, &typed, |message| {
        message.gate = gate_of(typed.text("gate"))?.into();
        Ok(())
    });
    ended(&viewer, id, &typed, saved.await).await
}

async fn save(
    viewer: &Viewer,
    id: Uuid,
    typed: &Typed,
    change: impl FnOnce(&mut wire::UpdateCycleRequest) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let key = typed.key()?;
    let mut message = wire::UpdateCycleRequest {
        request_id: key.request_id(),
        cycle_id: id.to_string(),
        version: typed.text("version").parse().unwrap_or_default(),
        ..wire::UpdateCycleRequest::default()
    };
    change(&mut message)?;
    viewer.gateway.cycles().update_cycle(key.request(&viewer.caller, message)).await?;
    Ok(())
}

async fn ended(viewer: &Viewer, id: Uuid, typed: &Typed, saved: Result<(), Problem>) -> Response {
    match saved {
        Ok(()) => done(&format!("/app/test-cycles/{id}/settings"), "saved"),
        Err(problem) => shown(viewer, id, typed, None, Some(&problem))
            .await
            .unwrap_or_else(IntoResponse::into_response),
    }
}

/// Shows what another gate would change; changes nothing.
pub(super) async fn preview(
    viewer: Viewer,
    Segments(id): Segments<Uuid>,
    typed: Typed,
) -> Result<Response, Problem> {
    let request = viewer.caller.request(wire::PreviewGateRequest {
        cycle_id: id.to_string(),
        gate: gate_of(typed.text("gate"))?.into(),
    });
    let reply = viewer.gateway.cycles().preview_gate(request).await?.into_inner();
    let preview = Preview {
        effective: reply.effective_gate,
        payable: viewer.sums(&reply.becomes_payable),
        payable_count: viewer.locale.counted(number(&reply.becomes_payable), "issue"),
        blocked: viewer.sums(&reply.becomes_blocked),
        blocked_count: viewer.locale.counted(number(&reply.becomes_blocked), "issue"),
    };
    shown(&viewer, id, &typed, Some(preview), None).await
}
