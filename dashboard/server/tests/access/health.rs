//! The server about itself: `/metrics`, `/readyz` and the status.

use std::io::Write as _;
use std::process::{Command, Stdio};

use poolscope_dashboard::config::Login;
use poolscope_wire::path;
use reqwest::StatusCode;

use crate::{Running, TOKEN};

const SCRAPE: &str = "0123456789abcdef-scrape";

/// The value of a sample.
fn sample(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test]
async fn metrics_tell_what_came_in_and_what_did_not_and_promtool_agrees() {
    let server = Running::with(|_| {}).await;
    server.post("/v1/metrics").send().await.unwrap();
    server.post("/v1/traces").body("{nope").send().await.unwrap();
    let mut stream = server.get(path::STREAM).send().await.unwrap();
    stream.chunk().await.unwrap();
    let answer = server.get(path::METRICS).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = answer.text().await.unwrap();
    let of = |name: &str| sample(&text, &format!("poolscope_dashboard_{name}"));
    assert_eq!(of("otlp_requests_total{signal=\"metrics\"}"), Some(1.0), "{text}");
    assert_eq!(of("otlp_refused_requests_total{signal=\"traces\",reason=\"malformed\"}"), Some(1.0));
    assert_eq!(of("otlp_refused_requests_total{signal=\"logs\",reason=\"busy\"}"), Some(0.0));
    assert_eq!(of("streams"), Some(1.0));
    assert_eq!(of("connections{listener=\"the dashboard\"}").map(|open| open >= 2.0), Some(true));
    assert_eq!(of("limit_max{limit=\"pools\"}"), Some(2_000.0));
    if cfg!(target_os = "linux") {
        assert!(of("resident_memory_bytes").unwrap() > 1e6);
    }
    // Where it is here, the real program has the last word.
    if let Some(promtool) = std::env::var_os("PROMTOOL_BIN") {
        let mut check = Command::new(promtool);
        check.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut check = check.spawn().unwrap();
        check.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let said = check.wait_with_output().unwrap();
        assert!(said.status.success() && said.stderr.is_empty(), "{}", String::from_utf8_lossy(&said.stderr));
    }
}

#[tokio::test]
async fn metrics_behind_a_login_open_to_the_token_and_to_the_key_of_prometheus() {
    let server = Running::with(|config| {
        config.access.login = Login::Token;
        config.access.login_token = TOKEN.parse().ok();
        config.access.scrape_key = SCRAPE.parse().ok();
    })
    .await;
    let status =
        async |path: &str, key: &str| server.get(path).bearer_auth(key).send().await.unwrap().status();
    assert_eq!(status(path::METRICS, SCRAPE).await, StatusCode::OK);
    assert_eq!(status(path::METRICS, TOKEN).await, StatusCode::OK);
    assert_eq!(status(path::METRICS, "0123456789abcdef-wrong").await, StatusCode::UNAUTHORIZED);
    // It opens nothing else.
    assert_eq!(status(path::STATUS, SCRAPE).await, StatusCode::UNAUTHORIZED);

    let alone = Running::with(|config| config.access.scrape_key = SCRAPE.parse().ok()).await;
    assert_eq!(alone.get(path::METRICS).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(alone.get(path::METRICS).bearer_auth(SCRAPE).send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(alone.get(path::STATUS).send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn it_is_ready_while_it_serves() {
    let server = Running::with(|_| {}).await;
    let answer = server.get(path::READY).send().await.unwrap();
    assert_eq!((answer.status(), answer.text().await.unwrap().as_str()), (StatusCode::OK, "ready"));
    let own = server.status().await.own;
    assert!(!own.asks_for_login && !own.asks_for_key && !own.has_tls);
    assert_eq!(own.memory_bytes.is_some(), cfg!(target_os = "linux"));
}
