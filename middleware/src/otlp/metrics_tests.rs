//! Tests of [`super::requests`] against the contract.

#[path = "metrics_sample.rs"]
mod sample;

use std::collections::{BTreeMap, HashSet};

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, HistogramDataPoint, Metric, NumberDataPoint, metric::Data,
    number_data_point::Value,
};
use poolscope_semconv::metric::{ALL, MetricDef, MetricKind, find};
use poolscope_semconv::value::*;

use self::sample::*;
use super::*;
use crate::registry::*;

fn metrics() -> Vec<Metric> {
    let dropped = Dropped::default();
    dropped.add(Signal::Spans, 7);
    let mut requests = requests(&snapshot(), &dropped, &Resource::default(), 0);
    assert_eq!(requests.len(), 1);
    let mut request = requests.remove(0);
    let mut resource = request.resource_metrics.pop().unwrap();
    let scope = resource.scope_metrics.pop().unwrap();
    assert_eq!(scope.scope.unwrap().name, SCOPE_NAME);
    assert_eq!(scope.schema_url, SCHEMA_URL);
    scope.metrics
}

fn numbers(metric: &Metric) -> &[NumberDataPoint] {
    match metric.data.as_ref().unwrap() {
        Data::Sum(sum) => &sum.data_points,
        Data::Gauge(gauge) => &gauge.data_points,
        _ => &[],
    }
}

fn histograms(metric: &Metric) -> &[HistogramDataPoint] {
    match metric.data.as_ref().unwrap() {
        Data::Histogram(histogram) => &histogram.data_points,
        _ => &[],
    }
}

fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &KeyValue| match value.value.as_ref().unwrap().value.as_ref().unwrap() {
        any_value::Value::StringValue(text) => text.clone(),
        any_value::Value::IntValue(number) => number.to_string(),
        any_value::Value::BoolValue(truth) => truth.to_string(),
        other => panic!("unexpected {other:?}"),
    };
    let map: BTreeMap<_, _> = attributes.iter().map(|pair| (pair.key.clone(), text(pair))).collect();
    assert_eq!(map.len(), attributes.len(), "a key twice in {attributes:?}");
    map
}

/// All points as attributes and value, counts for histograms.
fn points(metric: &Metric) -> Vec<(BTreeMap<String, String>, f64)> {
    let number = |point: &NumberDataPoint| match point.value.unwrap() {
        Value::AsInt(value) => value as f64,
        Value::AsDouble(value) => value,
    };
    let numbers = numbers(metric).iter().map(|point| (attributes(&point.attributes), number(point)));
    let histograms =
        histograms(metric).iter().map(|point| (attributes(&point.attributes), point.count as f64));
    numbers.chain(histograms).collect()
}

/// The value of the one point of a metric that has these attributes.
fn value(def: &MetricDef, with: &[(&str, &str)]) -> f64 {
    let metrics = metrics();
    let metric = metrics.iter().find(|metric| metric.name == def.name).unwrap();
    let found: Vec<_> = points(metric)
        .into_iter()
        .filter(|(attributes, _)| {
            with.iter().all(|(key, value)| attributes.get(*key).is_some_and(|found| found == value))
        })
        .map(|(_, value)| value)
        .collect();
    assert_eq!(found.len(), 1, "{} with {with:?}", def.name);
    found[0]
}

#[test]
fn every_metric_of_the_contract_is_there_as_the_contract_says() {
    let metrics = metrics();
    let names: Vec<_> = metrics.iter().map(|metric| metric.name.as_str()).collect();
    assert_eq!(names, ALL.iter().map(|def| def.name).collect::<Vec<_>>());
    for (metric, def) in metrics.iter().zip(ALL) {
        assert_eq!((metric.unit.as_str(), metric.description.as_str()), (def.unit, def.description));
        let cumulative = AggregationTemporality::Cumulative as i32;
        match (def.kind, metric.data.as_ref().unwrap()) {
            (MetricKind::Counter, Data::Sum(sum)) => {
                assert!(sum.is_monotonic, "{}", def.name);
                assert_eq!(sum.aggregation_temporality, cumulative, "{}", def.name);
            }
            (MetricKind::UpDownCounter, Data::Sum(sum)) => {
                assert!(!sum.is_monotonic, "{}", def.name);
                assert_eq!(sum.aggregation_temporality, cumulative, "{}", def.name);
            }
            (MetricKind::Gauge, Data::Gauge(_)) => {}
            (MetricKind::Histogram, Data::Histogram(histogram)) => {
                assert_eq!(histogram.aggregation_temporality, cumulative, "{}", def.name);
                for point in &histogram.data_points {
                    assert_eq!(point.explicit_bounds, def.bounds, "{}", def.name);
                    assert_eq!(point.bucket_counts.len(), def.bounds.len() + 1, "{}", def.name);
                    assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count, "{}", def.name);
                }
            }
            (kind, data) => panic!("{} is {kind:?} and was sent as {data:?}", def.name),
        }
    }
}

#[test]
fn points_have_the_required_attributes_and_none_that_are_undeclared() {
    for metric in metrics() {
        let def = find(&metric.name).unwrap();
        let mut seen = HashSet::new();
        for (attributes, _) in points(&metric) {
            for key in def.required {
                assert!(attributes.contains_key(*key), "{} lacks {key} in {attributes:?}", def.name);
            }
            for key in attributes.keys().map(String::as_str) {
                let declared = def.required.contains(&key) || def.optional.contains(&key);
                // OpenTelemetry's own mark, which any metric may carry.
                assert!(declared || key == attr::OTEL_METRIC_OVERFLOW, "{} has {key}", def.name);
            }
            assert!(seen.insert(attributes.clone()), "{} has {attributes:?} twice", def.name);
        }
    }
}

#[test]
fn all_points_have_the_time_of_the_snapshot_and_the_start_of_the_scope() {
    for metric in metrics() {
        let start = if matches!(metric.data, Some(Data::Gauge(_))) { 0 } else { SINCE };
        for point in numbers(&metric) {
            assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (start, AT), "{}", metric.name);
        }
        for point in histograms(&metric) {
            assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (start, AT), "{}", metric.name);
        }
    }
}

#[cfg(feature = "meter")]
#[test]
fn instruments_of_the_bridge_have_the_type_of_what_they_observe() {
    for metric in metrics() {
        let def = find(&metric.name).unwrap();
        for point in numbers(&metric) {
            let is_float = matches!(point.value, Some(Value::AsDouble(_)));
            assert_eq!(crate::meter::is_float(def), is_float, "{}", def.name);
        }
    }
}

#[test]
fn a_pool_is_told_as_it_is() {
    let payments = (attr::CLIENT_NAME, "payments");
    let is = |def: &MetricDef, key: &str, text: &str| value(def, &[payments, (key, text)]);
    assert_eq!(value(&metric::CONNECTION_PENDING_REQUESTS, &[payments]), 2.0);
    assert_eq!(value(&metric::HTTP_CLIENT_ACTIVE_REQUESTS, &[payments]), 6.0);
    assert_eq!(value(&metric::STREAM_ACTIVE, &[payments]), 2.0);
    assert_eq!(value(&metric::CONNECTION_OPENED, &[payments, (attr::SERVER_PORT, "8080")]), 9.0);
    assert_eq!(is(&metric::CONNECTION_ACQUIRES, attr::ACQUIRE_OUTCOME, "reused"), 8.0);
    assert_eq!(is(&metric::CONNECTION_ACQUIRES, attr::ACQUIRE_OUTCOME, "waited"), 0.0);
    assert_eq!(is(&metric::CONNECTION_IO, attr::NETWORK_IO_DIRECTION, "receive"), 2000.0);
    assert_eq!(is(&metric::CONNECTION_CLOSED, attr::CLOSE_REASON, "reset"), 1.0);
    assert_eq!(is(&metric::CONNECTION_CLOSED, attr::CLOSE_REASON, "body_dropped"), 1.0);
    assert_eq!(is(&metric::CONNECTION_CLOSED, attr::CLOSE_REASON, "idle_timeout"), 0.0);
    assert_eq!(value(&metric::CONNECTION_WAIT_TIME, &[payments]), 15.0);
    let open = |protocol, state| {
        let with =
            [payments, (attr::NETWORK_PROTOCOL_VERSION, protocol), (attr::HTTP_CONNECTION_STATE, state)];
        value(&metric::HTTP_CLIENT_OPEN_CONNECTIONS, &with)
    };
    assert_eq!((open("1.1", "active"), open("1.1", "upgraded"), open("2", "active")), (3.0, 1.0, 1.0));
    let lives =
        |protocol| is(&metric::HTTP_CLIENT_CONNECTION_DURATION, attr::NETWORK_PROTOCOL_VERSION, protocol);
    assert_eq!((lives("1.1"), lives("2")), (2.0, 0.0));
}

#[test]
fn a_result_tells_its_status_or_its_error() {
    let metrics = metrics();
    let duration = &metrics[0];
    assert_eq!(duration.name, metric::HTTP_CLIENT_REQUEST_DURATION.name);
    let told: Vec<_> = points(duration)
        .into_iter()
        .map(|(attributes, _)| {
            let get = |key: &str| attributes.get(key).cloned().unwrap_or_default();
            [
                get(attr::HTTP_REQUEST_METHOD),
                get(attr::HTTP_RESPONSE_STATUS_CODE),
                get(attr::ERROR_TYPE),
                get(attr::NETWORK_PROTOCOL_VERSION),
                get(attr::OTEL_METRIC_OVERFLOW),
            ]
        })
        .collect();
    assert_eq!(
        told,
        [
            ["GET", "200", "", "1.1", ""],
            ["GET", "404", "404", "1.1", ""],
            ["_OTHER", "", "connect", "", ""],
            ["_OTHER", "", "", "", "true"],
        ]
    );
}

#[test]
fn figures_that_are_not_exact_say_so_and_unseen_bytes_are_left_out() {
    let search = (attr::CLIENT_NAME, "search");
    for metric in metrics() {
        for (attributes, _) in points(&metric) {
            // What names a destination without a client is no pool's.
            if let (Some(client), true) =
                (attributes.get(attr::CLIENT_NAME), attributes.contains_key(attr::SERVER_ADDRESS))
            {
                let expected = match client.as_str() {
                    "search" => Some("estimated"),
                    "catalog" => Some("kernel"),
                    _ => None,
                };
                let observation = attributes.get(attr::OBSERVATION).map(String::as_str);
                assert_eq!(observation, expected, "{}", metric.name);
            }
            assert!(metric.name != metric::CONNECTION_IO.name || attributes[attr::CLIENT_NAME] == "payments");
        }
    }
    let idle = [search, (attr::HTTP_CONNECTION_STATE, "idle")];
    assert_eq!(value(&metric::HTTP_CLIENT_OPEN_CONNECTIONS, &idle), 0.0);
    assert_eq!(value(&metric::HTTP_CLIENT_CONNECTION_DURATION, &[search]), 0.0);
}

#[test]
fn a_timeout_that_adapts_tells_its_limit_for_each_destination() {
    let metrics = metrics();
    let limits = metrics.iter().find(|metric| metric.name == metric::TIMEOUT_LIMIT.name).unwrap();
    let hosts: Vec<_> = points(limits)
        .into_iter()
        .map(|(attributes, value)| (attributes[attr::SERVER_ADDRESS].clone(), value))
        .collect();
    assert_eq!(hosts, [("pay.example".to_owned(), 0.15), ("_OTHER".to_owned(), 0.15)]);
    let pay = [(attr::SERVER_PORT, "80"), (attr::URL_SCHEME, "http")];
    assert_eq!(value(&metric::TIMEOUT_LIMIT, &pay), 0.15);
}

#[test]
fn a_breaker_has_one_series_for_each_state() {
    let states = |name| {
        BreakerState::ALL.iter().map(move |state| {
            value(
                &metric::BREAKER_STATE,
                &[(attr::BREAKER_NAME, name), (attr::BREAKER_STATE, state.as_str())],
            )
        })
    };
    assert_eq!(states("a").collect::<Vec<_>>(), [0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(states("b").sum::<f64>(), 1.0);
    let a = (attr::BREAKER_NAME, "a");
    assert_eq!(value(&metric::BREAKER_FAILURE_RATIO, &[]), 0.75, "only where there are enough calls");
    assert_eq!(value(&metric::BREAKER_OPEN_REMAINING, &[a]), 1.5);
    assert_eq!(value(&metric::BREAKER_CALLS, &[a, (attr::BREAKER_OUTCOME, "rejected")]), 10.0);
    assert_eq!(value(&metric::BREAKER_TRANSITIONS, &[a, (attr::BREAKER_REASON, "failure_ratio")]), 1.0);
    assert_eq!(
        value(&metric::BREAKER_CALLS, &[(attr::BREAKER_NAME, "c")]),
        2.0,
        "no count that is not known"
    );
    let metrics = metrics();
    let limits =
        metrics.iter().find(|metric| metric.name == metric::BREAKER_FAILURE_RATIO_LIMIT.name).unwrap();
    assert_eq!(points(limits).len(), 2, "no limit that is not known");
}

#[test]
fn the_limit_of_a_pool_and_that_of_its_client_are_two_series() {
    let payments = (attr::CLIENT_NAME, "payments");
    let host = (attr::SERVER_ADDRESS, "pay.example");
    assert_eq!(value(&metric::LIMIT_QUEUED, &[payments, host]), 2.0);
    assert_eq!(value(&metric::LIMIT_OLDEST_WAIT, &[payments]), 0.3);
    assert_eq!(
        value(&metric::LIMIT_CALLS, &[payments, (attr::LIMIT_OUTCOME, LimitOutcome::QueueFull.as_str())]),
        3.0
    );
    let metrics = metrics();
    let max = metrics.iter().find(|metric| metric.name == metric::LIMIT_MAX.name).unwrap();
    let total =
        points(max).into_iter().find(|(attributes, _)| !attributes.contains_key(attr::SERVER_ADDRESS));
    assert_eq!(total.map(|(_, value)| value), Some(50.0));
}

#[test]
fn many_pools_are_split_so_that_every_receiver_takes_them() {
    let mut snapshot = snapshot();
    let (pools, longest_host) = (1_000, "h".repeat(250));
    snapshot.pools = (0..pools)
        .map(|number| PoolSnapshot { host: format!("{number}.{longest_host}"), ..pool() })
        .collect();
    let requests = requests(&snapshot, &Dropped::default(), &Resource::default(), 0);
    let mut opened = HashSet::new();
    for request in &requests {
        let size = prost::Message::encoded_len(request);
        assert!(size < 4 << 20, "{size} bytes");
        for metric in &request.resource_metrics[0].scope_metrics[0].metrics {
            if metric.name == metric::CONNECTION_OPENED.name {
                opened.extend(points(metric).into_iter().map(|(attributes, _)| attributes));
            }
        }
    }
    assert_eq!(opened.len(), pools);
}

#[test]
fn losses_are_told_by_signal_and_overflow_by_client() {
    assert_eq!(value(&metric::TELEMETRY_DROPPED, &[(attr::TELEMETRY_SIGNAL, "spans")]), 7.0);
    assert_eq!(value(&metric::TELEMETRY_DROPPED, &[(attr::TELEMETRY_SIGNAL, "metrics")]), 0.0);
    assert_eq!(value(&metric::POOL_OVERFLOW, &[(attr::CLIENT_NAME, "search")]), 6.0);
}

#[test]
fn a_resource_is_told_with_its_limits_and_one_that_is_not_known_is_left_out() {
    let files = (attr::RESOURCE_NAME, "open_files");
    assert_eq!(value(&metric::RESOURCE_USAGE, &[files]), 850.0);
    assert_eq!(value(&metric::RESOURCE_PEAK, &[files]), 900.0);
    let limit = |kind| value(&metric::RESOURCE_LIMIT, &[files, (attr::RESOURCE_LIMIT_KIND, kind)]);
    assert_eq!((limit("soft"), limit("hard")), (800.0, 950.0));
    assert_eq!(value(&metric::RESOURCE_REFUSED, &[(attr::RESOURCE_NAME, "memory")]), 0.0);
    let metrics = metrics();
    for def in [&metric::RESOURCE_USAGE, &metric::RESOURCE_PEAK, &metric::RESOURCE_LIMIT] {
        let metric = metrics.iter().find(|metric| metric.name == def.name).unwrap();
        assert!(points(metric).iter().all(|(attributes, _)| attributes[attr::RESOURCE_NAME] == "open_files"));
    }
}

#[test]
fn health_is_one_series_for_each_state() {
    for state in HealthState::ALL {
        let expected = f64::from(u8::from(*state == HealthState::Degraded));
        assert_eq!(value(&metric::HEALTH_STATE, &[(attr::HEALTH_STATE, state.as_str())]), expected);
    }
    assert_eq!(value(&metric::HEALTH_PROBES, &[(attr::HEALTH_OUTCOME, "slow")]), 4.0);
    assert_eq!(value(&metric::HEALTH_PROBE_AGE, &[]), 1.5);
    assert_eq!(value(&metric::HEALTH_PROBE_DURATION, &[]), 12.0);
}

#[test]
fn sessions_are_told_with_their_ends_by_reason() {
    let chat = (attr::SESSION_NAME, "chat");
    for (def, expected) in [
        (&metric::SESSION_ACTIVE, 4.0),
        (&metric::SESSION_LIMIT, 100.0),
        (&metric::SESSION_STARTED, 11.0),
        (&metric::SESSION_REFUSED, 2.0),
        (&metric::SESSION_OVERDUE, 1.0),
        (&metric::SESSION_OLDEST_AGE, 2.5),
        (&metric::SESSION_DURATION, 7.0),
        (&metric::SESSION_SWEEP_DURATION, 9.0),
        (&metric::SESSION_LATE_SWEEPS, 1.0),
        (&metric::SESSION_HANDLERS_CUT, 3.0),
    ] {
        assert_eq!(value(def, &[chat]), expected, "{}", def.name);
    }
    for reason in SessionEnd::ALL {
        let ended = value(&metric::SESSION_ENDED, &[chat, (attr::SESSION_END_REASON, reason.as_str())]);
        assert_eq!(ended, 1.0);
    }
}

#[test]
fn a_server_is_told_with_its_closes_by_reason_and_its_requests_by_route() {
    let api = (attr::SERVER_NAME, "api");
    for (def, expected) in [
        (&metric::SERVER_ACCEPTED, 40.0),
        (&metric::SERVER_ACCEPT_ERRORS, 3.0),
        (&metric::SERVER_QUEUED_CONNECTIONS, 1.0),
        (&metric::SERVER_CONNECTION_MAX, 100.0),
        (&metric::SERVER_UPGRADED, 4.0),
        (&metric::SERVER_CONNECTION_DURATION, 18.0),
        (&metric::SERVER_CONNECTION_REQUESTS, 18.0),
    ] {
        assert_eq!(value(def, &[api]), expected, "{}", def.name);
    }
    for (method, expected) in [("GET", 3.0), ("POST", 1.0)] {
        let key = [api, (attr::HTTP_REQUEST_METHOD, method), (attr::URL_SCHEME, "https")];
        assert_eq!(value(&metric::HTTP_SERVER_ACTIVE_REQUESTS, &key), expected, "{method}");
    }
    for (state, expected) in [("idle", 5.0), ("active", 3.0), ("upgraded", 2.0)] {
        let key = [api, (attr::HTTP_CONNECTION_STATE, state)];
        assert_eq!(value(&metric::SERVER_OPEN_CONNECTIONS, &key), expected);
    }
    for reason in ServerCloseReason::ALL {
        let key = [api, (attr::SERVER_CLOSE_REASON, reason.as_str())];
        assert_eq!(value(&metric::SERVER_CONNECTION_CLOSED, &key), 1.0);
    }
    assert_eq!(
        value(&metric::SERVER_CONNECTION_REJECTED, &[(attr::SERVER_REJECT_REASON, "max_handshakes")]),
        2.0
    );
    assert_eq!(value(&metric::SERVER_DISCONNECTED, &[(attr::SERVER_DISCONNECT_PHASE, "responding")]), 1.0);
    assert_eq!(value(&metric::SERVER_CONNECTION_IO, &[(attr::NETWORK_IO_DIRECTION, "receive")]), 700.0);
    assert_eq!(value(&metric::SERVER_TLS_HANDSHAKE_DURATION, &[(attr::ERROR_TYPE, "tls")]), 2.0);
    let served = |key: &[(&str, &str)]| value(&metric::HTTP_SERVER_REQUEST_DURATION, key);
    assert_eq!(served(&[api, (attr::HTTP_ROUTE, "/orders/{id}"), (attr::URL_SCHEME, "https")]), 1.0);
    assert_eq!(served(&[(attr::ERROR_TYPE, "500")]), 1.0);
    let all = metrics();
    let durations = all.iter().find(|metric| metric.name == metric::HTTP_SERVER_REQUEST_DURATION.name);
    let is_404 = |attributes: &BTreeMap<String, String>| {
        attributes.get(attr::HTTP_RESPONSE_STATUS_CODE).is_some_and(|status| status == "404")
    };
    let (missing, _) = points(durations.unwrap()).into_iter().find(|(of, _)| is_404(of)).unwrap();
    assert!(!missing.contains_key(attr::ERROR_TYPE), "what a client does wrong is no error of the server");
}

#[test]
fn a_supervised_connection_is_told_with_its_state_and_its_changes() {
    let prices = (attr::SUPERVISOR_NAME, "prices");
    let state = |state: SupervisorState| (attr::SUPERVISOR_STATE, state.as_str());
    for is_in in SupervisorState::ALL {
        let expected = f64::from(*is_in == SupervisorState::Waiting);
        assert_eq!(value(&metric::SUPERVISOR_STATE, &[prices, state(*is_in)]), expected);
    }
    let reason = (attr::SUPERVISOR_REASON, SupervisorReason::ConnectFailed.as_str());
    let labels = [prices, state(SupervisorState::Waiting), reason];
    assert_eq!(value(&metric::SUPERVISOR_TRANSITIONS, &labels), 3.0);
    for (def, expected) in [
        (&metric::SUPERVISOR_CONNECTS, 5.0),
        (&metric::SUPERVISOR_LOST, 3.0),
        (&metric::SUPERVISOR_CONNECT_TIME, 2.0),
        (&metric::SUPERVISOR_CONNECTION_DURATION, 1.0),
        (&metric::SUPERVISOR_DELAY, 4.0),
    ] {
        assert_eq!(value(def, &[prices]), expected, "{}", def.name);
    }
}
