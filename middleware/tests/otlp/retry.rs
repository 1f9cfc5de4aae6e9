//! Which answers bring another attempt, and when; what is given up is counted. For all signals, by gRPC and by HTTP.

use std::time::{Duration, Instant};

use poolscope::Scope;
use poolscope::otlp::{Lost, Telemetry};
use tonic::Code;

use crate::receiver::{Manner, Receiver, Reply, Retry};
use crate::traffic::{failed_request, spans, wait_for};
use crate::{export, http_export};

const SIGNALS: [&str; 3] = ["metrics", "traces", "logs"];
const SPANS: usize = 5;

/// An export with one event and some spans to send, to a receiver that plays a script.
struct Case {
    protocol: &'static str,
    script: &'static [Reply],
    receiver: Receiver,
    telemetry: Telemetry,
}

/// All of the scripts by each protocol. They run side by side.
async fn play(scripts: &[&'static [Reply]], timeout: Duration) -> Vec<Case> {
    let mut all = Vec::new();
    for script in scripts {
        for protocol in ["grpc", "http"] {
            let scope = Scope::new();
            let manner = Manner::scripted(script);
            let receiver = if protocol == "grpc" { Receiver::grpc(manner) } else { Receiver::http(manner) };
            let export = match protocol {
                "grpc" => export(&scope, &receiver.url()),
                _ => http_export(&scope, &receiver.url()),
            };
            // One export of metrics at the start and one at the end.
            let export = export.timeout(timeout).metrics_interval(Duration::from_secs(3600));
            let telemetry = export.start().unwrap();
            spans(&telemetry, SPANS);
            failed_request(&scope).await;
            all.push(Case { protocol, script, receiver, telemetry });
        }
    }
    all
}

/// Long enough for every script.
const LONG: Duration = Duration::from_secs(20);

fn attempts(receiver: &Receiver, signal: &str) -> usize {
    receiver.received().attempts_of(signal).len()
}

#[tokio::test]
async fn what_the_specification_calls_transient_is_tried_again_and_arrives() {
    const SCRIPTS: [&[Reply]; 6] = [
        &[Reply::Status(429, Code::Unavailable, Retry::Untold)],
        &[Reply::Status(502, Code::Cancelled, Retry::Untold)],
        &[Reply::Status(503, Code::DeadlineExceeded, Retry::Untold)],
        &[Reply::Status(504, Code::Aborted, Retry::Untold)],
        &[Reply::Status(503, Code::OutOfRange, Retry::Untold)],
        &[
            Reply::Status(429, Code::DataLoss, Retry::Untold),
            Reply::Status(503, Code::Unavailable, Retry::Untold),
        ],
    ];
    for Case { protocol, script, receiver, telemetry } in play(&SCRIPTS, LONG).await {
        for signal in SIGNALS {
            wait_for(signal, || attempts(&receiver, signal) > script.len()).await;
        }
        assert_eq!(telemetry.shutdown_async(Duration::from_secs(5)).await, Lost::default(), "{script:?}");
        let received = receiver.received();
        // A failed request makes spans of its own.
        assert!(received.spans() >= SPANS && received.records() == 1, "{protocol} {script:?}");
        assert!(!received.metrics.is_empty(), "{protocol} {script:?}");
    }
}

#[tokio::test]
async fn what_will_not_change_is_given_up_at_once_and_counted() {
    const SCRIPTS: [&[Reply]; 5] = [
        &[Reply::Status(400, Code::InvalidArgument, Retry::Untold); 9],
        &[Reply::Status(401, Code::Unauthenticated, Retry::In(1)); 9],
        &[Reply::Status(500, Code::Internal, Retry::Untold); 9],
        &[Reply::Status(413, Code::ResourceExhausted, Retry::Untold); 9],
        &[Reply::Huge; 9],
    ];
    for Case { protocol, script, receiver, telemetry } in play(&SCRIPTS, LONG).await {
        for signal in SIGNALS {
            wait_for(signal, || attempts(&receiver, signal) > 0).await;
        }
        let started = Instant::now();
        let lost = telemetry.shutdown_async(Duration::from_secs(5)).await;
        assert!(started.elapsed() < Duration::from_secs(3), "{protocol} {script:?} {:?}", started.elapsed());
        assert!(lost.points > 0 && lost.spans >= SPANS as u64 && lost.events == 1, "{protocol} {lost:?}");
        assert_eq!(
            attempts(&receiver, "metrics"),
            2,
            "one at the start, one at the end: {protocol} {script:?}"
        );
        assert_eq!(attempts(&receiver, "logs"), 1, "{protocol} {script:?}");
        assert_eq!(receiver.received().spans(), 0, "{protocol} {script:?}");
    }
}

#[tokio::test]
async fn a_receiver_that_says_when_to_come_again_is_heard() {
    const SCRIPTS: [&[Reply]; 3] = [
        &[Reply::Status(429, Code::ResourceExhausted, Retry::In(2))],
        &[Reply::Status(503, Code::Unavailable, Retry::In(2))],
        // A date has no parts of a second, so this is a wait of two to three.
        &[Reply::Status(503, Code::Unavailable, Retry::At(3))],
    ];
    for Case { protocol, script, receiver, telemetry } in play(&SCRIPTS, LONG).await {
        for signal in SIGNALS {
            wait_for(signal, || attempts(&receiver, signal) > 1).await;
            let received = receiver.received();
            let attempts = received.attempts_of(signal);
            let gap = attempts[1] - attempts[0];
            assert!((1.9..5.0).contains(&gap.as_secs_f64()), "{protocol} {signal} {script:?}: {gap:?}");
        }
        assert_eq!(telemetry.shutdown_async(Duration::from_secs(5)).await, Lost::default());
    }
}

#[tokio::test]
async fn a_wait_beyond_the_timeout_is_not_begun() {
    const SCRIPT: &[Reply] = &[Reply::Status(503, Code::Unavailable, Retry::In(3600))];
    for Case { protocol, receiver, telemetry, .. } in play(&[SCRIPT], Duration::from_secs(1)).await {
        for signal in SIGNALS {
            wait_for(signal, || attempts(&receiver, signal) > 0).await;
        }
        wait_for("the count", || telemetry.dropped(poolscope_semconv::value::Signal::Events) == 1).await;
        let started = Instant::now();
        telemetry.shutdown_async(Duration::from_secs(5)).await;
        assert!(started.elapsed() < Duration::from_secs(2), "{protocol}: {:?}", started.elapsed());
    }
}
