//! The rules by which partners earn commissions.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use quittance_proto::common::v1 as common;
use quittance_proto::payouts::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use wire::commission_rate::Rate;

use crate::auth::Caller;
use crate::extract::Body;
use crate::idempotency::IdempotencyKey;
use crate::problem::Problem;
use crate::reply::{Reply, required};
use crate::rest::shapes::{Id, time};
use crate::state::Gateway;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(create_rule, rules))
}

/// Either a share or a fixed amount.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewRule {
    /// Any, when not given.
    partner_id: Option<Uuid>,
    /// Any, when not given.
    product_id: Option<Uuid>,
    /// 1 to 10,000: hundredths of a percent.
    basis_points: Option<i32>,
    flat_minor: Option<i64>,
    /// Of the fixed amount, which is earned by sales in this currency only.
    currency: Option<String>,
    /// 0 to 365.
    #[serde(default)]
    holding_days: i32,
}

impl NewRule {
    fn rate(&self) -> Result<Rate, Problem> {
        match (self.basis_points, self.flat_minor, &self.currency) {
            (Some(points), None, None) => Ok(Rate::BasisPoints(points)),
            (None, Some(minor_units), Some(currency)) => {
                Ok(Rate::Flat(common::Money { minor_units, currency_code: currency.clone() }))
            }
            _ => {
                let detail = "give either basisPoints, or flatMinor with currency";
                Err(Problem::invalid("basisPoints", detail))
            }
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CommissionRule {
    id: Id,
    partner_id: Option<Id>,
    product_id: Option<Id>,
    basis_points: Option<i32>,
    flat_minor: Option<i64>,
    currency: Option<String>,
    holding_days: i32,
    #[schema(value_type = DateTime<Utc>)]
    created_at: Option<DateTime<Utc>>,
}

impl From<wire::CommissionRule> for CommissionRule {
    fn from(rule: wire::CommissionRule) -> Self {
        let (basis_points, flat) = match rule.rate.and_then(|rate| rate.rate) {
            Some(Rate::BasisPoints(points)) => (Some(points), None),
            Some(Rate::Flat(flat)) => (None, Some(flat)),
            None => (None, None),
        };
        Self {
            id: Id::new(rule.rule_id),
            partner_id: Id::optional(rule.partner_id),
            product_id: Id::optional(rule.product_id),
            basis_points,
            flat_minor: flat.as_ref().map(|flat| flat.minor_units),
            currency: flat.map(|flat| flat.currency_code),
            holding_days: rule.holding_days,
            created_at: time(rule.create_time),
        }
    }
}

/// Adds a commission rule; the newest of its scope holds for sales recorded from now on.
#[utoipa::path(
    post,
    path = "/api/admin/commissions/rules",
    operation_id = "createCommissionRule",
    tag = "commissions",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = NewRule,
    responses((status = 201, body = CommissionRule))
)]
async fn create_rule(
    caller: Caller,
    State(gateway): State<Gateway>,
    key: IdempotencyKey,
    Body(body): Body<NewRule>,
) -> Result<Reply<CommissionRule>, Problem> {
    let message = wire::CreateCommissionRuleRequest {
        request_id: key.request_id(),
        rate: Some(wire::CommissionRate { rate: Some(body.rate()?) }),
        partner_id: body.partner_id.map(|id| id.to_string()).unwrap_or_default(),
        product_id: body.product_id.map(|id| id.to_string()).unwrap_or_default(),
        holding_days: body.holding_days,
    };
    let mut client = gateway.commissions();
    let reply = client.create_commission_rule(key.request(&caller, message)).await?;
    let (metadata, reply, _) = reply.into_parts();
    let rule = CommissionRule::from(required(reply.rule, "rule")?);
    Ok(Reply::created("/api/admin/commissions/rules", rule).remembered(&metadata))
}

#[derive(Serialize, ToSchema)]
struct Rules {
    items: Vec<CommissionRule>,
}

/// Lists the rules that hold, the most specific first.
#[utoipa::path(
    get,
    path = "/api/admin/commissions/rules",
    operation_id = "listCommissionRules",
    tag = "commissions",
    responses((status = 200, body = Rules))
)]
async fn rules(caller: Caller, State(gateway): State<Gateway>) -> Result<Json<Rules>, Problem> {
    let request = caller.request(wire::ListCommissionRulesRequest {});
    let reply = gateway.commissions().list_commission_rules(request).await?.into_inner();
    Ok(Json(Rules { items: reply.rules.into_iter().map(CommissionRule::from).collect() }))
}
