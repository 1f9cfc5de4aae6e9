//! The dashboard, in this process.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use poolscope_dashboard::{Config, Server};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long the server may take to end: longer than it gives to requests in flight.
const END_LIMIT: Duration = Duration::from_secs(15);

/// The dashboard, as the program runs it, on ports that were free; dropping it ends it.
#[derive(Debug)]
pub struct Dashboard {
    config: Config,
    client: reqwest::Client,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), poolscope_dashboard::Error>>,
}

impl Dashboard {
    /// Starts it.
    ///
    /// # Errors
    /// If it can't listen.
    pub async fn start() -> Result<Self> {
        Self::start_with(Config::default()).await
    }

    /// Starts it with everything but the addresses of a configuration.
    ///
    /// # Errors
    /// If it can't listen.
    pub async fn start_with(config: Config) -> Result<Self> {
        let any = ([127, 0, 0, 1], 0).into();
        let config = Config { http_addr: any, otlp_grpc_addr: any, otlp_http_addr: any, ..config };
        let mut dashboard = Self { config, client: reqwest::Client::new(), running: None };
        dashboard.start_again().await?;
        Ok(dashboard)
    }

    /// Starts it where it was before, as after a restart: it knows nothing of before.
    ///
    /// # Errors
    /// If it can't listen there.
    pub async fn start_again(&mut self) -> Result<()> {
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

    /// Ends it in order.
    ///
    /// # Errors
    /// If it does not run, or does not end.
    pub async fn stop(&mut self) -> Result<()> {
        let running = self.running.take().context("the dashboard does not run")?;
        let _ = running.stop.send(());
        tokio::time::timeout(END_LIMIT, running.server).await.context("the dashboard does not end")???;
        Ok(())
    }

    /// Its URL, for a browser.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.http())
    }

    /// Where browsers find it.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.config.http_addr
    }

    /// Where it takes OTLP over gRPC.
    #[must_use]
    pub fn otlp_grpc(&self) -> SocketAddr {
        self.config.otlp_grpc_addr
    }

    /// Where it takes OTLP over HTTP.
    #[must_use]
    pub fn otlp_http(&self) -> SocketAddr {
        self.config.otlp_http_addr
    }

    /// What its read API answers, by a path of `poolscope_wire::path`.
    ///
    /// # Panics
    /// If it answers otherwise than well, or with something else.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let answer = self.client.get(format!("{}{path}", self.url())).send().await;
        let answer = answer.unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}
