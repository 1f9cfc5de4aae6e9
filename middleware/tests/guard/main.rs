//! Resource guard: what is refused, what is told, and that nothing is left counted.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs::File;
use std::future::{pending, ready};
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use poolscope::event::{BreakerTransition, ResourceUse};
use poolscope::guard::{Error, GuardBuilder, Limits, ResourceGuard};
use poolscope::{
    BreakerOutcome, BreakerReason, BreakerState, Event, ResourceSnapshot, ResourceState, Scope, Stopped,
};
use tower::{Layer, Service, ServiceExt, service_fn};

/// So seldom that only what a test does is looked at.
const NEVER: Duration = Duration::from_secs(3_600);

fn builder(scope: &Scope) -> GuardBuilder {
    ResourceGuard::builder(scope).interval(NEVER).memory(None).open_files(None)
}

/// A guard that watches sessions, 8 of which are many and 10 too many, and the number of them.
fn with_sessions(scope: &Scope, interval: Duration) -> (ResourceGuard, Arc<AtomicU64>) {
    let guard = builder(scope).interval(interval).build().unwrap();
    let sessions = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&sessions);
    guard.watch("sessions", Limits::amounts(8, 10), move || counted.load(Relaxed)).unwrap();
    (guard, sessions)
}

fn row(guard: &ResourceGuard, name: &str) -> ResourceSnapshot {
    guard.snapshot().into_iter().find(|row| row.name == name).unwrap()
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "waited for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn echo() -> impl Service<u32, Response = u32, Error = io::Error, Future: Send> + Clone {
    service_fn(|number: u32| async move { Ok::<_, io::Error>(number) })
}

#[tokio::test]
async fn it_warns_refuses_and_recovers_and_tells_each() {
    let scope = Scope::new();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let events = Arc::clone(&heard);
    scope.listen(move |event: &Event| events.lock().unwrap().push(event.clone()));
    let (guard, sessions) = with_sessions(&scope, Duration::from_millis(20));
    let client = guard.layer().layer(echo());
    let state = || row(&guard, "sessions").state;
    let breaker = || scope.snapshot().breakers.remove(0);
    assert_eq!(client.clone().oneshot(1).await.unwrap(), 1);

    sessions.store(8, Relaxed);
    until("a warning", || state() == ResourceState::Warning).await;
    assert_eq!(client.clone().oneshot(2).await.unwrap(), 2, "a warning refuses nothing");

    sessions.store(12, Relaxed);
    until("too many sessions", || state() == ResourceState::Exhausted).await;
    let refused = client.clone().oneshot(3).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the request was refused, since sessions are at 12 of at most 10: end some of them, or raise the limit"
    );
    assert!(matches!(Stopped::find(&refused), Some(Stopped::Guard(exhausted)) if exhausted.current == 12));
    let Error::Exhausted(refused) = refused else { panic!("{refused}") };
    assert_eq!(
        (&*refused.guard, &*refused.resource, refused.current, refused.limit),
        ("resources", "sessions", 12, 10)
    );
    assert_eq!((breaker().name.as_str(), breaker().state), ("resources", BreakerState::Open));

    sessions.store(8, Relaxed);
    until("another look", || row(&guard, "sessions").current == Some(8)).await;
    assert!(client.clone().oneshot(4).await.is_err(), "it recovers below the soft limit, not at it");
    sessions.store(7, Relaxed);
    until("recovery", || state() == ResourceState::Normal).await;
    assert_eq!(client.clone().oneshot(5).await.unwrap(), 5);

    let row = row(&guard, "sessions");
    assert_eq!((row.peak, row.refused, row.soft_limit, row.hard_limit), (12, 2, Some(8), Some(10)));
    let (opened, closed) =
        ((BreakerState::Closed, BreakerState::Open), (BreakerState::Open, BreakerState::Closed));
    assert_eq!(breaker().calls, [(BreakerOutcome::Rejected, 2)]);
    assert_eq!(
        breaker().transitions,
        [
            (opened.0, opened.1, BreakerReason::Resources, 1),
            (closed.0, closed.1, BreakerReason::ResourcesFreed, 1)
        ]
    );
    let told: Vec<_> = heard.lock().unwrap().iter().map(short).collect();
    assert_eq!(told, ["warning 8", "exhausted 12", "open", "recovered 7", "closed"]);
}

fn short(event: &Event) -> String {
    match event {
        Event::ResourceWarning(ResourceUse { current, .. }) => format!("warning {current}"),
        Event::ResourceExhausted(ResourceUse { current, .. }) => format!("exhausted {current}"),
        Event::ResourceRecovered(ResourceUse { current, .. }) => format!("recovered {current}"),
        Event::BreakerTransition(BreakerTransition { to, .. }) => to.to_string(),
        other => panic!("unexpected {other:?}"),
    }
}

#[tokio::test]
async fn a_burst_between_two_looks_is_stopped_at_the_limit() {
    let scope = Scope::new();
    let room = 40;
    // Not of open files: other tests of this process open and close some.
    let guard = builder(&scope).connections(Limits::amounts(room, room)).build().unwrap();
    // Calls that open nothing and are never answered: each counts as if it had.
    let mut client = guard.layer().layer(service_fn(|_: u32| pending::<Result<u32, io::Error>>()));
    let mut waiting = Vec::new();
    let mut refused = 0;
    let mut cx = Context::from_waker(Waker::noop());
    for number in 0..100 {
        let mut call = Box::pin(client.call(number));
        match call.as_mut().poll(&mut cx) {
            Poll::Pending => waiting.push(call),
            Poll::Ready(result) => {
                assert!(matches!(result, Err(Error::Exhausted(_))));
                refused += 1;
            }
        }
    }
    assert_eq!((waiting.len(), refused), (40, 60));
    let first = guard.layer().layer(service_fn(|_: u32| ready(Ok::<_, io::Error>(0)))).oneshot(0).await;
    let Err(Error::Exhausted(refused)) = first else { panic!("there is room") };
    assert_eq!((refused.current, refused.coming, refused.limit), (0, 40, 40));
    assert!(
        refused.to_string().contains("and 40 requests that have just begun may open one each"),
        "{refused}"
    );
    assert_eq!(scope.snapshot().breakers[0].state, BreakerState::Closed, "nothing is used up");
}

#[test]
fn threads_share_what_is_left() {
    let scope = Scope::new();
    let used = row(&builder(&scope).build().unwrap(), "open_files").current.unwrap();
    let room = 100;
    let guard = builder(&scope).open_files(Limits::amounts(used + room, used + room)).build().unwrap();
    let opening = guard.layer().layer(service_fn(|_: u32| ready(File::open("/dev/null"))));
    let open = || {
        let mut service = opening.clone();
        let mut cx = Context::from_waker(Waker::noop());
        let mut call = |number| match pin!(service.call(number)).poll(&mut cx) {
            Poll::Ready(result) => result.ok(),
            Poll::Pending => None,
        };
        (0..100).filter_map(&mut call).collect::<Vec<_>>()
    };
    let files: Vec<_> = std::thread::scope(|threads| {
        let threads: Vec<_> = (0..4).map(|_| threads.spawn(open)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    // Other tests of this process open and close files too.
    assert!((room / 2..=room + 10).contains(&(files.len() as u64)), "{}", files.len());
}

#[tokio::test]
async fn calls_that_are_dropped_or_answered_take_nothing_any_more() {
    let scope = Scope::new();
    let used = row(&builder(&scope).build().unwrap(), "open_files").current.unwrap();
    let limit = used + 200;
    let guard = builder(&scope).open_files(Limits::amounts(limit, limit)).build().unwrap();
    let mut hanging = guard.layer().layer(service_fn(|_: u32| pending::<Result<u32, io::Error>>()));
    let mut answering = guard.layer().layer(echo());
    for number in 0..2_000 {
        drop(hanging.call(number));
        answering.ready().await.unwrap().call(number).await.unwrap();
    }
    assert_eq!(row(&guard, "open_files").refused, 0);
}

#[tokio::test]
async fn clones_share_the_guard_and_being_ready_holds_nothing() {
    let scope = Scope::new();
    let (guard, sessions) = with_sessions(&scope, NEVER);
    let mut ready = guard.layer().layer(echo());
    let clone = ready.clone();
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..1_000 {
        assert!(ready.poll_ready(&mut cx).is_ready());
    }
    assert_eq!(clone.oneshot(1).await.unwrap(), 1);
    // What was asked for when it was ready is decided when it is called.
    sessions.store(10, Relaxed);
    let counted = Arc::clone(&sessions);
    guard.watch("more", None, move || counted.load(Relaxed)).unwrap();
    assert!(ready.call(1).await.is_err());
    assert!(guard.layer().clone().layer(echo()).oneshot(1).await.is_err());
    assert_eq!(row(&guard, "sessions").refused, 2);
}

#[tokio::test]
async fn a_guard_that_is_gone_is_shown_no_longer() {
    let scope = Scope::new();
    let (guard, _) = with_sessions(&scope, Duration::from_millis(5));
    let layer = guard.layer();
    drop(guard);
    assert_eq!((scope.snapshot().resources.len(), scope.snapshot().breakers.len()), (4, 1));
    drop(layer);
    // Its thread may look for the last time.
    until("its end", || scope.snapshot().resources.is_empty() && scope.snapshot().breakers.is_empty()).await;
}

#[test]
fn open_files_and_memory_are_those_of_the_process() {
    let scope = Scope::new();
    let guard = ResourceGuard::builder(&scope).build().unwrap();
    let files = row(&guard, "open_files");
    let memory = row(&guard, "memory");
    assert!(files.current.is_some_and(|files| files > 3), "{files:?}");
    let (system, soft, hard) =
        (files.system_limit.unwrap(), files.soft_limit.unwrap(), files.hard_limit.unwrap());
    assert!(soft < hard && hard < system, "{files:?}");
    assert!(memory.current.is_some_and(|bytes| bytes > 1 << 20), "{memory:?}");
    assert_eq!(memory.hard_limit.is_some(), memory.system_limit.is_some(), "{memory:?}");
    let json = serde_json::to_value(scope.snapshot()).unwrap();
    assert_eq!(
        (&json["resources"][0]["name"], &json["resources"][0]["state"]),
        (&"open_files".into(), &"normal".into())
    );
}

#[test]
fn a_count_that_panics_is_not_known_and_refuses_nothing() {
    let guard = builder(&Scope::new()).build().unwrap();
    guard.watch("sessions", Limits::amounts(1, 1), || panic!("the table of sessions is locked")).unwrap();
    let row = row(&guard, "sessions");
    assert_eq!((row.current, row.state), (None, ResourceState::Normal));
}

#[test]
fn options_that_cannot_work_are_refused_in_words() {
    let scope = Scope::new();
    for (builder, words) in [
        (builder(&scope).interval(Duration::ZERO), "interval"),
        (builder(&scope).recover_at(0.0), "above 0"),
        (builder(&scope).recover_at(1.5), "up to 1"),
        (builder(&scope).open_files(Limits::shares(0.9, 0.8)), "must not be above"),
        (builder(&scope).memory(Limits::amounts(2, 1)), "must not be above"),
        (builder(&scope).connections(Limits::shares(0.5, 0.9)), "must be numbers"),
    ] {
        let error = builder.build().unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    assert!(scope.snapshot().resources.is_empty() && scope.snapshot().breakers.is_empty());
    let guard = builder(&scope).build().unwrap();
    let error = |name, limits| guard.watch(name, limits, || 0).unwrap_err().to_string();
    assert!(error("memory", Limits::amounts(1, 2)).contains("already"));
    assert!(error("sessions", Limits::shares(0.1, 0.2)).contains("must be numbers"));
}
