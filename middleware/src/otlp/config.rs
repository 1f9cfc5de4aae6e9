//! What to send where: the builder's settings and the `OTEL_*` environment, resolved. Pure.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use poolscope_semconv::attr;
use poolscope_semconv::value::Signal;

use super::error::OtlpError;
use super::text;
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

/// Longest duration that a setting may have; it keeps the arithmetic of time away from its ends.
pub(super) const MAX_DURATION: Duration = Duration::from_secs(24 * 60 * 60);
const ALLOWED_MILLIS: &str = "a whole number of milliseconds from 1 to 86400000 (one day)";
const ALLOWED_URL: &str = "a URL with http or https and a host, such as http://localhost:4317";

/// What the builder was told; what is `None` or absent comes from the environment.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    pub(super) endpoint: Option<String>,
    pub(super) protocol: Option<Protocol>,
    pub(super) timeout: Option<Duration>,
    pub(super) interval: Option<Duration>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) service_name: Option<String>,
    pub(super) attributes: Vec<(String, String)>,
}

/// Where one signal goes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Target {
    pub(super) signal: Signal,
    pub(super) protocol: Protocol,
    /// For gRPC scheme and authority, for HTTP the whole URL of the signal.
    pub(super) endpoint: String,
    pub(super) headers: HeaderMap,
    pub(super) timeout: Duration,
    pub(super) gzip: bool,
}

/// Everything resolved.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Config {
    pub(super) disabled: bool,
    pub(super) metrics: Target,
    pub(super) spans: Target,
    pub(super) events: Target,
    pub(super) interval: Option<Duration>,
    pub(super) span_delay: Duration,
    pub(super) event_delay: Duration,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) exemplars: ExemplarFilter,
}

/// Looks an environment variable up.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Config {
    pub(super) fn resolve(settings: &Settings, lookup: Lookup<'_>) -> Result<Self, OtlpError> {
        let env = Env(lookup);
        Ok(Self {
            disabled: env.parse("OTEL_SDK_DISABLED", "true or false", boolean)?.unwrap_or(false),
            metrics: Target::resolve(Signal::Metrics, settings, env)?,
            spans: Target::resolve(Signal::Spans, settings, env)?,
            events: Target::resolve(Signal::Events, settings, env)?,
            interval: match settings.interval {
                Some(interval) => Some(checked("metrics_interval", interval)?),
                None => env.millis("OTEL_METRIC_EXPORT_INTERVAL")?,
            },
            span_delay: env.millis("OTEL_BSP_SCHEDULE_DELAY")?.unwrap_or(DEFAULT_SPAN_DELAY),
            event_delay: env.millis("OTEL_BLRP_SCHEDULE_DELAY")?.unwrap_or(DEFAULT_EVENT_DELAY),
            attributes: attributes(settings, env)?,
            exemplars: env
                .parse("OTEL_METRICS_EXEMPLAR_FILTER", "trace_based, always_on or always_off", exemplars)?
                .unwrap_or(ExemplarFilter::Sampled),
        })
    }
}

impl Target {
    fn resolve(signal: Signal, settings: &Settings, env: Env<'_>) -> Result<Self, OtlpError> {
        let (word, path) = match signal {
            Signal::Metrics => ("METRICS", "/v1/metrics"),
            Signal::Spans => ("TRACES", "/v1/traces"),
            Signal::Events => ("LOGS", "/v1/logs"),
        };
        let own = |what: &str| format!("OTEL_EXPORTER_OTLP_{word}_{what}");
        let all = |what: &str| format!("OTEL_EXPORTER_OTLP_{what}");

        let protocol = match settings.protocol {
            Some(protocol) => protocol,
            None => env
                .parse_either(&own("PROTOCOL"), &all("PROTOCOL"), "grpc or http/protobuf", protocol)?
                .unwrap_or(Protocol::Grpc),
        };
        let endpoint = if let Some(endpoint) = &settings.endpoint {
            base("endpoint", endpoint, protocol, path)?
        } else if let Some(endpoint) = env.get(&own("ENDPOINT")) {
            match protocol {
                Protocol::Grpc => base(&own("ENDPOINT"), &endpoint, protocol, path)?,
                // The specification wants the URL of a single signal used as it is.
                Protocol::HttpProtobuf => url(&own("ENDPOINT"), &endpoint)?.to_string(),
            }
        } else if let Some(endpoint) = env.get(&all("ENDPOINT")) {
            base(&all("ENDPOINT"), &endpoint, protocol, path)?
        } else {
            match protocol {
                Protocol::Grpc => "http://localhost:4317".to_owned(),
                Protocol::HttpProtobuf => format!("http://localhost:4318{path}"),
            }
        };
        let timeout = match settings.timeout {
            Some(timeout) => checked("timeout", timeout)?,
            None => env
                .parse_either(&own("TIMEOUT"), &all("TIMEOUT"), ALLOWED_MILLIS, millis)?
                .unwrap_or(DEFAULT_TIMEOUT),
        };
        let gzip = env
            .parse_either(&own("COMPRESSION"), &all("COMPRESSION"), "gzip or none", compression)?
            .unwrap_or(false);
        let mut headers = HeaderMap::new();
        for name in [own("HEADERS"), all("HEADERS")] {
            if let Some(value) = env.get(&name) {
                for (key, value) in text::pairs(&name, &value)? {
                    insert(&mut headers, &name, &key, &value)?;
                }
                break;
            }
        }
        for (key, value) in &settings.headers {
            insert(&mut headers, "header", key, value)?;
        }
        Ok(Self { signal, protocol, endpoint, headers, timeout, gzip })
    }
}

impl Target {
    /// An exporter could not be built for it.
    pub(super) fn refused(&self, reason: &dyn std::error::Error) -> OtlpError {
        OtlpError::Exporter {
            signal: self.signal,
            endpoint: self.endpoint.clone(),
            reason: reason.to_string(),
        }
    }
}

/// The environment, where an empty value is the same as none, as the specification asks.
#[derive(Clone, Copy)]
struct Env<'a>(Lookup<'a>);

impl Env<'_> {
    fn get(self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn parse<T>(
        self,
        name: &str,
        allowed: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, OtlpError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        parse(&value).map(Some).ok_or_else(|| OtlpError::setting(name, &value, allowed))
    }

    fn parse_either<T>(
        self,
        first: &str,
        second: &str,
        allowed: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, OtlpError> {
        match self.parse(first, allowed, &parse)? {
            Some(value) => Ok(Some(value)),
            None => self.parse(second, allowed, parse),
        }
    }

    fn millis(self, name: &str) -> Result<Option<Duration>, OtlpError> {
        self.parse(name, ALLOWED_MILLIS, millis)
    }
}

fn boolean(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn protocol(value: &str) -> Option<Protocol> {
    match value {
        "grpc" => Some(Protocol::Grpc),
        "http/protobuf" => Some(Protocol::HttpProtobuf),
        _ => None,
    }
}

fn exemplars(value: &str) -> Option<ExemplarFilter> {
    match value {
        "trace_based" => Some(ExemplarFilter::Sampled),
        "always_on" => Some(ExemplarFilter::All),
        "always_off" => Some(ExemplarFilter::Off),
        _ => None,
    }
}

/// Whether to compress.
fn compression(value: &str) -> Option<bool> {
    match value {
        "gzip" => Some(true),
        "none" => Some(false),
        _ => None,
    }
}

fn millis(value: &str) -> Option<Duration> {
    value.parse().ok().map(Duration::from_millis).filter(in_range)
}

fn in_range(duration: &Duration) -> bool {
    (Duration::from_millis(1)..=MAX_DURATION).contains(duration)
}

fn checked(name: &str, duration: Duration) -> Result<Duration, OtlpError> {
    if in_range(&duration) {
        Ok(duration)
    } else {
        Err(OtlpError::setting(name, &format!("{duration:?}"), "from 1 ms to 1 day"))
    }
}

fn url(name: &str, value: &str) -> Result<Uri, OtlpError> {
    let uri: Option<Uri> = value.parse().ok();
    let uri = uri.filter(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    });
    let uri = uri.ok_or_else(|| OtlpError::setting(name, value, ALLOWED_URL))?;
    if uri.scheme_str() == Some("https") && !cfg!(feature = "otlp-tls") {
        let allowed = "an http URL unless poolscope is built with the feature otlp-tls";
        return Err(OtlpError::setting(name, value, allowed));
    }
    Ok(uri)
}

/// The endpoint of a signal, from the one that is meant for all signals.
fn base(name: &str, value: &str, protocol: Protocol, path: &str) -> Result<String, OtlpError> {
    let uri = url(name, value)?;
    let root = match (uri.scheme_str(), uri.authority()) {
        (Some(scheme), Some(authority)) => format!("{scheme}://{authority}"),
        _ => return Err(OtlpError::setting(name, value, ALLOWED_URL)),
    };
    Ok(match protocol {
        Protocol::Grpc => root,
        Protocol::HttpProtobuf => format!("{root}{}{path}", uri.path().trim_end_matches('/')),
    })
}

fn insert(headers: &mut HeaderMap, name: &str, key: &str, value: &str) -> Result<(), OtlpError> {
    let header = key.to_ascii_lowercase().parse::<HeaderName>();
    let (Ok(header), Ok(mut value)) = (header, value.parse::<HeaderValue>()) else {
        return Err(OtlpError::setting(
            name,
            key,
            "key=value with the characters that HTTP allows in headers",
        ));
    };
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
