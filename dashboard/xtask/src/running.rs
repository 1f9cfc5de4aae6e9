//! Programs of ours that a command starts, waits for and watches.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::process::{self, Group, Stop, TICK};
use crate::ui;
use crate::workspace::Workspace;

/// From the start of a program to its first answer. The dashboard takes a fraction of a second, others some.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(30);

/// Builds the dashboard, with its UI, and the demo service.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    ui::run(workspace, ui::Args::default())?;
    process::run(process::cargo().current_dir(&workspace.root).args([
        "build",
        "--package=poolscope-dashboard",
        "--package=poolscope-tests",
        "--bin=poolscope-dashboard",
        "--bin=poolscope-demo",
    ]))
}

fn program(workspace: &Workspace, name: &str) -> Command {
    let folder = workspace.target_dir.join("debug");
    Command::new(folder.join(name).with_extension(std::env::consts::EXE_EXTENSION))
}

/// Where the dashboard listens.
pub(crate) struct Ports {
    pub(crate) http: SocketAddr,
    pub(crate) otlp_grpc: SocketAddr,
    pub(crate) otlp_http: SocketAddr,
}

/// Starts the dashboard that was built, and waits until it answers; with control it asks for a login.
pub(crate) fn dashboard(workspace: &Workspace, ports: &Ports, control: bool) -> Result<(Group, Ready)> {
    let mut server = program(workspace, "poolscope-dashboard");
    server.args(["--http-addr", &ports.http.to_string()]);
    server.args(["--otlp-grpc-addr", &ports.otlp_grpc.to_string()]);
    server.args(["--otlp-http-addr", &ports.otlp_http.to_string()]);
    server.args(control.then_some("--allow-control"));
    let mut group = Group::start(server.stdin(Stdio::null()).stdout(Stdio::piped()))?;
    let ready = wait_until_ready(&mut group, control)?;
    Ok((group, ready))
}

/// Starts the demo service that was built; it reports by OTLP over gRPC to this address, with these settings and flags.
pub(crate) fn demo(
    workspace: &Workspace,
    endpoint: &str,
    settings: &[(&str, &str)],
    flags: &[&str],
) -> Result<Group> {
    let mut service = program(workspace, "poolscope-demo");
    service.args(flags);
    service.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).env("OTEL_SERVICE_NAME", "poolscope-demo");
    service.envs(settings.iter().copied());
    Group::start(service.stdin(Stdio::null()))
}

/// Waits until the user wants to stop, or the time is over; fails when one of the programs ends by itself.
pub(crate) fn watch(programs: &mut [(&str, &mut Group)], limit: Option<Duration>) -> Result<()> {
    let end = limit.map(|limit| Instant::now() + limit);
    while !Stop::wanted() && end.is_none_or(|end| Instant::now() < end) {
        for (name, group) in programs.iter_mut() {
            if Stop::wanted() {
                break;
            }
            if let Some(status) = group.status()? {
                bail!("{name} ended by itself ({status}); {}", group.says_why());
            }
        }
        thread::sleep(TICK);
    }
    Ok(())
}

/// Fails, and says what to do, where a port can't be had.
pub(crate) fn check_free(what: &str, flag: &str, port: u16) -> Result<()> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            bail!("port {port} for {what} is in use; end what uses it, or choose another port with {flag}")
        }
        Err(error) => bail!("port {port} for {what} cannot be used ({error}); choose another with {flag}"),
    }
}

/// The addresses that the dashboard has told.
pub(crate) struct Ready {
    pub(crate) dashboard: String,
    pub(crate) otlp_grpc: String,
    pub(crate) otlp_http: String,
    /// The link that logs a browser in, where one is asked for.
    pub(crate) login: Option<String>,
}

/// Reads the dashboard's stdout until it has told its addresses, then asks it for its health.
fn wait_until_ready(server: &mut Group, asks_for_login: bool) -> Result<Ready> {
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
            && (!asks_for_login || url("login").is_some())
            && is_healthy(&dashboard)
        {
            return Ok(Ready { dashboard, otlp_grpc, otlp_http, login: url("login") });
        }
        if let Some(status) = server.status()? {
            bail!("the dashboard ended before it was ready ({status}); what it wrote above says why");
        }
        if Instant::now() >= deadline {
            bail!("the dashboard did not become ready within {} s", START_LIMIT.as_secs());
        }
    }
}

fn is_healthy(dashboard: &str) -> bool {
    answers(&format!("{}/healthz", dashboard.trim_end_matches('/')))
}

/// Whether a server answers this URL, of plain HTTP, with 200.
pub(crate) fn answers(url: &str) -> bool {
    let ask = || -> std::io::Result<String> {
        let url = url.trim_start_matches("http://");
        let (authority, path) = url.split_once('/').unwrap_or((url, ""));
        let mut stream = TcpStream::connect(authority)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        // In one piece: a server may answer and close as soon as it has seen enough.
        let request = format!("GET /{path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.take(4096).read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
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
