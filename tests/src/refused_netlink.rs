//! A program that may not open a netlink socket, as in a container with a strict profile: it observes a reqwest client
//! there and prints what the pool says, as JSON.
#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::time::Duration;

use anyhow::{Result, ensure};
use http::StatusCode;
use poolscope::{Scope, ScopeSnapshot};
use poolscope_tests::client::{Client, Kind, Settings};
use poolscope_tests::upstream::{Options, Upstream, answer, answer_with};
use serde_json::json;

/// How long the client keeps idle connections.
const IDLE: Duration = Duration::from_millis(300);

fn main() -> Result<()> {
    // Before there is another thread: a filter holds for those that are made after it.
    refuse_netlink()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (used, expired) = runtime.block_on(use_a_client())?;
    println!("{}", json!({ "used": used, "expired": expired }));
    Ok(())
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
