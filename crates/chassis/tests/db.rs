//! The write path on both databases.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use quittance_chassis::db::{
    Column, Db, Entry, Idempotency, IdempotencyError, Insert, Tx, Update, WriteError, WriteSet,
    chassis_tables, inbox, migrate, outbox, retrying, statements,
};
use quittance_chassis::testing::databases;
use quittance_events::{GateBlocked, kind};
use quittance_kernel::{Ctx, OrganizationId, Principal, Timestamp};
use sea_orm::{ConnectionTrait, DbErr, Statement};
use sea_orm_migration::{MigrationName, MigrationTrait, MigratorTrait, SchemaManager};
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
        chassis_tables(manager).await?;
        statements(
            manager,
            &["CREATE TABLE things (id {uuid} NOT NULL PRIMARY KEY, name text NOT NULL, \
               note text, state text NOT NULL, version bigint NOT NULL, made_at {time} NOT NULL)"],
        )
        .await
    }
}

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(First)]
    }
}

fn noon() -> Timestamp {
    "2026-05-08T12:00:00.123456Z".parse().unwrap()
}

fn ctx() -> Ctx {
    Ctx::new(Principal::service(OrganizationId::new()), noon(), "request-1".into())
}

fn things(ids: &[Uuid]) -> Insert {
    Insert::into("things")
        .column("id", Column::Uuid(ids.to_vec()))
        .column("name", Column::Text(ids.iter().map(Uuid::to_string).collect()))
        .column("note", Column::OptText(ids.iter().map(|_| None).collect()))
        .column("state", Column::same_text(Some("approved")))
        .column("version", Column::same_i64(Some(1)))
        .column("made_at", Column::same_time(Some(noon())))
}

fn pay(ids: &[Uuid], version: i64) -> Update {
    Update::of("things", "id", ids.to_vec(), vec![version; ids.len()])
        .set("state", Column::same_text(Some("paid")))
        .set("note", Column::Text(ids.iter().map(|_| "=x".to_owned()).collect()))
        .only_where("t.state = 'approved'")
}

async fn count(db: &Db, sql: &str) -> i64 {
    let row = db.conn().query_one_raw(Statement::from_string(db.backend(), sql)).await;
    row.unwrap().unwrap().try_get_by_index(0).unwrap()
}

fn ids(n: usize) -> Vec<Uuid> {
    (0..n).map(|_| Uuid::now_v7()).collect()
}

#[tokio::test]
async fn a_set_is_written_whole_or_not_at_all() {
    for db in databases("test").await {
        migrate::<Migrator>(&db).await.unwrap();
        let all = ids(12_000);
        let mut set = WriteSet::new();
        set.insert(things(&all));
        set.commit(&db).await.unwrap();

        // One row of the update is stale: neither it nor the insert beside it happens.
        let mut set = WriteSet::new();
        set.update(pay(&all[..1], 1));
        set.commit(&db).await.unwrap();
        let mut set = WriteSet::new();
        set.insert(things(&ids(1)));
        set.update(pay(&all, 1));
        assert!(matches!(set.commit(&db).await, Err(WriteError::Stale)));
        assert_eq!(count(&db, "SELECT count(*) FROM things").await, 12_000);
        assert_eq!(count(&db, "SELECT count(*) FROM things WHERE state = 'paid'").await, 1);

        let mut set = WriteSet::new();
        set.update(pay(&all[1..], 1));
        set.commit(&db).await.unwrap();
        let paid =
            "SELECT count(*) FROM things WHERE state = 'paid' AND version = 2 AND note = '=x'";
        assert_eq!(count(&db, paid).await, 12_000);

        let mut set = WriteSet::new();
        set.insert(things(&[Uuid::now_v7(), all[0]]));
        assert!(matches!(set.commit(&db).await, Err(WriteError::Duplicate(_))));
        assert_eq!(count(&db, "SELECT count(*) FROM things").await, 12_000);
    }
}

#[tokio::test]
async fn a_commit_writes_row_audit_and_outbox_and_a_drop_writes_nothing() {
    for db in databases("test").await {
        migrate::<Migrator>(&db).await.unwrap();
        let blocked = || GateBlocked { issue_id: Uuid::now_v7(), source: "manual".into() };
        let entry = || Entry::new("payout.gate_blocked", "issue", Uuid::now_v7()).after("{}");
        {
            let mut tx = Tx::begin(&db, &ctx()).await.unwrap();
            tx.insert(things(&ids(1))).await.unwrap();
            tx.record(entry(), kind::PAYOUT_GATE_BLOCKED, blocked());
        }
        let mut tx = Tx::begin(&db, &ctx()).await.unwrap();
        tx.insert(things(&ids(1))).await.unwrap();
        tx.record(entry(), kind::PAYOUT_GATE_BLOCKED, blocked());
        tx.record(entry(), kind::PAYOUT_GATE_BLOCKED, blocked());
        tx.commit().await.unwrap();

        assert_eq!(count(&db, "SELECT count(*) FROM things").await, 1);
        assert_eq!(count(&db, "SELECT count(*) FROM audit_log").await, 2);
        let joined = "SELECT count(*) FROM audit_log a JOIN outbox o ON o.id = a.event_id";
        assert_eq!(count(&db, joined).await, 2);
        let window = outbox::window(&db, 10).await.unwrap();
        assert_eq!(window.len(), 2);
        assert!(window[0].0 < window[1].0);
        outbox::remove(&db, &[window[0].0]).await.unwrap();
        let (pending, oldest) = outbox::depth(&db).await.unwrap();
        assert_eq!((pending, oldest), (1, Some(noon())));
    }
}

#[tokio::test]
async fn the_database_refuses_to_change_the_audit_log() {
    for db in databases("test").await {
        migrate::<Migrator>(&db).await.unwrap();
        let mut tx = Tx::begin(&db, &ctx()).await.unwrap();
        tx.note(Entry::new("x", "y", Uuid::now_v7()));
        tx.commit().await.unwrap();
        for sql in ["UPDATE audit_log SET action = 'z'", "DELETE FROM audit_log"] {
            assert!(db.conn().execute_unprepared(sql).await.is_err(), "{sql}");
        }
        assert_eq!(count(&db, "SELECT count(*) FROM audit_log WHERE action = 'x'").await, 1);
    }
}

#[tokio::test]
async fn an_event_is_new_to_a_consumer_once() {
    for db in databases("test").await {
        migrate::<Migrator>(&db).await.unwrap();
        let events = ids(3);
        let tx = Tx::begin(&db, &ctx()).await.unwrap();
        assert_eq!(inbox::first_times(&tx, "a", &events[..2]).await.unwrap().len(), 2);
        tx.commit().await.unwrap();
        let tx = Tx::begin(&db, &ctx()).await.unwrap();
        let new = inbox::first_times(&tx, "a", &events).await.unwrap();
        assert_eq!(new, [events[2]].into());
        assert_eq!(inbox::first_times(&tx, "b", &events).await.unwrap().len(), 3);
    }
}

#[tokio::test]
async fn a_key_is_answered_once_and_belongs_to_one_request() {
    for db in databases("test").await {
        migrate::<Migrator>(&db).await.unwrap();
        let ctx = ctx();
        let key = Idempotency::new("k", "Pay", b"body").unwrap().unwrap();
        assert_eq!(key.recall(&db, &ctx).await.unwrap(), None);
        let mut set = WriteSet::new();
        set.insert(key.remember(&ctx, vec![0, 1, 255]));
        set.commit(&db).await.unwrap();
        assert_eq!(key.recall(&db, &ctx).await.unwrap(), Some(vec![0, 1, 255]));
        let other = Idempotency::new("k", "Pay", b"another").unwrap().unwrap();
        assert!(matches!(other.recall(&db, &ctx).await, Err(IdempotencyError::Reused)));
        let mut again = WriteSet::new();
        again.insert(key.remember(&ctx, vec![2]));
        let Err(WriteError::Duplicate(text)) = again.commit(&db).await else {
            panic!("not refused")
        };
        assert!(Idempotency::refused_by(&text), "{text}");
        assert!(Idempotency::new("", "Pay", b"").unwrap().is_none());
    }
}

/// Eight writers read and then write the same row: none is lost, none fails.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_writers_lose_no_update() {
    for db in databases("test").await {
        migrate::<Migrator>(&db).await.unwrap();
        let id = Uuid::now_v7();
        let mut set = WriteSet::new();
        set.insert(things(&[id]));
        set.commit(&db).await.unwrap();
        let work = (0..8).map(|_| {
            let db: Db = (*db).clone();
            tokio::spawn(async move {
                let mut done = 0;
                while done < 10 {
                    let written = retrying(|| async {
                        let tx = Tx::begin(&db, &ctx()).await?;
                        let version = version(&tx, id).await?;
                        let mut set = WriteSet::new();
                        set.update(
                            Update::of("things", "id", vec![id], vec![version])
                                .set("state", Column::same_text(Some("seen"))),
                        );
                        tx.write(set).await?;
                        tx.commit().await
                    })
                    .await;
                    match written {
                        Ok(()) => done += 1,
                        Err(WriteError::Stale) => {}
                        Err(other) => panic!("{other:?}"),
                    }
                }
            })
        });
        for task in work.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        assert_eq!(count(&db, "SELECT version FROM things").await, 81);
    }
}

async fn version(tx: &Tx, id: Uuid) -> Result<i64, DbErr> {
    let backend = tx.conn().get_database_backend();
    let sql = if backend == sea_orm::DbBackend::Postgres {
        "SELECT version FROM things WHERE id = $1 FOR UPDATE"
    } else {
        "SELECT version FROM things WHERE id = ?"
    };
    let statement = Statement::from_sql_and_values(backend, sql, [id.into()]);
    tx.conn().query_one_raw(statement).await?.unwrap().try_get_by_index(0)
}

/// The trap: a future dropped inside `begin` used to leave the pooled connection in a transaction,
/// and the next user's acknowledged insert was lost.
#[tokio::test(flavor = "multi_thread")]
async fn cancelled_begins_lose_no_acknowledged_write() {
    for db in databases("test").await {
        migrate::<Migrator>(&db).await.unwrap();
        let mut acknowledged = 0_i64;
        let mut cancelled = 0;
        for round in 0..200 {
            let ctx = ctx();
            {
                // Drops the future wherever it is after so many polls.
                let mut begin = std::pin::pin!(Tx::begin(&db, &ctx));
                let mut ready = false;
                for _ in 0..=round % 40 {
                    ready = futures_util::poll!(&mut begin).is_ready();
                    if ready {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
                cancelled += u32::from(!ready);
            }
            let mut set = WriteSet::new();
            set.insert(things(&ids(1)));
            set.commit(&db).await.unwrap();
            let tx = Tx::begin(&db, &ctx).await.unwrap();
            tx.insert(things(&ids(1))).await.unwrap();
            tx.commit().await.unwrap();
            acknowledged += 2;
        }
        assert!(cancelled > 0, "no begin was cancelled: the test proves nothing");
        let other = Db::connect("other", db.url(), 1).await.unwrap();
        assert_eq!(count(&other, "SELECT count(*) FROM things").await, acknowledged);
        if db.is_postgres() {
            let idle = "SELECT count(*) FROM pg_stat_activity \
                        WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
            assert_eq!(count(&other, idle).await, 0);
        }
    }
}
