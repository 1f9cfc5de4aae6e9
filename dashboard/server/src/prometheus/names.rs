//! From the names that Prometheus keeps to those of the contract, and the query that asks for all of them.
//!
//! OpenTelemetry's names become names of Prometheus in several ways: with underscores for dots or with the dots that newer
//! Prometheus keep, with or without the unit and `_total` at the end. All are made here from the tables that the OTLP
//! decoder looks into, so that a metric which is added there is asked for as well.

use std::collections::HashMap;
use std::sync::LazyLock;

use poolscope_semconv::accepted::{self, attr as theirs};
use poolscope_semconv::attr;
use poolscope_semconv::metric::MetricKind;

use crate::otlp::decode::{KnownMetric, known_metrics};

/// Label of the name of a series.
pub(super) const NAME: &str = "__name__";
/// Label of the upper end of a bucket.
pub(super) const LE: &str = "le";

/// What a series of a name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Known {
    /// Name of the metric in OTLP.
    pub(super) metric: &'static str,
    /// Unit of the values of this series.
    pub(super) unit: &'static str,
    pub(super) shape: Shape,
}

/// What the values of a series are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Shape {
    Gauge,
    Counter,
    Histogram,
}

/// Names as they are kept, each with underscores for whatever it has between its words.
static SERIES: LazyLock<HashMap<String, Known>> = LazyLock::new(|| {
    let mut all = HashMap::new();
    for metric in known_metrics() {
        for (name, unit) in variants(&metric) {
            all.entry(name).or_insert(Known { metric: metric.name, unit, shape: shape(metric.kind) });
        }
    }
    all
});

/// Keys of attributes by the label that they become.
static ATTRIBUTES: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    let accepted = accepted::ALL.iter().flat_map(|metric| metric.attributes.iter().copied());
    let more = [theirs::K8S_POD_NAME, theirs::CONTAINER_ID, theirs::HOST_NAME];
    let all = attr::ALL.iter().copied().chain(accepted).chain(more);
    all.map(|key| (plain(key), key)).collect()
});

/// What a series is; `None` if it is nothing that is shown.
pub(super) fn series(name: &str) -> Option<Known> {
    SERIES.get(&plain(name)).copied()
}

/// Bounds that the contract gives a histogram, in the unit of the series.
pub(super) fn bounds(known: Known) -> Vec<f64> {
    let found = known_metrics().find(|metric| metric.name == known.metric);
    let scale = if known.unit == "ms" { 1e3 } else { 1.0 };
    found.map_or(&[][..], |metric| metric.bounds).iter().map(|bound| bound * scale).collect()
}

/// The attribute that a label is, in either way of writing it.
pub(super) fn attribute(label: &str) -> Option<&'static str> {
    ATTRIBUTES.get(&plain(label)).copied()
}

/// A regular expression that all names match. About 5 kB: far below the 16 kB that VictoriaMetrics takes of a query.
pub(super) fn expression() -> &'static str {
    static EXPRESSION: LazyLock<String> = LazyLock::new(|| {
        let mut all: Vec<String> = known_metrics().map(|metric| pattern(&metric)).collect();
        all.sort_unstable();
        all.dedup();
        all.join("|")
    });
    &EXPRESSION
}

fn shape(kind: MetricKind) -> Shape {
    match kind {
        MetricKind::Counter => Shape::Counter,
        MetricKind::UpDownCounter | MetricKind::Gauge => Shape::Gauge,
        MetricKind::Histogram => Shape::Histogram,
    }
}

/// A name with underscores for all that may not stand in a name of before.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// What may follow a name for its unit, and the unit that this says. Times may be told in either of two units.
fn units(kind: MetricKind, unit: &'static str) -> &'static [(&'static str, &'static str)] {
    match (unit, kind) {
        ("s", _) => &[("", "s"), ("_seconds", "s"), ("_milliseconds", "ms")],
        ("ms", _) => &[("", "ms"), ("_milliseconds", "ms"), ("_seconds", "s")],
        ("By", _) => &[("", "By"), ("_bytes", "By")],
        ("1", MetricKind::Gauge) => &[("", "1"), ("_ratio", "1")],
        _ => &[("", "")],
    }
}

/// What follows the unit.
fn ends(kind: MetricKind) -> &'static [&'static str] {
    match kind {
        MetricKind::Counter => &["", "_total"],
        // A native histogram is one series without more.
        MetricKind::Histogram => &["_bucket", ""],
        MetricKind::UpDownCounter | MetricKind::Gauge => &[""],
    }
}

/// Where a word of the name says the unit already, Prometheus moves it to the end.
fn without_ratio(metric: &str, unit: &str) -> Option<String> {
    (unit == "1" && metric.contains("_ratio.")).then(|| metric.replace("_ratio.", "."))
}

fn variants(metric: &KnownMetric) -> impl Iterator<Item = (String, &'static str)> + use<> {
    let KnownMetric { name, kind, unit, .. } = *metric;
    let moved = without_ratio(name, unit).map(|name| plain(&name));
    let moved = moved.map(|name| (format!("{name}_ratio"), unit));
    let name = plain(name);
    let usual = units(kind, unit).iter().flat_map(move |(suffix, unit)| {
        let name = name.clone();
        ends(kind).iter().map(move |end| (format!("{name}{suffix}{end}"), *unit))
    });
    usual.chain(moved)
}

fn pattern(metric: &KnownMetric) -> String {
    let KnownMetric { name, kind, unit, .. } = *metric;
    let dots = |name: &str| name.replace('.', "[._]");
    let one_of = |all: Vec<&str>| match &all[..] {
        [""] => String::new(),
        _ => {
            let some: Vec<_> = all.iter().copied().filter(|one| !one.is_empty()).collect();
            format!("({}){}", some.join("|"), if some.len() < all.len() { "?" } else { "" })
        }
    };
    let suffixes = one_of(units(kind, unit).iter().map(|(suffix, _)| *suffix).collect());
    let usual = format!("{}{suffixes}{}", dots(name), one_of(ends(kind).to_vec()));
    match without_ratio(name, unit) {
        Some(moved) => format!("{usual}|{}_ratio", dots(&moved)),
        None => usual,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poolscope_semconv::metric;

    fn is(name: &str) -> Option<(&'static str, &'static str)> {
        series(name).map(|known| (known.metric, known.unit))
    }

    #[test]
    fn each_way_of_writing_a_name_is_understood() {
        let wait = metric::CONNECTION_WAIT_TIME.name;
        for name in [
            "poolscope_connection_wait_time_seconds_bucket",
            "poolscope_connection_wait_time_bucket",
            "poolscope.connection.wait_time_bucket",
            "poolscope.connection.wait_time_seconds_bucket",
            "poolscope_connection_wait_time_seconds",
        ] {
            assert_eq!(is(name), Some((wait, "s")), "{name}");
        }
        assert_eq!(is("poolscope_connection_wait_time_milliseconds_bucket"), Some((wait, "ms")));
        let opened = metric::CONNECTION_OPENED.name;
        for name in ["poolscope_connection_opened_total", "poolscope.connection.opened"] {
            assert_eq!(is(name), Some((opened, "")), "{name}");
        }
        let limit = metric::BREAKER_FAILURE_RATIO_LIMIT.name;
        for name in ["poolscope_breaker_failure_limit_ratio", "poolscope.breaker.failure_ratio.limit"] {
            assert_eq!(is(name), Some((limit, "1")), "{name}");
        }
        assert_eq!(is("poolscope_connection_io_bytes_total"), Some((metric::CONNECTION_IO.name, "By")));
        assert_eq!(is("http_client_duration_milliseconds_bucket").map(|(_, unit)| unit), Some("ms"));
        for name in ["poolscope_connection_wait_time_seconds_count", "up", "go_goroutines"] {
            assert_eq!(is(name), None, "{name}");
        }
    }

    #[test]
    fn every_metric_that_is_shown_has_a_name_of_its_own_and_is_asked_for() {
        for metric in known_metrics() {
            for (name, _) in variants(&metric) {
                assert_eq!(is(&name).map(|(metric, _)| metric), Some(metric.name), "{name}");
            }
            assert!(expression().contains(&metric.name.replace('.', "[._]")), "{}", metric.name);
        }
        assert!(expression().len() < 8_000, "{}", expression().len());
    }

    #[test]
    fn labels_are_attributes_in_either_way_of_writing() {
        assert_eq!(attribute("server_address"), Some(attr::SERVER_ADDRESS));
        assert_eq!(attribute("server.address"), Some(attr::SERVER_ADDRESS));
        assert_eq!(attribute("poolscope_connection_close_reason"), Some(attr::CLOSE_REASON));
        assert_eq!(attribute("k8s_pod_name"), Some(theirs::K8S_POD_NAME));
        assert_eq!(attribute("prometheus_replica"), None);
    }
}
