//! `bench sse`: what an instance remembers of very many streams in which nothing happens.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::report::kib;
use crate::http::Person;

/// What stands above the table in docs/performance.md.
pub const ABOUT: &str = "`cargo xtask bench sse`: `GET /api/events/stream` of 100 members from very many connections at \
once, to one process with all four services (SQLite, in-process bus), in which nothing happens. The memory is the resident \
size of that process, which holds both ends of each stream between gateway and issues. Flat means that it does not grow while they stay open.";

/// Members whose streams are open.
const MEMBERS: usize = 100;

/// How long a stream may take to open, or the process to come up.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the bench is asked to do.
pub struct Plan {
    pub streams: usize,
    pub seconds: u64,
}

/// Runs the bench and returns its table and a line of JSON.
pub async fn run(plan: &Plan) -> anyhow::Result<String> {
    let files = TempDir::new()?;
    let mut instance = Instance::start(files.path(), plan.streams).await?;
    eprintln!("signing {MEMBERS} members in …");
    let members: Vec<Person> = stream::iter(0..MEMBERS)
        .map(|member| {
            let (base, email) = (instance.base.clone(), format!("member{member}@shop.example"));
            async move { Person::sign_in(&base, "Shop", &email, &["member"]).await }
        })
        .buffered(8)
        .collect()
        .await;
    let before = instance.resident();
    eprintln!("opening {} streams …", plan.streams);
    let start = Instant::now();
    let open: Vec<TcpStream> = stream::iter(0..plan.streams)
        .map(|number| open(&instance.address, &members[number % MEMBERS].token))
        .buffer_unordered(64)
        .try_collect()
        .await?;
    let (opened, at_first) = (start.elapsed(), instance.resident());
    let mut samples = vec![at_first];
    for _ in 0..plan.seconds.div_ceil(5) {
        tokio::time::sleep(Duration::from_secs(5)).await;
        samples.push(instance.resident());
    }
    let alive = open.iter().filter(|stream| is_alive(stream)).count();
    ensure!(alive == plan.streams, "only {alive} of {} streams are still open", plan.streams);
    drop(open);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let after = instance.resident();
    instance.child.kill().await?;
    Ok(table(plan, opened, &Memory { before, samples, after }))
}

/// A process with all services.
struct Instance {
    child: Child,
    base: String,
    address: String,
}

impl Instance {
    async fn start(files: &Path, streams: usize) -> anyhow::Result<Self> {
        // Beside this program. The shell raises the limit of open files, as far as it may.
        let node = std::env::current_exe()?.with_file_name("node");
        let data = files.join("data");
        let streams = streams.to_string();
        let child = Command::new("/bin/sh")
            .args(["-c", "ulimit -n $(ulimit -H -n); exec \"$0\" standalone"])
            .arg(node)
            .env("QUITTANCE__DATA_DIR", &data)
            .env("QUITTANCE__GATEWAY__LISTEN", "127.0.0.1:0")
            .env("QUITTANCE__ISSUES__LISTEN", "127.0.0.1:0")
            .env("QUITTANCE__PAYOUTS__LISTEN", "127.0.0.1:0")
            .env("QUITTANCE__BALANCE__LISTEN", "127.0.0.1:0")
            .env("QUITTANCE__GATEWAY__REQUESTS_PER_MINUTE_BY_ADDRESS", "0")
            .env("QUITTANCE__GATEWAY__REQUESTS_PER_MINUTE_BY_MEMBER", "0")
            .env("QUITTANCE__GATEWAY__MAX_STREAMS", &streams)
            .env("QUITTANCE__GRPC__MAX_STANDING", &streams)
            .env("QUITTANCE__LOG__LEVEL", "warn")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("the instance does not start")?;
        let start = Instant::now();
        let address = loop {
            if let Ok(address) = std::fs::read_to_string(data.join("gateway.addr"))
                && TcpStream::connect(&address).await.is_ok()
            {
                break address;
            }
            ensure!(start.elapsed() < PATIENCE, "the instance does not come up");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        Ok(Self { child, base: format!("http://{address}"), address })
    }

    /// Its resident memory in KiB.
    fn resident(&mut self) -> u64 {
        let pid = self.child.id().unwrap_or_default();
        kib(&format!("/proc/{pid}/status"), "VmRSS:")
    }
}

/// Opens a stream and waits until it says so. A bare connection costs us next to nothing.
async fn open(address: &str, token: &str) -> anyhow::Result<TcpStream> {
    let opening = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!(
            "GET /api/events/stream HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let (mut answer, mut chunk) = (Vec::new(), [0; 2048]);
        while !contains(&answer, b": open") {
            let length = stream.read(&mut chunk).await?;
            answer.extend_from_slice(&chunk[..length]);
            let text = String::from_utf8_lossy(&answer);
            ensure!(length > 0 && text.starts_with("HTTP/1.1 200"), "refused: {text}");
        }
        Ok(stream)
    };
    tokio::time::timeout(PATIENCE, opening).await.context("a stream did not open")?
}

fn contains(answer: &[u8], wanted: &[u8]) -> bool {
    answer.windows(wanted.len()).any(|window| window == wanted)
}

/// Whether the other end is still there; what it sent in the meantime is passed over.
fn is_alive(stream: &TcpStream) -> bool {
    let mut chunk = [0; 4096];
    loop {
        match stream.try_read(&mut chunk) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }
}

/// Resident memory in KiB.
struct Memory {
    before: u64,
    /// Every five seconds while the streams are open.
    samples: Vec<u64>,
    after: u64,
}

#[expect(clippy::cast_precision_loss, reason = "sizes for people")]
fn table(plan: &Plan, opened: Duration, memory: &Memory) -> String {
    let mib = |kib: u64| format!("{:.1} MiB", kib as f64 / 1024.0);
    let first = memory.samples.first().copied().unwrap_or_default();
    let last = memory.samples.last().copied().unwrap_or_default();
    let most = memory.samples.iter().copied().max().unwrap_or_default();
    let each = most.saturating_sub(memory.before) as f64 / plan.streams.max(1) as f64;
    let mut text = format!(
        "{} streams, opened in {:.1} s, open for {} s.\n\n| when | resident |\n|---|---:|\n",
        plan.streams,
        opened.as_secs_f64(),
        plan.seconds,
    );
    for (when, kib) in [
        ("before", memory.before),
        ("all are open", first),
        ("at the end", last),
        ("the most", most),
        ("5 s after all were closed", memory.after),
    ] {
        let _ = writeln!(text, "| {when} | {} |", mib(kib));
    }
    let _ = writeln!(text, "\n{each:.1} KiB per stream at the most.\n");
    let _ = writeln!(
        text,
        "{}",
        json!({
            "bench": "sse", "streams": plan.streams, "beforeKib": memory.before,
            "samplesKib": memory.samples, "afterKib": memory.after, "kibPerStream": each,
        })
    );
    text
}
