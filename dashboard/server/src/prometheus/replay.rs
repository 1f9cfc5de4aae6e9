//! Tells what a sender said, moment by moment, as the OTLP request that would have said it.
//!
//! So everything behind is the same for both sources: what a metric means, which pool a point is of, what is no possible
//! value. The request is made once; for each moment only the values change.

use std::collections::BTreeSet;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, DataPointFlags, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;

use super::names::{self, Known, Shape};
use super::picture::{Pairs, Samples, Track, Tracks};

/// Samples this close are of one report: each instrument has the time at which it was read.
const SAME_MS: u64 = 250;
const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;
const NO_VALUE: u32 = DataPointFlags::NoRecordedValueMask as u32;

/// The first and the last sample of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    first_ms: u64,
    pub(super) last_ms: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Replay {
    request: ExportMetricsServiceRequest,
    /// In the order of the metrics of the request, and of their points.
    tracks: Vec<Vec<Track>>,
}

impl Replay {
    pub(super) fn new(sender: &Pairs<&'static str>, tracks: Tracks) -> Self {
        let mut metrics: Vec<Metric> = Vec::new();
        let mut sorted: Vec<Vec<Track>> = Vec::new();
        let mut last = None;
        for ((known, attributes), track) in tracks {
            if last != Some(known) {
                last = Some(known);
                metrics.push(Metric {
                    name: known.metric.to_owned(),
                    unit: known.unit.to_owned(),
                    data: Some(empty(known.shape)),
                    ..Metric::default()
                });
                sorted.push(Vec::new());
            }
            if let (Some(metric), Some(all)) = (metrics.last_mut(), sorted.last_mut()) {
                add_point(metric, key_values(&attributes), bounds(known, &track));
                all.push(track);
            }
        }
        let resource = Resource { attributes: key_values(sender), ..Resource::default() };
        let scope = ScopeMetrics { metrics, ..ScopeMetrics::default() };
        let resource = ResourceMetrics {
            resource: Some(resource),
            scope_metrics: vec![scope],
            ..ResourceMetrics::default()
        };
        Self { request: ExportMetricsServiceRequest { resource_metrics: vec![resource] }, tracks: sorted }
    }

    /// The reports after a moment, oldest first, about so far apart; the newest is always one of them.
    pub(super) fn moments(&self, after_ms: u64, apart_ms: u64) -> Vec<Moment> {
        let times: BTreeSet<u64> = self.tracks.iter().flatten().flat_map(Track::times).collect();
        let mut all: Vec<Moment> = Vec::new();
        for at_ms in times {
            match all.last_mut() {
                Some(moment) if at_ms - moment.first_ms <= SAME_MS => moment.last_ms = at_ms,
                _ => all.push(Moment { first_ms: at_ms, last_ms: at_ms }),
            }
        }
        let mut wanted: Vec<Moment> = Vec::new();
        for moment in all.into_iter().rev().take_while(|moment| moment.last_ms > after_ms) {
            // Scrapes are never exactly as far apart as they are meant to be.
            if wanted.last().is_none_or(|next| next.last_ms - moment.last_ms >= apart_ms / 4 * 3) {
                wanted.push(moment);
            }
        }
        wanted.reverse();
        wanted
    }

    /// The request of a moment, dated with a time that may be another clock's.
    pub(super) fn at(&mut self, moment: Moment, at_ms: u64) -> Vec<u8> {
        let time_ns = at_ms.saturating_mul(1_000_000);
        let scopes = self.request.resource_metrics.iter_mut().flat_map(|one| &mut one.scope_metrics);
        let metrics = scopes.flat_map(|scope| &mut scope.metrics);
        for (metric, tracks) in metrics.zip(&self.tracks) {
            match &mut metric.data {
                Some(Data::Gauge(Gauge { data_points }) | Data::Sum(Sum { data_points, .. })) => {
                    for (point, track) in data_points.iter_mut().zip(tracks) {
                        let value = of(&track.numbers, moment).copied();
                        point.time_unix_nano = time_ns;
                        point.flags = if value.is_some() { 0 } else { NO_VALUE };
                        point.value = value.map(number_data_point::Value::AsDouble);
                    }
                }
                Some(Data::Histogram(Histogram { data_points, .. })) => {
                    for (point, track) in data_points.iter_mut().zip(tracks) {
                        point.time_unix_nano = time_ns;
                        let told = fill(point, track, moment);
                        point.flags = if told { 0 } else { NO_VALUE };
                    }
                }
                _ => {}
            }
        }
        self.request.encode_to_vec()
    }
}

/// The sample of a moment.
fn of<V>(samples: &Samples<V>, moment: Moment) -> Option<&V> {
    let next = samples.partition_point(|(at_ms, _)| *at_ms <= moment.last_ms);
    let (at_ms, value) = samples.get(next.checked_sub(1)?)?;
    (*at_ms >= moment.first_ms).then_some(value)
}

/// Sets the counts of a histogram; false if there are none at that moment.
fn fill(point: &mut HistogramDataPoint, track: &Track, moment: Moment) -> bool {
    point.bucket_counts.clear();
    if let Some(native) = of(&track.native, moment) {
        point.bucket_counts.resize(point.explicit_bounds.len() + 1, 0);
        for (upper, count) in native {
            let place = point.explicit_bounds.partition_point(|bound| bound < upper);
            point.bucket_counts[place] = point.bucket_counts[place].saturating_add(*count as u64);
        }
    } else {
        // A bucket that is missing at this moment leaves its count to the next.
        let mut below = 0_u64;
        for bound in point.explicit_bounds.iter().copied().chain([f64::INFINITY]) {
            let samples = track.buckets.iter().find(|(le, _)| *le == bound).map(|(_, samples)| samples);
            let Some(count) = samples.and_then(|samples| of(samples, moment)) else {
                if bound.is_infinite() {
                    return false;
                }
                point.bucket_counts.push(0);
                continue;
            };
            let count = (*count as u64).max(below);
            point.bucket_counts.push(count - below);
            below = count;
        }
    }
    point.count = point.bucket_counts.iter().fold(0, |sum, count| sum.saturating_add(*count));
    true
}

fn empty(shape: Shape) -> Data {
    match shape {
        Shape::Gauge => Data::Gauge(Gauge::default()),
        Shape::Counter => {
            Data::Sum(Sum { aggregation_temporality: CUMULATIVE, is_monotonic: true, ..Sum::default() })
        }
        Shape::Histogram => {
            Data::Histogram(Histogram { aggregation_temporality: CUMULATIVE, ..Histogram::default() })
        }
    }
}

/// Bounds of a histogram. A native one tells only the buckets that hold something, which change with time; so it is put into
/// the bounds of the contract.
fn bounds(known: Known, track: &Track) -> Vec<f64> {
    if track.buckets.is_empty() {
        return names::bounds(known);
    }
    let mut bounds: Vec<f64> = track.buckets.iter().map(|(le, _)| *le).filter(|le| le.is_finite()).collect();
    bounds.sort_unstable_by(f64::total_cmp);
    bounds.dedup();
    bounds
}

fn add_point(metric: &mut Metric, attributes: Vec<KeyValue>, bounds: Vec<f64>) {
    match &mut metric.data {
        Some(Data::Gauge(Gauge { data_points }) | Data::Sum(Sum { data_points, .. })) => {
            data_points.push(NumberDataPoint { attributes, ..NumberDataPoint::default() });
        }
        Some(Data::Histogram(Histogram { data_points, .. })) => {
            data_points.push(HistogramDataPoint {
                attributes,
                explicit_bounds: bounds,
                ..HistogramDataPoint::default()
            });
        }
        _ => {}
    }
}

fn key_values(pairs: &Pairs<&'static str>) -> Vec<KeyValue> {
    let key_value = |(key, value): &(&'static str, Box<str>)| KeyValue {
        key: (*key).to_owned(),
        value: Some(AnyValue { value: Some(Value::StringValue(value.to_string())) }),
        ..KeyValue::default()
    };
    pairs.iter().map(key_value).collect()
}
