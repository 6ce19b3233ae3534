//! A hundred thousand issues, loaded by a few statements.

use quittance_chassis::db::{Db, migrate};
use quittance_chassis::testing::{TestDb, postgres};
use quittance_issues::app::Identity;
use quittance_issues::domain::member::Member;
use quittance_issues::{Issues, Migrator};
use quittance_kernel::{Ctx, CycleId, Principal, ProductId, Role, Timestamp};
use sea_orm::ConnectionTrait as _;
use uuid::Uuid;

const ISSUES: u64 = 100_000;
const CYCLES: u64 = 50;

/// An organization of this size, its database, and some of its people.
pub(crate) struct Seed {
    pub(crate) db: TestDb,
    pub(crate) admin: Ctx,
    /// Leads two cycles, one of them open.
    pub(crate) lead: Ctx,
    /// Led two cycles, long ago.
    pub(crate) old_lead: Ctx,
    pub(crate) member: Ctx,
    /// The first cycle and the first product: the farthest from what is new.
    pub(crate) old_cycle: CycleId,
    pub(crate) old_product: ProductId,
    pub(crate) per_cycle: u64,
    /// What is undecided, in rows.
    pub(crate) waiting: u64,
}

fn noon() -> Timestamp {
    "2026-05-08T12:00:00Z".parse().unwrap()
}

async fn person(issues: &Issues, organization: &str, name: &str, role: Role) -> Ctx {
    let identity = Identity {
        email: format!("{name}@example.com"),
        name: name.to_owned(),
        organization: organization.to_owned(),
        roles: vec![role.as_str().to_owned()],
    };
    let Member { organization, id, roles, email, .. } =
        issues.ensure_member(&identity, noon(), "test").await.unwrap();
    let email = Some(email);
    let principal = Principal { organization, member: id, roles, email, impersonator: None };
    Ctx::new(principal, noon(), "test".into())
}

/// An id that the statements below can count on to.
fn numbered(group: u64, number: u64) -> Uuid {
    Uuid::from_u64_pair(group, number)
}

impl Seed {
    pub(crate) async fn sow() -> Self {
        let db = postgres("issues").await;
        migrate::<Migrator>(&db).await.unwrap();
        let issues = Issues::new(Db::clone(&db), true);
        let admin = person(&issues, "Big", "boss", Role::Admin).await;
        let lead = person(&issues, "Big", "lead", Role::Lead).await;
        let old_lead = person(&issues, "Big", "oldlead", Role::Lead).await;
        let member = person(&issues, "Big", "member", Role::Member).await;
        let other = person(&issues, "Other", "spy", Role::Admin).await;
        sow_issues(&db, (1, &admin, &member), ISSUES).await;
        sow_issues(&db, (2, &other, &other), ISSUES / 10).await;
        for (leading, cycles) in [(&lead, [3, 49]), (&old_lead, [0, 3])] {
            let leads = format!(
                "INSERT INTO cycle_members (organization_id, cycle_id, member_id, lead) \
                 SELECT organization_id, id, '{}', TRUE FROM cycles \
                 WHERE organization_id = '{}' AND name IN ('Cycle {}', 'Cycle {}')",
                leading.member(),
                admin.organization(),
                cycles[0],
                cycles[1],
            );
            execute(&db, &leads).await;
        }
        execute(&db, "VACUUM ANALYZE").await;
        let per_cycle = ISSUES / CYCLES;
        Self {
            old_cycle: CycleId(numbered(1, 1_000)),
            old_product: ProductId(numbered(1, 1)),
            per_cycle,
            waiting: ISSUES * 3 / 100,
            db,
            admin,
            lead,
            old_lead,
            member,
        }
    }

    /// Makes all sessions from now on plan in one way, and tell what they did.
    pub(crate) async fn tell_plans(&self, mode: &str) {
        let name = self.db.url().split('?').next().and_then(|url| url.rsplit('/').next()).unwrap();
        for setting in [
            "session_preload_libraries = 'auto_explain'",
            "auto_explain.log_min_duration = 0",
            "auto_explain.log_analyze = on",
            "auto_explain.log_timing = off",
            "auto_explain.log_format = json",
            "auto_explain.log_level = notice",
            &format!("plan_cache_mode = {mode}"),
        ] {
            execute(&self.db, &format!("ALTER DATABASE {name} SET {setting}")).await;
        }
    }
}

async fn execute(db: &Db, sql: &str) {
    db.conn().execute_unprepared(sql).await.unwrap();
}

/// Five products one after the other, each with ten cycles one after the other, the last tenth of them
/// open. Three of a hundred issues are undecided, one of them for good: its cycle was closed.
async fn sow_issues(db: &Db, (group, admin, member): (u64, &Ctx, &Ctx), count: u64) {
    let organization = admin.organization();
    let high = format!("{group:016x}");
    // `numbered`, as the database counts.
    let id = |n: &str| format!("('{high}' || lpad(to_hex({n}), 16, '0'))::uuid");
    let products = format!(
        "INSERT INTO products (id, organization_id, name, key, platform_fee_bps, next_number, \
         version, created_at, updated_at) \
         SELECT {}, '{organization}', 'Product ' || n, 'P' || n, 0, 1, 1, now(), now() \
         FROM generate_series(1, 5) n",
        id("n")
    );
    let cycles = format!(
        "INSERT INTO cycles (id, organization_id, product_id, name, status, version, created_at, \
         updated_at) SELECT {}, '{organization}', {}, 'Cycle ' || n, \
         CASE WHEN n >= 45 THEN 'open' ELSE 'closed' END, 1, now(), now() \
         FROM generate_series(0, 49) n",
        id("1000 + n"),
        id("1 + n / 10")
    );
    let issues = format!(
        "INSERT INTO issues (id, organization_id, product_id, cycle_id, reporter_id, number, title, \
         body, words, severity, status, review, amount_minor, currency, rule, decided_by, decided_at, pay_status, pay_version, \
         version, created_at, updated_at) \
         SELECT gen_random_uuid(), '{organization}', {product}, {cycle}, \
         CASE WHEN n % 200 = 7 THEN '{member}' ELSE {reporter} END, \
         n, 'Payment fails ' || n, 'Steps', 'payment fails word' || n % 5000, \
         CASE WHEN n % 31 = 0 THEN 1 ELSE 2 + n % 3 END, status, review, \
         CASE WHEN review = 'approved' THEN 800000 END, CASE WHEN review = 'approved' THEN 'KZT' END, \
         CASE WHEN review = 'approved' THEN 'default rate, high' END, \
         CASE WHEN review <> 'pending' THEN '{admin}'::uuid END, \
         CASE WHEN review <> 'pending' THEN now() END, \
         CASE WHEN status <> 'closed' OR n % 7 = 0 THEN NULL WHEN n % 211 = 0 THEN 'void' \
         ELSE 'paid' END, 0, 1, now() - make_interval(mins => {count} - n::integer), now() \
         FROM (SELECT n, \
         CASE WHEN k < 3 THEN 'open' WHEN k = 3 THEN 'draft' \
         WHEN k < 16 THEN (ARRAY['duplicate', 'rejected', 'cant_reproduce', 'wont_fix'])[1 + k % 4] \
         WHEN k = 16 THEN 'triaged' WHEN k = 17 THEN 'in_progress' WHEN k = 18 THEN 'exported' \
         WHEN k = 19 THEN 'fix_shipped' WHEN k < 30 THEN 'verified' ELSE 'closed' END AS status, \
         CASE WHEN k < 4 THEN 'pending' WHEN k < 16 THEN 'rejected' ELSE 'approved' END AS review \
         FROM (SELECT n, (n * 37 + n / 100) % 100 AS k FROM generate_series(0, {count} - 1) n) s) t",
        product = id(&format!("1 + n * 5 / {count}")),
        cycle = id(&format!("1000 + n * 50 / {count}")),
        reporter = id("100000 + n % 200"),
        member = member.member(),
        admin = admin.member(),
    );
    for statement in [products, cycles, issues] {
        execute(db, &statement).await;
    }
}
