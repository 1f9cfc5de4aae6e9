//! Health probes: what they ask, what they conclude, and that nothing is left when they are dropped.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::future::pending;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use poolscope::breaker::{BreakerHandle, BreakerLayer};
use poolscope::event::HealthChanged;
use poolscope::health::{HealthBuilder, HealthProbe, USER_AGENT};
use poolscope::{BreakerReason, BreakerState, Event, HealthState, ProbeOutcome, Scope};
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt, service_fn};

const URL: &str = "http://Pay.example/health?deep=1";
const NAME: &str = "http://pay.example:80";
const INTERVAL: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_secs(1);

fn builder(scope: &Scope) -> HealthBuilder {
    HealthProbe::builder(scope, URL).interval(INTERVAL).timeout(LIMIT).jitter(0.0)
}

/// How a service treats the probe of a number.
#[derive(Debug, Clone, Copy)]
enum How {
    Answer(u16),
    After(Duration),
    Hang,
    Fail,
    Panic,
}

/// A service with a plan for each probe, and the number of those that it is busy with.
fn service(
    plan: &[How],
) -> (
    impl Service<Request<String>, Response = Response<String>, Error = io::Error, Future: Send>
    + Clone
    + Send
    + 'static
    + use<>,
    Arc<Busy>,
) {
    let plan: Arc<[How]> = plan.into();
    let busy = Arc::new(Busy::default());
    let counted = Arc::clone(&busy);
    let service = service_fn(move |_: Request<String>| {
        let how = plan[counted.asked.fetch_add(1, Relaxed).min(plan.len() - 1)];
        let held = Held::new(&counted);
        async move {
            let _held = held;
            match how {
                How::Answer(status) => return Ok(answer(status)),
                How::After(time) => sleep(time).await,
                How::Hang => pending().await,
                How::Fail => return Err(io::Error::new(io::ErrorKind::ConnectionRefused, "nobody is there")),
                How::Panic => panic!("a bug"),
            }
            Ok(answer(200))
        }
    });
    (service, busy)
}

fn answer(status: u16) -> Response<String> {
    Response::builder().status(status).body("ok".to_owned()).unwrap()
}

#[derive(Debug, Default)]
struct Busy {
    asked: AtomicUsize,
    now: AtomicU64,
    most: AtomicU64,
}

struct Held(Arc<Busy>);

impl Held {
    fn new(busy: &Arc<Busy>) -> Self {
        let now = busy.now.fetch_add(1, Relaxed) + 1;
        busy.most.fetch_max(now, Relaxed);
        Self(Arc::clone(busy))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Relaxed);
    }
}

/// State and reason after each of so many probes.
async fn course(builder: HealthBuilder, plan: &[How]) -> Vec<(HealthState, String)> {
    let (service, busy) = service(plan);
    let probe = builder.spawn(service).unwrap();
    assert_eq!(probe.state(), HealthState::Unknown);
    let mut course = Vec::new();
    for _ in plan {
        sleep(INTERVAL - Duration::from_millis(1)).await;
        let snapshot = probe.snapshot();
        course.push((snapshot.state, snapshot.reason));
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!((busy.most.load(Relaxed), probe.snapshot().name.as_str()), (1, NAME));
    course
}

#[tokio::test(start_paused = true)]
async fn it_degrades_fails_and_heals_with_the_reason() {
    use HealthState::{Degraded, Failing, Healthy};
    let slow = How::After(Duration::from_millis(600));
    let plan = [
        How::Answer(204),
        slow,
        How::Fail,
        How::Hang,
        How::Panic,
        How::Answer(503),
        How::Answer(200),
        How::Answer(200),
    ];
    let scope = Scope::new();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let events = Arc::clone(&heard);
    scope.listen(move |event: &Event| {
        if let Event::HealthChanged(HealthChanged { name, from, to, destination, .. }) = event {
            assert_eq!((&**name, destination.as_deref()), (NAME, Some(NAME)));
            events.lock().unwrap().push((*from, *to));
        }
    });
    let course = course(builder(&scope).slow_from(LIMIT / 2), &plan).await;
    let course: Vec<_> = course.iter().map(|(state, reason)| (*state, reason.as_str())).collect();
    assert_eq!(
        course,
        [
            (Healthy, "the last probe succeeded: status 204 after 0 s"),
            (Degraded, "the last probe was slow: status 200 after 600 ms"),
            (Degraded, "1 of 3 probes failed, last: nobody is there"),
            (Degraded, "2 of 3 probes failed, last: timeout after 1 s"),
            (Failing, "3 of 3 probes failed, last: the client panicked: a bug"),
            (Failing, "4 probes in a row failed, last: status 503"),
            (Failing, "1 of 2 probes were answered since it failed, last: status 200 after 0 s"),
            (Healthy, "the last probe succeeded: status 200 after 0 s"),
        ]
    );
    let changes =
        [(HealthState::Unknown, Healthy), (Healthy, Degraded), (Degraded, Failing), (Failing, Healthy)];
    assert_eq!(*heard.lock().unwrap(), changes);
}

#[tokio::test(start_paused = true)]
async fn a_probe_is_counted_and_timed_and_gone_from_the_snapshot_when_it_is_dropped() {
    let scope = Scope::new();
    let (service, _) = service(&[How::Answer(200), How::Hang, How::Answer(404)]);
    let accepting = builder(&scope).expect(|status| status == StatusCode::NOT_FOUND || status.is_success());
    let probe = accepting.spawn(service).unwrap();
    sleep(INTERVAL * 5 / 2).await;
    let seen = scope.snapshot().health.remove(0);
    assert_eq!(seen, probe.snapshot());
    assert_eq!(
        seen.probes,
        [(ProbeOutcome::Success, 2), (ProbeOutcome::Slow, 0), (ProbeOutcome::Failure, 1)]
    );
    assert_eq!((seen.duration.count(), seen.duration.sum), (3, LIMIT.as_secs_f64()));
    drop(probe);
    assert!(scope.snapshot().health.is_empty());
}

#[tokio::test(start_paused = true)]
async fn its_last_probe_grows_old() {
    let (service, _) = service(&[How::Hang]);
    let probe = builder(&Scope::new()).spawn(service).unwrap();
    sleep(LIMIT / 2).await;
    assert_eq!(probe.snapshot().last_probe, None);
    sleep(LIMIT * 5 / 2).await;
    let age = probe.snapshot().last_probe.unwrap();
    assert!((LIMIT * 2 - Duration::from_millis(2)..=LIMIT * 2).contains(&age), "{age:?}");
}

/// Panics when it is dropped, but not while its thread panics already.
struct Brittle;

impl Drop for Brittle {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "in a destructor");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_panics_in_its_drop_is_one_that_failed() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let service = service_fn(move |_: Request<String>| {
        counted.fetch_add(1, Relaxed);
        let brittle = Brittle;
        async move {
            pending::<()>().await;
            drop(brittle);
            Ok::<_, io::Error>(answer(200))
        }
    });
    let probe = builder(&Scope::new()).spawn(service).unwrap();
    sleep(INTERVAL * 5 / 2).await;
    assert_eq!((probe.state(), asked.load(Relaxed)), (HealthState::Failing, 3));
    let reason = probe.snapshot().reason;
    assert!(reason.ends_with("timeout after 1 s; the client panicked: in a destructor"), "{reason}");
}

#[test]
fn a_probe_whose_runtime_has_ended_knows_nothing_and_says_so() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let scope = Scope::new();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let events = Arc::clone(&heard);
    scope.listen(move |event: &Event| {
        if let Event::HealthChanged(changed) = event {
            events.lock().unwrap().push((changed.from, changed.to));
        }
    });
    let (service, _) = service(&[How::Answer(200)]);
    let probe = runtime.block_on(async {
        let probe = builder(&scope).spawn(service.clone()).unwrap();
        // Its drop is asked for, so nobody is told of that.
        let dropped = builder(&scope).spawn(service).unwrap();
        while [&probe, &dropped].iter().any(|probe| probe.state() == HealthState::Unknown) {
            tokio::task::yield_now().await;
        }
        drop(dropped);
        probe
    });
    drop(runtime);
    let seen = probe.snapshot();
    assert_eq!(seen.state, HealthState::Unknown);
    assert!(
        seen.reason.starts_with(
            "it is not probed any more, since its runtime has ended; the last probe: status 200"
        ),
        "{}",
        seen.reason
    );
    let known = (HealthState::Unknown, HealthState::Healthy);
    assert_eq!(*heard.lock().unwrap(), [known, known, (known.1, known.0)]);
}

#[tokio::test(start_paused = true)]
async fn a_drop_ends_the_task_and_the_probe_under_way() {
    let (service, busy) = service(&[How::Hang]);
    let probe = builder(&Scope::new()).spawn(service).unwrap();
    sleep(LIMIT / 2).await;
    assert_eq!(busy.now.load(Relaxed), 1);
    drop(probe);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(busy.now.load(Relaxed), 0, "the request is dropped");
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0, "the task is gone");
    sleep(INTERVAL * 3).await;
    assert_eq!(busy.asked.load(Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn probes_are_marked_and_keep_their_distance() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    let service = service_fn(move |request: Request<String>| {
        heard.lock().unwrap().push((Instant::now(), request));
        async { Ok::<_, io::Error>(answer(200)) }
    });
    let probe = builder(&Scope::new()).method(Method::HEAD).jitter(0.5).spawn(service).unwrap();
    sleep(INTERVAL * 100).await;
    drop(probe);
    let asked = asked.lock().unwrap();
    let request = &asked[0].1;
    assert_eq!((request.method(), request.uri().to_string().as_str()), (&Method::HEAD, URL));
    assert_eq!(request.headers()["user-agent"], USER_AGENT);
    assert_eq!((request.headers().len(), request.body().as_str()), (1, ""));
    let gaps: Vec<_> = asked.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    // A timer fires up to a millisecond late.
    let longest = INTERVAL * 3 / 2 + Duration::from_millis(2);
    assert!(gaps.iter().all(|gap| (INTERVAL..=longest).contains(gap)), "{gaps:?}");
    assert!(gaps.iter().max().unwrap() > &(gaps.iter().min().unwrap().mul_f64(1.1)), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn two_probes_of_one_destination_are_shown_apart() {
    let scope = Scope::new();
    let (service, _) = service(&[How::Answer(200)]);
    let _one = builder(&scope).spawn(service.clone()).unwrap();
    let _two = builder(&scope).spawn(service.clone()).unwrap();
    let _named = builder(&scope).name("deep").spawn(service).unwrap();
    let names: Vec<_> = scope.snapshot().health.into_iter().map(|health| health.name).collect();
    assert_eq!(names, ["deep", NAME, "http://pay.example:80 #2"]);
}

#[test]
fn without_a_runtime_there_is_a_sentence() {
    let (service, _) = service(&[How::Answer(200)]);
    let error = builder(&Scope::new()).spawn(service).unwrap_err().to_string();
    assert!(error.contains("task"), "{error}");
}

/// A breaker that three failed calls have opened, for a minute.
async fn opened(scope: &Scope) -> (BreakerHandle, impl Service<Request<()>, Future: Send> + Clone) {
    let layer = BreakerLayer::builder(scope).name("shop").window(3).minimum_calls(3).jitter(0.0);
    let layer = layer.open_time(Duration::from_secs(60)).trial_calls(2).build().unwrap();
    let failing = layer.layer(service_fn(|_: Request<()>| async { Ok::<_, io::Error>(answer(500)) }));
    for _ in 0..3 {
        failing.clone().oneshot(Request::get(URL).body(()).unwrap()).await.unwrap();
    }
    let handle = layer.handle();
    assert_eq!(handle.list()[0].state, BreakerState::Open);
    let mended = layer.layer(service_fn(|_: Request<()>| async { Ok::<_, io::Error>(answer(200)) }));
    (handle, mended)
}

#[tokio::test(start_paused = true)]
async fn probes_that_succeed_close_the_breaker_of_their_destination_early() {
    let scope = Scope::new();
    let (breaker, _mended) = opened(&scope).await;
    let (service, _) = service(&[How::Fail, How::Answer(200)]);
    let _probe = builder(&scope).feeds(&breaker).spawn(service).unwrap();
    let state = || breaker.list()[0].state;
    sleep(INTERVAL / 2).await;
    assert_eq!(state(), BreakerState::Open, "one that fails changes nothing");
    sleep(INTERVAL).await;
    assert_eq!(state(), BreakerState::HalfOpen);
    sleep(INTERVAL).await;
    assert_eq!(state(), BreakerState::Closed);
    let reasons: Vec<_> = breaker.list()[0].transitions.iter().map(|(_, _, reason, _)| *reason).collect();
    use BreakerReason::{FailureRatio, ProbeSucceeded, TrialSucceeded};
    assert_eq!(reasons, [FailureRatio, ProbeSucceeded, TrialSucceeded]);
    // Three calls, two probes; the one that failed did not count.
    let calls: Vec<_> = breaker.list()[0].calls.iter().map(|(_, count)| *count).collect();
    assert_eq!(calls, [2, 3, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn probes_that_fail_open_the_breaker_of_their_destination() {
    let scope = Scope::new();
    let (breaker, mended) = opened(&scope).await;
    let name = breaker.list()[0].name.clone();
    assert!(breaker.reset(&name));
    assert!(!breaker.probed("http://elsewhere:80", false));
    let _ = mended.oneshot(Request::get(URL).body(()).unwrap()).await;
    let (service, _) = service(&[How::Hang]);
    let _probe = builder(&scope).feeds(&breaker).spawn(service).unwrap();
    sleep(INTERVAL * 2).await;
    assert_eq!(breaker.state(&name), Some(BreakerState::Open));
}
