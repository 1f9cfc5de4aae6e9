//! One call that sends metrics, spans and events through OpenTelemetry's own SDK and `opentelemetry-otlp`.
//!
//! ```
//! use opentelemetry::metrics::MeterProvider;
//! use poolscope::{Scope, otlp_sdk::OtlpSdk};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scope = Scope::new();
//! // The SDK reads the OTEL_* environment; without it everything goes by gRPC to http://localhost:4317.
//! let telemetry = OtlpSdk::new(&scope).service_name("shop").start()?;
//! let payments = scope.client("payments"); // layers for hyper and reqwest are made from it
//! // The program's own metrics, spans and logs leave by the same pipeline.
//! let orders = telemetry.meter_provider().meter("shop").u64_counter("shop.orders").build();
//! orders.add(1, &[]);
//! # let _ = payments;
//! // At the end of the program, or by dropping it: sends what is left, for at most five seconds.
//! # let _ =
//! telemetry.shutdown();
//! # Ok(())
//! # }
//! ```
//!
//! It works inside of any tokio runtime and without one: exporters have a thread of their own. Telemetry of the
//! exporters' own requests is suppressed.
//!
//! # Which of the three doors
//!
//! All tell the same numbers, with the same names, units, attributes and bucket bounds. One is enough: a receiver that gets
//! two has every number twice.
//!
//! | | `otlp` | `otlp-sdk` | `meter` and own providers |
//! |---|---|---|---|
//! | is | our pipeline in one call | the SDK's pipeline in one call | what the program has already |
//! | sends metrics, spans, events | yes | yes | metrics; spans by [`Scope::set_tracer_provider`], events by [`Scope::listen`] |
//! | for the program's own metrics | no | yes | yes |
//! | views, samplers | samplers by the environment | all, by hooks on the providers' builders | all |
//! | other exporters beside OTLP | no | yes, by the same hooks | yes |
//! | a record of a histogram costs | about 10 ns | 100 to 200 ns more | 100 to 200 ns more |
//! | exemplars | trace and span of slow and failed requests | none: the SDK sends none | none |
//! | series of pools that are gone | end | histograms stay, unless it sends deltas | the same |
//! | most series of a metric | as many as there are | 2000, the rest is summed up; a view raises it | the same |
//! | what is lost | counted in `poolscope.telemetry.dropped`, and why is logged | logged by the SDK where its `internal-logs` are on | as the program does |
//! | rejected in part by the receiver | counted, and its words are logged | not told | as the program does |
//! | interval of metrics | 1 s to our dashboard, else 60 s | 60 s | the program's |
//! | TLS | `otlp-tls` | gRPC: `tls-*` of `opentelemetry-otlp`; HTTP: TLS of `reqwest` | the program's |
//!
//! Take `otlp` where nothing else is there. Take `otlp-sdk` where the program is to have metrics of its own, views, or
//! exactly the SDK that its operators know; take [`meter`](crate::meter) where that is all set up.
//!
//! # Settings
//!
//! What the builder does not say is read from the environment, by the SDK and as it reads it: `OTEL_SERVICE_NAME`,
//! `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_EXPORTER_OTLP_...` (endpoint, protocol, headers, timeout, compression, insecure, metrics'
//! temporality; for each signal too), `OTEL_METRIC_EXPORT_INTERVAL`, `OTEL_BSP_...`, `OTEL_BLRP_...`, `OTEL_TRACES_SAMPLER`,
//! `OTEL_SPAN_..._LIMIT`. The protocol is gRPC unless something else is said, whatever the features of
//! `opentelemetry-otlp` are. It does not read `OTEL_SDK_DISABLED`, `OTEL_..._EXPORTER`, `OTEL_PROPAGATORS` and the files of
//! certificates; `otlp` does.

mod client;
mod error;
mod exporters;
mod telemetry;
mod thread;

use std::time::Duration;

use opentelemetry::KeyValue;
pub use opentelemetry_otlp::Protocol;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{LoggerProviderBuilder, SdkLoggerProvider};
use opentelemetry_sdk::metrics::{MeterProviderBuilder, PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::resource::{
    EnvResourceDetector, SdkProvidedResourceDetector, TelemetryResourceDetector,
};
use opentelemetry_sdk::trace::{SdkTracerProvider, TracerProviderBuilder};
use poolscope_semconv::attr;

use crate::{Scope, export};
pub use error::OtlpSdkError;
use exporters::{Exporters, Target};
use telemetry::Providers;
pub use telemetry::{DEFAULT_SHUTDOWN_TIMEOUT, SdkTelemetry};
use thread::Thread;

/// Changes the builder of a provider.
type Hook<B> = Box<dyn FnOnce(B) -> B + Send>;

/// The SDK's pipeline for a scope. See the [module](self) for an example and for the environment.
#[must_use = "nothing is exported until it is started"]
pub struct OtlpSdk {
    scope: Scope,
    target: Target,
    service_name: Option<String>,
    attributes: Vec<KeyValue>,
    interval: Option<Duration>,
    global_propagator: bool,
    tracer: Hook<TracerProviderBuilder>,
    meter: Hook<MeterProviderBuilder>,
    logger: Hook<LoggerProviderBuilder>,
}

impl OtlpSdk {
    /// The pipeline for this scope, set by the environment.
    pub fn new(scope: &Scope) -> Self {
        Self {
            scope: scope.clone(),
            target: Target::default(),
            service_name: None,
            attributes: Vec::new(),
            interval: None,
            global_propagator: true,
            tracer: Box::new(|builder| builder),
            meter: Box::new(|builder| builder),
            logger: Box::new(|builder| builder),
        }
    }

    /// Name of the service.
    pub fn service_name(mut self, name: impl Into<String>) -> Self {
        self.service_name = Some(name.into());
        self
    }

    /// Adds an attribute of the service, such as its version, to the resource.
    pub fn resource_attribute(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push(KeyValue::new(key.into(), value.into()));
        self
    }

    /// Where all signals go. Over HTTP, `/v1/metrics`, `/v1/traces` and `/v1/logs` are appended.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.target.endpoint = Some(url.into());
        self
    }

    /// How all signals travel. By default, this is gRPC.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.target.protocol = Some(protocol);
        self
    }

    /// Time between exports of metrics. By default, this is a minute.
    pub fn metrics_interval(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }

    /// Sampler, limits, more processors. They come before the exporter.
    pub fn tracer_provider(
        mut self,
        hook: impl FnOnce(TracerProviderBuilder) -> TracerProviderBuilder + Send + 'static,
    ) -> Self {
        self.tracer = Box::new(hook);
        self
    }

    /// Views, more readers. A program with more than a hundred pools raises the limit of series by a view: see
    /// [`meter`](crate::meter#many-pools).
    pub fn meter_provider(
        mut self,
        hook: impl FnOnce(MeterProviderBuilder) -> MeterProviderBuilder + Send + 'static,
    ) -> Self {
        self.meter = Box::new(hook);
        self
    }

    /// More processors of log records. They come before the exporter.
    pub fn logger_provider(
        mut self,
        hook: impl FnOnce(LoggerProviderBuilder) -> LoggerProviderBuilder + Send + 'static,
    ) -> Self {
        self.logger = Box::new(hook);
        self
    }

    /// Leaves the process's propagator alone. Without it, [`OtlpSdk::start`] makes the W3C `traceparent` propagator the global
    /// one.
    pub fn without_global_propagator(mut self) -> Self {
        self.global_propagator = false;
        self
    }

    /// Starts the pipeline. Spans of the scope's layers go to it too, unless the scope has a tracer already.
    ///
    /// # Errors
    ///
    /// If a setting is not allowed, if the scope's metrics go to a `MeterProvider` already, or if there is no thread.
    pub fn start(self) -> Result<SdkTelemetry, OtlpSdkError> {
        let resource = resource(self.service_name, self.attributes);
        // First, so that it is the last to go if something else fails: the others need it to end.
        let thread = Thread::start().map_err(OtlpSdkError::Thread)?;
        let exporters = {
            let _context = thread.runtime.enter();
            Exporters::new(&self.target, &thread.runtime)?
        };
        let mut reader = PeriodicReader::builder(exporters.metrics);
        if let Some(interval) = self.interval {
            reader = reader.with_interval(interval);
        }
        let tracer = (self.tracer)(SdkTracerProvider::builder().with_resource(resource.clone()));
        let meter = (self.meter)(SdkMeterProvider::builder().with_resource(resource.clone()));
        let logger = (self.logger)(SdkLoggerProvider::builder().with_resource(resource));
        let providers = Providers {
            tracer: tracer.with_batch_exporter(exporters.spans).build(),
            meter: meter.with_reader(reader.build()).build(),
            logger: logger.with_batch_exporter(exporters.events).build(),
        };
        let telemetry = SdkTelemetry::start(&self.scope, providers, thread)?;
        if self.global_propagator {
            opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
        }
        Ok(telemetry)
    }
}

/// The SDK's own, and a `service.instance.id`, without which two instances of a service can't be told apart.
fn resource(service_name: Option<String>, attributes: Vec<KeyValue>) -> Resource {
    let builder = Resource::builder_empty()
        .with_attribute(KeyValue::new(attr::SERVICE_INSTANCE_ID, export::random_uuid()))
        .with_detectors(&[
            Box::new(SdkProvidedResourceDetector),
            Box::new(TelemetryResourceDetector),
            Box::new(EnvResourceDetector::new()),
        ])
        .with_attributes(attributes);
    match service_name {
        Some(name) => builder.with_service_name(name).build(),
        None => builder.build(),
    }
}

impl std::fmt::Debug for OtlpSdk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OtlpSdk").field("target", &self.target).finish_non_exhaustive()
    }
}
