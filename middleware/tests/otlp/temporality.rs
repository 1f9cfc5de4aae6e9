//! Deltas over a receiver that fails: what arrives adds up to what happened.

use std::collections::BTreeMap;
use std::time::Duration;

use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Metric, metric::Data, number_data_point::Value,
};
use poolscope::Scope;
use poolscope::otlp::Temporality;
use poolscope_semconv::metric;
use tonic::Code;

use crate::receiver::{Manner, Received, Receiver, Reply, Retry};
use crate::traffic::{Server, client};
use crate::{export, http_export};

fn metrics(received: &Received) -> impl Iterator<Item = (usize, &Metric)> {
    let requests = received.metrics.iter().enumerate();
    requests.flat_map(|(index, (_, request))| {
        let metrics = request.resource_metrics.iter().flat_map(|of| &of.scope_metrics);
        metrics.flat_map(|of| &of.metrics).map(move |metric| (index, metric))
    })
}

/// Adds the deltas of a counter up, and checks that each begins where the last one of its series ended.
fn added_up(received: &Received, name: &str) -> i64 {
    let mut ends = BTreeMap::new();
    let mut total = 0;
    for (_, metric) in metrics(received).filter(|(_, metric)| metric.name == name) {
        let Some(Data::Sum(sum)) = &metric.data else { panic!("no sum") };
        assert_eq!(sum.aggregation_temporality, AggregationTemporality::Delta as i32);
        for point in &sum.data_points {
            let series = format!("{:?}", point.attributes);
            if let Some(end) = ends.insert(series, point.time_unix_nano) {
                assert_eq!(point.start_time_unix_nano, end, "no gap and no overlap");
            }
            let Some(Value::AsInt(value)) = point.value else { panic!("no number") };
            total += value;
        }
    }
    total
}

fn histogram(received: &Received, name: &str) -> (u64, u64) {
    let mut counts = (0, 0);
    for (_, metric) in metrics(received).filter(|(_, metric)| metric.name == name) {
        let Some(Data::Histogram(histogram)) = &metric.data else { panic!("no histogram") };
        assert_eq!(histogram.aggregation_temporality, AggregationTemporality::Delta as i32);
        for point in &histogram.data_points {
            counts = (counts.0 + point.count, counts.1 + point.bucket_counts.iter().sum::<u64>());
        }
    }
    counts
}

#[tokio::test]
async fn deltas_that_did_not_arrive_are_in_the_next_and_nothing_counts_twice() {
    const SCRIPT: &[Reply] = &[
        Reply::Fine,
        // Lost for good.
        Reply::Status(400, Code::InvalidArgument, Retry::Untold),
        Reply::Status(500, Code::Internal, Retry::Untold),
        // Mended by another attempt.
        Reply::Fine,
        Reply::Status(503, Code::Unavailable, Retry::Untold),
        Reply::Fine,
        // Rejected in part: that is not tried again, by the specification.
        Reply::Partial(0, "fine, but old"),
    ];
    for (grpc, temporality) in [(true, Temporality::Delta), (false, Temporality::LowMemory)] {
        let manner = Manner::scripted(SCRIPT);
        let receiver = if grpc { Receiver::grpc(manner) } else { Receiver::http(manner) };
        let scope = Scope::new();
        let export =
            if grpc { export(&scope, &receiver.url()) } else { http_export(&scope, &receiver.url()) };
        let export = export.temporality(temporality).metrics_interval(Duration::from_secs(3600));
        let telemetry = export.start().unwrap();
        let server = Server::start().await;
        let mut requests = 0;
        for round in 0..8 {
            // The second client's series come later.
            let mut client = client(&scope, if round < 4 { "early" } else { "late" });
            for _ in 0..=round {
                server.request(&mut client).await;
                requests += 1;
            }
            telemetry.flush_async().await;
        }
        telemetry.shutdown_async(Duration::from_secs(5)).await;
        let received = receiver.received();
        assert!(received.attempts_of("metrics").len() > received.metrics.len(), "some failed");
        assert_eq!(added_up(&received, metric::CONNECTION_ACQUIRES.name), requests);
        assert_eq!(added_up(&received, metric::CONNECTION_OPENED.name), 8);
        let counts = histogram(&received, metric::HTTP_CLIENT_REQUEST_DURATION.name);
        assert_eq!(counts, (requests as u64, requests as u64));
        // Current numbers stay what they are.
        let (_, active) = metrics(&received).find(|(_, of)| of.name == metric::STREAM_ACTIVE.name).unwrap();
        let Some(Data::Sum(sum)) = &active.data else { panic!("no sum") };
        assert_eq!(sum.aggregation_temporality, AggregationTemporality::Cumulative as i32);
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_shows_as_an_overlap() {
    const SCRIPT: &[Reply] = &[Reply::Silent { taken: true }];
    let receiver = Receiver::grpc(Manner::scripted(SCRIPT));
    let scope = Scope::new();
    let export = export(&scope, &receiver.url()).timeout(Duration::from_millis(300));
    let telemetry = export.temporality(Temporality::Delta).start().unwrap();
    crate::traffic::wait_for("the first", || receiver.received().metrics.len() == 1).await;
    telemetry.flush_async().await;
    telemetry.shutdown_async(Duration::from_secs(5)).await;
    let received = receiver.received();
    let name = metric::TELEMETRY_DROPPED.name;
    let starts: Vec<_> = metrics(&received)
        .filter(|(_, metric)| metric.name == name)
        .map(|(_, metric)| match &metric.data {
            Some(Data::Sum(sum)) => {
                (sum.data_points[0].start_time_unix_nano, sum.data_points[0].time_unix_nano)
            }
            _ => panic!("no sum"),
        })
        .collect();
    assert_eq!(starts[0].0, starts[1].0, "the second says again what the first said: {starts:?}");
    assert_eq!(starts[1].1, starts[2].0, "the third does not: {starts:?}");
}
