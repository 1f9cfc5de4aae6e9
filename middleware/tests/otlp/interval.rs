//! How often metrics are sent.

use std::time::{Duration, Instant};

use poolscope::Scope;
use poolscope_semconv::value::Signal;

use crate::receiver::{Manner, Receiver};
use crate::traffic::{free_addr, wait_for};
use crate::{export, http_export};

const DASHBOARD: Manner =
    Manner { is_dashboard: true, refuses_points: false, overloaded_for: None, script: &[] };

#[tokio::test]
async fn the_dashboard_gets_metrics_every_second() {
    let grpc = Receiver::grpc(DASHBOARD);
    let http = Receiver::http(DASHBOARD);
    let scope = Scope::new();
    let by_grpc = export(&scope, &grpc.url()).start().unwrap();
    let by_http = http_export(&scope, &http.url()).start().unwrap();
    for receiver in [&grpc, &http] {
        wait_for("three exports", || receiver.received().metrics.len() >= 3).await;
        let received = receiver.received();
        let [first, second, third] = [0, 1, 2].map(|index| received.metrics[index].0);
        for gap in [second - first, third - second] {
            assert!((Duration::from_millis(500)..Duration::from_secs(3)).contains(&gap), "{gap:?}");
        }
    }
    by_grpc.shutdown();
    by_http.shutdown();
}

#[tokio::test]
async fn another_receiver_gets_metrics_at_once_and_then_seldom() {
    let receiver = Receiver::grpc(Manner::default());
    let telemetry = export(&Scope::new(), &receiver.url()).start().unwrap();
    wait_for("the first export", || !receiver.received().metrics.is_empty()).await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(receiver.received().metrics.len(), 1);
    telemetry.shutdown();
    assert_eq!(receiver.received().metrics.len(), 2, "the last one is sent at the end");
}

#[tokio::test]
async fn an_interval_that_is_set_holds() {
    let receiver = Receiver::grpc(Manner::default());
    let export = export(&Scope::new(), &receiver.url()).metrics_interval(Duration::from_millis(50));
    let telemetry = export.start().unwrap();
    wait_for("ten exports", || receiver.received().metrics.len() >= 10).await;
    telemetry.shutdown();
}

#[tokio::test]
async fn a_dashboard_that_starts_later_is_found() {
    let addr = free_addr();
    let telemetry = export(&Scope::new(), &format!("http://{addr}")).start().unwrap();
    wait_for("a failed export", || telemetry.dropped(Signal::Metrics) > 0).await;
    let receiver = Receiver::grpc_at(addr, DASHBOARD);
    let started = Instant::now();
    wait_for("two exports", || receiver.received().metrics.len() >= 2).await;
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    telemetry.shutdown();
}

#[tokio::test]
async fn a_receiver_that_asks_for_a_pause_gets_it() {
    let receiver = Receiver::http(Manner { overloaded_for: Some(3), ..Manner::default() });
    let export = http_export(&Scope::new(), &receiver.url()).metrics_interval(Duration::from_millis(50));
    let telemetry = export.start().unwrap();
    wait_for("two exports", || receiver.received().metrics.len() >= 2).await;
    let gap = {
        let received = receiver.received();
        received.metrics[1].0 - received.metrics[0].0
    };
    assert!(gap >= Duration::from_millis(2900), "{gap:?}");
    assert!(telemetry.dropped(Signal::Metrics) >= 1);
    telemetry.shutdown();
}
