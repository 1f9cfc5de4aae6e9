//! What the layers promise beyond the counts: results that say why, responses that stay what they were.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use poolscope::timeout::TimeoutLayer;
use poolscope::{Scope, hyper, reqwest as observed};
use poolscope_semconv::value::ErrorType;
use poolscope_tests::client::NAME;
use poolscope_tests::upstream::{Options, Upstream, answer_with};
use reqwest::Method;
use tower::{Layer, Service, ServiceBuilder};

use super::{ok, slow};

#[tokio::test]
async fn a_request_that_a_timeout_drops_has_failed_by_a_timeout() {
    let upstream = Upstream::start(Options::default(), slow).await.unwrap();
    let scope = Scope::new();
    let client = scope.client(NAME);
    let connector = hyper::ConnectLayer::new(&client).layer(HttpConnector::new());
    let mut stack = ServiceBuilder::new()
        .layer(TimeoutLayer::new(&scope, "attempt", Duration::from_millis(50)).unwrap())
        .layer(hyper::RequestLayer::new(&client))
        .service(legacy::Client::builder(TokioExecutor::new()).build(connector));
    let request = Request::get(upstream.url("/")).body(Empty::<Bytes>::new()).unwrap();
    stack.call(request).await.unwrap_err();
    assert_eq!(scope.snapshot().pools[0].results[0].error_type, Some(ErrorType::Timeout));
}

#[tokio::test]
async fn a_reqwest_response_stays_what_it_was() {
    let with_header = |_| async { answer_with(StatusCode::OK, "hello", "x-it", "is") };
    let upstream = Upstream::start(Options::default(), with_header).await.unwrap();
    let client = Scope::new().client(NAME);
    let connect = observed::ConnectLayer::new(&client);
    let reqwest = reqwest::Client::builder().connector_layer(connect).build().unwrap();
    let mut stack = observed::RequestLayer::new(&client).layer(reqwest);
    let response = stack.call(get(&upstream, "/path?q=1")).await.unwrap();
    assert_eq!(response.url().as_str(), upstream.url("/path?q=1"));
    assert_eq!(response.remote_addr(), Some(upstream.addr()));
    assert_eq!((response.content_length(), &response.headers()["x-it"]), (Some(5), &"is".parse().unwrap()));
    assert_eq!(response.text().await.unwrap(), "hello");
}

#[tokio::test]
async fn the_request_layer_of_reqwest_alone_finds_the_connections_it_is_answered_on() {
    let upstream = Upstream::start(Options::default(), ok).await.unwrap();
    let scope = Scope::new();
    let mut stack = observed::RequestLayer::new(&scope.client(NAME)).layer(reqwest::Client::new());
    for _ in 0..3 {
        stack.call(get(&upstream, "/")).await.unwrap().bytes().await.unwrap();
    }
    let pool = scope.snapshot().pools.remove(0);
    assert_eq!((pool.opened, pool.open[0].requests, pool.in_flight()), (1, 3, 0));
}

fn get(upstream: &Upstream, path: &str) -> reqwest::Request {
    reqwest::Request::new(Method::GET, upstream.url(path).parse().unwrap())
}
