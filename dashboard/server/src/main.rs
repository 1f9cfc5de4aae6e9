//! `poolscope-dashboard`: the dashboard as a program.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use poolscope_dashboard::{Config, Server};
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Shows what the HTTP connection pools of your services do: takes OTLP, serves a live dashboard
#[derive(Debug, Parser)]
#[command(name = "poolscope-dashboard", version)]
struct Args {
    #[command(flatten)]
    config: Config,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(args.config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If stderr is closed, nobody is left to tell.
            let _ = writeln!(std::io::stderr(), "poolscope-dashboard: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config) -> anyhow::Result<()> {
    let signals = Signals::new()?;
    let server = Server::bind(config).await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "dashboard  http://{}", server.http_addr())?;
    writeln!(out, "otlp/grpc  http://{}", server.otlp_grpc_addr())?;
    writeln!(out, "otlp/http  http://{}", server.otlp_http_addr())?;
    out.flush()?;
    drop(out);
    server.run(signals.wait()).await?;
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
