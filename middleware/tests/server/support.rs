//! What the tests share: servers on real sockets, and clients made of bare ones.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Request};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use hyper_util::rt::TokioIo;
use poolscope::Scope;
use poolscope::server::{RouteLayer, Server, ServerBuilder};
use poolscope::{ServerCloseReason, ServerSnapshot};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_stream::StreamExt;

/// How long anything may take here.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of a large answer, which no kernel takes at once.
pub(crate) const LARGE: usize = 50_000_000;

/// Bytes of an answer that the kernel takes at once.
pub(crate) const BUFFERED: usize = 200_000;

/// What the tests ask for.
pub(crate) fn router() -> Router {
    let endless = || async {
        let parts =
            tokio_stream::iter(0..).map(|_: u64| Ok::<_, Infallible>(Bytes::from_static(&[7; 65_536])));
        Body::from_stream(parts)
    };
    let huge = || async {
        let part = Bytes::from(vec![7; 8_000_000]);
        Body::from_stream(tokio_stream::iter(0..).map(move |_: u64| Ok::<_, Infallible>(part.clone())))
    };
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/empty", get(|| async { http::StatusCode::NOT_FOUND }))
        .route("/error", get(|| async { http::StatusCode::INTERNAL_SERVER_ERROR }))
        .route("/orders/{id}", get(|Path(id): Path<u64>| async move { id.to_string() }))
        .route("/slow", get(|| tokio::time::sleep(Duration::from_secs(3_600))))
        .route("/soon", get(|| tokio::time::sleep(Duration::from_millis(300))))
        .route("/panic", get(panics))
        .route("/endless", get(endless))
        .route("/huge-parts", get(huge))
        .route("/buffered", get(|| async { vec![7_u8; BUFFERED] }))
        .route("/large", get(|| async { vec![7_u8; LARGE] }))
        .route("/echo", post(|body: Bytes| async move { body }))
        .route("/upgrade", get(upgrade))
        .route("/whoami", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }))
        .route_layer(RouteLayer)
}

/// Leaves HTTP, and says back what it hears.
async fn upgrade(mut request: Request) -> Response {
    tokio::spawn(async move {
        let upgraded = hyper::upgrade::on(&mut request).await.unwrap();
        let (mut reads, mut writes) = tokio::io::split(TokioIo::new(upgraded));
        let _ = tokio::io::copy(&mut reads, &mut writes).await;
    });
    let head =
        http::Response::builder().status(101).header("connection", "upgrade").header("upgrade", "echo");
    head.body(Body::empty()).unwrap()
}

async fn panics() {
    panic!("expected: a handler that panics");
}

/// A server with axum on it.
pub(crate) struct Api {
    pub(crate) server: Server,
    pub(crate) addr: SocketAddr,
    pub(crate) serving: JoinHandle<()>,
}

impl Api {
    pub(crate) async fn start(scope: &Scope, options: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Self {
        let server = options(scope.server("api")).build().unwrap();
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = tcp.local_addr().unwrap();
        let serve = axum::serve(server.listen(tcp), server.make_service(router()));
        let serve = serve.with_graceful_shutdown(server.shutting_down());
        let serving = tokio::spawn(async move { serve.await.unwrap() });
        Self { server, addr, serving }
    }

    /// The same by the loop of our own.
    pub(crate) async fn start_own(
        scope: &Scope,
        options: impl FnOnce(ServerBuilder) -> ServerBuilder,
    ) -> Self {
        let server = options(scope.server("api")).build().unwrap();
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        Self::start_on(tcp, server)
    }

    /// The same with room for [`BUFFERED`] bytes that are to be sent.
    #[cfg(target_os = "linux")]
    pub(crate) fn start_buffered(server: Server) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_send_buffer_size(1 << 20).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(8).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self::start_on(TcpListener::from_std(socket.into()).unwrap(), server)
    }

    /// The same on a socket that is there.
    pub(crate) fn start_on(tcp: TcpListener, server: Server) -> Self {
        let addr = tcp.local_addr().unwrap();
        let serving = tokio::spawn(server.serve(server.listen(tcp), router()));
        Self { server, addr, serving }
    }

    pub(crate) fn seen(&self) -> ServerSnapshot {
        let seen = self.server.snapshot();
        let rejected: u64 = seen.rejected.iter().map(|(_, count)| count).sum();
        let closed: u64 = seen.closed.iter().map(|(_, count)| count).sum();
        assert_eq!(seen.accepted, rejected + closed + seen.present(), "{seen:?}");
        seen
    }

    /// Waits until the snapshot is so.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&ServerSnapshot) -> bool) -> ServerSnapshot {
        let waits = async {
            loop {
                let seen = self.seen();
                if is_so(&seen) {
                    return seen;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let seen = tokio::time::timeout(PATIENCE, waits).await;
        seen.unwrap_or_else(|_| {
            let seen = self.seen();
            let closed: Vec<_> = seen.closed.iter().filter(|(_, count)| *count > 0).collect();
            panic!("{what} has not come: {:?}, {closed:?}, {:?}", seen.connections, seen.open)
        })
    }

    pub(crate) async fn closed(&self, reason: ServerCloseReason) -> ServerSnapshot {
        let seen = self.until(reason.as_str(), |seen| seen.closed(reason) == 1).await;
        let all: u64 = seen.closed.iter().map(|(_, count)| count).sum();
        assert_eq!(all, 1, "{:?}", seen.closed);
        seen
    }

    pub(crate) async fn connect(&self) -> Raw {
        Raw(TcpStream::connect(self.addr).await.unwrap())
    }
}

/// A client that does nothing by itself.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) async fn send(&mut self, text: impl AsRef<[u8]>) {
        self.0.write_all(text.as_ref()).await.unwrap();
    }

    pub(crate) async fn get(&mut self, path: &str) {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: api.example\r\n\r\n")).await;
    }

    /// Reads until this has come; gives what came.
    pub(crate) async fn read_to(&mut self, end: &str) -> String {
        let mut all = Vec::new();
        let reads = async {
            while !all.windows(end.len()).any(|part| part == end.as_bytes()) {
                let mut buf = [0; 1_024];
                match self.0.read(&mut buf).await.unwrap() {
                    0 => break,
                    read => all.extend_from_slice(&buf[..read]),
                }
            }
        };
        tokio::time::timeout(PATIENCE, reads).await.unwrap();
        String::from_utf8(all).unwrap()
    }

    /// What comes until the server resets it.
    pub(crate) async fn until_reset(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let read = tokio::time::timeout(PATIENCE, self.0.read_to_end(&mut all)).await.expect("an end");
        assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
        all
    }

    /// What comes until the server ends it in order.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        tokio::time::timeout(PATIENCE, self.0.read_to_end(&mut all)).await.expect("an end").unwrap();
        all
    }
}

/// The client's end of a connection with small segments and a small receive buffer: as one behind a slow line has.
#[cfg(target_os = "linux")]
pub(crate) async fn narrow(addr: SocketAddr) -> Raw {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_tcp_mss(1_000).unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.connect(&addr.into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    Raw(TcpStream::from_std(socket.into()).unwrap())
}

/// Sockets to a port on this machine that are established, as the kernel counts the server's ends.
pub(crate) fn established(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let local = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split_whitespace().skip(1);
            Some((fields.next()?, fields.next()?, fields.next()?))
        })
        .filter(|(own, _, state)| own.ends_with(&local) && *state == "01")
        .count()
}
