//! `poolscope-dashboard`: the dashboard as a program.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use poolscope_dashboard::config::{LoadError, Loaded, load};
use poolscope_dashboard::{Config, Server, cli};
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit code of wrong arguments, as clap has it.
const USAGE: u8 = 2;

const EXAMPLES: &str = "\
Examples:
  poolscope-dashboard
      On this machine: open http://127.0.0.1:4320, send OTLP to port 4317 (gRPC) or 4318 (HTTP). In the environment of a
      service: OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
  poolscope-dashboard --store history.redb --retention 604800
      A week of history, which a restart does not end
  poolscope-dashboard --http-addr 0.0.0.0:4320 --tls-cert cert.pem --tls-key key.pem
      For others too: whoever opens the page logs in with the link that is printed
  POOLSCOPE_OTLP_API_KEY=$(openssl rand -hex 16) poolscope-dashboard --otlp-grpc-addr 0.0.0.0:4317
      Senders of other machines, who show the key in the header x-otlp-api-key
  poolscope-dashboard --source prometheus --prometheus-url http://127.0.0.1:9090
      The same pages from what Prometheus, Mimir, Thanos or VictoriaMetrics keep
  poolscope-dashboard --config poolscope.toml --print-config
      What is in force, and from where: a flag, the environment, a line of the file, or the default
  poolscope-dashboard top
      The overview of a dashboard that runs, in this terminal; `snapshot` prints it once, for scripts with --json

Configuration file, each key named like its flag, without sections; texts in quotes, numbers and true without:
  http-addr = \"0.0.0.0:4320\"
  retention = 3600
  allowed-host = [\"dash.example.com\"]
  allow-control = true

A flag outranks its environment variable, which outranks the file, which outranks the default.
RUST_LOG=poolscope_dashboard=debug has more written on stderr, NO_COLOR=1 without colours.";

/// Shows what the HTTP connection pools of your services do: takes OTLP, serves a live dashboard
#[derive(Debug, Parser)]
#[command(name = "poolscope-dashboard", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
struct Args {
    /// File with settings, in TOML, each named like its flag
    #[arg(long, env = "POOLSCOPE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Prints the configuration that is in force and where each part is from, and ends
    #[arg(long)]
    print_config: bool,
    #[command(flatten)]
    settings: Config,
    /// Asks a dashboard that runs; without it, this one serves.
    #[command(subcommand)]
    command: Option<cli::Command>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let loaded = match load::<Args>(std::env::args_os()) {
        Ok(loaded) => loaded,
        Err(LoadError::Usage(error)) => error.exit(),
        Err(error) => {
            say(&error);
            return ExitCode::from(USAGE);
        }
    };
    if let Some(command) = loaded.args.command {
        return cli::run(command).await.unwrap_or_else(|problem| {
            say(&problem);
            ExitCode::FAILURE
        });
    }
    log_on_stderr();
    match run(loaded).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error);
            ExitCode::FAILURE
        }
    }
}

/// Writes the log on stderr: in colours for eyes alone, since escape sequences garble a file.
fn log_on_stderr() {
    let usual = || EnvFilter::new("warn");
    let filter = std::env::var(EnvFilter::DEFAULT_ENV).ok().filter(|wanted| !wanted.is_empty());
    let filter = filter.map_or_else(usual, |wanted| {
        EnvFilter::try_new(&wanted).unwrap_or_else(|error| {
            say(format_args!("warning: RUST_LOG={wanted:?} can't be read ({error}); warnings are logged"));
            usual()
        })
    });
    let wants_none = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let has_colours = std::io::stderr().is_terminal() && !wants_none;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(has_colours)
        .with_writer(std::io::stderr)
        .init();
}

/// Tells on stderr. If that is closed, nobody is left to tell.
fn say(what: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "poolscope-dashboard: {what}");
}

async fn run(loaded: Loaded<Args>) -> anyhow::Result<()> {
    if loaded.args.print_config {
        cli::print(&loaded.to_string())?;
        return Ok(());
    }
    let signals = Signals::new()?;
    let server = Server::bind(loaded.args.settings).await?;
    loaded
        .warnings
        .iter()
        .chain(server.warnings())
        .for_each(|warning| say(format_args!("warning: {warning}")));
    // Without files to read again it ends at SIGHUP, like any program whose terminal goes.
    if let Some(reload) = server.reload() {
        on_hangup(move || reload.now())?;
    }
    let mut addresses = format!(
        "dashboard  {}\notlp/grpc  {}\notlp/http  {}\n",
        server.http_url(),
        server.otlp_grpc_url(),
        server.otlp_http_url()
    );
    if let Some(link) = server.login_link() {
        addresses += &format!("login      {link}\n");
    }
    cli::print(&addresses)?;
    server.run(signals.wait()).await?;
    Ok(())
}

/// Calls at each SIGHUP, by which a program is asked to read its files again.
#[cfg(unix)]
fn on_hangup(read_again: impl Fn() + Send + 'static) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            read_again();
        }
    });
    Ok(())
}

#[cfg(not(unix))]
fn on_hangup(_: impl Fn() + Send + 'static) -> std::io::Result<()> {
    Ok(())
}

/// The ways in which somebody asks the program to end, caught before anybody can.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            terminate: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?,
        })
    }

    #[cfg(unix)]
    async fn wait(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    }

    #[cfg(not(unix))]
    async fn wait(self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
