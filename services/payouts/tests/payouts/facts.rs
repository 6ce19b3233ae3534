//! A stand-in for the issues service: it knows what a test has told it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use quittance_chassis::db::Db;
use quittance_kernel::{CycleId, IssueId, MemberId};
use quittance_proto::common::v1::{Money, PayoutStatus};
use quittance_proto::issues::v1 as proto;
use quittance_proto::issues::v1::issue_service_server::{IssueService, IssueServiceServer};
use sea_orm::{ConnectionTrait as _, Statement};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

#[derive(Default)]
struct Shelf {
    facts: HashMap<String, proto::PayFact>,
    calls: usize,
    down: bool,
    /// Runs at the next call: a change that happens while a payment is being decided.
    meanwhile: Option<(Db, String)>,
}

/// What the stand-in shares with its test.
#[derive(Clone, Default)]
pub(crate) struct Facts(Arc<Mutex<Shelf>>);

/// An issue as a test begins with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Issue {
    pub(crate) id: IssueId,
    pub(crate) reporter: MemberId,
    pub(crate) cycle: CycleId,
}

impl Facts {
    /// Puts an approved issue without a gate on the known.
    pub(crate) fn approved(&self, reporter: MemberId, minor: i64, currency: &str) -> Issue {
        let issue = Issue { id: IssueId::new(), reporter, cycle: CycleId::new() };
        let amount = Money { minor_units: minor, currency_code: currency.to_owned() };
        let fact = proto::PayFact {
            issue_id: issue.id.to_string(),
            reporter_id: reporter.to_string(),
            cycle_id: issue.cycle.to_string(),
            review: PayoutStatus::Approved.into(),
            amount: Some(amount),
            gate: false,
            verified: false,
            version: 2,
        };
        self.0.lock().unwrap().facts.insert(issue.id.to_string(), fact);
        issue
    }

    /// Changes what is known of an issue.
    pub(crate) fn change(&self, issue: IssueId, change: impl FnOnce(&mut proto::PayFact)) {
        change(self.0.lock().unwrap().facts.get_mut(&issue.to_string()).unwrap());
    }

    pub(crate) fn calls(&self) -> usize {
        self.0.lock().unwrap().calls
    }

    pub(crate) fn down(&self, down: bool) {
        self.0.lock().unwrap().down = down;
    }

    /// Has the next call run a statement before it answers.
    pub(crate) fn meanwhile(&self, db: &Db, sql: &str) {
        self.0.lock().unwrap().meanwhile = Some((db.clone(), sql.to_owned()));
    }

    /// Serves until the test ends.
    pub(crate) async fn serve(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = IssueServiceServer::new(self.clone()).max_encoding_message_size(1 << 24);
        let server = tonic::transport::Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        address
    }
}

macro_rules! not_here {
    ($($method:ident($request:ident) -> $response:ident;)+) => {
        #[tonic::async_trait]
        impl IssueService for Facts {
            async fn batch_get_pay_facts(
                &self,
                request: Request<proto::BatchGetPayFactsRequest>,
            ) -> Result<Response<proto::BatchGetPayFactsResponse>, Status> {
                self.answer(request).await
            }

            $(async fn $method(
                &self,
                _request: Request<proto::$request>,
            ) -> Result<Response<proto::$response>, Status> {
                Err(Status::unimplemented("not part of this test"))
            })+

            type StreamSnapshotsStream =
                tokio_stream::Empty<Result<proto::StreamSnapshotsResponse, Status>>;

            async fn stream_snapshots(
                &self,
                _request: Request<proto::StreamSnapshotsRequest>,
            ) -> Result<Response<Self::StreamSnapshotsStream>, Status> {
                Err(Status::unimplemented("not part of this test"))
            }
        }
    };
}

not_here! {
    create_issue(CreateIssueRequest) -> CreateIssueResponse;
    get_issue(GetIssueRequest) -> GetIssueResponse;
    list_issues(ListIssuesRequest) -> ListIssuesResponse;
    set_issue_status(SetIssueStatusRequest) -> SetIssueStatusResponse;
    approve_issue(ApproveIssueRequest) -> ApproveIssueResponse;
    reject_issue(RejectIssueRequest) -> RejectIssueResponse;
    list_triage(ListTriageRequest) -> ListTriageResponse;
    decide_triage(DecideTriageRequest) -> DecideTriageResponse;
    list_pending_review(ListPendingReviewRequest) -> ListPendingReviewResponse;
    bulk_verify(BulkVerifyRequest) -> BulkVerifyResponse;
    list_similar_issues(ListSimilarIssuesRequest) -> ListSimilarIssuesResponse;
}

impl Facts {
    async fn answer(
        &self,
        request: Request<proto::BatchGetPayFactsRequest>,
    ) -> Result<Response<proto::BatchGetPayFactsResponse>, Status> {
        assert!(
            request.metadata().contains_key("authorization"),
            "the caller's token is forwarded"
        );
        let meanwhile = {
            let mut known = self.0.lock().unwrap();
            known.calls += 1;
            if known.down {
                return Err(Status::unavailable("the stand-in is down"));
            }
            known.meanwhile.take()
        };
        if let Some((db, sql)) = meanwhile {
            db.conn().execute_raw(Statement::from_string(db.backend(), sql)).await.unwrap();
        }
        let known = self.0.lock().unwrap();
        let ids = request.into_inner().issue_ids;
        let facts = ids.iter().filter_map(|id| known.facts.get(id).cloned()).collect();
        Ok(Response::new(proto::BatchGetPayFactsResponse { facts }))
    }
}
