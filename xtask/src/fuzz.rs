//! `cargo xtask fuzz-http`: an instance of its own is asked whatever its OpenAPI document allows, and much
//! that it does not; no answer may be a 5xx or one that is not documented.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::interrupt;
use crate::process::{self, Outcome};
use crate::tools;

/// How long the instance may take to come up.
const PATIENCE: Duration = Duration::from_mins(1);

/// What an answer is held against. Which methods a path has and whether a bad request is refused are
/// matters of our own tests: much that the document cannot express is refused, and rightly.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
response_headers_conformance,response_schema_conformance";

/// Does the chore. `args` go to Schemathesis; `--max-examples=100` and the like.
pub(crate) fn run(seed: u64, examples: u32, args: &[std::ffi::OsString]) -> Result<Outcome> {
    let schemathesis = match tools::schemathesis()? {
        Ok(found) => found,
        Err(reason) => bail!("Schemathesis cannot be had: {reason}"),
    };
    // As the tests build it, so that nothing is built twice.
    let build = ["build", "--workspace", "--bin", "quittance"];
    let outcome = process::run(process::cargo().args(build))?;
    if outcome != Outcome::Succeeded {
        return Ok(outcome);
    }
    let files = tempfile::tempdir()?;
    let data = files.path().join("data");
    let log = fs::File::create(files.path().join("log"))?;
    let mut command = process::command(process::target().join("debug/quittance"));
    command
        .env("QUITTANCE__DATA_DIR", &data)
        .env("QUITTANCE__GATEWAY__REQUESTS_PER_MINUTE_BY_ADDRESS", "0")
        .env("QUITTANCE__GATEWAY__REQUESTS_PER_MINUTE_BY_MEMBER", "0")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    for service in ["GATEWAY", "ISSUES", "PAYOUTS", "BALANCE"] {
        command.env(format!("QUITTANCE__{service}__LISTEN"), "127.0.0.1:0");
    }
    let mut instance = process::spawn(&mut command)?;
    let done = ask(&schemathesis, &data, seed, examples, args);
    process::terminate(&mut instance);
    if !matches!(done, Ok(Outcome::Succeeded)) {
        let kept = process::target().join("fuzz-http.log");
        fs::copy(files.path().join("log"), &kept)?;
        eprintln!("What the instance logged is in {}.", kept.display());
    }
    done
}

fn ask(
    schemathesis: &std::path::Path,
    data: &std::path::Path,
    seed: u64,
    examples: u32,
    args: &[std::ffi::OsString],
) -> Result<Outcome> {
    let address = data.join("gateway.addr");
    let up = interrupt::poll(PATIENCE, || {
        let address = fs::read_to_string(&address).unwrap_or_default();
        Ok(TcpStream::connect(address).is_ok())
    })?;
    if !up {
        bail!("the instance does not come up");
    }
    let address = fs::read_to_string(address)?;
    let token = token(&address)?;
    let mut run = process::command(schemathesis);
    run.arg("run")
        .arg(format!("http://{address}/api/openapi.json"))
        .arg(format!("--header=Authorization: Bearer {token}"))
        .arg(format!("--checks={CHECKS}"))
        .arg(format!("--seed={seed}"))
        .arg(format!("--max-examples={examples}"))
        .args(["--workers=2", "--request-timeout=30"])
        // It never ends.
        .arg("--exclude-path=/api/events/stream")
        .args(args);
    process::run(&mut run)
}

/// Signs in with every role, in the name of nobody real.
fn token(address: &str) -> Result<String> {
    let roles = r#"["member","lead","admin","finance","auditor","platform_admin"]"#;
    let body = format!(r#"{{"email":"fuzz@example.com","organization":"Fuzz","roles":{roles}}}"#);
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "POST /api/auth/dev-token HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let token = answer.split("\"token\":\"").nth(1).and_then(|rest| rest.split('"').next());
    token.map(str::to_owned).with_context(|| format!("no token in {answer}"))
}
