//! What the page shows: a dashboard in this process, and the demo service in one of its own.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use poolscope_dashboard::{Config, Server};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long the server may take to end: longer than it gives to requests in flight.
const END_LIMIT: Duration = Duration::from_secs(15);

/// The dashboard, as the program runs it.
#[derive(Debug)]
pub(super) struct Dashboard {
    config: Config,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), poolscope_dashboard::Error>>,
}

impl Dashboard {
    /// Starts it on ports that are free.
    pub(super) async fn start() -> Result<Self> {
        let any = ([127, 0, 0, 1], 0).into();
        let config = Config { http_addr: any, otlp_grpc_addr: any, otlp_http_addr: any, ..Config::default() };
        let mut dashboard = Self { config, running: None };
        dashboard.start_again().await?;
        Ok(dashboard)
    }

    /// Starts it where it was before, as after a restart: it knows nothing of before.
    pub(super) async fn start_again(&mut self) -> Result<()> {
        let server = Server::bind(self.config.clone()).await?;
        self.config.http_addr = server.http_addr();
        self.config.otlp_grpc_addr = server.otlp_grpc_addr();
        self.config.otlp_http_addr = server.otlp_http_addr();
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(server.run(async move {
            // Also when the test has ended without saying so.
            let _ = stopped.await;
        }));
        self.running = Some(Running { stop, server });
        Ok(())
    }

    pub(super) async fn stop(&mut self) -> Result<()> {
        let running = self.running.take().context("the dashboard does not run")?;
        let _ = running.stop.send(());
        tokio::time::timeout(END_LIMIT, running.server).await.context("the dashboard does not end")???;
        Ok(())
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.config.http_addr)
    }
}

/// The demo service; ended when dropped.
#[derive(Debug)]
pub(super) struct Service(Child);

impl Service {
    /// Starts it with times of illness just long enough for a breaker to open. A breaker that meets an ill upstream again
    /// and again waits longer each time, so the times of health are the longer ones, or a test would not see it close.
    pub(super) fn start(dashboard: &Dashboard) -> Result<Self> {
        let child = Command::new(env!("CARGO_BIN_EXE_poolscope-demo"))
            .args(["--well", "10", "--sick", "6", "--workers", "10"])
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", dashboard.config.otlp_grpc_addr))
            .env("OTEL_SERVICE_NAME", "shop")
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start the demo service")?;
        Ok(Self(child))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
