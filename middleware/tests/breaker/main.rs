//! Breaker layer: what is let through, what is told, and that every call is counted once.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod judged;
mod kept;

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Request, Response};
use poolscope::breaker::{
    Answer, Breaker, BreakerBuilder, BreakerLayer, BreakerOpen, BreakerState, Error, Force, JudgedBody,
    Verdict,
};
use poolscope::event::BreakerTransition;
use poolscope::{BreakerSnapshot, Event, Scope};
use poolscope_semconv::value::{BreakerOutcome, BreakerReason};
use tokio::time::{advance, sleep};
use tower::util::MapErr;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_test::mock::{self, Handle, Mock};

const OPEN_TIME: Duration = Duration::from_secs(5);
const PAY: &str = "http://pay.example:80";

type Inner =
    MapErr<Mock<Request<()>, Response<String>>, fn(Box<dyn std::error::Error + Send + Sync>) -> io::Error>;
type Server = Handle<Request<()>, Response<String>>;

fn builder(scope: &Scope) -> BreakerBuilder {
    BreakerLayer::builder(scope).window(10).minimum_calls(5).open_time(OPEN_TIME).jitter(0.0)
}

fn inner() -> (Inner, Server) {
    let (mock, server) = mock::pair();
    (mock.map_err(io::Error::other as _), server)
}

fn to(host: &str) -> Request<()> {
    Request::get(format!("http://{host}/")).body(()).unwrap()
}

fn status(status: u16) -> Response<String> {
    Response::builder().status(status).body(String::new()).unwrap()
}

/// Sends one request that is answered with a status.
async fn call(
    service: &mut Breaker<Inner>,
    server: &mut Server,
    host: &str,
    answer: Response<String>,
) -> Result<Response<JudgedBody<String>>, Error<io::Error>> {
    let mut future = pin!(service.ready().await?.call(to(host)));
    tokio::select! {
        biased;
        request = server.next_request() => request.expect("a request").1.send_response(answer),
        early = &mut future => panic!("the call came back without the service: {early:?}"),
    }
    future.await
}

async fn rejected(service: &mut Breaker<Inner>, host: &str) -> BreakerOpen {
    match poll_once(service.ready().await.unwrap().call(to(host))) {
        Poll::Ready(Err(Error::Open(open))) => open,
        other => panic!("expected a rejection at once, got {other:?}"),
    }
}

async fn open(service: &mut Breaker<Inner>, server: &mut Server, host: &str) {
    for _ in 0..5 {
        call(service, server, host, status(503)).await.unwrap();
    }
}

fn count(breaker: &BreakerSnapshot, outcome: BreakerOutcome) -> u64 {
    breaker.calls.iter().find(|(known, _)| *known == outcome).unwrap().1
}

fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn it_opens_rejects_tries_and_closes_and_tells_each_step() {
    let scope = Scope::new();
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    scope.listen(move |event: &Event| heard.lock().unwrap().push(event.clone()));
    let (inner, mut server) = inner();
    let layer = builder(&scope).build().unwrap();
    let mut service = layer.layer(inner);

    open(&mut service, &mut server, "pay.example").await;
    advance(Duration::from_secs(1)).await;
    let open = rejected(&mut service, "pay.example").await;
    assert_eq!((&*open.name, open.state), (PAY, BreakerState::Open));
    assert_eq!(open.reason, BreakerReason::FailureRatio);
    assert_eq!(open.retry_in, Some(Duration::from_secs(4)));
    assert_eq!(open.to_string(), "breaker http://pay.example:80 is open and lets a call try in 4 s");
    assert_eq!(scope.snapshot().breakers[0].open_remaining, Duration::from_secs(4));

    advance(OPEN_TIME).await;
    let snapshot = &scope.snapshot().breakers[0];
    assert_eq!((snapshot.state, snapshot.open_remaining), (BreakerState::Open, Duration::ZERO));
    for _ in 0..3 {
        call(&mut service, &mut server, "pay.example", status(200)).await.unwrap();
    }

    let snapshot = &scope.snapshot().breakers[0];
    assert_eq!((snapshot.state, snapshot.window_calls), (BreakerState::Closed, 0));
    assert_eq!(count(snapshot, BreakerOutcome::Failure), 5);
    assert_eq!(count(snapshot, BreakerOutcome::Success), 3);
    assert_eq!(count(snapshot, BreakerOutcome::Rejected), 1);
    assert_eq!(count(snapshot, BreakerOutcome::Ignored), 0);
    let (closed, open, half_open) = (BreakerState::Closed, BreakerState::Open, BreakerState::HalfOpen);
    let expected = [
        (closed, open, BreakerReason::FailureRatio),
        (open, half_open, BreakerReason::OpenTimeElapsed),
        (half_open, closed, BreakerReason::TrialSucceeded),
    ];
    let mut transitions: Vec<_> =
        expected.iter().map(|(from, to, reason)| (*from, *to, *reason, 1)).collect();
    transitions.sort_unstable();
    assert_eq!(snapshot.transitions, transitions);
    let told: Vec<_> = events
        .lock()
        .unwrap()
        .iter()
        .map(|event| match event {
            Event::BreakerTransition(change) => (change.from, change.to, change.reason),
            other => panic!("unexpected {other:?}"),
        })
        .collect();
    assert_eq!(told, expected);
    let first = BreakerTransition {
        name: PAY.into(),
        from: closed,
        to: open,
        reason: BreakerReason::FailureRatio,
        failure_ratio: Some(1.0),
        slow_call_ratio: None,
        connect_failure_ratio: Some(0.0),
        window_calls: 5,
        open_for: Some(OPEN_TIME),
        forced: None,
    };
    assert_eq!(events.lock().unwrap()[0], Event::BreakerTransition(first));
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_fails_blocks_no_other() {
    let scope = Scope::new();
    let (inner, mut server) = inner();
    let mut service = builder(&scope).build().unwrap().layer(inner);
    open(&mut service, &mut server, "pay.example").await;
    assert!(call(&mut service, &mut server, "search.example", status(200)).await.is_ok());
    assert!(call(&mut service, &mut server, "pay.example:81", status(200)).await.is_ok());
    rejected(&mut service, "PAY.example:80").await;
}

#[tokio::test(start_paused = true)]
async fn clones_share_their_breakers() {
    let scope = Scope::new();
    let (inner, mut server) = inner();
    let mut service = builder(&scope).build().unwrap().layer(inner);
    // A clone made between `poll_ready` and `call` decides by itself.
    service.ready().await.unwrap();
    let mut clone = service.clone();
    open(&mut service, &mut server, "pay.example").await;
    rejected(&mut clone, "pay.example").await;
}

#[tokio::test(start_paused = true)]
async fn of_a_thousand_calls_at_once_only_the_trials_get_through() {
    let scope = Scope::new();
    let (inner, mut server) = inner();
    let mut service = builder(&scope).build().unwrap().layer(inner);
    open(&mut service, &mut server, "pay.example").await;
    advance(OPEN_TIME).await;

    let mut calls = Vec::new();
    for _ in 0..1_000 {
        calls.push(service.ready().await.unwrap().call(to("pay.example")));
    }
    let rejected = calls.iter_mut().map(poll_once).filter(Poll::is_ready).count();
    assert_eq!(rejected, 997);
    for _ in 0..3 {
        assert!(server.next_request().await.is_some());
    }
    assert!(poll_once(server.next_request()).is_pending());
}

#[tokio::test(start_paused = true)]
async fn trials_that_are_dropped_give_their_places_back() {
    let scope = Scope::new();
    let (inner, mut server) = inner();
    let mut service = builder(&scope).build().unwrap().layer(inner);
    open(&mut service, &mut server, "pay.example").await;
    advance(OPEN_TIME).await;

    let mut trials = Vec::new();
    for _ in 0..3 {
        trials.push(service.ready().await.unwrap().call(to("pay.example")));
    }
    let open = rejected(&mut service, "pay.example").await;
    assert_eq!((open.state, open.retry_in), (BreakerState::HalfOpen, None));
    assert!(trials.iter_mut().map(poll_once).all(|poll| poll.is_pending()));
    drop(trials);
    for _ in 0..3 {
        server.next_request().await.unwrap();
    }
    for _ in 0..3 {
        call(&mut service, &mut server, "pay.example", status(200)).await.unwrap();
    }
    let snapshot = &scope.snapshot().breakers[0];
    assert_eq!(snapshot.state, BreakerState::Closed);
    assert_eq!(count(snapshot, BreakerOutcome::Ignored), 3);
}

#[tokio::test(start_paused = true)]
async fn a_success_that_comes_late_does_not_close_a_half_open_breaker() {
    let scope = Scope::new();
    let (inner, mut server) = inner();
    let layer = builder(&scope).trial_calls(1).build().unwrap();
    let mut service = layer.layer(inner);
    let slow = service.ready().await.unwrap().call(to("pay.example"));
    let (_, slow_reply) = server.next_request().await.unwrap();
    open(&mut service, &mut server, "pay.example").await;
    advance(OPEN_TIME).await;
    let trial = service.ready().await.unwrap().call(to("pay.example"));
    let (_, trial_reply) = server.next_request().await.unwrap();

    slow_reply.send_response(status(200));
    slow.await.unwrap();
    assert_eq!(layer.handle().state(PAY), Some(BreakerState::HalfOpen));
    trial_reply.send_response(status(500));
    trial.await.unwrap();
    assert_eq!(layer.handle().state(PAY), Some(BreakerState::Open));
}

#[tokio::test(start_paused = true)]
async fn retry_after_holds_it_open_up_to_the_limit() {
    for (asked, expected) in [("1", 5), ("20", 20), ("100000", 60), ("Thu, 01 Jan 1970 00:00:00 GMT", 5)] {
        let scope = Scope::new();
        let (inner, mut server) = inner();
        let mut service = builder(&scope).consecutive_failures(1).build().unwrap().layer(inner);
        let mut answer = status(503);
        answer.headers_mut().insert("retry-after", asked.parse().unwrap());
        call(&mut service, &mut server, "pay.example", answer).await.unwrap();
        let open = rejected(&mut service, "pay.example").await;
        assert_eq!(open.retry_in, Some(Duration::from_secs(expected)), "asked for {asked}");
    }
}

#[tokio::test]
async fn errors_of_the_service_are_failures_and_stay_what_they_are() {
    let scope = Scope::new();
    let mut service = builder(&scope).build().unwrap().layer(service_fn(|_: Request<()>| async {
        Err::<Response<String>, _>(io::Error::from(io::ErrorKind::ConnectionRefused))
    }));
    for _ in 0..5 {
        let error = service.ready().await.unwrap().call(to("pay.example")).await.unwrap_err();
        assert!(matches!(error, Error::Inner(error) if error.kind() == io::ErrorKind::ConnectionRefused));
    }
    assert!(matches!(service.call(to("pay.example")).await, Err(Error::Open(_))));
}

#[tokio::test]
async fn the_users_rule_decides_what_is_a_failure() {
    let scope = Scope::new();
    let (inner, mut server) = inner();
    let rule = |answer: &Answer<'_>| match answer {
        Answer::Response { status, .. } if status.as_u16() == 404 => Verdict::Failure,
        Answer::Response { .. } => Verdict::Ignored,
        other => other.default_verdict(),
    };
    let mut service = builder(&scope).classify(rule).build().unwrap().layer(inner);
    for _ in 0..20 {
        call(&mut service, &mut server, "pay.example", status(503)).await.unwrap();
    }
    for _ in 0..5 {
        call(&mut service, &mut server, "pay.example", status(404)).await.unwrap();
    }
    rejected(&mut service, "pay.example").await;
    let snapshot = &scope.snapshot().breakers[0];
    assert_eq!(count(snapshot, BreakerOutcome::Ignored), 20);
    assert_eq!(count(snapshot, BreakerOutcome::Failure), 5);
}

#[tokio::test]
async fn a_panic_under_a_call_counts_it_as_ignored_and_harms_nothing() {
    let scope = Scope::new();
    let mut service = builder(&scope).build().unwrap().layer(service_fn(|request: Request<()>| {
        assert!(request.uri().path() != "/panic", "a bad service");
        std::future::ready(Ok::<_, io::Error>(status(200)))
    }));
    let bad = Request::get("http://pay.example/panic").body(()).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| service.call(bad))).is_err());
    assert!(service.call(to("pay.example")).await.is_ok());
    let snapshot = &scope.snapshot().breakers[0];
    assert_eq!(count(snapshot, BreakerOutcome::Ignored), 1);
    assert_eq!(count(snapshot, BreakerOutcome::Success), 1);
}

#[tokio::test(start_paused = true)]
async fn a_handle_moves_breakers_by_hand() {
    let scope = Scope::new();
    let (inner, mut server) = inner();
    let layer = builder(&scope).name("payments").build().unwrap();
    let handle = layer.handle();
    let mut service = layer.layer(inner);
    let name = "payments http://pay.example:80";
    assert!(!handle.force(name, Force::Open), "nothing was called yet");
    call(&mut service, &mut server, "pay.example", status(200)).await.unwrap();

    assert!(handle.force(name, Force::Open));
    sleep(OPEN_TIME * 100).await;
    let open = rejected(&mut service, "pay.example").await;
    assert_eq!(open.to_string(), "breaker payments http://pay.example:80 is held open by hand");

    assert!(handle.force(name, Force::Closed));
    for _ in 0..20 {
        call(&mut service, &mut server, "pay.example", status(500)).await.unwrap();
    }
    assert_eq!(handle.list()[0].failure_ratio, Some(1.0));
    assert!(handle.reset(name) && !handle.reset("no such breaker"));
    assert_eq!(handle.state(name), Some(BreakerState::Closed));
}

#[tokio::test]
async fn a_breaker_that_only_measures_never_opens() {
    let scope = Scope::new();
    let (inner, mut server) = inner();
    let mut service = builder(&scope).metrics_only().build().unwrap().layer(inner);
    for _ in 0..50 {
        call(&mut service, &mut server, "pay.example", status(500)).await.unwrap();
    }
    let snapshot = &scope.snapshot().breakers[0];
    assert_eq!((snapshot.state, snapshot.failure_ratio), (BreakerState::MetricsOnly, Some(1.0)));
}

#[tokio::test(start_paused = true)]
async fn the_number_of_breakers_is_bounded_and_open_ones_are_kept() {
    let scope = Scope::new();
    let (inner, mut server) = inner();
    let layer = builder(&scope).max_breakers(8).build().unwrap();
    let handle = layer.handle();
    let mut service = layer.layer(inner);
    open(&mut service, &mut server, "pay.example").await;
    for number in 0..100 {
        call(&mut service, &mut server, &format!("host-{number}.example"), status(200)).await.unwrap();
    }
    assert_eq!((handle.list().len(), handle.retired(), handle.overflowed()), (8, 93, 0));
    rejected(&mut service, "pay.example").await;
}

#[tokio::test(start_paused = true)]
async fn when_every_breaker_is_open_further_destinations_are_let_through_and_counted() {
    let scope = Scope::new();
    let (inner, mut server) = inner();
    let layer = builder(&scope).max_breakers(2).build().unwrap();
    let mut service = layer.layer(inner);
    open(&mut service, &mut server, "a.example").await;
    open(&mut service, &mut server, "b.example").await;
    for _ in 0..2 {
        open(&mut service, &mut server, "c.example").await;
    }
    assert_eq!((layer.handle().overflowed(), layer.handle().retired()), (10, 0));
    assert_eq!(layer.handle().state("_OTHER"), Some(BreakerState::MetricsOnly));
}

#[tokio::test(start_paused = true)]
async fn open_breakers_that_nobody_calls_any_more_make_room() {
    let (inner, mut server) = inner();
    let layer = builder(&Scope::new()).max_breakers(2).max_open_time(2 * OPEN_TIME).build().unwrap();
    let mut service = layer.layer(inner);
    open(&mut service, &mut server, "a.example").await;
    open(&mut service, &mut server, "b.example").await;
    advance(3 * OPEN_TIME).await;
    call(&mut service, &mut server, "c.example", status(200)).await.unwrap();
    assert_eq!((layer.handle().retired(), layer.handle().overflowed()), (0, 1), "they may still be called");
    advance(Duration::from_millis(1)).await;
    call(&mut service, &mut server, "c.example", status(200)).await.unwrap();
    assert_eq!((layer.handle().retired(), layer.handle().overflowed()), (1, 1));
    assert!(layer.handle().state("http://c.example:80").is_some());
}

#[tokio::test]
async fn breakers_are_gone_from_the_scope_when_their_services_are() {
    let scope = Scope::new();
    let (inner, mut server) = inner();
    let mut service = builder(&scope).build().unwrap().layer(inner);
    call(&mut service, &mut server, "pay.example", status(200)).await.unwrap();
    assert_eq!(scope.snapshot().breakers.len(), 1);
    drop(service);
    assert_eq!(scope.snapshot().breakers, []);
}

#[test]
fn calls_from_many_threads_add_up() {
    let scope = Scope::new();
    let layer = builder(&scope).open_time(Duration::from_millis(1)).build().unwrap();
    let service = layer.layer(service_fn(|request: Request<()>| async move {
        let fails = request.uri().path().len().is_multiple_of(3);
        Ok::<_, io::Error>(status(if fails { 500 } else { 200 }))
    }));
    let (threads, calls) = (4, 5_000);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let mut service = service.clone();
            scope.spawn(move || {
                for number in 0..calls {
                    let path = "/".repeat(1 + number % 5);
                    let request = Request::get(format!("http://pay.example{path}")).body(()).unwrap();
                    let future = service.call(request);
                    assert!(poll_once(future).is_ready());
                }
            });
        }
    });
    let snapshot = &scope.snapshot().breakers[0];
    assert_eq!(snapshot.calls.iter().map(|(_, count)| count).sum::<u64>(), threads * calls as u64);
    // Every change leaves the state that the one before it entered.
    let into = |state| snapshot.transitions.iter().filter(|row| row.1 == state).map(|row| row.3).sum::<u64>();
    let out_of =
        |state| snapshot.transitions.iter().filter(|row| row.0 == state).map(|row| row.3).sum::<u64>();
    let is_in = |state| u64::from(snapshot.state == state);
    assert_eq!(1 + into(BreakerState::Closed) - out_of(BreakerState::Closed), is_in(BreakerState::Closed));
    assert_eq!(into(BreakerState::Open) - out_of(BreakerState::Open), is_in(BreakerState::Open));
    assert_eq!(into(BreakerState::HalfOpen) - out_of(BreakerState::HalfOpen), is_in(BreakerState::HalfOpen));
}
