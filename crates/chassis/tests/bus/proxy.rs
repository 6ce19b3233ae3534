//! A TCP proxy that can be cut: how the tests lose a broker without stopping it.

use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

pub(crate) struct Proxy {
    pub(crate) port: u16,
    open: watch::Sender<bool>,
    lines: Arc<Mutex<JoinSet<()>>>,
    _accepting: JoinSet<()>,
}

impl Proxy {
    /// Listens on a free port of this machine and forwards to `target`.
    pub(crate) async fn to(target: String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let lines = Arc::new(Mutex::new(JoinSet::new()));
        let open = watch::Sender::new(true);
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, target, lines.clone(), open.subscribe()));
        Self { port, open, lines, _accepting: accepting }
    }

    /// Cuts every connection. New ones are taken.
    pub(crate) async fn cut(&self) {
        self.lines.lock().await.shutdown().await;
    }

    /// Cuts every connection and takes no new ones.
    pub(crate) async fn close(&self) {
        self.open.send_replace(false);
        self.cut().await;
    }

    /// Takes connections again.
    pub(crate) fn reopen(&self) {
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
