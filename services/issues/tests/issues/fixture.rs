//! A little organization to try things on.

use quittance_chassis::db::{Db, migrate, outbox};
use quittance_chassis::problem::Problem as _;
use quittance_chassis::testing::{TestDb, databases};
use quittance_events::{IssueState, decode};
use quittance_issues::app::{
    Answer, CycleDetail, Identity, IssueDetail, NewCycle, NewIssue, NewProduct, Target,
};
use quittance_issues::domain::member::Member;
use quittance_issues::error::Error;
use quittance_issues::{Issues, Migrator};
use quittance_kernel::{
    Ctx, CycleId, IssueId, IssueStatus, Money, OrganizationId, Principal, ProductId, Role,
    Severity, Timestamp,
};
use sea_orm::{ConnectionTrait as _, Statement};

pub(crate) struct World {
    pub(crate) db: TestDb,
    pub(crate) issues: Issues,
    pub(crate) admin: Ctx,
    pub(crate) lead: Ctx,
    pub(crate) aibek: Ctx,
    pub(crate) nazira: Ctx,
    pub(crate) product: ProductId,
    pub(crate) cycle: CycleId,
}

pub(crate) fn noon() -> Timestamp {
    "2026-05-08T12:00:00.123456Z".parse().unwrap()
}

fn ctx(member: &Member) -> Ctx {
    let principal = Principal {
        organization: member.organization,
        member: member.id,
        roles: member.roles.clone(),
        email: Some(member.email.clone()),
        impersonator: None,
    };
    Ctx::new(principal, noon(), "test".into())
}

pub(crate) async fn member(issues: &Issues, organization: &str, name: &str, role: Role) -> Ctx {
    let identity = Identity {
        email: format!("{name}@example.com"),
        name: name.to_owned(),
        organization: organization.to_owned(),
        roles: vec![role.as_str().to_owned()],
    };
    ctx(&issues.ensure_member(&identity, noon(), "test").await.unwrap())
}

/// One world on each database. The product has no gate; the lead leads the cycle.
pub(crate) async fn worlds() -> Vec<World> {
    let mut worlds = Vec::new();
    for db in databases("issues").await {
        migrate::<Migrator>(&db).await.unwrap();
        let issues = Issues::new(Db::clone(&db), true);
        let admin = member(&issues, "Demo", "boss", Role::Admin).await;
        let lead = member(&issues, "Demo", "lead", Role::Lead).await;
        let aibek = member(&issues, "Demo", "Aibek", Role::Member).await;
        let nazira = member(&issues, "Demo", "Nazira", Role::Member).await;
        let product = product(&issues, &admin, "SHP").await;
        let cycle = cycle(&issues, &admin, product, vec![lead.member()]).await.cycle.id;
        worlds.push(World { db, issues, admin, lead, aibek, nazira, product, cycle });
    }
    worlds
}

pub(crate) async fn product(issues: &Issues, admin: &Ctx, key: &str) -> ProductId {
    let new = NewProduct {
        name: format!("Product {key}"),
        key: key.to_owned(),
        requires_verification: None,
        platform_fee_bps: None,
        capacity_points: None,
    };
    issues.create_product(admin, new, Answer::forgotten()).await.unwrap().id
}

pub(crate) async fn cycle(
    issues: &Issues,
    admin: &Ctx,
    product: ProductId,
    leads: Vec<quittance_kernel::MemberId>,
) -> CycleDetail {
    let new = NewCycle {
        product,
        name: "Sweep".to_owned(),
        requires_verification: None,
        rates: None,
        leads,
        members: Vec::new(),
    };
    issues.create_cycle(admin, new, Answer::forgotten()).await.unwrap()
}

pub(crate) fn new_issue(cycle: CycleId, title: &str, severity: Severity) -> NewIssue {
    let (title, body) = (title.to_owned(), "Steps".to_owned());
    NewIssue { cycle, title, body, severity, status: IssueStatus::Open, links: Vec::new() }
}

impl World {
    pub(crate) async fn file(&self, who: &Ctx, severity: Severity) -> IssueId {
        let new = new_issue(self.cycle, "Payment fails", severity);
        let filed = self.issues.create_issue(who, new, Answer::forgotten()).await;
        filed.unwrap().issue.id
    }

    pub(crate) async fn approve(&self, who: &Ctx, issue: IssueId) -> Result<IssueDetail, Error> {
        self.approve_at(who, issue, None).await
    }

    pub(crate) async fn approve_at(
        &self,
        who: &Ctx,
        issue: IssueId,
        amount: Option<Money>,
    ) -> Result<IssueDetail, Error> {
        let answer = Answer::forgotten();
        self.issues.approve(who, Target::of(issue), amount, None, answer).await
    }

    pub(crate) async fn reject(&self, who: &Ctx, issue: IssueId) -> Result<IssueDetail, Error> {
        let reason = Some("not a bug".to_owned());
        self.issues.reject(who, Target::of(issue), reason, Answer::forgotten()).await
    }

    pub(crate) async fn set(
        &self,
        who: &Ctx,
        issue: IssueId,
        to: IssueStatus,
        reason: Option<&str>,
    ) -> Result<IssueDetail, Error> {
        let reason = reason.map(str::to_owned);
        self.issues.set_status(who, Target::of(issue), to, reason, Answer::forgotten()).await
    }

    pub(crate) async fn see(&self, who: &Ctx, issue: IssueId) -> Result<IssueDetail, Error> {
        self.issues.get_issue(who, issue, None).await
    }

    /// The kinds of the events about one issue, in order.
    pub(crate) async fn told(&self, issue: IssueId) -> Vec<String> {
        self.events(issue).await.into_iter().map(|(kind, _)| kind).collect()
    }

    /// The events about one issue, in order.
    pub(crate) async fn events(&self, issue: IssueId) -> Vec<(String, IssueState)> {
        let window = outbox::window(&self.db, 10_000).await.unwrap();
        let about = window.into_iter().filter(|(_, message)| message.subject == issue.0);
        about
            .map(|(_, message)| {
                let event = decode::<IssueState>(&message.body).unwrap();
                (message.kind, event.data)
            })
            .collect()
    }

    pub(crate) async fn count(&self, sql: &str) -> i64 {
        let statement = Statement::from_string(self.db.backend(), sql);
        let row = self.db.conn().query_one_raw(statement).await.unwrap();
        row.unwrap().try_get_by_index(0).unwrap()
    }
}

/// The reason that a refusal gives to the caller.
pub(crate) fn reason<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    result.unwrap_err().reason()
}

/// An admin of another organization.
pub(crate) async fn foreigner(issues: &Issues) -> Ctx {
    let foreigner = member(issues, "Other", "spy", Role::Admin).await;
    assert_ne!(foreigner.organization(), OrganizationId::default());
    foreigner
}
