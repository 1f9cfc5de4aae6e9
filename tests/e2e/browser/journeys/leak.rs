//! Who holds the leaked connection, and since when.

use anyhow::{Context as _, Result};
use poolscope_tests::dashboard::Dashboard;
use poolscope_wire::{ConnectionLane, ConnectionLanes, Rule, path};

use super::super::keys::{enter, press_until};
use super::super::page::{Page, Seen};
use super::super::world::Service;
use super::super::{LATER, SOON};
use super::{home, id_in_path, part};

/// Where the demo service takes the response that it does not read.
const HOLDER: &str = "demo/service.rs:";

fn is_leak(seen: &Seen) -> bool {
    seen.get("data-rule").is_some_and(|rule| rule == Rule::Leak.key())
}

/// The one connection that is held, as the API tells it.
async fn held(page: &Page, dashboard: &Dashboard) -> Result<ConnectionLane> {
    let path = format!("{}/{}/{}?only=leaked", path::POOLS, id_in_path(page).await?, path::CONNECTIONS);
    let lanes: ConnectionLanes = dashboard.get(&path).await;
    lanes.rows.into_iter().find(ConnectionLane::is_leaked).context("the API tells of no held connection")
}

/// What the page tells of the holder is where the service took the response, since when, and in which request.
async fn holder_is_told(page: &Page, dashboard: &Dashboard) -> Result<String> {
    let lane = held(page, dashboard).await?;
    let leak = lane.leaks.last().context("it has a leak")?;
    assert!(leak.origin.contains(HOLDER), "{leak:?}");
    let is_told = |seen: &[Seen]| {
        let text = part(seen, "text").unwrap_or_default();
        [format!("#{}", lane.id).as_str(), "held since", "not read", &leak.origin, &leak.trace_id]
            .iter()
            .all(|what| text.contains(what))
    };
    page.until("the holder is told", SOON, "lanes-reader", is_told).await?;
    Ok(leak.trace_id.clone())
}

/// It leads to the trace of the request, which says why there is nothing of it yet: a span is sent when it ends, and this
/// request has not ended.
async fn is_its_trace(page: &Page, trace_id: &str) -> Result<()> {
    let seen = page.until("its trace", SOON, "trace-gone", |seen| !seen.is_empty()).await?;
    assert!(
        part(&seen, "text").is_some_and(|text| text.contains("spans are sent when they end")),
        "{seen:?}"
    );
    assert_eq!(id_in_path(page).await?, trace_id);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn the_holder_of_a_leaked_connection_is_found() -> Result<()> {
    let dashboard = Dashboard::start().await?;
    let _service = Service::ill(&dashboard)?;
    let page = Page::open(&format!("{}/?warnings=all", dashboard.url())).await?;
    let warnings =
        page.until("the leak is warned of", LATER, "warning", |seen| seen.iter().any(is_leak)).await?;
    let words = warnings.iter().find(|seen| is_leak(seen)).and_then(|seen| seen.get("text"));
    let words = words.context("a warning has words")?;
    assert!(words.contains("held and not read for") && words.contains(HOLDER), "{words}");

    page.click_css(&format!(r#"[data-testid="warning"][data-rule="{}"] a"#, Rule::Leak.key())).await?;
    page.until("the pool has its page", SOON, "pool-page", |seen| !seen.is_empty()).await?;
    let pool = id_in_path(&page).await?;
    page.click("lanes-only-leaked").await?;
    page.until("one lane is left", SOON, "lane", |lanes| lanes.len() == 1).await?;
    page.click("lane").await?;
    let trace_id = holder_is_told(&page, &dashboard).await?;
    page.click_css(r#"[data-testid="lanes-reader"] a"#).await?;
    is_its_trace(&page, &trace_id).await?;

    // By keys.
    home(&page, &dashboard).await?;
    page.until("there are pools", SOON, "pool-row", |rows| !rows.is_empty()).await?;
    press_until(&page, "j", 20, "the pool with the leak", |focus| {
        focus.id == "pool-name" && focus.html.contains(&pool)
    })
    .await?;
    page.key("Enter", false).await?;
    page.until("the pool has its page", SOON, "pool-page", |seen| !seen.is_empty()).await?;
    enter(&page, "lanes-only-leaked").await?;
    page.until("one lane is left", SOON, "lane", |lanes| lanes.len() == 1).await?;
    press_until(&page, "Tab", 10, "the lanes", |focus| focus.id == "lanebox").await?;
    page.key("ArrowDown", false).await?;
    page.key("Enter", false).await?;
    let by_keys = holder_is_told(&page, &dashboard).await?;
    assert_eq!(by_keys, trace_id);
    page.key("Tab", true).await?;
    page.key("Enter", false).await?;
    is_its_trace(&page, &trace_id).await?;
    // That there is nothing of the trace yet is what the API answers.
    let errors = page.errors().await?;
    let own: Vec<_> = errors.iter().filter(|error| !error.contains("404 (Not Found)")).collect();
    assert!(own.is_empty(), "{own:#?}");
    Ok(())
}
