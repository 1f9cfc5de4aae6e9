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
//! It works inside of any tokio runtime and without one, and never makes the application wait: a thread of its own reads
//! metrics from the scope and sends what threads of the application have put into two bounded queues, one of spans and one
//! of events. [`Telemetry::flush`] and [`Telemetry::shutdown`] block the calling thread, which is right in `main`, in `Drop`
//! and without a runtime; [`Telemetry::flush_async`] and [`Telemetry::shutdown_async`] do not, which is right in a task, and
//! in a runtime with one thread the only way that lets anything else there run meanwhile.
//!
//! # What is lost is counted
//!
//! Every span, event and point of a metric either arrives or is counted in `poolscope.telemetry.dropped`: what finds its
//! queue full, what a receiver refuses or rejects in part, what nobody answers for in time, what a shutdown cuts off. It is
//! told once in the log (`tracing`) when it begins, with the receiver's words, and once when it is over.
//!
//! An export is tried again with growing, random waits for as long as its timeout allows, where the OTLP specification calls
//! the answer transient: over gRPC the codes CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS,
//! and RESOURCE_EXHAUSTED with a `RetryInfo`; over HTTP the statuses 429, 502, 503, 504; and if nobody answers. `RetryInfo`
//! and `Retry-After` are obeyed, also beyond that export; only a flush and the end try once without waiting. A receiver that
//! took a request and whose answer was lost gets spans and events twice, as the specification chooses; they carry the same
//! ids. A successful answer that is neither empty nor OTLP's in protobuf or JSON comes from something else than a receiver,
//! and counts as a refusal.
//!
//! # Cumulative or delta
//!
//! By default all counts are cumulative. With [`Temporality::Delta`] (or `lowmemory`, which is the same here) those of
//! counters and histograms are since the last export that arrived; current numbers and gauges stay as they are. What an
//! export that failed would have said is in the next one, which begins where that began. If the receiver had got it all the
//! same, that shows as two points of a series that begin at the same time, since it can't be known here; nothing is missing
//! then, and a receiver that looks at the times counts nothing twice. A series that is new, or was gone, begins at the
//! export before it.
//!
//! # Settings
//!
//! A variable of the environment holds where the builder did not set the same. A value that is not allowed is an error
//! that names the variable; words may be of either case. The variables in the last line are read by the SDK, which takes
//! its default instead.
//!
//! | variable | means | default |
//! |---|---|---|
//! | `OTEL_SDK_DISABLED` | `true`: nothing is exported | `false` |
//! | `OTEL_METRICS_EXPORTER`, `OTEL_TRACES_EXPORTER`, `OTEL_LOGS_EXPORTER` | a list without `otlp`, such as `none`: the signal is not exported | `otlp` |
//! | `OTEL_SERVICE_NAME` | name of the service | `unknown_service:` and the program |
//! | `OTEL_RESOURCE_ATTRIBUTES` | more attributes of the service, as `key=value` pairs | a random `service.instance.id` |
//! | `OTEL_PROPAGATORS` | `none`, or a list of `tracecontext` and `baggage` | `tracecontext` |
//! | `OTEL_EXPORTER_OTLP_ENDPOINT` | gRPC: URL, or `host:port`; HTTP: base to which `/v1/metrics` etc. are appended | `http://localhost:4317`, HTTP 4318 |
//! | `OTEL_EXPORTER_OTLP_INSECURE` | `true`: `host:port` without a scheme means no TLS; a scheme says more | `false` |
//! | `OTEL_EXPORTER_OTLP_PROTOCOL` | `grpc` or `http/protobuf`; `http/json` is not offered | `grpc` |
//! | `OTEL_EXPORTER_OTLP_HEADERS` | `key=value` pairs, percent-encoded, that go with every request; over gRPC ASCII | none |
//! | `OTEL_EXPORTER_OTLP_TIMEOUT` | milliseconds that an export may take, with all its attempts | 10000 |
//! | `OTEL_EXPORTER_OTLP_COMPRESSION` | `gzip` or `none` | `none` |
//! | `OTEL_EXPORTER_OTLP_CERTIFICATE` | file (PEM) of the only authorities that are trusted in a receiver with `https` | the system's |
//! | `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE`, `OTEL_EXPORTER_OTLP_CLIENT_KEY` | files (PEM) that a receiver with `https` knows this program by | none |
//! | `OTEL_EXPORTER_OTLP_METRICS_...`, `_TRACES_...`, `_LOGS_...` | each of these for one signal, instead of the common one; over HTTP its endpoint is used as it is | |
//! | `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE` | `cumulative`, `delta` or `lowmemory` | `cumulative` |
//! | `OTEL_METRIC_EXPORT_INTERVAL` | milliseconds between exports of metrics | see below |
//! | `OTEL_METRICS_EXEMPLAR_FILTER` | which requests may be exemplars: `trace_based` (of sampled spans), `always_on`, `always_off` | `trace_based` |
//! | `OTEL_BSP_SCHEDULE_DELAY`, `OTEL_BLRP_SCHEDULE_DELAY` | longest wait of spans and of events, in milliseconds | 1000, 200 |
//! | `OTEL_BSP_MAX_QUEUE_SIZE`, `OTEL_BLRP_MAX_QUEUE_SIZE` | most spans, and events, that wait | 2048 |
//! | `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`, `OTEL_BLRP_MAX_EXPORT_BATCH_SIZE` | most of them in one request | 512 |
//! | `OTEL_METRIC_EXPORT_TIMEOUT`, `OTEL_BSP_EXPORT_TIMEOUT`, `OTEL_BLRP_EXPORT_TIMEOUT` | milliseconds that an export may take, if that is shorter than the timeout above | |
//! | `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG`, `OTEL_SPAN_..._LIMIT` | which traces are recorded, and how much of a span | `parentbased_always_on`, 128 |
//!
//! Files and `https` need the feature `otlp-tls`; without it they are an error that names it. Not read are
//! `OTEL_CONFIG_FILE`, `OTEL_LOG_LEVEL` (the log is `tracing`'s), `OTEL_ATTRIBUTE_..._LIMIT`, `OTEL_LOGRECORD_..._LIMIT` (no
//! event has that many attributes) and `OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION` (the contract says the
//! buckets).
//!
//! Metrics go every second to the Poolscope dashboard, which introduces itself in its answers, and every minute to any
//! other receiver. While nothing answers, it is tried at least every five seconds, so that a dashboard that starts later is
//! found.
//!
//! # Connections one by one
//!
//! While the dashboard listens, an event for each pool that has connections tells it what each of them does
//! (`poolscope.pool.snapshot`): as often as it gets metrics, with the connections that the scope lists, at most 5000 of all
//! pools together and at most 200 pools; where there are more pools they take turns. What each connection has done is told as
//! totals, requests and seconds of use, so that the difference of any two events holds for the time between them, and
//! nothing is missing if one of them is lost. [`Otlp::dashboard_connections`] sets how many, or turns it off. No other
//! receiver gets these events, unless [`Otlp::pool_snapshots`] is called.
//!
//! # Commands
//!
//! Data goes one way, from the application to the receiver. With the feature `control`, [`Otlp::control`] makes one
//! exception: it lets a dashboard hold the breakers that it names, for a time. See [`control`].
//!
//! # Exemplars
//!
//! The points of `http.client.request.duration`, `http.client.request.time_in_queue`, `poolscope.connection.wait_time` and
//! `poolscope.connection.use_time` carry the trace and the span of requests that stand for others: for each bucket at most
//! one, a slow one of the last second in which there was any. Each is sent once.

mod answer;
mod audience;
mod batch;
mod command;
mod config;
#[cfg(feature = "control")]
pub mod control;
mod dropped;
mod endpoint;
mod env;
mod error;
mod export;
mod grpc;
mod http;
mod logs;
mod metrics;
mod pace;
mod points;
mod pool_events;
mod propagators;
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
#[cfg(feature = "control")]
pub use control::Control;
pub use dropped::Lost;
pub use error::OtlpError;
pub use pace::{DASHBOARD_INTERVAL, DEFAULT_INTERVAL, SEARCH_INTERVAL};
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
    pool_events: pool_events::PoolEvents,
    #[cfg(feature = "control")]
    control: Option<Control>,
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
            pool_events: pool_events::PoolEvents::default(),
            #[cfg(feature = "control")]
            control: None,
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

    /// Has an event tell each pool as it is to any receiver, every so often (not more often than every 100 ms), with at most
    /// so many of its connections. Without it only the dashboard is told, as [`Otlp::dashboard_connections`] says.
    pub fn pool_snapshots(mut self, interval: Duration, max_connections: usize) -> Self {
        self.pool_events = pool_events::PoolEvents { interval: Some(interval), max_connections };
        self
    }

    /// Most connections of each pool that the dashboard is told one by one while it listens, as often as it gets metrics;
    /// 0 tells it none. By default, these are all that the scope
    /// [lists](crate::ScopeBuilder::max_listed_connections).
    pub fn dashboard_connections(mut self, max: usize) -> Self {
        self.pool_events = pool_events::PoolEvents { interval: None, max_connections: max };
        self
    }

    /// Lets the dashboard hold breakers, those that are named here. Without it, none is. See [`control`].
    #[cfg(feature = "control")]
    pub fn control(mut self, control: Control) -> Self {
        self.control = Some(control);
        self
    }

    /// Leaves the process's propagator alone.
    ///
    /// Without it, [`Otlp::start`] makes the W3C `traceparent` propagator, or what `OTEL_PROPAGATORS` names, the global one of
    /// the process, which is what carries a trace from the client's request to its server. Whoever has set another
    /// propagator calls this.
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
    ///
    /// # Errors
    ///
    /// Returns an error, and starts nothing, if a setting or a variable has a value that is not allowed, a file of
    /// certificates or of a key can't be used, no exporter can be built for an endpoint, or the system gives no thread. That
    /// a receiver is not there is none.
    pub fn start(self) -> Result<Telemetry, OtlpError> {
        let Some(config) = config::Config::resolve(&self.settings, &*self.environment)? else {
            return Ok(Telemetry::off());
        };
        let propagator = match self.global_propagator {
            true => propagators::propagator(env::Env(&*self.environment))?,
            false => None,
        };
        let extras = telemetry::Extras {
            pool_events: self.pool_events,
            #[cfg(feature = "control")]
            control: self.control,
        };
        let telemetry = Telemetry::start(&self.scope, &config, &extras)?;
        if let Some(propagator) = propagator {
            opentelemetry::global::set_text_map_propagator(propagator);
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
