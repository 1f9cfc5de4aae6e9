//! Servers: connections that end in order, early, late and not at all; those for which there is no room; requests of every kind.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{any, get};
use poolscope::server::{RouteLayer, Server, ServerBuilder};
use poolscope::{Scope, ServerCloseReason};
use poolscope_tests::wait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::World;

const SOON: Duration = Duration::from_millis(50);

/// More routes than a server keeps.
const ROUTES: usize = 110;

pub(super) async fn run(world: &World) {
    let scope = Scope::new();
    let telemetry = world.export(&scope);
    requests(&scope).await;
    connections(&scope).await;
    handshakes(&scope).await;
    // What is left is cut.
    let report = scope.shutdown(SOON).await;
    assert_eq!((report.connections_cut, report.connections_left), (1, 0), "{report}");
    world.end(telemetry).await;
}

fn router() -> Router {
    let routes =
        (0..ROUTES).fold(Router::new(), |router, route| router.route(&format!("/{route}"), get(|| async {})));
    let routes = routes.route("/any", any(|| async { http::StatusCode::INTERNAL_SERVER_ERROR }));
    routes.route("/slow", get(|| tokio::time::sleep(Duration::from_secs(3_600)))).layer(RouteLayer)
}

async fn start(
    scope: &Scope,
    name: &str,
    options: impl FnOnce(ServerBuilder) -> ServerBuilder,
) -> (Server, SocketAddr) {
    let server = options(scope.server(name)).build().unwrap();
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = tcp.local_addr().unwrap();
    tokio::spawn(axum::serve(server.listen(tcp), server.make_service(router())).into_future());
    (server, addr)
}

/// A connection that asks for something, and has read the begin of the answer.
async fn ask(addr: SocketAddr, method: &str, path: &str) -> TcpStream {
    let mut client = begin(addr, method, path).await;
    client.read_exact(&mut [0; 12]).await.unwrap();
    client
}

async fn begin(addr: SocketAddr, method: &str, path: &str) -> TcpStream {
    let mut client = TcpStream::connect(addr).await.unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: {addr}\r\nuser-agent: contract\r\n\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    client
}

async fn requests(scope: &Scope) {
    let (server, addr) = start(scope, "requests", |server| server).await;
    for route in 0..ROUTES {
        ask(addr, "GET", &format!("/{route}?page=2")).await;
    }
    for method in ["BREW", "POST"] {
        ask(addr, method, "/any").await;
    }
    ask(addr, "GET", "/nowhere").await;
    let left = begin(addr, "GET", "/slow").await;
    wait::until("the request", async || server.snapshot().active_requests, |active| *active == 1).await;
    drop(left);
    wait::until("all to be closed", async || server.snapshot().present(), |present| *present == 0).await;
}

async fn connections(scope: &Scope) {
    let (server, addr) =
        start(scope, "connections", |server| server.max_connections(1).headers_timeout(SOON)).await;
    let mut late = TcpStream::connect(addr).await.unwrap();
    late.write_all(b"GET").await.unwrap();
    let closed = async || server.snapshot().closed(ServerCloseReason::HeadersTimeout);
    wait::until("the head to be late", closed, |closed| *closed == 1).await;
    let stays = begin(addr, "GET", "/slow").await;
    wait::until("the request", async || server.snapshot().active_requests, |active| *active == 1).await;
    ask(addr, "GET", "/refused").await;
    let (idle, idle_addr) = start(scope, "idle", |server| server.idle_timeout(SOON)).await;
    let mut client = TcpStream::connect(idle_addr).await.unwrap();
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    let closed = async || idle.snapshot().closed(ServerCloseReason::IdleTimeout);
    wait::until("the idle one to be counted", closed, |closed| *closed == 1).await;
    // The shutdown finds it.
    tokio::spawn(async move {
        let mut stays = stays;
        let _ = stays.read(&mut [0]).await;
    });
}

async fn handshakes(scope: &Scope) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = config.with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let server = scope.server("tls").build().unwrap();
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = tcp.local_addr().unwrap();
    let listener = server.listen(tcp).tls(TlsAcceptor::from(Arc::new(config)));
    tokio::spawn(server.serve(listener, router()));
    let plain = begin(addr, "GET", "/").await;
    let failed = async || server.snapshot().closed(ServerCloseReason::TlsHandshakeFailed);
    wait::until("the handshake to fail", failed, |failed| *failed == 1).await;
    drop(plain);
}
