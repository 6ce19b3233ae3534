//! A whole instance in this process, on the databases and the bus that a story asks for.

use std::time::{Duration, Instant};

use quittance_chassis::config::Config;
use quittance_chassis::run::Start;
use quittance_chassis::testing::{create_database, drop_database, test_url};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::http::Person;

/// Where the rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    Sqlite,
    Postgres,
}

/// How events travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bus {
    InProcess,
    RabbitMq,
}

/// All ways to run.
pub const EVERYWHERE: [(Store, Bus); 4] = [
    (Store::Sqlite, Bus::InProcess),
    (Store::Postgres, Bus::RabbitMq),
    (Store::Sqlite, Bus::RabbitMq),
    (Store::Postgres, Bus::InProcess),
];

/// One of each, where the combination does not matter.
pub const BOTH: [(Store, Bus); 2] = [EVERYWHERE[0], EVERYWHERE[1]];

/// A running instance. It ends, and takes its databases along, when it is closed.
pub struct World {
    pub base: String,
    pub config: Config,
    shutdown: CancellationToken,
    standalone: Option<quittance::Standalone>,
    databases: Vec<(String, String)>,
    _files: TempDir,
}

/// Signs the tokens of the stories.
pub const SECRET: &str = "a secret that only the stories know of";

/// A configuration that collides with nobody's, and the PostgreSQL databases made for it.
pub async fn configuration(
    store: Store,
    bus: Bus,
    files: &TempDir,
) -> (Config, Vec<(String, String)>) {
    let mut config = Config { data_dir: files.path().join("data"), ..Config::default() };
    let free = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    config.gateway.listen = free;
    // All stories come from one address, and much faster than people do.
    config.gateway.requests_per_minute_by_member = 0;
    config.gateway.requests_per_minute_by_address = 0;
    config.issues.listen = free;
    config.payouts.listen = free;
    config.balance.listen = free;
    config.auth.dev_secret = Some(SecretString::from(SECRET));
    let mut databases = Vec::new();
    if store == Store::Postgres {
        for backend in [&mut config.issues, &mut config.payouts, &mut config.balance] {
            let (admin, name, url) = create_database().await;
            databases.push((admin, name));
            backend.database_url = Some(SecretString::from(url));
        }
    }
    if bus == Bus::RabbitMq {
        config.bus.amqp_url = Some(SecretString::from(test_url("TEST_AMQP_URL")));
        // One broker serves all stories: each has exchanges and queues of its own.
        config.bus.namespace = format!("test_{}", uuid::Uuid::new_v4().simple());
    }
    (config, databases)
}

impl World {
    pub async fn start(store: Store, bus: Bus) -> Self {
        Self::start_with(store, bus, |_| {}).await
    }

    /// Starts with a configuration that was changed.
    pub async fn start_with(store: Store, bus: Bus, change: impl FnOnce(&mut Config)) -> Self {
        quittance_chassis::run::install_tls();
        let files = TempDir::new().unwrap();
        let (mut config, databases) = configuration(store, bus, &files).await;
        change(&mut config);
        let shutdown = CancellationToken::new();
        let begin = Start { shutdown: shutdown.clone(), ..Start::default() };
        let standalone = quittance::start(config, &begin).await.expect("the instance starts");
        Self {
            base: format!("http://{}", standalone.gateway),
            config: standalone.config.clone(),
            shutdown,
            standalone: Some(standalone),
            databases,
            _files: files,
        }
    }

    /// Signs somebody in.
    pub async fn person(&self, organization: &str, email: &str, roles: &[&str]) -> Person {
        Person::sign_in(&self.base, organization, email, roles).await
    }

    /// Stops everything in order and removes the databases.
    pub async fn close(mut self) {
        self.shutdown.cancel();
        if let Some(standalone) = self.standalone.take() {
            standalone.ended().await.expect("the instance ends well");
        }
        clean_up(&self.config, &self.databases).await;
    }
}

/// Removes what a configuration of [`configuration`] has left on the servers.
pub async fn clean_up(config: &Config, databases: &[(String, String)]) {
    for (admin, name) in databases {
        drop_database(admin, name).await;
    }
    let _ = quittance_chassis::bus::remove(&config.bus).await;
}

/// Polls until the check answers with a value; panics after ten seconds.
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut check: impl FnMut() -> F,
) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = check().await {
            return value;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{what} did not happen in 30 seconds");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
