//! The time that is looked at: marked on a chart, looked at, shared as a link, and saved as a file.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use poolscope_dashboard::Config;
use poolscope_tests::dashboard::Dashboard;

use super::page::{Page, Seen};
use super::world::Service;
use super::{CLIENT, LATER, SOON, check, text_of};

/// The page of a pool of the demo service that has been reported for a while.
async fn pool_page(page: &Page) -> Result<()> {
    let is_client = |seen: &Seen| seen.get("pool-name").is_some_and(|name| name.contains(CLIENT));
    let rows = page.until("a pool is there", SOON, "pool-row", |seen| seen.iter().any(is_client)).await?;
    let id = rows.iter().find(|row| is_client(row)).and_then(|row| row.get("data-pool-id"));
    let id = id.context("a row has no id")?;
    page.click_css(&format!(r#"[data-pool-id="{id}"] [data-testid="pool-name"]"#)).await?;
    page.until("its charts are there", SOON, "chart-requests", |seen| !seen.is_empty()).await?;
    Ok(())
}

/// Widths of the marked time on each chart; none where nothing is marked.
async fn brushes(page: &Page) -> Result<Vec<f64>> {
    let script =
        "return [...document.querySelectorAll('.plot .brush')].map(e => Number(e.getAttribute('width')))";
    Ok(serde_json::from_value(page.script(script).await?)?)
}

fn marked(seen: &[Seen]) -> bool {
    !text_of(seen, "text").is_empty()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn a_time_is_marked_on_one_chart_looked_at_and_shared() -> Result<()> {
    let dashboard = Dashboard::start().await?;
    let _service = Service::start(&dashboard)?;
    let page = Page::open(&dashboard.url()).await?;
    pool_page(&page).await?;
    assert_eq!(
        brushes(&page).await?.iter().filter(|width| **width > 0.0).count(),
        0,
        "nothing is marked yet"
    );

    page.drag("[data-testid=chart-requests] svg", 0.2, 0.5).await?;
    let words = page.until("the marked time is told", SOON, "mark-words", marked).await?;
    let widths = brushes(&page).await?;
    assert!(
        widths.len() > 5 && widths.iter().all(|width| *width > 20.0),
        "it is shown on all charts: {widths:?}"
    );
    assert!(page.address().await?.contains("sel="), "it is in the address");
    check(&page, "marked").await?;

    page.key("Escape", false).await?;
    page.until("escape clears it", SOON, "mark-words", |seen| !marked(seen)).await?;
    assert!(page.address().await?.starts_with("/pools/"), "and stays on the page");

    // The same by keys.
    page.script("document.querySelector('[data-testid=charts]').focus()").await?;
    page.until("there are points", SOON, "chart-requests", |seen| !text_of(seen, "text").contains("no data"))
        .await?;
    for _ in 0..3 {
        page.key("ArrowLeft", true).await?;
    }
    let by_keys = page.until("keys mark a time", SOON, "mark-words", marked).await?;
    assert_ne!(text_of(&words, "text"), text_of(&by_keys, "text"));
    page.key("Enter", false).await?;
    let still = page.until("it is looked at", SOON, "still", |seen| !seen.is_empty()).await?;
    let shared = page.address().await?;
    assert!(shared.contains("from=") && shared.contains("to="), "{shared}");

    // Somebody else opens the link.
    let other = Page::open(&format!("{}{shared}", dashboard.url())).await?;
    let seen = other.until("the link shows the same time", SOON, "still", |seen| !seen.is_empty()).await?;
    let time = |seen: &[Seen]| text_of(seen, "text").rsplit_once('(').map(|(time, _)| time.to_owned());
    assert_eq!(time(&seen), time(&still));
    other.until("with its charts", SOON, "chart-connections", |seen| !seen.is_empty()).await?;
    check(&other, "still").await?;
    // On a telephone too the bar shows all of it.
    let has_room = "return ['time-range', 'time-compare'].filter(id => { \
                    const choice = document.querySelector(`[data-testid=${id}]`); const has = choice.offsetWidth; \
                    choice.style.width = 'max-content'; const wants = choice.offsetWidth; \
                    choice.style.width = ''; return has < wants; })";
    for width in [400, 320] {
        other.size(width, 800).await?;
        assert_eq!(other.script(has_room).await?, serde_json::json!([]), "cut at {width} px");
    }

    page.script("history.back()").await?;
    page.until("back is live again", SOON, "still", <[Seen]>::is_empty).await?;
    page.size(320, 800).await?;
    assert_eq!(page.script(has_room).await?, serde_json::json!([]), "cut while it is live");
    page.size(1280, 800).await?;

    // What can't be read is said, and what is usual is shown.
    page.go(&format!("{}/?window=60", dashboard.url())).await?;
    let said = |seen: &[Seen]| text_of(seen, "text").contains("window=60, which can't be read");
    page.until("it says so", SOON, "still", said).await?;
    page.until("and shows the pools", SOON, "pool-row", |rows| !rows.is_empty()).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn what_is_seen_is_saved_by_keyboard() -> Result<()> {
    let dashboard = Dashboard::start().await?;
    let _service = Service::start(&dashboard)?;
    let page = Page::open(&dashboard.url()).await?;
    pool_page(&page).await?;
    // What would become a file stays in the page.
    page.script(
        "window.saved = []; const make = URL.createObjectURL; \
         URL.createObjectURL = blob => { blob.text().then(text => saved.push([blob.type, text])); return make(blob); }; \
         HTMLAnchorElement.prototype.click = () => {};",
    )
    .await?;
    page.script("document.querySelector('[data-testid=chart-wait] .menu summary').focus()").await?;
    page.key("Enter", false).await?;
    page.key("Tab", false).await?;
    page.key("Enter", false).await?;
    let saved =
        || async { page.script("return window.saved.map(([type, text]) => type + '\\n' + text)").await };
    let csv = wait_for(saved).await?;
    assert!(csv.starts_with("text/csv"), "{csv}");
    assert!(csv.contains("time,p50 (s),p99 (s)\r\n"), "{csv}");
    assert!(csv.lines().count() > 2, "it has rows: {csv}");

    page.script("window.saved = []").await?;
    page.script("document.querySelector('.sectionhead .menu summary').click()").await?;
    page.click_css(".sectionhead [data-testid=save-png]").await?;
    let png = wait_for(saved).await?;
    assert!(png.starts_with("image/png"), "a picture of all charts");
    let errors = page.errors().await?;
    assert!(errors.is_empty(), "{errors:#?}");
    Ok(())
}

/// The first file that was saved, as its type and its text.
async fn wait_for(saved: impl AsyncFn() -> Result<serde_json::Value>) -> Result<String> {
    let deadline = std::time::Instant::now() + LATER;
    loop {
        if let Some(file) =
            saved().await?.as_array().and_then(|files| files.first()?.as_str().map(str::to_owned))
        {
            return Ok(file);
        }
        anyhow::ensure!(std::time::Instant::now() < deadline, "nothing was saved");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn pools_that_are_gone_are_found_in_the_time_that_had_them() -> Result<()> {
    let dashboard = Dashboard::start_with(Config { forget_after_s: 2, ..Config::default() }).await?;
    let service = Service::start(&dashboard)?;
    let page = Page::open(&dashboard.url()).await?;
    pool_page(&page).await?;
    let id = page.address().await?.trim_start_matches("/pools/").to_owned();
    drop(service);
    page.go(&dashboard.url()).await?;
    page.until("no list of now has it", LATER, "pool-row", <[Seen]>::is_empty).await?;
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    page.go(&format!("{}/?from={}&to={now_ms}", dashboard.url(), now_ms - 120_000)).await?;
    let is_it = |seen: &Seen| seen["text"].contains(CLIENT);
    page.until("the time has it", SOON, "gone-pool", |seen| seen.iter().any(is_it)).await?;
    check(&page, "gone").await?;
    page.click_css(&format!(r#"[data-testid="gone-pool"] a[href^="/pools/{id}?"]"#)).await?;
    page.until("with its charts", SOON, "chart-requests", |seen| {
        seen.first().is_some_and(|chart| !chart["text"].contains("no data"))
    })
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn breakers_that_are_gone_are_as_they_were_in_the_time_that_had_them() -> Result<()> {
    let dashboard = Dashboard::start_with(Config { forget_after_s: 2, ..Config::default() }).await?;
    let service = Service::ill(&dashboard)?;
    let page = Page::open(&format!("{}/breakers", dashboard.url())).await?;
    let is_open = |seen: &&Seen| seen.get("data-state").is_some_and(|state| state == "open");
    let cards =
        page.until("a breaker opens", LATER, "breaker-card", |seen| seen.iter().any(|one| is_open(&one)));
    let cards = cards.await?;
    let id = cards.iter().find(is_open).context("one is open")?["data-breaker-id"].clone();
    drop(service);
    page.until("no list of now has it", LATER, "breaker-card", <[Seen]>::is_empty).await?;
    assert!(page.all("gone-breaker").await?.is_empty(), "that of now has none that are gone");

    // The link of an event says where it is, and leads there.
    page.go(&format!("{}/events?kind=poolscope.breaker.transition", dashboard.url())).await?;
    page.click_css(&format!(r#"[data-testid="event-row"] a[href^="/breakers/{id}"]"#)).await?;
    let is_told = |seen: &[Seen]| text_of(seen, "text").contains("is not in this list");
    page.until("it says when it was there", SOON, "lost-breaker", is_told).await?;
    page.click_css(r#"[data-testid="lost-breaker"] a"#).await?;
    let is_whole = |card: &Seen| {
        let says = |part: &str, word: &str| card.get(part).is_some_and(|text| text.contains(word));
        card["data-breaker-id"] == id
            && says("transition-row", "\u{2192}")
            && says("breaker-strip", "change")
            && says("breaker-figures", "failed")
    };
    page.until("it is there as it was", SOON, "gone-breaker", |seen| seen.iter().any(is_whole)).await?;
    let focused = page.script("return document.activeElement.dataset.breakerId").await?;
    assert_eq!(focused.as_str(), Some(&*id), "the link leads to its card");
    assert!(page.all("lost-breaker").await?.is_empty(), "it is found");
    assert!(page.all("empty-state").await?.is_empty(), "nothing is said of how to begin");
    check(&page, "gone-breakers").await?;

    // What filters those of now filters them.
    let time = page.address().await?;
    page.go(&format!("{}{time}&q=no-such-name", dashboard.url())).await?;
    let is_said = |seen: &[Seen]| text_of(seen, "text").contains("but none that this search");
    page.until("none passes", SOON, "gone-says", is_said).await?;
    assert!(page.all("gone-breaker").await?.is_empty());
    page.go(&format!("{}{time}&state=open", dashboard.url())).await?;
    page.until("it was open then", SOON, "gone-breaker", |seen| seen.iter().any(is_whole)).await?;

    // So is what else protected calls, and who had sessions, each with its charts.
    let query = time.split_once('?').context("it is of a time")?.1;
    for path in ["protection", "sessions"] {
        page.go(&format!("{}/{path}?{query}", dashboard.url())).await?;
        page.until("its rows are there", SOON, "gone-row", |seen| !seen.is_empty()).await?;
        assert!(page.all("empty-state").await?.is_empty(), "nothing is said of how to begin");
        page.click("gone-over-time").await?;
        let is_drawn = |seen: &[Seen]| seen.len() == 1 && !text_of(seen, "text").contains("no data");
        page.until("a row over that time", SOON, "charts", is_drawn).await?;
        if path == "sessions" {
            let is_of_then = |seen: &[Seen]| text_of(seen, "text").starts_with("Events of this time");
            page.until("with the events of that time", SOON, "session-events", is_of_then).await?;
        }
        check(&page, &format!("gone-{path}")).await?;
    }

    // And who sent all of it.
    page.go(&format!("{}/services?{query}", dashboard.url())).await?;
    page.until("it is named", SOON, "gone-instance", |seen| !seen.is_empty()).await?;
    check(&page, "gone-services").await?;
    Ok(())
}
