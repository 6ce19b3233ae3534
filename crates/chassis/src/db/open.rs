//! Opening a service's database as its configuration says.

use std::str::FromStr as _;

use anyhow::Context as _;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection};
use sea_orm::sqlx::{self, AssertSqlSafe, Connection as _};
use secrecy::ExposeSecret as _;

use super::Db;
use crate::config::{Backend, Config, Mode};

/// The database of PostgreSQL that is always there.
const MAINTENANCE: &str = "postgres";

/// SQLSTATE of "the database does not exist".
const NO_SUCH_DATABASE: &str = "3D000";

/// Opens the database of the service `name`. In development it is created when it is not there.
pub async fn open(config: &Config, backend: &Backend, name: &'static str) -> anyhow::Result<Db> {
    if backend.database_url.is_none() {
        std::fs::create_dir_all(&config.data_dir)
            .with_context(|| format!("{} cannot be created", config.data_dir.display()))?;
    }
    let url = config.database_url(backend, name);
    let url = url.expose_secret();
    if config.mode == Mode::Development && url.starts_with("postgres") {
        create_if_missing(url).await.with_context(|| format!("creating the database of {name}"))?;
    }
    Db::connect(name, url, config.database.max_connections)
        .await
        .with_context(|| format!("the database of {name} cannot be opened"))
}

async fn create_if_missing(url: &str) -> anyhow::Result<()> {
    let options = PgConnectOptions::from_str(url)?;
    let absent = match PgConnection::connect_with(&options).await {
        Ok(conn) => return Ok(conn.close().await?),
        Err(sqlx::Error::Database(error)) => error.code().as_deref() == Some(NO_SUCH_DATABASE),
        // Whatever it is, connecting for good will meet it again and say it better.
        Err(_) => return Ok(()),
    };
    let Some(name) = options.get_database().filter(|_| absent) else { return Ok(()) };
    let quoted = name.replace('"', "\"\"");
    let mut conn = PgConnection::connect_with(&options.clone().database(MAINTENANCE)).await?;
    let create = AssertSqlSafe(format!("CREATE DATABASE \"{quoted}\""));
    sqlx::raw_sql(create).execute(&mut conn).await?;
    tracing::info!(database = name, "created");
    Ok(conn.close().await?)
}
