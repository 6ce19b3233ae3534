//! The gateway as a process: it says where it is, and ends when told to.

use quittance_chassis::run::Start;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::house::{SECRET, config, forged};

#[tokio::test]
async fn it_says_where_it_is_and_ends_when_told_to() {
    let files = tempfile::tempdir().unwrap();
    let mut config = config("http://127.0.0.1:9");
    config.data_dir = files.path().join("new");
    config.gateway.listen = "127.0.0.1:0".parse().unwrap();
    let started = Start::default();
    let running = quittance_gateway::start(&config, started.clone()).await.unwrap();
    let written = std::fs::read_to_string(config.data_dir.join("gateway.addr")).unwrap();
    assert_eq!(written, running.addr.to_string());

    let mut stream = TcpStream::connect(running.addr).await.unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(started.readiness.get());

    // Whoever sends too much still reads why it was refused.
    let token = forged(SECRET, 60);
    let mut stream = TcpStream::connect(running.addr).await.unwrap();
    let length = 4 * 1024 * 1024;
    let head = format!(
        "POST /api/products HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         authorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b' '; length]).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");

    started.shutdown.cancel();
    running.task.await.unwrap().unwrap();
}
