//! The parts of a connect: what is told apart, in which order, and which of them failed.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use opentelemetry::Value;
use opentelemetry::trace::Status;
use opentelemetry_sdk::trace::SpanData;
use poolscope::event::ConnectionFailed;
use poolscope::{ClientScope, Event, PhaseLayer, PoolSnapshot, Scope, hyper, reqwest as observed};
use poolscope_semconv::attr;
use poolscope_semconv::value::{AcquireOutcome, ConnectPhase, ErrorType};
use poolscope_tests::proxy::Proxy;
use poolscope_tests::resolver::{Resolver, UNKNOWN};
use poolscope_tests::spans::{Setup, Traced, attribute, text};
use poolscope_tests::tls::{self, Alpn};
use poolscope_tests::upstream::{Options, Upstream, answer};
use poolscope_tests::wait;
use rustls::ClientConfig;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer, Service, ServiceExt};

use ConnectPhase::{Dns, Tcp, Tls};

/// How long a name takes to be looked up: longer than a busy machine lets a task wait.
const LOOK_UP: Duration = Duration::from_millis(100);

/// An observed client that gets a URL and reads what is there.
type Fetch = BoxCloneSyncService<String, (), BoxError>;

/// hyper's stack with both layers: below TLS, and in the resolver below that.
fn hyper(scope: &Scope, resolver: &Resolver, tls: ClientConfig) -> Fetch {
    hyper_over(&scope.client("test"), HttpsConnector::from((PhaseLayer::tcp().layer(http(resolver)), tls)))
}

fn http(resolver: &Resolver) -> HttpConnector<poolscope::PhaseService<Resolver>> {
    let mut http = HttpConnector::new_with_resolver(PhaseLayer::dns().layer(resolver.clone()));
    http.enforce_http(false);
    http
}

fn hyper_over<C>(client: &ClientScope, connector: C) -> Fetch
where
    hyper::Connect<C>: legacy::connect::Connect + Clone + Send + Sync + 'static,
{
    let connector = hyper::ConnectLayer::new(client).layer(connector);
    let inner = legacy::Client::builder(TokioExecutor::new()).build(connector);
    let service = hyper::RequestLayer::new(client).layer(inner);
    BoxCloneSyncService::new(tower::service_fn(move |url: String| {
        let mut service = service.clone();
        async move {
            let response = service.call(Request::get(url).body(Empty::<Bytes>::new())?).await?;
            response.into_body().collect().await?;
            Ok(())
        }
    }))
}

/// reqwest with the resolver, and what else a test wants.
fn reqwest(
    scope: &Scope,
    resolver: &Resolver,
    change: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
) -> Fetch {
    let client = scope.client("test");
    let builder = reqwest::Client::builder()
        .no_proxy()
        .dns_resolver(observed::DnsResolver::new(Arc::new(resolver.clone())))
        .connector_layer(observed::ConnectLayer::new(&client));
    #[cfg(feature = "https")]
    let builder = builder.tls_backend_preconfigured(tls::client(Alpn::Http1).unwrap());
    let service = observed::RequestLayer::new(&client).layer(change(builder).build().unwrap());
    BoxCloneSyncService::new(tower::service_fn(move |url: String| {
        let mut service = service.clone();
        async move {
            let request = reqwest::Request::new(reqwest::Method::GET, url.parse()?);
            service.call(request).await?.bytes().await?;
            Ok(())
        }
    }))
}

async fn upstream(alpn: Option<Alpn>) -> Upstream {
    let options = Options { tls: alpn, ..Options::default() };
    Upstream::start(options, |_| async { answer(StatusCode::OK, "hello") }).await.unwrap()
}

fn url(upstream: &Upstream, host: &str) -> String {
    upstream.url("/").replace("127.0.0.1", host)
}

fn pool(traced: &Traced) -> PoolSnapshot {
    let mut pools = traced.scope.snapshot().pools;
    assert_eq!(pools.len(), 1, "{pools:?}");
    pools.remove(0)
}

fn phases(setup: &Setup) -> Vec<ConnectPhase> {
    setup
        .parts
        .iter()
        .map(|part| ConnectPhase::parse(&text(part, attr::CONNECT_PHASE)).expect("a part has a phase"))
        .collect()
}

/// The parts are what is expected, and each begins where the one before it ends, inside of the whole.
fn check_parts(setup: &Setup, expected: &[ConnectPhase]) {
    assert_eq!(phases(setup), expected, "{setup:#?}");
    let (first, last) = (&setup.parts[0], setup.parts.last().unwrap());
    assert!(setup.parts.windows(2).all(|pair| pair[0].end_time == pair[1].start_time), "{setup:#?}");
    assert!(setup.span.start_time <= first.start_time && last.end_time <= setup.span.end_time, "{setup:#?}");
    for part in &setup.parts {
        assert_eq!(part.span_context.trace_id(), setup.span.span_context.trace_id());
    }
    if expected.contains(&Dns) {
        assert!(took(first) >= LOOK_UP, "{setup:#?}");
        let parts: Duration = setup.parts.iter().map(took).sum();
        assert!(parts > took(&setup.span) / 2, "most of it is told apart: {setup:#?}");
    }
}

/// Fetches a URL over a new connection and gives back its set-up, whose parts the histograms know too.
async fn set_up(traced: &Traced, fetch: &Fetch, url: String, expected: &[ConnectPhase]) -> Setup {
    fetch.clone().oneshot(url).await.unwrap();
    let mut setups = traced.setups();
    assert_eq!(setups.len(), 1);
    check_parts(&setups[0], expected);
    let pool = pool(traced);
    let counted: Vec<_> =
        pool.phases.iter().filter(|(_, times)| times.count() > 0).map(|(phase, _)| *phase).collect();
    let mut sorted = expected.to_vec();
    sorted.sort();
    assert_eq!(counted, sorted);
    assert!(pool.phases.iter().all(|(_, times)| times.count() <= 1));
    setups.remove(0)
}

fn took(part: &SpanData) -> Duration {
    part.end_time.duration_since(part.start_time).unwrap()
}

#[tokio::test]
async fn hyper_without_tls_has_a_look_up_and_a_transport() {
    let (traced, upstream) = (Traced::new(), upstream(None).await);
    let fetch = hyper(&traced.scope, &Resolver::slow(LOOK_UP), tls::client(Alpn::Http1).unwrap());
    let setup = set_up(&traced, &fetch, url(&upstream, "localhost"), &[Dns, Tcp]).await;
    assert_eq!(setup.parts[0].name, "DNS lookup localhost");
    assert_eq!(text(&setup.parts[0], attr::DNS_QUESTION_NAME), "localhost");
    assert_eq!(setup.parts[1].name, format!("socket connect {}", upstream.addr()));
    assert_eq!(text(&setup.parts[1], attr::NETWORK_PEER_ADDRESS), "127.0.0.1");
    let port = Value::I64(upstream.addr().port().into());
    assert_eq!(attribute(&setup.parts[1], attr::NETWORK_PEER_PORT), Some(&port));
}

#[tokio::test]
async fn hyper_over_tls_has_all_three() {
    for alpn in [Alpn::Http1, Alpn::Both] {
        let (traced, upstream) = (Traced::new(), upstream(Some(alpn)).await);
        let fetch = hyper(&traced.scope, &Resolver::slow(LOOK_UP), tls::client(alpn).unwrap());
        let setup = set_up(&traced, &fetch, url(&upstream, "localhost"), &[Dns, Tcp, Tls]).await;
        assert_eq!(setup.parts[2].name, "TLS client handshake localhost");
        assert_eq!(text(&setup.parts[2], attr::SERVER_ADDRESS), "localhost");
    }
}

#[tokio::test]
async fn an_address_is_not_looked_up() {
    let traced = Traced::new();
    let plain = upstream(None).await;
    let fetch = hyper(&traced.scope, &Resolver::stuck(), tls::client(Alpn::Http1).unwrap());
    set_up(&traced, &fetch, plain.url("/"), &[Tcp]).await;
    let traced = Traced::new();
    let fetch = reqwest(&traced.scope, &Resolver::stuck(), |builder| builder);
    set_up(&traced, &fetch, plain.url("/"), &[Tcp]).await;
    let (traced, tls) = (Traced::new(), upstream(Some(Alpn::Http1)).await);
    let fetch = hyper(&traced.scope, &Resolver::stuck(), tls::client(Alpn::Http1).unwrap());
    set_up(&traced, &fetch, tls.url("/"), &[Tcp, Tls]).await;
}

#[tokio::test]
async fn reqwest_has_a_look_up_and_a_transport() {
    let (traced, upstream) = (Traced::new(), upstream(None).await);
    let fetch = reqwest(&traced.scope, &Resolver::slow(LOOK_UP), |builder| builder);
    let setup = set_up(&traced, &fetch, url(&upstream, "localhost"), &[Dns, Tcp]).await;
    assert_eq!(text(&setup.parts[0], attr::DNS_QUESTION_NAME), "localhost");
}

/// 60 cold connects at once share the threads of the runtime, and some go on in the background.
async fn check_many(traced: &Traced, fetch: &Fetch, url: String) {
    const MANY: u64 = 60;
    let calls = (0..MANY).map(|_| tokio::spawn(fetch.clone().oneshot(url.clone())));
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    // All of them begin before the first name is looked up.
    let done = |pool: &PoolSnapshot| pool.opened == MANY;
    wait::until("the last connect", || async { pool(traced) }, done).await;
    let setups = traced.setups();
    assert_eq!(setups.len() as u64, MANY);
    for setup in &setups {
        check_parts(setup, &[Dns, Tcp, Tls]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_cold_connects_of_hyper_each_have_their_own_parts() {
    let (traced, upstream) = (Traced::new(), upstream(Some(Alpn::Http1)).await);
    let fetch = hyper(&traced.scope, &Resolver::slow(LOOK_UP), tls::client(Alpn::Http1).unwrap());
    check_many(&traced, &fetch, url(&upstream, "localhost")).await;
}

/// A second request begins a connect, gets the connection of the first, and its connect goes on without it.
#[tokio::test]
async fn a_connect_in_the_background_keeps_its_parts() {
    let (release, gate) = (Arc::new(tokio::sync::Semaphore::new(0)), Resolver::stuck());
    let hold = Arc::clone(&release);
    let options = Options { tls: Some(Alpn::Http1), ..Options::default() };
    let upstream = Upstream::start(options, move |_| {
        let hold = Arc::clone(&hold);
        async move {
            hold.acquire().await.unwrap().forget();
            answer(StatusCode::OK, "hello")
        }
    });
    let (traced, upstream) = (Traced::new(), upstream.await.unwrap());
    let fetch = hyper(&traced.scope, &gate, tls::client(Alpn::Http1).unwrap());
    gate.let_through(1);
    let first = tokio::spawn(fetch.clone().oneshot(url(&upstream, "localhost")));
    wait::until("the first request", || async { upstream.counts().requests() }, |count| *count == 1).await;
    let second = tokio::spawn(fetch.clone().oneshot(url(&upstream, "localhost")));
    wait::until("the second connect", || async { pool(&traced) }, |pool| pool.connecting == 1).await;
    release.add_permits(2);
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    let setups = traced.setups();
    assert_eq!(setups.len(), 1, "nobody waits for the second connect any more");
    let requests = traced.requests();
    assert_eq!(requests.len(), 2);
    for request in &requests {
        assert_eq!(request.links[0].span_context, setups[0].span.span_context, "one connection served both");
    }
    assert_eq!(text(&requests[1], attr::ACQUIRE_OUTCOME), "waited");
    assert_eq!(traced.waits().len(), 2, "each of them waited for it");
    assert_eq!(pool(&traced).outcome(AcquireOutcome::Waited), 1);
    gate.let_through(1);
    wait::until("the second connect", || async { pool(&traced) }, |pool| pool.opened == 2).await;
    let setups = traced.setups();
    assert_eq!(setups.len(), 2);
    assert_eq!(phases(&setups[1]), [Dns, Tcp, Tls]);
}

#[tokio::test]
async fn behind_a_proxy_the_look_up_and_the_transport_are_the_proxys() {
    let (traced, upstream) = (Traced::new(), upstream(Some(Alpn::Http1)).await);
    let proxy = Proxy::start().await.unwrap();
    let proxy_url = format!("http://proxy.test:{}", proxy.addr().port());
    let tunnel =
        Tunnel::new(proxy_url.parse().unwrap(), PhaseLayer::tcp().layer(http(&Resolver::slow(LOOK_UP))));
    let connector = HttpsConnector::from((tunnel, tls::client(Alpn::Http1).unwrap()));
    let fetch = hyper_over(&traced.scope.client("test"), connector);
    let setup = set_up(&traced, &fetch, upstream.url("/"), &[Dns, Tcp, Tls]).await;
    check_proxied(&setup, &upstream, &proxy);
}

/// The pool is the destination's, what was connected is the proxy.
fn check_proxied(setup: &Setup, upstream: &Upstream, proxy: &Proxy) {
    assert_eq!(proxy.tunnels(), 1);
    assert_eq!(setup.span.name, format!("HTTP connection_setup {}", upstream.addr()));
    assert_eq!(text(&setup.parts[0], attr::DNS_QUESTION_NAME), "proxy.test");
    assert_eq!(setup.parts[1].name, format!("socket connect {}", proxy.addr()));
}

// --- failures

/// What a failed connect must leave behind: the same cause on the event, the metric, the request and the set-up.
#[derive(Debug, Clone, Copy)]
struct Failing {
    phase: Option<ConnectPhase>,
    error: ErrorType,
}

fn events(scope: &Scope) -> Arc<Mutex<Vec<ConnectionFailed>>> {
    let events = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&events);
    scope.listen(move |event: &Event| {
        if let Event::ConnectionFailed(failed) = event {
            log.lock().unwrap().push(failed.clone());
        }
    });
    events
}

async fn check_failure(traced: &Traced, fetch: &Fetch, url: String, expected: Failing) {
    let events = events(&traced.scope);
    fetch.clone().oneshot(url).await.unwrap_err();
    let Failing { phase, error } = expected;

    let pool = pool(traced);
    let rows: Vec<_> =
        pool.connect_failures.iter().map(|row| (row.error_type, row.phase, row.count)).collect();
    assert_eq!(rows, [(error, phase, 1)]);
    assert_eq!((pool.connecting, pool.opened, pool.connect_abandoned), (0, 0, 0));
    assert_eq!((pool.pending(), pool.outcome(AcquireOutcome::Failed)), (0, 1));
    let events = events.lock().unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].error_type, events[0].phase), (error, phase), "{events:?}");
    let results: Vec<_> = pool.results.iter().map(|row| (row.error_type, row.duration.count())).collect();
    assert_eq!(results, [(Some(error), 1)]);

    let requests = traced.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(text(&requests[0], attr::ERROR_TYPE), error.as_str());
    assert!(requests[0].links.is_empty(), "it had no connection");
    let waits = traced.waits();
    assert_eq!(waits.len(), 1, "it waited in vain");
    assert_eq!(text(&waits[0], attr::ERROR_TYPE), error.as_str());
    assert_eq!(waits[0].parent_span_id, requests[0].span_context.span_id());
    check_failed_setup(traced, phase, error);
}

/// The set-up failed, in the part that did, which is the last.
fn check_failed_setup(traced: &Traced, phase: Option<ConnectPhase>, error: ErrorType) {
    let setups = traced.setups();
    assert_eq!(setups.len(), 1);
    let setup = &setups[0];
    assert_eq!(text(&setup.span, attr::ERROR_TYPE), error.as_str());
    assert!(matches!(setup.span.status, Status::Error { .. }));
    assert_eq!(attribute(&setup.span, attr::NETWORK_PEER_ADDRESS), None);
    assert_eq!(phases(setup).last().copied(), phase, "{setup:#?}");
    if let Some((failed, before)) = setup.parts.split_last() {
        assert_eq!(text(failed, attr::ERROR_TYPE), error.as_str());
        assert!(before.iter().all(|part| attribute(part, attr::ERROR_TYPE).is_none()), "{setup:#?}");
    }
}

/// A port that nobody listens on.
async fn refused() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap()
}

/// A server that listens, and hangs up when it is spoken to or never says a word.
async fn unfriendly(hangs_up: bool) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut silent = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            if hangs_up {
                // The whole greeting is read, so that the close is no reset.
                let _ = stream.read(&mut [0; 4096]).await;
            } else {
                silent.push(stream);
            }
        }
    });
    addr
}

#[tokio::test]
async fn a_name_that_does_not_resolve_fails_in_the_look_up() {
    let expected = Failing { phase: Some(Dns), error: ErrorType::Dns };
    let resolver = Resolver::slow(LOOK_UP);
    let url = format!("http://{UNKNOWN}/");
    let traced = Traced::new();
    let fetch = hyper(&traced.scope, &resolver, tls::client(Alpn::Http1).unwrap());
    check_failure(&traced, &fetch, url.clone(), expected).await;
    let traced = Traced::new();
    check_failure(&traced, &reqwest(&traced.scope, &resolver, |builder| builder), url, expected).await;
}

#[tokio::test]
async fn a_refused_port_fails_in_the_transport() {
    let expected = Failing { phase: Some(Tcp), error: ErrorType::Connect };
    let resolver = Resolver::slow(LOOK_UP);
    for scheme in ["http", "https"] {
        for host in ["localhost", "127.0.0.1"] {
            let url = format!("{scheme}://{host}:{}/", refused().await.port());
            let traced = Traced::new();
            let fetch = hyper(&traced.scope, &resolver, tls::client(Alpn::Http1).unwrap());
            check_failure(&traced, &fetch, url.clone(), expected).await;
            if scheme == "http" || cfg!(feature = "https") {
                let traced = Traced::new();
                let fetch = reqwest(&traced.scope, &resolver, |builder| builder);
                check_failure(&traced, &fetch, url, expected).await;
            }
        }
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_fails_in_the_handshake() {
    let expected = Failing { phase: Some(Tls), error: ErrorType::Tls };
    let (traced, upstream) = (Traced::new(), upstream(Some(Alpn::Http1)).await);
    let fetch = hyper(&traced.scope, &Resolver::slow(LOOK_UP), tls::distrustful(Alpn::Http1).unwrap());
    check_failure(&traced, &fetch, url(&upstream, "localhost"), expected).await;
}

#[tokio::test]
async fn a_server_that_hangs_up_in_the_handshake_fails_there() {
    let expected = Failing { phase: Some(Tls), error: ErrorType::Tls };
    let (traced, addr) = (Traced::new(), unfriendly(true).await);
    let fetch = hyper(&traced.scope, &Resolver::slow(LOOK_UP), tls::client(Alpn::Http1).unwrap());
    check_failure(&traced, &fetch, format!("https://localhost:{}/", addr.port()), expected).await;
}

#[tokio::test]
async fn a_connect_timeout_names_the_part_that_took_too_long() {
    let limit = Duration::from_millis(50);
    let expected = Failing { phase: Some(Dns), error: ErrorType::Timeout };
    let traced = Traced::new();
    let fetch = reqwest(&traced.scope, &Resolver::stuck(), |builder| builder.connect_timeout(limit));
    check_failure(&traced, &fetch, "http://localhost:9/".to_owned(), expected).await;
    assert!(took(&traced.setups()[0].parts[0]) >= limit / 2);
}

#[tokio::test]
async fn a_connect_that_is_given_up_is_no_failure() {
    let (traced, limit) = (Traced::new(), Duration::from_millis(30));
    let url = "http://localhost:9/".to_owned();
    let fetch = hyper(&traced.scope, &Resolver::stuck(), tls::client(Alpn::Http1).unwrap());
    let events = events(&traced.scope);
    tokio::time::timeout(limit, fetch.oneshot(url.clone())).await.unwrap_err();
    check_given_up(&traced);
    let reqwests = Traced::new();
    let fetch = reqwest(&reqwests.scope, &Resolver::stuck(), |builder| builder);
    tokio::time::timeout(limit, fetch.oneshot(url)).await.unwrap_err();
    check_given_up(&reqwests);
    assert!(events.lock().unwrap().is_empty());
}

fn check_given_up(traced: &Traced) {
    let pool = pool(traced);
    assert_eq!((pool.connecting, pool.connect_abandoned, pool.connect_failed()), (0, 1, 0));
    assert_eq!((pool.pending(), pool.outcome(AcquireOutcome::Canceled)), (0, 1));
    check_failed_setup(traced, Some(Dns), ErrorType::Canceled);
    assert_eq!(text(&traced.waits()[0], attr::ERROR_TYPE), "canceled");
}

#[cfg(feature = "https")]
mod reqwest_over_tls {
    use super::*;
    use ConnectPhase::TcpTls;

    /// A client whose handshakes are observed.
    fn with_handshakes(scope: &Scope, resolver: &Resolver, mut tls: ClientConfig) -> Fetch {
        poolscope::observe_tls(&mut tls);
        reqwest(scope, resolver, |builder| builder.tls_backend_preconfigured(tls))
    }

    #[tokio::test]
    async fn transport_and_tls_are_one_part() {
        let (traced, upstream) = (Traced::new(), upstream(Some(Alpn::Http1)).await);
        let fetch = reqwest(&traced.scope, &Resolver::slow(LOOK_UP), |builder| builder);
        set_up(&traced, &fetch, url(&upstream, "localhost"), &[Dns, TcpTls]).await;
    }

    #[tokio::test]
    async fn an_observed_handshake_is_a_part_of_its_own() {
        for alpn in [Alpn::Http1, Alpn::Both] {
            let (traced, upstream) = (Traced::new(), upstream(Some(alpn)).await);
            let resolver = Resolver::slow(LOOK_UP);
            let fetch = with_handshakes(&traced.scope, &resolver, tls::client(alpn).unwrap());
            set_up(&traced, &fetch, url(&upstream, "localhost"), &[Dns, Tcp, Tls]).await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn sixty_cold_connects_each_have_their_own_parts() {
        let (traced, upstream) = (Traced::new(), upstream(Some(Alpn::Http1)).await);
        let resolver = Resolver::slow(LOOK_UP);
        let fetch = with_handshakes(&traced.scope, &resolver, tls::client(Alpn::Http1).unwrap());
        check_many(&traced, &fetch, url(&upstream, "localhost")).await;
    }

    #[tokio::test]
    async fn behind_a_proxy_the_tunnel_is_part_of_the_transport() {
        let (traced, upstream) = (Traced::new(), upstream(Some(Alpn::Http1)).await);
        let proxy = Proxy::start().await.unwrap();
        let through = reqwest::Proxy::all(format!("http://proxy.test:{}", proxy.addr().port())).unwrap();
        let mut tls = tls::client(Alpn::Http1).unwrap();
        poolscope::observe_tls(&mut tls);
        let fetch = reqwest(&traced.scope, &Resolver::slow(LOOK_UP), |builder| {
            builder.tls_backend_preconfigured(tls).proxy(through)
        });
        let setup = set_up(&traced, &fetch, upstream.url("/"), &[Dns, Tcp, Tls]).await;
        check_proxied(&setup, &upstream, &proxy);
    }

    #[tokio::test]
    async fn what_fails_in_the_handshake_fails_in_tls() {
        let resolver = Resolver::slow(LOOK_UP);
        let upstream = upstream(Some(Alpn::Http1)).await;
        let distrusted = Failing { phase: Some(Tls), error: ErrorType::Tls };
        let traced = Traced::new();
        let fetch = with_handshakes(&traced.scope, &resolver, tls::distrustful(Alpn::Http1).unwrap());
        check_failure(&traced, &fetch, url(&upstream, "localhost"), distrusted).await;
        // The error says so itself, without handshakes that are observed.
        let traced = Traced::new();
        let fetch = reqwest(&traced.scope, &resolver, |builder| {
            builder.tls_backend_preconfigured(tls::distrustful(Alpn::Http1).unwrap())
        });
        fetch.clone().oneshot(url(&upstream, "localhost")).await.unwrap_err();
        let pool = pool(&traced);
        let rows: Vec<_> = pool.connect_failures.iter().map(|row| (row.error_type, row.phase)).collect();
        assert_eq!(rows, [(ErrorType::Tls, Some(Tls))]);
        assert_eq!(pool.results[0].error_type, Some(ErrorType::Tls));
        let hung_up = Failing { phase: Some(Tls), error: ErrorType::Tls };
        let (traced, addr) = (Traced::new(), unfriendly(true).await);
        let fetch = with_handshakes(&traced.scope, &resolver, tls::client(Alpn::Http1).unwrap());
        check_failure(&traced, &fetch, format!("https://localhost:{}/", addr.port()), hung_up).await;
    }

    #[tokio::test]
    async fn a_connect_timeout_can_be_the_handshakes() {
        let limit = Duration::from_millis(200);
        let expected = Failing { phase: Some(Tls), error: ErrorType::Timeout };
        let (traced, addr) = (Traced::new(), unfriendly(false).await);
        let mut tls = tls::client(Alpn::Http1).unwrap();
        poolscope::observe_tls(&mut tls);
        let fetch = reqwest(&traced.scope, &Resolver::slow(Duration::ZERO), |builder| {
            builder.tls_backend_preconfigured(tls).connect_timeout(limit)
        });
        check_failure(&traced, &fetch, format!("https://localhost:{}/", addr.port()), expected).await;
        let setup = traced.setups().remove(0);
        assert_eq!(phases(&setup), [Dns, Tcp, Tls]);
        assert!(took(&setup.parts[2]) > limit / 4, "the silence is the handshake's: {setup:#?}");
    }
}
