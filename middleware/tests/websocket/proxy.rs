//! [`Proxy`]: a way between client and server that can be slow, and go silent: it keeps both connections, and passes nothing on.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// Most bytes that are passed on at once.
pub(super) const PIECE: usize = 16 * 1024;

pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    silent: CancellationToken,
    last: Arc<Mutex<Option<Instant>>>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub(super) async fn to(server: SocketAddr) -> Self {
        Self::slowly_to(server, Duration::ZERO).await
    }

    /// Waits for so long before it passes the next piece on.
    pub(super) async fn slowly_to(server: SocketAddr, pause: Duration) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (silent, last) = (CancellationToken::new(), Arc::new(Mutex::new(None)));
        let (is_silent, seen) = (silent.clone(), Arc::clone(&last));
        let task = tokio::spawn(async move {
            // Its tasks end with it, and what they hold.
            let mut ways = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (client_in, client_out) = client.into_split();
                let to_server = TcpSocket::new_v4().unwrap();
                if !pause.is_zero() {
                    // What it has not passed on waits at the server.
                    to_server.set_recv_buffer_size(PIECE as u32).unwrap();
                }
                let (server_in, server_out) = to_server.connect(server).await.unwrap().into_split();
                ways.spawn(pass(client_in, server_out, pause, is_silent.clone(), Arc::clone(&seen)));
                ways.spawn(pass(server_in, client_out, pause, is_silent.clone(), Arc::clone(&seen)));
            }
        });
        Self { address, silent, last, task }
    }

    /// Passes nothing on any more, not even that somebody has closed.
    pub(super) fn go_silent(&self) -> Instant {
        self.silent.cancel();
        Instant::now()
    }

    /// When something last arrived here from an end that does not know it yet.
    pub(super) fn last_arrival(&self) -> Option<Instant> {
        *self.last.lock().unwrap()
    }

    pub(super) async fn end(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

/// Passes on what comes until the proxy is silent, and only notes it from then on.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    pause: Duration,
    silent: CancellationToken,
    last: Arc<Mutex<Option<Instant>>>,
) {
    let mut buffer = vec![0; PIECE];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        tokio::time::sleep(pause).await;
        if silent.is_cancelled() {
            *last.lock().unwrap() = Some(Instant::now());
        } else {
            to.write_all(&buffer[..read]).await.unwrap();
        }
    }
    if silent.is_cancelled() {
        // Keeps the other connection, which learns nothing.
        std::future::pending::<()>().await;
    }
}
