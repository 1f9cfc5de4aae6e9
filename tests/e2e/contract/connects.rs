//! Connects over TLS, with and without parts that can be told apart, and connects that fail in each of them.

use std::net::Ipv6Addr;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use poolscope::{PhaseLayer, PoolSnapshot, Scope, hyper};
use poolscope_tests::client::{Client, Kind, Settings};
use poolscope_tests::resolver::{Resolver, UNKNOWN};
use poolscope_tests::tls::{self, Alpn};
use poolscope_tests::upstream::{Options, Upstream, answer};
use poolscope_tests::wait;
use tokio::net::TcpListener;
use tower::{BoxError, Layer, ServiceExt};

use super::{World, hyper_client, nobody};

pub(super) async fn run(world: &World) {
    let scope = Scope::new();
    let telemetry = world.export(&scope);
    let tls = Options { tls: Some(Alpn::Http1), ..Options::default() };
    let secure = Upstream::start(tls, |_| async { answer(StatusCode::OK, "hello") }).await.unwrap();
    let plain = Upstream::start(Options::default(), |_| async { answer(StatusCode::OK, "hello") });
    let plain = plain.await.unwrap();

    let together = Client::new(&scope, Kind::HyperTlsH1, Settings::default()).unwrap();
    together.read(&secure.url("/")).await.unwrap();
    fetch_in_parts(&scope, secure.url("/")).await.unwrap();
    let not_tls = plain.url("/").replace("http:", "https:");
    fetch_in_parts(&scope, not_tls).await.unwrap_err();
    fetch_in_parts(&scope, format!("http://{}/", nobody().await)).await.unwrap_err();
    let unknown = Request::get(format!("http://{UNKNOWN}/")).body(Full::default()).unwrap();
    assert!(hyper_client(&scope.client("names")).oneshot(unknown).await.is_err());
    by_ipv6(&scope).await;
    in_vain(&scope, plain.addr().port()).await;
    world.end(telemetry).await;
}

/// A connection to the other kind of address, where this machine has one.
async fn by_ipv6(scope: &Scope) {
    let Ok(listener) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await else { return };
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let request = Request::get(url).body(Full::default()).unwrap();
    let accepted = async { drop(listener.accept().await.unwrap()) };
    let (ended, ()) = tokio::join!(hyper_client(&scope.client("six")).oneshot(request), accepted);
    assert!(ended.is_err(), "the server hangs up");
}

/// A connection that is there too late: the request that it was made for took one that came back before.
async fn in_vain(scope: &Scope, port: u16) {
    let (client, resolver) = (scope.client("vain"), Resolver::stuck());
    let http = HttpConnector::new_with_resolver(resolver.clone());
    let connector = hyper::ConnectLayer::new(&client).layer(http);
    let inner = legacy::Client::builder(TokioExecutor::new()).build(connector);
    let service = hyper::RequestLayer::new(&client).layer(inner);
    let get = || async {
        let request =
            Request::get(format!("http://vain.test:{port}/")).body(Full::<Bytes>::default()).unwrap();
        service.clone().oneshot(request).await.unwrap().into_body().collect().await.unwrap();
    };
    resolver.let_through(1);
    get().await;
    tokio::join!(get(), get());
    // One for each of the two: the first connection may not have been back when they began. One that is still being made
    // would keep the client's pool.
    resolver.let_through(2);
    let pool = || async { scope.snapshot().pool("vain", "vain.test", port).cloned() };
    let is_made = |pool: &PoolSnapshot| pool.opened >= 2 && pool.connecting == 0;
    wait::until("a second connection", pool, |pool| pool.as_ref().is_some_and(is_made)).await;
    drop(service);
    wait::until("its close", pool, |pool| pool.as_ref().is_some_and(|pool| pool.wasted >= 1)).await;
}

/// Fetches a URL by a client that sees where the transport ends and TLS begins.
async fn fetch_in_parts(scope: &Scope, url: String) -> Result<(), BoxError> {
    let client = scope.client("parts");
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    let http = PhaseLayer::tcp().layer(http);
    let connector = HttpsConnector::from((http, tls::client(Alpn::Http1)?));
    let connector = hyper::ConnectLayer::new(&client).layer(connector);
    let inner = legacy::Client::builder(TokioExecutor::new()).build(connector);
    let service = hyper::RequestLayer::new(&client).layer(inner);
    let response = service.oneshot(Request::get(url).body(Full::<Bytes>::default())?).await?;
    response.into_body().collect().await?;
    Ok(())
}
