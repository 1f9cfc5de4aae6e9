//! A destination that fails, hangs, trickles and recovers, under everything that protects: what the server has seen, what
//! the snapshot counts, what spans and events tell and what the dashboard shows are the same.

use std::error::Error;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use poolscope::breaker::BreakerLayer;
use poolscope::event::BreakerTransition;
use poolscope::limit::LimitLayer;
use poolscope::otlp::{Otlp, Protocol, Telemetry};
use poolscope::retry::RetryPolicy;
use poolscope::timeout::TimeoutLayer;
use poolscope::{BreakerOutcome, BreakerReason, BreakerSnapshot, BreakerState, Event, Stack, Stopped};
use poolscope_semconv::value::{ErrorType, RetryOutcome, TimeoutOutcome};
use poolscope_semconv::{attr, event, span};
use poolscope_tests::dashboard::Dashboard;
use poolscope_tests::spans::{Traced, text};
use poolscope_tests::upstream::{Options, Upstream, answer, answer_without_end};
use poolscope_tests::wait;
use poolscope_wire::{Breaker, path};
use tower::ServiceExt;

const ATTEMPT: Duration = Duration::from_millis(300);
const READ: Duration = Duration::from_millis(200);
const OPEN_TIME: Duration = Duration::from_millis(400);

/// What the destination does.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
enum Mood {
    Well,
    Failing,
    Hanging,
    Trickling,
}

/// How a call ended, as its caller sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ended {
    Status(u16),
    Timeout(String),
    Rejected,
}

type Call = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Ended> + Send>> + Send + Sync>;

fn stopped(error: &(dyn Error + 'static)) -> Ended {
    match Stopped::find(error) {
        Some(Stopped::Timeout(elapsed)) => Ended::Timeout(elapsed.name.to_string()),
        Some(Stopped::Breaker(_)) => Ended::Rejected,
        other => panic!("{other:?}: {error}"),
    }
}

/// Everything that protects, the same for both clients.
macro_rules! stack {
    ($scope:expr) => {{
        let client = $scope.client("test");
        Stack::new(&client)
            .call_timeout(
                TimeoutLayer::builder(&$scope, "call")
                    .limit(Duration::from_secs(10))
                    .to_body_end()
                    .build()
                    .unwrap(),
            )
            .retry(
                RetryPolicy::builder(&$scope, "retry")
                    .max_attempts(2)
                    .base_delay(Duration::from_millis(1))
                    .build()
                    .unwrap(),
            )
            .breaker(
                BreakerLayer::builder(&$scope)
                    .window(10)
                    .minimum_calls(5)
                    .open_time(OPEN_TIME)
                    .max_open_time(OPEN_TIME)
                    .jitter(0.0)
                    .trial_calls(1)
                    .build()
                    .unwrap(),
            )
            .limit(LimitLayer::builder(&client).per_destination(4).build().unwrap())
            .attempt((
                TimeoutLayer::new(&$scope, "attempt", ATTEMPT).unwrap(),
                TimeoutLayer::read(&$scope, READ).unwrap(),
            ))
    }};
}

fn hyper(traced: &Traced, url: String) -> Call {
    let builder = Client::builder(TokioExecutor::new());
    let client = stack!(traced.scope).hyper::<_, Full<Bytes>>(&builder, HttpConnector::new());
    Box::new(move || {
        let (client, request) = (client.clone(), Request::get(&url).body(Full::default()).unwrap());
        Box::pin(async move {
            match client.oneshot(request).await {
                Ok(response) => {
                    let status = response.status().as_u16();
                    response
                        .into_body()
                        .collect()
                        .await
                        .map_or_else(|error| stopped(&error), |_| Ended::Status(status))
                }
                Err(error) => stopped(&error),
            }
        })
    })
}

fn reqwest(traced: &Traced, url: String) -> Call {
    let client = stack!(traced.scope).reqwest(reqwest::Client::builder().no_proxy()).unwrap();
    Box::new(move || {
        let request = reqwest::Request::new(http::Method::GET, url.parse().unwrap());
        let client = client.clone();
        Box::pin(async move {
            match client.oneshot(request).await {
                Ok(response) => {
                    let status = response.status().as_u16();
                    response.bytes().await.map_or_else(|error| stopped(&error), |_| Ended::Status(status))
                }
                Err(error) => stopped(&error),
            }
        })
    })
}

struct World {
    traced: Traced,
    upstream: Upstream,
    mood: Arc<AtomicU8>,
    events: Arc<Mutex<Vec<Event>>>,
    dashboard: Dashboard,
    telemetry: Telemetry,
}

impl World {
    async fn start() -> Self {
        let mood = Arc::new(AtomicU8::new(Mood::Well as u8));
        let now = Arc::clone(&mood);
        let upstream = Upstream::start(Options::default(), move |_| {
            let mood = now.load(Relaxed);
            async move {
                match mood {
                    m if m == Mood::Failing as u8 => answer(StatusCode::SERVICE_UNAVAILABLE, "not now"),
                    m if m == Mood::Hanging as u8 => std::future::pending().await,
                    m if m == Mood::Trickling as u8 => answer_without_end(Duration::from_secs(60)),
                    _ => answer(StatusCode::OK, "well"),
                }
            }
        });
        let dashboard = Dashboard::start().await.unwrap();
        let traced = Traced::new();
        let events = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&events);
        traced.scope.listen(move |event: &Event| heard.lock().unwrap().push(event.clone()));
        let telemetry = Otlp::new(&traced.scope)
            .environment(|_| None)
            .endpoint(format!("http://{}", dashboard.otlp_grpc()))
            .protocol(Protocol::Grpc)
            .metrics_interval(Duration::from_millis(200))
            .start()
            .unwrap();
        Self { traced, upstream: upstream.await.unwrap(), mood, events, dashboard, telemetry }
    }

    fn set(&self, mood: Mood) {
        self.mood.store(mood as u8, Relaxed);
    }

    fn breaker(&self) -> BreakerSnapshot {
        self.traced.scope.snapshot().breakers.remove(0)
    }

    /// Waits until an open breaker lets the next call try.
    async fn until_it_tries(&self) {
        wait::until(
            "the end of the open time",
            async || self.breaker(),
            |breaker| breaker.open_remaining.is_zero(),
        )
        .await;
    }

    fn transitions(&self) -> Vec<BreakerTransition> {
        let events = self.events.lock().unwrap();
        let transition = |event: &Event| match event {
            Event::BreakerTransition(transition) => Some(transition.clone()),
            _ => None,
        };
        events.iter().filter_map(transition).collect()
    }

    /// Waits until the dashboard shows the breaker like this.
    async fn shown(&self, what: &str, check: impl Fn(&Breaker) -> bool) -> Breaker {
        let get = async || self.dashboard.get::<Vec<Breaker>>(path::BREAKERS).await;
        let mut breakers =
            wait::until(what, get, |breakers| breakers.len() == 1 && breakers.iter().all(&check)).await;
        breakers.remove(0)
    }
}

fn of(breaker: &BreakerSnapshot, outcome: BreakerOutcome) -> u64 {
    breaker.calls.iter().find(|(known, _)| *known == outcome).map_or(0, |(_, calls)| *calls)
}

async fn everybody_tells_the_same(client: fn(&Traced, String) -> Call) {
    let world = World::start().await;
    let call = client(&world.traced, world.upstream.url("/"));
    for _ in 0..5 {
        assert_eq!(call().await, Ended::Status(200));
    }

    // Each call is tried twice, until five of the last ten attempts have failed.
    world.set(Mood::Failing);
    assert_eq!([call().await, call().await], [Ended::Status(503), Ended::Status(503)]);
    assert_eq!(call().await, Ended::Rejected, "the first attempt opens it, the second is rejected");
    assert_eq!(world.breaker().state, BreakerState::Open);
    for _ in 0..3 {
        assert_eq!(call().await, Ended::Rejected);
    }
    let open =
        world.shown("an open breaker", |breaker| breaker.state == poolscope_wire::BreakerState::Open).await;
    assert!(open.sentence.contains("50 % of 10 calls failed"), "{}", open.sentence);

    world.until_it_tries().await;
    world.set(Mood::Hanging);
    assert_eq!(
        call().await,
        Ended::Rejected,
        "the trial hangs, which opens it again before the second attempt"
    );
    world.until_it_tries().await;
    world.set(Mood::Trickling);
    assert_eq!(call().await, Ended::Timeout("read".to_owned()));
    assert_eq!(world.breaker().state, BreakerState::Open, "a body that dies is a failure");
    world.until_it_tries().await;
    world.set(Mood::Well);
    for _ in 0..5 {
        assert_eq!(call().await, Ended::Status(200));
    }

    let pool = wait::until(
        "an idle pool",
        async || world.traced.scope.snapshot().pools.remove(0),
        |pool| (pool.pending(), pool.in_flight(), pool.connecting) == (0, 0, 0),
    )
    .await;
    check(&world, pool.acquires_started).await;
    assert_eq!(pool.limit.map(|limit| (limit.in_use, limit.queued)), Some((0, 0)));
    world.telemetry.shutdown();
}

/// Compares what each of them tells.
async fn check(world: &World, acquires: u64) {
    let breaker = world.breaker();
    let [good, bad, rejected] = [BreakerOutcome::Success, BreakerOutcome::Failure, BreakerOutcome::Rejected]
        .map(|outcome| of(&breaker, outcome));
    // Well: 5 and 5. Failing: 5. Hanging and trickling: one each.
    assert_eq!((good, bad, rejected), (10, 7, 5));
    let requests = world.upstream.counts().requests();
    assert_eq!((requests, acquires), (17, 17), "what the server has seen");

    let spans = world.traced.requests();
    assert_eq!(spans.len(), 17);
    let failed = |error: &str| spans.iter().filter(|span| text(span, attr::ERROR_TYPE) == error).count();
    assert_eq!(
        (failed("503"), failed(ErrorType::Timeout.as_str())),
        (5, 2),
        "one before its head, one after"
    );
    let refused: Vec<_> =
        world.traced.all().into_iter().filter(|one| one.name == span::BREAKER_REJECTED).collect();
    assert_eq!(refused.len(), 5);
    for span in &refused {
        assert_eq!(text(span, attr::BREAKER_NAME), breaker.name);
        assert_eq!(text(span, attr::BREAKER_STATE), "open");
    }

    use BreakerReason::{FailureRatio, OpenTimeElapsed, TrialFailed, TrialSucceeded};
    let reasons: Vec<_> = world.transitions().iter().map(|transition| transition.reason).collect();
    let (tries, again) = (OpenTimeElapsed, TrialFailed);
    assert_eq!(reasons, [FailureRatio, tries, again, tries, again, tries, TrialSucceeded]);
    let counted: u64 = breaker.transitions.iter().map(|(.., count)| count).sum();
    assert_eq!(counted, 7);

    let snapshot = world.traced.scope.snapshot();
    let fired = |name: &str| {
        let timeout = snapshot.timeouts.iter().find(|timeout| timeout.name == name).unwrap();
        timeout.calls.iter().find(|(outcome, _)| *outcome == TimeoutOutcome::Fired).unwrap().1
    };
    assert_eq!((fired("call"), fired("attempt"), fired("read")), (0, 1, 1));
    let retry = &snapshot.retries[0];
    let retried = |outcome| retry.calls.iter().find(|(known, _)| *known == outcome).unwrap().1;
    // The five that were rejected at their first attempt or later ended there; trickling is over with its head.
    assert_eq!((retried(RetryOutcome::FirstTry), retried(RetryOutcome::Exhausted)), (14, 4), "{retry:?}");

    let shown = world
        .shown("the breaker's calls on the dashboard", |shown| {
            (shown.succeeded_total, shown.failed_total, shown.rejected_total) == (good, bad, rejected)
                && shown.transitions.len() == 7
        })
        .await;
    assert_eq!(shown.state, poolscope_wire::BreakerState::Closed);
    let told: Vec<_> = shown.transitions.iter().map(|transition| transition.reason.clone()).collect();
    assert_eq!(told, reasons.iter().map(|reason| reason.as_str()).collect::<Vec<_>>());
    let events: Vec<poolscope_wire::Event> = world.dashboard.get(path::EVENTS).await;
    let kinds = |kind: &str| events.iter().filter(|event| event.kind == kind).count();
    assert_eq!((kinds(event::BREAKER_TRANSITION), kinds(event::TIMEOUT_FIRED)), (7, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_tells_the_same_over_hyper() {
    everybody_tells_the_same(hyper).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_tells_the_same_over_reqwest() {
    everybody_tells_the_same(reqwest).await;
}
