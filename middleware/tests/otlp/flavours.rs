//! Flush and shutdown wherever they are called: nothing panics, nothing hangs, nothing is lost with a healthy receiver.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry::trace::TracerProvider;
use poolscope::Scope;
use poolscope::otlp::{Lost, Telemetry};
use tokio::runtime::{Builder, Runtime};

use crate::export;
use crate::receiver::{Manner, Receiver, Reply};
use crate::traffic::spans;

const SPANS: usize = 600;

/// An export to a healthy receiver, with more spans to send than one request takes.
fn loaded(scope: &Scope) -> (Receiver, Telemetry) {
    let receiver = Receiver::grpc(Manner::default());
    let telemetry = export(scope, &receiver.url()).start().unwrap();
    spans(&telemetry, SPANS);
    (receiver, telemetry)
}

/// Runs the end of an export and checks that it is quick and everything is there.
fn ends_well(receiver: &Receiver, end: impl FnOnce()) {
    let started = Instant::now();
    end();
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    let received = receiver.received();
    assert_eq!(received.spans(), SPANS);
    assert!(!received.metrics.is_empty());
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn multi_thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Runs a future on this thread, without any runtime.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn in_every_runtime_and_in_none() {
    let scope = Scope::new();
    let (receiver, telemetry) = loaded(&scope);
    ends_well(&receiver, || assert_eq!(telemetry.shutdown(), Lost::default()));
    for runtime in [current_thread(), multi_thread()] {
        // Started outside of it, ended in its `block_on`.
        let (receiver, telemetry) = loaded(&scope);
        ends_well(&receiver, || {
            runtime.block_on(async { assert_eq!(telemetry.shutdown(), Lost::default()) });
        });
        // Started inside of it, ended in one of its tasks.
        let (receiver, telemetry) = runtime.block_on(async { loaded(&scope) });
        ends_well(&receiver, || {
            let end = async { assert_eq!(telemetry.shutdown(), Lost::default()) };
            runtime.block_on(async { tokio::spawn(end).await.unwrap() });
        });
        // Dropped there.
        let (receiver, telemetry) = loaded(&scope);
        ends_well(&receiver, || runtime.block_on(async { drop(telemetry) }));
        // Without blocking.
        let (receiver, telemetry) = loaded(&scope);
        ends_well(&receiver, || {
            let lost = runtime.block_on(telemetry.shutdown_async(Duration::from_secs(5)));
            assert_eq!(lost, Lost::default());
        });
    }
}

#[test]
fn in_a_local_set() {
    let scope = Scope::new();
    for is_async in [false, true] {
        let (receiver, telemetry) = loaded(&scope);
        ends_well(&receiver, || {
            let local = tokio::task::LocalSet::new();
            let end = async move {
                match is_async {
                    true => telemetry.shutdown_async(Duration::from_secs(5)).await,
                    false => telemetry.shutdown(),
                }
            };
            let lost =
                local.block_on(&current_thread(), async { tokio::task::spawn_local(end).await.unwrap() });
            assert_eq!(lost, Lost::default());
        });
    }
}

#[test]
fn the_async_door_needs_no_runtime() {
    let (receiver, telemetry) = loaded(&Scope::new());
    ends_well(&receiver, || {
        block_on(telemetry.flush_async());
        assert_eq!(receiver.received().spans(), SPANS, "flushed");
        assert_eq!(block_on(telemetry.shutdown_async(Duration::from_secs(5))), Lost::default());
    });
}

#[test]
fn after_the_runtime_has_ended() {
    let scope = Scope::new();
    for runtime in [current_thread(), multi_thread()] {
        let (receiver, telemetry) = runtime.block_on(async { loaded(&scope) });
        drop(runtime);
        ends_well(&receiver, || {
            telemetry.flush();
            assert_eq!(telemetry.shutdown(), Lost::default());
        });
    }
}

#[test]
fn while_a_panic_unwinds() {
    let scope = Scope::new();
    let (receiver, telemetry) = loaded(&scope);
    ends_well(&receiver, || {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _telemetry = telemetry;
            panic!("a bug of the application");
        }));
        panicked.unwrap_err();
    });
    let (receiver, telemetry) = loaded(&scope);
    ends_well(&receiver, || {
        let runtime = multi_thread();
        let task = runtime.spawn(async move {
            let _telemetry = telemetry;
            panic!("a bug of the application");
        });
        runtime.block_on(task).unwrap_err();
    });
}

#[test]
fn twice_and_by_many_at_once() {
    let (receiver, telemetry) = loaded(&Scope::new());
    let provider = telemetry.tracer_provider().clone();
    ends_well(&receiver, || {
        thread::scope(|threads| {
            for _ in 0..16 {
                threads.spawn(|| {
                    telemetry.flush();
                    assert_eq!(receiver.received().spans(), SPANS, "each flush waits until it is done");
                });
                threads.spawn(|| provider.force_flush().unwrap());
            }
        });
        telemetry.flush();
        provider.shutdown().unwrap();
        assert_eq!(telemetry.shutdown(), Lost::default());
        // The end has been; neither hangs.
        provider.force_flush().unwrap();
        provider.shutdown().unwrap_err();
    });
}

#[test]
fn a_span_that_ends_after_the_end_costs_nothing() {
    let (receiver, telemetry) = loaded(&Scope::new());
    let provider = telemetry.tracer_provider().clone();
    telemetry.shutdown();
    use opentelemetry::trace::{Span, Tracer};
    let mut span = provider.tracer("test").start("late");
    assert!(!span.is_recording());
    span.end();
    assert_eq!(receiver.received().spans(), SPANS);
}

#[test]
fn a_receiver_in_the_same_runtime_with_one_thread_hears_the_async_door() {
    for grpc in [true, false] {
        current_thread().block_on(async {
            let scope = Scope::new();
            let receiver = Receiver::here(Manner::default(), grpc).await;
            let export = match grpc {
                true => export(&scope, &receiver.url()),
                false => crate::http_export(&scope, &receiver.url()),
            };
            let telemetry = export.start().unwrap();
            spans(&telemetry, SPANS);
            telemetry.flush_async().await;
            assert_eq!(receiver.received().spans(), SPANS);
            spans(&telemetry, 1);
            assert_eq!(telemetry.shutdown_async(Duration::from_secs(5)).await, Lost::default());
            assert_eq!(receiver.received().spans(), SPANS + 1);
        });
    }
}

#[tokio::test]
async fn an_end_that_is_dropped_midway_goes_on_by_itself() {
    // Slow, so that the end is not reached at once.
    let receiver = Receiver::grpc(Manner::scripted(&[Reply::Slow(300)]));
    let telemetry = export(&Scope::new(), &receiver.url()).start().unwrap();
    spans(&telemetry, SPANS);
    let mut end = Box::pin(telemetry.shutdown_async(Duration::from_secs(5)));
    let polled = std::future::poll_fn(|context| Poll::Ready(end.as_mut().poll(context))).await;
    assert!(polled.is_pending());
    drop(end);
    crate::traffic::wait_for("the spans", || receiver.received().spans() == SPANS).await;
}
