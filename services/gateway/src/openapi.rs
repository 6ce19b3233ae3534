//! The OpenAPI document, which is made of the handlers themselves.

use http::StatusCode;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Response,
    ResponseBuilder, Responses, SecurityRequirement,
};
use utoipa::{PartialSchema as _, ToSchema as _};

use crate::access::{TABLE, Who};
use crate::problem::{FieldError, ProblemDocument};

const SCHEME: &str = "bearer";

/// Returns the document of all routes.
#[cfg(test)]
pub(crate) fn document() -> OpenApi {
    complete(crate::rest::routes().split_for_parts().1)
}

/// The beginning of the document, before there are routes.
pub(crate) fn skeleton() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Quittance")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Turns accepted work into paid work. Amounts are integers in minor units; times are \
             RFC 3339 in UTC; lists are read page by page with `pageToken`; a write with an \
             `Idempotency-Key` can be repeated; a resource has an `ETag` for `If-Match`.",
        ))
        .build();
    OpenApiBuilder::new().info(info).build()
}

/// Adds what all routes have in common: who may call, and how refusals look.
pub(crate) fn complete(mut document: OpenApi) -> OpenApi {
    let components = document.components.get_or_insert_with(Components::new);
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    components.add_security_scheme(SCHEME, SecurityScheme::Http(token));
    for (name, schema) in [
        (ProblemDocument::name(), ProblemDocument::schema()),
        (FieldError::name(), FieldError::schema()),
    ] {
        components.schemas.insert(name.into_owned(), schema);
    }
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in [
            ("GET", &mut item.get),
            ("POST", &mut item.post),
            ("PUT", &mut item.put),
            ("PATCH", &mut item.patch),
            ("DELETE", &mut item.delete),
        ] {
            let Some(operation) = operation else { continue };
            describe(&mut operation.responses);
            operation.responses.responses.insert("default".to_owned(), RefOr::T(refusal()));
            let row = TABLE.iter().find(|row| row.method.as_str() == method && row.path == path);
            if let Some(Who::Roles(roles)) = row.map(|row| row.who) {
                let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
                operation.security = Some(vec![SecurityRequirement::new(SCHEME, names)]);
            }
        }
    }
    document
}

/// Gives each answer the description that the format asks for: what its status says.
fn describe(responses: &mut Responses) {
    for (status, response) in &mut responses.responses {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            let status = status.parse::<StatusCode>().ok();
            let reason = status.and_then(|status| status.canonical_reason());
            reason.unwrap_or("Answer").clone_into(&mut response.description);
        }
    }
}

fn refusal() -> Response {
    let problem = RefOr::Ref(Ref::from_schema_name(ProblemDocument::name()));
    ResponseBuilder::new()
        .description("A refusal, with its reason in `code`")
        .content("application/problem+json", ContentBuilder::new().schema(Some(problem)).build())
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_of_the_document_leads_somewhere() {
        let text = serde_json::to_string(&document()).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(value["openapi"].as_str().unwrap().starts_with("3.1"), "{}", value["openapi"]);
        let start = "#/components/schemas/";
        for piece in text.split(start).skip(1) {
            let name = piece.split('"').next().unwrap();
            assert!(value["components"]["schemas"].get(name).is_some(), "{name}");
        }
        for (path, item) in value["paths"].as_object().unwrap() {
            for operation in item.as_object().unwrap().values() {
                for (status, response) in operation["responses"].as_object().unwrap() {
                    assert!(response["description"].is_string(), "{path} {status}");
                }
                assert!(operation["responses"]["default"]["content"].is_object(), "{path}");
            }
        }
    }
}
