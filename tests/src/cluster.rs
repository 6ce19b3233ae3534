//! An instance in processes of its own, to be killed.

use std::collections::HashMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use quittance_chassis::config::Config;
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::world::{Bus, SECRET, Store, clean_up, configuration};

/// The processes of an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    Standalone,
    Issues,
    Payouts,
    Balance,
    Gateway,
}

/// Each service in a process of its own.
pub const SEPARATE: [Node; 4] = [Node::Issues, Node::Payouts, Node::Balance, Node::Gateway];

impl Node {
    fn name(self) -> &'static str {
        match self {
            Self::Standalone => "standalone",
            Self::Issues => "issues",
            Self::Payouts => "payouts",
            Self::Balance => "balance",
            Self::Gateway => "gateway",
        }
    }
}

/// Processes over databases that outlive them.
pub struct Cluster {
    pub base: String,
    pub config: Config,
    binary: PathBuf,
    running: HashMap<Node, Child>,
    databases: Vec<(String, String)>,
    files: TempDir,
}

impl Cluster {
    /// Starts the nodes. `binary` is the `node` executable of this package.
    pub async fn start(binary: &Path, nodes: &[Node], store: Store, bus: Bus) -> Self {
        Self::start_with(binary, nodes, store, bus, |_| ()).await
    }

    /// As [`Cluster::start`], with a configuration that has been changed.
    pub async fn start_with(
        binary: &Path,
        nodes: &[Node],
        store: Store,
        bus: Bus,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let files = TempDir::new().unwrap();
        let (mut config, databases) = configuration(store, bus, &files).await;
        change(&mut config);
        // Fixed ports: a node that is started again must be found where it was.
        config.gateway.listen = free_port();
        for backend in [&mut config.issues, &mut config.payouts, &mut config.balance] {
            backend.listen = free_port();
            backend.url = format!("http://{}", backend.listen);
        }
        let mut cluster = Self {
            base: format!("http://{}", config.gateway.listen),
            config,
            binary: binary.to_owned(),
            running: HashMap::new(),
            databases,
            files,
        };
        for node in nodes {
            cluster.spawn(*node, None);
        }
        cluster.ready().await;
        cluster
    }

    /// Starts a node, with these fail points armed.
    pub fn spawn(&mut self, node: Node, fail_points: Option<&str>) {
        let log = self.files.path().join(format!("{}.log", node.name()));
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut command = Command::new(&self.binary);
        command
            .arg(node.name())
            .envs(environment(&self.config))
            .env_remove("FAILPOINTS")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true);
        if let Some(fail_points) = fail_points {
            command.env("FAILPOINTS", fail_points);
        }
        self.running.insert(node, command.spawn().expect("the node starts"));
    }

    /// Runs a command of a node's program to its end: its exit code, what it printed, and what it
    /// complained of. It dies with the future.
    pub async fn command(
        &self,
        node: Node,
        words: &[&str],
        fail_points: Option<&str>,
    ) -> (Option<i32>, String, String) {
        let mut command = Command::new(&self.binary);
        command
            .arg(node.name())
            .args(words)
            .envs(environment(&self.config))
            .env_remove("FAILPOINTS")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if let Some(fail_points) = fail_points {
            command.env("FAILPOINTS", fail_points);
        }
        let output = command.output().await.expect("the command starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    /// Forgets the highest resident memory of a node so far.
    pub fn forget_peak(&self, node: Node) {
        if let Some(pid) = self.running[&node].id() {
            // Only Linux has it; elsewhere no memory is reported.
            let _ = std::fs::write(format!("/proc/{pid}/clear_refs"), "5");
        }
    }

    /// The highest resident memory of a node since then, in KiB; 0 where it cannot be read.
    #[must_use]
    pub fn peak_kib(&self, node: Node) -> u64 {
        let pid = self.running[&node].id().unwrap_or_default();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak.and_then(|peak| peak.split_whitespace().next()?.parse().ok()).unwrap_or_default()
    }

    /// Kills a node as `kill -9` does.
    pub async fn kill(&mut self, node: Node) {
        if let Some(mut child) = self.running.remove(&node) {
            let _ = child.kill().await;
        }
    }

    /// Kills a node and starts it again.
    pub async fn restart(&mut self, node: Node, fail_points: Option<&str>) {
        self.kill(node).await;
        self.spawn(node, fail_points);
    }

    /// Waits until a node has died by itself; false if it lives on.
    pub async fn died(&mut self, node: Node, patience: Duration) -> bool {
        match self.running.get_mut(&node) {
            Some(child) => tokio::time::timeout(patience, child.wait()).await.is_ok(),
            None => true,
        }
    }

    /// Waits until the gateway says that everything behind it serves.
    pub async fn ready(&mut self) {
        assert!(self.ready_unless_dead(&[]).await, "not ready: {}", self.logs());
    }

    /// As [`Cluster::ready`]; false if one of these nodes has died in the meantime.
    pub async fn ready_unless_dead(&mut self, nodes: &[Node]) -> bool {
        let client = crate::http::client();
        let start = Instant::now();
        loop {
            let reply = client.get(format!("{}/readyz", self.base)).send().await;
            if reply.is_ok_and(|reply| reply.status().is_success()) {
                return true;
            }
            for node in nodes {
                if self.died(*node, Duration::ZERO).await {
                    return false;
                }
            }
            assert!(start.elapsed() < Duration::from_mins(1), "not ready: {}", self.logs());
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// The last lines of each node's log, for the message of a failed test.
    #[must_use]
    pub fn logs(&self) -> String {
        let mut all = String::new();
        for node in SEPARATE.into_iter().chain([Node::Standalone]) {
            let path = self.files.path().join(format!("{}.log", node.name()));
            if let Ok(text) = std::fs::read_to_string(path) {
                let lines: Vec<_> = text.lines().collect();
                let tail = &lines[lines.len().saturating_sub(15)..];
                all.extend(["\n--- ", node.name(), "\n", &tail.join("\n")]);
            }
        }
        all
    }

    /// Kills what runs and removes the databases.
    pub async fn close(mut self) {
        for (_, mut child) in self.running.drain() {
            let _ = child.kill().await;
        }
        clean_up(&self.config, &self.databases).await;
    }
}

/// A port that was free a moment ago.
fn free_port() -> std::net::SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap()
}

/// The configuration as a manifest would give it.
fn environment(config: &Config) -> HashMap<String, String> {
    let mut all = HashMap::from([
        ("DATA_DIR".to_owned(), config.data_dir.display().to_string()),
        ("GATEWAY__LISTEN".to_owned(), config.gateway.listen.to_string()),
        ("AUTH__DEV_SECRET".to_owned(), SECRET.to_owned()),
        // Load comes from one address.
        ("GATEWAY__REQUESTS_PER_MINUTE_BY_ADDRESS".to_owned(), "0".to_owned()),
        ("GATEWAY__REQUESTS_PER_MINUTE_BY_MEMBER".to_owned(), "0".to_owned()),
        ("BUS__NAMESPACE".to_owned(), config.bus.namespace.clone()),
    ]);
    let services =
        [("ISSUES", &config.issues), ("PAYOUTS", &config.payouts), ("BALANCE", &config.balance)];
    for (name, backend) in services {
        all.insert(format!("{name}__LISTEN"), backend.listen.to_string());
        all.insert(format!("{name}__URL"), backend.url.clone());
        if let Some(url) = &backend.database_url {
            all.insert(format!("{name}__DATABASE_URL"), url.expose_secret().to_owned());
        }
    }
    if let Some(endpoint) = &config.telemetry.otlp_endpoint {
        all.insert("TELEMETRY__OTLP_ENDPOINT".to_owned(), endpoint.clone());
        all.insert("TELEMETRY__TRACE_RATIO".to_owned(), config.telemetry.trace_ratio.to_string());
    }
    if let Some(url) = &config.bus.amqp_url {
        all.insert("BUS__AMQP_URL".to_owned(), url.expose_secret().to_owned());
    }
    all.into_iter().map(|(key, value)| (format!("QUITTANCE__{key}"), value)).collect()
}
