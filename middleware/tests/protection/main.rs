//! The protection layers stacked over the request layers of hyper and reqwest, against a real server.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

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
use poolscope::breaker::{self, BreakerLayer};
use poolscope::retry::{RetryLayer, RetryPolicy};
use poolscope::timeout::{self, TimeoutLayer};
use poolscope::{Scope, hyper, reqwest as observed};
use poolscope_semconv::value::{BreakerOutcome, RetryOutcome, TimeoutOutcome};
use tokio::net::TcpListener;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

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

/// The layers in the order of the crate's documentation.
macro_rules! protect {
    ($scope:expr, $client:expr) => {
        ServiceBuilder::new()
            .layer(TimeoutLayer::new(&$scope, "call", 5 * SECOND).unwrap())
            .layer(RetryLayer::new(
                RetryPolicy::builder(&$scope, "retry").base_delay(Duration::from_millis(1)).build().unwrap(),
            ))
            .layer(BreakerLayer::builder(&$scope).window(10).minimum_calls(8).build().unwrap())
            .layer(TimeoutLayer::new(&$scope, "attempt", SECOND / 5).unwrap())
            .service($client)
    };
}

fn hyper_client(
    scope: &Scope,
) -> hyper::RequestService<Client<hyper::Connect<HttpConnector>, hyper::RequestBody<Full<Bytes>>>> {
    let client = scope.client("hyper");
    let connector = hyper::ConnectLayer::new(&client).layer(HttpConnector::new());
    hyper::RequestLayer::new(&client).layer(Client::builder(TokioExecutor::new()).build(connector))
}

fn reqwest_client(scope: &Scope) -> observed::RequestService<reqwest::Client> {
    let client = scope.client("reqwest");
    let connect = TimeoutLayer::for_connector(scope, "connect", SECOND).unwrap();
    let builder = reqwest::Client::builder()
        .no_proxy()
        .connector_layer(connect)
        .connector_layer(observed::ConnectLayer::new(&client));
    observed::RequestLayer::new(&client).layer(builder.build().unwrap())
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
}

/// The errors of the stack, from the outside in.
type Failure<E> = timeout::Error<breaker::Error<timeout::Error<E>>>;

fn is_attempt_timeout<E>(error: &Failure<E>) -> bool {
    let timeout::Error::Inner(breaker::Error::Inner(timeout::Error::Elapsed(elapsed))) = error else {
        return false;
    };
    &*elapsed.name == "attempt"
}

fn is_rejection<E>(error: &Failure<E>) -> bool {
    matches!(error, timeout::Error::Inner(breaker::Error::Open(_)))
}

#[tokio::test]
async fn all_layers_fit_over_hypers_client() {
    let (scope, address) = (Scope::new(), serve().await);
    let mut client = protect!(scope, hyper_client(&scope));
    let get = |path: &str| {
        http::Request::get(format!("http://{address}{path}")).body(Full::<Bytes>::default()).unwrap()
    };
    let response = client.ready().await.unwrap().call(get("/flaky")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    response.into_body().collect().await.unwrap();
    let error = client.ready().await.unwrap().call(get("/hang")).await.unwrap_err();
    assert!(is_attempt_timeout(&error), "{error}");
    let error = client.ready().await.unwrap().call(get("/down")).await.unwrap_err();
    assert!(is_rejection(&error), "{error}");
    check(&scope, "hyper", address);
}

#[tokio::test]
async fn all_layers_fit_over_reqwests_client() {
    let (scope, address) = (Scope::new(), serve().await);
    let mut client = protect!(scope, reqwest_client(&scope));
    let get = |path: &str| {
        reqwest::Request::new(reqwest::Method::GET, format!("http://{address}{path}").parse().unwrap())
    };
    let response = client.ready().await.unwrap().call(get("/flaky")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    response.bytes().await.unwrap();
    let error = client.ready().await.unwrap().call(get("/hang")).await.unwrap_err();
    assert!(is_attempt_timeout(&error), "{error}");
    let error = client.ready().await.unwrap().call(get("/down")).await.unwrap_err();
    assert!(is_rejection(&error), "{error}");
    check(&scope, "reqwest", address);
}

#[tokio::test]
async fn a_refused_connect_is_tried_again_over_both_clients() {
    let refused = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let url = format!("http://{refused}/");
    let scope = Scope::new();
    let mut hyper = protect!(scope, hyper_client(&scope));
    let request = http::Request::get(&url).body(Full::<Bytes>::default()).unwrap();
    assert!(hyper.ready().await.unwrap().call(request).await.is_err());
    let mut reqwest = protect!(scope, reqwest_client(&scope));
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
        S::Error: std::error::Error + Send + Sync + 'static,
    {
        drop(service);
    }
    let scope = Scope::new();
    check(protect!(scope, hyper_client(&scope)));
}
