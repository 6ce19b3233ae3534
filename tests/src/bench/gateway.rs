//! `bench gateway`: one read and one write through REST, beside the same calls by gRPC and beside a
//! handler that does nothing.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::future::try_join_all;
use quittance_chassis::auth::Verifier;
use quittance_chassis::clock;
use quittance_chassis::grpc::{self, Caller, Client as Grpc};
use quittance_kernel::{Ctx, Principal, Role, Roles};
use quittance_proto::common::v1::{IssueStatus, Severity};
use quittance_proto::issues::v1 as wire;
use reqwest::Client;
use serde_json::{Value, json};
use wire::issue_service_client::IssueServiceClient;

use super::report::{Times, ms, per_second};
use crate::story::Shop;
use crate::world::{Bus, Store, World};

/// What stands above the table in docs/performance.md.
pub const ABOUT: &str = "`cargo xtask bench gateway`: `GET` of one issue and `POST` of a new one through REST, beside \
the same call to the issues service by gRPC (same token, server and database) and beside a bare axum handler that sends \
the bytes of the `GET`, or reads the JSON of the `POST` and sends it back. Load and servers share the machine and one \
process; the three doors take turns within the run. Rate limits are off. `added` is the p50 through REST less the p50 by gRPC: \
what the gateway costs.";

/// What the bench is asked to do.
pub struct Plan {
    pub seconds: u64,
    pub clients: Vec<usize>,
}

/// A way to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Bare,
    Grpc,
    Rest,
}

const DOORS: [Door; 3] = [Door::Bare, Door::Grpc, Door::Rest];

/// What is measured of one door.
struct Line {
    write: bool,
    clients: usize,
    door: Door,
    times: Times,
    rate: f64,
}

struct Bench {
    client: Client,
    bare: String,
    base: String,
    token: String,
    cycle: String,
    issue: String,
    caller: Caller,
    issues: IssueServiceClient<Grpc>,
}

/// Runs the bench and returns its table and a line of JSON.
pub async fn run(plan: &Plan) -> anyhow::Result<String> {
    let world = World::start(Store::Postgres, Bus::InProcess).await;
    let bench = Arc::new(Bench::prepare(&world).await?);
    let mut lines = Vec::new();
    for write in [false, true] {
        for clients in &plan.clients {
            for door in DOORS {
                eprintln!("{} by {door:?}, {clients} at once …", name(write));
                bench.measure(door, write, *clients, Duration::from_secs(1)).await?;
                let time = Duration::from_secs(plan.seconds);
                lines.push(bench.measure(door, write, *clients, time).await?);
            }
        }
    }
    world.close().await;
    Ok(table(&lines))
}

fn name(write: bool) -> &'static str {
    if write { "POST an issue" } else { "GET an issue" }
}

impl Bench {
    async fn prepare(world: &World) -> anyhow::Result<Self> {
        let shop = Shop::open(world).await;
        let issue = shop.file(&shop.tester, "high").await;
        let verifier = Verifier::from_config(&world.config.auth, world.config.mode)?;
        let principal = Principal {
            organization: shop.tester.organization_id.parse()?,
            member: shop.tester.member_id.parse()?,
            roles: Roles::new([Role::Member]),
            email: None,
            impersonator: None,
        };
        let token = verifier.mint(&principal, Duration::from_hours(1))?;
        let ctx = Ctx::new(principal, clock::now(), "bench".into());
        let caller = Caller::new(ctx, &token.clone().into(), None);
        let issues = IssueServiceClient::new(grpc::client(&world.config.issues.url)?);
        let path = format!("/api/test-cycles/{}/issues/{issue}", shop.cycle);
        let body = shop.tester.get(&path).await;
        ensure!(body.status == 200, "{}", body.text);
        Ok(Self {
            client: crate::http::client(),
            bare: bare(body.text).await?,
            base: world.base.clone(),
            token,
            cycle: shop.cycle,
            issue,
            caller,
            issues,
        })
    }

    /// Asks by one door from so many at once, for so long.
    async fn measure(
        self: &Arc<Self>,
        door: Door,
        write: bool,
        clients: usize,
        time: Duration,
    ) -> anyhow::Result<Line> {
        let start = Instant::now();
        let all = (0..clients).map(|_| {
            let bench = Arc::clone(self);
            async move {
                tokio::spawn(async move {
                    let mut times = Vec::new();
                    while start.elapsed() < time {
                        let asked = Instant::now();
                        bench.ask(door, write).await?;
                        times.push(asked.elapsed());
                    }
                    anyhow::Ok(times)
                })
                .await?
            }
        });
        let times: Vec<Duration> = try_join_all(all).await?.into_iter().flatten().collect();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = times.len() as f64 / start.elapsed().as_secs_f64();
        Ok(Line { write, clients, door, times: Times::new(times), rate })
    }

    async fn ask(&self, door: Door, write: bool) -> anyhow::Result<()> {
        let path = format!("/api/test-cycles/{}/issues", self.cycle);
        let new = json!({ "title": "Payment fails on mobile Safari", "severity": "high" });
        match (door, write) {
            (Door::Bare, false) => self.http(self.client.get(format!("{}/one", self.bare))).await,
            (Door::Bare, true) => {
                self.http(self.client.post(format!("{}/new", self.bare)).json(&new)).await
            }
            (Door::Rest, false) => {
                self.http(self.client.get(format!("{}{path}/{}", self.base, self.issue))).await
            }
            (Door::Rest, true) => {
                self.http(self.client.post(format!("{}{path}", self.base)).json(&new)).await
            }
            (Door::Grpc, false) => {
                let (issue_id, cycle_id) = (self.issue.clone(), self.cycle.clone());
                let request = wire::GetIssueRequest { issue_id, cycle_id };
                self.issues.clone().get_issue(self.caller.request(request)).await?;
                Ok(())
            }
            (Door::Grpc, true) => {
                let request = wire::CreateIssueRequest {
                    cycle_id: self.cycle.clone(),
                    title: "Payment fails on mobile Safari".to_owned(),
                    severity: Severity::High.into(),
                    status: IssueStatus::Open.into(),
                    ..wire::CreateIssueRequest::default()
                };
                self.issues.clone().create_issue(self.caller.request(request)).await?;
                Ok(())
            }
        }
    }

    async fn http(&self, request: reqwest::RequestBuilder) -> anyhow::Result<()> {
        let answer = request.bearer_auth(&self.token).send().await?.error_for_status()?;
        answer.bytes().await?;
        Ok(())
    }
}

/// Serves what the gateway would, without doing anything for it.
async fn bare(body: String) -> anyhow::Result<String> {
    let json = [("content-type", "application/json")];
    let routes = Router::new()
        .route("/one", get(async move || (json, body.clone())))
        .route("/new", post(async |Json(new): Json<Value>| Json(new)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(base)
}

fn table(lines: &[Line]) -> String {
    let mut text = String::from(
        "| request | at once | door | rate | p50 | p99 | added |\n|---|---:|---|---:|---:|---:|---:|\n",
    );
    let mut all = Vec::new();
    for three in lines.chunks(DOORS.len()) {
        let grpc = three.iter().find(|line| line.door == Door::Grpc);
        for line in three {
            let added = grpc
                .filter(|_| line.door == Door::Rest)
                .map(|grpc| ms(line.times.median().saturating_sub(grpc.times.median())));
            let door = format!("{:?}", line.door).to_lowercase();
            let (p50, p99) = (line.times.median(), line.times.quantile(0.99));
            let _ = writeln!(
                text,
                "| {} | {} | {door} | {} | {} | {} | {} |",
                name(line.write),
                line.clients,
                per_second(line.rate),
                ms(p50),
                ms(p99),
                added.unwrap_or_default(),
            );
            all.push(json!({
                "request": name(line.write), "clients": line.clients, "door": door,
                "perSecond": line.rate, "p50Ms": p50.as_secs_f64() * 1e3,
                "p99Ms": p99.as_secs_f64() * 1e3,
            }));
        }
    }
    let _ = writeln!(text, "\n{}", json!({ "bench": "gateway", "lines": all }));
    text
}
