//! The protection layers stacked over the request layers of hyper and reqwest, against a real server.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::any;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use poolscope::breaker::BreakerLayer;
use poolscope::limit::LimitLayer;
use poolscope::retry::RetryPolicy;
use poolscope::timeout::TimeoutLayer;
use poolscope::{LimitOutcome, Scope, Stack, Stopped};
use poolscope_semconv::value::{BreakerOutcome, RetryOutcome, TimeoutOutcome};
use tokio::net::TcpListener;
use tower::{Service, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);

/// A server that fails twice before it succeeds on `/flaky`, always fails on `/down` and never answers on `/hang`.
async fn serve() -> SocketAddr {
    let failures = Arc::new(AtomicU32::new(2));
    let flaky = move || async move {
        let left = failures.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
        if left.is_ok() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
    };
    let router = Router::new()
        .route("/flaky", any(flaky))
        .route("/down", any(|| async { StatusCode::BAD_GATEWAY }))
        .route("/hang", any(std::future::pending::<StatusCode>));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Everything that a stack can have.
macro_rules! stack {
    ($scope:expr, $client:expr) => {
        Stack::new(&$client)
            .attempt(TimeoutLayer::new(&$scope, "attempt", SECOND / 5).unwrap())
            .limit(LimitLayer::builder(&$client).per_destination(20).total(40).build().unwrap())
            .breaker(BreakerLayer::builder(&$scope).window(10).minimum_calls(8).build().unwrap())
            .retry(
                RetryPolicy::builder(&$scope, "retry").base_delay(Duration::from_millis(1)).build().unwrap(),
            )
            .call_timeout(TimeoutLayer::new(&$scope, "call", 5 * SECOND).unwrap())
            .shutdown()
    };
}

macro_rules! hyper_client {
    ($scope:expr) => {
        stack!($scope, $scope.client("hyper"))
            .hyper::<_, Full<Bytes>>(&Client::builder(TokioExecutor::new()), HttpConnector::new())
    };
}

macro_rules! reqwest_client {
    ($scope:expr) => {{
        let connect = TimeoutLayer::for_connector(&$scope, "connect", SECOND).unwrap();
        let builder = reqwest::Client::builder().no_proxy().connector_layer(connect);
        stack!($scope, $scope.client("reqwest")).reqwest(builder).unwrap()
    }};
}

/// Checks what all layers counted after one flaky call, one that hangs, and calls to a server that is down until the
/// breaker opens.
fn check(scope: &Scope, client: &str, address: SocketAddr) {
    let snapshot = scope.snapshot();
    let breaker = &snapshot.breakers[0];
    assert_eq!(breaker.name, format!("http://{address}"));
    let of = |outcome| breaker.calls.iter().find(|(known, _)| *known == outcome).unwrap().1;
    // Flaky: 503, 503, 200. Hang: three timeouts. Down: two 502, and the rejection of the third attempt.
    assert_eq!(of(BreakerOutcome::Failure), 7);
    assert_eq!((of(BreakerOutcome::Success), of(BreakerOutcome::Rejected)), (1, 1));
    let retried: Vec<_> = snapshot.retries[0].calls.iter().copied().filter(|row| row.1 > 0).collect();
    assert_eq!(retried, [(RetryOutcome::AfterRetry, 1), (RetryOutcome::Exhausted, 2)]);
    let timeout = |name| {
        let timeout = snapshot.timeouts.iter().find(|timeout| timeout.name == name).unwrap();
        let of = |outcome| timeout.calls.iter().find(|(known, _)| *known == outcome).unwrap().1;
        (of(TimeoutOutcome::InTime), of(TimeoutOutcome::Fired), of(TimeoutOutcome::Canceled))
    };
    assert_eq!((timeout("call"), timeout("attempt")), ((3, 0, 0), (5, 3, 0)));
    let pool = snapshot.pool(client, "127.0.0.1", address.port()).unwrap();
    assert_eq!((pool.acquires_started, pool.pending(), pool.in_flight()), (8, 0, 0));
    let limit = pool.limit.as_ref().unwrap();
    assert_eq!(
        (limit.outcome(LimitOutcome::AtOnce), limit.in_use),
        (8, 0),
        "what the breaker rejects asks no limit"
    );
    assert_eq!((snapshot.limits[0].max, snapshot.limits[0].in_use), (40, 0));
}

fn is_attempt_timeout(error: &(dyn Error + 'static)) -> bool {
    matches!(Stopped::find(error), Some(Stopped::Timeout(elapsed)) if &*elapsed.name == "attempt")
}

fn is_rejection(error: &(dyn Error + 'static)) -> bool {
    matches!(Stopped::find(error), Some(Stopped::Breaker(_)))
}

#[tokio::test]
async fn all_layers_fit_over_hypers_client() {
    let (scope, address) = (Scope::new(), serve().await);
    let mut client = hyper_client!(scope);
    let get_from = |address: SocketAddr, path: &str| {
        http::Request::get(format!("http://{address}{path}")).body(Full::<Bytes>::default()).unwrap()
    };
    let get = |path| get_from(address, path);
    let response = client.ready().await.unwrap().call(get("/flaky")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    response.into_body().collect().await.unwrap();
    let error = client.ready().await.unwrap().call(get("/hang")).await.unwrap_err();
    assert!(is_attempt_timeout(&error), "{error}");
    let error = client.ready().await.unwrap().call(get("/down")).await.unwrap_err();
    assert!(is_rejection(&error), "{error}");
    check(&scope, "hyper", address);
    // The breaker of the other server is open.
    ends_with_its_scope(&scope, client.call(get_from(serve().await, "/hang"))).await;
}

#[tokio::test]
async fn all_layers_fit_over_reqwests_client() {
    let (scope, address) = (Scope::new(), serve().await);
    let mut client = reqwest_client!(scope);
    let get_from = |address: SocketAddr, path: &str| {
        reqwest::Request::new(reqwest::Method::GET, format!("http://{address}{path}").parse().unwrap())
    };
    let get = |path| get_from(address, path);
    let response = client.ready().await.unwrap().call(get("/flaky")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    response.bytes().await.unwrap();
    let error = client.ready().await.unwrap().call(get("/hang")).await.unwrap_err();
    assert!(is_attempt_timeout(&error), "{error}");
    let error = client.ready().await.unwrap().call(get("/down")).await.unwrap_err();
    assert!(is_rejection(&error), "{error}");
    check(&scope, "reqwest", address);
    // The breaker of the other server is open.
    ends_with_its_scope(&scope, client.call(get_from(serve().await, "/hang"))).await;
}

/// A call that hangs is cut.
async fn ends_with_its_scope<T, E: Error + 'static>(scope: &Scope, call: impl Future<Output = Result<T, E>>) {
    let ((), report) = tokio::join!(
        async {
            let error = call.await.err().unwrap();
            assert!(matches!(Stopped::find(&error), Some(Stopped::Cut(_))), "{error}");
        },
        scope.shutdown(Duration::from_millis(50))
    );
    assert_eq!((report.began_with, report.cut, report.left), (1, 1, 0), "{report}");
    let pools = scope.snapshot().pools;
    assert!(pools.iter().all(|pool| (pool.pending(), pool.in_flight()) == (0, 0)));
}

#[tokio::test]
async fn a_refused_connect_is_tried_again_over_both_clients() {
    let refused = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let url = format!("http://{refused}/");
    let scope = Scope::new();
    let mut hyper = hyper_client!(scope);
    let request = http::Request::get(&url).body(Full::<Bytes>::default()).unwrap();
    assert!(hyper.ready().await.unwrap().call(request).await.is_err());
    let mut reqwest = reqwest_client!(scope);
    let request = reqwest::Request::new(reqwest::Method::GET, url.parse().unwrap());
    assert!(reqwest.ready().await.unwrap().call(request).await.is_err());
    let retries = &scope.snapshot().retries[0];
    assert_eq!(retries.attempts, [("connect".to_owned(), 4)]);
}

#[test]
fn services_and_futures_can_be_sent_and_shared() {
    fn check<S>(service: S)
    where
        S: Service<http::Request<Full<Bytes>>> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        S::Error: Error + Send + Sync + 'static,
    {
        drop(service);
    }
    let scope = Scope::new();
    check(hyper_client!(scope));
}
