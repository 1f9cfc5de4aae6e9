//! A program that may not open a netlink socket, as in a container with a strict profile: it observes a reqwest client and a
//! server there and prints what they say, as JSON.
#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use axum::Router;
use axum::routing::get;
use http::StatusCode;
use poolscope::{Scope, ScopeSnapshot, ServerCloseReason};
use poolscope_tests::client::{Client, Kind, Settings};
use poolscope_tests::upstream::{Options, Upstream, answer, answer_with};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

/// How long the client keeps idle connections, and the server those of who reads nothing.
const IDLE: Duration = Duration::from_millis(300);

/// Bytes that no kernel takes at once.
const LARGE: usize = 50_000_000;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> Result<()> {
    // Before there is another thread: a filter holds for those that are made after it.
    refuse_netlink()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (used, expired) = runtime.block_on(use_a_client())?;
    let deaf = runtime.block_on(serve_a_deaf_client())?;
    println!("{}", json!({ "used": used, "expired": expired, "deaf": deaf }));
    Ok(())
}

/// A client that asks for something large and reads nothing, until its connection is gone.
async fn serve_a_deaf_client() -> Result<ScopeSnapshot> {
    let scope = Scope::new();
    let server = scope.server("api").write_timeout(IDLE).build()?;
    let listener = server.listen(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?);
    let addr = listener.local_addr()?;
    let routes = Router::new().route("/", get(async || vec![7_u8; LARGE]));
    let serving = tokio::spawn(server.serve(listener, routes));
    let mut client = TcpStream::connect(addr).await?;
    client.write_all(b"GET / HTTP/1.1\r\nhost: api\r\n\r\n").await?;
    let is_gone = || server.snapshot().closed(ServerCloseReason::WriteTimeout) > 0;
    let begin = Instant::now();
    while !is_gone() && begin.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    serving.abort();
    Ok(scope.snapshot())
}

/// Three requests on one connection and two that end theirs, then as long as it takes until the first has expired.
async fn use_a_client() -> Result<(ScopeSnapshot, ScopeSnapshot)> {
    let upstream = Upstream::start(Options::default(), |request| async move {
        match request.uri().path() {
            "/close" => answer_with(StatusCode::OK, "bye", "connection", "close"),
            _ => answer(StatusCode::OK, "hello"),
        }
    })
    .await?;
    let scope = Scope::new();
    let settings = Settings { idle_timeout: Some(IDLE), ..Settings::default() };
    let client = Client::new(&scope, Kind::ReqwestH1, settings).map_err(anyhow::Error::from_boxed)?;
    for path in ["/close", "/close", "/", "/", "/"] {
        client.read(&upstream.url(path)).await.map_err(anyhow::Error::from_boxed)?;
        // A connection is back in the pool some moments after the end of the body.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let used = scope.snapshot();
    tokio::time::sleep(2 * IDLE + Duration::from_millis(400)).await;
    Ok((used, scope.snapshot()))
}

#[cfg(target_os = "linux")]
fn refuse_netlink() -> Result<()> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule,
    };

    let family = u64::from(AddressFamily::NETLINK.as_raw());
    let is_netlink = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, family)?;
    let rules = [(libc::SYS_socket, vec![SeccompRule::new(vec![is_netlink])?])].into();
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, std::env::consts::ARCH.try_into()?)?;
    seccompiler::apply_filter(&BpfProgram::try_from(filter)?)?;

    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None);
    ensure!(socket.err() == Some(rustix::io::Errno::PERM), "the filter does not refuse netlink sockets");
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn refuse_netlink() -> Result<()> {
    // There is no netlink to be refused.
    Ok(())
}
