//! Programs that ask with a key.

use axum::body::Body;
use axum::http::Request;
use quittance_proto::issues::v1 as issues;
use sha2::{Digest as _, Sha256};
use tonic::{Code, Status};

use crate::fake::Fake;
use crate::house::{Answer, House, ID, OTHER};

const RESOLVE: &str = "/quittance.issues.v1.ApiKeyService/ResolveApiKey";
const LIST: &str = "/quittance.issues.v1.ProductService/ListProducts";
const SECRET: &str = "qk_0123456789abcdef0123456789abcdef0123456789a";

async fn ask(house: &House, method: &str, path: &str, key: &str) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json")
        .body(Body::from("{}"))
        .unwrap();
    house.send(request).await
}

fn keeper(role: &'static str, read_only: bool) -> Fake {
    Fake::default()
        .on(RESOLVE, move |asked: issues::ResolveApiKeyRequest| {
            if asked.digest != hex::encode(Sha256::digest(SECRET.as_bytes())) {
                return Err(Status::new(Code::Unauthenticated, "no such key"));
            }
            Ok(issues::ResolveApiKeyResponse {
                api_key: Some(issues::ApiKey { read_only, ..issues::ApiKey::default() }),
                member: Some(issues::Member {
                    member_id: ID.to_owned(),
                    organization_id: OTHER.to_owned(),
                    roles: vec![role.to_owned()],
                    ..issues::Member::default()
                }),
            })
        })
        .on(LIST, |_: issues::ListProductsRequest| Ok(issues::ListProductsResponse::default()))
}

#[tokio::test]
async fn a_key_asks_in_the_name_of_its_member_and_the_services_never_see_it() {
    let house = House::new(keeper("lead", false)).await;
    let me = ask(&house, "GET", "/api/me", SECRET).await.json();
    assert_eq!((&me["memberId"], &me["roles"][0]), (&ID.into(), &"lead".into()));
    assert_eq!(ask(&house, "GET", "/api/products", SECRET).await.status, 200);
    let calls = house.fake.calls();
    // Asked once, then believed for a moment.
    assert_eq!(calls.iter().filter(|call| call.path == RESOLVE).count(), 1);
    for call in &calls {
        assert!(!format!("{:?}", call.headers).contains(SECRET), "{call:?}");
        assert!(!format!("{call:?}").contains(SECRET), "{call:?}");
    }
    let refused = ask(&house, "POST", "/api/products", SECRET).await;
    assert_eq!(refused.problem(), (403, "ROLE_REQUIRED".to_owned()));
}

#[tokio::test]
async fn a_key_that_is_not_known_opens_nothing() {
    let house = House::new(keeper("admin", false)).await;
    let long = format!("qk_{}", "x".repeat(200));
    for key in ["qk_", "qk_guess", long.as_str()] {
        assert_eq!(ask(&house, "GET", "/api/me", key).await.status, 401, "{key}");
    }
    // Pages take sessions, and no keys.
    let request = Request::get("/app/issues").header("cookie", format!("quittance={SECRET}"));
    let page = house.send(request.body(Body::empty()).unwrap()).await;
    assert!(page.headers["location"].to_str().unwrap().starts_with("/app/sign-in"), "{page:?}");
}

#[tokio::test]
async fn a_key_that_may_only_look_writes_nothing_and_no_key_makes_keys() {
    let house = House::new(keeper("admin", true)).await;
    assert_eq!(ask(&house, "GET", "/api/products", SECRET).await.status, 200);
    let write = ask(&house, "POST", "/api/products", SECRET).await;
    assert_eq!(write.problem(), (403, "API_KEY_READ_ONLY".to_owned()));
    let house = House::new(keeper("admin", false)).await;
    for path in ["/api/me/api-keys", "/api/admin/impersonate"] {
        let refused = ask(&house, "POST", path, SECRET).await;
        assert_eq!(refused.problem(), (403, "API_KEY_NOT_ENOUGH".to_owned()), "{path}");
    }
}
