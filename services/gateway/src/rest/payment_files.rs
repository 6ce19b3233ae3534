//! A plan by bank as a file for the bank.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header;
use quittance_proto::payouts::v1 as wire;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::Caller;
use crate::extract::{Params, Segments};
use crate::problem::Problem;
use crate::state::Gateway;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(pain001))
}

/// Whose account is debited, and when.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Payer {
    #[param(example = "Hackorda LLP")]
    debtor_name: String,
    debtor_iban: String,
    /// Left out, the bank is known by the IBAN.
    debtor_bic: Option<String>,
    /// Today when left out.
    #[param(example = "2026-05-08")]
    execution_date: Option<String>,
}

/// What a plan by bank pays, as ISO 20022 pain.001.001.09. It has the numbers of the payees' accounts,
/// so that each download is audited; it is refused, and they are named, when some have none.
#[utoipa::path(
    get,
    path = "/api/admin/payout-plans/{id}/pain001.xml",
    operation_id = "createPaymentFile",
    tag = "payouts",
    params(("id" = Uuid, Path), Payer),
    responses((status = 200, body = str, content_type = "application/xml"))
)]
async fn pain001(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    Params(payer): Params<Payer>,
) -> Result<Response, Problem> {
    let request = caller.request(wire::CreatePaymentFileRequest {
        plan_id: id.to_string(),
        debtor_name: payer.debtor_name,
        debtor_iban: payer.debtor_iban,
        debtor_bic: payer.debtor_bic.unwrap_or_default(),
        execution_date: payer.execution_date.unwrap_or_default(),
    });
    let file = gateway.payment_files().create_payment_file(request).await?.into_inner();
    let headers = [
        (header::CONTENT_TYPE, "application/xml; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"pain001-{id}.xml\"")),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::ETAG, format!("\"{}\"", file.digest)),
    ];
    Ok((headers, file.content).into_response())
}
