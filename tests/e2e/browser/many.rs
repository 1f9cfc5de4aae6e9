//! More than anybody reads: only what is near the view is in the page, and scrolling, search and keys reach all of it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use poolscope_semconv::{attr, metric};
use poolscope_tests::dashboard::Dashboard;
use serde_json::{Value, json};

use super::SOON;
use super::page::{Page, Seen};

const BREAKERS: usize = 600;

/// Every breaker in its state, of which one is open.
fn report() -> Result<Value> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos().to_string();
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let points: Vec<Value> = (0..BREAKERS)
        .map(|place| {
            let state = if place == 300 { "open" } else { "closed" };
            json!({
                "timeUnixNano": now, "startTimeUnixNano": now, "asInt": "1",
                "attributes": [
                    text(attr::BREAKER_NAME, &format!("many-{place:04}")),
                    text(attr::BREAKER_STATE, state),
                ],
            })
        })
        .collect();
    let sum = json!({"aggregationTemporality": 2, "isMonotonic": false, "dataPoints": points});
    Ok(json!({"resourceMetrics": [{
        "resource": {"attributes": [text("service.name", "shop"), text("service.instance.id", "one")]},
        "scopeMetrics": [{"metrics": [{"name": metric::BREAKER_STATE.name, "sum": sum}]}],
    }]}))
}

const POOLS: usize = 100;

/// Every pool with so many connections in use.
fn pools(active: u64) -> Result<Value> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos().to_string();
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let points: Vec<Value> = (0..POOLS)
        .map(|place| {
            json!({
                "timeUnixNano": now, "startTimeUnixNano": now, "asInt": active.to_string(),
                "attributes": [
                    text(attr::CLIENT_NAME, &format!("many-{place:04}")),
                    text(attr::SERVER_ADDRESS, "many.example"),
                    text(attr::HTTP_CONNECTION_STATE, "active"),
                ],
            })
        })
        .collect();
    let sum = json!({"aggregationTemporality": 2, "isMonotonic": false, "dataPoints": points});
    Ok(json!({"resourceMetrics": [{
        "resource": {"attributes": [text("service.name", "shop"), text("service.instance.id", "one")]},
        "scopeMetrics": [{"metrics": [{"name": metric::HTTP_CLIENT_OPEN_CONNECTIONS.name, "sum": sum}]}],
    }]}))
}

/// What is said to be in use in each row that can be seen.
const IN_VIEW: &str = "return [...document.querySelectorAll('[data-testid=\"pool-row\"]')]
    .filter(row => row.getBoundingClientRect().bottom > 0 && row.getBoundingClientRect().top < innerHeight)
    .map(row => row.querySelector('[data-testid=\"pool-active\"]').textContent)";

/// Sends until all rows that can be seen say what was sent last.
async fn all_follow(page: &Page, url: &str, sent: &mut u64) -> Result<()> {
    let deadline = Instant::now() + SOON;
    let client = reqwest::Client::new();
    loop {
        *sent += 1;
        let wanted = sent.to_string();
        let answer = client.post(url).json(&pools(*sent)?).send().await?;
        assert!(answer.status().is_success(), "{answer:?}");
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let seen = page.script(IN_VIEW).await?;
        let seen = seen.as_array().context("rows are a list")?;
        if seen.len() > 3 && seen.iter().all(|row| row.as_str() == Some(&wanted)) {
            return Ok(());
        }
        assert!(Instant::now() < deadline, "{sent} was sent, and what can be seen says {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn rows_that_slide_into_view_without_a_scroll_are_up_to_date() -> Result<()> {
    let dashboard = Dashboard::start().await?;
    let url = format!("http://{}/v1/metrics", dashboard.otlp_http());
    let mut sent = 0;
    let answer = reqwest::Client::new().post(&url).json(&pools(sent)?).send().await?;
    assert!(answer.status().is_success(), "{answer:?}");
    let page = Page::open(&dashboard.url()).await?;
    page.size(1280, 1400).await?;
    page.until("rows are there", SOON, "pool-row", |rows| rows.len() > 30).await?;
    all_follow(&page, &url, &mut sent).await?;
    // Something stands above the list for a while, as warnings do, and it is measured while it does.
    let above =
        "const above = document.createElement('div'); above.id = 'above'; above.style.height = '400px';
        document.querySelector('ul.pools').before(above); window.dispatchEvent(new Event('scroll'))";
    page.script(above).await?;
    all_follow(&page, &url, &mut sent).await?;
    page.script("document.getElementById('above').remove()").await?;
    all_follow(&page, &url, &mut sent).await?;
    page.script("window.scrollTo(0, 2500)").await?;
    all_follow(&page, &url, &mut sent).await?;
    assert_eq!(page.errors().await?, Vec::<String>::new());
    Ok(())
}

fn has(seen: &[Seen], name: &str) -> bool {
    seen.iter().any(|card| card.get("data-breaker-name").is_some_and(|found| found == name))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn six_hundred_breakers_are_reached_and_few_are_in_the_page() -> Result<()> {
    let dashboard = Dashboard::start().await?;
    let url = format!("http://{}/v1/metrics", dashboard.otlp_http());
    let answer = reqwest::Client::new().post(url).json(&report()?).send().await?;
    assert!(answer.status().is_success(), "{answer:?}");
    let page = Page::open(&format!("{}/breakers", dashboard.url())).await?;
    let told = |wanted: &'static str| {
        move |seen: &[Seen]| seen.first().and_then(|seen| seen.get("text")).is_some_and(|text| text == wanted)
    };
    page.until("all are counted", SOON, "breaker-count", told("600 breakers")).await?;
    let cards = page.all("breaker-card").await?;
    assert!(cards.len() < BREAKERS / 2, "{} cards are in the page", cards.len());
    assert_eq!(cards[0]["data-breaker-name"], "many-0300", "the worst comes first");

    // By keys, beyond the first that are in the page.
    for _ in 0..60 {
        page.key("j", false).await?;
    }
    let focused = page.script("return document.activeElement.dataset.breakerName ?? ''").await?;
    let focused = focused.as_str().context("a name is text")?;
    assert!(focused.starts_with("many-005"), "60 steps led to {focused}");

    // By scrolling, to the last.
    let mut cards = Vec::new();
    for _ in 0..100 {
        page.script("document.activeElement.blur(); window.scrollTo(0, document.body.scrollHeight)").await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
        cards = page.all("breaker-card").await?;
        if has(&cards, "many-0599") {
            break;
        }
    }
    assert!(has(&cards, "many-0599") && cards.len() < BREAKERS / 2, "{} cards", cards.len());

    // By search, over all of them, wherever the page is scrolled to.
    let search = "const field = document.querySelector('[data-search]'); field.value = 'many-0123'; \
                  field.dispatchEvent(new Event('input', {bubbles: true}))";
    page.script(search).await?;
    page.until("one is found", SOON, "breaker-count", told("1 of 600 breakers")).await?;
    page.until("it is shown", SOON, "breaker-card", |cards| cards.len() == 1 && has(cards, "many-0123"))
        .await?;
    assert_eq!(page.errors().await?, Vec::<String>::new());
    Ok(())
}
