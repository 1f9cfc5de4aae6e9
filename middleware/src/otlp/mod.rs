//! One call that exports metrics, spans and events by OTLP.
//!
//! ```
//! use poolscope::{Scope, otlp::Otlp};
//!
//! # fn main() -> Result<(), poolscope::otlp::OtlpError> {
//! let scope = Scope::new();
//! // Reads the OTEL_* environment; without it everything goes by gRPC to http://localhost:4317.
//! let telemetry = Otlp::new(&scope).service_name("shop").start()?;
//! let payments = scope.client("payments"); // layers for hyper and reqwest are made from it
//! # let _ = payments;
//! // At the end of the program, or by dropping it: sends what is left, for at most five seconds.
//! telemetry.shutdown();
//! # Ok(())
//! # }
//! ```
//!
//! It works inside of any tokio runtime and without one, and never makes the application wait: metrics are read from the
//! scope by a thread of its own, spans and events go through the bounded queues of the OpenTelemetry SDK. While the
//! receiver is down, what can't be sent is counted and dropped. Lost exports of metrics, and spans and events of failed
//! batches, show in `poolscope.telemetry.dropped`; what the SDK drops because a queue is full it does not tell.
//!
//! # Settings
//!
//! A variable of the environment holds where the builder did not set the same. A value that is not allowed is an error
//! that names the variable. The variables in the last two lines are read by the SDK, which takes its default instead.
//!
//! | variable | means | default |
//! |---|---|---|
//! | `OTEL_SDK_DISABLED` | `true`: nothing is exported | `false` |
//! | `OTEL_SERVICE_NAME` | name of the service | `unknown_service:` and the program |
//! | `OTEL_RESOURCE_ATTRIBUTES` | more attributes of the service, as `key=value` pairs | a random `service.instance.id` |
//! | `OTEL_EXPORTER_OTLP_ENDPOINT` | gRPC: scheme, host and port; HTTP: base to which `/v1/metrics` etc. are appended | `http://localhost:4317`, HTTP 4318 |
//! | `OTEL_EXPORTER_OTLP_PROTOCOL` | `grpc` or `http/protobuf` | `grpc` |
//! | `OTEL_EXPORTER_OTLP_HEADERS` | `key=value` pairs that go with every request | none |
//! | `OTEL_EXPORTER_OTLP_TIMEOUT` | milliseconds that a receiver has to answer | 10000 |
//! | `OTEL_EXPORTER_OTLP_COMPRESSION` | `gzip` or `none` | `none` |
//! | `OTEL_EXPORTER_OTLP_METRICS_...`, `_TRACES_...`, `_LOGS_...` | the same for one signal; over HTTP its endpoint is used as it is | |
//! | `OTEL_METRIC_EXPORT_INTERVAL` | milliseconds between exports of metrics | see below |
//! | `OTEL_METRICS_EXEMPLAR_FILTER` | which requests may be exemplars: `trace_based` (of sampled spans), `always_on`, `always_off` | `trace_based` |
//! | `OTEL_BSP_SCHEDULE_DELAY`, `OTEL_BLRP_SCHEDULE_DELAY` | longest wait of spans and of events, in milliseconds | 1000, 200 |
//! | `OTEL_BSP_...`, `OTEL_BLRP_...` | other limits of the batches | the SDK's |
//! | `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG` | which traces are recorded | `parentbased_always_on` |
//!
//! Metrics go every second to the Poolscope dashboard, which introduces itself in its answers, and every minute to any
//! other receiver. While nothing answers, it is tried every five seconds, so that a dashboard that starts later is found.
//!
//! # Exemplars
//!
//! The points of `http.client.request.duration`, `http.client.request.time_in_queue`, `poolscope.connection.wait_time` and
//! `poolscope.connection.use_time` carry the trace and the span of requests that stand for others: for each bucket at most
//! one, a slow one of the last second in which there was any. Each is sent once.

mod answer;
mod batch;
mod command;
mod config;
mod dropped;
mod endpoint;
mod env;
mod error;
mod events;
mod export;
mod grpc;
mod http;
mod logs;
mod metrics;
mod pace;
mod points;
mod queue;
mod resource;
mod retry;
mod sender;
mod spans;
mod telemetry;
mod tell;
mod temporality;
mod text;
#[cfg(feature = "otlp-tls")]
mod tls;
mod workers;

use std::sync::Arc;
use std::time::Duration;

pub use config::{
    DEFAULT_BATCH, DEFAULT_EVENT_DELAY, DEFAULT_QUEUE, DEFAULT_SPAN_DELAY, DEFAULT_TIMEOUT, Protocol,
};
pub use dropped::Lost;
pub use error::OtlpError;
pub use pace::{DASHBOARD_INTERVAL, DEFAULT_INTERVAL, SEARCH_INTERVAL};
pub(crate) use telemetry::Flush;
pub use telemetry::{DEFAULT_SHUTDOWN_TIMEOUT, Telemetry};
pub use temporality::Temporality;

use crate::Scope;

/// Looks a variable of the environment up.
type Lookup = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Export of a scope by OTLP. See the [module](self) for an example and for the environment that it reads.
#[derive(Clone)]
#[must_use = "nothing is exported until it is started"]
pub struct Otlp {
    scope: Scope,
    settings: config::Settings,
    environment: Lookup,
    global_propagator: bool,
}

impl Otlp {
    /// Export of this scope, set by the environment.
    pub fn new(scope: &Scope) -> Self {
        Self {
            scope: scope.clone(),
            settings: config::Settings::default(),
            environment: Arc::new(|name| {
                std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
            }),
            global_propagator: true,
        }
    }

    /// Name of the service.
    pub fn service_name(mut self, name: impl Into<String>) -> Self {
        self.settings.service_name = Some(name.into());
        self
    }

    /// Adds an attribute of the service, such as its version, to the resource.
    pub fn resource_attribute(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.attributes.push((key.into(), value.into()));
        self
    }

    /// Where all signals go. Over HTTP, `/v1/metrics`, `/v1/traces` and `/v1/logs` are appended.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.settings.endpoint = Some(url.into());
        self
    }

    /// How all signals travel.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.settings.protocol = Some(protocol);
        self
    }

    /// Adds a header (gRPC: metadata) to every request; it replaces one of the same name from the environment.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.headers.push((name.into(), value.into()));
        self
    }

    /// Time that the receiver has to answer. By default, this is [`DEFAULT_TIMEOUT`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = Some(timeout);
        self
    }

    /// Time between exports of metrics, whoever receives them. By default, this is [`DASHBOARD_INTERVAL`],
    /// [`DEFAULT_INTERVAL`] or [`SEARCH_INTERVAL`].
    pub fn metrics_interval(mut self, interval: Duration) -> Self {
        self.settings.interval = Some(interval);
        self
    }

    /// Whether counters and histograms count since they began, which is the default, or since the last export.
    pub fn temporality(mut self, temporality: Temporality) -> Self {
        self.settings.temporality = Some(temporality);
        self
    }

    /// File with the only certificates (PEM) that are trusted in a receiver with `https`; the system's are not then.
    #[cfg(feature = "otlp-tls")]
    pub fn certificate(mut self, path: impl Into<String>) -> Self {
        self.settings.files.roots = Some(path.into());
        self
    }

    /// Files with the certificate chain and the private key (PEM) by which a receiver with `https` knows this program.
    #[cfg(feature = "otlp-tls")]
    pub fn client_certificate(mut self, certificate: impl Into<String>, key: impl Into<String>) -> Self {
        self.settings.files.identity = Some((certificate.into(), key.into()));
        self
    }

    /// Leaves the process's propagator alone.
    ///
    /// Without it, [`Otlp::start`] makes the W3C `traceparent` propagator the global one of the process, which is what
    /// carries a trace from the client's request to its server. Whoever has set another propagator calls this.
    pub fn without_global_propagator(mut self) -> Self {
        self.global_propagator = false;
        self
    }

    /// Reads the settings from here and not from the process's environment. What the SDK reads by itself stays there.
    pub fn environment(mut self, lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        self.environment = Arc::new(lookup);
        self
    }

    /// Starts the export. Spans of the scope's layers go to it too, unless the scope has a tracer already.
    pub fn start(self) -> Result<Telemetry, OtlpError> {
        let config = config::Config::resolve(&self.settings, &*self.environment)?;
        if config.disabled {
            return Ok(Telemetry::off());
        }
        let telemetry = Telemetry::start(&self.scope, &config)?;
        if self.global_propagator {
            opentelemetry::global::set_text_map_propagator(
                opentelemetry_sdk::propagation::TraceContextPropagator::new(),
            );
        }
        Ok(telemetry)
    }
}

impl std::fmt::Debug for Otlp {
    /// Headers may be secrets and are left out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Otlp")
            .field("endpoint", &self.settings.endpoint)
            .field("protocol", &self.settings.protocol)
            .finish_non_exhaustive()
    }
}
