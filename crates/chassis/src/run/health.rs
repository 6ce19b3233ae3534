//! `health`: asks the probes of the process beside it, for containers that have no shell.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail};

/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Fails unless what serves probes on this address takes requests.
pub(super) fn check(mut address: SocketAddr) -> anyhow::Result<()> {
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let answer = ask(address).with_context(|| format!("{address} does not answer"))?;
    // "HTTP/1.1 200 OK"
    if answer.split_whitespace().nth(1) != Some("200") {
        bail!("not ready");
    }
    Ok(())
}

fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: probes\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Readiness, observe, routes};
    use tokio_util::sync::CancellationToken;

    #[tokio::test]
    async fn health_is_what_the_probe_says() {
        let part = Readiness::default();
        let routes = routes(&prometheus::Registry::new(), vec![part.clone()]);
        let stop = CancellationToken::new();
        let (address, task) =
            observe(SocketAddr::from(([0, 0, 0, 0], 0)), routes, stop.clone()).await.unwrap();
        let health = || tokio::task::spawn_blocking(move || check(address));
        assert_eq!(health().await.unwrap().unwrap_err().to_string(), "not ready");
        part.set(true);
        health().await.unwrap().unwrap();
        stop.cancel();
        task.await.unwrap();
        assert!(health().await.unwrap().is_err(), "nobody is there");
    }
}
