//! When and why a breaker opened, and the requests behind that.

use anyhow::{Context as _, Result};
use poolscope_semconv::value::BreakerReason;
use poolscope_tests::dashboard::Dashboard;
use poolscope_wire::{Breaker, BreakerState, Span, TraceDetail, TraceList, TraceStatus, Transition, path};

use super::super::keys::{enter, press_until};
use super::super::page::{Page, Seen};
use super::super::world::Service;
use super::super::{LATER, SOON};
use super::{home, id_in_path, part};

/// The upstream that answers 503 while it is ill.
const FAILS: &str = "inventory";

fn is_open(seen: &Seen) -> bool {
    seen.get("data-state").is_some_and(|state| state != "closed") && is_the_one(seen)
}

fn is_the_one(seen: &Seen) -> bool {
    seen.get("data-breaker-name").is_some_and(|name| name.contains(FAILS))
}

/// The first time that it opened, as the API tells it.
async fn opening(dashboard: &Dashboard) -> Result<(Breaker, Transition)> {
    let breakers: Vec<Breaker> = dashboard.get(path::BREAKERS).await;
    let breaker = breakers.into_iter().find(|breaker| breaker.name.contains(FAILS)).context("no breaker")?;
    let opened = breaker.transitions.iter().find(|change| change.to == BreakerState::Open).cloned();
    Ok((breaker, opened.context("it has not opened")?))
}

/// The card has the moment and the reason, with the figures that the breaker itself told.
async fn opening_is_told(page: &Page, dashboard: &Dashboard) -> Result<()> {
    let (_, opened) = opening(dashboard).await?;
    assert_eq!(BreakerReason::parse(&opened.reason), Some(BreakerReason::FailureRatio), "{opened:?}");
    let calls = opened.window_calls.context("it tells of how many calls")?;
    let share = opened.failure_ratio.context("it tells which share failed")?;
    assert!(share >= 0.5, "it opened for a reason: {opened:?}");
    let is_told = |rows: &[Seen]| {
        rows.iter().any(|row| {
            let text = row.get("text").map(String::as_str).unwrap_or_default();
            text.contains("open") && text.contains(&format!("of {calls} calls failed"))
        })
    };
    page.until("when and why it opened", SOON, "transition-row", is_told).await?;
    // The exact moment, to the second, is behind the relative one.
    let script =
        "return [...document.querySelectorAll('[data-testid=transition-row] time')].map(e => e.title)";
    let titles: Vec<String> = serde_json::from_value(page.script(script).await?)?;
    let second = opened.at_ms / 1_000 % 60;
    assert!(titles.iter().any(|title| title.contains(&format!(":{second:02}"))), "{opened:?}: {titles:?}");
    Ok(())
}

/// The list is that of the calls of this breaker; one of them leads to a waterfall with a call of its.
async fn requests_are_listed(page: &Page, dashboard: &Dashboard) -> Result<()> {
    let (breaker, _) = opening(dashboard).await?;
    let chip = format!("breaker {}", breaker.name);
    page.until("the filter is told", SOON, "filter-chip", |seen| {
        part(seen, "text").is_some_and(|text| text.contains(&chip))
    })
    .await?;
    let rows = page.until("calls of the breaker", SOON, "trace-row", |rows| !rows.is_empty()).await?;
    let list: TraceList = dashboard.get(&format!("{}?breaker={}&status=all", path::TRACES, breaker.id)).await;
    assert!(list.traces.iter().any(|trace| trace.status != TraceStatus::Good), "{list:?}");
    let first = rows[0].get("data-trace-id").context("a row has its trace")?;
    let trace: TraceDetail = dashboard.get(&format!("{}/{first}", path::TRACES)).await;
    // A call that it let pass is a span of its pool; one that it turned away names it.
    let is_its = |span: &Span| {
        let to_it = span.call.as_ref().and_then(|call| call.url.strip_suffix('/'));
        span.breaker.as_ref() == Some(&breaker.id) || to_it.is_some_and(|to| breaker.name.ends_with(to))
    };
    assert!(trace.spans.iter().any(is_its), "{trace:?}");
    Ok(())
}

async fn waterfall_is_there(page: &Page) -> Result<()> {
    page.until("the waterfall", SOON, "span-row", |rows| !rows.is_empty()).await?;
    assert_eq!(id_in_path(page).await?.len(), 32);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn when_and_why_a_breaker_opened_is_found_with_its_requests() -> Result<()> {
    let dashboard = Dashboard::start().await?;
    let _service = Service::ill(&dashboard)?;
    let page = Page::open(&dashboard.url()).await?;
    page.click("nav-breakers").await?;
    let cards =
        page.until("the breaker opens", LATER, "breaker-card", |cards| cards.iter().any(is_open)).await?;
    let card = cards.iter().find(|card| is_open(card)).context("it is open")?;
    assert!(card["text"].contains("rejected"), "{card:?}");
    opening_is_told(&page, &dashboard).await?;
    let id = &card["data-breaker-id"];
    page.click_css(&format!(r#"[data-breaker-id="{id}"] [data-testid="breaker-traces"]"#)).await?;
    requests_are_listed(&page, &dashboard).await?;
    page.click_css(r#"[data-testid="trace-row"] a"#).await?;
    waterfall_is_there(&page).await?;

    // By keys: to the page by its number, to the card, and on from there.
    home(&page, &dashboard).await?;
    page.until("there are pools", SOON, "pool-row", |rows| !rows.is_empty()).await?;
    page.key("2", false).await?;
    page.until("there are breakers", SOON, "breaker-card", |cards| cards.iter().any(is_the_one)).await?;
    press_until(&page, "j", 12, "the card", |focus| focus.id == "breaker-card" && focus.name.contains(FAILS))
        .await?;
    opening_is_told(&page, &dashboard).await?;
    enter(&page, "breaker-traces").await?;
    requests_are_listed(&page, &dashboard).await?;
    press_until(&page, "j", 3, "a trace", |focus| focus.html.contains("/traces/")).await?;
    page.key("Enter", false).await?;
    waterfall_is_there(&page).await?;
    assert_eq!(page.errors().await?, Vec::<String>::new());
    Ok(())
}
