//! A TCP proxy that can be cut: how the tests lose a broker without stopping it.

use std::sync::Arc;

use lapin::uri::AMQPUri;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

use super::test_url;

pub struct Proxy {
    pub port: u16,
    open: watch::Sender<bool>,
    lines: Arc<Mutex<JoinSet<()>>>,
    _accepting: JoinSet<()>,
}

impl Proxy {
    /// A proxy before the broker of the tests, and the broker's address by way of it.
    ///
    /// # Panics
    /// When `TEST_AMQP_URL` is not set or no address.
    pub async fn to_broker() -> (Self, String) {
        let uri: AMQPUri = test_url("TEST_AMQP_URL").parse().expect("an address of a broker");
        let (host, port) = (uri.authority.host, uri.authority.port);
        let proxy = Self::to(format!("{host}:{port}")).await;
        let user = uri.authority.userinfo;
        let vhost = uri.vhost.replace('/', "%2f");
        let (name, password) = (user.username, user.password);
        let url = format!("amqp://{name}:{password}@127.0.0.1:{}/{vhost}", proxy.port);
        (proxy, url)
    }

    /// Listens on a free port of this machine and forwards to `target`.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn to(target: String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let lines = Arc::new(Mutex::new(JoinSet::new()));
        let open = watch::Sender::new(true);
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, target, lines.clone(), open.subscribe()));
        Self { port, open, lines, _accepting: accepting }
    }

    /// Cuts every connection. New ones are taken.
    pub async fn cut(&self) {
        self.lines.lock().await.shutdown().await;
    }

    /// Cuts every connection and takes no new ones.
    pub async fn close(&self) {
        self.open.send_replace(false);
        self.cut().await;
    }

    /// Takes connections again.
    pub fn reopen(&self) {
        self.open.send_replace(true);
    }
}

async fn accept(
    listener: TcpListener,
    target: String,
    lines: Arc<Mutex<JoinSet<()>>>,
    open: watch::Receiver<bool>,
) {
    while let Ok((mut near, _)) = listener.accept().await {
        let mut lines = lines.lock().await;
        if !*open.borrow() {
            continue;
        }
        let target = target.clone();
        lines.spawn(async move {
            if let Ok(mut far) = TcpStream::connect(target).await {
                drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
            }
        });
    }
}
