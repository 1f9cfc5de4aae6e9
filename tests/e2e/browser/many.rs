//! More breakers than anybody reads: only those near the view are in the page, and scrolling, search and keys reach all.

use std::time::{SystemTime, UNIX_EPOCH};

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
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
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
