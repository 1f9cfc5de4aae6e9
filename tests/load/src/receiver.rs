//! Programs that take OTLP, in processes of their own, and what they use.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::json;

/// From the start of a program to its first answer.
const START: Duration = Duration::from_secs(30);
/// How often it is looked whether it is ready.
const LOOK: Duration = Duration::from_millis(20);

/// A running program that takes OTLP; ended when dropped.
#[derive(Debug)]
pub struct Receiver {
    child: Child,
    /// Where it takes OTLP over gRPC.
    pub grpc: SocketAddr,
    /// Where it takes OTLP over HTTP.
    pub http: SocketAddr,
    /// Where browsers find it, if it is the dashboard.
    pub page: Option<SocketAddr>,
}

impl Receiver {
    /// Starts the dashboard, with these settings beside its addresses.
    ///
    /// # Errors
    /// If it does not start, or does not tell where it listens.
    pub fn dashboard(program: &Path, settings: &[String]) -> Result<Self> {
        let mut command = Command::new(program);
        for flag in ["--http-addr", "--otlp-grpc-addr", "--otlp-http-addr"] {
            command.args([flag, "127.0.0.1:0"]);
        }
        let mut child = spawn(command.args(settings).stdout(Stdio::piped()))?;
        let stdout = child.stdout.take().context("the dashboard has no stdout")?;
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        // Made before it is ready, so that it is ended also when it never is.
        let mut receiver = Self { child, grpc: nowhere, http: nowhere, page: None };
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            let Some((name, addr)) = line.split_once("http://") else { continue };
            let addr =
                addr.trim().parse().with_context(|| format!("the dashboard told no address: {line}"))?;
            match name.trim() {
                "dashboard" => receiver.page = Some(addr),
                "otlp/grpc" => receiver.grpc = addr,
                "otlp/http" => receiver.http = addr,
                _ => {}
            }
            if receiver.page.is_some() && receiver.grpc != nowhere && receiver.http != nowhere {
                receiver.wait()?;
                return Ok(receiver);
            }
        }
        bail!("the dashboard ended before it had told its addresses")
    }

    /// Starts the OpenTelemetry Collector with nothing but a receiver of OTLP, and an exporter that does nothing.
    ///
    /// # Errors
    /// If it does not start.
    pub fn collector(program: &Path) -> Result<Self> {
        let [grpc, http] = free()?;
        let pipeline = json!({ "receivers": ["otlp"], "exporters": ["nop"] });
        let config = json!({
            "receivers": { "otlp": { "protocols": {
                "grpc": { "endpoint": grpc.to_string() },
                "http": { "endpoint": http.to_string() },
            } } },
            "exporters": { "nop": {} },
            "service": {
                "pipelines": { "metrics": pipeline, "logs": pipeline },
                "telemetry": { "metrics": { "level": "none" }, "logs": { "level": "error" } },
            },
        });
        let child =
            spawn(Command::new(program).arg(format!("--config=yaml:{config}")).stdout(Stdio::null()))?;
        let mut receiver = Self { child, grpc, http, page: None };
        receiver.wait()?;
        Ok(receiver)
    }

    fn wait(&mut self) -> Result<()> {
        let deadline = Instant::now() + START;
        while TcpStream::connect(self.grpc).and(TcpStream::connect(self.http)).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("a receiver ended before it was ready ({status}); what it wrote above says why");
            }
            if Instant::now() >= deadline {
                bail!("a receiver was not ready within {} s", START.as_secs());
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Processor time that it has used, in the kernel too.
    ///
    /// # Errors
    /// If the system does not tell it: it is not Linux, or the program has ended.
    pub fn cpu(&self) -> Result<Duration> {
        let stat = self.proc("stat")?;
        // The name of the program may have spaces.
        let after = stat.rsplit_once(") ").context("/proc/PID/stat is not as it was")?.1;
        let ticks = |index| after.split(' ').nth(index).and_then(|text| text.parse::<u64>().ok());
        let (user, system) = ticks(11).zip(ticks(12)).context("/proc/PID/stat is not as it was")?;
        Ok(Duration::from_secs_f64((user + system) as f64 / rustix::param::clock_ticks_per_second() as f64))
    }

    /// Memory that it holds, in bytes.
    ///
    /// # Errors
    /// If the system does not tell it.
    pub fn resident(&self) -> Result<u64> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kib.map(|kib| kib * 1024).context("/proc/PID/status has no VmRSS")
    }

    fn proc(&self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.child.id());
        fs::read_to_string(&path).with_context(|| format!("cannot read {path}; this bench needs Linux"))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // Both fail only when it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(command: &mut Command) -> Result<Child> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).spawn().with_context(|| format!("cannot start {program}"))
}

/// Ports that nobody has: the Collector does not tell which it took.
fn free() -> Result<[SocketAddr; 2]> {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let (one, other) = (listen()?, listen()?);
    Ok([one.local_addr()?, other.local_addr()?])
}
