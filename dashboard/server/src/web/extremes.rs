//! Whatever numbers somebody asks with, the answer is one: nothing overflows and nothing is endless.

use axum::Router;
use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use poolscope_semconv::{attr, event, metric};
use poolscope_wire::path;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::tests::{app_with, ask};
use crate::clock::now_ms;
use crate::config::Config;
use crate::otlp;

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

/// An app to which a pool, a limit, sessions, a breaker and a connection were told.
async fn told() -> (Router, Vec<String>) {
    let (app, page) = app_with(Config::default());
    let resource =
        json!({ "attributes": [text(attr::SERVICE_NAME, "shop"), text(attr::SERVICE_INSTANCE_ID, "one")] });
    let destination =
        [text(attr::SERVER_ADDRESS, "pay"), text(attr::URL_SCHEME, "https"), text(attr::CLIENT_NAME, "web")];
    let state = [&destination[..], &[text(attr::HTTP_CONNECTION_STATE, "active")]].concat();
    let closed = [text(attr::BREAKER_NAME, "pay"), text(attr::BREAKER_STATE, "closed")];
    for second in 0..3 {
        let at = ((now_ms() - 3_000 + second * 1_000) * 1_000_000).to_string();
        let number = |name: &str, attributes: &[Value]| {
            let point = json!({ "timeUnixNano": at, "asInt": "2", "attributes": attributes });
            json!({ "name": name, "sum": { "aggregationTemporality": 2, "dataPoints": [point] } })
        };
        let metrics = [
            number(metric::HTTP_CLIENT_OPEN_CONNECTIONS.name, &state),
            number(metric::LIMIT_IN_USE.name, &[text(attr::CLIENT_NAME, "web")]),
            number(metric::SESSION_ACTIVE.name, &[text(attr::SESSION_NAME, "chat")]),
            number(metric::BREAKER_STATE.name, &closed),
        ];
        let metrics = json!({ "resourceMetrics": [{ "resource": resource, "scopeMetrics": [{ "metrics": metrics }] }] });
        let rows = json!({ "arrayValue": { "values": [{ "stringValue": "17 idle 0 72.4 2.5 40 31.2 10.0.0.7:443" }] } });
        let rows = json!({ "key": attr::POOL_CONNECTIONS, "value": rows });
        let attributes = [&destination[..], &[rows]].concat();
        let record =
            json!({ "timeUnixNano": at, "eventName": event::POOL_SNAPSHOT, "attributes": attributes });
        let logs =
            json!({ "resourceLogs": [{ "resource": resource, "scopeLogs": [{ "logRecords": [record] }] }] });
        for (path, body) in [("/v1/metrics", metrics), ("/v1/logs", logs)] {
            let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
            let request = request.body(Body::from(body.to_string())).unwrap();
            let taken = otlp::http_router(app.clone()).oneshot(request).await.unwrap();
            assert_eq!(taken.status(), StatusCode::OK);
        }
        app.store().tick(now_ms());
    }
    let mut store = app.store();
    let ids = [
        (path::POOLS, store.pools()[0].id.clone()),
        (path::BREAKERS, store.breakers()[0].id.clone()),
        (path::PROTECTION, store.protection()[0].id.clone()),
        (path::SESSIONS, store.sessions()[0].id.clone()),
    ];
    drop(store);
    let mut paths: Vec<String> = ids.iter().map(|(path, id)| format!("{path}/{id}")).collect();
    paths.push(format!("{}/{}", paths[0], path::CONNECTIONS));
    paths.extend([path::EVENTS, path::WARNING_LOG, path::TRACES].map(ToOwned::to_owned));
    (page, paths)
}

#[tokio::test]
async fn no_number_is_too_much_for_the_api() {
    let (page, paths) = told().await;
    let now = now_ms();
    let numbers =
        [0, 1, 2, now - 2_000, now, now + 3_600_000, i64::MAX.cast_unsigned(), u64::MAX - 1, u64::MAX];
    let names = ["seconds", "max_points", "max_rows", "limit", "after_ms", "min_ms", "connection"];
    let single = names.iter().flat_map(|name| numbers.map(|number| format!("{name}={number}")));
    let both = numbers.iter().flat_map(|from| numbers.map(|to| format!("from_ms={from}&to_ms={to}")));
    let ranges: Vec<String> = both.collect();
    let few = ranges.iter().flat_map(|range| {
        ["max_points=1", "max_points=2", "format=csv", "instances=all"].map(|more| format!("{range}&{more}"))
    });
    let queries: Vec<String> = single.chain(few).chain(ranges.iter().cloned()).collect();
    let mut answered = 0;
    for path in &paths {
        for query in &queries {
            let answer = ask(&page, Method::GET, &format!("{path}?{query}"), "localhost").await;
            let status = answer.status();
            assert!(
                status == StatusCode::OK || status == StatusCode::BAD_REQUEST,
                "{path}?{query}: {status}"
            );
            answered += usize::from(status == StatusCode::OK);
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            assert!(body.len() < 1_000_000, "{path}?{query}: {} bytes", body.len());
        }
    }
    assert!(answered > 500, "{answered}");
}
