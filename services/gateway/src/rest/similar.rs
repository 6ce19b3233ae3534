//! Likely duplicates of an issue.

use axum::Json;
use axum::extract::State;
use quittance_proto::issues::v1 as wire;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::Caller;
use crate::extract::Segments;
use crate::problem::Problem;
use crate::rest::shapes::Id;
use crate::state::Gateway;
use crate::words::IssueStatus;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(similar))
}

#[derive(Serialize, ToSchema)]
struct SimilarIssues {
    items: Vec<SimilarIssue>,
}

/// An issue that may be the same as another one.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SimilarIssue {
    id: Id,
    number: String,
    cycle_id: Id,
    title: String,
    #[schema(value_type = IssueStatus)]
    status: Option<IssueStatus>,
    /// From 0 to 1, the same words.
    score: f64,
    /// Where the issue is.
    href: String,
}

impl From<wire::SimilarIssue> for SimilarIssue {
    fn from(similar: wire::SimilarIssue) -> Self {
        let href = format!("/api/test-cycles/{}/issues/{}", similar.cycle_id, similar.issue_id);
        Self {
            id: Id::new(similar.issue_id),
            number: similar.number,
            cycle_id: Id::new(similar.cycle_id),
            title: similar.title,
            status: IssueStatus::read(similar.status),
            score: similar.score,
            href,
        }
    }
}

/// Finds up to five likely duplicates of an issue in its product, the likeliest first.
#[utoipa::path(
    get,
    path = "/api/issues/{id}/similar",
    operation_id = "listSimilarIssues",
    tag = "issues",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = SimilarIssues))
)]
async fn similar(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
) -> Result<Json<SimilarIssues>, Problem> {
    let request = caller.request(wire::ListSimilarIssuesRequest { issue_id: id.to_string() });
    let reply = gateway.issues().list_similar_issues(request).await?.into_inner();
    Ok(Json(SimilarIssues { items: reply.similar.into_iter().map(SimilarIssue::from).collect() }))
}
