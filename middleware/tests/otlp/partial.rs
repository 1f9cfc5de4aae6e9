//! A receiver that takes a part: the rest is counted, and said once.

use std::io::Write;
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use poolscope::Scope;
use poolscope::otlp::Lost;

use crate::receiver::{Manner, Receiver, Reply};
use crate::traffic::{failed_request, spans};
use crate::{export, http_export};

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Lines of the log that name a receiver. The export logs from a thread of its own, so the log is everybody's.
pub(crate) fn lines(addr: &impl ToString) -> Vec<String> {
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    let addr = addr.to_string();
    String::from_utf8_lossy(&log).lines().filter(|line| line.contains(&addr)).map(str::to_owned).collect()
}

pub(crate) fn listen_to_the_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(|| Log).finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

#[tokio::test]
async fn what_a_receiver_rejects_is_counted_for_all_signals_and_said_once() {
    const SCRIPT: &[Reply] = &[Reply::Partial(2, "too old"); 100];
    listen_to_the_log();
    for grpc in [true, false] {
        let scope = Scope::new();
        let receiver = if grpc {
            Receiver::grpc(Manner::scripted(SCRIPT))
        } else {
            Receiver::http(Manner::scripted(SCRIPT))
        };
        let export =
            if grpc { export(&scope, &receiver.url()) } else { http_export(&scope, &receiver.url()) };
        let telemetry = export.metrics_interval(Duration::from_millis(50)).start().unwrap();
        for _ in 0..3 {
            spans(&telemetry, 4);
            failed_request(&scope).await;
            failed_request(&scope).await;
            telemetry.flush_async().await;
        }
        let lost = telemetry.shutdown_async(Duration::from_secs(5)).await;
        let received = receiver.received();
        let attempts = |signal| received.attempts_of(signal).len() as u64 * 2;
        assert!(received.attempts_of("traces").len() >= 3);
        let expected =
            Lost { points: attempts("metrics"), spans: attempts("traces"), events: attempts("logs") };
        assert_eq!(lost, expected);
        let lines = lines(&receiver.addr);
        for signal in ["metrics", "spans", "events"] {
            let told: Vec<_> = lines.iter().filter(|line| line.contains(&format!("some {signal}"))).collect();
            assert!(told.len() == 1 && told[0].contains("too old") && told[0].contains("WARN"), "{lines:?}");
        }
    }
}

#[tokio::test]
async fn a_warning_without_a_loss_is_said_once_and_nothing_is_counted() {
    const SCRIPT: &[Reply] = &[Reply::Partial(0, "please send less often"); 100];
    listen_to_the_log();
    let scope = Scope::new();
    let receiver = Receiver::grpc(Manner::scripted(SCRIPT));
    let telemetry = export(&scope, &receiver.url()).start().unwrap();
    for _ in 0..3 {
        spans(&telemetry, 1);
        telemetry.flush_async().await;
    }
    assert_eq!(telemetry.shutdown_async(Duration::from_secs(5)).await, Lost::default());
    let lines = lines(&receiver.addr);
    for signal in ["metrics", "spans"] {
        let told = lines.iter().filter(|line| line.contains(&format!("all {signal}")));
        assert_eq!(told.filter(|line| line.contains("less often")).count(), 1, "{lines:?}");
    }
}

#[tokio::test]
async fn a_receiver_that_claims_to_reject_more_than_it_got_makes_no_wild_count() {
    const SCRIPT: &[Reply] = &[Reply::Partial(i64::MAX, "all"), Reply::Partial(-5, "nonsense")];
    let scope = Scope::new();
    let receiver = Receiver::http(Manner::scripted(SCRIPT));
    let telemetry = http_export(&scope, &receiver.url()).start().unwrap();
    for _ in 0..2 {
        spans(&telemetry, 3);
        telemetry.flush_async().await;
    }
    assert_eq!(telemetry.shutdown_async(Duration::from_secs(5)).await.spans, 3);
}

#[tokio::test]
async fn an_answer_in_json_is_read_and_other_json_is_a_refusal() {
    const PART: &[Reply] =
        &[Reply::Json(r#"{"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}}"#); 100];
    const PAGE: &[Reply] = &[Reply::Json(r#"["no such page"]"#); 100];
    const FINE: &[Reply] = &[Reply::Json("{}"); 100];
    listen_to_the_log();
    for (script, expected, words) in [(PART, 2, "too old"), (PAGE, 3, "not OTLP"), (FINE, 0, "")] {
        let scope = Scope::new();
        let receiver = Receiver::http(Manner::scripted(script));
        let telemetry = http_export(&scope, &receiver.url()).start().unwrap();
        spans(&telemetry, 3);
        assert_eq!(telemetry.shutdown_async(Duration::from_secs(5)).await.spans, expected);
        let lines = lines(&receiver.addr);
        assert_eq!(lines.iter().any(|line| line.contains("spans")), expected > 0, "{lines:?}");
        assert!(lines.iter().all(|line| line.contains(words)), "{lines:?}");
    }
}
