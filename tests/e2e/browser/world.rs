//! Who sends what the page shows.

use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use poolscope_tests::dashboard::Dashboard;

/// The demo service; ended when dropped.
#[derive(Debug)]
pub(super) struct Service(Child);

impl Service {
    /// Starts it with times of illness just long enough for a breaker to open. A breaker that meets an ill upstream again
    /// and again waits longer each time, so the times of health are the longer ones, or a test would not see it close.
    pub(super) fn start(dashboard: &Dashboard) -> Result<Self> {
        let child = Command::new(env!("CARGO_BIN_EXE_poolscope-demo"))
            .args(["--well", "10", "--sick", "6", "--workers", "10"])
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
