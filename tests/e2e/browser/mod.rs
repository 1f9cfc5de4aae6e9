//! The dashboard as a person sees it: a real Chromium, the real server, a real service with real pools.
//!
//! Ignored unless asked for, since they need a browser and the built UI: `cargo xtask test --suite browser`.

mod content;
mod control;
mod fleet;
mod focus;
mod hostile;
mod journeys;
mod judged;
mod keyboard;
mod keys;
mod many;
mod page;
mod refused;
mod time;
mod world;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use anyhow::Result;
use poolscope_tests::dashboard::Dashboard;

use self::page::{Page, Seen, Theme};
use self::world::Service;

/// For what happens by itself within a second or two; only a failure takes as long.
const SOON: Duration = Duration::from_secs(20);
/// For what the service first has to get into: it is ill for some seconds, again and again.
const LATER: Duration = Duration::from_secs(60);

/// One of the clients of the demo service.
const CLIENT: &str = "checkout";

fn has(seen: &[Seen], key: &str, value: &str) -> bool {
    seen.iter().any(|seen| seen.get(key).is_some_and(|text| text == value))
}

fn text_of<'a>(seen: &'a [Seen], key: &str) -> &'a str {
    seen.first().and_then(|seen| seen.get(key)).map_or("", String::as_str)
}

/// A figure of a page without its commas and its tilde; `None` for what is no number.
fn figure(text: &str) -> Option<u64> {
    text.trim().trim_start_matches('~').replace(',', "").parse().ok()
}

/// Waits until what is seen is what is so, since both move on meanwhile.
async fn agree<T: PartialEq + Debug>(
    what: &str,
    seen: impl AsyncFn() -> Result<T>,
    truth: impl AsyncFn() -> Result<T>,
) -> Result<T> {
    let deadline = Instant::now() + SOON;
    loop {
        let (seen, truth) = (seen().await?, truth().await?);
        if seen == truth {
            return Ok(truth);
        }
        anyhow::ensure!(Instant::now() < deadline, "{what}: the page says {seen:#?}, and it is {truth:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until what is seen is what was so at some moment since: for what a page reads every few seconds.
async fn agree_late<T: PartialEq + Debug>(
    what: &str,
    seen: impl AsyncFn() -> Result<T>,
    truth: impl AsyncFn() -> Result<T>,
) -> Result<()> {
    let deadline = Instant::now() + SOON;
    let mut truths = Vec::new();
    loop {
        truths.push(truth().await?);
        let seen = seen().await?;
        if truths.contains(&seen) {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < deadline, "{what}: the page says {seen:#?}, and it was {truths:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A page must fit a telephone and a great screen, and nothing may have gone wrong on it.
async fn check(page: &Page, name: &str) -> Result<()> {
    page.pictures(name).await?;
    for (width, height) in [(3840, 2160), (2560, 1440), (400, 800)] {
        page.size(width, height).await?;
        let overflow = page.overflow().await?;
        assert!(overflow.is_empty(), "{name} is wider than a screen of {width} px: {overflow:#?}");
    }
    page.size(1280, 800).await?;
    let errors = page.errors().await?;
    assert!(errors.is_empty(), "{name} has errors in the console: {errors:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn an_empty_dashboard_says_how_to_fill_it_and_fills() -> Result<()> {
    let dashboard = Dashboard::start().await?;
    let page = Page::open(&dashboard.url()).await?;
    let empty =
        page.until("the page says that it has no data", SOON, "empty-state", |seen| !seen.is_empty()).await?;
    assert!(
        text_of(&empty, "text").contains("4317") || text_of(&empty, "text").contains("OTEL"),
        "{empty:?}"
    );
    check(&page, "empty").await?;

    let _service = Service::start(&dashboard)?;
    page.until("a pool shows up without a reload", SOON, "pool-row", |seen| !seen.is_empty()).await?;
    page.until("the hint goes", SOON, "empty-state", <[Seen]>::is_empty).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn a_person_sees_pools_live_and_follows_one() -> Result<()> {
    let dashboard = Dashboard::start().await?;
    let _service = Service::start(&dashboard)?;
    let page = Page::open(&dashboard.url()).await?;
    let is_client = |seen: &Seen| seen.get("pool-name").is_some_and(|name| name.contains(CLIENT));

    let rows = page
        .until("a pool of the service is there", SOON, "pool-row", |seen| seen.iter().any(is_client))
        .await?;
    let id = rows
        .iter()
        .find(|row| is_client(row))
        .and_then(|row| row.get("data-pool-id"))
        .cloned()
        .unwrap_or_default();
    assert!(!text_of(&rows, "pool-sentence").is_empty(), "a pool says its condition in words: {rows:?}");

    // Its numbers are those of something that lives.
    let mut pictures = BTreeSet::new();
    for _ in 0..3 {
        let rows = page
            .until("the numbers change", SOON, "pool-row", |seen| !pictures.contains(&numbers(seen, &id)))
            .await?;
        pictures.insert(numbers(&rows, &id));
    }
    page.until("the stream is live", SOON, "connection-state", |seen| has(seen, "text", "live")).await?;
    check(&page, "overview").await?;

    page.click_css(&format!(r#"[data-pool-id="{id}"] [data-testid="pool-name"]"#)).await?;
    page.until("the pool has a page", SOON, "pool-page", |seen| text_of(seen, "text").contains(CLIENT))
        .await?;
    page.until("with a chart", SOON, "chart-connections", |seen| !seen.is_empty()).await?;
    let has_parts = |seen: &[Seen]| {
        let text = text_of(seen, "text");
        text.contains("name look-up") && text.contains("TCP connect")
    };
    page.until("how its connections are made", SOON, "set-up-table", has_parts).await?;
    let is_number = |seen: &[Seen]| text_of(seen, "text").parse::<u64>().is_ok();
    for figure in ["pool-connecting", "pool-leaked", "pool-wasted-total", "pool-stale-total"] {
        page.until(figure, SOON, figure, is_number).await?;
    }
    page.until("and a table of closes", LATER, "closes-table", |seen| !seen.is_empty()).await?;
    check(&page, "pool").await?;

    page.click("nav-events").await?;
    page.until("events are told", LATER, "event-row", |seen| !seen.is_empty()).await?;
    check(&page, "events").await?;

    page.click("nav-about").await?;
    page.until("the page changes", SOON, "event-row", <[Seen]>::is_empty).await?;
    check(&page, "about").await?;

    page.click("nav-overview").await?;
    page.until("the way back works", SOON, "pool-row", |seen| seen.iter().any(is_client)).await?;
    Ok(())
}

fn numbers(rows: &[Seen], id: &str) -> Vec<String> {
    let row = rows.iter().find(|row| row.get("data-pool-id").is_some_and(|found| found == id));
    ["pool-active", "pool-idle", "pool-pending", "pool-wait-p50", "pool-wait-p99", "pool-reuse"]
        .map(|part| row.and_then(|row| row.get(part)).cloned().unwrap_or_default())
        .into()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn a_breaker_is_seen_to_open_and_to_close_again() -> Result<()> {
    let dashboard = Dashboard::start().await?;
    let _service = Service::start(&dashboard)?;
    let page = Page::open(&dashboard.url()).await?;
    page.click("nav-breakers").await?;
    let open =
        page.until("a breaker opens", LATER, "breaker-card", |seen| has(seen, "data-state", "open")).await?;
    let name = open.iter().find(|card| card.get("data-state").is_some_and(|state| state == "open"));
    let name = name.and_then(|card| card.get("data-breaker-name")).cloned().unwrap_or_default();
    page.until("its transition is told", SOON, "transition-row", |seen| !seen.is_empty()).await?;
    check(&page, "breakers").await?;
    // One axis for all strips: each has its lines where the others have theirs.
    let axes = "return [...new Set([...document.querySelectorAll('[data-testid=breaker-strip] svg')]\
        .map(strip => [...strip.querySelectorAll('.tick')].map(tick => tick.getAttribute('d')).join()))]";
    let axes = page.script(axes).await?;
    assert!(axes.as_array().is_some_and(|axes| axes.len() == 1 && axes[0] != ""), "{axes}");
    page.until("and tells its times once", SOON, "strip-axis", |seen| seen.len() == 1).await?;

    let is_closed =
        |seen: &Seen| seen.get("data-breaker-name") == Some(&name) && seen["data-state"] == "closed";
    page.until("it closes again", LATER, "breaker-card", |seen| seen.iter().any(is_closed)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn a_timeout_is_seen_to_fire_and_a_limit_to_be_reached() -> Result<()> {
    let dashboard = Dashboard::start().await?;
    let _service = Service::start(&dashboard)?;
    let page = Page::open(&dashboard.url()).await?;
    page.click("nav-protection").await?;
    let is = |seen: &Seen, kind: &str, name: &str| seen["data-kind"] == kind && seen["data-name"] == name;
    let sentence = |seen: &Seen| seen.get("protection-sentence").cloned().unwrap_or_default();
    let fired = |seen: &Seen| {
        // "fired for none of ..." does not count.
        let told = sentence(seen)
            .split_once("fired for ")
            .and_then(|(_, rest)| rest.split_once(" of "))?
            .0
            .parse()
            .ok();
        told.filter(|calls: &u64| *calls > 0)
    };
    page.until("a timeout fires", LATER, "protection-row", |seen| {
        seen.iter().any(|row| is(row, "timeout", "headers") && fired(row).is_some())
    })
    .await?;
    page.until("a limit of a client is reached", LATER, "protection-row", |seen| {
        let told = |row: &Seen| sentence(row).contains("reached");
        seen.iter().any(|row| row["data-kind"] == "limit" && told(row))
    })
    .await?;
    page.until("a probe finds the ill upstream failing", LATER, "protection-row", |seen| {
        seen.iter().any(|row| row["data-kind"] == "probe" && row["data-severity"] == "bad")
    })
    .await?;
    let rows = page.all("protection-row").await?;
    for kind in ["probe", "limit", "pool_limit", "timeout", "retry", "resource"] {
        assert!(rows.iter().any(|row| row["data-kind"] == kind), "no {kind} among {rows:#?}");
    }
    check(&page, "protection").await?;

    page.click_css(r#"[data-kind="pool_limit"] a"#).await?;
    page.until("a limited pool has its page", SOON, "pool-limit", |seen| {
        text_of(seen, "text").contains(" of ")
    })
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn a_lost_server_is_told_and_found_again() -> Result<()> {
    let mut dashboard = Dashboard::start().await?;
    let _service = Service::start(&dashboard)?;
    let page = Page::open(&dashboard.url()).await?;
    page.until("a pool is there", SOON, "pool-row", |seen| !seen.is_empty()).await?;
    page.until("the stream is live", SOON, "connection-state", |seen| has(seen, "text", "live")).await?;
    assert_eq!(page.errors().await?, Vec::<String>::new());

    dashboard.stop().await?;
    let lost = |seen: &[Seen]| has(seen, "text", "lost") || has(seen, "text", "stale");
    page.until("the page says that it has lost the server", SOON, "connection-state", lost).await?;
    let rows = page.all("pool-row").await?;
    assert!(!rows.is_empty(), "the last picture stays");
    page.pictures("lost").await?;

    // A page whose code was never needed is not to be had now; nobody says of that that it is the last picture.
    page.click("nav-breakers").await?;
    let is_unfetched = |seen: &[Seen]| text_of(seen, "text").contains("could not be fetched");
    page.until("it says that the page is not here", SOON, "empty-state", is_unfetched).await?;
    assert!(page.all("notice").await?.is_empty(), "it says so twice");
    page.click("nav-overview").await?;
    page.until("the last picture is told again", SOON, "notice", |seen| !seen.is_empty()).await?;

    dashboard.start_again().await?;
    page.until("the page finds it by itself", SOON, "connection-state", |seen| has(seen, "text", "live"))
        .await?;
    page.until("and the service, too", SOON, "pool-row", |seen| !seen.is_empty()).await?;
    // That the network failed meanwhile is right; that the page did is not.
    let errors = page.errors().await?;
    let is_of_network = |error: &&String| {
        // What fetches the parts of the page tells that it could not fetch the one that was asked for.
        let is_of_part =
            error.contains("/poolscope-ui-loader-") && error.contains("TypeError: Failed to fetch");
        error.contains(r#""source":"network""#) || is_of_part
    };
    let own: Vec<_> = errors.iter().filter(|error| !is_of_network(error)).collect();
    assert!(own.is_empty(), "{own:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn the_theme_follows_the_system_until_it_is_chosen() -> Result<()> {
    let dashboard = Dashboard::start().await?;
    let page = Page::open(&dashboard.url()).await?;
    page.prefer(Theme::Light).await?;
    let light = page.background().await?;
    page.prefer(Theme::Dark).await?;
    let dark = page.background().await?;
    assert_ne!(light, dark, "the page follows the system");

    page.click("theme-toggle").await?;
    assert_eq!(page.background().await?, light, "light was chosen");
    page.go(&dashboard.url()).await?;
    assert_eq!(page.background().await?, light, "and is kept");
    Ok(())
}
