//! Every page and every state of it as axe-core judges it: in both themes, wide and on a telephone.
//!
//! Whatever is wrong anywhere is told at once, so that a change of the style needs one run to be judged.

mod axe;

use anyhow::{Context as _, Result};
use poolscope_dashboard::Config;
use poolscope_tests::dashboard::Dashboard;
use poolscope_wire::{Breaker, BreakerState, PoolGroup, PoolSummary, Severity, TraceList, path};

use super::page::{Page, Seen};
use super::world::Instance;
use super::{LATER, SOON, agree};

/// What is wrong, with the names of the pages.
#[derive(Debug, Default)]
struct Verdict(Vec<String>);

impl Verdict {
    /// Judges what is shown: by axe-core, by the console and by the network.
    async fn judge(&mut self, page: &Page, name: &str) -> Result<()> {
        let found = axe::violations(page).await?;
        let errors = page.errors().await?;
        self.0.extend(found.into_iter().chain(errors).map(|what| format!("{name}: {what}")));
        Ok(())
    }

    /// Opens an address, waits for what the page is there for, and judges.
    async fn visit(&mut self, page: &Page, name: &str, url: &str, id: &str) -> Result<()> {
        page.go(url).await?;
        page.until(&format!("{name} is there"), SOON, id, |seen| !seen.is_empty()).await?;
        self.judge(page, name).await
    }

    fn tell(self) {
        assert!(self.0.is_empty(), "{} wrongs:\n{}", self.0.len(), self.0.join("\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and axe-core: cargo xtask test --suite browser"]
async fn pages_without_data_can_be_used_by_everybody() -> Result<()> {
    let dashboard = Dashboard::start().await?;
    let page = Page::open(&dashboard.url()).await?;
    let mut verdict = Verdict::default();
    for name in ["", "breakers", "protection", "events", "traces", "sessions", "services", "no-such-page"] {
        verdict
            .visit(&page, &format!("empty {name}"), &format!("{}/{name}", dashboard.url()), "empty-state")
            .await?;
    }
    verdict
        .visit(&page, "a pool that is not here", &format!("{}/pools/none", dashboard.url()), "empty-state")
        .await?;
    verdict
        .visit(
            &page,
            "a trace that is not here",
            &format!("{}/traces/{:032x}", dashboard.url(), 7),
            "trace-gone",
        )
        .await?;
    // The answers to these two are told in the console as what they are: not found.
    verdict.0.retain(|what| !what.contains("404 (Not Found)"));
    verdict.tell();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and axe-core: cargo xtask test --suite browser"]
async fn the_page_to_log_in_can_be_used_by_everybody() -> Result<()> {
    let mut config = Config::default();
    config.access.login = poolscope_dashboard::config::Login::Token;
    let dashboard = Dashboard::start_with(config).await?;
    let page = Page::open(&dashboard.url()).await?;
    assert_eq!(page.address().await?, path::LOGIN);
    let mut verdict = Verdict::default();
    verdict.judge(&page, "login").await?;
    page.script("document.querySelector('input').value = 'wrong'; document.forms[0].submit()").await?;
    verdict.judge(&page, "login refused").await?;
    // That the token is wrong is what the server answers.
    verdict.0.retain(|what| !what.contains("401 (Unauthorized)"));
    verdict.tell();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and axe-core: cargo xtask test --suite browser"]
async fn every_page_can_be_used_by_everybody() -> Result<()> {
    let dashboard = Dashboard::start().await?;
    let first = Instance::start(&dashboard, "shop-1", None).await?;
    let _second = Instance::start(&dashboard, "shop-2", Some(&first)).await?;
    let page = Page::open(&dashboard.url()).await?;
    page.until("a pool needs somebody", LATER, "pool-row", |seen| seen.iter().any(is_bad)).await?;
    page.go(&format!("{}/breakers?apart=yes", dashboard.url())).await?;
    page.until("a breaker is open", LATER, "breaker-states", |seen| !seen.is_empty()).await?;
    let is_open = async || {
        let breakers: Vec<Breaker> = dashboard.get(path::BREAKERS).await;
        anyhow::Ok(breakers.iter().any(|breaker| breaker.state != BreakerState::Closed))
    };
    agree("a breaker is open", is_open, async || Ok(true)).await?;

    let places = Places::find(&dashboard).await?;
    let url = |path: &str| format!("{}{path}", dashboard.url());
    let mut verdict = Verdict::default();
    verdict.visit(&page, "overview", &url("/"), "pool-row").await?;
    press(&page, "help", "document.querySelector('.top button[aria-label=\"Keyboard help\"]').click()")
        .await?;
    verdict.judge(&page, "overview with help").await?;
    let all = format!("/?warnings=all&open={}", places.group);
    verdict
        .visit(&page, "overview with all warnings and a group taken apart", &url(&all), "all-warnings")
        .await?;
    // A menu that is open lies over what is below it, as it should.
    let folds = "document.querySelectorAll('details:not(.menu)').forEach(one => one.open = true)";
    press(&page, "all-warnings", folds).await?;
    verdict.judge(&page, "overview with all that folds open").await?;
    verdict.visit(&page, "overview of a time", &url("/?apart=yes&window=1m&compare=1h"), "pool-row").await?;
    verdict.visit(&page, "overview without a match", &url("/?q=nothing+is+called+so"), "empty-state").await?;

    verdict.visit(&page, "pool", &url(&format!("/pools/{}", places.pool)), "lane").await?;
    press(&page, "chart-table", "document.querySelector('figcaption > button').click()").await?;
    page.script("document.querySelector('.lanes .sectionhead > button').click()").await?;
    page.script("document.querySelectorAll('details').forEach(one => one.open = true)").await?;
    page.until("the table of lanes", SOON, "lanes-table", |seen| !seen.is_empty()).await?;
    verdict.judge(&page, "pool with its tables and menus").await?;
    let (pool, now_ms) = (&places.pool, places.now_ms);
    let still = format!(
        "/pools/{pool}?from={}&to={}&sel={}-{}",
        now_ms - 20_000,
        now_ms,
        now_ms - 9_000,
        now_ms - 5_000
    );
    verdict.visit(&page, "pool at a time, a part of it marked", &url(&still), "still").await?;

    verdict.visit(&page, "breakers", &url("/breakers"), "breaker-group").await?;
    verdict.visit(&page, "a breaker", &url(&format!("/breakers/{}", places.breaker)), "breaker-card").await?;
    verdict.visit(&page, "protection", &url("/protection"), "protection-row").await?;
    verdict.visit(&page, "events", &url("/events?severity=all"), "event-row").await?;
    press(&page, "event-row", "document.querySelectorAll('details').forEach(one => one.open = true)").await?;
    verdict.judge(&page, "events with their details").await?;
    verdict.visit(&page, "traces", &url("/traces?status=all"), "trace-row").await?;
    // Found as late as this: while so much fails, each makes room for the next.
    let trace = failed_trace(&dashboard).await?;
    verdict.visit(&page, "trace", &url(&format!("/traces/{trace}")), "span-row").await?;
    press(&page, "span-detail", "document.querySelectorAll('details').forEach(one => one.open = true)")
        .await?;
    verdict.judge(&page, "trace with its details").await?;
    verdict.visit(&page, "sessions", &url("/sessions"), "session-kind").await?;
    press(&page, "session-kind", "document.querySelectorAll('details').forEach(one => one.open = true)")
        .await?;
    verdict.judge(&page, "sessions by instance").await?;
    verdict.visit(&page, "services", &url("/services"), "instance-row").await?;
    verdict.visit(&page, "about", &url("/about"), "rule-row").await?;
    verdict.tell();
    Ok(())
}

fn is_bad(seen: &Seen) -> bool {
    seen.get("data-severity").is_some_and(|severity| severity == "bad")
}

/// Does something on the page, and waits for what has to be there then.
async fn press(page: &Page, id: &str, script: &str) -> Result<()> {
    page.script(script).await?;
    page.until(&format!("{id} is there"), SOON, id, |seen| !seen.is_empty()).await.map(drop)
}

/// What there is to visit.
#[derive(Debug)]
struct Places {
    group: String,
    pool: String,
    breaker: String,
    now_ms: u64,
}

impl Places {
    async fn find(dashboard: &Dashboard) -> Result<Self> {
        let groups: Vec<PoolGroup> = dashboard.get(path::GROUPS).await;
        let pools: Vec<PoolSummary> = dashboard.get(path::POOLS).await;
        let breakers: Vec<Breaker> = dashboard.get(path::BREAKERS).await;
        let sick = pools.iter().find(|pool| pool.health.severity == Severity::Bad);
        let pool = sick.context("no pool is sick")?;
        let open = breakers.iter().find(|breaker| breaker.state != BreakerState::Closed);
        Ok(Self {
            group: groups.first().context("no pools are merged")?.merged.id.clone(),
            pool: pool.id.clone(),
            breaker: open.context("no breaker is open")?.id.clone(),
            now_ms: pool.now.at_ms,
        })
    }
}

/// Of the traces that failed, the one with the most in it.
async fn failed_trace(dashboard: &Dashboard) -> Result<String> {
    let failed: TraceList = dashboard.get(&format!("{}?status=failed", path::TRACES)).await;
    let busiest = failed.traces.into_iter().max_by_key(|trace| trace.spans);
    Ok(busiest.context("no trace has failed")?.trace_id)
}
