//! The page and the API, without sockets.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use axum::{Extension, Router};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use poolscope_wire::{
    ApiError, Breaker, Event, KEPT_HEADER, MATCHING_HEADER, PoolGroup, PoolSummary, Protection, Rule,
    RuleSetting, Service, Sessions, Status, WIRE_VERSION, Warning, path,
};
use serde::de::DeserializeOwned;
use tower::ServiceExt as _;

use super::router;
use crate::app::App;
use crate::config::{Config, Limits};
use crate::conn::Peer;
use crate::host::HostRule;

fn app(max_streams: usize) -> Router {
    let limits = Limits { max_streams, ..Limits::default() };
    of(Config { limits, ..Config::default() })
}

/// The page by a configuration, as one address sees it.
fn of(config: Config) -> Router {
    app_with(config).1
}

/// What is behind the page, and the page.
pub(super) fn app_with(config: Config) -> (Arc<App>, Router) {
    let app = Arc::new(App::on_loopback(config));
    let page = router(app.clone(), HostRule::new(([127, 0, 0, 1], 4320).into(), []));
    (app, page.layer(Extension(Peer([127, 0, 0, 1].into()))))
}

pub(super) async fn ask(app: &Router, method: Method, path: &str, host: &str) -> Response {
    let request = Request::builder().method(method).uri(path).header(header::HOST, host);
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn get(path: &str) -> Response {
    ask(&app(1), Method::GET, path, "localhost:4320").await
}

async fn json<T: DeserializeOwned>(response: Response) -> T {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test]
async fn every_path_of_the_contract_answers_in_its_type() {
    let status: Status = json(get(path::STATUS).await).await;
    assert_eq!((status.wire_version, &*status.otlp_grpc), (WIRE_VERSION, "http://g"));
    assert!(status.limits.iter().any(|limit| limit.name == "pools" && limit.max > 0));
    assert!(json::<Vec<Service>>(get(path::SERVICES).await).await.is_empty());
    assert!(json::<Vec<PoolSummary>>(get(path::POOLS).await).await.is_empty());
    assert!(json::<Vec<Breaker>>(get(path::BREAKERS).await).await.is_empty());
    assert!(json::<Vec<Protection>>(get(path::PROTECTION).await).await.is_empty());
    let events = get(&format!("{}?severity=warn&routine=false&q=pay&service=shop", path::EVENTS)).await;
    let counts = [MATCHING_HEADER, KEPT_HEADER].map(|name| &events.headers()[name]);
    assert_eq!(counts, ["0", "0"]);
    assert!(json::<Vec<Event>>(events).await.is_empty());
    assert!(json::<Vec<PoolGroup>>(get(path::GROUPS).await).await.is_empty());
    assert!(json::<Vec<Sessions>>(get(path::SESSIONS).await).await.is_empty());
    assert!(json::<Vec<Warning>>(get(path::WARNINGS).await).await.is_empty());
    let rules = json::<Vec<RuleSetting>>(get(path::RULES).await).await;
    assert_eq!(rules.iter().map(|rule| rule.rule).collect::<Vec<_>>(), Rule::ALL);
    assert_eq!(get(path::HEALTH).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn what_is_wrong_is_said_in_a_sentence() {
    for (path, status) in [
        ("/api/v1/pools/0123456789abcdef", StatusCode::NOT_FOUND),
        ("/api/v1/pools/not-an-id", StatusCode::NOT_FOUND),
        ("/api/v1/breakers/0123456789abcdef", StatusCode::NOT_FOUND),
        ("/api/v1/breakers/0123456789abcdef?from_ms=9&to_ms=1", StatusCode::BAD_REQUEST),
        ("/api/v1/breakers?from_ms=9&to_ms=1", StatusCode::BAD_REQUEST),
        ("/api/v1/sessions?seconds=60", StatusCode::BAD_REQUEST),
        ("/api/v1/events?format=xlsx", StatusCode::BAD_REQUEST),
        ("/api/v1/pools/0123456789abcdef?seconds=soon", StatusCode::BAD_REQUEST),
        ("/api/v1/events?limit=-1", StatusCode::BAD_REQUEST),
        ("/api/v1/events?kinds=x", StatusCode::BAD_REQUEST),
        ("/api/v1/events?severity=awful", StatusCode::BAD_REQUEST),
        (&format!("/api/v1/events?q={}", "x".repeat(201)), StatusCode::BAD_REQUEST),
        ("/api/v1/nothing", StatusCode::NOT_FOUND),
    ] {
        let response = get(path).await;
        assert_eq!(response.status(), status, "{path}");
        assert!(json::<ApiError>(response).await.error.contains(' '), "{path}");
    }
    let posted = ask(&app(1), Method::POST, path::STATUS, "localhost").await;
    assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(!json::<ApiError>(posted).await.error.is_empty());
}

#[tokio::test]
async fn a_foreign_host_is_turned_away_everywhere() {
    for path in ["/", path::STATUS, path::STREAM] {
        let response = ask(&app(1), Method::GET, path, "evil.example:4320").await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path}");
        assert!(json::<ApiError>(response).await.error.contains("--allowed-host"));
    }
}

#[tokio::test]
async fn unknown_paths_are_the_page_and_missing_files_are_not() {
    for path in ["/", "/pools/0123456789abcdef", "/breakers?x=1"] {
        let response = get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
    }
    assert_eq!(get("/poolscope-ui-0000000000000000.js").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn every_answer_is_locked_down() {
    for path in ["/", path::STATUS, "/api/v1/nothing"] {
        let response = get(path).await;
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe-inline"), "{policy}");
        assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(response.headers()[header::X_FRAME_OPTIONS], "DENY");
        assert_eq!(response.headers()[header::REFERRER_POLICY], "no-referrer");
        assert!(!response.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    }
}

#[tokio::test]
async fn streams_are_bounded() {
    let app = app(1);
    let first = ask(&app, Method::GET, path::STREAM, "localhost").await;
    assert_eq!(first.headers()[header::CONTENT_TYPE], "text/event-stream");
    let second = ask(&app, Method::GET, path::STREAM, "localhost").await;
    assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(second.headers().contains_key(header::RETRY_AFTER));
    assert!(json::<ApiError>(second).await.error.contains("--max-streams"));
    drop(first);
    assert_eq!(ask(&app, Method::GET, path::STREAM, "localhost").await.status(), StatusCode::OK);
}
