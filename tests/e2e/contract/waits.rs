//! Requests that wait for a connection, for every reason that a pool can tell.

use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use poolscope::limit::LimitLayer;
use poolscope::{Scope, hyper};
use poolscope_tests::client::{Client, Kind, NAME, Settings};
use poolscope_tests::deaf::Deaf;
use poolscope_tests::upstream::{Options, Upstream, answer, answer_without_end};
use tower::{BoxError, Layer, ServiceExt, service_fn};

use super::{World, nobody};

/// Long enough for an event to tell the pool as it is.
const LOOKED_AT: Duration = Duration::from_millis(400);

const LEAK_THRESHOLD: Duration = Duration::from_millis(200);

pub(super) async fn run(world: &World) {
    let scope = Scope::builder().leak_threshold(Some(LEAK_THRESHOLD)).build();
    let telemetry = world.export(&scope);
    tokio::join!(
        for_nothing_that_is_seen(&scope),
        for_connects_that_fail(&scope),
        for_a_connect(&scope),
        for_those_who_hold_it(&scope),
        for_a_limit(&scope)
    );
    world.end(telemetry).await;
}

/// A request of the same client that asks and never gets a connection.
async fn wait_in_vain(scope: &Scope, url: &str) {
    let inner = service_fn(|_| pending::<Result<Response<Full<Bytes>>, std::io::Error>>());
    let service = hyper::RequestLayer::new(&scope.client(NAME)).layer(inner);
    let request = Request::get(url).body(Full::<Bytes>::default()).unwrap();
    assert!(tokio::time::timeout(LOOKED_AT, service.oneshot(request)).await.is_err());
}

async fn for_nothing_that_is_seen(scope: &Scope) {
    wait_in_vain(scope, "http://nothing.test/").await;
}

async fn for_connects_that_fail(scope: &Scope) {
    let client = Client::new(scope, Kind::HyperH1, Settings::default()).unwrap();
    let url = format!("http://{}/", nobody().await);
    assert!(client.get(&url).await.is_err());
    wait_in_vain(scope, &url).await;
}

async fn for_a_connect(scope: &Scope) {
    let deaf = Deaf::silent().await.unwrap();
    let client = Client::new(scope, Kind::HyperTlsH1, Settings::default()).unwrap();
    let url = format!("https://{}/", deaf.addr().unwrap());
    assert!(tokio::time::timeout(LOOKED_AT, client.get(&url)).await.is_err());
}

async fn for_those_who_hold_it(scope: &Scope) {
    let upstream = endless().await;
    let client = Client::new(scope, Kind::HyperH1, Settings::default()).unwrap();
    let held = client.get(&upstream.url("/")).await.unwrap();
    // Before and after it is a leak.
    wait_in_vain(scope, &upstream.url("/")).await;
    wait_in_vain(scope, &upstream.url("/")).await;
    drop(held);
}

async fn for_a_limit(scope: &Scope) {
    let upstream = endless().await;
    let limit = LimitLayer::builder(&scope.client(NAME)).per_destination(1).max_queued(1).build().unwrap();
    let client = Client::limited(scope, Kind::HyperH1, Settings::default(), &limit).unwrap();
    let held = client.get(&upstream.url("/")).await.unwrap();
    let url = upstream.url("/");
    let waits = async { assert!(tokio::time::timeout(LOOKED_AT, client.get(&url)).await.is_err()) };
    let is_refused = async {
        tokio::time::sleep(LOOKED_AT / 2).await;
        let refused: Result<_, BoxError> = client.get(&url).await;
        assert!(refused.is_err(), "one waits already, and no more may");
    };
    tokio::join!(waits, is_refused);
    let (served, ()) = tokio::join!(client.get(&url), async {
        tokio::time::sleep(LOOKED_AT / 4).await;
        drop(held);
    });
    served.unwrap();
}

/// A server whose answers end with their connections.
async fn endless() -> Upstream {
    let handler = |request: Request<_>| async move {
        match request.uri().path() {
            "/" => answer_without_end(Duration::from_millis(10)),
            _ => answer(StatusCode::NOT_FOUND, ""),
        }
    };
    Upstream::start(Options::default(), handler).await.unwrap()
}
