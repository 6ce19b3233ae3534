//! `bench triage`: the inbox and the list of all issues among very many, beside one read by its key.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use quittance_chassis::auth::Verifier;
use quittance_chassis::clock;
use quittance_chassis::grpc::{self, Caller, Client};
use quittance_kernel::{Ctx, Principal, Role, Roles};
use quittance_proto::common::v1::{IssueStatus, PayoutStatus, Severity};
use quittance_proto::issues::v1 as wire;
use sea_orm::sqlx::{self, PgPool};
use serde_json::json;
use uuid::Uuid;
use wire::issue_service_client::IssueServiceClient;

use super::report::{Times, ms};
use crate::check::Books;
use crate::http::Person;
use crate::story::Shop;
use crate::world::{Bus, Store, World};

/// What stands above the table in docs/performance.md.
pub const ABOUT: &str = "`cargo xtask bench triage`: pages of 50 out of very many issues in 50 cycles, with the \
role of an admin. The floor of a line is the read of one issue by its primary key (with its cycle, product and \
reporter) through the same door: `GetIssue` over the same gRPC channel, or `GET` of the issue over the same HTTP \
connection, so the same server, pool, token and access checks. `sql` is `SELECT * … WHERE id = $1` straight to the \
driver, for comparison. All take turns in the same run. The goal: p99 at most 3 × the floor's.";

/// Issues on a page.
const PAGE: i32 = 50;

/// What the bench is asked to do.
pub struct Plan {
    pub rows: usize,
    /// How often each read is measured.
    pub rounds: usize,
}

/// A way to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Sql,
    Grpc,
    Rest,
}

/// What is read.
enum Read {
    Key,
    Inbox(String),
    All(Box<wire::ListIssuesRequest>),
    /// A path of the gateway.
    Path(String),
}

struct Line {
    name: &'static str,
    door: Door,
    read: Read,
    times: Vec<Duration>,
}

impl Line {
    fn new(name: &'static str, door: Door, read: Read) -> Self {
        Self { name, door, read, times: Vec::new() }
    }
}

struct Ours {
    world: World,
    admin: Person,
    caller: Caller,
    client: IssueServiceClient<Client>,
    pool: PgPool,
    cycle: String,
    ids: Vec<Uuid>,
}

/// Runs the bench and returns its table and a line of JSON.
pub async fn run(plan: &Plan) -> anyhow::Result<String> {
    eprintln!("seeding {} issues …", plan.rows);
    let mut ours = Ours::seed(plan.rows).await?;
    let mut lines = ours.lines().await?;
    eprintln!("measuring …");
    let warm_up = plan.rounds.div_ceil(10);
    for round in 0..warm_up + plan.rounds {
        let id = ours.ids[round % ours.ids.len()];
        for line in &mut lines {
            let time = ours.read(line.door, &line.read, id).await.context(line.name)?;
            if warm_up <= round {
                line.times.push(time);
            }
        }
    }
    ours.world.close().await;
    Ok(table(plan.rows, lines))
}

impl Ours {
    async fn seed(rows: usize) -> anyhow::Result<Self> {
        let world = World::start(Store::Postgres, Bus::InProcess).await;
        let shop = Shop::open(&world).await;
        let books = Books::open(&world.config).await;
        let pool = books.issues.conn().get_postgres_connection_pool().clone();
        let ids = seed_issues(&pool, &shop, rows).await?;
        let verifier = Verifier::from_config(&world.config.auth, world.config.mode)?;
        let principal = Principal {
            organization: shop.admin.organization_id.parse()?,
            member: shop.admin.member_id.parse()?,
            roles: Roles::new([Role::Admin]),
            email: None,
            impersonator: None,
        };
        let token = verifier.mint(&principal, Duration::from_hours(1))?;
        let caller =
            Caller::new(Ctx::new(principal, clock::now(), "bench".into()), &token.into(), None);
        let client = IssueServiceClient::new(grpc::client(&world.config.issues.url)?);
        Ok(Self { world, admin: shop.admin, caller, client, pool, cycle: shop.cycle, ids })
    }

    /// What is measured. Pages in the middle begin where half of a list has been read.
    async fn lines(&mut self) -> anyhow::Result<Vec<Line>> {
        let all = wire::ListIssuesRequest { page_size: PAGE, ..wire::ListIssuesRequest::default() };
        let status =
            wire::ListIssuesRequest { status: IssueStatus::Exported.into(), ..all.clone() };
        let paid =
            wire::ListIssuesRequest { payout_status: PayoutStatus::Paid.into(), ..all.clone() };
        let severe = wire::ListIssuesRequest { severity: Severity::Critical.into(), ..all.clone() };
        let word = wire::ListIssuesRequest { query: "word7".to_owned(), ..all.clone() };
        let (inbox, middle) = (self.inbox_middle().await?, self.all_middle(&all).await?);
        let path = |path: &str| Read::Path(format!("{path}pageSize={PAGE}"));
        let list = |request| Read::All(Box::new(request));
        let deep = wire::ListIssuesRequest { page_token: middle.clone(), ..all.clone() };
        Ok(vec![
            Line::new("one issue by its key", Door::Sql, Read::Key),
            Line::new("one issue by its key", Door::Grpc, Read::Key),
            Line::new("inbox, first page and counts", Door::Grpc, Read::Inbox(String::new())),
            Line::new("inbox, middle page and counts", Door::Grpc, Read::Inbox(inbox)),
            Line::new("all issues, first page", Door::Grpc, list(all)),
            Line::new("all issues, middle page", Door::Grpc, list(deep)),
            Line::new("one status", Door::Grpc, list(status)),
            Line::new("one payout status", Door::Grpc, list(paid)),
            Line::new("one severity", Door::Grpc, list(severe)),
            Line::new("one word", Door::Grpc, list(word)),
            Line::new("one issue by its key", Door::Rest, Read::Key),
            Line::new("inbox, first page and counts", Door::Rest, path("/api/admin/triage?")),
            Line::new("all issues, first page", Door::Rest, path("/api/issues?")),
            Line::new("one status", Door::Rest, path("/api/issues?status=exported&")),
        ])
    }

    /// The token of a page in the middle of the inbox.
    async fn inbox_middle(&mut self) -> anyhow::Result<String> {
        let (mut token, mut read, size) = (String::new(), 0, PAGE / 2);
        loop {
            let request = wire::ListTriageRequest { page_size: size, page_token: token.clone() };
            let page = self.client.list_triage(self.caller.request(request)).await?.into_inner();
            read += i64::from(size);
            ensure!(!page.next_page_token.is_empty(), "the inbox is too short: more --rows");
            token = page.next_page_token;
            if page.issue_count <= read * 2 {
                return Ok(token);
            }
        }
    }

    async fn all_middle(&mut self, all: &wire::ListIssuesRequest) -> anyhow::Result<String> {
        let mut request = wire::ListIssuesRequest { page_size: 200, ..all.clone() };
        for _ in 0..self.ids.len() / 400 {
            let page = self.client.list_issues(self.caller.request(request.clone())).await?;
            request.page_token = page.into_inner().next_page_token;
        }
        Ok(request.page_token)
    }

    /// Reads once, through a door; the time that it took.
    async fn read(&mut self, door: Door, read: &Read, id: Uuid) -> anyhow::Result<Duration> {
        let start = Instant::now();
        match (door, read) {
            (Door::Sql, _) => {
                let sql = "SELECT * FROM issues WHERE id = $1";
                sqlx::query(sql).bind(id).fetch_one(&self.pool).await?;
            }
            (Door::Grpc, Read::Key) => {
                let issue_id = id.to_string();
                let request = wire::GetIssueRequest { issue_id, cycle_id: String::new() };
                self.client.get_issue(self.caller.request(request)).await?;
            }
            (_, Read::Inbox(token)) => {
                let request =
                    wire::ListTriageRequest { page_size: PAGE, page_token: token.clone() };
                let page = self.client.list_triage(self.caller.request(request)).await?;
                ensure!(!page.into_inner().issues.is_empty(), "the inbox is empty");
            }
            (_, Read::All(request)) => {
                let request = wire::ListIssuesRequest::clone(request);
                let page = self.client.list_issues(self.caller.request(request)).await?;
                ensure!(!page.into_inner().issues.is_empty(), "nothing was found");
            }
            (Door::Rest, Read::Key) => {
                let path = format!("/api/test-cycles/{}/issues/{id}", self.cycle);
                ensure!(self.admin.get(&path).await.status == 200, "the issue is not there");
            }
            (_, Read::Path(path)) => {
                let answer = self.admin.get(path).await;
                ensure!(answer.status == 200, "{}", answer.text);
            }
        }
        Ok(start.elapsed())
    }
}

/// Writes issues into 50 cycles one after the other, a tenth of them open. One of a hundred issues is
/// undecided. Returns those of the shop's own cycle, which are read by their keys.
async fn seed_issues(pool: &PgPool, shop: &Shop, rows: usize) -> anyhow::Result<Vec<Uuid>> {
    let rows = i64::try_from(rows)?;
    let organization = shop.admin.organization_id.parse::<Uuid>()?;
    let product = shop.product.parse::<Uuid>()?;
    sqlx::query(
        "INSERT INTO cycles (id, organization_id, product_id, name, status, version, created_at, \
         updated_at) SELECT md5('cycle' || n)::uuid, $1, $2, 'Cycle ' || n, \
         CASE WHEN n >= 45 THEN 'open' ELSE 'closed' END, 1, now(), now() \
         FROM generate_series(0, 48) n",
    )
    .bind(organization)
    .bind(product)
    .execute(pool)
    .await?;
    sqlx::query(
        "INSERT INTO issues (id, organization_id, product_id, cycle_id, reporter_id, number, title, \
         body, words, severity, status, review, amount_minor, currency, rule, decided_by, decided_at, \
         pay_status, pay_version, version, created_at, updated_at) \
         SELECT gen_random_uuid(), $1, $2, \
         CASE n * 50 / $4 WHEN 49 THEN $3 ELSE md5('cycle' || n * 50 / $4)::uuid END, \
         md5('member' || n % 200)::uuid, 1000000 + n, 'Payment fails on mobile Safari', \
         'Steps, expected and actual result.', 'payment fails word' || n % 1000, \
         CASE WHEN n % 31 = 0 THEN 1 ELSE 2 + n % 3 END, \
         CASE WHEN u THEN 'open' WHEN k = 1 THEN 'exported' WHEN k < 20 THEN 'rejected' \
         ELSE 'closed' END, \
         CASE WHEN u THEN 'pending' WHEN a THEN 'approved' ELSE 'rejected' END, \
         CASE WHEN a THEN 800000 END, CASE WHEN a THEN 'KZT' END, \
         CASE WHEN a THEN 'default rate, high' END, \
         CASE WHEN NOT u THEN md5('judge')::uuid END, CASE WHEN NOT u THEN now() END, \
         CASE WHEN k > 30 THEN 'paid' END, 0, 1, now() - make_interval(secs => $4 - n), now() \
         FROM (SELECT n, k, u, NOT u AND (k = 1 OR k >= 20) AS a FROM (SELECT n, n % 100 AS k, \
         n % 100 = 0 OR (n * 50 / $4 >= 45 AND n % 10 = 0) AS u FROM generate_series(0, $4 - 1) n) s) t",
    )
    .bind(organization)
    .bind(product)
    .bind(shop.cycle.parse::<Uuid>()?)
    .bind(rows)
    .execute(pool)
    .await?;
    sqlx::raw_sql("VACUUM ANALYZE").execute(pool).await?;
    let ids = "SELECT id FROM issues WHERE cycle_id = $1 ORDER BY md5(id::text)";
    Ok(sqlx::query_scalar(ids).bind(shop.cycle.parse::<Uuid>()?).fetch_all(pool).await?)
}

fn table(rows: usize, lines: Vec<Line>) -> String {
    let mut text = format!(
        "{rows} issues.\n\n| read | door | p50 | p99 | p50 / floor | p99 / floor |\n|---|---|---:|---:|---:|---:|\n"
    );
    let mut floor = Times::new(Vec::new());
    let mut all = Vec::new();
    for line in lines {
        let times = Times::new(line.times);
        if matches!(line.read, Read::Key) {
            floor = times.clone();
        }
        let ratio =
            |share| times.quantile(share).as_secs_f64() / floor.quantile(share).as_secs_f64();
        let door = format!("{:?}", line.door).to_lowercase();
        let (p50, p99) = (times.quantile(0.5), times.quantile(0.99));
        let _ = writeln!(
            text,
            "| {} | {door} | {} | {} | {:.2} | {:.2} |",
            line.name,
            ms(p50),
            ms(p99),
            ratio(0.5),
            ratio(0.99),
        );
        all.push(json!({
            "read": line.name, "door": door, "p50Ms": p50.as_secs_f64() * 1e3,
            "p99Ms": p99.as_secs_f64() * 1e3, "ratio": ratio(0.99),
        }));
    }
    let _ = writeln!(text, "\n{}", json!({ "bench": "triage", "rows": rows, "lines": all }));
    text
}
