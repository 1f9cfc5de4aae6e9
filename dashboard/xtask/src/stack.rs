//! `cargo xtask stack`: the real programs that take telemetry, with the committed configurations.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::process::{Group, Stop, TICK, say};
use crate::provision::{jaeger, otelcol, prometheus};
use crate::running::{self, Ports, START_LIMIT};
use crate::workspace::Workspace;

const COLLECTOR: &str = "collector-config/collector/gateway.yaml";
const JAEGER: &str = "collector-config/jaeger/config.yaml";
const PROMETHEUS: &str = "collector-config/prometheus";
/// What the committed configuration of Prometheus scrapes.
const SCRAPED: &str = "127.0.0.1:9464";
const SCRAPED_OWN: &str = "127.0.0.1:8888";

/// The service does not see the dashboard behind the Collector, so it has to be told to report every second.
const LIVE: (&str, &str) = ("OTEL_METRIC_EXPORT_INTERVAL", "1000");

/// Starts Collector, Prometheus, Jaeger and the dashboard with the files of collector-config, and prints their addresses.
///
/// Services report to the Collector's OTLP ports, which are the well-known ones. Builds the Collector and Jaeger with Go, once,
/// and unpacks Debian's Prometheus, unless they are on the search path or named by OTELCOL_BIN, JAEGER_BIN, PROMETHEUS_BIN and
/// PROMTOOL_BIN. Grafana is in no package: its dashboards, and how to give them to yours, are in collector-config/grafana. Ends
/// with Ctrl-C.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Starts the demo service too, which reports to the Collector
    #[arg(long)]
    demo: bool,
    /// Takes free ports instead of the well-known ones
    #[arg(long)]
    free_ports: bool,
    /// Ends by itself after so many seconds
    #[arg(long)]
    seconds: Option<u64>,
}

/// Where everything listens.
#[derive(Debug, Clone, Copy)]
struct Addrs {
    otlp_grpc: SocketAddr,
    otlp_http: SocketAddr,
    scraped: SocketAddr,
    collector_health: SocketAddr,
    collector_own: SocketAddr,
    dashboard: SocketAddr,
    dashboard_grpc: SocketAddr,
    dashboard_http: SocketAddr,
    prometheus: SocketAddr,
    jaeger: SocketAddr,
    jaeger_query_grpc: SocketAddr,
    jaeger_grpc: SocketAddr,
    jaeger_http: SocketAddr,
    jaeger_health: SocketAddr,
}

impl Addrs {
    /// The ports of collector-config/README.md, each of which has to be free.
    fn well_known() -> Result<Self> {
        let at = |what: &str, port: u16| {
            running::check_free(what, "--free-ports", port)?;
            Ok::<_, anyhow::Error>(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        };
        Self::each(at)
    }

    /// Ports that are free now.
    fn free() -> Result<Self> {
        // Held until all are known, so that no two are the same.
        let mut held = Vec::new();
        Self::each(|what, _| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                .with_context(|| format!("there is no free port for {what}"))?;
            let addr = listener.local_addr()?;
            held.push(listener);
            Ok(addr)
        })
    }

    fn each(mut at: impl FnMut(&str, u16) -> Result<SocketAddr>) -> Result<Self> {
        Ok(Self {
            otlp_grpc: at("the Collector's OTLP over gRPC", 4317)?,
            otlp_http: at("the Collector's OTLP over HTTP", 4318)?,
            scraped: at("the Collector's metrics for Prometheus", 9464)?,
            collector_health: at("the Collector's health check", 13133)?,
            collector_own: at("the Collector's own metrics", 8888)?,
            dashboard: at("the dashboard", 4320)?,
            dashboard_grpc: at("the dashboard's OTLP over gRPC", 14317)?,
            dashboard_http: at("the dashboard's OTLP over HTTP", 14318)?,
            prometheus: at("Prometheus", 9090)?,
            jaeger: at("Jaeger's queries", 16686)?,
            jaeger_query_grpc: at("Jaeger's queries over gRPC", 16685)?,
            jaeger_grpc: at("Jaeger's OTLP over gRPC", 24317)?,
            jaeger_http: at("Jaeger's OTLP over HTTP", 24318)?,
            jaeger_health: at("Jaeger's health check", 13134)?,
        })
    }
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    Stop::listen()?;
    let root = &workspace.root;
    let programs = (otelcol::ensure(root)?, jaeger::ensure(root)?, prometheus::ensure()?);
    running::build(workspace)?;
    let addrs = if args.free_ports { Addrs::free()? } else { Addrs::well_known()? };
    let (collector, jaeger, prometheus) = programs;
    let folder = workspace.target_dir.join("stack").join(std::process::id().to_string());
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let result = run_in(&folder, workspace, args, &addrs, [&collector, &jaeger, &prometheus.server]);
    // What Prometheus has stored is as large as the run was long. The logs of a failure are what it can be told by.
    let failed = result.is_err() && !Stop::wanted();
    let _ = fs::remove_dir_all(if failed { folder.join("data") } else { folder });
    result
}

fn run_in(
    folder: &Path,
    workspace: &Workspace,
    args: &Args,
    addrs: &Addrs,
    [collector, jaeger, prometheus]: [&PathBuf; 3],
) -> Result<()> {
    let ports =
        Ports { http: addrs.dashboard, otlp_grpc: addrs.dashboard_grpc, otlp_http: addrs.dashboard_http };
    let (mut dashboard, _) = running::dashboard(workspace, &ports, false)?;
    let mut jaeger = start("Jaeger", folder, &mut jaeger_command(jaeger, &workspace.root, addrs))?;
    let mut collector =
        start("the Collector", folder, &mut collector_command(collector, &workspace.root, addrs))?;
    let mut prometheus =
        start("Prometheus", folder, &mut prometheus_command(prometheus, folder, &workspace.root, addrs)?)?;
    ready("Jaeger", &mut jaeger, &format!("http://{}/api/services", addrs.jaeger))?;
    ready("the Collector", &mut collector, &format!("http://{}/", addrs.collector_health))?;
    ready("Prometheus", &mut prometheus, &format!("http://{}/-/ready", addrs.prometheus))?;
    let mut demo = match args.demo {
        true => Some(running::demo(workspace, &format!("http://{}", addrs.otlp_grpc), &[LIVE], &[])?),
        false => None,
    };
    announce(addrs, args);

    let mut programs = vec![
        ("the dashboard", &mut dashboard),
        ("Jaeger", &mut jaeger),
        ("the Collector", &mut collector),
        ("Prometheus", &mut prometheus),
    ];
    programs.extend(demo.as_mut().map(|demo| ("the demo service", demo)));
    let result = running::watch(&mut programs, args.seconds.map(Duration::from_secs));
    // In the order in which they send to each other, so that each can still deliver what it has.
    if let Some(demo) = &mut demo {
        demo.stop();
    }
    for group in [&mut collector, &mut prometheus, &mut jaeger, &mut dashboard] {
        group.stop();
    }
    result?;
    say("the stack has ended");
    Ok(())
}

/// Starts a program that writes its log into the folder; these logs are long.
fn start(name: &str, folder: &Path, command: &mut Command) -> Result<Group> {
    let path = folder.join(format!("{}.log", name.rsplit(' ').next().unwrap_or(name)));
    say(format!("starting {name}; it writes to {}", path.display()));
    Group::start_logging(command.stdin(Stdio::null()), path)
}

fn collector_command(program: &Path, root: &Path, addrs: &Addrs) -> Command {
    let mut command = Command::new(program);
    command.arg("--config").arg(root.join(COLLECTOR));
    for (name, addr) in [
        ("OTLP_GRPC_LISTEN", addrs.otlp_grpc),
        ("OTLP_HTTP_LISTEN", addrs.otlp_http),
        ("PROMETHEUS_LISTEN", addrs.scraped),
        ("HEALTH_LISTEN", addrs.collector_health),
        ("DASHBOARD_OTLP_GRPC", addrs.dashboard_grpc),
        ("JAEGER_OTLP_GRPC", addrs.jaeger_grpc),
    ] {
        command.env(name, addr.to_string());
    }
    command.env("SELF_METRICS_PORT", addrs.collector_own.port().to_string());
    command
}

fn jaeger_command(program: &Path, root: &Path, addrs: &Addrs) -> Command {
    let mut command = Command::new(program);
    command.arg("--config").arg(root.join(JAEGER));
    for (name, addr) in [
        ("JAEGER_OTLP_GRPC_LISTEN", addrs.jaeger_grpc),
        ("JAEGER_OTLP_HTTP_LISTEN", addrs.jaeger_http),
        ("JAEGER_QUERY_LISTEN", addrs.jaeger),
        ("JAEGER_QUERY_GRPC_LISTEN", addrs.jaeger_query_grpc),
        ("JAEGER_HEALTH_LISTEN", addrs.jaeger_health),
    ] {
        command.env(name, addr.to_string());
    }
    command
}

/// Prometheus reads no environment, so it gets a copy with the ports that are scraped, beside its rules.
fn prometheus_command(program: &Path, folder: &Path, root: &Path, addrs: &Addrs) -> Result<Command> {
    let source = root.join(PROMETHEUS);
    let config = fs::read_to_string(source.join("prometheus.yml"))?;
    if !config.contains(SCRAPED) || !config.contains(SCRAPED_OWN) {
        bail!("{PROMETHEUS}/prometheus.yml does not scrape {SCRAPED} and {SCRAPED_OWN} any more");
    }
    let config = config.replace(SCRAPED, &addrs.scraped.to_string());
    let copy = folder.join("prometheus.yml");
    fs::write(&copy, config.replace(SCRAPED_OWN, &addrs.collector_own.to_string()))?;
    let rules = source.join("rules");
    if rules.is_dir() {
        fs::create_dir_all(folder.join("rules"))?;
        for rule in fs::read_dir(&rules)? {
            let rule = rule?;
            fs::copy(rule.path(), folder.join("rules").join(rule.file_name()))?;
        }
    }
    let mut command = Command::new(program);
    command.arg(format!("--config.file={}", copy.display()));
    command.arg(format!("--storage.tsdb.path={}", folder.join("data").display()));
    command.arg(format!("--web.listen-address={}", addrs.prometheus));
    command.arg("--enable-feature=exemplar-storage");
    Ok(command)
}

fn ready(name: &str, group: &mut Group, url: &str) -> Result<()> {
    let deadline = Instant::now() + START_LIMIT;
    while !running::answers(url) {
        if let Some(status) = group.status()? {
            bail!("{name} ended before it was ready ({status}); {}", group.says_why());
        }
        if Instant::now() >= deadline {
            let limit = START_LIMIT.as_secs();
            bail!("{name} did not become ready within {limit} s; {}", group.says_why());
        }
        thread::sleep(TICK);
    }
    Ok(())
}

fn announce(addrs: &Addrs, args: &Args) {
    let line = "=".repeat(72);
    println!("\n{line}\n");
    println!("    dashboard     http://{}", addrs.dashboard);
    println!("    Prometheus    http://{}", addrs.prometheus);
    println!("    Jaeger        http://{}  (its API; its pages if they are built in)", addrs.jaeger);
    println!("    Collector     http://{}  (OTLP over gRPC)", addrs.otlp_grpc);
    println!("                  http://{}  (OTLP over HTTP)", addrs.otlp_http);
    println!();
    if !args.demo {
        println!("    Services report to the Collector; with --demo one does.");
    }
    match args.seconds {
        Some(seconds) => println!("    Ends after {seconds} s, or with Ctrl-C.\n\n{line}\n"),
        None => println!("    Ends with Ctrl-C.\n\n{line}\n"),
    }
}
