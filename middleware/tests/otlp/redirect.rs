//! Redirects: followed where the headers, which may be secrets, stay with whom they are meant for.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::routing::post;
use poolscope::Scope;
use tokio::net::TcpListener;

use crate::http_export;
use crate::partial::{lines, listen_to_the_log};
use crate::receiver::{Manner, Receiver, any_port};
use crate::traffic::spans;

#[tokio::test]
async fn a_redirect_is_followed_on_the_same_server() {
    let listener = TcpListener::bind(any_port()).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let see = Arc::clone(&seen);
    let moved = async |uri: Uri| {
        (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, format!("/there{}", uri.path()))])
    };
    let there = async move |headers: HeaderMap| see.lock().unwrap().push(headers);
    let app = Router::new().route("/v1/{signal}", post(moved)).route("/there/v1/{signal}", post(there));
    tokio::spawn(async move { axum::serve(listener, app).await });

    let scope = Scope::new();
    let telemetry = http_export(&scope, &url).header("x-api-key", "secret").start().unwrap();
    spans(&telemetry, 3);
    assert_eq!(telemetry.shutdown_async(Duration::from_secs(5)).await.spans, 0);
    let seen = seen.lock().unwrap();
    assert!(!seen.is_empty());
    assert!(seen.iter().all(|seen| seen["x-api-key"] == "secret" && !seen.contains_key("referer")));
}

#[tokio::test]
async fn a_redirect_to_another_server_is_a_refusal_and_takes_no_header_there() {
    listen_to_the_log();
    for status in [StatusCode::TEMPORARY_REDIRECT, StatusCode::PERMANENT_REDIRECT] {
        let other = Receiver::http(Manner::default());
        let location = other.url();
        let listener = TcpListener::bind(any_port()).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let moved = async move |uri: Uri| (status, [(header::LOCATION, format!("{location}{}", uri.path()))]);
        let app = Router::new().route("/v1/{signal}", post(moved));
        tokio::spawn(async move { axum::serve(listener, app).await });

        let scope = Scope::new();
        let export = http_export(&scope, &format!("http://{addr}")).header("x-api-key", "secret");
        let telemetry = export.start().unwrap();
        spans(&telemetry, 3);
        assert_eq!(telemetry.shutdown_async(Duration::from_secs(5)).await.spans, 3);
        assert!(other.received().headers.is_empty());
        let lines = lines(&addr);
        let told = lines.iter().filter(|line| line.contains("refuses spans"));
        assert_eq!(told.filter(|line| line.contains("same scheme, host and port")).count(), 1, "{lines:?}");
    }
}
