//! From when counts count: since their series began, or since the last export that arrived.
//!
//! The scope counts for ever. Here each series gets the start that is right for it, and with [`Temporality::Delta`] what
//! was delivered before is taken off. What an export that failed would have said is in the next one, with the start that it
//! would have had. Whether a receiver got an export whose answer was lost can't be known; it is taken for lost, as the
//! specification chooses. The next points then begin where the lost ones began, so a receiver sees that both overlap.

use std::collections::HashMap;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, HistogramDataPoint, Metric, NumberDataPoint,
};
use prost::Message;

/// Which counts start anew with each export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Temporality {
    /// None: each point counts since its series began.
    #[default]
    Cumulative,
    /// Those of counters and histograms. Current numbers (up-down counters) and gauges stay as they are.
    Delta,
    /// The same as [`Temporality::Delta`]: it would spare observable counters, and the contract has none.
    LowMemory,
}

/// What is known of the series of the last snapshot. As large as one snapshot, however often it is exported.
#[derive(Debug)]
pub(super) struct Series {
    is_delta: bool,
    known: HashMap<Key, Known>,
    /// Time of the last snapshot.
    last: Option<u64>,
    round: u64,
}

/// Name and attributes of a series, encoded.
type Key = Vec<u8>;

#[derive(Debug)]
struct Known {
    /// From when the next point counts.
    start: u64,
    /// What was delivered before that.
    delivered: Total,
    seen: Total,
    round: u64,
}

/// What a series has counted.
#[derive(Debug, Clone, PartialEq, Default)]
enum Total {
    #[default]
    Nothing,
    Number(i64),
    Spread {
        sum: f64,
        buckets: Vec<u64>,
    },
}

/// What is delivered with a request, once it is.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    at: u64,
    totals: Vec<(Key, Total)>,
}

impl Series {
    pub(super) fn new(temporality: Temporality) -> Self {
        let is_delta = temporality != Temporality::Cumulative;
        Self { is_delta, known: HashMap::new(), last: None, round: 0 }
    }

    /// Gives the points of a whole snapshot their starts, and with deltas their values. Returns for each request what to
    /// [`delivered`](Self::delivered) says when it has arrived.
    pub(super) fn apply(&mut self, requests: &mut [ExportMetricsServiceRequest], at: u64) -> Vec<Delivery> {
        self.round += 1;
        let deliveries = requests.iter_mut().map(|request| {
            let mut delivery = Delivery { at, totals: Vec::new() };
            let resources = request.resource_metrics.iter_mut();
            for metric in resources.flat_map(|of| &mut of.scope_metrics).flat_map(|of| &mut of.metrics) {
                self.metric(metric, &mut delivery);
            }
            delivery
        });
        let deliveries = deliveries.collect();
        // What is gone is forgotten; if it comes back, it counts from nothing.
        self.known.retain(|_, known| known.round == self.round);
        self.last = Some(at);
        deliveries
    }

    /// A request has arrived: the next one counts from there.
    pub(super) fn delivered(&mut self, delivery: Delivery) {
        for (key, total) in delivery.totals {
            if let Some(known) = self.known.get_mut(&key) {
                known.start = delivery.at;
                known.delivered = total;
            }
        }
    }

    fn metric(&mut self, metric: &mut Metric, delivery: &mut Delivery) {
        let temporality = match self.is_delta {
            true => AggregationTemporality::Delta.into(),
            false => AggregationTemporality::Cumulative.into(),
        };
        match &mut metric.data {
            Some(Data::Sum(sum)) if sum.is_monotonic => {
                sum.aggregation_temporality = temporality;
                for point in &mut sum.data_points {
                    self.number(key(&metric.name, &point.attributes), point, delivery);
                }
            }
            Some(Data::Histogram(histogram)) => {
                histogram.aggregation_temporality = temporality;
                for point in &mut histogram.data_points {
                    self.spread(key(&metric.name, &point.attributes), point, delivery);
                }
            }
            _ => {}
        }
    }

    fn number(&mut self, key: Key, point: &mut NumberDataPoint, delivery: &mut Delivery) {
        let Some(Value::AsInt(value)) = point.value else { return };
        let total = Total::Number(value);
        let (is_delta, known) = (self.is_delta, self.known(&key, &total, point.start_time_unix_nano));
        point.start_time_unix_nano = known.start;
        if is_delta {
            if let Total::Number(before) = known.delivered {
                point.value = Some(Value::AsInt(value - before));
            }
            keep_recent(&mut point.exemplars, known.start);
            delivery.totals.push((key, total));
        }
    }

    fn spread(&mut self, key: Key, point: &mut HistogramDataPoint, delivery: &mut Delivery) {
        let sum = point.sum.unwrap_or_default();
        let mut total = Total::Spread { sum, buckets: point.bucket_counts.clone() };
        let (is_delta, known) = (self.is_delta, self.known(&key, &total, point.start_time_unix_nano));
        point.start_time_unix_nano = known.start;
        if !is_delta {
            return;
        }
        if let Total::Spread { sum: sum_before, buckets: before } = &known.delivered {
            for (bucket, before) in point.bucket_counts.iter_mut().zip(before) {
                *bucket -= before;
            }
            point.count = point.bucket_counts.iter().sum();
            point.sum = Some((sum - sum_before).max(0.0));
            // Of what is recorded at this moment the sum may be there before the count; then both wait for the next time.
            if point.count == 0 {
                point.sum = Some(0.0);
                total = known.delivered.clone();
            }
        }
        // They are those of the whole life.
        (point.min, point.max) = (None, None);
        keep_recent(&mut point.exemplars, known.start);
        delivery.totals.push((key, total));
    }

    /// The series as it was, or a new one. One that counts less than before was made anew in between.
    fn known(&mut self, key: &Key, total: &Total, scope_start: u64) -> &mut Known {
        // What was not in the last snapshot has counted nothing until then.
        let start = self.last.unwrap_or(scope_start);
        let round = self.round;
        let fresh = || Known { start, delivered: Total::Nothing, seen: Total::Nothing, round };
        let known = self.known.entry(key.clone()).or_insert_with(fresh);
        if !total.is_at_least(&known.seen) {
            *known = fresh();
        }
        known.seen = total.clone();
        known.round = round;
        known
    }
}

impl Total {
    fn is_at_least(&self, before: &Self) -> bool {
        match (self, before) {
            (_, Self::Nothing) => true,
            (Self::Number(now), Self::Number(before)) => now >= before,
            (Self::Spread { buckets: now, .. }, Self::Spread { buckets: before, .. }) => {
                now.len() == before.len() && now.iter().zip(before).all(|(now, before)| now >= before)
            }
            _ => false,
        }
    }
}

/// Exemplars of before were told with an earlier point.
fn keep_recent(exemplars: &mut Vec<opentelemetry_proto::tonic::metrics::v1::Exemplar>, start: u64) {
    exemplars.retain(|exemplar| exemplar.time_unix_nano > start);
}

fn key(name: &str, attributes: &[KeyValue]) -> Key {
    let mut key = name.as_bytes().to_vec();
    for attribute in attributes {
        // A vector has room for everything.
        let _ = attribute.encode_length_delimited(&mut key);
    }
    key
}

#[cfg(test)]
#[path = "temporality_tests.rs"]
mod tests;
