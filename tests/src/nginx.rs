//! A real nginx on loopback, whose own count of connections is another outside truth.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use std::{env, fs, io};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{tls, wait};

/// Names the program, when it is not on the search path.
pub const PROGRAM: &str = "NGINX_BIN";

/// nginx can't be asked for a free port, so one that was free a moment ago is tried; others may be as quick.
const TRIES: usize = 5;
/// Name of its log.
const LOG: &str = "error.log";
const START: Duration = Duration::from_secs(10);

/// How nginx treats its connections.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long it keeps idle connections; whole seconds.
    pub keepalive_timeout: Duration,
    /// Requests after which it ends a connection: by `Connection: close`, or by GOAWAY.
    pub keepalive_requests: u32,
    /// Speak HTTP/2: negotiated over TLS, else only HTTP/2.
    pub http2: bool,
    /// Speak TLS.
    pub tls: bool,
    /// Where it passes requests below `/pass/` on to, by HTTP/1.1 and with what they ask to switch to.
    pub passes_to: Option<SocketAddr>,
    /// It can be told to start anew, for which a second process looks after the one that serves.
    pub reloads: bool,
}

impl Default for Settings {
    /// As nginx has it.
    fn default() -> Self {
        Self {
            keepalive_timeout: Duration::from_secs(75),
            keepalive_requests: 1000,
            http2: false,
            tls: false,
            passes_to: None,
            reloads: false,
        }
    }
}

/// What nginx counts, less what asking for it added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status {
    /// Connections that are open.
    pub active: u64,
    /// Connections that were accepted.
    pub accepted: u64,
    /// Connections that were not dropped at once for want of room.
    pub handled: u64,
    /// Requests.
    pub requests: u64,
    /// Connections whose request head is being read.
    pub reading: u64,
    /// Connections that are being answered; an HTTP/2 connection counts here for as long as it has streams.
    pub writing: u64,
    /// Connections without a request.
    pub waiting: u64,
}

/// A running nginx; dropping it ends it.
#[derive(Debug)]
pub struct Nginx {
    child: Child,
    folder: PathBuf,
    addr: SocketAddr,
    status: SocketAddr,
    scheme: &'static str,
    reloads: bool,
    /// Times that the status was asked for.
    asked: AtomicU64,
}

impl Nginx {
    /// Starts nginx on a free port of the loopback. It answers `/` with a word and `/big` with 8 MiB.
    ///
    /// # Errors
    /// If there is no nginx, or it does not start; the error has what it said.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let mut failure = None;
        for _ in 0..TRIES {
            match Self::try_start(settings).await {
                Ok(nginx) => return Ok(nginx),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| io::Error::other("nginx was not tried")))
    }

    async fn try_start(settings: Settings) -> io::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Relaxed);
        let folder = env::temp_dir().join(format!("poolscope-nginx-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let (addr, status) = free_ports()?;
        fs::write(folder.join("nginx.conf"), config(&folder, settings, addr, status)?)?;
        let log = folder.join(LOG);
        let child = Command::new(program()?)
            .arg("-e")
            .arg(&log)
            .arg("-p")
            .arg(&folder)
            .args(["-c", "nginx.conf"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let scheme = if settings.tls { "https" } else { "http" };
        let reloads = settings.reloads;
        let mut nginx = Self { child, folder, addr, status, scheme, reloads, asked: AtomicU64::new(0) };
        let deadline = Instant::now() + START;
        while nginx.status().await.is_err() {
            if nginx.child.try_wait()?.is_some() || Instant::now() >= deadline {
                let said = fs::read_to_string(log).unwrap_or_default();
                return Err(io::Error::other(format!("nginx does not answer: {said}")));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(nginx)
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

    /// Asks nginx for its counts.
    ///
    /// # Errors
    /// If it does not answer, or not as `stub_status` does.
    pub async fn status(&self) -> io::Result<Status> {
        let mut stream = TcpStream::connect(self.status).await?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        let asked = self.asked.fetch_add(1, Relaxed) + 1;
        let status = parse(&text)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("no stub_status: {text}")))?;
        Ok(Status {
            active: status.active.saturating_sub(1),
            writing: status.writing.saturating_sub(1),
            accepted: status.accepted.saturating_sub(asked),
            handled: status.handled.saturating_sub(asked),
            requests: status.requests.saturating_sub(asked),
            ..status
        })
    }
}

impl Nginx {
    /// Has another process serve, and waits until it does; the one before ends its connections in order.
    ///
    /// # Errors
    /// If it is gone.
    ///
    /// # Panics
    /// If it was not set up for that, or does not do it.
    pub async fn reload(&self) -> io::Result<()> {
        assert!(self.reloads, "{} does without a second process", self.addr);
        let ended =
            || fs::read_to_string(self.log()).map(|log| log.matches("gracefully shutting down").count());
        let before = ended()?;
        self.signal(Signal::HUP)?;
        wait::until("nginx to start anew", async || ended().unwrap_or_default(), |ended| *ended > before)
            .await;
        Ok(())
    }

    fn log(&self) -> PathBuf {
        self.folder.join(LOG)
    }

    /// Ends it at once, whatever is in flight.
    ///
    /// # Errors
    /// If it is gone.
    pub fn stop(&mut self) -> io::Result<()> {
        self.signal(Signal::TERM)?;
        self.child.wait().map(drop)
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = i32::try_from(self.child.id()).map_err(io::Error::other)?;
        let pid = Pid::from_raw(pid).ok_or_else(|| io::Error::other("no process has the number 0"))?;
        Ok(kill_process(pid, signal)?)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // That it has ended already is no harm, and neither is a folder that stays behind.
        if !matches!(self.child.try_wait(), Ok(Some(_))) && self.stop().is_err() {
            let _ = self.child.kill();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn program() -> io::Result<PathBuf> {
    if let Some(program) = env::var_os(PROGRAM) {
        return Ok(program.into());
    }
    // Debian puts it where only root's search path leads.
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join("nginx")).find(|file| file.is_file()).ok_or_else(|| {
        io::Error::new(io::ErrorKind::NotFound, format!("no nginx on the path and no {PROGRAM}"))
    })
}

fn free_ports() -> io::Result<(SocketAddr, SocketAddr)> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let (one, other) = (bind()?, bind()?);
    Ok((one.local_addr()?, other.local_addr()?))
}

fn config(folder: &Path, settings: Settings, addr: SocketAddr, status: SocketAddr) -> io::Result<String> {
    fs::write(folder.join("big"), vec![b'x'; 8 << 20])?;
    let (certificate, key) = tls::pem();
    fs::write(folder.join("cert.pem"), certificate)?;
    fs::write(folder.join("key.pem"), key)?;
    let Settings { keepalive_timeout, keepalive_requests, .. } = settings;
    let keepalive_timeout = keepalive_timeout.as_secs();
    let http2 = if settings.http2 { " http2" } else { "" };
    let tls = if settings.tls { " ssl" } else { "" };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("{name}_temp_path {name};\n"))
        .collect();
    let pass = settings.passes_to.map_or_else(String::new, |addr| {
        format!(
            "location /pass/ {{
            proxy_pass http://{addr};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $http_connection;
        }}"
        )
    });
    let master = if settings.reloads { "on" } else { "off" };
    // Its own user serves too: the folder is nobody else's. Relative paths start at the folder.
    Ok(format!(
        "daemon off;
master_process {master};
worker_processes 1;
pid nginx.pid;
error_log {LOG} notice;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    {temporary}
    keepalive_timeout {keepalive_timeout}s;
    keepalive_requests {keepalive_requests};
    default_type text/plain;
    server {{
        listen {addr}{tls}{http2} backlog=4096;
        ssl_certificate {folder}/cert.pem;
        ssl_certificate_key {folder}/key.pem;
        ssl_protocols TLSv1.3;
        root {folder};
        location = / {{ return 200 hello; }}
        location = /big {{ }}
        {pass}
    }}
    server {{
        listen {status};
        location / {{ stub_status; }}
    }}
}}
",
        folder = folder.display()
    ))
}

fn parse(text: &str) -> Option<Status> {
    let number = |name: &str| -> Option<u64> {
        let (_, rest) = text.split_once(name)?;
        rest.split_whitespace().next()?.parse().ok()
    };
    let (_, sums) = text.split_once("server accepts handled requests")?;
    let mut sums = sums.split_whitespace().map(str::parse::<u64>);
    let mut sum = || sums.next()?.ok();
    Some(Status {
        active: number("Active connections:")?,
        accepted: sum()?,
        handled: sum()?,
        requests: sum()?,
        reading: number("Reading:")?,
        writing: number("Writing:")?,
        waiting: number("Waiting:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_page_is_read() {
        let text = "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\n\r\nActive connections: 3 \n\
            server accepts handled requests\n 5 6 7 \nReading: 0 Writing: 1 Waiting: 2 \n";
        let expected =
            Status { active: 3, accepted: 5, handled: 6, requests: 7, reading: 0, writing: 1, waiting: 2 };
        assert_eq!(parse(text), Some(expected));
        assert_eq!(parse("HTTP/1.1 404 Not Found"), None);
    }
}
