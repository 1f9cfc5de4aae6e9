//! Requests with a method that no convention knows, with a template of their path, and with more results than are told apart.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use poolscope::{Scope, UrlTemplate};
use poolscope_tests::client::{Client, Kind, Settings};
use poolscope_tests::upstream::{Options, Upstream, answer};

use super::World;

/// More statuses than a pool has rows for.
const STATUSES: std::ops::Range<u16> = 200..300;

pub(super) async fn run(world: &World) {
    let scope = Scope::new();
    let telemetry = world.export(&scope);
    let handler = |request: Request<_>| async move {
        let status = request.uri().path().trim_start_matches('/').parse().unwrap_or(200);
        answer(StatusCode::from_u16(status).unwrap(), "")
    };
    let upstream = Upstream::start(Options::default(), handler).await.unwrap();
    let client = Client::new(&scope, Kind::HyperH1, Settings::default()).unwrap();

    let brew = Method::from_bytes(b"BREW").unwrap();
    let request = Request::builder().method(brew).uri(upstream.url("/pot")).body(Bytes::new()).unwrap();
    client.send(request).await.unwrap();
    let template = UrlTemplate::new("/orders/{id}");
    let request = Request::get(upstream.url("/orders/17")).extension(template).body(Bytes::new()).unwrap();
    client.send(request).await.unwrap();
    for status in STATUSES {
        client.read(&upstream.url(&format!("/{status}"))).await.unwrap();
    }
    world.end(telemetry).await;
}
