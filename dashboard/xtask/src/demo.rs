//! `cargo xtask demo`: the dashboard and a service with pools to look at.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::{self, Group, Stop, TICK, say};
use crate::ui;
use crate::workspace::Workspace;

/// From the start of the server to its first answer; it takes a fraction of a second.
const START_LIMIT: Duration = Duration::from_secs(30);

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
        check_free(what, flag, port)?;
    }
    ui::run(workspace, ui::Args::default())?;
    process::run(process::cargo().current_dir(&workspace.root).args([
        "build",
        "--package=poolscope-dashboard",
        "--package=poolscope-tests",
        "--bin=poolscope-dashboard",
        "--bin=poolscope-demo",
    ]))?;
    let program = |name: &str| {
        Command::new(
            workspace.target_dir.join("debug").join(name).with_extension(std::env::consts::EXE_EXTENSION),
        )
    };

    let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string();
    let mut server = program("poolscope-dashboard");
    server.args(["--http-addr", &address(args.port)]);
    server.args(["--otlp-grpc-addr", &address(args.grpc_port), "--otlp-http-addr", &address(args.http_port)]);
    let mut dashboard = Group::start(server.stdin(Stdio::null()).stdout(Stdio::piped()))?;
    let ready = wait_until_ready(&mut dashboard)?;

    let mut service = program("poolscope-demo");
    service.env("OTEL_EXPORTER_OTLP_ENDPOINT", &ready.otlp_grpc).env("OTEL_SERVICE_NAME", "poolscope-demo");
    let mut demo = Group::start(service.stdin(Stdio::null()))?;
    announce(&ready, args.seconds);

    let end = args.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    loop {
        for (name, group) in [("the dashboard", &mut dashboard), ("the demo service", &mut demo)] {
            if Stop::wanted() {
                break;
            }
            if let Some(status) = group.status()? {
                bail!("{name} ended by itself ({status}); what it wrote above says why");
            }
        }
        if Stop::wanted() || end.is_some_and(|end| Instant::now() >= end) {
            break;
        }
        thread::sleep(TICK);
    }
    // The service first, so that it can still deliver what it has.
    demo.stop();
    dashboard.stop();
    say("the demo has ended");
    Ok(())
}

fn check_free(what: &str, flag: &str, port: u16) -> Result<()> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            bail!("port {port} for {what} is in use; end what uses it, or choose another port with {flag}")
        }
        Err(error) => bail!("port {port} for {what} cannot be used ({error}); choose another with {flag}"),
    }
}

/// The addresses that the dashboard has told.
struct Ready {
    dashboard: String,
    otlp_grpc: String,
    otlp_http: String,
}

/// Reads the dashboard's stdout until it has told its addresses, then asks it for its health.
fn wait_until_ready(server: &mut Group) -> Result<Ready> {
    let deadline = Instant::now() + START_LIMIT;
    let stdout = server.take_stdout().context("the dashboard has no stdout")?;
    let (sender, lines) = std::sync::mpsc::channel();
    // Goes on after the addresses, so that the dashboard never finds its stdout closed.
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(std::result::Result::ok) {
            println!("{line}");
            let _ = sender.send(line);
        }
    });

    let mut told = std::collections::HashMap::new();
    loop {
        if let Ok(line) = lines.recv_timeout(TICK)
            && let Some((name, url)) = line.split_once("http://")
        {
            told.insert(name.trim().to_owned(), format!("http://{}", url.trim()));
        }
        let url = |name: &str| told.get(name).cloned();
        if let (Some(dashboard), Some(otlp_grpc), Some(otlp_http)) =
            (url("dashboard"), url("otlp/grpc"), url("otlp/http"))
            && is_healthy(&dashboard)
        {
            return Ok(Ready { dashboard, otlp_grpc, otlp_http });
        }
        if let Some(status) = server.status()? {
            bail!("the dashboard ended before it was ready ({status}); what it wrote above says why");
        }
        if Instant::now() >= deadline {
            bail!("the dashboard did not become ready within {} s", START_LIMIT.as_secs());
        }
    }
}

fn is_healthy(url: &str) -> bool {
    let ask = || -> std::io::Result<String> {
        let authority = url.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(authority)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        // In one piece: a server may answer and close as soon as it has seen enough.
        let request = format!("GET /healthz HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.take(4096).read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

fn announce(ready: &Ready, seconds: Option<u64>) {
    let line = "=".repeat(72);
    println!("\n{line}\n\n    Open  {}\n", ready.dashboard);
    println!("    Own services report by OTLP to {} (gRPC) or {} (HTTP).", ready.otlp_grpc, ready.otlp_http);
    match seconds {
        Some(seconds) => println!("    Ends after {seconds} s, or with Ctrl-C.\n\n{line}\n"),
        None => println!("    Ends with Ctrl-C.\n\n{line}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_named_with_its_flag() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = check_free("OTLP over gRPC", "--grpc-port", port).unwrap_err().to_string();
        assert!(error.contains(&port.to_string()) && error.contains("--grpc-port"), "{error}");
        drop(taken);
        check_free("OTLP over gRPC", "--grpc-port", port).unwrap();
    }

    #[test]
    fn health_is_an_answer_with_status_200() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            for status in ["503 Service Unavailable", "200 OK"] {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).unwrap();
                write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").unwrap();
            }
        });
        assert!(!is_healthy(&url));
        assert!(is_healthy(&url));
        server.join().unwrap();
        assert!(!is_healthy(&url), "nobody listens");
    }
}
