//! The whole path: demo service, OTLP, dashboard, read API and live stream.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use poolscope::Scope;
use poolscope::otlp::{Otlp, Protocol, Telemetry};
use poolscope_dashboard::Config;
use poolscope_semconv::event;
use poolscope_tests::dashboard::Dashboard;
use poolscope_tests::demo::Demo;
use poolscope_tests::{kernel, wait};
use poolscope_wire::{
    Breaker, BreakerState, Call, Event, Observation, PhaseKind, PoolDetail, PoolSummary, ServerMessage,
    Service, Severity, Span, Status, TraceDetail, TraceList, TraceSummary, path,
};
use serde_json::Value;

/// A dashboard, and a demo that sends to it.
struct World {
    scope: Scope,
    demo: Demo,
    telemetry: Telemetry,
    dashboard: Dashboard,
}

impl World {
    async fn start(protocol: Protocol) -> Self {
        // A look-up of the demo takes 25 ms, so that a request that opens a connection is slow.
        let config = Config { slow_trace_ms: 25, ..Config::default() };
        let dashboard = Dashboard::start_with(config).await.unwrap();
        let otlp = match protocol {
            Protocol::Grpc => dashboard.otlp_grpc(),
            _ => dashboard.otlp_http(),
        };
        let scope = Scope::new();
        let telemetry = Otlp::new(&scope)
            .environment(|_| None)
            .service_name("shop")
            .endpoint(format!("http://{otlp}"))
            .protocol(protocol)
            .start()
            .unwrap();
        let demo = Demo::start(&scope, crate::demo::quick()).await.unwrap();
        Self { scope, demo, telemetry, dashboard }
    }

    async fn pools(&self) -> Vec<PoolSummary> {
        self.dashboard.get(path::POOLS).await
    }
}

/// What must hold for a pool of the read API at every moment.
fn invariants(pool: &PoolSummary) {
    let now = &pool.now;
    let open =
        [now.idle, now.active, now.upgraded].map(Option::unwrap).into_iter().map(u64::from).sum::<u64>();
    assert_eq!(
        pool.opened_total.unwrap() - pool.closed_total.unwrap(),
        open,
        "{} to {}: {now:?}",
        pool.client,
        pool.address
    );
}

/// What a pool tells of how its connections are made and what became of them.
fn set_up_is_told(detail: &PoolDetail) {
    let (pool, connections) = (&detail.summary, &detail.connections);
    assert!(pool.now.connecting.is_some() && pool.now.leaked.is_some(), "{pool:?}");
    let create = connections.create_s.unwrap();
    assert_eq!(Some(create.count), pool.opened_total, "{}", pool.address);
    let names: Vec<_> = connections.phases_s.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["dns", "tcp"], "{}", pool.address);
    // A look-up of the demo takes 25 ms, and its bucket begins there; a connect takes as long as the machine is busy.
    let (dns, tcp) = (connections.phases_s[0].1, connections.phases_s[1].1);
    assert!(dns.p50 >= 0.025 && tcp.p50 > 0.0 && create.p95 >= 0.025, "{connections:?}");
    let wasted = connections.wasted.unwrap();
    let closed = pool.closed_total.unwrap();
    assert!(wasted <= closed, "{wasted} of {closed}");
    assert_eq!(connections.requests.map_or(0, |served| served.count), closed, "{}", pool.address);
    let failed: u64 = detail.failures.iter().map(|failed| failed.count).sum();
    assert_eq!(Some(failed), pool.failed_total);
    assert!(pool.lacks.is_empty(), "{:?}", pool.lacks);
    assert!(
        detail.failures.iter().all(|failed| failed.phase.as_deref() == Some("dns")),
        "{:?}",
        detail.failures
    );
    let is_told = connections.abandoned.is_some() && connections.stale_reuse.is_some();
    assert!(is_told && connections.leaks.is_some());
}

/// How long the figures are watched; a soak by hand sets it higher.
fn watch_time() -> Duration {
    let seconds = std::env::var("POOLSCOPE_WATCH_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(12))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_read_api_tells_what_the_demo_does() {
    let mut world = World::start(Protocol::Grpc).await;
    wait::until("seven pools", async || world.pools().await.len(), |count| *count == 7).await;
    let until = Instant::now() + watch_time();
    let mut looks = HashMap::new();
    while Instant::now() < until {
        for pool in world.pools().await {
            invariants(&pool);
            looks.entry(pool.id.clone()).or_insert_with(Vec::new).push(pool.now.at_ms);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    for (pool, mut moments) in looks {
        moments.dedup();
        let expected = watch_time().as_secs() as usize * 2 / 3;
        assert!(moments.len() >= expected, "{pool} has {} new figures, not one each second", moments.len());
    }

    let pools = world.pools().await;
    for pool in &pools {
        let is_hyper = ["checkout", "search"].contains(&pool.client.as_str());
        // The kernel tells of reqwest's closes.
        let observation = if is_hyper { Observation::Exact } else { Observation::Kernel };
        assert_eq!((pool.service.as_str(), pool.observation), ("shop", observation));
        assert!(pool.requests_total.unwrap() > 0 && pool.wait_p50_s.is_some(), "{pool:?}");
        assert!(!pool.health.sentence.is_empty());
        let detail: PoolDetail = world.dashboard.get(&format!("{}/{}", path::POOLS, pool.id)).await;
        assert!(detail.points.len() > 5 && detail.points.is_sorted_by_key(|point| point.at_ms));
        assert!(!detail.acquires.is_empty() && !detail.results.is_empty(), "{detail:?}");
        set_up_is_told(&detail);
    }
    let named = |client: &str, host: &str| {
        pools
            .iter()
            .find(|pool| pool.client == client && pool.address == host)
            .unwrap_or_else(|| panic!("no {client}"))
    };
    assert_eq!(named("search", "search.internal").protocols, ["2"]);
    assert_eq!(named("checkout", "payments.internal").protocols, ["1.1"]);
    assert!(named("shop", "catalog.internal").reuse.unwrap() > 0.8);
    assert!(named("shop", "legacy.internal").reuse.unwrap() < 0.05);

    let services: Vec<Service> = world.dashboard.get(path::SERVICES).await;
    assert_eq!((services.len(), services[0].instances[0].pools), (1, 7));
    let status: Status = world.dashboard.get(path::STATUS).await;
    assert!(
        status.received.metric_points > 0 && status.received.spans > 0 && status.received.log_records > 0
    );
    assert_eq!((status.received.refused_requests, status.received.rejected_items), (0, 0));

    // At rest, what the browser would show is what the kernel has.
    world.demo.stop_calls().await;
    for (upstream, host) in [
        (&world.demo.upstreams().payments, "payments.internal"),
        (&world.demo.upstreams().inventory, "inventory.internal"),
    ] {
        wait::until(
            "read API and kernel to agree",
            async || {
                let held = kernel::held_to(upstream.addr()).unwrap().len();
                let pools = world.pools().await;
                (held, pools.into_iter().find(|pool| pool.address == host).unwrap().now)
            },
            |(held, now)| now.active == Some(0) && now.idle.unwrap() as usize == *held,
        )
        .await;
    }
    world.telemetry.shutdown();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_breaker_that_opens_is_told_at_once_and_closes_again() {
    let world = World::start(Protocol::HttpProtobuf).await;
    let mut stream = Stream::open(&world).await;
    assert!(matches!(stream.next().await, ServerMessage::Full(_)), "the whole picture comes first");

    let mut states = Vec::new();
    let mut delays = Vec::new();
    let deadline = Instant::now() + wait::PATIENCE;
    while !(states.contains(&BreakerState::Open) && states.ends_with(&[BreakerState::Closed])) {
        assert!(Instant::now() < deadline, "saw only {states:?}");
        let ServerMessage::Update(update) = stream.next().await else { continue };
        for event in update.events.iter().filter(|event| event.kind == event::BREAKER_TRANSITION) {
            delays.push(now_ms().saturating_sub(event.at_ms));
        }
        let inventory = update.breakers.iter().find(|breaker| breaker.name.contains("inventory"));
        if let Some(state) = inventory.map(|breaker| breaker.state)
            && states.last() != Some(&state)
        {
            states.push(state);
        }
    }
    delays.sort_unstable();
    let median = delays[delays.len() / 2];
    assert!(median < 500, "a transition takes {median} ms to the browser");

    let breakers: Vec<Breaker> = world.dashboard.get(path::BREAKERS).await;
    let inventory = breakers.iter().find(|breaker| breaker.name.contains("inventory")).unwrap();
    assert!(inventory.rejected_total > 0 && inventory.failed_total > 0 && inventory.succeeded_total > 0);
    // Half open can be over within a few calls, so that no update has it as the state; the list of changes does.
    for state in [BreakerState::Open, BreakerState::HalfOpen, BreakerState::Closed] {
        let change = inventory.transitions.iter().find(|change| change.to == state);
        assert!(change.is_some_and(|change| !change.reason.is_empty()), "{inventory:#?}");
    }
    assert_eq!(breakers.len(), names(&breakers).len(), "one row for each breaker");
    let events: Vec<Event> =
        world.dashboard.get(&format!("{}?kind={}", path::EVENTS, event::BREAKER_TRANSITION)).await;
    assert!(events.iter().all(|event| event.kind == event::BREAKER_TRANSITION && event.breaker.is_some()));
    assert!(events.iter().any(|event| event.severity == Severity::Bad), "{events:#?}");
    let pools = world.pools().await;
    let guarded = pools.iter().find(|pool| pool.address == "inventory.internal").unwrap();
    assert_eq!(guarded.breaker.as_ref().map(|(name, _)| name), Some(&inventory.name));
    drop(world.scope);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leak_is_told_with_who_holds_it_until_it_comes_back() {
    let world = World::start(Protocol::Grpc).await;
    let catalog = async || world.pools().await.into_iter().find(|pool| pool.address == "catalog.internal");
    let is_leaked = |pool: &Option<PoolSummary>| pool.as_ref().is_some_and(|pool| pool.now.leaked == Some(1));
    let pool = wait::until("the leak to be told", catalog, is_leaked).await.unwrap();
    let sentence = &pool.health.sentence;
    assert!(sentence.starts_with("1 response is held and not read for "), "{sentence}");
    assert!(sentence.contains("; taken by ") && sentence.contains("demo/service.rs:"), "{sentence}");
    assert!(pool.health.severity > Severity::Ok);
    let is_back = |pool: &Option<PoolSummary>| pool.as_ref().is_some_and(|pool| pool.now.leaked == Some(0));
    let pool = wait::until("it to come back", catalog, is_back).await.unwrap();
    let told = async || {
        let events: Vec<Event> = world.dashboard.get(&format!("{}?pool={}", path::EVENTS, pool.id)).await;
        events
    };
    let kinds = [event::LEAK_SUSPECTED, event::LEAK_RETURNED];
    let has = |events: &Vec<Event>, kind| events.iter().any(|event| event.kind == kind);
    wait::until("both events of its pool", told, |events| kinds.iter().all(|kind| has(events, *kind))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_request_shows_what_it_waited_for_and_leads_to_the_set_up_of_its_connection() {
    let world = World::start(Protocol::HttpProtobuf).await;
    let pools = wait::until("seven pools", async || world.pools().await, |pools| pools.len() == 7).await;
    let payments = pools.iter().find(|pool| pool.address == "payments.internal").unwrap();
    let of_pool = format!("{}?pool={}", path::TRACES, payments.id);
    let slow = async || world.dashboard.get::<TraceList>(&format!("{of_pool}&status=slow")).await.traces;
    let looked_up = |trace: &TraceSummary| trace.phases.iter().any(|phase| phase.kind == PhaseKind::Dns);
    let list =
        wait::until("a slow trace that looked a name up", slow, |list| list.iter().any(looked_up)).await;
    let trace = list.iter().find(|trace| looked_up(trace)).unwrap();
    assert!(trace.duration_s >= 0.025 && trace.pools.contains(&payments.id), "{trace:?}");

    let detail: TraceDetail = world.dashboard.get(&format!("{}/{}", path::TRACES, trace.trace_id)).await;
    let waits = |span: &&Span| span.phases.iter().any(|phase| phase.kind == PhaseKind::Dns);
    let span = detail.spans.iter().find(waits).unwrap();
    let took = |kind| {
        let of_kind = span.phases.iter().filter(|phase| phase.kind == kind);
        of_kind.map(|phase| phase.duration_s).sum::<f64>()
    };
    assert!(took(PhaseKind::Dns) >= 0.02, "{span:#?}");
    assert!(took(PhaseKind::Wait) > 0.0 && took(PhaseKind::Headers) > 0.0, "{span:#?}");
    let parts: f64 = span.phases.iter().filter(|p| p.kind != PhaseKind::Limit).map(|p| p.duration_s).sum();
    assert!((parts - span.duration_s).abs() < 1e-3, "{parts} of {}", span.duration_s);
    let call = span.call.as_ref().unwrap();
    assert_eq!(call.pool.as_ref(), Some(&payments.id));
    let set_up = call.set_up.as_ref().unwrap();
    assert!(set_up.waited_for && call.connection.is_some() && set_up.peer.is_some(), "{call:?}");

    // The set-up is a trace of its own. Others that its connection served did not wait for it.
    let set_up = format!("{}/{}", path::TRACES, set_up.trace_id);
    let set_up = async || world.dashboard.get::<TraceDetail>(&set_up).await;
    let set_up =
        wait::until("another request of the connection", set_up, |detail| detail.served.len() > 1).await;
    assert!(set_up.is_set_up && set_up.spans[0].phases.len() >= 2, "{set_up:#?}");
    let other = set_up.served.iter().find(|served| served.trace_id != trace.trace_id).unwrap();
    let other: TraceDetail = world.dashboard.get(&format!("{}/{}", path::TRACES, other.trace_id)).await;
    let reuses = |call: &&Call| call.set_up.as_ref().is_some_and(|set_up| !set_up.waited_for);
    let calls: Vec<_> = other.spans.iter().filter_map(|span| span.call.as_ref()).collect();
    let reused = calls.iter().find(|call| reuses(call)).unwrap_or_else(|| panic!("{calls:#?}"));
    assert!(reused.set_up.as_ref().unwrap().opened_before_s > 0.0 && reused.idle_s.is_some());

    // What a breaker turned away is found by the breaker.
    let rejected = async || {
        let breakers: Vec<Breaker> = world.dashboard.get(path::BREAKERS).await;
        let inventory = breakers.iter().find(|breaker| breaker.name.contains("inventory"))?;
        let list: TraceList =
            world.dashboard.get(&format!("{}?breaker={}&status=rejected", path::TRACES, inventory.id)).await;
        list.traces.into_iter().find(|trace| trace.error.as_deref() == Some("breaker_open"))
    };
    wait::until("a trace of a call that was rejected", rejected, Option::is_some).await;
}

#[tokio::test]
async fn an_unknown_pool_is_a_sentence() {
    let world = World::start(Protocol::Grpc).await;
    let response = reqwest::get(format!("{}{}/nothing", world.dashboard.url(), path::POOLS)).await.unwrap();
    assert_eq!(response.status(), 404);
    let body: Value = response.json().await.unwrap();
    assert!(body["error"].as_str().unwrap().contains("no pool"), "{body}");
}

fn names(breakers: &[Breaker]) -> std::collections::HashSet<&str> {
    breakers.iter().map(|breaker| breaker.name.as_str()).collect()
}

fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

/// The live stream, message by message.
struct Stream {
    response: reqwest::Response,
    buffer: Vec<u8>,
}

impl Stream {
    async fn open(world: &World) -> Self {
        let response = reqwest::get(format!("{}{}", world.dashboard.url(), path::STREAM)).await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, buffer: Vec::new() }
    }

    async fn next(&mut self) -> ServerMessage {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = self.buffer.drain(..end + 2).collect();
                let event = String::from_utf8(event).unwrap();
                let data: String = event.lines().filter_map(|line| line.strip_prefix("data:")).collect();
                if !data.is_empty() {
                    return serde_json::from_str(&data).unwrap();
                }
                continue;
            }
            let chunk = tokio::time::timeout(wait::PATIENCE, self.response.chunk()).await.unwrap().unwrap();
            self.buffer.extend_from_slice(&chunk.unwrap());
        }
    }
}
