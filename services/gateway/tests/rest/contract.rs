//! What the services say, as REST says it.

use std::collections::HashMap;

use axum::http::{HeaderMap, HeaderValue};
use quittance_proto::balance::v1 as balance;
use quittance_proto::common::v1::{Money, Total};
use quittance_proto::issues::v1 as issues;
use quittance_proto::issues::v1::GateSetting::{Inherit, NotRequired, Required, Unspecified};
use quittance_proto::payouts::v1 as payouts;
use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::fake::{Call, Fake};
use crate::house::{House, ID, OTHER, config};

const UPDATE_CYCLE: &str = "/quittance.issues.v1.CycleService/UpdateCycle";
const GET_ISSUE: &str = "/quittance.issues.v1.IssueService/GetIssue";
const BATCH_PAY: &str = "/quittance.payouts.v1.PayoutService/BatchPay";
const PAY_ISSUE: &str = "/quittance.payouts.v1.PayoutService/PayIssue";
const EXPORT: &str = "/quittance.balance.v1.BalanceService/ExportPayments";

fn kzt(minor_units: i64) -> Money {
    Money { minor_units, currency_code: "KZT".to_owned() }
}

fn refusal(code: Code, reason: &str) -> Status {
    let details = ErrorDetails::with_error_info(reason, "issues", HashMap::new());
    Status::with_error_details(code, "said so", details)
}

#[tokio::test]
async fn a_cycle_tells_absent_from_null_from_false() {
    let fake = Fake::default().on(UPDATE_CYCLE, |_: issues::UpdateCycleRequest| {
        let cycle =
            issues::Cycle { cycle_id: ID.to_owned(), version: 8, ..issues::Cycle::default() };
        Ok(issues::UpdateCycleResponse { cycle: Some(cycle) })
    });
    let house = House::new(fake).await;
    let path = format!("/api/test-cycles/{ID}");
    for body in [
        json!({}),
        json!({"requiresVerification": null, "payoutRates": null}),
        json!({"requiresVerification": false, "payoutRates": {"high": 5}}),
        json!({"requiresVerification": true}),
    ] {
        let answer = house.ask_with("PATCH", &path, Some(body), &[("if-match", "\"7\"")]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.headers["etag"].to_str().unwrap().starts_with("\"8-"));
    }
    let seen: Vec<_> = house
        .fake
        .calls()
        .iter()
        .map(Call::message::<issues::UpdateCycleRequest>)
        .map(|sent| {
            assert_eq!((sent.version, sent.cycle_id.as_str()), (7, ID));
            (sent.gate(), sent.payout_rates.is_some(), sent.clear_payout_rates)
        })
        .collect();
    assert_eq!(
        seen,
        [
            (Unspecified, false, false),
            (Inherit, false, true),
            (NotRequired, true, false),
            (Required, false, false),
        ]
    );
}

#[tokio::test]
async fn a_stale_version_is_412_for_those_who_named_one() {
    let fake = Fake::default().on(
        UPDATE_CYCLE,
        |_: issues::UpdateCycleRequest| -> Result<issues::UpdateCycleResponse, _> {
            Err(refusal(Code::Aborted, "STALE_VERSION"))
        },
    );
    let house = House::new(fake).await;
    let path = format!("/api/test-cycles/{ID}");
    let body = || Some(json!({"name": "Sweep"}));
    let named = house.ask_with("PATCH", &path, body(), &[("if-match", "\"7\"")]).await;
    assert_eq!(named.problem(), (412, "STALE_VERSION".to_owned()));
    let unnamed = house.ask("PATCH", &path, body()).await;
    assert_eq!(unnamed.problem(), (409, "STALE_VERSION".to_owned()));
}

#[tokio::test]
async fn the_refusal_of_a_service_becomes_a_problem() {
    let fake = Fake::default().on(
        GET_ISSUE,
        |request: issues::GetIssueRequest| -> Result<issues::GetIssueResponse, _> {
            Err(if request.cycle_id == ID {
                refusal(Code::NotFound, "ISSUE_NOT_FOUND")
            } else {
                Status::internal("row 7 of `issue` is inconsistent")
            })
        },
    );
    let house = House::new(fake).await;
    let headers = [("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")];
    let path = format!("/api/test-cycles/{ID}/issues/{OTHER}");
    let answer = house.ask_with("GET", &path, None, &headers).await;
    assert_eq!(answer.problem(), (404, "ISSUE_NOT_FOUND".to_owned()));
    let document = answer.json();
    assert_eq!(document["type"], "urn:quittance:problem:issue_not_found");
    assert_eq!(document["detail"], "said so");
    assert_eq!(document["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
    let broken = house.ask("GET", &format!("/api/test-cycles/{OTHER}/issues/{ID}"), None).await;
    assert_eq!(broken.problem(), (500, "INTERNAL".to_owned()));
    assert!(!broken.text.contains("row 7"), "{broken:?}");
}

#[tokio::test]
async fn a_service_that_is_away_is_503() {
    let (fake, _) = Fake::default().serve().await;
    let house = House::over(fake, &config("http://127.0.0.1:9"));
    let answer = house.ask("GET", "/api/products", None).await;
    assert_eq!(answer.problem(), (503, "UNAVAILABLE".to_owned()));
    assert!(answer.headers.contains_key("retry-after"));
    let ready = house.ask("GET", "/readyz", None).await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["services"][0], json!({"name": "issues", "ready": false}));
    assert_eq!(house.ask("GET", "/healthz", None).await.status, 200);
}

fn paid() -> payouts::BatchPayResponse {
    let total = Total { amount: Some(kzt(1_500_000)), count: 1 };
    let group = payouts::PaidGroup {
        payee_id: OTHER.to_owned(),
        payout_id: ID.to_owned(),
        issue_ids: vec![ID.to_owned()],
        method: 1,
        reference: "R-1".to_owned(),
        total: Some(total.clone()),
        netted_minor: 0,
    };
    payouts::BatchPayResponse {
        outcome: Some(payouts::batch_pay_response::Outcome::Paid(payouts::BatchPaid {
            batch_id: ID.to_owned(),
            groups: vec![group],
            totals: vec![total],
            excluded: vec![payouts::Excluded {
                issue_id: OTHER.to_owned(),
                reasons: vec!["gate_not_verified".to_owned()],
            }],
        })),
    }
}

#[tokio::test]
async fn a_batch_carries_its_key_and_says_when_it_was_replayed() {
    let mut headers = HeaderMap::new();
    headers.insert("idempotency-replayed", HeaderValue::from_static("true"));
    let fake = Fake::default()
        .with_headers(BATCH_PAY, headers, |_: payouts::BatchPayRequest| Ok(vec![paid()]));
    let house = House::new(fake).await;
    let body =
        json!({"issueIds": [ID], "method": "kaspi", "reference": "R-1", "onBlocked": "skip"});
    let key = [("idempotency-key", "\"run-1\""), ("x-request-id", "tour-3")];
    let answer = house.ask_with("POST", "/api/admin/payouts/batch-pay", Some(body), &key).await;
    assert_eq!(answer.headers["idempotency-replayed"], "true");
    assert_eq!(
        answer.json(),
        json!({
            "batchId": ID,
            "groups": [{
                "testerId": OTHER, "payoutId": ID, "issueIds": [ID], "method": "kaspi",
                "reference": "R-1", "nettedMinor": 0,
                "totals": [{"currency": "KZT", "amountMinor": 1_500_000, "count": 1}],
            }],
            "totals": [{"currency": "KZT", "amountMinor": 1_500_000, "count": 1}],
            "unverifiedIssueIds": [OTHER],
            "excluded": [{"issueId": OTHER, "reasons": ["gate_not_verified"]}],
        })
    );
    let call = house.fake.only_call();
    assert_eq!(call.path, BATCH_PAY);
    let sent: payouts::BatchPayRequest = call.message();
    assert_eq!((sent.request_id.as_str(), sent.on_blocked()), ("run-1", payouts::OnBlocked::Skip));
    assert_eq!(call.headers["x-idempotent"], "1");
    assert_eq!(call.headers["x-request-id"], "tour-3");
    assert!(call.headers.contains_key("grpc-timeout"));
    assert!(call.headers["authorization"].to_str().unwrap().starts_with("Bearer "));
}

#[tokio::test]
async fn a_payment_is_created_or_refused_with_every_reason() {
    let fake = Fake::default().on(PAY_ISSUE, |request: payouts::PayIssueRequest| {
        use payouts::pay_issue_response::Outcome;
        let outcome = match request.reference.as_str() {
            "ok" => Outcome::Paid(payouts::PaidIssue {
                payout_id: OTHER.to_owned(),
                issue_id: request.issue_id,
                amount: Some(kzt(800_000)),
                method: request.method,
                reference: request.reference,
                pay_time: Some(prost_types::Timestamp { seconds: 1_778_234_400, nanos: 0 }),
            }),
            reason => Outcome::Refused(payouts::Excluded {
                issue_id: request.issue_id,
                reasons: vec![reason.to_owned()],
            }),
        };
        Ok(payouts::PayIssueResponse { outcome: Some(outcome) })
    });
    let house = House::new(fake).await;
    let path = format!("/api/test-cycles/{OTHER}/issues/{ID}/payments");
    let pay = async |reference: &str| {
        house.ask("POST", &path, Some(json!({"method": "bank", "reference": reference}))).await
    };
    let paid = pay("ok").await;
    assert_eq!(paid.status, 201);
    assert_eq!(paid.headers["location"], format!("/api/admin/payouts/{OTHER}"));
    assert_eq!(
        paid.json(),
        json!({
            "payoutId": OTHER, "issueId": ID, "amountMinor": 800_000, "currency": "KZT",
            "method": "bank", "reference": "ok", "paidAt": "2026-05-08T10:00:00Z",
        })
    );
    for (reason, status, code) in [
        ("gate_not_verified", 400, "ISSUE_NOT_VERIFIED"),
        ("self_payment", 403, "SELF_APPROVAL"),
        ("unknown_issue", 404, "ISSUE_NOT_FOUND"),
        ("already_paid", 409, "NOT_PAYABLE"),
    ] {
        let refused = pay(reason).await;
        assert_eq!(refused.problem(), (status, code.to_owned()));
        assert_eq!(refused.json()["excluded"], json!([{"issueId": ID, "reasons": [reason]}]));
    }
}

#[tokio::test]
async fn an_export_is_a_file_as_it_was_sent() {
    let chunk = |text: &'static str| balance::ExportPaymentsResponse { chunk: text.into() };
    let fake = Fake::default().with_headers(
        EXPORT,
        HeaderMap::new(),
        move |request: balance::ExportPaymentsRequest| {
            if request.to.is_some() {
                return Err(Status::unavailable("no"));
            }
            assert!(request.trailer);
            Ok(vec![chunk("date,cycle\r\n"), chunk("2026-05-08,Sweep\r\n")])
        },
    );
    let house = House::new(fake).await;
    let path = "/api/me/balance/export.csv?trailer=true";
    let gzip = [("accept-encoding", "gzip")];
    let file = house.ask_with("GET", path, None, &gzip).await;
    assert_eq!(file.text, "date,cycle\r\n2026-05-08,Sweep\r\n");
    assert_eq!(file.headers["content-type"], "text/csv; charset=utf-8");
    assert!(file.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    assert_eq!(file.headers["cache-control"], "no-store");
    assert_eq!(file.headers["x-content-type-options"], "nosniff");
    assert!(!file.headers.contains_key("content-encoding"));
    let broken = house.ask("GET", "/api/me/balance/export.csv?to=2026-05-08", None).await;
    assert_eq!(broken.problem().0, 503);
}

#[tokio::test]
async fn the_overview_asks_all_services_and_names_everybody() {
    let totals = vec![Total { amount: Some(kzt(5)), count: 2 }];
    let fake = Fake::default()
        .on("/quittance.balance.v1.BalanceService/GetOrganizationTotals", {
            let totals = totals.clone();
            move |_: balance::GetOrganizationTotalsRequest| {
                Ok(balance::GetOrganizationTotalsResponse {
                    approved_unpaid: totals.clone(),
                    top_earner: Some(balance::TopEarner {
                        member_id: ID.to_owned(),
                        name: String::new(),
                        earned: Some(kzt(9)),
                    }),
                    ..balance::GetOrganizationTotalsResponse::default()
                })
            }
        })
        .on(
            "/quittance.payouts.v1.PayoutService/ListPayQueue",
            move |_: payouts::ListPayQueueRequest| {
                let entry = |payee: &str| payouts::PayQueueEntry {
                    payee_id: payee.to_owned(),
                    issue_count: 2,
                    totals: totals.clone(),
                    issue_ids: vec![ID.to_owned()],
                    ..payouts::PayQueueEntry::default()
                };
                Ok(payouts::ListPayQueueResponse {
                    entries: vec![entry(ID), entry(OTHER)],
                    ..payouts::ListPayQueueResponse::default()
                })
            },
        )
        .on(
            "/quittance.issues.v1.IssueService/ListPendingReview",
            |_: issues::ListPendingReviewRequest| {
                let issue = issues::Issue {
                    issue_id: ID.to_owned(),
                    reporter_id: OTHER.to_owned(),
                    reporter_name: "Nazira".to_owned(),
                    severity: 1,
                    ..issues::Issue::default()
                };
                Ok(issues::ListPendingReviewResponse {
                    issues: vec![issue],
                    total_count: 12,
                    ..issues::ListPendingReviewResponse::default()
                })
            },
        )
        .on("/quittance.issues.v1.MemberService/ListMembers", |_: issues::ListMembersRequest| {
            let member = issues::Member {
                member_id: ID.to_owned(),
                name: "Aibek".to_owned(),
                ..issues::Member::default()
            };
            Ok(issues::ListMembersResponse { members: vec![member], ..Default::default() })
        });
    let house = House::new(fake).await;
    let overview = house.ask("GET", "/api/admin/payouts", None).await.json();
    assert_eq!(overview["aggregate"]["pendingReviewCount"], 12);
    assert_eq!(
        overview["aggregate"]["topTester"],
        json!({"memberId": ID, "name": "Aibek", "currency": "KZT", "amountMinor": 9})
    );
    assert_eq!(
        overview["aggregate"]["approvedUnpaid"],
        json!([{"currency": "KZT", "amountMinor": 5, "count": 2}])
    );
    assert_eq!(overview["payQueue"][0]["name"], "Aibek");
    assert_eq!(overview["payQueue"][1]["name"], "Nazira");
    assert_eq!(overview["pendingReview"][0]["severity"], "critical");
    assert_eq!(overview["pendingReview"][0]["amount"], Value::Null);
    assert_eq!(house.fake.calls().len(), 4);
}

#[tokio::test]
async fn the_gateway_is_ready_when_its_services_are() {
    let serving = tonic_health::pb::HealthCheckResponse { status: 1 };
    let fake = Fake::default()
        .on("/grpc.health.v1.Health/Check", move |_: tonic_health::pb::HealthCheckRequest| {
            Ok(serving)
        });
    let house = House::new(fake).await;
    let ready = house.ask("GET", "/readyz", None).await;
    assert_eq!((ready.status.as_u16(), &ready.json()["ready"]), (200, &json!(true)));
}

#[tokio::test]
async fn the_contract_and_its_browser_are_served_from_here() {
    let house = House::new(Fake::default()).await;
    let document = house.ask("GET", "/api/openapi.json", None).await.json();
    assert!(document["paths"]["/api/admin/payouts/batch-pay"]["post"].is_object());
    let page = house.ask("GET", "/api/docs/", None).await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains("https://"), "nothing from elsewhere: {}", page.text);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("script-src 'self'"), "{policy}");
    assert_eq!(house.ask("GET", "/metrics", None).await.status, 200);
}
