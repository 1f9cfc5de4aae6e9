//! The exporters of `opentelemetry-otlp`, as the builder and the environment say.

use std::env;
use std::time::Duration;

use opentelemetry_otlp::{
    LogExporter, MetricExporter, OTEL_EXPORTER_OTLP_LOGS_PROTOCOL, OTEL_EXPORTER_OTLP_LOGS_TIMEOUT,
    OTEL_EXPORTER_OTLP_METRICS_PROTOCOL, OTEL_EXPORTER_OTLP_METRICS_TIMEOUT, OTEL_EXPORTER_OTLP_PROTOCOL,
    OTEL_EXPORTER_OTLP_TIMEOUT, OTEL_EXPORTER_OTLP_TIMEOUT_DEFAULT, OTEL_EXPORTER_OTLP_TRACES_PROTOCOL,
    OTEL_EXPORTER_OTLP_TRACES_TIMEOUT, Protocol, SpanExporter, WithExportConfig, WithHttpConfig,
};
use poolscope_semconv::value::Signal;
use tokio::runtime::Handle;

use super::client::Client;
use super::error::OtlpSdkError;

/// Where all signals go, as far as the builder says.
#[derive(Debug, Clone, Default)]
pub(super) struct Target {
    pub(super) endpoint: Option<String>,
    pub(super) protocol: Option<Protocol>,
}

/// One of each signal.
#[derive(Debug)]
pub(super) struct Exporters {
    pub(super) spans: SpanExporter,
    pub(super) metrics: MetricExporter,
    pub(super) events: LogExporter,
}

/// Builds one exporter. The builders have no common trait to build by.
macro_rules! exporter {
    ($exporter:ident, $signal:expr, $way:expr) => {{
        let way: Way = $way;
        let built = match way.client {
            None => way.config($exporter::builder().with_tonic()).build(),
            Some(client) => {
                let builder = $exporter::builder().with_http().with_http_client(client);
                Way { client: None, ..way }.config(builder).build()
            }
        };
        built.map_err(|reason| OtlpSdkError::Exporter { signal: $signal, reason })?
    }};
}

impl Exporters {
    /// Must be called in the context of this runtime.
    pub(super) fn new(target: &Target, runtime: &Handle) -> Result<Self, OtlpSdkError> {
        let traces = Way::new(target, runtime, &TRACES)?;
        let metrics = Way::new(target, runtime, &METRICS)?;
        let logs = Way::new(target, runtime, &LOGS)?;
        Ok(Self {
            spans: exporter!(SpanExporter, Signal::Spans, traces),
            metrics: exporter!(MetricExporter, Signal::Metrics, metrics),
            events: exporter!(LogExporter, Signal::Events, logs),
        })
    }
}

/// What a signal is called.
struct Names {
    path: &'static str,
    protocol: &'static str,
    timeout: &'static str,
}

const TRACES: Names = Names {
    path: "v1/traces",
    protocol: OTEL_EXPORTER_OTLP_TRACES_PROTOCOL,
    timeout: OTEL_EXPORTER_OTLP_TRACES_TIMEOUT,
};
const METRICS: Names = Names {
    path: "v1/metrics",
    protocol: OTEL_EXPORTER_OTLP_METRICS_PROTOCOL,
    timeout: OTEL_EXPORTER_OTLP_METRICS_TIMEOUT,
};
const LOGS: Names = Names {
    path: "v1/logs",
    protocol: OTEL_EXPORTER_OTLP_LOGS_PROTOCOL,
    timeout: OTEL_EXPORTER_OTLP_LOGS_TIMEOUT,
};

/// How a signal travels.
struct Way {
    protocol: Protocol,
    endpoint: Option<String>,
    /// `None` over gRPC.
    client: Option<Client>,
}

impl Way {
    fn new(target: &Target, runtime: &Handle, names: &Names) -> Result<Self, OtlpSdkError> {
        let protocol = match target.protocol {
            Some(protocol) => protocol,
            None => protocol(names)?,
        };
        if protocol == Protocol::Grpc {
            return Ok(Self { protocol, endpoint: target.endpoint.clone(), client: None });
        }
        let endpoint =
            target.endpoint.as_ref().map(|base| format!("{}/{}", base.trim_end_matches('/'), names.path));
        Ok(Self { protocol, endpoint, client: Some(Client::new(runtime, timeout(names))?) })
    }

    fn config<B: WithExportConfig>(self, builder: B) -> B {
        let builder = builder.with_protocol(self.protocol);
        match self.endpoint {
            Some(endpoint) => builder.with_endpoint(endpoint),
            None => builder,
        }
    }
}

/// The SDK's own default would change with its features.
fn protocol(names: &Names) -> Result<Protocol, OtlpSdkError> {
    for name in [names.protocol, OTEL_EXPORTER_OTLP_PROTOCOL] {
        let value = env::var_os(name).map(|value| value.to_string_lossy().trim().to_ascii_lowercase());
        return match value.as_deref() {
            None | Some("") => continue,
            Some("grpc") => Ok(Protocol::Grpc),
            Some("http/protobuf") => Ok(Protocol::HttpBinary),
            Some(value) => Err(OtlpSdkError::Protocol { name, value: value.to_owned() }),
        };
    }
    Ok(Protocol::Grpc)
}

/// Of an HTTP request, which is a matter of the client; over gRPC the exporter reads it by itself.
fn timeout(names: &Names) -> Duration {
    let millis = |name| env::var(name).ok().and_then(|value| value.trim().parse().ok());
    let told = [names.timeout, OTEL_EXPORTER_OTLP_TIMEOUT].into_iter().find_map(millis);
    told.map_or(OTEL_EXPORTER_OTLP_TIMEOUT_DEFAULT, Duration::from_millis)
}
