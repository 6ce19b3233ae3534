//! The chain over the audit log, on both databases.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::time::{Duration, Instant};

use quittance_chassis::audit::{Flaw, Verdict, spawn, verify};
use quittance_chassis::db::{Db, Entry, Journal, Tx, WriteSet, chassis_tables, migrate};
use quittance_chassis::testing::{databases, postgres};
use quittance_kernel::{Ctx, OrganizationId, Principal};
use sea_orm::{ConnectionTrait, DbErr, Statement};
use sea_orm_migration::{MigrationName, MigrationTrait, MigratorTrait, SchemaManager};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

struct First;

impl MigrationName for First {
    fn name(&self) -> &'static str {
        "m0001_first"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for First {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        chassis_tables(manager).await
    }
}

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(First)]
    }
}

struct Sealer {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Sealer {
    fn start(db: &Db) -> Self {
        let stop = CancellationToken::new();
        Self { task: spawn(db.clone(), stop.clone()), stop }
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

fn ctx() -> Ctx {
    let now = "2026-05-08T12:00:00.123456Z".parse().unwrap();
    Ctx::new(Principal::service(OrganizationId::new()), now, "request-1".into())
}

fn rows(count: usize) -> WriteSet {
    let ctx = ctx();
    let mut journal = Journal::new("test");
    for n in 0..count {
        let entry =
            Entry::new("thing.made", "thing", Uuid::now_v7()).after(format!("{{\"n\":{n}}}"));
        journal.note(&ctx, entry);
    }
    let mut set = WriteSet::new();
    journal.write_to(&ctx, &mut set);
    set
}

async fn run(db: &Db, sql: &str) {
    db.conn().execute_unprepared(sql).await.unwrap();
}

async fn count(db: &Db, sql: &str) -> i64 {
    let row = db.conn().query_one_raw(Statement::from_string(db.backend(), sql)).await;
    row.unwrap().unwrap().try_get_by_index(0).unwrap()
}

async fn look(db: &Db) -> Verdict {
    verify(db, |_, _| {}).await.unwrap()
}

async fn sealed(db: &Db, wanted: i64) -> Verdict {
    let start = Instant::now();
    loop {
        let found = look(db).await;
        if found.sealed == wanted && found.unsealed == 0 {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{wanted} wanted: {found:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Takes the wall away that the schema puts before a change, as somebody with all rights could.
async fn unguard(db: &Db) {
    for table in ["audit_log", "audit_seals"] {
        if db.is_postgres() {
            run(db, &format!("ALTER TABLE {table} DISABLE TRIGGER {table}_append_only")).await;
        } else {
            run(db, &format!("DROP TRIGGER {table}_no_update")).await;
            run(db, &format!("DROP TRIGGER {table}_no_delete")).await;
        }
    }
}

async fn found(db: &Db) -> Option<(i64, Flaw)> {
    look(db).await.broken.map(|broken| (broken.ordinal, broken.flaw))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_committed_row_is_sealed_once_and_soon() {
    for db in databases("test").await {
        migrate::<Migrator>(&db).await.unwrap();
        rows(2_500).commit(&db).await.unwrap();
        let before = look(&db).await;
        assert_eq!((before.sealed, before.unsealed), (0, 2_500));
        assert_eq!(before.oldest_unsealed, Some(ctx().now));
        let sealer = Sealer::start(&db);
        let first = sealed(&db, 2_500).await;
        assert!(first.ok());
        let start = Instant::now();
        rows(1).commit(&db).await.unwrap();
        let second = sealed(&db, 2_501).await;
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        assert_ne!(first.head, second.head);
        let mut progress = Vec::new();
        verify(&db, |done, total| progress.push((done, total))).await.unwrap();
        assert_eq!(progress, [(1000, 2501), (2000, 2501), (2501, 2501)]);
        // What is committed while the sealer is told to stop is sealed before it has stopped.
        rows(3).commit(&db).await.unwrap();
        sealer.end().await;
        assert_eq!(look(&db).await.sealed, 2_504);
        let twice = "SELECT count(*) - count(DISTINCT audit_seq) FROM audit_seals";
        assert_eq!(count(&db, twice).await, 0);
    }
}

#[tokio::test]
async fn the_database_refuses_to_change_a_seal() {
    for db in databases("test").await {
        migrate::<Migrator>(&db).await.unwrap();
        rows(1).commit(&db).await.unwrap();
        let sealer = Sealer::start(&db);
        sealed(&db, 1).await;
        sealer.end().await;
        for sql in ["UPDATE audit_seals SET hash = 'x'", "DELETE FROM audit_seals"] {
            assert!(db.conn().execute_unprepared(sql).await.is_err(), "{sql}");
        }
    }
}

/// A transaction that took its number early and commits late: nothing waits for it, and it is
/// sealed all the same, by the sealer that saw the gap and by one that was started in between.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_becomes_visible_late_is_sealed_and_nothing_waits_for_it() {
    let db = postgres("test").await;
    migrate::<Migrator>(&db).await.unwrap();
    let sealer = Sealer::start(&db);
    let late = |n: i32| {
        let (db, ctx) = (db.clone(), ctx());
        async move {
            let tx = Tx::begin(&db, &ctx).await.unwrap();
            // Draws its number now; the rest of the transaction takes its time.
            let sql = format!(
                "INSERT INTO audit_log (id, organization_id, occurred_at, actor_id, actor_role, \
                 action, entity, entity_id, request_id) VALUES (gen_random_uuid(), \
                 gen_random_uuid(), now(), gen_random_uuid(), 'admin', 'late.{n}', 'thing', \
                 gen_random_uuid(), 'r')"
            );
            tx.conn().execute_unprepared(&sql).await.unwrap();
            tx
        }
    };
    let first = late(1).await;
    rows(3).commit(&db).await.unwrap();
    let second = late(2).await;
    // Undone: its numbers are never seen.
    drop(late(3).await);
    rows(3).commit(&db).await.unwrap();
    sealed(&db, 6).await;

    first.commit().await.unwrap();
    sealed(&db, 7).await;
    sealer.end().await;

    let sealer = Sealer::start(&db);
    rows(1).commit(&db).await.unwrap();
    sealed(&db, 8).await;
    second.commit().await.unwrap();
    let done = sealed(&db, 9).await;
    assert!(done.ok());
    sealer.end().await;
    let order = "SELECT audit_seq FROM audit_seals WHERE ordinal IN (7, 9) ORDER BY ordinal";
    let order = db.conn().query_all_raw(Statement::from_string(db.backend(), order)).await.unwrap();
    let order: Vec<i64> = order.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
    assert_eq!(order, [1, 5], "late rows are chained when they appear");
}

/// Two processes on one database: the chain does not fork.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_sealers_one_seals_and_the_other_takes_over() {
    let db = postgres("test").await;
    migrate::<Migrator>(&db).await.unwrap();
    let other = Db::connect("test", db.url(), 5).await.unwrap();
    let (one, two) = (Sealer::start(&db), Sealer::start(&other));
    for _ in 0..10 {
        rows(20).commit(&db).await.unwrap();
        rows(20).commit(&other).await.unwrap();
    }
    assert!(sealed(&db, 400).await.ok());
    one.end().await;
    rows(20).commit(&db).await.unwrap();
    assert!(sealed(&db, 420).await.ok());
    two.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_a_removed_and_a_forged_row_are_found() {
    let seal = "INSERT INTO audit_seals (ordinal, audit_seq, audit_id, prev, hash, decided_to, \
                sealed_at) SELECT ordinal + 1, audit_seq + 1000, audit_id, hash, hash, decided_to, \
                sealed_at FROM audit_seals WHERE ordinal = 30";
    let linked = seal.replace("audit_id, hash, hash", "audit_id, prev, hash");
    let tampering: [(&str, Option<(i64, Flaw)>); 8] = [
        ("SELECT 1", None),
        ("UPDATE audit_log SET after = '{\"n\":99}' WHERE seq = 7", Some((7, Flaw::Changed))),
        ("UPDATE audit_log SET reason = '' WHERE seq = 8", Some((8, Flaw::Changed))),
        ("DELETE FROM audit_log WHERE seq = 30", Some((30, Flaw::Missing))),
        // A row that was never written.
        (seal, Some((31, Flaw::Missing))),
        (&linked, Some((31, Flaw::ForgedLink))),
        // A row and its seal are gone.
        ("DELETE FROM audit_seals WHERE ordinal = 11", Some((12, Flaw::ForgedLink))),
        ("UPDATE audit_seals SET hash = prev WHERE ordinal = 5", Some((5, Flaw::Changed))),
    ];
    for (sql, wanted) in tampering {
        for db in databases("test").await {
            migrate::<Migrator>(&db).await.unwrap();
            rows(30).commit(&db).await.unwrap();
            let sealer = Sealer::start(&db);
            sealed(&db, 30).await;
            sealer.end().await;
            unguard(&db).await;
            run(&db, sql).await;
            assert_eq!(found(&db).await, wanted, "{sql}");
            if let Some((ordinal, _)) = wanted {
                assert_eq!(look(&db).await.sealed, if ordinal == 12 { 10 } else { ordinal - 1 });
            }
        }
    }
}
