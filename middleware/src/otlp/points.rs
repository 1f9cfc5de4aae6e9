//! OTLP data points, gathered by metric.

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Sum,
    exemplar, metric, number_data_point::Value,
};
use poolscope_semconv::metric::{ALL, MetricDef, MetricKind};

use super::metrics::nanos;
use crate::registry::{ExemplarSnapshot, HistogramSnapshot};
use crate::series::{Label, LabelValue, Labels, Sink};

fn attributes(labels: Labels<'_>) -> Vec<KeyValue> {
    let attribute = |label: Label<'_>| {
        let value = match label.value {
            LabelValue::Text(text) => any_value::Value::StringValue(text.into_owned()),
            LabelValue::Integer(integer) => any_value::Value::IntValue(integer),
            LabelValue::Truth => any_value::Value::BoolValue(true),
        };
        KeyValue {
            key: label.key.to_owned(),
            value: Some(AnyValue { value: Some(value) }),
            ..KeyValue::default()
        }
    };
    labels.into_iter().map(attribute).collect()
}

/// The points of one metric so far.
enum Series {
    Numbers(Vec<NumberDataPoint>),
    Histograms(Vec<HistogramDataPoint>),
}

/// Points of all metrics at one time.
pub(super) struct Points {
    since: u64,
    at: u64,
    exemplars_after: u64,
    /// One place for each metric of the contract, in its order.
    series: Vec<Series>,
    len: usize,
}

impl Points {
    /// No points yet; times are nanoseconds since the Unix epoch.
    pub(super) fn new(since: u64, at: u64, exemplars_after: u64) -> Self {
        let empty = |def: &&MetricDef| match def.kind {
            MetricKind::Histogram => Series::Histograms(Vec::new()),
            _ => Series::Numbers(Vec::new()),
        };
        Self { since, at, exemplars_after, series: ALL.iter().map(empty).collect(), len: 0 }
    }

    /// How many points there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    fn number(&mut self, def: &MetricDef, labels: Labels<'_>, value: Value) {
        // A gauge says what holds now; it counts from nowhere.
        let start_time_unix_nano = if def.kind == MetricKind::Gauge { 0 } else { self.since };
        let time_unix_nano = self.at;
        if let Some(Series::Numbers(points)) = self.add_to(def) {
            points.push(NumberDataPoint {
                attributes: attributes(labels),
                start_time_unix_nano,
                time_unix_nano,
                value: Some(value),
                ..NumberDataPoint::default()
            });
        }
    }

    /// What stands for the values of a histogram, as far as it is new.
    fn exemplars(&self, snapshot: &HistogramSnapshot) -> Vec<Exemplar> {
        let id = |bytes: &[u8]| if bytes.iter().any(|byte| *byte != 0) { bytes.to_vec() } else { Vec::new() };
        let told = |exemplar: &ExemplarSnapshot| Exemplar {
            time_unix_nano: nanos(exemplar.at).min(self.at),
            trace_id: id(&exemplar.trace_id.to_be_bytes()),
            span_id: id(&exemplar.span_id.to_be_bytes()),
            value: Some(exemplar::Value::AsDouble(exemplar.value)),
            ..Exemplar::default()
        };
        let is_new = |exemplar: &&ExemplarSnapshot| nanos(exemplar.at) > self.exemplars_after;
        snapshot.exemplars.iter().filter(is_new).map(told).collect()
    }

    /// Where one more point of a metric goes.
    fn add_to(&mut self, def: &MetricDef) -> Option<&mut Series> {
        let index = ALL.iter().position(|known| known.name == def.name)?;
        self.len += 1;
        self.series.get_mut(index)
    }

    /// The metrics that have points.
    pub(super) fn into_metrics(self) -> Vec<Metric> {
        ALL.iter().zip(self.series).filter_map(|(def, series)| metric(def, series)).collect()
    }
}

impl Sink for Points {
    fn integer(&mut self, def: &'static MetricDef, labels: Labels<'_>, value: u64) {
        self.number(def, labels, Value::AsInt(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    fn float(&mut self, def: &'static MetricDef, labels: Labels<'_>, value: f64) {
        self.number(def, labels, Value::AsDouble(value));
    }

    fn histogram(&mut self, def: &'static MetricDef, labels: Labels<'_>, snapshot: &HistogramSnapshot) {
        let (since, at) = (self.since, self.at);
        let exemplars = self.exemplars(snapshot);
        let bucket_counts = match snapshot.buckets.is_empty() {
            true => vec![0; def.bounds.len() + 1],
            false => snapshot.buckets.clone(),
        };
        if let Some(Series::Histograms(points)) = self.add_to(def) {
            points.push(HistogramDataPoint {
                attributes: attributes(labels),
                start_time_unix_nano: since,
                time_unix_nano: at,
                count: snapshot.count(),
                sum: Some(snapshot.sum),
                bucket_counts,
                explicit_bounds: def.bounds.to_vec(),
                exemplars,
                ..HistogramDataPoint::default()
            });
        }
    }
}

fn metric(def: &MetricDef, series: Series) -> Option<Metric> {
    let aggregation_temporality = AggregationTemporality::Cumulative.into();
    let data = match series {
        Series::Numbers(data_points) if data_points.is_empty() => return None,
        Series::Histograms(data_points) if data_points.is_empty() => return None,
        Series::Histograms(data_points) => {
            metric::Data::Histogram(Histogram { data_points, aggregation_temporality })
        }
        Series::Numbers(data_points) if def.kind == MetricKind::Gauge => {
            metric::Data::Gauge(Gauge { data_points })
        }
        Series::Numbers(data_points) => metric::Data::Sum(Sum {
            data_points,
            aggregation_temporality,
            is_monotonic: def.kind == MetricKind::Counter,
        }),
    };
    Some(Metric {
        name: def.name.to_owned(),
        description: def.description.to_owned(),
        unit: def.unit.to_owned(),
        data: Some(data),
        ..Metric::default()
    })
}
