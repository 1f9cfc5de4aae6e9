//! A real HTTP server on a real socket, whose behaviour is a function and who keeps its own count.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Body of an upstream's response; its error ends the connection in the middle of the body.
pub type Body = BoxBody<Bytes, io::Error>;

/// What a handler answers.
#[derive(Debug)]
pub enum Reply {
    /// A response.
    Answer(Response<Body>),
    /// No response: the connection is closed under the request.
    Hang(HangUp),
}

/// How a connection is closed under a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the upstream hangs up")]
pub struct HangUp;

/// What the server itself counts.
#[derive(Debug, Default)]
pub struct Counts {
    accepted: AtomicU64,
    closed: AtomicU64,
    requests: AtomicU64,
}

impl Counts {
    /// Connections that were accepted.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }

    /// Connections that are open.
    #[must_use]
    pub fn open(&self) -> u64 {
        let closed = self.closed.load(Relaxed);
        self.accepted.load(Relaxed).saturating_sub(closed)
    }

    /// Requests whose head has come.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
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
}

/// A running server; dropping it stops it and closes its connections.
#[derive(Debug)]
pub struct Upstream {
    addr: SocketAddr,
    counts: Arc<Counts>,
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
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let counts = Arc::new(Counts::default());
        let task = tokio::spawn(accept(listener, options, handler, Arc::clone(&counts)));
        Ok(Self { addr, counts, task })
    }

    /// Address of the server.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// URL of the server with a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// What the server counts.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept<H, F>(listener: TcpListener, options: Options, handler: H, counts: Arc<Counts>)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    // Dropped with this task, which ends the connections too.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        counts.accepted.fetch_add(1, Relaxed);
        connections.spawn(serve(stream, options, handler.clone(), Accepted(Arc::clone(&counts))));
        while connections.try_join_next().is_some() {}
    }
}

/// An accepted connection, counted as closed when it is dropped.
struct Accepted(Arc<Counts>);

impl Drop for Accepted {
    fn drop(&mut self) {
        self.0.closed.fetch_add(1, Relaxed);
    }
}

async fn serve<H, F>(stream: TcpStream, options: Options, handler: H, accepted: Accepted)
where
    H: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    if options.reset && stream.set_zero_linger().is_err() {
        return;
    }
    let service = service_fn(|request| {
        accepted.0.requests.fetch_add(1, Relaxed);
        let reply = handler(request);
        async move {
            match reply.await {
                Reply::Answer(response) => Ok(response),
                Reply::Hang(hang_up) => Err(hang_up),
            }
        }
    });
    let mut server = auto::Builder::new(TokioExecutor::new());
    if options.http1_only {
        server = server.http1_only();
    }
    server.http2().max_concurrent_streams(options.max_streams);
    // A client that goes away or an own hang-up ends the connection; neither is this server's failure.
    let _ = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
}

/// A response with a body.
#[must_use]
pub fn answer(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    let body = Full::new(body.into()).map_err(|never: Infallible| match never {}).boxed();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    Reply::Answer(response)
}

/// A response with a body and one header.
#[must_use]
pub fn answer_with(
    status: StatusCode,
    body: impl Into<Bytes>,
    name: &'static str,
    value: &'static str,
) -> Reply {
    let mut reply = answer(status, body);
    if let Reply::Answer(response) = &mut reply {
        response.headers_mut().insert(name, http::HeaderValue::from_static(value));
    }
    reply
}
