//! The gRPC face: keys, replays and what is on the wire.

use proto::triage_decision::Decision;
use quittance_chassis::grpc::Caller;
use quittance_chassis::problem::read;
use quittance_kernel::{Ctx, IssueId, Severity};
use quittance_proto::common::v1 as common;
use quittance_proto::issues::v1 as proto;
use quittance_proto::issues::v1::cycle_service_server::CycleService;
use quittance_proto::issues::v1::issue_service_server::IssueService;
use quittance_proto::issues::v1::member_service_server::MemberService;
use tonic::{Code, Request, Response, Status};

use crate::fixture::{World, worlds};

/// A request as the edge hands it to a handler.
fn from<T>(ctx: &Ctx, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let caller = Caller::new(ctx.clone(), &String::from("token").into(), None);
    request.extensions_mut().insert(caller);
    request
}

fn code<T: std::fmt::Debug>(result: Result<Response<T>, Status>) -> (Code, String) {
    let status = result.unwrap_err();
    (status.code(), read(&status).reason)
}

fn replayed<T>(response: &Response<T>) -> bool {
    response.metadata().contains_key("idempotency-replayed")
}

fn approval(issue: IssueId, request_id: &str) -> proto::ApproveIssueRequest {
    proto::ApproveIssueRequest {
        request_id: request_id.into(),
        issue_id: issue.to_string(),
        ..proto::ApproveIssueRequest::default()
    }
}

#[tokio::test]
async fn the_same_request_is_answered_once_and_then_replayed() {
    for world in worlds().await {
        let issue = world.file(&world.aibek, Severity::High).await;
        let approve =
            |message| IssueService::approve_issue(&world.issues, from(&world.admin, message));
        let first = approve(approval(issue, "key-1")).await.unwrap();
        assert!(!replayed(&first));
        let again = approve(approval(issue, "key-1")).await.unwrap();
        assert!(replayed(&again));
        assert_eq!(again.get_ref(), first.get_ref());
        assert_eq!(world.told(issue).await.len(), 2);

        let other = proto::ApproveIssueRequest { reason: "x".into(), ..approval(issue, "key-1") };
        let key_used = (Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED".to_owned());
        assert_eq!(code(approve(other).await), key_used);
        let long = "k".repeat(256);
        assert_eq!(code(approve(approval(issue, &long)).await).1, "INVALID_FIELD");

        let refused = approve(approval(issue, "key-2")).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        let view = read(&refused);
        assert_eq!((view.reason.as_str(), view.domain.as_str()), ("INVALID_TRANSITION", "issues"));
        assert_eq!(view.metadata["from"], "approved");
        assert_eq!(view.metadata["allowed"], "rejected");
        // A refusal is not remembered: the key stays free for a request that succeeds.
        let keys = "SELECT count(*) FROM idempotency_keys";
        assert_eq!(world.count(keys).await, 1);
    }
}

#[tokio::test]
async fn racing_requests_with_one_key_get_one_answer() {
    for world in worlds().await {
        let mut racing = tokio::task::JoinSet::new();
        for _ in 0..12 {
            let (issues, who, cycle) = (world.issues.clone(), world.aibek.clone(), world.cycle);
            racing.spawn(async move {
                let message = proto::CreateIssueRequest {
                    request_id: "file-1".into(),
                    cycle_id: cycle.to_string(),
                    title: "Payment fails".into(),
                    severity: common::Severity::High.into(),
                    ..proto::CreateIssueRequest::default()
                };
                let response =
                    IssueService::create_issue(&issues, from(&who, message)).await.unwrap();
                response.into_inner().issue.unwrap().issue_id
            });
        }
        let ids = racing.join_all().await;
        assert!(ids.iter().all(|id| *id == ids[0]));
        assert_eq!(world.count("SELECT count(*) FROM issues").await, 1);

        let issue: IssueId = ids[0].parse().unwrap();
        let mut racing = tokio::task::JoinSet::new();
        for _ in 0..12 {
            let (issues, who) = (world.issues.clone(), world.admin.clone());
            racing.spawn(async move {
                IssueService::approve_issue(&issues, from(&who, approval(issue, "approve-1")))
                    .await
                    .is_ok()
            });
        }
        assert!(racing.join_all().await.into_iter().all(|ok| ok));
        assert_eq!(world.told(issue).await.len(), 2);
    }
}

fn triage(request_id: &str, decisions: Vec<(IssueId, bool)>) -> proto::DecideTriageRequest {
    let decisions = decisions
        .into_iter()
        .map(|(issue, approve)| proto::TriageDecision {
            issue_id: issue.to_string(),
            decision: Some(if approve {
                Decision::Approve(proto::TriageApproval::default())
            } else {
                Decision::Reject(proto::TriageRejection::default())
            }),
        })
        .collect();
    proto::DecideTriageRequest { request_id: request_id.into(), decisions }
}

#[tokio::test]
async fn a_triage_that_is_sent_again_does_not_trip_over_itself() {
    for world in worlds().await {
        let good = world.file(&world.aibek, Severity::High).await;
        let bad = world.file(&world.aibek, Severity::Low).await;
        let own = world.file(&world.admin, Severity::Low).await;
        let message = triage("triage-1", vec![(good, true), (bad, false), (own, true)]);
        let decide =
            || IssueService::decide_triage(&world.issues, from(&world.admin, message.clone()));
        let first = decide().await.unwrap();
        let oks: Vec<bool> = first.get_ref().results.iter().map(|result| result.ok).collect();
        assert_eq!(oks, [true, true, false]);
        assert_eq!(first.get_ref().results[2].code, "SELF_APPROVAL");
        let again = decide().await.unwrap();
        assert!(replayed(&again) && again.get_ref() == first.get_ref());

        // As after a crash between the last decision and the answer.
        world.count_after("DELETE FROM idempotency_keys WHERE key = 'triage-1'").await;
        let again = decide().await.unwrap();
        assert_eq!(again.get_ref(), first.get_ref());
        assert_eq!(world.told(good).await, ["issue.created", "issue.approved"]);
        assert_eq!(world.told(bad).await, ["issue.created", "issue.rejected"]);

        let twice = triage("", vec![(good, true), (good, true)]);
        let refused = IssueService::decide_triage(&world.issues, from(&world.admin, twice)).await;
        assert_eq!(code(refused), (Code::InvalidArgument, "DUPLICATE_ID".to_owned()));
    }
}

impl World {
    async fn count_after(&self, sql: &str) {
        use sea_orm::ConnectionTrait as _;
        self.db.conn().execute_unprepared(sql).await.unwrap();
    }
}

#[tokio::test]
async fn bad_input_names_its_field() {
    for world in worlds().await {
        let get = proto::GetIssueRequest { issue_id: "42".into(), cycle_id: String::new() };
        let refused =
            IssueService::get_issue(&world.issues, from(&world.admin, get)).await.unwrap_err();
        assert_eq!(read(&refused).fields, [("issue_id".into(), "must be a UUID".into())]);

        let issue = world.file(&world.aibek, Severity::High).await;
        let amount = common::Money { minor_units: 1, currency_code: "TENGE".into() };
        let custom = proto::ApproveIssueRequest { amount: Some(amount), ..approval(issue, "") };
        let refused = IssueService::approve_issue(&world.issues, from(&world.admin, custom)).await;
        assert_eq!(code(refused), (Code::InvalidArgument, "UNKNOWN_CURRENCY".to_owned()));

        let dollars = proto::PayoutRates {
            high: Some(1),
            currency_code: "USD".into(),
            ..proto::PayoutRates::default()
        };
        let update = proto::UpdateCycleRequest {
            cycle_id: world.cycle.to_string(),
            payout_rates: Some(dollars),
            ..proto::UpdateCycleRequest::default()
        };
        let refused = CycleService::update_cycle(&world.issues, from(&world.admin, update)).await;
        assert_eq!(code(refused), (Code::InvalidArgument, "RATES_INCOMPLETE".to_owned()));

        let preview = proto::PreviewGateRequest { cycle_id: world.cycle.to_string(), gate: 0 };
        let refused = CycleService::preview_gate(&world.issues, from(&world.admin, preview)).await;
        assert_eq!(code(refused).1, "INVALID_FIELD");
        let facts = proto::BatchGetPayFactsRequest { issue_ids: vec!["x".into()] };
        let refused =
            IssueService::batch_get_pay_facts(&world.issues, from(&world.admin, facts)).await;
        assert_eq!(read(&refused.unwrap_err()).fields[0].0, "issue_ids[0]");
    }
}

#[tokio::test]
async fn an_issue_reads_on_the_wire_as_it_is() {
    for world in worlds().await {
        let issue = world.file(&world.aibek, Severity::Critical).await;
        IssueService::approve_issue(&world.issues, from(&world.admin, approval(issue, "")))
            .await
            .unwrap();
        let get = proto::GetIssueRequest {
            issue_id: issue.to_string(),
            cycle_id: world.cycle.to_string(),
        };
        let seen = IssueService::get_issue(&world.issues, from(&world.aibek, get))
            .await
            .unwrap()
            .into_inner();
        let seen = seen.issue.unwrap();
        assert_eq!((seen.number.as_str(), seen.reporter_name.as_str()), ("SHP-1", "Aibek"));
        assert_eq!(seen.payout_status(), common::PayoutStatus::Approved);
        assert_eq!(seen.status(), common::IssueStatus::Triaged);
        let amount = common::Money { minor_units: 1_500_000, currency_code: "KZT".into() };
        assert_eq!((seen.amount, seen.payable), (Some(amount), true));
        assert_eq!(seen.decided_by, world.admin.member().to_string());
        assert_eq!(seen.pipeline[2].state(), proto::StageState::Next);

        let sign_in = proto::EnsureMemberRequest {
            email: "new@example.com".into(),
            ..proto::EnsureMemberRequest::default()
        };
        // It is the edge that keeps people from this method; the handler asks for nobody.
        let signed =
            MemberService::ensure_member(&world.issues, Request::new(sign_in)).await.unwrap();
        assert_eq!(signed.into_inner().member.unwrap().roles, ["member"]);
        let nobody = proto::GetMemberRequest { member_id: world.aibek.member().to_string() };
        let refused = MemberService::get_member(&world.issues, Request::new(nobody)).await;
        assert_eq!(code(refused).0, Code::Unauthenticated);
    }
}

#[tokio::test]
async fn snapshots_are_streamed_to_the_end() {
    use futures_util::TryStreamExt as _;
    for world in worlds().await {
        for _ in 0..3 {
            world.file(&world.aibek, Severity::Low).await;
        }
        let request = from(&world.admin, proto::StreamSnapshotsRequest::default());
        let stream =
            IssueService::stream_snapshots(&world.issues, request).await.unwrap().into_inner();
        let messages: Vec<_> = stream.try_collect().await.unwrap();
        let issues: Vec<_> = messages.into_iter().flat_map(|message| message.issues).collect();
        assert_eq!(issues.len(), 3);
        assert!(issues.iter().all(|issue| issue.body.is_empty()));
    }
}
