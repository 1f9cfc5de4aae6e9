//! Health probes against a real server that answers, fails, hangs, goes away and comes back, through clients of hyper and of
//! reqwest.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use poolscope::health::{HealthBuilder, HealthProbe, USER_AGENT};
use poolscope::{HealthSnapshot, HealthState, Scope, reqwest as observed};
use poolscope_tests::client::{Client, Kind, NAME, Settings};
use poolscope_tests::upstream::{Options, Reply, Upstream, answer};
use poolscope_tests::wait;
use tower::{Layer, service_fn};

const INTERVAL: Duration = Duration::from_millis(200);

/// How a server treats probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Answer,
    Fail,
    Hang,
    Slow,
}

type Shared<T> = Arc<Mutex<T>>;

fn handler(
    mode: &Shared<Mode>,
    agents: &Shared<Vec<String>>,
) -> impl Fn(Request<hyper::body::Incoming>) -> Answer + Clone + Send + Sync + 'static + use<> {
    let (mode, agents) = (Arc::clone(mode), Arc::clone(agents));
    move |request| {
        assert_eq!(request.uri().path(), "/health");
        agents.lock().unwrap().push(request.headers()["user-agent"].to_str().unwrap().to_owned());
        let mode = *mode.lock().unwrap();
        Box::pin(async move {
            match mode {
                Mode::Answer => answer(StatusCode::OK, "fine"),
                Mode::Fail => answer(StatusCode::SERVICE_UNAVAILABLE, "not fine"),
                Mode::Hang => std::future::pending().await,
                Mode::Slow => {
                    tokio::time::sleep(INTERVAL / 2).await;
                    answer(StatusCode::OK, "at last")
                }
            }
        })
    }
}

type Answer = std::pin::Pin<Box<dyn Future<Output = Reply> + Send>>;

/// Probes through a client of a kind.
fn spawn(scope: &Scope, kind: Kind, builder: HealthBuilder) -> HealthProbe {
    if kind.is_reqwest() {
        let client = scope.client(NAME);
        let connect = observed::ConnectLayer::new(&client);
        let inner = reqwest::Client::builder().no_proxy().connector_layer(connect).build().unwrap();
        builder.spawn(observed::RequestLayer::new(&client).layer(inner)).unwrap()
    } else {
        let client = Client::new(scope, kind, Settings::default()).unwrap();
        let service = service_fn(move |request: Request<Bytes>| {
            let client = client.clone();
            async move { client.send(request).await }
        });
        builder.spawn(service).unwrap()
    }
}

async fn until(probe: &HealthProbe, state: HealthState, words: &str) -> HealthSnapshot {
    let ask = || async { probe.snapshot() };
    wait::until(&format!("{state}, {words}"), ask, |seen| seen.state == state && seen.reason.contains(words))
        .await
}

async fn course(kind: Kind) {
    let (mode, agents) = (Arc::new(Mutex::new(Mode::Answer)), Arc::new(Mutex::new(Vec::new())));
    let set = |to| *mode.lock().unwrap() = to;
    let mut upstream = Upstream::start(Options::default(), handler(&mode, &agents)).await.unwrap();
    let addr = upstream.addr();
    let scope = Scope::new();
    let builder = HealthProbe::builder(&scope, upstream.url("/health"));
    let probe = spawn(&scope, kind, builder.interval(INTERVAL).timeout(INTERVAL).slow_from(INTERVAL / 3));

    until(&probe, HealthState::Healthy, "status 200").await;
    let counts = Arc::clone(upstream.counts());
    wait::until("five probes", || async { counts.requests() }, |requests| *requests >= 5).await;
    assert_eq!(counts.accepted(), 1, "probes use their connection again");
    assert!(agents.lock().unwrap().iter().all(|agent| agent == USER_AGENT));

    set(Mode::Slow);
    until(&probe, HealthState::Degraded, "the last probe was slow").await;
    set(Mode::Fail);
    until(&probe, HealthState::Failing, "last: status 503").await;
    set(Mode::Hang);
    until(&probe, HealthState::Failing, "last: timeout after 200 ms").await;
    set(Mode::Answer);
    until(&probe, HealthState::Healthy, "status 200").await;

    upstream.stop().await;
    drop(upstream);
    until(&probe, HealthState::Failing, "refused").await;
    let upstream = Upstream::start_at(addr, Options::default(), handler(&mode, &agents)).await.unwrap();
    until(&probe, HealthState::Healthy, "status 200").await;

    // All of it was seen by the pool.
    let seen = probe.snapshot();
    let probes: u64 = seen.probes.iter().map(|(_, count)| count).sum();
    assert_eq!(seen.duration.count(), probes);
    let pool = scope.snapshot().pools.remove(0);
    assert!(pool.acquires_started >= probes, "{} {probes}", pool.acquires_started);

    // A drop in the middle of a probe leaves nothing in flight.
    set(Mode::Hang);
    let hanging = || async { scope.snapshot().pools[0].in_flight() };
    wait::until("a probe under way", hanging, |in_flight| *in_flight == 1).await;
    drop(probe);
    let left = || async {
        let pool = scope.snapshot().pools.remove(0);
        (pool.in_flight(), pool.pending(), pool.counts().open(), upstream.counts().open())
    };
    wait::until("the end of all", left, |left| *left == (0, 0, 0, 0)).await;
    let asked = upstream.counts().requests();
    tokio::time::sleep(3 * INTERVAL).await;
    assert_eq!(upstream.counts().requests(), asked, "nobody asks any more");
    assert!(scope.snapshot().health.is_empty());
}

#[tokio::test]
async fn a_probe_through_hyper_follows_its_server() {
    course(Kind::HyperH1).await;
}

#[tokio::test]
async fn a_probe_through_reqwest_follows_its_server() {
    course(Kind::ReqwestH1).await;
}
