//! What a page says when the server lets it have no live picture, and what it does about it.

use std::time::Duration;

use anyhow::Result;
use poolscope_dashboard::Config;
use poolscope_tests::dashboard::Dashboard;
use poolscope_wire::path;

use super::page::{Page, Seen};
use super::world::Service;
use super::{LATER, SOON, has, text_of};
use crate::control::TOKEN;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn one_browser_too_many_is_told_why_and_comes_in_when_another_goes() -> Result<()> {
    let mut config = Config::default();
    config.limits.max_streams = 1;
    let dashboard = Dashboard::start_with(config).await?;
    let _service = Service::ill(&dashboard)?;
    let is_live = |seen: &[Seen]| has(seen, "text", "live");
    let first = Page::open(&dashboard.url()).await?;
    first.until("the first is live", SOON, "connection-state", is_live).await?;

    let second = Page::open(&dashboard.url()).await?;
    let is_told = |seen: &[Seen]| text_of(seen, "text").contains("--max-streams");
    second.until("the second is told what to do", SOON, "notice", is_told).await?;
    second.until("in a word", SOON, "connection-state", |seen| has(seen, "text", "stopped")).await?;
    drop(first);
    second.until("it comes in", LATER, "connection-state", is_live).await?;
    second.until("and nothing is said any more", SOON, "notice", <[Seen]>::is_empty).await?;
    second.until("it has the picture", SOON, "pool-row", |rows| !rows.is_empty()).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn a_login_that_is_over_leads_to_the_next_and_back() -> Result<()> {
    let mut config = Config::default();
    config.access.login = poolscope_dashboard::config::Login::Token;
    config.access.login_token = TOKEN.parse().ok();
    config.access.login_life_s = 4;
    let dashboard = Dashboard::start_with(config).await?;
    let page = Page::open(&format!("{}/login?t={TOKEN}&return=/about", dashboard.url())).await?;
    page.until("somebody is in", SOON, "rule-row", |seen| !seen.is_empty()).await?;
    let deadline = std::time::Instant::now() + SOON;
    let address = loop {
        let address = page.address().await?;
        if address.starts_with(path::LOGIN) {
            break address;
        }
        anyhow::ensure!(std::time::Instant::now() < deadline, "the page stays at {address}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(address.contains("about"), "it leads back to where somebody was: {address}");
    Ok(())
}
