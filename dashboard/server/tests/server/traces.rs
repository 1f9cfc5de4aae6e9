//! Traces over real sockets.

use super::*;

/// A span of a request that took so many milliseconds until now.
fn a_request(trace: u32, took_ms: u64, extra: &Json) -> Json {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = u64::try_from(now.as_nanos()).unwrap();
    let attributes = [
        text(attr::SERVER_ADDRESS, "pay"),
        text(attr::URL_SCHEME, "https"),
        text(attr::URL_FULL, "https://pay/<script>alert(1)</script>"),
        text(attr::HTTP_REQUEST_METHOD, "GET"),
    ];
    let mut span = json!({
        "traceId": format!("{trace:032x}"), "spanId": "b7ad6b7169203331", "name": "GET <b>", "kind": 3,
        "startTimeUnixNano": (now - took_ms * 1_000_000).to_string(), "endTimeUnixNano": now.to_string(),
        "attributes": attributes,
    });
    span.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    span
}

#[tokio::test]
async fn traces_are_taken_over_http_and_found_again() {
    let mut config = config();
    config.trace_url = Some("http://jaeger:16686/trace/{trace_id}".parse().unwrap());
    let server = Running::start(config).await;
    MetricsServiceClient::new(server.grpc().await).export(request("pay", 3)).await.unwrap();
    let failed = json!({ "status": { "code": 2, "message": "no" } });
    let spans = [
        a_request(1, 5, &json!({})),
        a_request(2, 900, &json!({})),
        a_request(3, 20, &failed),
        a_request(4, 20, &json!({ "startTimeUnixNano": "7" })),
    ];
    let body = json!({ "resourceSpans": [{ "resource": resource(), "scopeSpans": [{ "spans": spans }] }] });
    let body = serde_json::to_vec(&body).unwrap();
    let answer = server.post("/v1/traces", "application/json", None, body.clone()).await;
    let answer: Json = answer.json().await.unwrap();
    assert_eq!(answer["partialSuccess"]["rejectedSpans"], "1");
    assert!(answer["partialSuccess"]["errorMessage"].as_str().unwrap().contains("between 2001 and 2200"));
    let protobuf: ExportTraceServiceRequest = serde_json::from_slice(&body).unwrap();
    let body = gzip(&protobuf.encode_to_vec());
    server.post("/v1/traces", "application/x-protobuf", Some("gzip"), body).await;

    let pools: Vec<PoolSummary> = server.get(path::POOLS).await;
    let list = async |query: &str| -> Vec<String> {
        let list: TraceList = server.get(&format!("{}{query}", path::TRACES)).await;
        list.traces.into_iter().map(|trace| trace.trace_id[31..].to_owned()).collect()
    };
    // The second sending of the same spans added none.
    assert_eq!(list("").await, ["3", "2"]);
    assert_eq!(list("?status=all&sort=slowest").await, ["2", "3", "1"]);
    assert_eq!(list(&format!("?status=slow&pool={}", pools[0].id)).await, ["2"]);
    assert_eq!(list("?status=all&min_ms=10&limit=1&q=script").await, ["3"]);
    assert_eq!(list("?service=shop&breaker=0000000000000001").await, [""; 0]);
    assert_eq!(list("?to_ms=5").await, [""; 0]);

    let id = format!("{:032x}", 3);
    let detail: TraceDetail = server.get(&format!("{}/{id}", path::TRACES)).await;
    assert_eq!(detail.spans[0].name, "GET <b>");
    assert_eq!(detail.spans[0].error_text.as_deref(), Some("no"));
    assert_eq!(detail.elsewhere.unwrap().url, format!("http://jaeger:16686/trace/{id}"));
    let url = |query: &str| format!("http://{}{}{query}", server.http, path::TRACES);
    for (query, status, why) in [
        ("?status=bad", 400, "failed, slow, rejected or all"),
        ("?sort=best", 400, "newest or slowest"),
        ("?pool=pay", 400, "16 hexadecimal"),
        ("?from_ms=9&to_ms=8", 400, "the range is empty"),
        ("?colour=red", 400, "`colour` is no parameter"),
        ("/pay", 404, "32 hexadecimal"),
        (
            "/00000000000000000000000000000009",
            404,
            "no span of this trace ever came here, or it left so long ago that it is forgotten",
        ),
    ] {
        let answer = server.client.get(url(query)).send().await.unwrap();
        assert_eq!(answer.status(), status, "{query}");
        let answer: Json = answer.json().await.unwrap();
        assert!(answer["error"].as_str().unwrap().contains(why), "{query}: {answer}");
    }
    let status: Status = server.get(path::STATUS).await;
    assert_eq!((status.received.spans, status.received.rejected_items), (6, 2));
    assert!(status.limits.iter().any(|limit| limit.name == "traces" && limit.used == 3));
    server.stop().await;
}

#[tokio::test]
async fn a_trace_that_a_warning_names_stays_and_one_that_routine_names_goes_and_says_so() {
    let limits = Limits { max_traces: 40, ..Limits::default() };
    let server = Running::start(Config { limits, ..config() }).await;
    let send = async |spans: Vec<Json>| {
        let body =
            json!({ "resourceSpans": [{ "resource": resource(), "scopeSpans": [{ "spans": spans }] }] });
        server.post("/v1/traces", "application/json", None, serde_json::to_vec(&body).unwrap()).await;
    };
    let ended = |trace: u32, reason: &str| {
        json!({
            "eventName": event::SESSION_ENDED, "traceId": format!("{trace:032x}"), "spanId": "b7ad6b7169203331",
            "attributes": [text(attr::SESSION_NAME, "chat"), text(attr::SESSION_END_REASON, reason)],
        })
    };
    send((1..=3).map(|id| a_request(id, 5, &json!({}))).collect()).await;
    let records = [ended(1, "error"), ended(2, "completed"), ended(4, "error")];
    let logs =
        json!({ "resourceLogs": [{ "resource": resource(), "scopeLogs": [{ "logRecords": records }] }] });
    server.post("/v1/logs", "application/json", None, serde_json::to_vec(&logs).unwrap()).await;
    send(vec![a_request(4, 5, &json!({}))]).await;
    send((100..200).map(|id| a_request(id, 5, &json!({}))).collect()).await;
    let get = async |id: u32| {
        let url = format!("http://{}{}/{id:032x}", server.http, path::TRACES);
        server.client.get(url).send().await.unwrap()
    };
    assert_eq!((get(1).await.status(), get(4).await.status()), (StatusCode::OK, StatusCode::OK));
    for id in [2, 3] {
        let answer = get(id).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{id}");
        assert!(answer.text().await.unwrap().contains("was here and has made room"), "{id}");
    }
    server.stop().await;
}

#[test]
fn a_template_that_leads_nowhere_is_one_sentence_of_the_program() {
    let program = std::process::Command::new(env!("CARGO_BIN_EXE_poolscope-dashboard"))
        .args(["--trace-url", "javascript:alert(1)"])
        .output()
        .unwrap();
    let stderr = String::from_utf8(program.stderr).unwrap();
    assert!(!program.status.success() && stderr.contains("must begin with http:// or https://"), "{stderr}");
}
