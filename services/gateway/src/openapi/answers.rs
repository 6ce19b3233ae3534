//! The refusals that a route can answer with, by what it takes: the same for all routes.

use http::StatusCode;
use utoipa::ToSchema as _;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use crate::problem::ProblemDocument;

/// Adds them to an operation. What its handler says by itself stays.
pub(super) fn refusals(operation: &mut Operation, method: &str, path: &str, secured: bool) {
    let takes = |place: &ParameterIn, name: &str| {
        operation.parameters.iter().flatten().any(|parameter| {
            let RefOr::T(parameter) = parameter else { return false };
            parameter.parameter_in == *place && (name.is_empty() || parameter.name == name)
        })
    };
    let has_body = operation.request_body.is_some();
    let writes = method != "GET" && secured;
    let asks = takes(&ParameterIn::Query, "") || takes(&ParameterIn::Header, "");
    // Whoever signs in may prove nobody, or somebody who is not let in.
    let signs_in = path.starts_with("/api/auth/");
    let is_resource = method == "GET" && secured && path.ends_with('}');
    let statuses = [
        (is_resource, StatusCode::NOT_MODIFIED),
        (has_body || asks || writes, StatusCode::BAD_REQUEST),
        (secured || signs_in, StatusCode::UNAUTHORIZED),
        (secured || signs_in, StatusCode::FORBIDDEN),
        (path.contains('{') || has_body || signs_in, StatusCode::NOT_FOUND),
        (writes || signs_in, StatusCode::CONFLICT),
        (takes(&ParameterIn::Header, "If-Match"), StatusCode::PRECONDITION_FAILED),
        (has_body, StatusCode::PAYLOAD_TOO_LARGE),
        (has_body, StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (path.starts_with("/api"), StatusCode::URI_TOO_LONG),
        (writes, StatusCode::UNPROCESSABLE_ENTITY),
        (path.starts_with("/api"), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        (path.starts_with("/api"), StatusCode::TOO_MANY_REQUESTS),
        (true, StatusCode::INTERNAL_SERVER_ERROR),
        (true, StatusCode::SERVICE_UNAVAILABLE),
        (path.starts_with("/api"), StatusCode::GATEWAY_TIMEOUT),
    ];
    for (_, status) in statuses.into_iter().filter(|(can, _)| *can) {
        let documented = &mut operation.responses.responses;
        documented.entry(status.as_str().to_owned()).or_insert_with(|| RefOr::T(answer(status)));
    }
}

fn answer(status: StatusCode) -> Response {
    let reason = status.canonical_reason().unwrap_or("Refused");
    if status == StatusCode::NOT_MODIFIED {
        return ResponseBuilder::new()
            .description("Not modified since the version in `If-None-Match`")
            .build();
    }
    refusal(reason)
}

/// A problem document.
fn refusal(description: &str) -> Response {
    let problem = RefOr::Ref(Ref::from_schema_name(ProblemDocument::name()));
    ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", ContentBuilder::new().schema(Some(problem)).build())
        .build()
}
