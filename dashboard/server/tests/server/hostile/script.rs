//! Names that are scripts, links, formulas and marks: everywhere they come back as the text that they are.

use super::samples::now_ns;
use super::*;

/// What somebody could put where a name is expected.
pub(super) fn nasty() -> Vec<String> {
    let long = "w".repeat(10_000);
    [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "javascript:alert(1)",
        "'; DROP TABLE pools; --",
        "</title></style></script><svg onload=alert(1)>",
        "{{constructor.constructor('alert(1)')()}}",
        "\u{202e}txt.exe\u{2066}",
        "nul\u{0}bell\u{7}",
        "\u{1b}[2J\u{1b}]0;owned\u{7}",
        "line\r\nSet-Cookie: a=b",
        "\u{2028}\u{2029}\u{feff}",
        "=HYPERLINK(\"http://evil\",\"click\")",
        "+1+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(1+1)",
        "\u{feff}=1+1",
        "a,b\"c\"\n;d\te",
        "../../etc/passwd",
        "%3Cscript%3E%00",
        &long,
    ]
    .map(str::to_owned)
    .into()
}

/// Sends a name at every place where there can be one.
async fn send(program: &Program, n: usize, name: &str) {
    let resource = json!({ "attributes": [
        text(attr::SERVICE_NAME, name), text(attr::SERVICE_INSTANCE_ID, &format!("{n}{name}")), text(name, name),
    ] });
    let pool = [
        text(attr::SERVER_ADDRESS, name),
        text(attr::URL_SCHEME, name),
        text(attr::CLIENT_NAME, name),
        text(attr::NETWORK_PROTOCOL_VERSION, name),
    ];
    let with = |key: &str, value: &str| [pool.to_vec(), vec![text(key, value)]].concat();
    let sum = |metric: &str, attributes: Vec<Json>| {
        let point = json!({ "attributes": attributes, "timeUnixNano": now_ns(), "asInt": "1" });
        json!({ "name": metric, "description": name, "unit": name,
                "sum": { "aggregationTemporality": 1, "dataPoints": [point] } })
    };
    let metrics = [
        sum(metric::HTTP_CLIENT_OPEN_CONNECTIONS.name, with(attr::HTTP_CONNECTION_STATE, "active")),
        sum(metric::HTTP_CLIENT_OPEN_CONNECTIONS.name, with(attr::HTTP_CONNECTION_STATE, name)),
        sum(metric::CONNECTION_CLOSED.name, with(attr::CLOSE_REASON, name)),
        sum(metric::CONNECTION_FAILED.name, with(attr::ERROR_TYPE, name)),
        sum(
            metric::BREAKER_STATE.name,
            vec![text(attr::BREAKER_NAME, name), text(attr::BREAKER_STATE, name)],
        ),
        sum(metric::SESSION_ACTIVE.name, vec![text(attr::SESSION_NAME, name)]),
        sum(name, pool.to_vec()),
    ];
    let metrics = json!({ "resourceMetrics": [{ "resource": resource, "scopeMetrics": [
        { "scope": { "name": name, "version": name }, "metrics": metrics },
    ] }] });
    program.take("/v1/metrics", &metrics).await;
    let values =
        json!([{ "stringValue": format!("{name} idle 0 60 5 9 3 {name}") }, { "stringValue": name }]);
    let rows = json!({ "key": attr::POOL_CONNECTIONS, "value": { "arrayValue": { "values": values } } });
    let record = |event: &str, more: Vec<Json>| {
        let attributes = [pool.to_vec(), more].concat();
        json!({ "eventName": event, "body": { "stringValue": name }, "attributes": attributes })
    };
    let mut records: Vec<_> = event::ALL
        .iter()
        .map(|event| {
            record(
                event,
                vec![text(attr::BREAKER_NAME, name), text(attr::BREAKER_TO, name), text(name, name)],
            )
        })
        .collect();
    records.extend([record(event::POOL_SNAPSHOT, vec![rows]), record(name, vec![])]);
    let logs =
        json!({ "resourceLogs": [{ "resource": resource, "scopeLogs": [{ "logRecords": records }] }] });
    assert_eq!(program.take("/v1/logs", &logs).await, 0);
    let call = [attr::URL_FULL, attr::HTTP_REQUEST_METHOD, attr::ERROR_TYPE, name].map(|key| text(key, name));
    let attributes = [pool.to_vec(), call.to_vec()].concat();
    let span = json!({
        "traceId": format!("{:032x}", n + 1), "spanId": "b7ad6b7169203331", "name": name, "kind": 3, "traceState": name,
        "startTimeUnixNano": now_ns(), "endTimeUnixNano": now_ns(), "status": { "code": 2, "message": name },
        "attributes": attributes,
        "events": [{ "name": name, "attributes": [text(name, name)] }],
    });
    let traces = json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [{ "spans": [span] }] }] });
    assert_eq!(program.take("/v1/traces", &traces).await, 0);
}

/// The cells of a table by RFC 4180.
fn table(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            other => cell.push(other),
        }
    }
    assert!(!quoted && cell.is_empty() && row.is_empty(), "the table ends with a line");
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_names_come_back_as_text_wherever_they_are_read() {
    let program = Program::start(&["--trace-url", "https://jaeger.example/trace/{trace_id}?a=b"]);
    let names = nasty();
    for (n, name) in names.iter().enumerate() {
        send(&program, n, name).await;
    }
    let pools: Vec<PoolSummary> = program.get(path::POOLS).await;
    assert_eq!(pools.len(), names.len());
    assert!(pools.iter().any(|pool| &*pool.address == "<script>alert(1)</script>"));
    for pool in &pools {
        for text in [&pool.address, &pool.service, &pool.client, &pool.scheme] {
            assert!(
                text.len() <= 512 && !text.contains(|c: char| c.is_control() || c == '\u{202e}'),
                "{text:?}"
            );
        }
        // What is part of an address is of plain letters.
        assert!(pool.id.chars().all(|c| c.is_ascii_hexdigit()), "{}", pool.id);
    }
    let trace = "0".repeat(31) + "1";
    let of_pool = |rest: &str| format!("{}/{}{rest}", path::POOLS, pools[0].id);
    let paths = [path::POOLS, path::GROUPS, path::BREAKERS, path::PROTECTION, path::SESSIONS, path::SERVICES]
        .into_iter()
        .chain([path::EVENTS, path::TRACES, path::WARNINGS, path::RULES, path::STATUS])
        .map(str::to_owned)
        .chain([of_pool(""), of_pool("/connections"), format!("{}/{trace}", path::TRACES)]);
    for path in paths {
        let answer = program.client.get(format!("http://{}{path}", program.http)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/json", "{path}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{path}");
        assert!(answer.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'self'"));
        assert!(!answer.headers().contains_key("set-cookie"), "{path}");
        let body = answer.text().await.unwrap();
        serde_json::from_str::<Json>(&body).unwrap_or_else(|error| panic!("{path}: {error}"));
        // As JSON has them.
        assert!(!body.contains(|c: char| c.is_control()), "{path}");
    }
    let detail: TraceDetail = program.get(&format!("{}/{trace}", path::TRACES)).await;
    let link = serde_json::to_value(&detail).unwrap()["elsewhere"]["url"].clone();
    assert_eq!(link, format!("https://jaeger.example/trace/{trace}?a=b"));

    // Ids and searches that are no ids.
    for name in &names {
        let name: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
        for path in [
            format!("{}/{name}", path::POOLS),
            format!("{}/{name}", path::TRACES),
            format!("{}?kind={name}", path::EVENTS),
            format!("{}?status=all&q={name}&service={name}", path::TRACES),
            format!("/{name}"),
        ] {
            let answer = program.client.get(format!("http://{}{path}", program.http)).send().await.unwrap();
            assert!(!answer.status().is_server_error() || path.len() > 9_000, "{path}: {}", answer.status());
            assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{path}");
            let kind = answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
            let body = answer.text().await.unwrap();
            if kind.as_deref() != Some("application/json") {
                // The page itself, or no page at all; nothing of the address is in it.
                assert!(!body.contains("alert(1)"), "{path}: {kind:?}");
            }
        }
    }
    program.is_well(300).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_and_figures_let_no_formula_and_no_line_through() {
    let program = Program::start(&[]);
    let names = nasty();
    for (n, name) in names.iter().enumerate() {
        send(&program, n, name).await;
    }
    let events: Vec<Event> = program.get(&format!("{}?limit=1000", path::EVENTS)).await;
    let csv = format!("http://{}{}?format=csv&limit=1000", program.http, path::EVENTS);
    let csv = program.client.get(csv).send().await.unwrap();
    assert!(csv.headers()["content-disposition"].to_str().unwrap().starts_with("attachment;"));
    assert_eq!(csv.headers()["x-content-type-options"], "nosniff");
    let rows = table(&csv.text().await.unwrap());
    assert_eq!(rows.len(), events.len() + 1);
    let columns = &rows[0];
    for (row, event) in rows[1..].iter().zip(&events) {
        assert_eq!(row.len(), columns.len(), "{row:?}");
        for cell in row {
            let seen =
                cell.trim_start_matches(|c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}');
            assert!(!seen.starts_with(['=', '+', '-', '@']), "{cell:?}");
        }
        let service = &row[columns.iter().position(|name| name == "service").unwrap()];
        assert_eq!(service.trim_start_matches('\''), event.service.trim_start_matches('\''));
    }
    // Whatever is in the names, a line of figures is a name, labels in quotes, and a number.
    let page = program.client.get(format!("http://{}{}", program.http, path::METRICS)).send().await.unwrap();
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    for line in page.text().await.unwrap().lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("poolscope_dashboard_") && value.parse::<f64>().is_ok(), "{line}");
        assert!(!line.contains("alert"), "{line}");
    }
    program.is_well(300).await;
}
