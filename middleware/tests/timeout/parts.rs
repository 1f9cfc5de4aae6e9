//! Timeouts of the parts before the head, around a request layer whose request is in a real pool.

use std::convert::Infallible;
use std::future::{pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{Empty, Full};
use poolscope::hyper::{RequestBody, RequestLayer};
use poolscope::limit::LimitLayer;
use poolscope::timeout::{Error, TimeoutLayer};
use poolscope::{ConfigError, PoolSnapshot, Scope};
use poolscope_semconv::value::TimeoutOutcome::{Canceled, Fired, InTime};
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::{LIMIT, answering, counts, fired, request, timeout};

type Sent = Request<RequestBody<Empty<Bytes>>>;

fn sent() -> Request<Empty<Bytes>> {
    request().map(|()| Empty::new())
}

/// A client in whose pool a request waits for the first time, and whose server takes the second time to answer. What hyper
/// does when it sends a request over HTTP/1 is to ask its body, in a task of the connection.
fn client(
    scope: &Scope,
    wait: Duration,
    answer: Duration,
) -> impl Service<Request<Empty<Bytes>>, Response: Send, Error = Infallible, Future: Send> + Clone {
    let inner = service_fn(move |request: Sent| async move {
        let (send, answered) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            sleep(wait).await;
            assert!(request.body().is_end_stream());
            sleep(answer).await;
            let _ = send.send(());
        });
        let _ = answered.await;
        Ok(Response::new(Full::new(Bytes::from("answer"))))
    });
    RequestLayer::new(&scope.client("orders")).layer(inner)
}

fn pool(scope: &Scope) -> PoolSnapshot {
    scope.snapshot().pools.remove(0)
}

fn is_empty(scope: &Scope) -> bool {
    let pool = pool(scope);
    (pool.pending(), pool.in_flight()) == (0, 0)
}

#[tokio::test(start_paused = true)]
async fn an_acquire_that_waits_too_long_tells_the_state_of_the_pool_before_it_was_given_up() {
    let scope = Scope::new();
    let events = fired(&scope);
    let service = TimeoutLayer::acquire(&scope, LIMIT).unwrap().layer(client(&scope, LIMIT * 2, LIMIT));
    let start = Instant::now();
    let error = service.oneshot(sent()).await.map(drop).unwrap_err();
    assert_eq!(start.elapsed(), LIMIT);
    assert_eq!(
        error.to_string(),
        "timeout acquire fired after 2 s (http://pay.example:8080; \
         pool \"orders\": 0 connections open, 0 active, 0 idle, 1 request waiting)"
    );
    let Error::Elapsed(elapsed) = error;
    assert_eq!(*events.lock().unwrap(), [elapsed]);
    assert_eq!(counts(&scope), [(InTime, 0), (Fired, 1), (Canceled, 0)]);
    assert!(is_empty(&scope), "{:?}", pool(&scope));
}

#[tokio::test(start_paused = true)]
async fn an_acquire_is_in_time_when_it_has_its_connection_however_long_the_head_takes() {
    let scope = Scope::new();
    let service = TimeoutLayer::acquire(&scope, LIMIT).unwrap().layer(client(&scope, LIMIT / 2, LIMIT * 10));
    let start = Instant::now();
    assert!(service.oneshot(sent()).await.is_ok());
    assert_eq!(start.elapsed(), LIMIT / 2 + LIMIT * 10);
    assert_eq!(counts(&scope), [(InTime, 1), (Fired, 0), (Canceled, 0)]);
}

#[tokio::test(start_paused = true)]
async fn the_time_of_the_headers_begins_with_the_connection() {
    let scope = Scope::new();
    let layer = TimeoutLayer::headers(&scope, LIMIT).unwrap();
    let service = layer.layer(client(&scope, LIMIT * 10, LIMIT / 2));
    assert!(service.oneshot(sent()).await.is_ok(), "to wait for a connection is not limited");
    assert_eq!(counts(&scope), [(InTime, 1), (Fired, 0), (Canceled, 0)]);

    let service = layer.layer(client(&scope, Duration::from_millis(1), LIMIT * 10));
    let start = Instant::now();
    let Error::Elapsed(elapsed) = service.oneshot(sent()).await.map(drop).unwrap_err();
    // Timers of tests jump, so that the moment of the acquire is learned when the first one rings.
    assert!(
        (LIMIT..=LIMIT * 2 + Duration::from_millis(2)).contains(&start.elapsed()),
        "{:?}",
        start.elapsed()
    );
    assert!(elapsed.elapsed >= LIMIT && elapsed.elapsed <= start.elapsed(), "{elapsed:?}");
    assert_eq!(elapsed.pool.unwrap().waiting, 0);
    assert!(is_empty(&scope));
}

#[tokio::test(start_paused = true)]
async fn all_parts_around_each_other_are_told_apart() {
    for (wait, answer, fires) in [
        (LIMIT * 3, LIMIT / 2, "acquire"),
        (Duration::ZERO, LIMIT * 30, "headers"),
        (LIMIT / 2, LIMIT / 2, ""),
    ] {
        let scope = Scope::new();
        let service = TimeoutLayer::acquire(&scope, LIMIT)
            .unwrap()
            .layer(TimeoutLayer::headers(&scope, LIMIT * 2).unwrap().layer(client(&scope, wait, answer)));
        let told = match service.oneshot(sent()).await {
            Ok(_) => String::new(),
            Err(Error::Elapsed(elapsed) | Error::Inner(Error::Elapsed(elapsed))) => elapsed.name.to_string(),
        };
        assert_eq!(told, fires);
        for timeout in scope.snapshot().timeouts {
            assert_eq!(timeout.calls.iter().map(|(_, calls)| calls).sum::<u64>(), 1, "{timeout:?}");
        }
        assert!(is_empty(&scope));
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_request_layer_both_count_from_the_call_to_the_head() {
    for layer in [TimeoutLayer::acquire, TimeoutLayer::headers] {
        let scope = Scope::new();
        let layer = layer(&scope, LIMIT).unwrap();
        let start = Instant::now();
        assert!(layer.layer(answering(LIMIT * 2, ())).oneshot(request()).await.is_err());
        assert_eq!(start.elapsed(), LIMIT);
        assert!(layer.layer(answering(LIMIT / 2, ())).oneshot(request()).await.is_ok());
        assert_eq!(counts(&scope), [(InTime, 1), (Fired, 1), (Canceled, 0)]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_counts_as_canceled_and_leaves_the_pool_as_it_was() {
    for layer in [TimeoutLayer::acquire, TimeoutLayer::headers] {
        let scope = Scope::new();
        let mut service = layer(&scope, LIMIT).unwrap().layer(client(&scope, LIMIT, LIMIT));
        drop(service.ready().await.unwrap().call(sent()));
        {
            let mut polled = pin!(service.ready().await.unwrap().call(sent()));
            assert!(polled.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            assert_eq!(pool(&scope).pending(), 1);
        }
        assert_eq!(counts(&scope), [(InTime, 0), (Fired, 0), (Canceled, 2)]);
        assert!(is_empty(&scope));
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_inside_counts_as_canceled_and_confuses_no_other_request() {
    let scope = Scope::new();
    let layer = TimeoutLayer::acquire(&scope, LIMIT).unwrap();
    let panics =
        service_fn(|_: Sent| async { panic!("inside") as Result<Response<Empty<Bytes>>, Infallible> });
    let mut service = layer.layer(RequestLayer::new(&scope.client("orders")).layer(panics));
    let mut call = Box::pin(service.ready().await.unwrap().call(sent()));
    let polled =
        catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(&mut Context::from_waker(Waker::noop()))));
    assert!(polled.is_err());
    drop(call);
    assert_eq!(counts(&scope), [(InTime, 0), (Fired, 0), (Canceled, 1)]);
    assert!(is_empty(&scope));
    let next = layer.layer(client(&scope, LIMIT * 2, LIMIT)).oneshot(sent()).await;
    assert!(matches!(next, Err(Error::Elapsed(_))));
}

/// A request that is made in the poll of another one, as a look-up by HTTP is.
#[tokio::test(start_paused = true)]
async fn the_connection_of_a_nested_request_is_not_the_one_of_the_outer() {
    let scope = Scope::new();
    let nested = client(&scope, Duration::ZERO, Duration::from_millis(1));
    let inner = service_fn(move |_: Sent| {
        let nested = nested.clone();
        async move {
            let _ = nested.oneshot(sent()).await;
            pending::<Result<Response<Empty<Bytes>>, Infallible>>().await
        }
    });
    let service = TimeoutLayer::acquire(&scope, LIMIT)
        .unwrap()
        .layer(RequestLayer::new(&scope.client("outer")).layer(inner));
    let Error::Elapsed(elapsed) = service.oneshot(sent()).await.map(drop).unwrap_err();
    let pool = elapsed.pool.unwrap();
    assert_eq!((&*pool.name.client, pool.waiting), ("outer", 1));
}

/// A limit inside, whose only place is taken.
#[tokio::test(start_paused = true)]
async fn an_acquire_counts_the_queue_of_a_limit_and_tells_it() {
    let scope = Scope::new();
    let client = scope.client("orders");
    let hangs = service_fn(|request: Sent| async move {
        assert!(request.body().is_end_stream());
        pending::<Result<Response<Empty<Bytes>>, Infallible>>().await
    });
    let limit = LimitLayer::builder(&client).per_destination(1).max_queued(5).build().unwrap();
    let inner = limit.layer(RequestLayer::new(&client).layer(hangs));
    let service = TimeoutLayer::acquire(&scope, LIMIT).unwrap().layer(inner);
    let mut first = pin!(service.clone().oneshot(sent()));
    assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let error = service.oneshot(sent()).await.map(drop).unwrap_err().to_string();
    let expected = "0 active, 0 idle, 1 request waiting, 1 of them for the limit of 1)";
    assert!(error.starts_with("timeout acquire fired after 2 s") && error.ends_with(expected), "{error}");
    assert_eq!(pool(&scope).limit.unwrap().queued, 0);
    assert_eq!(counts(&scope), [(InTime, 1), (Fired, 1), (Canceled, 0)]);
}

#[tokio::test(start_paused = true)]
async fn the_share_of_the_limit_that_was_used_is_a_histogram() {
    let scope = Scope::new();
    let layer = TimeoutLayer::new(&scope, "call", LIMIT).unwrap();
    for time in [LIMIT / 20, LIMIT / 3, LIMIT / 10 * 8, LIMIT * 2] {
        let _ = layer.layer(answering(time, ())).oneshot(request()).await;
    }
    let used = timeout(&scope).budget_used;
    assert_eq!(used.bounds, [0.1, 0.25, 0.5, 0.75, 0.9, 1.0]);
    let fired = used.buckets[5] + used.buckets[6];
    assert_eq!((&used.buckets[..5], fired), (&[1, 0, 1, 0, 1][..], 1), "{used:?}");
}

#[tokio::test]
async fn a_call_that_is_ready_at_once_needs_no_timer() {
    let scope = Scope::new();
    let at_once = service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(())));
    let mut call = pin!(TimeoutLayer::new(&scope, "call", LIMIT).unwrap().layer(at_once).oneshot(request()));
    // A timer could not even be made here.
    let polled = std::thread::scope(|scope| {
        let call = call.as_mut();
        let poll = move || matches!(call.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(())));
        scope.spawn(poll).join().unwrap()
    });
    assert!(polled);
    assert_eq!(counts(&scope), [(InTime, 1), (Fired, 0), (Canceled, 0)]);
}

#[test]
fn what_cannot_be_is_refused_in_words() {
    let scope = Scope::new();
    let says = |result: Result<(), ConfigError>, part: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    let builder = || TimeoutLayer::builder(&scope, "call");
    says(builder().build().map(drop), "call has no limit");
    says(builder().limit(Duration::ZERO).build().map(drop), "call is zero");
    says(builder().acquire().to_body_end().limit(LIMIT).build().map(drop), "the end of the body");
    says(builder().headers().connector().limit(LIMIT).build().map(drop), "a connect");
    says(TimeoutLayer::read(&scope, Duration::ZERO).map(drop), "read is zero");
    assert_eq!(scope.snapshot().timeouts, [], "what is refused is not shown");
}
