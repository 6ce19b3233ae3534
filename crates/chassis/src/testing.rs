//! Databases for tests: a fresh one of each kind, gone when the test ends. And a broker to be cut off.

mod proxy;

use std::ops::Deref;

use sea_orm::sqlx::{self, Connection as _, postgres::PgConnection};
use tempfile::TempDir;
use uuid::Uuid;

pub use self::proxy::Proxy;
use crate::db::Db;

/// A fresh database that is removed when the value is dropped.
pub struct TestDb {
    db: Db,
    _files: Option<TempDir>,
    remove: Option<(String, String)>,
}

impl Deref for TestDb {
    type Target = Db;

    fn deref(&self) -> &Db {
        &self.db
    }
}

/// One SQLite file and one PostgreSQL database, both empty, owned by `service`.
///
/// # Panics
/// When `TEST_DATABASE_URL` is not set: `cargo xtask test` provides it. Tests are never skipped.
pub async fn databases(service: &'static str) -> Vec<TestDb> {
    vec![sqlite(service).await, postgres(service).await]
}

/// A fresh SQLite file.
///
/// # Panics
/// When it cannot be made.
pub async fn sqlite(service: &'static str) -> TestDb {
    let files = TempDir::new().expect("a temporary directory");
    let url = format!("sqlite://{}", files.path().join("test.db").display());
    let db = Db::connect(service, &url, 5).await.expect("a SQLite database");
    TestDb { db, _files: Some(files), remove: None }
}

/// A fresh PostgreSQL database.
///
/// # Panics
/// When `TEST_DATABASE_URL` is not set or does not answer.
pub async fn postgres(service: &'static str) -> TestDb {
    let (admin, name, url) = create_database().await;
    let db = Db::connect(service, &url, 10).await.expect("a PostgreSQL database");
    TestDb { db, _files: None, remove: Some((admin, name)) }
}

/// Creates an empty PostgreSQL database and returns the admin URL, its name and its URL.
///
/// # Panics
/// When `TEST_DATABASE_URL` is not set or does not answer.
pub async fn create_database() -> (String, String, String) {
    let admin = test_url("TEST_DATABASE_URL");
    let name = format!("quittance_{}", Uuid::new_v4().simple());
    let mut conn = PgConnection::connect(&admin).await.expect("TEST_DATABASE_URL answers");
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&mut conn)
        .await
        .expect("TEST_DATABASE_URL may create databases");
    let (base, query) = admin.split_once('?').map_or((admin.as_str(), None), |(b, q)| (b, Some(q)));
    let base = base.rsplit_once('/').map_or(base, |(base, _)| base);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let url = format!("{base}/{name}{query}");
    (admin, name, url)
}

/// Drops a database, whoever is connected to it.
pub async fn drop_database(admin: &str, name: &str) {
    if let Ok(mut conn) = PgConnection::connect(admin).await {
        let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        let _ = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut conn).await;
    }
}

/// The address of a test server.
///
/// # Panics
/// When the variable is not set.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "tests find their servers through the environment")]
pub fn test_url(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: run the tests with `cargo xtask test`"))
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let Some((admin, name)) = self.remove.take() else { return };
        // Dropping is not async, and the runtime of the test may be going away.
        let worker = std::thread::spawn(move || {
            if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build()
            {
                runtime.block_on(drop_database(&admin, &name));
            }
        });
        let _ = worker.join();
    }
}
