//! Timeouts of each part, over real sockets: which one fires, what it tells, and that nothing is left of the request.

use std::error::Error as StdError;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use poolscope::timeout::{Cover, Describe, Elapsed, Error, Report, TimeoutLayer};
use poolscope::{PoolSnapshot, Scope, hyper, reqwest as observed};
use poolscope_semconv::value::{AcquireOutcome, ErrorType, TimeoutOutcome};
use poolscope_tests::client::{Body, Client, Kind, Settings};
use poolscope_tests::deaf::Deaf;
use poolscope_tests::upstream::{Options, Reply, Upstream, answer, answer_without_end};
use poolscope_tests::wait;
use tower::{BoxError, Layer, Service, ServiceExt};

const LIMIT: Duration = Duration::from_millis(300);

const KINDS: [Kind; 4] = [Kind::HyperH1, Kind::HyperH2, Kind::ReqwestH1, Kind::ReqwestH2];

/// How late a timer may ring on a machine that is busy.
const BUSY: Duration = Duration::from_secs(5);

/// A server that hangs on `/hang`, stalls in the body on `/stall`, trickles for ever on `/trickle`, and answers otherwise.
async fn upstream() -> Upstream {
    let handler = |request: Request<_>| async move {
        let request: Request<::hyper::body::Incoming> = request;
        match request.uri().path() {
            "/hang" => std::future::pending::<Reply>().await,
            "/stall" => answer_without_end(Duration::from_secs(3_600)),
            "/trickle" => answer_without_end(Duration::from_millis(20)),
            _ => answer(StatusCode::OK, "answer"),
        }
    };
    Upstream::start(Options::default(), handler).await.unwrap()
}

/// A client of each kind below a timeout.
struct World {
    scope: Scope,
    client: Client,
}

impl World {
    fn new(kind: Kind) -> Self {
        let scope = Scope::new();
        let client = Client::new(&scope, kind, Settings::default()).unwrap();
        Self { scope, client }
    }

    async fn get<K>(&self, layer: &TimeoutLayer<K>, url: &str) -> Result<K::Response, K::Error>
    where
        K: Describe<Request<Bytes>> + Report<BoxError> + Cover<Response<Body>>,
    {
        let client = self.client.clone();
        let service = tower::service_fn(move |request: Request<Bytes>| {
            let client = client.clone();
            async move { client.send(request).await }
        });
        layer.layer(service).oneshot(Request::get(url).body(Bytes::new()).unwrap()).await
    }

    fn pool(&self) -> PoolSnapshot {
        self.scope.snapshot().pools.remove(0)
    }

    /// Waits until nothing is on its way any more, which every end must lead to.
    async fn settled(&self) -> PoolSnapshot {
        let is_over = |pool: &PoolSnapshot| {
            (pool.pending(), pool.in_flight(), pool.connecting, pool.streams, pool.counts().active)
                == (0, 0, 0, 0, 0)
        };
        wait::until("the pool to be at rest", async || self.pool(), is_over).await
    }

    /// Calls of a named timeout that ended in time, that fired and that were canceled.
    fn calls(&self, name: &str) -> [u64; 3] {
        let timeouts = self.scope.snapshot().timeouts;
        let timeout = timeouts.iter().find(|timeout| timeout.name == name).unwrap();
        assert_eq!(timeout.calls.len(), TimeoutOutcome::ALL.len());
        [timeout.calls[0].1, timeout.calls[1].1, timeout.calls[2].1]
    }
}

/// What has fired.
fn elapsed<T, E: std::fmt::Debug>(result: Result<T, Error<E>>) -> Elapsed {
    match result.map(drop) {
        Err(Error::Elapsed(elapsed)) => {
            assert!((elapsed.limit..elapsed.limit + BUSY).contains(&elapsed.elapsed), "{elapsed:?}");
            elapsed
        }
        other => panic!("nothing has fired: {other:?}"),
    }
}

/// The counts of a pool that an error tells: open, active, connecting, waiting.
fn told(elapsed: &Elapsed) -> (u64, u64, u64, u64) {
    let pool = elapsed.pool.as_ref().unwrap();
    (pool.open, pool.active, pool.connecting, pool.waiting)
}

#[tokio::test]
async fn a_connect_that_hangs_fires_the_acquire_and_not_the_headers() {
    for kind in KINDS {
        let (world, server) = (World::new(kind), Deaf::full().await.unwrap());
        let addr = server.addr().unwrap();
        let acquire = TimeoutLayer::acquire(&world.scope, LIMIT).unwrap();
        let fired = elapsed(world.get(&acquire, &format!("http://{addr}/")).await);
        assert_eq!((&*fired.name, told(&fired)), ("acquire", (0, 0, 1, 1)), "{kind:?}: {fired}");
        assert!(
            fired.to_string().ends_with(&format!(
                "(http://{addr}; pool \"test\": 0 connections open, 0 active, 0 idle, 1 connecting, 1 request waiting)"
            )),
            "{fired}"
        );
        let pool = world.settled().await;
        assert_eq!((pool.outcome(AcquireOutcome::Canceled), pool.acquired), (1, 0), "{kind:?}");
        assert_eq!(pool.results[0].error_type, Some(ErrorType::Timeout));

        // Where no request has a connection, the time of its headers has not begun.
        let headers = TimeoutLayer::headers(&world.scope, LIMIT / 3).unwrap();
        let url = format!("http://{addr}/");
        let call = tokio::time::timeout(LIMIT, world.get(&headers, &url)).await;
        assert!(call.is_err(), "{kind:?}");
        assert_eq!((world.calls("acquire"), world.calls("headers")), ([0, 1, 0], [0, 0, 1]));
        world.settled().await;
    }
}

#[tokio::test]
async fn a_server_that_hangs_fires_the_headers_and_not_the_acquire() {
    for kind in KINDS {
        let (world, server) = (World::new(kind), upstream().await);
        let acquire = TimeoutLayer::acquire(&world.scope, LIMIT / 2).unwrap();
        let headers = TimeoutLayer::headers(&world.scope, LIMIT).unwrap();
        let client = world.client.clone();
        let service = acquire.layer(headers.layer(tower::service_fn(move |request| {
            let client = client.clone();
            async move { client.send(request).await }
        })));
        // The second time there is an idle connection, or a shared one.
        for path in ["/", "/hang"] {
            let request = Request::get(server.url(path)).body(Bytes::new()).unwrap();
            let result = service.clone().oneshot(request).await;
            if path == "/" {
                let body = result.unwrap().into_body();
                assert_eq!(body.collect().await.unwrap().to_bytes(), "answer");
                world.settled().await;
                continue;
            }
            let Err(Error::Inner(result)) = result else { panic!("{kind:?}: {result:?}") };
            let fired = elapsed::<(), _>(Err(result));
            assert_eq!((&*fired.name, told(&fired)), ("headers", (1, 1, 0, 0)), "{kind:?}: {fired}");
        }
        assert_eq!((world.calls("acquire"), world.calls("headers")), ([2, 0, 0], [1, 1, 0]), "{kind:?}");
        let pool = world.settled().await;
        assert_eq!((pool.acquired, pool.released), (2, 2));
        assert_eq!(server.counts().requests(), 2, "{kind:?}");
        wait::until(
            "the server and the pool to agree",
            async || (server.counts().open(), world.pool().counts().open()),
            |(server, pool)| server == pool,
        )
        .await;
    }
}

#[tokio::test]
async fn a_body_that_stalls_fires_the_read_and_one_that_trickles_the_whole_call() {
    for kind in KINDS {
        let (world, server) = (World::new(kind), upstream().await);
        let read = TimeoutLayer::read(&world.scope, LIMIT).unwrap();
        let call = TimeoutLayer::builder(&world.scope, "call").limit(LIMIT).to_body_end().build().unwrap();
        for (layer, name, path) in [(&read, "read", "/stall"), (&call, "call", "/trickle")] {
            let start = Instant::now();
            let body = world.get(layer, &server.url(path)).await.unwrap().into_body();
            let fired = elapsed(body.collect().await);
            assert!(start.elapsed() >= LIMIT);
            assert_eq!((&*fired.name, told(&fired)), (name, (1, 1, 0, 0)), "{kind:?}: {fired}");
            assert_eq!(fired.destination, Some(format!("http://{}", server.addr())));
            assert_eq!(world.calls(name), [0, 1, 0]);
            world.settled().await;
            if !kind.is_http2() {
                wait::until("the connection to close", async || server.counts().open(), |open| *open == 0)
                    .await;
                wait::until("the pool to see it", async || world.pool().counts().open(), |open| *open == 0)
                    .await;
            }
        }
        // What does not stall is not limited in total.
        let mut body = world.get(&read, &server.url("/trickle")).await.unwrap().into_body();
        let start = Instant::now();
        while start.elapsed() < LIMIT * 2 {
            body.frame().await.unwrap().unwrap();
        }
        drop(body);
        let body = world.get(&call, &server.url("/")).await.unwrap().into_body();
        assert_eq!(body.collect().await.unwrap().to_bytes(), "answer");
        assert_eq!((world.calls("read"), world.calls("call")), ([0, 1, 1], [1, 1, 0]), "{kind:?}");
        world.settled().await;
        assert_eq!(server.counts().requests(), 4);
    }
}

/// The first cause of an error that is a timeout of ours.
fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Elapsed> {
    let mut next = Some(error);
    std::iter::from_fn(|| {
        let error = next?;
        next = error.source();
        Some(error)
    })
    .find_map(|error| error.downcast_ref())
}

#[tokio::test]
async fn a_body_of_reqwest_fails_with_the_timeout_as_its_cause() {
    let (scope, server) = (Scope::new(), upstream().await);
    let client = scope.client("orders");
    let builder = reqwest::Client::builder().no_proxy().connector_layer(observed::ConnectLayer::new(&client));
    #[cfg(feature = "https")]
    let builder = builder
        .tls_backend_preconfigured(poolscope_tests::tls::client(poolscope_tests::tls::Alpn::Http1).unwrap());
    let service = observed::RequestLayer::new(&client).layer(builder.build().unwrap());
    let mut service = TimeoutLayer::read(&scope, LIMIT).unwrap().layer(service);
    let mut get = async |path| {
        let request = reqwest::Request::new(http::Method::GET, server.url(path).parse().unwrap());
        service.ready().await.unwrap().call(request).await.unwrap()
    };
    let mut stalled: reqwest::Response = get("/stall").await;
    assert_eq!(stalled.chunk().await.unwrap().unwrap().len(), 1024);
    let error = stalled.chunk().await.unwrap_err();
    let fired = cause(&error).unwrap();
    assert_eq!((&*fired.name, told(fired)), ("read", (1, 1, 0, 0)), "{fired}");
    assert_eq!(get("/").await.text().await.unwrap(), "answer");
    let pool = || scope.snapshot().pools.remove(0);
    let at_rest = |pool: &PoolSnapshot| (pool.in_flight(), pool.counts().active) == (0, 0);
    let pool = wait::until("the pool to be at rest", async || pool(), at_rest).await;
    assert_eq!((pool.acquired, server.counts().requests()), (2, 2));
}

#[tokio::test]
async fn a_connect_timeout_tells_the_pool_inside_and_outside_of_the_connect_layer() {
    let server = Deaf::full().await.unwrap();
    let url = format!("http://{}/", server.addr().unwrap());
    for is_inside in [true, false] {
        let scope = Scope::new();
        let events = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let heard = std::sync::Arc::clone(&events);
        scope.listen(move |event: &poolscope::Event| {
            if let poolscope::Event::TimeoutFired(fired) = event {
                heard.lock().unwrap().push(fired.clone());
            }
        });
        let client = scope.client("orders");
        let timeout = TimeoutLayer::for_connector(&scope, "connect", LIMIT).unwrap();
        let builder = reqwest::Client::builder().no_proxy();
        let connect = observed::ConnectLayer::new(&client);
        let builder = if is_inside {
            builder.connector_layer(timeout).connector_layer(connect)
        } else {
            builder.connector_layer(connect).connector_layer(timeout)
        };
        #[cfg(feature = "https")]
        let builder = builder.tls_backend_preconfigured(
            poolscope_tests::tls::client(poolscope_tests::tls::Alpn::Http1).unwrap(),
        );
        let mut service = observed::RequestLayer::new(&client).layer(builder.build().unwrap());
        let request = reqwest::Request::new(http::Method::GET, url.parse().unwrap());
        let error = service.ready().await.unwrap().call(request).await.unwrap_err();
        let fired = cause(&error).unwrap();
        assert_eq!((&*fired.name, told(fired)), ("connect", (0, 0, 1, 1)), "{fired}, inside: {is_inside}");
        assert_eq!(fired.destination, Some(url.trim_end_matches('/').to_owned()));
        assert_eq!(*events.lock().unwrap(), std::slice::from_ref(fired));
        let pool = || scope.snapshot().pools.remove(0);
        let at_rest = |pool: &PoolSnapshot| (pool.pending(), pool.connecting) == (0, 0);
        let pool = wait::until("the pool to be at rest", async || pool(), at_rest).await;
        assert_eq!(pool.outcome(AcquireOutcome::Failed), 1);
    }
}

#[tokio::test]
async fn a_connect_timeout_fits_below_hypers_client() {
    let server = Deaf::full().await.unwrap();
    let scope = Scope::new();
    let client = scope.client("orders");
    let connector = hyper::ConnectLayer::new(&client).layer(
        TimeoutLayer::for_connector(&scope, "connect", LIMIT)
            .unwrap()
            .layer(hyper_util::client::legacy::connect::HttpConnector::new()),
    );
    let inner =
        hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build(connector);
    let service = hyper::RequestLayer::new(&client).layer(inner);
    let uri = format!("http://{}/", server.addr().unwrap());
    let request = Request::get(&uri).body(http_body_util::Empty::<Bytes>::new()).unwrap();
    let error = service.oneshot(request).await.map(drop).unwrap_err();
    assert_eq!(told(cause(&error).unwrap()), (0, 0, 1, 1));
    let pool = scope.snapshot().pools.remove(0);
    assert_eq!((pool.pending(), pool.connecting, pool.outcome(AcquireOutcome::Failed)), (0, 0, 1));
}
