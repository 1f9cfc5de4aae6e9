//! Which pool is sick, and why.

use anyhow::{Context as _, Result};
use poolscope_tests::dashboard::Dashboard;
use poolscope_wire::{PoolDetail, PoolSummary, Severity, path};

use super::super::keys::press_until;
use super::super::page::{Page, Seen};
use super::super::world::Service;
use super::super::{LATER, SOON, agree};
use super::{home, id_in_path, part};

fn is_bad(seen: &Seen) -> bool {
    seen.get("data-severity").is_some_and(|severity| severity == "bad")
}

/// The page of a pool tells why it is sick, in the words of the server, and since when.
async fn is_explained(page: &Page, dashboard: &Dashboard) -> Result<()> {
    page.until("the pool has its page", SOON, "pool-page", |seen| !seen.is_empty()).await?;
    let id = id_in_path(page).await?;
    let pool = async || dashboard.get::<PoolDetail>(&format!("{}/{id}", path::POOLS)).await.summary;
    assert_eq!(pool().await.health.severity, Severity::Bad, "it led to a sick pool");
    let words = agree(
        "the sentence of the pool",
        async || Ok(part(&page.all("pool-sentence").await?, "text").unwrap_or_default().to_owned()),
        async || Ok(pool().await.health.sentence),
    )
    .await?;
    assert!(!words.is_empty());
    let head = page.script("return document.querySelector('.poolhead').innerText").await?;
    let head = head.as_str().context("the head is text")?;
    // Not all that makes a pool sick is a share, and that its breaker is open has no figure.
    let has_figure = words.chars().any(|letter| letter.is_ascii_digit()) || words.starts_with("breaker ");
    assert!(head.contains(" for ") && has_figure, "it says since when, and how much: {head}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn the_sick_pool_is_found_in_one_step() -> Result<()> {
    let dashboard = Dashboard::start().await?;
    let _service = Service::ill(&dashboard)?;
    let page = Page::open(&dashboard.url()).await?;
    let rows = page.until("a pool is sick", LATER, "pool-row", |rows| rows.iter().any(is_bad)).await?;

    // It is the first row, and the first words of the page.
    let pools: Vec<PoolSummary> = dashboard.get(path::POOLS).await;
    assert!(pools.iter().any(|pool| pool.health.severity == Severity::Bad), "{pools:#?}");
    assert!(is_bad(&rows[0]), "the worst comes first: {rows:#?}");
    let headline = page.until("the headline", SOON, "headline", |seen| {
        part(seen, "text").is_some_and(|text| text.contains("need") && text.contains("you"))
    });
    headline.await?;

    page.click_css(r#"[data-testid="pool-row"][data-severity="bad"] [data-testid="pool-name"]"#).await?;
    is_explained(&page, &dashboard).await?;

    // By keys: down to it, and into it.
    home(&page, &dashboard).await?;
    page.until("a pool is sick", SOON, "pool-row", |rows| rows.iter().any(is_bad)).await?;
    press_until(&page, "j", 12, "the first pool", |focus| focus.id == "pool-name").await?;
    page.key("Enter", false).await?;
    is_explained(&page, &dashboard).await?;
    page.key("Escape", false).await?;
    page.until("escape leads back", SOON, "pool-row", |rows| !rows.is_empty()).await?;
    assert_eq!(page.errors().await?, Vec::<String>::new());
    Ok(())
}
