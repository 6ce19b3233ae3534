//! The OpenAPI document, which is made of the handlers themselves.

mod answers;

use http::StatusCode;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, InfoBuilder, OpenApi, OpenApiBuilder, RefOr, Responses, SecurityRequirement,
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
            let row = TABLE.iter().find(|row| row.method.as_str() == method && row.path == path);
            let who = row.map(|row| row.who);
            answers::refusals(operation, method, path, matches!(who, Some(Who::Roles(_))));
            if let Some(Who::Roles(roles)) = who {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What a write may do without an `Idempotency-Key`, and why.
    const WITHOUT_KEY: &[(&str, &str)] = &[
        // Their answers hold a secret or a token, which must not be remembered.
        ("POST", "/api/me/api-keys"),
        ("POST", "/api/admin/impersonate"),
        ("POST", "/api/auth/dev-token"),
        ("POST", "/api/auth/sign-in"),
        // Marking twice is marking once; the same bytes are one attachment, or one statement; comparing
        // changes nothing.
        ("POST", "/api/me/notifications/read"),
        ("POST", "/api/test-cycles/{id}/issues/{issueId}/attachments"),
        ("POST", "/api/admin/reconciliation/import"),
        ("POST", "/api/admin/reconciliation"),
        // The second of two finds that the money is on its way back.
        ("POST", "/api/admin/payouts/{id}/refund"),
        // With the same `webhook-id`, so that the receiver acts once.
        ("POST", "/api/admin/webhooks/{id}/deliveries/{deliveryId}/replay"),
        // A slot is run once.
        ("POST", "/api/v2/payout-schedules/process-due"),
        ("POST", "/api/v2/escrow-holds/process-due"),
    ];

    /// Whether an operation takes a header.
    fn takes(operation: &serde_json::Value, name: &str) -> bool {
        let parameters = operation["parameters"].as_array();
        parameters.into_iter().flatten().any(|parameter| parameter["name"] == name)
    }

    #[test]
    fn every_write_can_be_repeated_with_a_key() {
        let document = serde_json::to_value(document()).unwrap();
        let mut without = Vec::new();
        for row in TABLE.iter().filter(|row| !row.is_read_only()) {
            let method = row.method.as_str().to_lowercase();
            let operation = &document["paths"][row.path][&method];
            let is_post = row.method == http::Method::POST || row.method == http::Method::PATCH;
            if is_post && !takes(operation, "Idempotency-Key") {
                without.push((row.method.as_str(), row.path));
            }
            if row.method == http::Method::PATCH {
                assert!(takes(operation, "If-Match"), "{} {}", row.method, row.path);
                assert!(operation["responses"]["412"].is_object(), "{}", row.path);
            }
        }
        without.retain(|(method, path)| !WITHOUT_KEY.contains(&(*method, *path)));
        assert_eq!(without, []);
    }

    #[test]
    fn every_route_documents_the_refusals_it_can_give() {
        let document = serde_json::to_value(document()).unwrap();
        for row in TABLE {
            let method = row.method.as_str().to_lowercase();
            let operation = &document["paths"][row.path][&method];
            let statuses = operation["responses"].as_object().unwrap();
            let has = |status: &str| statuses.contains_key(status);
            assert!(has("500") && has("503"), "{} {}", row.method, row.path);
            if matches!(row.who, Who::Roles(_)) {
                assert!(has("401") && has("403") && has("429"), "{} {}", row.method, row.path);
            }
            if operation["requestBody"].is_object() {
                assert!(has("400") && has("413") && has("415"), "{} {}", row.method, row.path);
            }
        }
    }

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
                // Whatever it answers is said by its status, so that nothing can hide behind a default.
                assert!(operation["responses"].get("default").is_none(), "{path}");
            }
        }
    }
}
