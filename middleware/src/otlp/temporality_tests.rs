//! Tests of [`super::Series`].

use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{Gauge, Histogram, ResourceMetrics, ScopeMetrics, Sum};

use super::*;

/// The scope began here.
const START: u64 = 100;

fn named(series: &str) -> Vec<KeyValue> {
    let value = Some(AnyValue { value: Some(any_value::Value::StringValue(series.to_owned())) });
    vec![KeyValue { key: "series".to_owned(), value, ..KeyValue::default() }]
}

fn number(series: &str, value: i64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: named(series),
        start_time_unix_nano: START,
        value: Some(Value::AsInt(value)),
        ..NumberDataPoint::default()
    }
}

fn request(metrics: Vec<(&str, Data)>) -> ExportMetricsServiceRequest {
    let metric =
        |(name, data): (&str, Data)| Metric { name: name.to_owned(), data: Some(data), ..Metric::default() };
    let metrics = metrics.into_iter().map(metric).collect();
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
    ExportMetricsServiceRequest { resource_metrics }
}

fn sum(points: &[(&str, i64)], is_monotonic: bool) -> Data {
    let data_points = points.iter().map(|(series, value)| number(series, *value)).collect();
    Data::Sum(Sum { data_points, is_monotonic, ..Sum::default() })
}

fn histogram(buckets: &[u64], sum: f64) -> Data {
    let point = HistogramDataPoint {
        start_time_unix_nano: START,
        count: buckets.iter().sum(),
        sum: Some(sum),
        bucket_counts: buckets.to_vec(),
        ..HistogramDataPoint::default()
    };
    Data::Histogram(Histogram { data_points: vec![point], ..Histogram::default() })
}

fn data(request: &ExportMetricsServiceRequest) -> &Data {
    request.resource_metrics[0].scope_metrics[0].metrics[0].data.as_ref().unwrap()
}

/// Counters as they leave: series, start and value.
fn export(series: &mut Series, at: u64, points: &[(&str, i64)], arrives: bool) -> Vec<(String, u64, i64)> {
    let mut requests = [request(vec![("calls", sum(points, true))])];
    let deliveries = series.apply(&mut requests, at);
    if arrives {
        deliveries.into_iter().for_each(|delivery| series.delivered(delivery));
    }
    let Data::Sum(sum) = data(&requests[0]) else { panic!("no sum") };
    let rows = sum.data_points.iter().map(|point| {
        let Some(any_value::Value::StringValue(name)) =
            point.attributes[0].value.as_ref().and_then(|value| value.value.clone())
        else {
            panic!("no name")
        };
        let Some(Value::AsInt(value)) = point.value else { panic!("no number") };
        (name, point.start_time_unix_nano, value)
    });
    rows.collect()
}

fn row(name: &str, start: u64, value: i64) -> (String, u64, i64) {
    (name.to_owned(), start, value)
}

#[test]
fn a_delta_begins_where_the_last_one_that_arrived_ended() {
    let mut series = Series::new(Temporality::Delta);
    assert_eq!(export(&mut series, 110, &[("a", 5)], true), [row("a", START, 5)]);
    assert_eq!(export(&mut series, 120, &[("a", 7)], true), [row("a", 110, 2)]);
    assert_eq!(export(&mut series, 130, &[("a", 7)], true), [row("a", 120, 0)]);
}

#[test]
fn what_did_not_arrive_is_in_the_next() {
    let mut series = Series::new(Temporality::LowMemory);
    export(&mut series, 110, &[("a", 5)], true);
    assert_eq!(export(&mut series, 120, &[("a", 6)], false), [row("a", 110, 1)]);
    assert_eq!(export(&mut series, 130, &[("a", 8)], false), [row("a", 110, 3)]);
    assert_eq!(export(&mut series, 140, &[("a", 9)], true), [row("a", 110, 4)]);
    assert_eq!(export(&mut series, 150, &[("a", 9)], true), [row("a", 140, 0)]);
}

#[test]
fn one_request_of_several_may_fail_alone() {
    let mut series = Series::new(Temporality::Delta);
    let both =
        || [("a", 5), ("b", 7)].map(|(name, value)| request(vec![(name, sum(&[(name, value)], true))]));
    let mut requests = both();
    let mut deliveries = series.apply(&mut requests, 110);
    series.delivered(deliveries.remove(0));
    let mut requests = both();
    series.apply(&mut requests, 120);
    let values = requests.each_ref().map(|request| match data(request) {
        Data::Sum(sum) => (sum.data_points[0].start_time_unix_nano, sum.data_points[0].value),
        _ => panic!("no sum"),
    });
    assert_eq!(values, [(110, Some(Value::AsInt(0))), (START, Some(Value::AsInt(7)))]);
}

#[test]
fn a_series_that_comes_later_counts_from_the_export_before_it() {
    for temporality in [Temporality::Cumulative, Temporality::Delta] {
        let mut series = Series::new(temporality);
        export(&mut series, 110, &[("a", 1)], true);
        assert_eq!(export(&mut series, 120, &[("a", 1), ("b", 4)], true)[1], row("b", 110, 4));
    }
}

#[test]
fn a_series_that_goes_and_comes_back_counts_anew() {
    for temporality in [Temporality::Cumulative, Temporality::Delta] {
        let mut series = Series::new(temporality);
        export(&mut series, 110, &[("a", 9)], true);
        export(&mut series, 120, &[], true);
        assert_eq!(series.known.len(), 0, "what is gone takes no memory");
        assert_eq!(export(&mut series, 130, &[("a", 9)], true), [row("a", 120, 9)]);
        // Or it was gone between two snapshots, and nobody saw it.
        assert_eq!(export(&mut series, 140, &[("a", 2)], true), [row("a", 130, 2)]);
    }
}

#[test]
fn one_that_began_anew_after_an_export_was_lost_is_not_taken_for_the_old_one() {
    let mut series = Series::new(Temporality::Delta);
    export(&mut series, 110, &[("a", 1)], true);
    export(&mut series, 120, &[("a", 9)], false);
    // Three is more than was delivered and less than was seen.
    assert_eq!(export(&mut series, 130, &[("a", 3)], true), [row("a", 120, 3)]);
}

#[test]
fn cumulative_counts_stay_and_keep_their_start() {
    let mut series = Series::new(Temporality::Cumulative);
    for (at, value) in [(110, 5), (120, 8), (130, 8)] {
        assert_eq!(export(&mut series, at, &[("a", value)], at != 120), [row("a", START, value)]);
    }
}

#[test]
fn current_numbers_and_gauges_are_never_differences() {
    let mut series = Series::new(Temporality::Delta);
    let gauge = || Data::Gauge(Gauge { data_points: vec![number("a", 7)] });
    for at in [110, 120] {
        let mut requests =
            [request(vec![("open", sum(&[("a", 4)], false))]), request(vec![("ratio", gauge())])];
        series.apply(&mut requests, at).into_iter().for_each(|delivery| series.delivered(delivery));
        assert_eq!(*data(&requests[0]), sum(&[("a", 4)], false));
        assert_eq!(*data(&requests[1]), gauge());
    }
}

fn spread(series: &mut Series, at: u64, buckets: &[u64], total: f64) -> HistogramDataPoint {
    let mut requests = [request(vec![("time", histogram(buckets, total))])];
    series.apply(&mut requests, at).into_iter().for_each(|delivery| series.delivered(delivery));
    match data(&requests[0]) {
        Data::Histogram(histogram) => {
            assert_eq!(histogram.aggregation_temporality, AggregationTemporality::Delta as i32);
            histogram.data_points[0].clone()
        }
        _ => panic!("no histogram"),
    }
}

#[test]
fn a_histogram_s_buckets_count_and_sum_are_differences() {
    let mut series = Series::new(Temporality::Delta);
    let first = spread(&mut series, 110, &[1, 2, 0], 2.5);
    assert_eq!((first.count, first.sum, first.bucket_counts), (3, Some(2.5), vec![1, 2, 0]));
    let second = spread(&mut series, 120, &[1, 5, 1], 7.0);
    assert_eq!((second.start_time_unix_nano, second.count, second.sum), (110, 4, Some(4.5)));
    assert_eq!(second.bucket_counts, [0, 3, 1]);
}

#[test]
fn a_sum_that_runs_ahead_of_its_count_is_told_with_it() {
    let mut series = Series::new(Temporality::Delta);
    spread(&mut series, 110, &[1], 1.0);
    let ahead = spread(&mut series, 120, &[1], 3.0);
    assert_eq!((ahead.count, ahead.sum), (0, Some(0.0)));
    let both = spread(&mut series, 130, &[2], 3.0);
    assert_eq!((both.count, both.sum), (1, Some(2.0)));
}

#[test]
fn an_exemplar_is_told_once() {
    use opentelemetry_proto::tonic::metrics::v1::Exemplar;
    let mut series = Series::new(Temporality::Delta);
    let told = |series: &mut Series, at| {
        let Data::Histogram(mut spread) = histogram(&[1], 1.0) else { panic!("no histogram") };
        spread.data_points[0].exemplars = vec![Exemplar { time_unix_nano: 105, ..Exemplar::default() }];
        let mut requests = [request(vec![("time", Data::Histogram(spread))])];
        series.apply(&mut requests, at).into_iter().for_each(|delivery| series.delivered(delivery));
        match data(&requests[0]) {
            Data::Histogram(spread) => spread.data_points[0].exemplars.len(),
            _ => panic!("no histogram"),
        }
    };
    assert_eq!([told(&mut series, 110), told(&mut series, 120)], [1, 0]);
}
