//! Retry: what is tried again and when, and that every call is counted once, under our layer and under tower's.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod sockets;

use std::collections::VecDeque;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use http::{Request, Response, StatusCode};
use poolscope::breaker::{self, BreakerLayer};
use poolscope::event::RetryExhausted;
use poolscope::retry::{RetryLayer, RetryPolicy, RetryPolicyBuilder, RetrySafe};
use poolscope::{Event, Scope};
use poolscope_semconv::value::ErrorType;
use poolscope_semconv::value::RetryOutcome::{
    self, AfterRetry, BudgetRefused, Canceled, Exhausted, FirstTry, NotReplayable,
};
use tokio::time::{Instant, sleep};
use tower::retry::budget::{Budget, TpsBudget};
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

/// What a scripted attempt comes to.
#[derive(Debug, Clone)]
enum Reply {
    Status(u16),
    RetryAfter(u16, String),
    Error(io::ErrorKind),
    /// Takes so long that it is dropped before.
    Hang,
}
use Reply::{Error, Hang, RetryAfter, Status};

type Client = BoxCloneSyncService<Request<String>, Response<String>, io::Error>;

/// A service that answers as scripted, with the requests that it saw.
#[derive(Clone, Default)]
struct Script {
    replies: Arc<Mutex<VecDeque<Reply>>>,
    seen: Arc<Mutex<Vec<Request<String>>>>,
}

impl Script {
    fn new(replies: &[Reply]) -> Self {
        Self { replies: Arc::new(Mutex::new(replies.iter().cloned().collect())), ..Self::default() }
    }

    fn service(&self) -> Client {
        let script = self.clone();
        BoxCloneSyncService::new(service_fn(move |request: Request<String>| {
            script.seen.lock().unwrap().push(request);
            let reply = script.replies.lock().unwrap().pop_front().expect("one more attempt than scripted");
            async move {
                let response = Response::builder();
                match reply {
                    Status(status) => Ok(response.status(status).body(String::new()).unwrap()),
                    RetryAfter(status, wait) => {
                        Ok(response.status(status).header("retry-after", wait).body(String::new()).unwrap())
                    }
                    Error(kind) => Err(kind.into()),
                    Hang => std::future::pending().await,
                }
            }
        }))
    }

    fn attempts(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

/// Our layer and tower's, which must come to the same.
const LAYERS: [fn(RetryPolicy, Client) -> Client; 2] = [
    |policy, inner| BoxCloneSyncService::new(RetryLayer::new(policy).layer(inner)),
    |policy, inner| BoxCloneSyncService::new(tower::retry::RetryLayer::new(policy).layer(inner)),
];

fn policy(scope: &Scope) -> RetryPolicyBuilder {
    RetryPolicy::builder(scope, "payments").jitter(0.0)
}

fn get() -> Request<String> {
    Request::get("http://pay.example/").body("body".to_owned()).unwrap()
}

fn post() -> Request<String> {
    Request::post("http://pay.example/").body("body".to_owned()).unwrap()
}

/// The outcomes that were counted at all.
fn outcomes(scope: &Scope) -> Vec<(RetryOutcome, u64)> {
    let calls = &scope.snapshot().retries[0].calls;
    calls.iter().copied().filter(|(_, count)| *count > 0).collect()
}

/// Runs one request against a script under both layers; tells how often it was sent, how it ended and what was counted.
async fn run(
    replies: &[Reply],
    request: fn() -> Request<String>,
    options: fn(RetryPolicyBuilder) -> RetryPolicyBuilder,
) -> (usize, Result<StatusCode, io::ErrorKind>, Vec<(RetryOutcome, u64)>) {
    let mut results = Vec::new();
    for layer in LAYERS {
        let (scope, script) = (Scope::new(), Script::new(replies));
        let service = layer(options(policy(&scope)).build().unwrap(), script.service());
        let result = service.oneshot(request()).await;
        let result = result.map(|response| response.status()).map_err(|error| error.kind());
        results.push((script.attempts(), result, outcomes(&scope)));
    }
    let [ours, towers] = <[_; 2]>::try_from(results).unwrap();
    assert_eq!(ours, towers, "our layer and tower's differ");
    ours
}

const OK: Result<StatusCode, io::ErrorKind> = Ok(StatusCode::OK);
const UNAVAILABLE: Result<StatusCode, io::ErrorKind> = Ok(StatusCode::SERVICE_UNAVAILABLE);

#[tokio::test(start_paused = true)]
async fn what_needs_no_retry_is_sent_once() {
    assert_eq!(run(&[Status(200)], get, |p| p).await, (1, OK, vec![(FirstTry, 1)]));
    assert_eq!(run(&[Status(404)], get, |p| p).await, (1, Ok(StatusCode::NOT_FOUND), vec![(FirstTry, 1)]));
    let unsuited = Err(io::ErrorKind::InvalidInput);
    assert_eq!(
        run(&[Error(io::ErrorKind::InvalidInput)], get, |p| p).await,
        (1, unsuited, vec![(FirstTry, 1)])
    );
}

#[tokio::test(start_paused = true)]
async fn statuses_and_errors_that_may_pass_are_tried_again() {
    for status in [429, 500, 502, 503, 504] {
        let result = run(&[Status(status), Status(200)], get, |p| p).await;
        assert_eq!(result, (2, OK, vec![(AfterRetry, 1)]), "{status}");
    }
    for kind in [
        io::ErrorKind::ConnectionRefused,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::UnexpectedEof,
        io::ErrorKind::TimedOut,
    ] {
        let result = run(&[Error(kind), Status(200)], get, |p| p).await;
        assert_eq!(result, (2, OK, vec![(AfterRetry, 1)]), "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_attempt_that_is_allowed_decides() {
    let result = run(&[Status(503), Status(503), Status(503)], get, |p| p).await;
    assert_eq!(result, (3, UNAVAILABLE, vec![(Exhausted, 1)]));
    let result = run(&[Status(503)], get, |p| p.max_attempts(1)).await;
    assert_eq!(result, (1, UNAVAILABLE, vec![(Exhausted, 1)]));
}

#[tokio::test(start_paused = true)]
async fn an_error_that_no_retry_mends_ends_the_call_also_later() {
    let replies = [Status(503), Error(io::ErrorKind::InvalidData)];
    let result = run(&replies, get, |p| p).await;
    assert_eq!(result, (2, Err(io::ErrorKind::InvalidData), vec![(Exhausted, 1)]));
}

#[tokio::test(start_paused = true)]
async fn what_must_not_be_sent_twice_is_not_unless_marked() {
    assert_eq!(run(&[Status(503)], post, |p| p).await, (1, UNAVAILABLE, vec![(NotReplayable, 1)]));
    assert_eq!(run(&[Status(200)], post, |p| p).await, (1, OK, vec![(FirstTry, 1)]));
    let marked = || {
        let mut request = post();
        request.extensions_mut().insert(RetrySafe);
        request
    };
    let again = [Status(503), Status(200)];
    assert_eq!(run(&again, marked, |p| p).await, (2, OK, vec![(AfterRetry, 1)]));
    assert_eq!(run(&again, post, RetryPolicyBuilder::all_methods).await, (2, OK, vec![(AfterRetry, 1)]));
}

#[tokio::test(start_paused = true)]
async fn a_budget_is_asked_for_each_retry() {
    struct Empty;
    impl Budget for Empty {
        fn deposit(&self) {}
        fn withdraw(&self) -> bool {
            false
        }
    }
    let result = run(&[Status(503)], get, |p| p.budget(Empty)).await;
    assert_eq!(result, (1, UNAVAILABLE, vec![(BudgetRefused, 1)]));
    let result = run(&[Status(503), Status(200)], get, |p| p.budget(TpsBudget::default())).await;
    assert_eq!(result, (2, OK, vec![(AfterRetry, 1)]));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_in_an_attempt_or_a_wait_counts_as_canceled() {
    let scripts: [&[Reply]; 3] = [&[Hang], &[Status(503), Hang], &[RetryAfter(503, "50".to_owned())]];
    for replies in scripts {
        for layer in LAYERS {
            let (scope, script) = (Scope::new(), Script::new(replies));
            let service = layer(policy(&scope).build().unwrap(), script.service());
            let call = tokio::time::timeout(Duration::from_secs(5), service.oneshot(get()));
            assert!(call.await.is_err());
            assert_eq!(outcomes(&scope), [(Canceled, 1)], "{replies:?}");
            // An attempt is counted when it begins, and the wait before it was not survived here.
            let attempts: u64 = scope.snapshot().retries[0].attempts.iter().map(|row| row.1).sum();
            assert_eq!(attempts, script.attempts() as u64 - 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_never_polled_counts_as_canceled() {
    for layer in LAYERS {
        let (scope, script) = (Scope::new(), Script::new(&[Status(200)]));
        let mut service = layer(policy(&scope).build().unwrap(), script.service());
        drop(service.ready().await.unwrap().call(get()));
        assert_eq!(outcomes(&scope), [(Canceled, 1)]);
    }
}

#[tokio::test(start_paused = true)]
async fn clones_that_call_nothing_count_nothing() {
    for layer in LAYERS {
        let (scope, script) = (Scope::new(), Script::new(&[Status(503), Status(200), Status(200)]));
        let policy = policy(&scope).build().unwrap();
        let mut service = layer(policy.clone(), script.service());
        drop(service.clone());
        // Cloned between `poll_ready` and `call`, and while a call is under way.
        service.ready().await.unwrap();
        let idle = service.clone();
        let mut call = pin!(service.call(get()));
        assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop((idle, service.clone()));
        assert_eq!(outcomes(&scope), []);
        call.await.unwrap();
        service.oneshot(get()).await.unwrap();
        drop(policy);
        assert_eq!(outcomes(&scope), [(FirstTry, 1), (AfterRetry, 1)]);
    }
}

/// Counts its clones.
struct Cloned<S>(S, Arc<AtomicUsize>);

impl<S: Clone> Clone for Cloned<S> {
    fn clone(&self) -> Self {
        self.1.fetch_add(1, Relaxed);
        Self(self.0.clone(), Arc::clone(&self.1))
    }
}

impl<S: Service<R>, R> Service<R> for Cloned<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.0.call(request)
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_call_that_is_tried_again_clones_the_service() {
    let script = Script::new(&[
        Status(200),
        Status(200),
        Status(503),
        Error(io::ErrorKind::ConnectionReset),
        Status(200),
    ]);
    let clones = Arc::new(AtomicUsize::new(0));
    let layer = RetryLayer::new(policy(&Scope::new()).build().unwrap());
    let mut service = layer.layer(Cloned(script.service(), Arc::clone(&clones)));
    for expected in [0, 0, 2] {
        let before = clones.load(Relaxed);
        service.ready().await.unwrap().call(get()).await.unwrap();
        assert_eq!(clones.load(Relaxed) - before, expected);
    }
    assert_eq!(script.attempts(), 5);
}

#[tokio::test(start_paused = true)]
async fn every_attempt_sends_the_same_request() {
    let (scope, script) = (Scope::new(), Script::new(&[Status(503), Status(503), Status(200)]));
    let service = LAYERS[0](policy(&scope).build().unwrap(), script.service());
    let mut request = get();
    request.headers_mut().insert("x-key", "7".parse().unwrap());
    service.oneshot(request).await.unwrap();
    for request in script.seen.lock().unwrap().iter() {
        assert_eq!((request.headers().len(), &request.headers()["x-key"]), (1, &"7".parse().unwrap()));
        assert_eq!((request.body().as_str(), request.uri().host()), ("body", Some("pay.example")));
    }
}

#[tokio::test(start_paused = true)]
async fn waits_grow_and_are_counted_with_their_causes() {
    let replies = [Status(503), Error(io::ErrorKind::ConnectionReset), Status(503), Status(200)];
    for layer in LAYERS {
        let (scope, script) = (Scope::new(), Script::new(&replies));
        let policy = policy(&scope).max_attempts(4).build().unwrap();
        let start = Instant::now();
        layer(policy, script.service()).oneshot(get()).await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_millis(100 + 200 + 400));
        let snapshot = &scope.snapshot().retries[0];
        let expected = [("503".to_owned(), 2), ("connection_reset".to_owned(), 1)];
        assert_eq!(snapshot.attempts, expected);
        assert_eq!(snapshot.delay.count(), 3);
    }
}

/// Time between an answer and the attempt that follows.
async fn wait_after(replies: &[Reply]) -> Duration {
    let (scope, script) = (Scope::new(), Script::new(replies));
    let start = Instant::now();
    LAYERS[0](policy(&scope).build().unwrap(), script.service()).oneshot(get()).await.unwrap();
    assert_eq!(script.attempts(), replies.len());
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_never_early_in_either_form() {
    // Not on a whole millisecond, which is what timers round to.
    sleep(Duration::from_micros(1_300)).await;
    let again = |wait: String| [RetryAfter(503, wait), Status(200)];
    for seconds in [1, 7, 60] {
        let waited = wait_after(&again(seconds.to_string())).await;
        let asked = Duration::from_secs(seconds);
        assert!(waited >= asked && waited < asked + Duration::from_millis(5), "{waited:?} for {asked:?}");
    }
    let date = SystemTime::now() + Duration::from_secs(20);
    let waited = wait_after(&again(httpdate::fmt_http_date(date))).await;
    assert!((Duration::from_secs(19)..Duration::from_secs(21)).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_date_in_the_past_leaves_the_backoff() {
    let past = "Thu, 01 Jan 1970 00:00:00 GMT".to_owned();
    assert_eq!(wait_after(&[RetryAfter(503, past), Status(200)]).await, Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_beyond_the_limit_ends_the_call_at_once() {
    let start = Instant::now();
    let result = run(&[RetryAfter(503, "61".to_owned())], get, |p| p).await;
    assert_eq!(result, (1, UNAVAILABLE, vec![(Exhausted, 1)]));
    assert_eq!(start.elapsed(), Duration::ZERO);
    let replies = [RetryAfter(503, "61".to_owned()), Status(200)];
    let result = run(&replies, get, |p| p.retry_after_limit(Duration::from_secs(61))).await;
    assert_eq!(result, (2, OK, vec![(AfterRetry, 1)]));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_failed_for_good_is_told() {
    for layer in LAYERS {
        let scope = Scope::new();
        let events = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&events);
        scope.listen(move |event: &Event| heard.lock().unwrap().push(event.clone()));
        let script = Script::new(&[Status(500), Status(503), Error(io::ErrorKind::ConnectionRefused)]);
        layer(policy(&scope).build().unwrap(), script.service()).oneshot(get()).await.unwrap_err();
        let exhausted = RetryExhausted {
            name: "payments".into(),
            attempts: 3,
            reason: "connect".to_owned(),
            destination: Some("http://pay.example:80".to_owned()),
        };
        assert_eq!(*events.lock().unwrap(), [Event::RetryExhausted(exhausted)]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_rejection_of_a_breaker_is_not_tried_again() {
    let (scope, script) = (Scope::new(), Script::new(&[Status(503), Status(200)]));
    let breaker = BreakerLayer::builder(&scope).consecutive_failures(1).build().unwrap();
    let mut service = ServiceBuilder::new()
        .layer(RetryLayer::new(policy(&scope).build().unwrap()))
        .layer(breaker)
        .service(script.service());
    for _ in 0..2 {
        let error = service.ready().await.unwrap().call(get()).await.unwrap_err();
        assert!(matches!(error, breaker::Error::Open(_)), "{error}");
    }
    assert_eq!(script.attempts(), 1);
    // The first call was tried again and met the open breaker, the second met it at once.
    assert_eq!(outcomes(&scope), [(FirstTry, 1), (Exhausted, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_its_next_attempt_holds_no_place() {
    let (scope, script) = (Scope::new(), Script::new(&[Status(503), Status(200), Status(200)]));
    let service = ServiceBuilder::new()
        .layer(RetryLayer::new(policy(&scope).build().unwrap()))
        .concurrency_limit(1)
        .service(script.service());
    let start = Instant::now();
    let waiting = tokio::spawn(service.clone().oneshot(get()));
    sleep(Duration::from_millis(1)).await;
    assert_eq!(script.attempts(), 1);
    // A clone that was ready has had the only place, and has given it back.
    service.clone().ready().await.unwrap();
    service.oneshot(get()).await.unwrap();
    assert!(start.elapsed() < Duration::from_millis(100), "before the other's second attempt");
    waiting.await.unwrap().unwrap();
    assert_eq!(outcomes(&scope), [(FirstTry, 1), (AfterRetry, 1)]);
}
