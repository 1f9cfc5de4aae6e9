//! Timeout layer: what fires, what is told, and that every call is counted once.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::error::Error as StdError;
use std::future::pending;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::Request;
use poolscope::Scope;
use poolscope::event::TimeoutFired;
use poolscope::timeout::{Elapsed, Error, Timeout, TimeoutLayer};
use poolscope_semconv::value::TimeoutOutcome::{Canceled, Fired, InTime};
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt, service_fn};

use support::{LIMIT, answering, counts, fired, request};

mod adaptive;
mod bodies;
mod parts;
mod support;

fn layer(scope: &Scope) -> TimeoutLayer {
    TimeoutLayer::new(scope, "attempt", LIMIT).unwrap()
}

/// A service that answers after a time.
fn answers_after(
    scope: &Scope,
    time: Duration,
) -> Timeout<impl Service<Request<()>, Response = &'static str, Error = io::Error> + Clone> {
    layer(scope).layer(answering(time, "answer"))
}

#[tokio::test(start_paused = true)]
async fn a_response_in_time_passes() {
    let scope = Scope::new();
    let answer = answers_after(&scope, LIMIT / 2).oneshot(request()).await;
    assert_eq!(answer.unwrap(), "answer");
    assert_eq!(counts(&scope), [(InTime, 1), (Fired, 0), (Canceled, 0)]);
}

#[tokio::test(start_paused = true)]
async fn it_fires_at_its_limit_and_says_which_one_it_was() {
    let scope = Scope::new();
    let events = fired(&scope);
    let start = Instant::now();
    let error = answers_after(&scope, LIMIT * 2).oneshot(request()).await.unwrap_err();
    assert_eq!(start.elapsed(), LIMIT);
    assert_eq!(error.to_string(), "timeout attempt fired after 2 s (http://pay.example:8080)");
    assert!(error.source().is_some_and(<dyn StdError>::is::<Elapsed>));
    assert_eq!(counts(&scope), [(InTime, 0), (Fired, 1), (Canceled, 0)]);
    let fired = TimeoutFired {
        name: "attempt".into(),
        limit: LIMIT,
        elapsed: LIMIT,
        destination: Some("http://pay.example:8080".to_owned()),
        pool: None,
    };
    assert_eq!(*events.lock().unwrap(), [fired]);
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_ready_at_the_same_moment_wins() {
    let scope = Scope::new();
    assert_eq!(answers_after(&scope, LIMIT).oneshot(request()).await.unwrap(), "answer");
}

#[tokio::test]
async fn an_error_of_the_service_is_in_time_and_stays_what_it_is() {
    let scope = Scope::new();
    let refused = |_: Request<()>| async { Err::<(), _>(io::Error::from(io::ErrorKind::ConnectionRefused)) };
    let error = layer(&scope).layer(service_fn(refused)).oneshot(request()).await.unwrap_err();
    assert!(matches!(error, Error::Inner(error) if error.kind() == io::ErrorKind::ConnectionRefused));
    assert_eq!(counts(&scope), [(InTime, 1), (Fired, 0), (Canceled, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_counts_as_canceled_polled_or_not() {
    let scope = Scope::new();
    let mut service = answers_after(&scope, LIMIT * 2);
    drop(service.ready().await.unwrap().call(request()));
    {
        let mut polled = pin!(service.ready().await.unwrap().call(request()));
        assert!(polled.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    sleep(LIMIT * 2).await;
    assert_eq!(counts(&scope), [(InTime, 0), (Fired, 0), (Canceled, 2)]);
}

#[tokio::test(start_paused = true)]
async fn clones_have_timers_of_their_own_and_counters_in_common() {
    let scope = Scope::new();
    let mut service = answers_after(&scope, LIMIT * 2);
    let first = service.ready().await.unwrap().call(request());
    sleep(LIMIT / 2).await;
    let second = service.clone().oneshot(request());
    let start = Instant::now();
    assert!(first.await.is_err());
    // The time of a call runs from its start, also when nobody polls it.
    assert_eq!(start.elapsed(), LIMIT / 2);
    assert!(second.await.is_err());
    assert_eq!(counts(&scope), [(InTime, 0), (Fired, 2), (Canceled, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_connector_may_have_requests_of_any_type_and_boxed_errors() {
    struct Sealed;
    let scope = Scope::new();
    let connect = TimeoutLayer::for_connector(&scope, "connect", LIMIT).unwrap();
    let mut connector =
        connect.layer(service_fn(|_: Sealed| pending::<Result<(), Box<dyn StdError + Send + Sync>>>()));
    let error = connector.ready().await.unwrap().call(Sealed).await.unwrap_err();
    assert_eq!(error.downcast_ref::<Elapsed>().unwrap().to_string(), "timeout connect fired after 2 s");
}

#[test]
fn a_limit_of_zero_is_refused_in_words() {
    let error = TimeoutLayer::new(&Scope::new(), "call", Duration::ZERO).unwrap_err();
    assert!(error.to_string().contains("timeout call is zero"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_limit_beyond_all_clocks_never_fires() {
    let scope = Scope::new();
    let forever = TimeoutLayer::new(&scope, "call", Duration::MAX).unwrap();
    let mut service = forever.layer(service_fn(|_: Request<()>| async {
        sleep(Duration::from_secs(3_600)).await;
        Ok::<_, io::Error>(())
    }));
    assert!(service.ready().await.is_ok());
    assert!(service.call(request()).await.is_ok());
    assert_eq!(scope.snapshot().timeouts[0].limit, Duration::from_nanos(u64::MAX));
}

#[tokio::test]
async fn readiness_is_that_of_the_service() {
    struct Busy;
    impl Service<Request<()>> for Busy {
        type Response = ();
        type Error = io::Error;
        type Future = std::future::Ready<Result<(), io::Error>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
            Poll::Pending
        }
        fn call(&mut self, _: Request<()>) -> Self::Future {
            unreachable!("it is never ready")
        }
    }
    let mut service = layer(&Scope::new()).layer(Busy);
    assert!(service.poll_ready(&mut Context::from_waker(Waker::noop())).is_pending());
}
