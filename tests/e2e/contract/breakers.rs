//! Breakers that open and close for every reason, and the guard of resources, which is shown as one.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use poolscope::breaker::{BreakerHandle, BreakerLayer, BreakerStore, Force, StoredBreaker, StoredState};
use poolscope::guard::{Limits, ResourceGuard};
use poolscope::{BreakerReason, BreakerSnapshot, BreakerSource, BreakerState, Scope};
use poolscope_tests::wait;
use tower::{Layer, Service, ServiceExt, service_fn};

use super::{World, hyper_client, nobody};

const OPEN_TIME: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(60);

pub(super) async fn run(world: &World) {
    let scope = Scope::new();
    let telemetry = world.export(&scope);
    scope.show_breakers(Foreign);
    // Its breaker is known by the name of its destination alone, so it has to be the only one without a name of its own.
    let stored = BreakerLayer::builder(&scope).store(Stored).build().unwrap();
    call(&stored, "http://stored.test/").await;
    tokio::join!(
        slow(&scope),
        failing(&scope),
        in_a_row(&scope),
        unreachable(&scope),
        probed(&scope),
        guarded(&scope)
    );
    by_hand(&scope).await;
    world.end(telemetry).await;
}

/// A destination that does what the path says.
async fn destination(request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, io::Error> {
    let mut response = Response::new(Full::default());
    match request.uri().path() {
        "/slow" => tokio::time::sleep(Duration::from_millis(30)).await,
        "/fail" => *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE,
        _ => {}
    }
    Ok(response)
}

/// Calls it through a breaker; what comes of it is for the breaker to say.
pub(super) async fn call(breaker: &BreakerLayer, url: &str) {
    let request = Request::get(url).body(Full::default()).unwrap();
    let _ = breaker.layer(service_fn(destination)).oneshot(request).await;
}

pub(super) async fn until(handle: &BreakerHandle, state: BreakerState) -> String {
    let list = wait::until(
        "a breaker to change its state",
        async || handle.list(),
        |list| list.iter().any(|breaker| breaker.state == state),
    );
    list.await.remove(0).name
}

async fn slow(scope: &Scope) {
    let builder = BreakerLayer::builder(scope).name("slow").window(2).minimum_calls(2).heads_only();
    let breaker = builder.slow_calls(Duration::from_millis(10), 0.5).open_time(LONG).build().unwrap();
    for _ in 0..2 {
        call(&breaker, "http://slow.test/slow").await;
    }
    until(&breaker.handle(), BreakerState::Open).await;
}

async fn failing(scope: &Scope) {
    let builder = BreakerLayer::builder(scope).name("failing").window(2).minimum_calls(2).heads_only();
    let breaker = builder.open_time(LONG).build().unwrap();
    for _ in 0..2 {
        call(&breaker, "http://failing.test/fail").await;
    }
    until(&breaker.handle(), BreakerState::Open).await;
}

async fn in_a_row(scope: &Scope) {
    let builder = BreakerLayer::builder(scope).name("in a row").heads_only().consecutive_failures(2);
    let breaker = builder.window(100).minimum_calls(100).open_time(LONG).build().unwrap();
    for _ in 0..2 {
        call(&breaker, "http://failing.test/fail").await;
    }
    until(&breaker.handle(), BreakerState::Open).await;
}

/// Nothing listens, also when the breaker tries again.
async fn unreachable(scope: &Scope) {
    let builder = BreakerLayer::builder(scope).name("unreachable").window(2).minimum_calls(2);
    let builder = builder.connect_failure_ratio(0.5).open_time(OPEN_TIME).jitter(0.0).trial_calls(1);
    let breaker = builder.build().unwrap();
    let service = breaker.layer(hyper_client(&scope.client("unreachable")));
    let url = format!("http://{}/", nobody().await);
    let call = async || {
        let request = Request::get(&url).body(Full::<Bytes>::default()).unwrap();
        service.clone().oneshot(request).await.map(drop)
    };
    for _ in 0..2 {
        call().await.unwrap_err();
    }
    let tried_again = |list: &Vec<BreakerSnapshot>| {
        list[0].transitions.iter().any(|(_, _, reason, _)| *reason == BreakerReason::TrialFailed)
    };
    let handle = breaker.handle();
    while !tried_again(&handle.list()) {
        let _ = call().await;
        tokio::time::sleep(OPEN_TIME / 4).await;
    }
}

async fn probed(scope: &Scope) {
    let builder =
        BreakerLayer::builder(scope).name("probed").heads_only().consecutive_failures(1).trial_calls(1);
    let breaker = builder.window(100).minimum_calls(100).open_time(LONG).build().unwrap();
    call(&breaker, "http://probed.test/fail").await;
    let handle = breaker.handle();
    let name = until(&handle, BreakerState::Open).await;
    assert!(handle.probed(&name, true));
    call(&breaker, "http://probed.test/").await;
    until(&handle, BreakerState::Closed).await;
}

async fn by_hand(scope: &Scope) {
    let breaker = BreakerLayer::builder(scope).name("by hand").build().unwrap();
    call(&breaker, "http://held.test/").await;
    let handle = breaker.handle();
    let name = handle.list().remove(0).name;
    for force in [Force::Open, Force::Closed, Force::MetricsOnly] {
        assert!(handle.force(&name, force));
    }
    assert!(handle.reset(&name));
}

/// A breaker that was open when the program ended.
struct Stored;

impl BreakerStore for Stored {
    fn load(&self) -> Result<Vec<StoredBreaker>, Box<dyn Error + Send + Sync>> {
        let state = StoredState::Open { until: SystemTime::now() + LONG, reopened: 0 };
        Ok(vec![StoredBreaker { name: "http://stored.test:80".to_owned(), state }])
    }

    fn save(&self, _: &[StoredBreaker]) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(())
    }
}

/// A breaker of another crate.
struct Foreign;

impl BreakerSource for Foreign {
    fn breakers(&self) -> Vec<BreakerSnapshot> {
        let mut foreign = BreakerSnapshot::new("foreign", BreakerState::Open);
        foreign.transitions = vec![(BreakerState::Closed, BreakerState::Open, BreakerReason::External, 1)];
        vec![foreign]
    }
}

/// Sessions that become many, too many, and few again.
async fn guarded(scope: &Scope) {
    let guard = ResourceGuard::builder(scope).interval(Duration::from_millis(20)).build().unwrap();
    let sessions = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&sessions);
    guard.watch("sessions", Limits::amounts(8, 10), move || counted.load(Relaxed)).unwrap();
    let mut client = guard.layer().layer(service_fn(async |number: u32| Ok::<_, io::Error>(number)));
    let mut is_refused = async || client.ready().await.unwrap().call(1).await.is_err();
    sessions.store(9, Relaxed);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!is_refused().await);
    sessions.store(11, Relaxed);
    while !is_refused().await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    sessions.store(0, Relaxed);
    while is_refused().await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
