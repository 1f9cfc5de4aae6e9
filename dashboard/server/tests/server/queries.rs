//! What a query may ask for, and what it is told if it can't be meant.

use std::time::Duration;

use poolscope_dashboard::config::Config;
use poolscope_wire::{ApiError, PoolDetail, PoolSummary, WarningLog, path};
use prost::Message as _;
use reqwest::StatusCode;

use crate::{PATIENCE, Running, config, report_of, request};

#[tokio::test]
async fn a_range_is_answered_and_one_that_makes_no_sense_is_refused_with_the_reason() {
    let server = Running::start(config()).await;
    server.post("/v1/metrics", "application/x-protobuf", None, request("pay", 3).encode_to_vec()).await;
    let pools: Vec<PoolSummary> = server.get(path::POOLS).await;
    let of_pool = format!("{}/{}", path::POOLS, pools[0].id);
    let detail: PoolDetail = server.get(&of_pool).await;
    assert_eq!(detail.points.len(), 1);
    assert_eq!(detail.range.oldest_ms, detail.points.first().map(|point| point.at_ms));
    let after = detail.range.to_ms + 60_000;
    let at_ms = detail.points[0].at_ms;
    for (query, count) in [
        (format!("from_ms={at_ms}&to_ms={after}"), 1),
        (format!("from_ms={}&to_ms={at_ms}", at_ms - 1), 1),
        (format!("from_ms={}&to_ms={after}", at_ms + 1), 0),
        (format!("to_ms={}", at_ms - 1), 0),
    ] {
        let then: Vec<PoolSummary> = server.get(&format!("{}?{query}", path::POOLS)).await;
        assert_eq!(then.len(), count, "{query}");
    }
    let none: PoolDetail = server.get(&format!("{of_pool}?from_ms={after}&to_ms={}", after + 1)).await;
    assert_eq!((none.points.len(), none.range.from_ms), (0, after));
    for (query, reason) in [
        ("from_ms=9&to_ms=9", "the range is empty"),
        ("to_ms=9", "without from_ms"),
        ("from_ms=9&seconds=9", "leave it out"),
        ("max_points=0", "max_points is `0`; it must be a whole number from 1 to 10000"),
        ("max_points=10001", "from 1 to 10000"),
        ("from_ms=-1", "from_ms is `-1`; it must be a moment in Unix milliseconds"),
        (
            "since=1",
            "`since` is no parameter of this path; it takes seconds, from_ms, to_ms, max_points, format",
        ),
    ] {
        let url = format!("http://{}{of_pool}?{query}", server.http);
        let answer = server.client.get(url).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{query}");
        let error: ApiError = answer.json().await.unwrap();
        assert!(error.error.contains(reason), "{query}: {}", error.error);
    }
    let csv = server.client.get(format!("http://{}{of_pool}?format=csv", server.http)).send().await.unwrap();
    assert_eq!(csv.headers()["content-type"], "text/csv; charset=utf-8; header=present");
    let file = format!("attachment; filename=\"poolscope-pool-{}.csv\"", pools[0].id);
    assert_eq!(csv.headers()["content-disposition"], file);
    let csv = csv.text().await.unwrap();
    assert!(csv.starts_with("time,at_ms,idle,active,") && csv.lines().count() == 2, "{csv}");
    let of_connections = format!("{of_pool}/{}", path::CONNECTIONS);
    for (path, query, reason) in [
        (path::EVENTS, "from_ms=9&to_ms=8", "the range is empty"),
        (path::EVENTS, "pool=pay", "pool is `pay`; it must be an id"),
        (path::EVENTS, "kind=bogus", "kind is `bogus`; it must be poolscope.breaker.transition, "),
        (path::EVENTS, "kind=leak.suspected", "(did you mean `poolscope.leak.suspected`?)"),
        (path::EVENTS, "severity=worse", "severity is `worse`; it must be ok, warn or bad"),
        (path::TRACES, "limit=5000", "limit is `5000`; it must be a whole number from 1 to 500"),
        (path::TRACES, "from=abc", "`from` is no parameter of this path"),
        (path::TRACES, "from_ms=abc", "from_ms is `abc`"),
        (path::WARNING_LOG, "window=60", "`window` is no parameter of this path"),
        (path::WARNING_LOG, "limit=0", "at least 1"),
        (path::WARNING_LOG, "about=pay", "about is `pay`; it must be an id"),
        (&of_connections, "only=qq", "only is `qq`; it must be active, leaked, wasted, closed or open"),
        (&of_connections, "max_rows=99999999", "from 1 to 10000"),
        (&of_connections, "max_points=0", "from 1 to 10000"),
        (path::POOLS, "service=shop", "`service` is no parameter of this path; it takes from_ms, to_ms"),
        (path::POOLS, "from_ms=9&to_ms=9", "the range is empty"),
        (path::STATUS, "window=60", "it takes none"),
        (path::STREAM, "window=60", "it takes none"),
    ] {
        let url = format!("http://{}{path}?{query}", server.http);
        let answer = server.client.get(url).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{path}?{query}");
        let error: ApiError = answer.json().await.unwrap();
        assert!(error.error.contains(reason), "{path}?{query}: {}", error.error);
    }
    server.stop().await;
}

#[tokio::test]
async fn what_was_wrong_with_an_instance_that_has_no_id_is_found_by_a_word() {
    let rule = vec!["session_overdue=2".parse().unwrap()];
    let server = Running::start(Config { rule, ..config() }).await;
    let body = serde_json::to_vec(&report_of("", 4, 2)).unwrap();
    server.post("/v1/metrics", "application/json", None, body).await;
    let log = async |instance: &str| -> WarningLog {
        server.get(&format!("{}?instance={instance}", path::WARNING_LOG)).await
    };
    let is_noted = async {
        while log("no%20id").await.warnings.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, is_noted).await.unwrap();
    assert_eq!(log("no%20id").await.warnings[0].warning.instance, "");
    assert!(log("two").await.warnings.is_empty());
    server.stop().await;
}
