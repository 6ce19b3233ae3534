//! The relay: from the outbox to the bus, in order, by one of many.

#[path = "bus/bench.rs"]
#[expect(clippy::unwrap_used, reason = "a bench that cannot be set up fails its test")]
#[expect(dead_code, reason = "shared with the tests of the buses")]
mod bench;

use quittance_chassis::bus::{HandleError, Message, relay};
use quittance_chassis::db::{Db, outbox};
use sea_orm::sqlx::{Connection as _, PgConnection, raw_sql};
use sea_orm::{ConnectionTrait, Statement, Value};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::bench::{Bench, Recorder, database_url, eventually, memory, migrate};

/// Puts a message into the outbox as a committed use case would.
#[expect(clippy::unwrap_used, reason = "a database that fails, fails its test")]
async fn commit(db: &Db, message: &Message) {
    let sql = if db.is_postgres() {
        "INSERT INTO outbox (id, organization_id, kind, subject, body, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6)"
    } else {
        "INSERT INTO outbox (id, organization_id, kind, subject, body, created_at) \
         VALUES (?, ?, ?, ?, ?, ?)"
    };
    let values: [Value; 6] = [
        message.id.into(),
        message.organization.into(),
        message.kind.clone().into(),
        message.subject.into(),
        String::from_utf8(message.body.to_vec()).unwrap().into(),
        quittance_chassis::clock::now().into(),
    ];
    let insert = Statement::from_sql_and_values(db.backend(), sql, values);
    db.conn().execute_raw(insert).await.unwrap();
    db.committed().notify_one();
}

#[expect(clippy::unwrap_used, reason = "a database that fails, fails its test")]
async fn is_empty(db: &Db) -> bool {
    outbox::waiting(db).await.unwrap().is_empty()
}

#[tokio::test]
async fn what_is_committed_is_published_in_order_and_removed() {
    let bench = Bench::local().await;
    let recorder = Recorder::obliging();
    bench.subscribe(bench.name("queue"), &["#"], recorder.clone()).await;
    let db = memory().await;
    let shutdown = CancellationToken::new();
    let task = relay::spawn(db.clone(), bench.bus.clone(), "test", shutdown.clone());

    let mut sent = Vec::new();
    for _ in 0..50 {
        let message = bench.message("issue.filed");
        commit(&db, &message).await;
        sent.push(message.id);
    }

    recorder.has_handled(&sent).await;
    assert_eq!(recorder.handled(), sent);
    eventually("the outbox is empty", async || is_empty(&db).await).await;
    shutdown.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn what_is_not_confirmed_stays_until_it_is() {
    let bench = Bench::local().await;
    let bad = bench.message("bad");
    let id = bad.id;
    let mut failures = 0;
    let recorder = Recorder::scripted(move |messages| {
        if messages.iter().all(|message| message.id != id) {
            return Ok(());
        }
        failures += 1;
        if failures < 6 { Err(HandleError::Transient("not yet".to_owned())) } else { Ok(()) }
    });
    bench.subscribe(bench.name("queue"), &["#"], recorder.clone()).await;
    let db = memory().await;
    let good = bench.message("good");
    commit(&db, &bad).await;
    commit(&db, &good).await;
    let shutdown = CancellationToken::new();
    let task = relay::spawn(db.clone(), bench.bus.clone(), "test", shutdown.clone());

    // Its neighbour does not wait for it.
    recorder.has_handled(&[good.id]).await;
    assert!(!recorder.handled().contains(&id));
    recorder.has_handled(&[id]).await;

    eventually("the outbox is empty", async || is_empty(&db).await).await;
    shutdown.cancel();
    task.await.unwrap();
}

/// Creates a database of the test's own.
#[expect(clippy::unwrap_used, reason = "a database that fails, fails its test")]
async fn postgres() -> Db {
    let admin = database_url();
    let name = format!("relay_{}", Uuid::now_v7().simple());
    let mut session = PgConnection::connect(&admin).await.unwrap();
    let create = format!("CREATE DATABASE {name}");
    raw_sql(sea_orm::sqlx::AssertSqlSafe(create)).execute(&mut session).await.unwrap();
    let (server, _) = admin.rsplit_once('/').unwrap();
    let db = Db::connect("test", &format!("{server}/{name}"), 5).await.unwrap();
    migrate(&db).await;
    db
}

#[tokio::test(flavor = "multi_thread")]
async fn one_relay_is_active_and_another_takes_over() {
    let db = postgres().await;
    let (first, second) = (Bench::local().await, Bench::local().await);
    let (to_first, to_second) = (Recorder::obliging(), Recorder::obliging());
    first.subscribe(first.name("queue"), &["#"], to_first.clone()).await;
    second.subscribe(second.name("queue"), &["#"], to_second.clone()).await;

    let stop_first = CancellationToken::new();
    let relay_first = relay::spawn(db.clone(), first.bus.clone(), "first", stop_first.clone());
    let early = first.message("kind");
    commit(&db, &early).await;
    to_first.has_handled(&[early.id]).await;

    let stop_second = CancellationToken::new();
    let relay_second = relay::spawn(db.clone(), second.bus.clone(), "second", stop_second.clone());
    let while_both = first.message("kind");
    commit(&db, &while_both).await;
    to_first.has_handled(&[while_both.id]).await;
    stop_first.cancel();
    relay_first.await.unwrap();

    let late = second.message("kind");
    commit(&db, &late).await;
    to_second.has_handled(&[late.id]).await;
    assert_eq!(to_first.handled(), [early.id, while_both.id]);
    assert_eq!(to_second.handled(), [late.id]);
    stop_second.cancel();
    relay_second.await.unwrap();
}
