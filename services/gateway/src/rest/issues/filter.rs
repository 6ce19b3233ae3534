//! Which issues a list shows.

use quittance_proto::issues::v1::ListIssuesRequest;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::words::{IssueStatus, PayoutStatus, Severity};

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct IssueFilter {
    cycle: Option<Uuid>,
    product: Option<Uuid>,
    reporter: Option<Uuid>,
    status: Option<IssueStatus>,
    payout_status: Option<PayoutStatus>,
    severity: Option<Severity>,
    /// Words that the title or the body contains, all of them; the last may be the beginning of one.
    /// A number, such as `SHP-12` in any case, brings that issue first.
    q: Option<String>,
    page_size: Option<i32>,
    page_token: Option<String>,
}

impl IssueFilter {
    pub(super) fn message(self) -> ListIssuesRequest {
        let text = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
        ListIssuesRequest {
            page_size: self.page_size.unwrap_or_default(),
            page_token: self.page_token.unwrap_or_default(),
            cycle_id: text(self.cycle),
            product_id: text(self.product),
            reporter_id: text(self.reporter),
            status: self.status.map(IssueStatus::number).unwrap_or_default(),
            payout_status: self.payout_status.map(PayoutStatus::number).unwrap_or_default(),
            severity: self.severity.map(Severity::number).unwrap_or_default(),
            query: self.q.unwrap_or_default(),
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CycleIssueFilter {
    reporter: Option<Uuid>,
    status: Option<IssueStatus>,
    payout_status: Option<PayoutStatus>,
    severity: Option<Severity>,
    /// Words that the title or the body contains, all of them; the last may be the beginning of one.
    /// A number, such as `SHP-12` in any case, brings that issue first.
    q: Option<String>,
    page_size: Option<i32>,
    page_token: Option<String>,
}

impl CycleIssueFilter {
    pub(super) fn message(self, cycle: Uuid) -> ListIssuesRequest {
        let filter = IssueFilter {
            cycle: Some(cycle),
            product: None,
            reporter: self.reporter,
            status: self.status,
            payout_status: self.payout_status,
            severity: self.severity,
            q: self.q,
            page_size: self.page_size,
            page_token: self.page_token,
        };
        filter.message()
    }
}
