//! Jaeger, with traces in memory, and its query API.

use std::io;
use std::net::SocketAddr;
use std::process::Command;

use serde::Deserialize;

use super::{Program, file, free_addrs};

/// Names the program, when it is not on the search path.
const PROGRAM: &str = "JAEGER_BIN";
const CONFIG: &str = "collector-config/jaeger/config.yaml";

/// A running Jaeger.
#[derive(Debug)]
pub struct Jaeger {
    _program: Program,
    otlp: SocketAddr,
    query: SocketAddr,
    health: SocketAddr,
    client: reqwest::Client,
}

/// A trace, as the query API tells it.
#[derive(Debug, Deserialize)]
pub struct Trace {
    /// Its identity, in hexadecimal digits.
    #[serde(rename = "traceID")]
    pub id: String,
    /// Its spans, in no order.
    pub spans: Vec<Span>,
}

/// A span of a trace.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    /// Its identity.
    #[serde(rename = "spanID")]
    pub id: String,
    /// Its name.
    pub operation_name: String,
    /// Its parent, and what it links to.
    pub references: Vec<Reference>,
    /// Its attributes.
    pub tags: Vec<Tag>,
    /// Microseconds.
    pub duration: u64,
}

impl Span {
    /// An attribute as text, if it has it.
    #[must_use]
    pub fn tag(&self, key: &str) -> Option<String> {
        let value = &self.tags.iter().find(|tag| tag.key == key)?.value;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }
}

/// From one span to another.
#[derive(Debug, Deserialize)]
pub struct Reference {
    /// `CHILD_OF` its parent; `FOLLOWS_FROM` is a link.
    #[serde(rename = "refType")]
    pub kind: String,
    /// Trace of the other.
    #[serde(rename = "traceID")]
    pub trace: String,
    /// The other.
    #[serde(rename = "spanID")]
    pub span: String,
}

/// An attribute.
#[derive(Debug, Deserialize)]
pub struct Tag {
    key: String,
    value: serde_json::Value,
}

#[derive(Deserialize)]
struct Answer<T> {
    data: Option<T>,
}

impl Jaeger {
    /// Starts it with the committed configuration.
    ///
    /// # Errors
    /// If there is no Jaeger, or it does not start; the error has what it said.
    pub async fn start() -> io::Result<Self> {
        let [otlp, http, query, grpc, health] = free_addrs()?;
        let mut command = Command::new(Program::find(PROGRAM, &["jaeger"])?);
        command.arg("--config").arg(file(CONFIG));
        for (name, addr) in [
            ("JAEGER_OTLP_GRPC_LISTEN", otlp),
            ("JAEGER_OTLP_HTTP_LISTEN", http),
            ("JAEGER_QUERY_LISTEN", query),
            ("JAEGER_QUERY_GRPC_LISTEN", grpc),
            ("JAEGER_HEALTH_LISTEN", health),
        ] {
            command.env(name, addr.to_string());
        }
        let mut program = Program::start("Jaeger", Program::folder("jaeger")?, &mut command)?;
        let client = reqwest::Client::new();
        let url = format!("http://{query}/api/services");
        program
            .ready(async || client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()))
            .await?;
        Ok(Self { _program: program, otlp, query, health, client })
    }

    /// Where it takes OTLP over gRPC.
    #[must_use]
    pub fn otlp(&self) -> SocketAddr {
        self.otlp
    }

    /// Where it is asked.
    #[must_use]
    pub fn query(&self) -> SocketAddr {
        self.query
    }

    /// Where it tells whether it is well.
    #[must_use]
    pub fn health(&self) -> SocketAddr {
        self.health
    }

    /// Names of the services that it has traces of.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn services(&self) -> reqwest::Result<Vec<String>> {
        self.get("/api/services").await.map(Option::unwrap_or_default)
    }

    /// The latest traces of a service that have an operation.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn traces(&self, service: &str, operation: &str, limit: usize) -> reqwest::Result<Vec<Trace>> {
        let operation = operation.replace(' ', "%20");
        let path = format!("/api/traces?service={service}&operation={operation}&limit={limit}&lookback=1h");
        self.get(&path).await.map(Option::unwrap_or_default)
    }

    /// A trace by its identity; `None` if it is not there.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn trace(&self, id: &str) -> reqwest::Result<Option<Trace>> {
        let traces: Option<Vec<Trace>> = self.get(&format!("/api/traces/{id}")).await?;
        Ok(traces.unwrap_or_default().into_iter().next())
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> reqwest::Result<Option<T>> {
        let answer = self.client.get(format!("http://{}{path}", self.query)).send().await?;
        Ok(answer.json::<Answer<T>>().await?.data)
    }
}
