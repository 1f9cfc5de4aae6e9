//! A real HTTP server on a real socket, whose behaviour is a function and who keeps its own count.

mod reply;
mod serve;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

pub use self::reply::{Body, HangUp, Reply, answer, answer_with, answer_without_end, switch_protocols};
use self::serve::{Accepted, Serving};
use crate::tls::{self, Alpn};

/// What the server itself counts.
#[derive(Debug, Default)]
pub struct Counts {
    connections: Mutex<Vec<Arc<Served>>>,
    accepted: watch::Sender<u64>,
    closed: AtomicU64,
}

/// One connection, as its server sees it.
#[derive(Debug)]
struct Served {
    peer: SocketAddr,
    requests: AtomicU64,
}

impl Counts {
    /// Connections that were accepted.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        *self.accepted.borrow()
    }

    /// Connections that are open, those that an upgrade has taken out of HTTP too.
    #[must_use]
    pub fn open(&self) -> u64 {
        let closed = self.closed.load(Relaxed);
        self.accepted().saturating_sub(closed)
    }

    /// Requests whose head has come.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.by_connection().iter().map(|(_, requests)| requests).sum()
    }

    /// The client's end of each connection that was accepted, and the requests whose head has come over it.
    #[must_use]
    pub fn by_connection(&self) -> Vec<(SocketAddr, u64)> {
        let connections = self.connections();
        connections.iter().map(|served| (served.peer, served.requests.load(Relaxed))).collect()
    }

    /// The same without the connections that had none. A port may come twice: the kernel gives one out again when its
    /// connection is gone.
    #[must_use]
    pub fn used(&self) -> Vec<(SocketAddr, u64)> {
        self.by_connection().into_iter().filter(|(_, requests)| *requests > 0).collect()
    }

    fn connections(&self) -> MutexGuard<'_, Vec<Arc<Served>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(&self, peer: SocketAddr) -> Arc<Served> {
        let served = Arc::new(Served { peer, requests: AtomicU64::new(0) });
        self.connections().push(Arc::clone(&served));
        self.accepted.send_modify(|accepted| *accepted += 1);
        served
    }
}

/// How an upstream treats its connections.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Close by a reset instead of a proper end.
    pub reset: bool,
    /// Most streams at a time on an HTTP/2 connection.
    pub max_streams: Option<u32>,
    /// Speak HTTP/1 only.
    pub http1_only: bool,
    /// Speak TLS, and offer this.
    pub tls: Option<Alpn>,
    /// Close an HTTP/1 connection that is idle for so long.
    pub idle_timeout: Option<Duration>,
    /// Say nothing, not even in a TLS handshake, before so many connections were accepted.
    pub silent_until_accepted: u64,
}

/// What is asked of the connections that are open.
#[derive(Debug, Clone, Copy)]
enum Order {
    /// End when what is in flight has ended; HTTP/2 is told by GOAWAY.
    Drain,
    /// End now.
    Cut,
}

/// A running server; dropping it stops it and closes its connections.
#[derive(Debug)]
pub struct Upstream {
    addr: SocketAddr,
    scheme: &'static str,
    counts: Arc<Counts>,
    orders: watch::Sender<Order>,
    task: JoinHandle<()>,
}

impl Upstream {
    /// Starts a server on a free port of the loopback.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn start<H, F>(options: Options, handler: H) -> io::Result<Self>
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Reply> + Send + 'static,
    {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), options, handler).await
    }

    /// Starts a server at an address, for one that comes back after it was stopped.
    ///
    /// # Errors
    /// If the port can't be bound.
    pub async fn start_at<H, F>(addr: SocketAddr, options: Options, handler: H) -> io::Result<Self>
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Reply> + Send + 'static,
    {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        // Room for a thousand clients at once, who else would meet a full queue and try again after a second.
        let listener = socket.listen(4096)?;
        let addr = listener.local_addr()?;
        let counts = Arc::new(Counts::default());
        let orders = watch::Sender::new(Order::Drain);
        let tls = options.tls.map(tls::server).transpose()?.map(TlsAcceptor::from);
        let serving = Serving { options, tls, handler, counts: Arc::clone(&counts) };
        let task = tokio::spawn(accept(listener, serving, orders.clone()));
        let scheme = if options.tls.is_some() { "https" } else { "http" };
        Ok(Self { addr, scheme, counts, orders, task })
    }

    /// Address of the server.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// URL of the server with a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.addr)
    }

    /// What the server counts.
    #[must_use]
    pub fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// Ends the open connections in order: what is in flight may end, HTTP/2 clients get a GOAWAY. New ones are
    /// accepted.
    pub fn drain(&self) {
        self.orders.send_replace(Order::Drain);
    }

    /// Ends the open connections at once, whatever is in flight. New ones are accepted.
    pub fn cut(&self) {
        self.orders.send_replace(Order::Cut);
    }

    /// Stops it and waits until its port is free.
    pub async fn stop(&mut self) {
        self.task.abort();
        // An abort is what was asked for.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept<H, F>(listener: TcpListener, serving: Serving<H>, orders: watch::Sender<Order>)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    // Dropped with this task, which ends the connections too.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, peer)) = listener.accept().await {
        let accepted = Accepted::new(&serving.counts, peer);
        connections.spawn(serving.clone().serve(stream, accepted, orders.subscribe()));
        while connections.try_join_next().is_some() {}
    }
}
