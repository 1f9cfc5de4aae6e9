//! Where somebody is: the focus and the place on a page stay with those who go from page to page, and with those who read
//! a list while its rows come and go.

use std::time::Duration;

use anyhow::{Context as _, Result};
use poolscope_tests::dashboard::Dashboard;
use poolscope_wire::{PoolSummary, path};
use serde_json::Value;

use super::keys::{enter, focus, press_until};
use super::page::{Page, Seen};
use super::world::Service;
use super::{LATER, SOON, agree};

/// What stands in the place of a row that went while it had the focus.
const GONE: &str = "What was here is not listed any more.";

/// What has the focus, by its tag and its id.
const FOCUSED: &str = "const one = document.activeElement; return `${one.tagName} ${one.id}`.trim()";

async fn is_at_content(page: &Page, what: &str) -> Result<()> {
    let seen = async || page.script(FOCUSED).await;
    agree(what, seen, async || Ok(Value::from("MAIN main"))).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn the_focus_goes_to_the_content_of_a_page_and_back_leads_to_where_somebody_was() -> Result<()> {
    let dashboard = Dashboard::start().await?;
    let _service = Service::ill(&dashboard)?;
    let page = Page::open(&dashboard.url()).await?;
    page.until("there are pools", SOON, "pool-row", |rows| !rows.is_empty()).await?;

    // By a link, by its key, and by the browser's own way back.
    enter(&page, "nav-about").await?;
    page.until("about", SOON, "rule-row", |rows| !rows.is_empty()).await?;
    is_at_content(&page, "after a link").await?;
    page.key("Tab", false).await?;
    let within = "return document.querySelector('main').contains(document.activeElement)";
    assert_eq!(page.script(within).await?, Value::Bool(true), "Tab goes on in the page");
    page.script("scrollTo(0, 400)").await?;
    let scrolled = async || anyhow::Ok(page.script("return scrollY").await?.as_f64().unwrap_or_default());
    let left = scrolled().await?;
    page.key("4", false).await?;
    page.until("events", SOON, "event-row", |rows| !rows.is_empty()).await?;
    is_at_content(&page, "after a key").await?;
    assert_eq!(page.script("return scrollY").await?, Value::from(0), "a page is shown from its begin");
    page.script("history.back()").await?;
    page.until("about again", SOON, "rule-row", |rows| !rows.is_empty()).await?;
    is_at_content(&page, "after going back").await?;
    let place = async || {
        let now = scrolled().await?;
        anyhow::Ok(if (now - left).abs() <= 4.0 { left } else { now })
    };
    agree("back is where it was left", place, async || Ok(left)).await?;
    // What fills itself later does not move it.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(place().await?, left, "and it stays there");

    // Escape knows how far there is to go, forward and back, and never leaves the dashboard.
    page.script("history.forward()").await?;
    page.until("events again", SOON, "event-row", |rows| !rows.is_empty()).await?;
    for (id, what) in [("rule-row", "back to about"), ("pool-row", "back to the overview")] {
        page.key("Escape", false).await?;
        page.until(what, SOON, id, |rows| !rows.is_empty()).await?;
    }
    page.key("Escape", false).await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(page.address().await?, "/", "there is nothing further back");
    assert_eq!(page.errors().await?, Vec::<String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn a_row_that_goes_leaves_the_focus_in_its_place() -> Result<()> {
    let dashboard = Dashboard::start().await?;
    let _service = Service::ill(&dashboard)?;
    let page = Page::open(&dashboard.url()).await?;
    page.until("there are pools", SOON, "pool-row", |rows| !rows.is_empty()).await?;
    // Connections to it are reset all the time, so that its list of events moves on.
    let of_ads = async || {
        let pools: Vec<PoolSummary> = dashboard.get(path::POOLS).await;
        anyhow::Ok(pools.into_iter().find(|pool| pool.address.contains("ads")))
    };
    agree("a pool of the demo is there", async || Ok(of_ads().await?.is_some()), async || Ok(true)).await?;
    let pool = of_ads().await?.context("a pool of the demo")?;
    page.go(&format!("{}/pools/{}", dashboard.url(), pool.id)).await?;
    page.until("its events", SOON, "event-row", |rows| rows.len() == 20).await?;
    let last = "const all = document.querySelectorAll('.event summary'); window.last = all[all.length - 1]; last.focus()";
    page.script(last).await?;
    let is_gone = async || page.script("return !window.last.isConnected").await;
    agree("the oldest makes room", is_gone, async || Ok(Value::Bool(true))).await?;
    let now = focus(&page).await?.context("something has the focus")?;
    // New rows above may have moved it out of view, as they would the row that it stands for.
    assert_eq!(now.name, GONE, "{now:?}");
    let in_list = "return document.activeElement.closest('.events') !== null";
    assert_eq!(page.script(in_list).await?, Value::Bool(true));

    // The worst warning ends: Enter opens nothing, and the keys go on from where it was.
    page.go(&dashboard.url()).await?;
    page.until("warnings", LATER, "warning", |rows| rows.len() > 2).await?;
    // Nothing but what is taken away moves meanwhile.
    page.key(" ", false).await?;
    page.key("j", false).await?;
    let take = "const one = document.activeElement; const row = one.closest('.warning');
        const next = row.nextElementSibling.querySelector('[data-stop]').href; row.remove(); return next";
    let next = page.script(take).await?;
    let is_gone = async || anyhow::Ok(focus(&page).await?.is_some_and(|now| now.name == GONE));
    agree("its place says so", is_gone, async || Ok(true)).await?;
    page.key("Enter", false).await?;
    assert_eq!(page.address().await?, "/", "another one is not opened by itself");
    page.key("j", false).await?;
    assert_eq!(page.script("return document.activeElement.href").await?, next);
    assert_eq!(page.script("return document.querySelector('.gone')").await?, Value::Null);
    assert_eq!(page.errors().await?, Vec::<String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn what_is_open_keeps_the_keys_for_itself() -> Result<()> {
    let dashboard = Dashboard::start().await?;
    let _service = Service::ill(&dashboard)?;
    let page = Page::open(&format!("{}/events?severity=all", dashboard.url())).await?;
    page.until("events", SOON, "event-row", |rows| !rows.is_empty()).await?;
    let place = page.address().await?;
    let is_live = |seen: &[Seen]| seen.iter().any(|seen| seen["text"] == "live");
    page.until("the stream is live", SOON, "connection-state", is_live).await?;
    let press_all = async || {
        for key in ["j", "k", "1", "8", "/"] {
            page.key(key, false).await?;
        }
        Ok::<_, anyhow::Error>(())
    };

    page.script("document.querySelector('main .menu summary').focus()").await?;
    page.key("Enter", false).await?;
    press_until(&page, "Tab", 2, "its first entry", |focus| focus.id == "save-csv").await?;
    press_all().await?;
    assert_eq!(focus(&page).await?.map(|focus| focus.id).as_deref(), Some("save-csv"), "the menu is open");
    page.key("Escape", false).await?;
    let menus = "return document.querySelectorAll('details.menu[open]').length";
    assert_eq!(page.script(menus).await?, Value::from(0));
    assert!(
        focus(&page).await?.is_some_and(|focus| focus.html.starts_with("<summary")),
        "its button has the focus"
    );

    page.key("?", true).await?;
    let is_open = async || page.script("return document.querySelector('dialog').open").await;
    agree("the help is open", &is_open, async || Ok(Value::Bool(true))).await?;
    press_all().await?;
    assert_eq!(is_open().await?, Value::Bool(true));
    page.key("Escape", false).await?;
    agree("escape closes it", &is_open, async || Ok(Value::Bool(false))).await?;
    assert!(
        focus(&page).await?.is_some_and(|focus| focus.html.starts_with("<summary")),
        "and gives the focus back"
    );
    assert_eq!(page.address().await?, place, "nothing has happened behind them");
    page.until("and the picture goes on", SOON, "connection-state", is_live).await?;
    Ok(())
}
