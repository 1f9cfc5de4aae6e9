//! Who sends what the page shows.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use poolscope::Scope;
use poolscope::otlp::{Otlp, Protocol, Telemetry};
use poolscope_semconv::attr::SERVICE_INSTANCE_ID;
use poolscope_tests::dashboard::Dashboard;
use poolscope_tests::demo::{Demo, Options, Pace};

/// The demo service as a program; ended when dropped.
#[derive(Debug)]
pub(super) struct Service(Child);

impl Service {
    /// Starts it with times of illness just long enough for a breaker to open. A breaker that meets an ill upstream again
    /// and again waits longer each time, so the times of health are the longer ones, or a test would not see it close.
    pub(super) fn start(dashboard: &Dashboard) -> Result<Self> {
        Self::spawn(dashboard, &["--well", "10", "--sick", "6", "--workers", "10"])
    }

    /// Starts it so that it gets ill soon and stays ill, and never reads what it has forgotten: what a test looks for is
    /// there for as long as it looks.
    pub(super) fn ill(dashboard: &Dashboard) -> Result<Self> {
        Self::spawn(dashboard, &["--well", "4", "--sick", "3600", "--held", "3600", "--workers", "6"])
    }

    fn spawn(dashboard: &Dashboard, options: &[&str]) -> Result<Self> {
        let child = Command::new(env!("CARGO_BIN_EXE_poolscope-demo"))
            .args(options)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", dashboard.otlp_grpc()))
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

/// An instance of the demo service in this process, whose own counts can be asked for.
pub(super) struct Instance {
    pub(super) scope: Scope,
    pub(super) demo: Demo,
    pub(super) telemetry: Telemetry,
}

impl Instance {
    /// Starts one that is ill before long and stays so; beside another it calls the same upstreams.
    pub(super) async fn start(dashboard: &Dashboard, name: &str, beside: Option<&Self>) -> Result<Self> {
        let scope = Scope::new();
        let telemetry = Otlp::new(&scope)
            .environment(|_| None)
            .service_name("shop")
            .resource_attribute(SERVICE_INSTANCE_ID, name)
            .endpoint(format!("http://{}", dashboard.otlp_grpc()))
            .protocol(Protocol::Grpc)
            .start()?;
        let pace = Pace { well: Duration::from_secs(3), sick: Duration::from_secs(3_600) };
        let options = Options { pace, workers: 3, ..Options::default() };
        let demo = match beside {
            Some(other) => other.demo.start_another(&scope, options).await,
            None => Demo::start(&scope, options).await,
        };
        let demo = demo.map_err(|error| anyhow!("the demo could not start: {error}"))?;
        Ok(Self { scope, demo, telemetry })
    }
}
