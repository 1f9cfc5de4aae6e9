//! The server, in a process of its own: one port for each kind of client, with counts of what came there.
//!
//! It tells its ports and its certificate in one line of JSON, and answers each line on stdin with its counts. It ends when
//! its stdin does.

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use super::limits::allow_open_files;
use super::tls;
use crate::server::BODY;

/// Connections that may wait to be accepted: as many as a client opens at a time, and more.
const BACKLOG: u32 = 4_096;

/// What came to one port.
#[derive(Debug, Default)]
struct Port {
    accepted: AtomicU64,
    open: AtomicU64,
    most_open: AtomicU64,
    requests: AtomicU64,
}

impl Port {
    fn counts(&self) -> Value {
        json!({
            "accepted": self.accepted.load(Relaxed),
            "most_open": self.most_open.load(Relaxed),
            "requests": self.requests.load(Relaxed),
        })
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, tls: Option<TlsAcceptor>) {
        // With its listener, the port is gone: who asks it from then on fails, and counts that.
        while let Ok((stream, _)) = listener.accept().await {
            self.accepted.fetch_add(1, Relaxed);
            self.most_open.fetch_max(self.open.fetch_add(1, Relaxed) + 1, Relaxed);
            let (port, tls) = (Arc::clone(&self), tls.clone());
            tokio::spawn(async move {
                // Without it, answers would wait; with a socket that is gone, there is none.
                let _ = stream.set_nodelay(true);
                match tls {
                    None => port.serve(stream).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            port.serve(stream).await;
                        }
                    }
                }
                port.open.fetch_sub(1, Relaxed);
            });
        }
    }

    async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let answer = service_fn(|_| async {
            self.requests.fetch_add(1, Relaxed);
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(BODY))))
        });
        // A client that goes away is no fault of the server.
        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
    }
}

/// Serves until stdin ends; `connections` may be open at a time.
///
/// # Errors
///
/// A limit of the system that is too low, or no port on the loopback.
pub fn serve_scale(is_tls: bool, connections: usize, tell: impl Fn(&str)) -> Result<()> {
    allow_open_files(connections)?;
    let runtime = Runtime::new()?;
    let (tls, certificate) = match is_tls {
        true => tls::server()
            .map(|(config, certificate)| (Some(TlsAcceptor::from(config)), certificate.to_vec()))?,
        false => (None, Vec::new()),
    };
    let _inside = runtime.enter();
    let scheme = if is_tls { "https" } else { "http" };
    let start = || -> Result<(String, Arc<Port>)> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let (listener, port) = (socket.listen(BACKLOG)?, Arc::<Port>::default());
        let url = format!("{scheme}://{}/", listener.local_addr()?);
        runtime.spawn(Arc::clone(&port).accept(listener, tls.clone()));
        Ok((url, port))
    };
    let ((shared_url, shared), (fresh_url, fresh)) = (start()?, start()?);
    tell(&json!({ "shared": shared_url, "fresh": fresh_url, "certificate": certificate }).to_string());
    for line in std::io::stdin().lock().lines() {
        line?;
        tell(&json!({ "shared": shared.counts(), "fresh": fresh.counts() }).to_string());
    }
    Ok(())
}

/// What a server has counted at one of its ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    /// Connections accepted.
    pub(super) accepted: u64,
    /// Most of them open at a time.
    pub(super) most_open: u64,
    /// Requests answered.
    pub(super) requests: u64,
}

/// A server in a process of its own; ended when dropped.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    /// Where the shared client asks.
    pub(super) shared: String,
    /// Where the clients made for one request ask.
    pub(super) fresh: String,
    /// What it shows; empty without TLS.
    pub(super) certificate: CertificateDer<'static>,
}

impl Server {
    /// Starts the program and waits for its ports.
    pub(super) fn start(program: &Path, is_tls: bool, connections: usize) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(["--connections", &connections.to_string()]);
        if is_tls {
            command.arg("--tls");
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let stdin = child.stdin.take().context("the server has no stdin")?;
        let stdout = BufReader::new(child.stdout.take().context("the server has no stdout")?);
        let (shared, fresh, certificate) = (String::new(), String::new(), CertificateDer::from(Vec::new()));
        // Made before its ports are known, so that the process is ended also when it tells something else.
        let mut server = Self { child, stdin, stdout, shared, fresh, certificate };
        let told = server.line()?;
        let url = |name: &str| told[name].as_str().map(str::to_owned).context("the server told no URL");
        (server.shared, server.fresh) = (url("shared")?, url("fresh")?);
        let bytes: Vec<u8> = serde_json::from_value(told["certificate"].clone())?;
        server.certificate = bytes.into();
        Ok(server)
    }

    /// What it has counted of the shared client and of those made for one request.
    pub(super) fn counts(&mut self) -> Result<[Counts; 2]> {
        writeln!(self.stdin, "count")?;
        let told = self.line()?;
        let of = |port: &str| -> Option<Counts> {
            let count = |name: &str| told[port][name].as_u64();
            Some(Counts {
                accepted: count("accepted")?,
                most_open: count("most_open")?,
                requests: count("requests")?,
            })
        };
        of("shared").zip(of("fresh")).map(Into::into).context("the server did not tell its counts")
    }

    fn line(&mut self) -> Result<Value> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        serde_json::from_str(&line).context("the server did not answer with JSON")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
