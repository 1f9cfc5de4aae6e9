//! `cargo xtask demo`: the dashboard and a service with pools to look at.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Result;

use crate::process::{Stop, say};
use crate::running::{self, Ports, Ready};
use crate::workspace::Workspace;

/// Builds and starts the dashboard and a demo service that reports to it, and prints the address to open.
///
/// The demo service is real: reqwest and hyper clients on loopback sockets against upstreams that slow down, fail, reset
/// connections and recover. Ends with Ctrl-C. Installs what `cargo xtask ui` installs, and nothing else.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Port of the dashboard in the browser
    #[arg(long, default_value_t = 4320)]
    port: u16,
    /// Port for OTLP over gRPC
    #[arg(long, default_value_t = 4317)]
    grpc_port: u16,
    /// Port for OTLP over HTTP
    #[arg(long, default_value_t = 4318)]
    http_port: u16,
    /// Lets breakers of the demo service be held on the page Breakers, which asks for a login
    #[arg(long)]
    control: bool,
    /// Ends by itself after so many seconds
    #[arg(long)]
    seconds: Option<u64>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    Stop::listen()?;
    for (what, flag, port) in [
        ("the dashboard", "--port", args.port),
        ("OTLP over gRPC", "--grpc-port", args.grpc_port),
        ("OTLP over HTTP", "--http-port", args.http_port),
    ] {
        running::check_free(what, flag, port)?;
    }
    running::build(workspace)?;
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let ports = Ports { http: at(args.port), otlp_grpc: at(args.grpc_port), otlp_http: at(args.http_port) };
    let (mut dashboard, ready) = running::dashboard(workspace, &ports, args.control)?;
    let flags: &[&str] = if args.control { &["--control"] } else { &[] };
    let mut demo = running::demo(workspace, &ready.otlp_grpc, &[], flags)?;
    announce(&ready, args.seconds);

    running::watch(
        &mut [("the dashboard", &mut dashboard), ("the demo service", &mut demo)],
        args.seconds.map(Duration::from_secs),
    )?;
    // The service first, so that it can still deliver what it has.
    demo.stop();
    dashboard.stop();
    say("the demo has ended");
    Ok(())
}

fn announce(ready: &Ready, seconds: Option<u64>) {
    let line = "=".repeat(72);
    let page = ready.login.as_ref().unwrap_or(&ready.dashboard);
    println!("\n{line}\n\n    Open  {page}\n");
    println!("    Own services report by OTLP to {} (gRPC) or {} (HTTP).", ready.otlp_grpc, ready.otlp_http);
    match seconds {
        Some(seconds) => println!("    Ends after {seconds} s, or with Ctrl-C.\n\n{line}\n"),
        None => println!("    Ends with Ctrl-C.\n\n{line}\n"),
    }
}
