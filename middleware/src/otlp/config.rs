//! What to send where: the builder's settings and the `OTEL_*` environment, resolved. Pure.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use poolscope_semconv::attr;
use poolscope_semconv::value::Signal;

use super::endpoint::{Meant, endpoint, shown};
use super::env::{ALLOWED_BOOLEAN, ALLOWED_MILLIS, Env, Lookup, boolean, checked, exports_otlp, millis};
use super::error::OtlpError;
use super::temporality::Temporality;
use super::text;
#[cfg(feature = "otlp-tls")]
use super::tls::{Files, Tls};
use crate::registry::ExemplarFilter;

/// How OTLP travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC, on port 4317 by default.
    Grpc,
    /// Protobuf over HTTP, on port 4318 by default.
    HttpProtobuf,
}

/// Time that a receiver has to answer by default; the OpenTelemetry specification's.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time that spans wait to be sent by default. OpenTelemetry's 5 s would make a live view lag.
pub const DEFAULT_SPAN_DELAY: Duration = Duration::from_secs(1);
/// Longest time that events wait to be sent by default: they are few, and somebody wants to know them at once.
pub const DEFAULT_EVENT_DELAY: Duration = Duration::from_millis(200);

/// Spans, and events, that may wait to be sent by default; more are dropped and counted. The specification's.
pub const DEFAULT_QUEUE: usize = 2048;
/// Most spans, or events, in one request by default; the specification's.
pub const DEFAULT_BATCH: usize = 512;

const ALLOWED_PROTOCOL: &str =
    "grpc or http/protobuf (http/json is not offered; http/protobuf goes to the same port)";
const ALLOWED_TEMPORALITY: &str = "cumulative, delta or lowmemory";
const ALLOWED_EXPORTER: &str = "otlp, none or a list of the specification's exporters";

/// What the builder was told; what is `None` or absent comes from the environment.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    pub(super) endpoint: Option<String>,
    pub(super) protocol: Option<Protocol>,
    pub(super) timeout: Option<Duration>,
    pub(super) interval: Option<Duration>,
    pub(super) temporality: Option<Temporality>,
    #[cfg(feature = "otlp-tls")]
    pub(super) files: Files,
    pub(super) headers: Vec<(String, String)>,
    pub(super) service_name: Option<String>,
    pub(super) attributes: Vec<(String, String)>,
}

/// Where one signal goes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Target {
    pub(super) signal: Signal,
    /// False if the signal is not to be exported.
    pub(super) enabled: bool,
    pub(super) protocol: Protocol,
    /// For gRPC scheme and authority, for HTTP the whole URL of the signal.
    pub(super) endpoint: String,
    pub(super) headers: HeaderMap,
    /// Longest time that an export takes, with all its attempts.
    pub(super) timeout: Duration,
    pub(super) gzip: bool,
    #[cfg(feature = "otlp-tls")]
    pub(super) tls: Tls,
}

/// How items of a signal wait and are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Batches {
    /// Longest wait of an item.
    pub(super) delay: Duration,
    /// Most items that wait.
    pub(super) queue: usize,
    /// Most items of one request.
    pub(super) batch: usize,
}

/// Everything resolved.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Config {
    pub(super) metrics: Target,
    pub(super) spans: Target,
    pub(super) events: Target,
    pub(super) interval: Option<Duration>,
    pub(super) temporality: Temporality,
    pub(super) span_batches: Batches,
    pub(super) event_batches: Batches,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) exemplars: ExemplarFilter,
}

impl Config {
    /// `None` if everything is switched off: then nothing else is looked at, so that the switch helps whatever is wrong.
    pub(super) fn resolve(settings: &Settings, lookup: Lookup<'_>) -> Result<Option<Self>, OtlpError> {
        let env = Env(lookup);
        if env.parse("OTEL_SDK_DISABLED", ALLOWED_BOOLEAN, boolean)?.unwrap_or(false) {
            return Ok(None);
        }
        Ok(Some(Self {
            metrics: Target::resolve(Signal::Metrics, settings, env)?,
            spans: Target::resolve(Signal::Spans, settings, env)?,
            events: Target::resolve(Signal::Events, settings, env)?,
            interval: match settings.interval {
                Some(interval) => Some(checked("metrics_interval", interval)?),
                None => env.millis("OTEL_METRIC_EXPORT_INTERVAL")?,
            },
            temporality: match settings.temporality {
                Some(temporality) => temporality,
                None => env
                    .parse(
                        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
                        ALLOWED_TEMPORALITY,
                        temporality,
                    )?
                    .unwrap_or_default(),
            },
            span_batches: Batches::resolve("OTEL_BSP", DEFAULT_SPAN_DELAY, env)?,
            event_batches: Batches::resolve("OTEL_BLRP", DEFAULT_EVENT_DELAY, env)?,
            attributes: attributes(settings, env)?,
            exemplars: env
                .parse("OTEL_METRICS_EXEMPLAR_FILTER", "trace_based, always_on or always_off", exemplars)?
                .unwrap_or(ExemplarFilter::Sampled),
        }))
    }
}

impl Batches {
    fn resolve(prefix: &str, delay: Duration, env: Env<'_>) -> Result<Self, OtlpError> {
        let queue = env.count(&format!("{prefix}_MAX_QUEUE_SIZE"))?.unwrap_or(DEFAULT_QUEUE);
        let batch = env.count(&format!("{prefix}_MAX_EXPORT_BATCH_SIZE"))?.unwrap_or(DEFAULT_BATCH);
        let delay = env.millis(&format!("{prefix}_SCHEDULE_DELAY"))?.unwrap_or(delay);
        // As in the specification, a batch is never more than what may wait.
        Ok(Self { delay, queue, batch: batch.min(queue) })
    }
}

impl Target {
    fn resolve(signal: Signal, settings: &Settings, env: Env<'_>) -> Result<Self, OtlpError> {
        let (word, path, batch_timeout) = match signal {
            Signal::Metrics => ("METRICS", "/v1/metrics", "OTEL_METRIC_EXPORT_TIMEOUT"),
            Signal::Spans => ("TRACES", "/v1/traces", "OTEL_BSP_EXPORT_TIMEOUT"),
            Signal::Events => ("LOGS", "/v1/logs", "OTEL_BLRP_EXPORT_TIMEOUT"),
        };
        let names =
            |what: &str| [format!("OTEL_EXPORTER_OTLP_{word}_{what}"), format!("OTEL_EXPORTER_OTLP_{what}")];

        let enabled =
            env.parse(&format!("OTEL_{word}_EXPORTER"), ALLOWED_EXPORTER, exports_otlp)?.unwrap_or(true);
        if !enabled {
            return Ok(Self::off(signal));
        }
        let protocol = match settings.protocol {
            Some(protocol) => protocol,
            None => {
                env.parse_either(&names("PROTOCOL"), ALLOWED_PROTOCOL, protocol)?.unwrap_or(Protocol::Grpc)
            }
        };
        let insecure = env.parse_either(&names("INSECURE"), ALLOWED_BOOLEAN, boolean)?.unwrap_or(false);
        let [own, _] = names("ENDPOINT");
        let endpoint = if let Some(told) = &settings.endpoint {
            endpoint("endpoint", told, Meant::ForAll, protocol, path, insecure)?
        } else if let Some((name, told)) = env.either(&names("ENDPOINT")) {
            let meant = if name == own { Meant::ForOne } else { Meant::ForAll };
            endpoint(&name, &told, meant, protocol, path, insecure)?
        } else {
            match protocol {
                Protocol::Grpc => "http://localhost:4317".to_owned(),
                Protocol::HttpProtobuf => format!("http://localhost:4318{path}"),
            }
        };
        let timeout = match settings.timeout {
            Some(timeout) => checked("timeout", timeout)?,
            None => env.parse_either(&names("TIMEOUT"), ALLOWED_MILLIS, millis)?.unwrap_or(DEFAULT_TIMEOUT),
        };
        // The SDK has a limit of its own around the exporter's. Here both are one, so the shorter holds.
        let timeout = env.millis(batch_timeout)?.map_or(timeout, |limit| timeout.min(limit));
        let gzip = env.parse_either(&names("COMPRESSION"), "gzip or none", compression)?.unwrap_or(false);
        // Files are for TLS only; whoever sets them for everything may still have one target without.
        #[cfg(feature = "otlp-tls")]
        let tls = match endpoint.starts_with("https:") {
            true => Tls::read(&settings.files, env, names)?,
            false => Tls::default(),
        };
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = env.either(&names("HEADERS")) {
            for (key, value) in text::pairs(&name, &value)? {
                insert(&mut headers, &name, &key, &value, protocol)?;
            }
        }
        for (key, value) in &settings.headers {
            insert(&mut headers, "header", key, value, protocol)?;
        }
        Ok(Self {
            signal,
            enabled,
            protocol,
            endpoint,
            headers,
            timeout,
            gzip,
            #[cfg(feature = "otlp-tls")]
            tls,
        })
    }

    /// Nothing is sent, so whatever else is set for the signal is not looked at.
    fn off(signal: Signal) -> Self {
        Self {
            signal,
            enabled: false,
            protocol: Protocol::Grpc,
            endpoint: String::new(),
            headers: HeaderMap::new(),
            timeout: DEFAULT_TIMEOUT,
            gzip: false,
            #[cfg(feature = "otlp-tls")]
            tls: Tls::default(),
        }
    }

    /// An exporter could not be built for it.
    pub(super) fn refused(&self, reason: &dyn std::error::Error) -> OtlpError {
        // The libraries say in the first error what they tried and below what went wrong.
        let causes = std::iter::successors(Some(reason), |error| error.source());
        let reason = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        OtlpError::Exporter { signal: self.signal, endpoint: shown(&self.endpoint), reason }
    }
}

fn protocol(value: &str) -> Option<Protocol> {
    match value.to_ascii_lowercase().as_str() {
        "grpc" => Some(Protocol::Grpc),
        "http/protobuf" => Some(Protocol::HttpProtobuf),
        _ => None,
    }
}

fn exemplars(value: &str) -> Option<ExemplarFilter> {
    match value.to_ascii_lowercase().as_str() {
        "trace_based" => Some(ExemplarFilter::Sampled),
        "always_on" => Some(ExemplarFilter::All),
        "always_off" => Some(ExemplarFilter::Off),
        _ => None,
    }
}

/// Whether to compress.
fn compression(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "gzip" => Some(true),
        "none" => Some(false),
        _ => None,
    }
}

fn temporality(value: &str) -> Option<Temporality> {
    match value.to_ascii_lowercase().as_str() {
        "cumulative" => Some(Temporality::Cumulative),
        "delta" => Some(Temporality::Delta),
        "lowmemory" => Some(Temporality::LowMemory),
        _ => None,
    }
}

fn insert(
    headers: &mut HeaderMap,
    name: &str,
    key: &str,
    value: &str,
    protocol: Protocol,
) -> Result<(), OtlpError> {
    const ALLOWED: &str = "key=value with the characters that HTTP allows in headers";
    const ALLOWED_GRPC: &str = "key=value with values of printable ASCII, which is all that gRPC carries";
    let header = key.to_ascii_lowercase().parse::<HeaderName>();
    // HTTP takes any text as its UTF-8 bytes; a line break or another control character never passes.
    let (Ok(header), Ok(mut value)) = (header, HeaderValue::from_bytes(value.as_bytes())) else {
        return Err(OtlpError::setting(name, key, ALLOWED));
    };
    if protocol == Protocol::Grpc && !value.as_bytes().is_ascii() {
        return Err(OtlpError::setting(name, key, ALLOWED_GRPC));
    }
    value.set_sensitive(true);
    headers.insert(header, value);
    Ok(())
}

/// Attributes of the resource that were told, later ones winning over earlier ones.
fn attributes(settings: &Settings, env: Env<'_>) -> Result<Vec<(String, String)>, OtlpError> {
    const NAME: &str = "OTEL_RESOURCE_ATTRIBUTES";
    let mut attributes = match env.get(NAME) {
        Some(value) => text::pairs(NAME, &value)?,
        None => Vec::new(),
    };
    attributes.extend(env.get("OTEL_SERVICE_NAME").map(|name| (attr::SERVICE_NAME.to_owned(), name)));
    attributes.extend(settings.attributes.iter().cloned());
    attributes.extend(settings.service_name.clone().map(|name| (attr::SERVICE_NAME.to_owned(), name)));
    Ok(attributes)
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
