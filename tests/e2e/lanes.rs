//! The lanes of connections, from real clients to the read API: they agree with what the servers saw.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use poolscope::otlp::{Otlp, Telemetry};
use poolscope::{Origin, Scope};
use poolscope_dashboard::{Config, Server};
use poolscope_semconv::event;
use poolscope_tests::client::{Client, Kind, NAME, Settings};
use poolscope_tests::upstream::{Options, Upstream, answer, answer_without_end};
use poolscope_tests::wait;
use poolscope_wire::{ConnectionLane, ConnectionLanes, Event, LaneState, PoolSummary, path};
use tokio::sync::oneshot;

/// A dashboard, and a scope that sends to it without being told anything of lanes.
struct World {
    scope: Scope,
    _telemetry: Telemetry,
    http: SocketAddr,
    client: reqwest::Client,
    _stop: oneshot::Sender<()>,
}

impl World {
    async fn start(scope: Scope, set: impl FnOnce(Otlp) -> Otlp) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = Config { http_addr: any, otlp_grpc_addr: any, otlp_http_addr: any, ..Config::default() };
        let server = Server::bind(config).await.unwrap();
        let (http, otlp) = (server.http_addr(), server.otlp_grpc_addr());
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        let otlp = Otlp::new(&scope).environment(|_| None).endpoint(format!("http://{otlp}"));
        let telemetry = set(otlp.metrics_interval(Duration::from_millis(250))).start().unwrap();
        Self { scope, _telemetry: telemetry, http, client: reqwest::Client::new(), _stop: stop }
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> T {
        let response = self.client.get(format!("http://{}{path}", self.http)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    /// The lanes of the pool of an upstream, once they are as they should be.
    async fn lanes(&self, upstream: &Upstream, are: impl Fn(&ConnectionLanes) -> bool) -> ConnectionLanes {
        let port = upstream.addr().port();
        wait::until(
            "lanes",
            || async {
                let pools: Vec<PoolSummary> = self.get(path::POOLS).await;
                match pools.iter().find(|pool| pool.port == port) {
                    Some(pool) => self.get(&format!("{}/{}/connections", path::POOLS, pool.id)).await,
                    None => ConnectionLanes::default(),
                }
            },
            |lanes| are(lanes),
        )
        .await
    }
}

/// Seconds in use by a lane.
fn used_s(lane: &ConnectionLane) -> f64 {
    lane.segments.iter().map(|segment| segment.active_ms).sum::<u64>() as f64 / 1e3
}

fn length_s(lane: &ConnectionLane) -> f64 {
    lane.segments.iter().map(|segment| segment.length_ms).sum::<u64>() as f64 / 1e3
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lanes_tell_who_was_in_use_for_how_long_and_who_closed_it() {
    let world = World::start(Scope::new(), |otlp| otlp).await;
    let pause = Duration::from_millis(60);
    let mut upstream = Upstream::start(Options::default(), move |_| async move {
        tokio::time::sleep(pause).await;
        answer(StatusCode::OK, "ok")
    })
    .await
    .unwrap();
    for kind in [Kind::HyperH1, Kind::ReqwestH1] {
        let client = Client::new(&world.scope, kind, Settings::default()).unwrap();
        // One request at a time, with pauses: no look at the connection need ever see it in use.
        let mut busy = Duration::ZERO;
        let mut rounds = 0;
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(2) {
            let asked = Instant::now();
            client.read(&upstream.url("/")).await.unwrap();
            busy += asked.elapsed();
            rounds += 1;
            tokio::time::sleep(pause).await;
        }
        let lanes = world
            .lanes(&upstream, |lanes| {
                lanes
                    .rows
                    .first()
                    .is_some_and(|lane| lane.requests == rounds && lane.state == LaneState::Idle)
            })
            .await;
        assert!(lanes.told);
        let [lane] = &lanes.rows[..] else { panic!("{kind:?}: one connection, {lanes:#?}") };
        let (address, served) = upstream.counts().used()[0];
        assert_eq!(
            (lane.requests, lane.peer.as_str()),
            (served, upstream.addr().to_string().as_str()),
            "{address}"
        );
        // The caller's clock holds the way through the client too.
        let (used, busy) = (used_s(lane), busy.as_secs_f64());
        assert!(
            used <= busy + 0.01 && used >= busy * 0.9 - 0.02,
            "{kind:?}: in use for {used} s, and it was {busy} s"
        );
        assert!(length_s(lane) >= 1.5, "{kind:?}: {lane:#?}");
        assert_eq!(lane.segments.iter().map(|segment| segment.requests).sum::<u64>(), served);

        // The server goes away: who closed it is told, and the lane ends there.
        upstream.stop().await;
        let lanes = world.lanes(&upstream, |lanes| lanes.counts.closed == 1).await;
        let closed = lanes.rows[0].closed.as_ref().unwrap();
        assert_eq!(closed.reason, "peer_closed_idle", "{kind:?}");
        assert_eq!(lanes.rows[0].start_ms + (length_s(&lanes.rows[0]) * 1e3).round() as u64, closed.at_ms);
        drop(client);
        upstream = Upstream::start(Options::default(), move |_| async move {
            tokio::time::sleep(pause).await;
            answer(StatusCode::OK, "ok")
        })
        .await
        .unwrap();
    }
    let events: Vec<Event> = world.get(path::EVENTS).await;
    assert!(events.iter().all(|event| event.kind != event::POOL_SNAPSHOT), "snapshots are no news");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leak_and_who_took_it_are_in_its_lane_and_it_comes_first() {
    let scope = Scope::builder().leak_threshold(Some(Duration::from_millis(300))).build();
    let world = World::start(scope, |otlp| otlp).await;
    let upstream = Upstream::start(Options::default(), |request| async move {
        match request.uri().path() {
            "/endless" => answer_without_end(Duration::from_millis(10)),
            _ => answer(StatusCode::OK, "ok"),
        }
    })
    .await
    .unwrap();
    let client = Client::new(&world.scope, Kind::HyperH1, Settings::default()).unwrap();
    client.read(&upstream.url("/")).await.unwrap();
    let request =
        || Request::builder().method(Method::GET).uri(upstream.url("/endless")).body(Bytes::new()).unwrap();
    let held = Origin::named("report").scope(client.send(request())).await.unwrap();
    for _ in 0..3 {
        client.read(&upstream.url("/")).await.unwrap();
    }
    let lanes = world.lanes(&upstream, |lanes| lanes.counts.leaked == 1 && lanes.rows.len() == 2).await;
    let leaked = &lanes.rows[0];
    assert!(leaked.is_leaked() && leaked.state == LaneState::Active, "{leaked:#?}");
    assert_eq!((leaked.leaks[0].method.as_str(), leaked.leaks[0].origin.as_str()), ("GET", "report"));
    drop(held);
    let lanes =
        world.lanes(&upstream, |lanes| lanes.rows.first().is_some_and(|lane| lane.closed.is_some())).await;
    assert!(!lanes.rows[0].is_leaked());
    assert_eq!(lanes.rows[0].closed.as_ref().unwrap().reason, "body_dropped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_tells_no_connections_tells_only_their_ends() {
    let world = World::start(Scope::new(), |otlp| otlp.dashboard_connections(0)).await;
    let upstream =
        Upstream::start(Options::default(), |_| async { answer(StatusCode::OK, "ok") }).await.unwrap();
    let client = Client::new(&world.scope, Kind::HyperH1, Settings::default()).unwrap();
    client.read(&upstream.url("/")).await.unwrap();
    // An end that is told before the pool is has no place.
    world.lanes(&upstream, |lanes| lanes.to_ms > 0).await;
    drop(client);
    let lanes = world.lanes(&upstream, |lanes| lanes.counts.closed == 1).await;
    assert!(!lanes.told && lanes.open.is_none());
    let pool = world.scope.snapshot().pool(NAME, "127.0.0.1", upstream.addr().port()).unwrap().clone();
    assert_eq!((lanes.rows[0].requests, pool.opened), (1, 1));
    assert!(lanes.rows[0].share.is_some(), "how it was altogether is known");
}
