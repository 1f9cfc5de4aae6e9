//! Tests of [`super::Config`].

use super::*;

fn resolve(settings: &Settings, vars: &[(&str, &str)]) -> Result<Config, OtlpError> {
    let vars: Vec<_> = vars.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Config::resolve(settings, &|name| vars.iter().find(|(key, _)| key == name).map(|(_, v)| v.clone()))
}

fn env(vars: &[(&str, &str)]) -> Config {
    resolve(&Settings::default(), vars).unwrap()
}

fn wrong(vars: &[(&str, &str)]) -> String {
    resolve(&Settings::default(), vars).unwrap_err().to_string()
}

#[test]
fn without_any_setting_everything_goes_by_grpc_to_this_host() {
    let config = env(&[]);
    for target in [&config.metrics, &config.spans, &config.events] {
        assert_eq!(target.protocol, Protocol::Grpc);
        assert_eq!(target.endpoint, "http://localhost:4317");
        assert_eq!(target.timeout, DEFAULT_TIMEOUT);
        assert!(target.headers.is_empty() && !target.gzip);
    }
    assert!(!config.disabled);
    assert_eq!(config.interval, None);
    assert_eq!((config.span_delay, config.event_delay), (DEFAULT_SPAN_DELAY, DEFAULT_EVENT_DELAY));
    assert!(config.attributes.is_empty());
}

#[test]
fn an_empty_variable_is_no_variable() {
    assert_eq!(env(&[("OTEL_EXPORTER_OTLP_PROTOCOL", ""), ("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]), env(&[]));
}

#[test]
fn over_http_the_paths_are_appended_to_the_common_endpoint_only() {
    let http = ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
    assert_eq!(env(&[http]).metrics.endpoint, "http://localhost:4318/v1/metrics");
    let config = env(&[
        http,
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:9/otlp/"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:9/custom"),
    ]);
    assert_eq!(config.metrics.endpoint, "http://collector:9/otlp/v1/metrics");
    assert_eq!(config.events.endpoint, "http://collector:9/otlp/v1/logs");
    assert_eq!(config.spans.endpoint, "http://traces:9/custom");
}

#[test]
fn over_grpc_scheme_and_authority_count() {
    let config = env(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317/some/path")]);
    assert_eq!(config.spans.endpoint, "http://collector:4317");
}

#[test]
fn a_signal_s_own_variable_wins_over_the_common_one() {
    let config = env(&[
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "1000"),
        ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "2000"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "none"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=1,b=2"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=3"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
    ]);
    assert_eq!(config.metrics.timeout, Duration::from_secs(1));
    assert_eq!(config.events.timeout, Duration::from_secs(2));
    assert_eq!((config.metrics.gzip, config.spans.gzip), (false, true));
    assert_eq!((config.metrics.headers.len(), config.spans.headers.len()), (2, 1));
    assert_eq!(config.spans.headers["a"], "3");
    assert_eq!(config.spans.protocol, Protocol::HttpProtobuf);
    assert_eq!(config.events.protocol, Protocol::Grpc);
}

#[test]
fn the_builder_wins_over_the_environment() {
    let settings = Settings {
        endpoint: Some("http://builder:1".into()),
        protocol: Some(Protocol::Grpc),
        timeout: Some(Duration::from_secs(3)),
        interval: Some(Duration::from_secs(7)),
        headers: vec![("B".into(), "builder".into())],
        service_name: Some("builder".into()),
        attributes: vec![("zone".into(), "builder".into())],
    };
    let config = resolve(
        &settings,
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://env:1"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://env:2"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "1"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=env,b=env"),
            ("OTEL_SERVICE_NAME", "env"),
            ("OTEL_RESOURCE_ATTRIBUTES", "zone=env,service.name=attributes"),
        ],
    )
    .unwrap();
    assert_eq!(config.metrics.endpoint, "http://builder:1");
    assert_eq!(config.metrics.protocol, Protocol::Grpc);
    assert_eq!(config.metrics.timeout, Duration::from_secs(3));
    assert_eq!(config.interval, Some(Duration::from_secs(7)));
    assert_eq!(config.metrics.headers["a"], "env");
    assert_eq!(config.metrics.headers["b"], "builder");
    let last = |key: &str| config.attributes.iter().rev().find(|(k, _)| k == key).unwrap().1.as_str();
    assert_eq!((last("service.name"), last("zone")), ("builder", "builder"));
}

#[test]
fn delays_and_the_interval_come_from_the_environment() {
    let config = env(&[
        ("OTEL_METRIC_EXPORT_INTERVAL", "15000"),
        ("OTEL_BSP_SCHEDULE_DELAY", "5000"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "50"),
        ("OTEL_SDK_DISABLED", "TRUE"),
    ]);
    assert_eq!(config.interval, Some(Duration::from_secs(15)));
    assert_eq!(config.span_delay, Duration::from_secs(5));
    assert_eq!(config.event_delay, Duration::from_millis(50));
    assert!(config.disabled);
}

#[test]
fn a_wrong_value_is_told_with_its_name_and_what_is_allowed() {
    let hostile = "x".repeat(100_000);
    for (name, value, allowed) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "grpc or http/protobuf"),
        ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "GRPC", "grpc or http/protobuf"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317", "http or https"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://", "http or https"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://host", "http or https"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://a b", "http or https"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "milliseconds"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "0", "milliseconds"),
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "18446744073709551615", "milliseconds"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "-1", "milliseconds"),
        ("OTEL_BSP_SCHEDULE_DELAY", "soon", "milliseconds"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "99999999999999999999", "milliseconds"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "gzip or none"),
        ("OTEL_SDK_DISABLED", "yes", "true or false"),
        ("OTEL_RESOURCE_ATTRIBUTES", "no pair", "key=value"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a b=1", "key=value"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=line%0Abreak", "key=value"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", hostile.as_str(), "grpc"),
    ] {
        let error = wrong(&[(name, value)]);
        assert!(error.starts_with(&format!("{name} is ")) && error.contains(allowed), "{error}");
        assert!(error.len() < 500, "{} characters", error.len());
    }
}

#[test]
fn an_error_shows_no_secret() {
    let error = wrong(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://user:secret@host")]);
    assert!(error.contains("host") && !error.contains("secret"), "{error}");
    let error = wrong(&[("OTEL_EXPORTER_OTLP_HEADERS", "auth orization=secret")]);
    assert!(!error.contains("secret"), "{error}");
    let header = env(&[("OTEL_EXPORTER_OTLP_HEADERS", "authorization=secret")]).metrics.headers;
    assert!(!format!("{header:?}").contains("secret"));
}

#[test]
fn durations_of_the_builder_have_bounds_too() {
    for interval in [Duration::ZERO, Duration::MAX] {
        let settings = Settings { interval: Some(interval), ..Settings::default() };
        let error = resolve(&settings, &[]).unwrap_err().to_string();
        assert!(error.contains("metrics_interval") && error.contains("1 ms"), "{error}");
    }
}

#[cfg(not(feature = "otlp-tls"))]
#[test]
fn https_without_tls_names_the_feature() {
    assert!(wrong(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://host")]).contains("otlp-tls"));
}
