//! Every route of the document, asked by everybody.

use axum::body::Body;
use axum::http::Request;
use quittance_kernel::{MemberId, Role};
use quittance_proto::issues::v1 as issues;
use serde_json::Value;

use crate::fake::Fake;
use crate::house::{House, ID};

const NOTE: &str = "/quittance.issues.v1.ImpersonationService/NoteImpersonation";

const ALL: [Role; 7] = [
    Role::Member,
    Role::Lead,
    Role::Admin,
    Role::Finance,
    Role::Auditor,
    Role::PlatformAdmin,
    Role::Service,
];

/// One route with the roles that may use it; none for everybody.
struct Route {
    method: String,
    path: String,
    roles: Option<Vec<String>>,
}

async fn routes(house: &House) -> Vec<Route> {
    let document = house.ask("GET", "/api/openapi.json", None).await.json();
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let names = |value: &Value| {
                let names = value.as_array().into_iter().flatten();
                names.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
            };
            let security = operation["security"].get(0).map(|scheme| names(&scheme["bearer"]));
            routes.push(Route {
                method: method.to_uppercase(),
                path: path.clone(),
                roles: security,
            });
        }
    }
    routes
}

/// Puts ids in place of the variable parts.
fn address(path: &str) -> String {
    path.split('/')
        .map(|part| if part.starts_with('{') { ID } else { part })
        .collect::<Vec<_>>()
        .join("/")
}

async fn ask(house: &House, route: &Route, token: Option<&str>) -> (u16, String) {
    let mut request = Request::builder().method(route.method.as_str()).uri(address(&route.path));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.header("content-type", "application/json").body(Body::from("{}"));
    let answer = house.send(request.unwrap()).await;
    let problem: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    (answer.status.as_u16(), problem["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn every_route_is_open_to_its_roles_and_to_nobody_else() {
    let house = House::new(Fake::default()).await;
    let tokens = ALL.map(|role| (role.as_str(), house.token(&[role])));
    let mut asked = 0;
    for route in routes(&house).await {
        let place = format!("{} {}", route.method, route.path);
        let Some(roles) = &route.roles else { continue };
        let (status, code) = ask(&house, &route, None).await;
        assert_eq!((status, code.as_str()), (401, "TOKEN_MISSING"), "{place}");
        for (role, token) in &tokens {
            let (status, code) = ask(&house, &route, Some(token)).await;
            let refused = (status, code.as_str()) == (403, "ROLE_REQUIRED");
            assert_eq!(refused, !roles.iter().any(|one| one == role), "{place} as {role}: {code}");
            asked += 1;
        }
    }
    assert!(asked >= 7 * 100, "{asked}");
}

#[tokio::test]
async fn nobody_writes_while_they_view_as_somebody_else() {
    let fake = Fake::default().on(NOTE, |note: issues::NoteImpersonationRequest| {
        assert!(note.refused, "{} {}", note.method, note.path);
        let impersonation = issues::Impersonation::default();
        Ok(issues::NoteImpersonationResponse { impersonation: Some(impersonation) })
    });
    let house = House::new(fake).await;
    let everything: Vec<Role> = ALL.into_iter().filter(|role| *role != Role::Service).collect();
    let token = house.token_as(&everything, Some(MemberId::new()));
    for route in routes(&house).await {
        let reads = route.method == "GET" || route.path.ends_with("/preview");
        let ends = route.method == "DELETE" && route.path == "/api/admin/impersonate";
        if route.roles.is_none() || reads || ends {
            continue;
        }
        let (status, code) = ask(&house, &route, Some(&token)).await;
        let place = format!("{} {}", route.method, route.path);
        assert_eq!((status, code.as_str()), (403, "IMPERSONATION_READ_ONLY"), "{place}");
    }
}
