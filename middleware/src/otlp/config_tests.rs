//! Tests of [`super::Config`].

use super::*;

fn resolve(settings: &Settings, vars: &[(&str, &str)]) -> Result<Config, OtlpError> {
    switched(settings, vars).map(|config| config.expect("it is not switched off"))
}

/// `None` if it is switched off.
fn switched(settings: &Settings, vars: &[(&str, &str)]) -> Result<Option<Config>, OtlpError> {
    let vars: Vec<_> = vars.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Config::resolve(settings, &|name| vars.iter().find(|(key, _)| key == name).map(|(_, v)| v.clone()))
}

#[test]
fn what_is_switched_off_is_not_looked_at() {
    let wrong = [("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "nonsense")];
    let settings = Settings::default();
    assert!(switched(&settings, &wrong).is_err());
    let off = [("OTEL_SDK_DISABLED", "TRUE")];
    assert_eq!(switched(&settings, &[&wrong[..], &off].concat()).unwrap(), None);
    let names = ["OTEL_METRICS_EXPORTER", "OTEL_TRACES_EXPORTER", "OTEL_LOGS_EXPORTER"];
    let none = names.map(|name| (name, "none"));
    let config = resolve(&settings, &[&wrong[..], &none].concat()).unwrap();
    assert!([&config.metrics, &config.spans, &config.events].iter().all(|target| !target.enabled));
    let config = [&wrong[..], &none[..2]].concat();
    assert!(resolve(&settings, &config).is_err(), "one signal is still on");
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
    assert_eq!(config.interval, None);
    let batches = |delay| Batches { delay, queue: DEFAULT_QUEUE, batch: DEFAULT_BATCH };
    assert_eq!(config.span_batches, batches(DEFAULT_SPAN_DELAY));
    assert_eq!(config.event_batches, batches(DEFAULT_EVENT_DELAY));
    assert_eq!(config.temporality, Temporality::Cumulative);
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
        temporality: Some(Temporality::Delta),
        headers: vec![("B".into(), "builder".into())],
        service_name: Some("builder".into()),
        attributes: vec![("zone".into(), "builder".into())],
        #[cfg(feature = "otlp-tls")]
        files: Files::default(),
    };
    let config = resolve(
        &settings,
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://env:1"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://env:2"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "1"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "cumulative"),
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
    assert_eq!(config.temporality, Temporality::Delta);
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
    ]);
    assert_eq!(config.interval, Some(Duration::from_secs(15)));
    assert_eq!(config.span_batches.delay, Duration::from_secs(5));
    assert_eq!(config.event_batches.delay, Duration::from_millis(50));
}

#[test]
fn a_wrong_value_is_told_with_its_name_and_what_is_allowed() {
    let hostile = "x".repeat(100_000);
    for (name, value, allowed) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "grpc or http/protobuf"),
        ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "grpc/http", "grpc or http/protobuf"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost", "http or https"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:99999", "http or https"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317/path:1", "http or https"),
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
        ("OTEL_EXPORTER_OTLP_INSECURE", "1", "true or false"),
        ("OTEL_METRICS_EXPORTER", "otpl", "otlp, none"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "deltas", "cumulative, delta or lowmemory"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "from 1 to"),
        ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "2000000", "from 1 to"),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "0", "milliseconds"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "tenant=%C3%A9", "printable ASCII"),
        ("OTEL_RESOURCE_ATTRIBUTES", "no pair", "key=value"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a b=1", "key=value"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=line%0Abreak", "key=value"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", hostile.as_str(), "grpc"),
    ] {
        let all = ("OTEL_EXPORTER_OTLP_INSECURE", "true");
        let error = if name == all.0 { wrong(&[(name, value)]) } else { wrong(&[all, (name, value)]) };
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

#[test]
fn over_grpc_an_endpoint_needs_no_scheme_and_whether_that_means_tls_is_told_apart() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317");
    let config = env(&[endpoint, ("OTEL_EXPORTER_OTLP_INSECURE", "true")]);
    assert_eq!(config.spans.endpoint, "http://collector:4317");
    let config =
        env(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "[::1]:4317"), ("OTEL_EXPORTER_OTLP_INSECURE", "TRUE")]);
    assert_eq!(config.spans.endpoint, "http://[::1]:4317");
    // A scheme says more than the setting.
    let with_scheme = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317");
    assert_eq!(env(&[with_scheme]).spans.endpoint, "http://collector:4317");
    let signal = [
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "collector:4317"),
        ("OTEL_EXPORTER_OTLP_METRICS_INSECURE", "true"),
    ];
    assert_eq!(env(&signal).metrics.endpoint, "http://collector:4317");
    let config = resolve(&Settings::default(), &[endpoint]);
    if cfg!(feature = "otlp-tls") {
        assert_eq!(config.unwrap().spans.endpoint, "https://collector:4317");
    } else {
        let error = config.unwrap_err().to_string();
        assert!(error.contains("otlp-tls") && error.contains("OTEL_EXPORTER_OTLP_INSECURE"), "{error}");
    }
    let http = ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
    let error = wrong(&[http, endpoint, ("OTEL_EXPORTER_OTLP_INSECURE", "true")]);
    assert!(error.contains("a URL with http or https"), "HTTP has no such form: {error}");
}

#[test]
fn over_http_one_signal_s_endpoint_is_used_as_it_is() {
    let http = ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
    for (told, used) in [
        ("http://collector:4318", "http://collector:4318/"),
        ("http://collector.example.com/v1/metrics/", "http://collector.example.com/v1/metrics/"),
        ("http://collector:4318/in?key=1", "http://collector:4318/in?key=1"),
    ] {
        let config = env(&[http, ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", told)]);
        assert_eq!(config.metrics.endpoint, used);
    }
    for told in ["http://collector:4318/mycollector/", "http://collector:4318/mycollector"] {
        let config = env(&[http, ("OTEL_EXPORTER_OTLP_ENDPOINT", told)]);
        assert_eq!(config.spans.endpoint, "http://collector:4318/mycollector/v1/traces");
    }
}

#[test]
fn batches_timeouts_and_exporters_come_from_the_environment() {
    let config = env(&[
        ("OTEL_BSP_MAX_QUEUE_SIZE", "10"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "3000"),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "5000"),
        ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "100"),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "30000"),
        ("OTEL_LOGS_EXPORTER", "none"),
        ("OTEL_TRACES_EXPORTER", "console, OTLP"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "GZIP"),
    ]);
    assert_eq!((config.span_batches.queue, config.span_batches.batch), (10, 10));
    assert_eq!((config.event_batches.queue, config.event_batches.batch), (5000, 100));
    assert_eq!(config.spans.timeout, Duration::from_secs(3));
    assert_eq!(config.metrics.timeout, DEFAULT_TIMEOUT, "the shorter of the two holds");
    assert_eq!([config.metrics.enabled, config.spans.enabled, config.events.enabled], [true, true, false]);
    assert!(config.metrics.gzip);
    for (value, expected) in [
        ("delta", Temporality::Delta),
        ("Cumulative", Temporality::Cumulative),
        ("LowMemory", Temporality::LowMemory),
    ] {
        let name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
        assert_eq!(env(&[(name, value)]).temporality, expected);
    }
    for (value, expected) in [
        ("Trace_Based", ExemplarFilter::Sampled),
        ("ALWAYS_ON", ExemplarFilter::All),
        ("always_off", ExemplarFilter::Off),
    ] {
        assert_eq!(env(&[("OTEL_METRICS_EXEMPLAR_FILTER", value)]).exemplars, expected);
    }
}

#[test]
fn over_http_a_header_may_be_any_text() {
    let config = env(&[
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "tenant=caf%C3%A9"),
    ]);
    assert_eq!(config.metrics.headers["tenant"].as_bytes(), "café".as_bytes());
}
