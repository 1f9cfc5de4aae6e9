//! The OpenTelemetry Collector, with a configuration of `collector-config`.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::{Program, free_addrs};

/// Names the program, when it is not on the search path.
const PROGRAM: &str = "OTELCOL_BIN";

/// Who is behind a Collector; who is not there is not reached, which the others must not feel.
#[derive(Debug, Clone, Copy, Default)]
pub struct Behind {
    /// OTLP over gRPC of the dashboard.
    pub dashboard: Option<SocketAddr>,
    /// OTLP over gRPC of Jaeger.
    pub jaeger: Option<SocketAddr>,
}

/// A running Collector.
#[derive(Debug)]
pub struct Collector {
    program: Program,
    grpc: SocketAddr,
    http: SocketAddr,
    prometheus: SocketAddr,
    health: SocketAddr,
    own: SocketAddr,
}

impl Collector {
    /// Starts it with a configuration file, and with more settings of its environment.
    ///
    /// # Errors
    /// If there is no Collector, or it does not take the configuration; the error has what it said.
    pub async fn start(config: &Path, behind: Behind, more: &[(&str, String)]) -> io::Result<Self> {
        Self::start_with(&[config], behind, more).await
    }

    /// Starts it with several configuration files, each of which adds to those before it.
    ///
    /// # Errors
    /// As for [`Collector::start`].
    pub async fn start_with(configs: &[&Path], behind: Behind, more: &[(&str, String)]) -> io::Result<Self> {
        let [grpc, http, prometheus, health, own, nobody] = free_addrs()?;
        let mut command = Command::new(Program::find(PROGRAM, &["otelcol-poolscope", "otelcol-contrib"])?);
        for config in configs {
            command.arg("--config").arg(config);
        }
        for (name, addr) in [
            ("OTLP_GRPC_LISTEN", grpc),
            ("OTLP_HTTP_LISTEN", http),
            ("PROMETHEUS_LISTEN", prometheus),
            ("HEALTH_LISTEN", health),
            ("DASHBOARD_OTLP_GRPC", behind.dashboard.unwrap_or(nobody)),
            ("JAEGER_OTLP_GRPC", behind.jaeger.unwrap_or(nobody)),
        ] {
            command.env(name, addr.to_string());
        }
        command.env("SELF_METRICS_PORT", own.port().to_string());
        command.envs(more.iter().map(|(name, value)| (name, value)));
        let mut program = Program::start("the Collector", Program::folder("otelcol")?, &mut command)?;
        let client = reqwest::Client::new();
        let url = format!("http://{health}/");
        program
            .ready(async || client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()))
            .await?;
        Ok(Self { program, grpc, http, prometheus, health, own })
    }

    /// Where it takes OTLP over gRPC.
    #[must_use]
    pub fn grpc(&self) -> SocketAddr {
        self.grpc
    }

    /// Where it takes OTLP over HTTP.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Where Prometheus finds metrics.
    #[must_use]
    pub fn prometheus(&self) -> SocketAddr {
        self.prometheus
    }

    /// Where Prometheus finds what it tells of itself.
    #[must_use]
    pub fn own(&self) -> SocketAddr {
        self.own
    }

    /// Where it tells whether it is well.
    #[must_use]
    pub fn health(&self) -> SocketAddr {
        self.health
    }

    /// The end of what it wrote.
    #[must_use]
    pub fn log(&self) -> String {
        self.program.log()
    }
}
