//! What all pages have: who looks at them, the frame around them, and how amounts are written.

use askama::Template;
use axum::extract::FromRequestParts;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use http::request::Parts;
use http::{Method, StatusCode, header};
use quittance_kernel::Role;
use quittance_proto::common::v1 as common;
use quittance_proto::issues::v1::CountUnreadRequest;

use super::access::find;
use super::labels::reason;
use super::locale::Locale;
use super::session::Session;
use crate::access::Who;
use crate::auth::Caller;
use crate::problem::Problem;
use crate::rest::time;
use crate::state::Gateway;

/// Who looks at a page, and how they write numbers.
pub(super) struct Viewer {
    pub(super) caller: Caller,
    pub(super) gateway: Gateway,
    pub(super) locale: Locale,
    path: String,
    form_token: String,
    notice: Option<&'static str>,
}

impl FromRequestParts<Gateway> for Viewer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, gateway).await?;
        let session = parts.extensions.get::<Session>().cloned().unwrap_or_default();
        Ok(Self {
            caller,
            gateway: gateway.clone(),
            locale: accepted(parts),
            path: parts.uri.path().to_owned(),
            form_token: session.form_token(),
            notice: parts.uri.query().and_then(notice),
        })
    }
}

pub(super) fn accepted(parts: &Parts) -> Locale {
    let header = parts.headers.get(header::ACCEPT_LANGUAGE);
    Locale::accepted(header.and_then(|value| value.to_str().ok()).unwrap_or_default())
}

/// Says what was done, after a form has led back to a page. Only known words: an address cannot put
/// a text of its own on our page.
fn notice(query: &str) -> Option<&'static str> {
    let word = query.split('&').find_map(|pair| pair.strip_prefix("notice="))?;
    Some(match word {
        "approved" => "Approved.",
        "rejected" => "Rejected.",
        "verified" => "Verified. The reporter was told.",
        "reverted" => "Taken back: the fix must be verified again.",
        "paid" => "Paid and recorded. Balances follow in a moment.",
        "filed" => "Filed. Thank you.",
        "saved" => "Saved.",
        "read" => "Marked as read.",
        "planned" => "This is what would be paid. Nothing was paid yet.",
        "cancelled" => "Cancelled.",
        "committed" => "Paid exactly as planned.",
        "created" => "Created. It waits for approval.",
        "assigned" => "Assigned to the cycle.",
        "scheduled" => "Scheduled.",
        "triggered" => "Processed at once. Its state says what came of it.",
        "held" => "Held back.",
        "released" => "Released. Schedules that nothing else keeps back are due now.",
        "ran" => "The job has run. Its report is on top.",
        "offered" => "Saved. Whoever sees the board sees it now, unless it is a draft.",
        "claimed" => "It is yours until your claim expires.",
        "abandoned" => "Given up. Others may claim it.",
        "handed-in" => "Handed in. You are told what comes of it.",
        "granted" => "Approved. The points are granted for good.",
        "paying" => "Approved. The payment has begun: its state is below.",
        "retried" => "Tried once more: its state is below.",
        "refunding" => "The money goes back to the payer.",
        "distributed" => "Distributed. The payouts wait for approval under Partners.",
        "topped-up" => "The payer is charged. The balance grows when the charge has succeeded.",
        "compared" => "Compared. What came of it is below.",
        "view-over" => "You are yourself again.",
        _ => return None,
    })
}

/// A place in the navigation.
pub(super) struct Link {
    pub(super) href: &'static str,
    pub(super) label: &'static str,
    pub(super) current: bool,
}

/// Who views as whom.
pub(super) struct Banner {
    pub(super) admin: String,
    pub(super) member: String,
    pub(super) until: String,
}

/// Everything around a page.
pub(super) struct Frame {
    pub(super) title: String,
    pub(super) lang: &'static str,
    pub(super) signed_in: bool,
    pub(super) work: Vec<Link>,
    pub(super) admin: Vec<Link>,
    pub(super) who: String,
    pub(super) form: String,
    pub(super) unread: i64,
    pub(super) banner: Option<Banner>,
    pub(super) notice: Option<&'static str>,
    pub(super) trouble: Option<Trouble>,
}

const WORK: [(&str, &str); 6] = [
    ("/app/test-cycles/balance", "Balance"),
    ("/app/issues", "All issues"),
    ("/app/test-cycles", "Test cycles"),
    ("/app/issues/new", "Report an issue"),
    ("/app/bounties", "Bounties"),
    ("/app/earnings", "Earnings"),
];

const ADMIN: [(&str, &str); 10] = [
    ("/app/admin/triage", "Triage"),
    ("/app/admin/payouts", "Payouts"),
    ("/app/admin/plans", "Plans"),
    ("/app/admin/partners", "Partners"),
    ("/app/admin/members", "Members"),
    ("/app/admin/reconciliation", "Reconciliation"),
    ("/app/admin/schedules", "Schedules"),
    ("/app/admin/escrow", "Escrow"),
    ("/app/admin/jobs", "Job runs"),
    ("/app/admin/audit", "Audit"),
];

impl Frame {
    /// The frame of a page for somebody who is not signed in.
    pub(super) fn outside(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            lang: Locale::default().tag(),
            signed_in: false,
            work: Vec::new(),
            admin: Vec::new(),
            who: String::new(),
            form: String::new(),
            unread: 0,
            banner: None,
            notice: None,
            trouble: None,
        }
    }

    /// The same page with what was refused on top.
    #[must_use]
    pub(super) fn with(mut self, trouble: Option<&Problem>) -> Self {
        self.trouble = trouble.map(Trouble::of);
        self
    }
}

impl Viewer {
    /// Whether the viewer may open a page or send a form. Whoever views as somebody else sends none.
    pub(super) fn may(&self, method: &Method, path: &str) -> bool {
        let Some(row) = find(method, path) else { return false };
        let Who::Roles(roles) = row.who else { return true };
        self.caller.ctx.principal.roles.any_of(roles)
            && (self.caller.viewing.is_none() || row.is_open_to_viewers())
    }

    pub(super) fn has(&self, roles: &[Role]) -> bool {
        self.caller.ctx.principal.roles.any_of(roles)
    }

    fn links(&self, of: &[(&'static str, &'static str)]) -> Vec<Link> {
        of.iter()
            .filter(|(href, _)| self.may(&Method::GET, href))
            .map(|(href, label)| Link { href, label, current: self.path == *href })
            .collect()
    }

    /// The frame of a page. A bell that cannot be counted is silent and spoils nothing.
    pub(super) async fn frame(&self, title: &str) -> Frame {
        let request = self.caller.request(CountUnreadRequest {});
        let unread = self.gateway.notifications().count_unread(request).await;
        let viewing = self.caller.viewing.as_deref();
        Frame {
            title: title.to_owned(),
            lang: self.locale.tag(),
            signed_in: true,
            work: self.links(&WORK),
            // S0-101: whoever views as a member sees what the member sees, and no administration.
            admin: if viewing.is_some() { Vec::new() } else { self.links(&ADMIN) },
            who: self.caller.ctx.principal.email.clone().unwrap_or_default(),
            form: self.form_token.clone(),
            unread: unread.map_or(0, |reply| reply.into_inner().unread_count),
            banner: viewing.map(|of| Banner {
                admin: of.admin_name.clone(),
                member: of.member_name.clone(),
                until: self.minute(of.expire_time),
            }),
            notice: self.notice,
            trouble: None,
        }
    }

    pub(super) fn money(&self, money: Option<&common::Money>) -> String {
        money.map_or_else(
            || "–".to_owned(),
            |money| self.locale.money(money.minor_units, &money.currency_code),
        )
    }

    /// Sums by currency, never added to each other: `₸ 120,000 + $ 50`.
    pub(super) fn sums(&self, totals: &[common::Total]) -> String {
        let sums = totals.iter().map(|total| self.money(total.amount.as_ref()));
        let text = sums.collect::<Vec<_>>().join(" + ");
        if text.is_empty() { "0".to_owned() } else { text }
    }

    pub(super) fn day(&self, stamp: Option<prost_types::Timestamp>) -> String {
        time(stamp).map_or_else(|| "–".to_owned(), |time| self.locale.day(time))
    }

    pub(super) fn minute(&self, stamp: Option<prost_types::Timestamp>) -> String {
        time(stamp).map_or_else(|| "–".to_owned(), |time| self.locale.minute(time))
    }
}

/// How many things the sums are over.
pub(super) fn number(totals: &[common::Total]) -> i64 {
    totals.iter().map(|total| total.count).sum()
}

/// What was refused, as people read it.
pub(super) struct Trouble {
    pub(super) code: String,
    pub(super) text: String,
    pub(super) lines: Vec<String>,
}

impl Trouble {
    pub(super) fn of(problem: &Problem) -> Self {
        let named = |errors: &[crate::problem::FieldError]| {
            errors.iter().map(|error| format!("{}: {}", error.field, error.detail)).collect()
        };
        let mut lines: Vec<String> =
            if problem.errors.len() < 2 { Vec::new() } else { named(&problem.errors) };
        for (name, words) in [
            ("addedCount", "now also payable"),
            ("removedCount", "no longer payable"),
            ("changedCount", "changed since"),
        ] {
            let count = problem.more.get(name).and_then(serde_json::Value::as_i64);
            if let Some(count) = count.filter(|count| *count != 0) {
                lines.push(format!("{count} {words}"));
            }
        }
        let mut text = problem.detail.clone();
        if let Some(first) = text.get(..1) {
            text = first.to_uppercase() + &text[1..];
        }
        if let Some(reasons) = problem.more.get("excluded").and_then(serde_json::Value::as_array) {
            lines.extend(reasons.iter().flat_map(|one| {
                let reasons = one["reasons"].as_array().into_iter().flatten();
                reasons.filter_map(|word| word.as_str()).map(|word| reason(word).to_owned())
            }));
            lines.sort_unstable();
            lines.dedup();
        }
        Self { code: problem.code.to_string(), text, lines }
    }
}

/// Writes a page.
pub(super) fn html(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => {
            Problem::internal(format!("a page cannot be written: {error}")).into_response()
        }
    }
}

/// Writes a page after a form: as it is, or with what was refused and the status that says so.
pub(super) fn answer(trouble: Option<&Problem>, page: &impl Template) -> Response {
    html(trouble.map_or(StatusCode::OK, |problem| problem.status), page)
}

/// Leads from a form to a page, so that reloading it sends nothing again.
pub(super) fn done(path: &str, notice: &str) -> Response {
    let sign = if path.contains('?') { '&' } else { '?' };
    Redirect::to(&format!("{path}{sign}notice={notice}")).into_response()
}

/// One thing to choose.
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) label: String,
    pub(super) chosen: bool,
}

impl Choice {
    pub(super) fn new(value: &str, label: &str, chosen: &str) -> Self {
        Self { value: value.to_owned(), label: label.to_owned(), chosen: value == chosen }
    }
}
