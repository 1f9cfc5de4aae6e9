//! Names that are scripts, that have no end, or that run from right to left: on every page they are text, and no page grows
//! wider than a telephone because of them.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use poolscope_semconv::{attr, event, metric};
use poolscope_tests::dashboard::Dashboard;
use poolscope_wire::{Breaker, Event, PoolSummary, path};
use serde_json::{Value, json};

use super::SOON;
use super::page::Page;

const SCRIPT: &str = "<script>window.pwned=1</script><img src=x onerror=window.pwned=1>\"'--></title>";
const RIGHT_TO_LEFT: &str =
    "\u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{5e2}\u{5d5}\u{5dc}\u{5dd} <b onmouseover=window.pwned=1>7</b>";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319";

/// What somebody could put where a name is expected.
fn names() -> [String; 3] {
    [SCRIPT.to_owned(), RIGHT_TO_LEFT.to_owned(), "w".repeat(200)]
}

/// Elements that a page never has by itself: those of the names, whatever could run a script, and links that do.
const MADE: &str = r#"
    const runs = one => one.getAttributeNames().some(name => name.startsWith("on"))
        || /^\s*javascript:/i.test(one.getAttribute("href") ?? "");
    const all = [...document.querySelectorAll("*")];
    const made = all.filter(one => ["IMG", "IFRAME", "OBJECT", "EMBED", "BASE"].includes(one.tagName) || runs(one));
    const scripts = [...document.scripts].filter(one => one.textContent.includes("pwned"));
    return { pwned: window.pwned ?? null, made: [...made, ...scripts].map(one => one.outerHTML.slice(0, 200)) };
"#;

/// The text of a page, also what is in a title because it is too long to be shown.
const TEXT: &str = "return document.body.textContent + \
    [...document.querySelectorAll('[title]')].map(one => one.title).join(' ')";

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

async fn post(dashboard: &Dashboard, path: &str, body: &Value) -> Result<()> {
    let url = format!("http://{}{path}", dashboard.otlp_http());
    let answer = reqwest::Client::new().post(url).json(body).send().await?;
    anyhow::ensure!(answer.status() == 200, "{path}: {}", answer.text().await?);
    Ok(())
}

/// Sends a name at every place where there can be one.
async fn send(dashboard: &Dashboard, n: usize, name: &str) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
    let (now, before) = (now.to_string(), (now - 50_000_000).to_string());
    let resource = json!({ "attributes": [
        text(attr::SERVICE_NAME, name), text(attr::SERVICE_INSTANCE_ID, name), text(name, name),
    ] });
    let pool =
        [text(attr::SERVER_ADDRESS, name), text(attr::URL_SCHEME, "http"), text(attr::CLIENT_NAME, name)];
    let breaker = text(attr::BREAKER_NAME, name);
    let sum = |metric: &str, attributes: Vec<Value>| {
        let point = json!({
            "attributes": attributes, "startTimeUnixNano": before, "timeUnixNano": now, "asInt": "3",
        });
        json!({ "name": metric, "description": name, "sum": { "aggregationTemporality": 2, "dataPoints": [point] } })
    };
    let with = |more: &[Value]| [pool.as_slice(), more].concat();
    let metrics = [
        sum(metric::HTTP_CLIENT_OPEN_CONNECTIONS.name, with(&[text(attr::HTTP_CONNECTION_STATE, "active")])),
        sum(metric::CONNECTION_CLOSED.name, with(&[text(attr::CLOSE_REASON, name)])),
        sum(metric::CONNECTION_FAILED.name, with(&[text(attr::ERROR_TYPE, name)])),
        sum(metric::BREAKER_STATE.name, vec![breaker.clone(), text(attr::BREAKER_STATE, "open")]),
        sum(metric::SESSION_ACTIVE.name, vec![text(attr::SESSION_NAME, name)]),
    ];
    let metrics =
        json!({ "resourceMetrics": [{ "resource": resource, "scopeMetrics": [{ "metrics": metrics }] }] });
    post(dashboard, "/v1/metrics", &metrics).await?;
    let record = |event: &str| {
        let more = [
            breaker.clone(),
            text(attr::BREAKER_TO, "open"),
            text(attr::BREAKER_REASON, name),
            text(name, name),
        ];
        json!({ "eventName": event, "timeUnixNano": now, "severityNumber": 17, "attributes": with(&more),
                "body": { "stringValue": name }, "traceId": format!("{TRACE}{n}") })
    };
    let records: Vec<_> = event::ALL.iter().copied().chain([name]).map(record).collect();
    let logs =
        json!({ "resourceLogs": [{ "resource": resource, "scopeLogs": [{ "logRecords": records }] }] });
    post(dashboard, "/v1/logs", &logs).await?;
    let call = [attr::URL_FULL, attr::HTTP_REQUEST_METHOD, attr::ERROR_TYPE, name].map(|key| text(key, name));
    let span = json!({
        "traceId": format!("{TRACE}{n}"), "spanId": "b7ad6b7169203331", "name": name, "kind": 3,
        "startTimeUnixNano": before, "endTimeUnixNano": now, "status": { "code": 2, "message": name },
        "attributes": with(&call), "events": [{ "name": name, "timeUnixNano": now, "attributes": [text(name, name)] }],
    });
    let traces = json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [{ "spans": [span] }] }] });
    post(dashboard, "/v1/traces", &traces).await
}

/// What is wrong with a page, with all that folds open.
async fn look(page: &Page, place: &str, shown: &[&str]) -> Result<Vec<String>> {
    let mut wrongs = Vec::new();
    page.script("document.querySelectorAll('details:not(.menu)').forEach(one => one.open = true)").await?;
    let seen = page.script(MADE).await?;
    if seen != json!({ "pwned": null, "made": [] }) {
        wrongs.push(format!("a name became more than text: {seen}"));
    }
    let text = page.script(TEXT).await?;
    let text = text.as_str().context("a page has text")?;
    wrongs.extend(shown.iter().filter(|name| !text.contains(**name)).map(|name| format!("it has no {name}")));
    for width in [1280, 400] {
        page.size(width, 800).await?;
        let wide = "return [document.scrollingElement.scrollWidth, innerWidth]";
        let [wide, screen]: [u64; 2] = serde_json::from_value(page.script(wide).await?)?;
        let outside = page.overflow().await?;
        if wide > screen || !outside.is_empty() {
            wrongs.push(format!("it is {wide} px wide at {screen}: {outside:#?}"));
        }
    }
    page.size(1280, 800).await?;
    // What is not here is told so by the answer; and what nowhere can be, which only an address says.
    let refused = if place.contains("%3Cimg") { "400 (Bad Request)" } else { "404 (Not Found)" };
    let is_answer = |error: &String| ["404 (Not Found)", refused].iter().any(|told| error.contains(told));
    wrongs.extend(page.errors().await?.into_iter().filter(|error| !is_answer(error)));
    Ok(wrongs.into_iter().map(|wrong| format!("{place}: {wrong}")).collect())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn hostile_names_are_text_on_every_page() -> Result<()> {
    let dashboard = Dashboard::start().await?;
    let names = names();
    for (n, name) in names.iter().enumerate() {
        send(&dashboard, n, name).await?;
    }
    let events: Vec<Event> = dashboard.get(&format!("{}?limit=1000", path::EVENTS)).await;
    assert!(names.iter().all(|name| events.iter().any(|event| event.service == *name)), "{events:#?}");
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let pools: Vec<PoolSummary> = dashboard.get(path::POOLS).await;
    let breakers: Vec<Breaker> = dashboard.get(path::BREAKERS).await;
    assert!(pools.len() >= names.len() && breakers.len() >= names.len(), "{pools:#?} {breakers:#?}");
    let pages = [
        ("/?warnings=all", "pool-row"),
        ("/breakers?apart=yes", "breaker-card"),
        ("/events?severity=all", "event-row"),
        ("/traces?status=all", "trace-row"),
        ("/sessions", "session-kind"),
        ("/services", "instance-row"),
    ];
    let page = Page::open(&dashboard.url()).await?;
    let mut wrongs = Vec::new();
    let open = async |place: &str, id: &str| {
        page.go(&format!("{}{place}", dashboard.url())).await?;
        page.until(&format!("{place} is there"), SOON, id, |seen| !seen.is_empty()).await
    };
    for (place, id) in pages {
        open(place, id).await?;
        wrongs.extend(look(&page, place, &all).await?);
    }
    for place in ["/protection", "/about"] {
        open(place, "connection-state").await?;
        wrongs.extend(look(&page, place, &[]).await?);
    }
    for pool in &pools {
        let place = format!("/pools/{}", pool.id);
        open(&place, "pool-page").await?;
        wrongs.extend(look(&page, &place, &[&pool.address]).await?);
    }
    for breaker in &breakers {
        let place = format!("/breakers/{}", breaker.id);
        open(&place, "breaker-card").await?;
        wrongs.extend(look(&page, &place, &[&breaker.name]).await?);
    }
    for (n, name) in names.iter().enumerate() {
        let place = format!("/traces/{TRACE}{n}");
        open(&place, "span-row").await?;
        wrongs.extend(look(&page, &place, &[name]).await?);
    }

    // What an address says is shown too.
    let script = "%3Cimg%20src%3Dx%20onerror%3Dwindow.pwned%3D1%3E";
    for place in ["/", "/events", "/traces", "/sessions", "/services", "/breakers", "/protection"] {
        let place = format!(
            "{place}?q={script}&service={script}&kind={script}&pool={script}&sel={script}&sort={script}"
        );
        open(&place, "connection-state").await?;
        wrongs.extend(look(&page, &place, &[]).await?);
    }
    for place in [format!("/{script}"), format!("/pools/{script}"), format!("/traces/{script}")] {
        open(&place, "empty-state").await?;
        wrongs.extend(look(&page, &place, &[]).await?);
    }
    assert!(wrongs.is_empty(), "{} wrongs:\n{}", wrongs.len(), wrongs.join("\n"));
    Ok(())
}
