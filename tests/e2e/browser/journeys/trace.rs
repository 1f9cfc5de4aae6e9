//! Which trace suffered: from a pool, or from a time on a chart, to the calls behind it, to where their time went, and on
//! to where traces are kept for long.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use poolscope_dashboard::Config;
use poolscope_tests::dashboard::Dashboard;
use poolscope_wire::{PhaseKind, PoolSummary, TraceDetail, TraceList, TraceSummary, path};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;

use super::super::keys::{enter, press_until};
use super::super::page::{Page, Seen};
use super::super::world::Service;
use super::super::{LATER, SOON};
use super::{home, id_in_path};

/// The upstream that is slow while it is ill.
const SLOW: &str = "payments";

/// By how much the begin of a trace may be told otherwise later: the more is known of the clock of a sender, the better it
/// is corrected.
const CLOCKS_MS: u64 = 2_000;

/// The pool to it, once it suffers.
async fn slow_pool(page: &Page, dashboard: &Dashboard) -> Result<PoolSummary> {
    let is_it = |row: &Seen| row["text"].contains(SLOW);
    page.until("the pool is there", SOON, "pool-row", |rows| rows.iter().any(is_it)).await?;
    let pools: Vec<PoolSummary> = dashboard.get(path::POOLS).await;
    pools.into_iter().find(|pool| pool.address.contains(SLOW)).context("there is no such pool")
}

/// The list has traces of this pool and no others, and of this time if one was marked.
async fn calls_are_listed(page: &Page, dashboard: &Dashboard, pool: &PoolSummary) -> Result<Vec<Seen>> {
    let rows = page.until("calls of the pool", LATER, "trace-row", |rows| !rows.is_empty()).await?;
    let address = page.address().await?;
    assert!(address.contains(&format!("pool={}", pool.id)), "{address}");
    let number = |key: &str| {
        let (_, rest) = address.split_once(&format!("{key}="))?;
        rest.split('&').next()?.parse::<u64>().ok()
    };
    let list: TraceList =
        dashboard.get(&format!("{}?pool={}&status=all&limit=500", path::TRACES, pool.id)).await;
    for row in &rows {
        let id = &row["data-trace-id"];
        let Some(trace) = list.traces.iter().find(|trace| trace.trace_id == *id) else { continue };
        assert!(trace.pools.contains(&pool.id), "{trace:?}");
        if let (Some(from_ms), Some(to_ms)) = (number("from"), number("to")) {
            let end_ms = trace.at_ms + (trace.duration_s * 1e3) as u64;
            let is_in = trace.at_ms <= to_ms + CLOCKS_MS && end_ms + CLOCKS_MS >= from_ms;
            assert!(is_in, "{trace:?} is not of {from_ms} to {to_ms}");
        }
    }
    Ok(rows)
}

/// The waterfall shows each part of each request that the trace has, and as long as it was.
async fn parts_are_drawn(page: &Page, dashboard: &Dashboard) -> Result<TraceDetail> {
    page.until("the waterfall", SOON, "span-row", |rows| !rows.is_empty()).await?;
    let trace: TraceDetail = dashboard.get(&format!("{}/{}", path::TRACES, id_in_path(page).await?)).await;
    let script = "return [...document.querySelectorAll('[data-testid=span-row]')].map(row => \
        [row.dataset.spanId, row.querySelectorAll('.lane .segment').length])";
    let drawn: Vec<(String, usize)> = serde_json::from_value(page.script(script).await?)?;
    for (id, parts) in &drawn {
        let span = trace.spans.iter().find(|span| span.span_id == *id).context("a span that is none")?;
        assert_eq!(*parts, span.phases.len().max(1), "{span:?}");
    }
    assert!(!drawn.is_empty() && drawn.len() <= trace.spans.len());
    Ok(trace)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn the_trace_that_suffered_is_found() -> Result<()> {
    // Stands for Jaeger: what it is asked for is all that matters here.
    let elsewhere = TcpListener::bind("127.0.0.1:0").await?;
    let template = format!("http://{}/trace/{{trace_id}}", elsewhere.local_addr()?);
    let config = Config { slow_trace_ms: 100, trace_url: Some(template.parse()?), ..Config::default() };
    let dashboard = Dashboard::start_with(config).await?;
    let _service = Service::ill(&dashboard)?;
    let page = Page::open(&dashboard.url()).await?;
    let pool = slow_pool(&page, &dashboard).await?;

    // From the pool to its calls, to the one that took longest.
    page.click_css(&format!(r#"[data-pool-id="{}"] [data-testid="pool-name"]"#, pool.id)).await?;
    page.click("pool-traces").await?;
    calls_are_listed(&page, &dashboard, &pool).await?;
    page.click_css(r#"[data-testid="trace-row"] a"#).await?;
    parts_are_drawn(&page, &dashboard).await?;

    // From a time on a chart, by keys.
    home(&page, &dashboard).await?;
    page.until("pools are there", SOON, "pool-row", |rows| !rows.is_empty()).await?;
    page.key("/", false).await?;
    for letter in SLOW.chars() {
        page.key(&letter.to_string(), false).await?;
    }
    page.until("one pool is left", SOON, "pool-row", |rows| rows.len() == 1).await?;
    page.key("Escape", false).await?;
    press_until(&page, "j", 20, "the pool", |focus| focus.id == "pool-name").await?;
    page.key("Enter", false).await?;
    page.until("its charts", SOON, "chart-requests", |seen| {
        seen.first().is_some_and(|chart| !chart["text"].contains("no data"))
    })
    .await?;
    press_until(&page, "Tab", 60, "the charts", |focus| focus.id == "charts").await?;
    for _ in 0..8 {
        page.key("ArrowLeft", true).await?;
    }
    page.until("a time is marked", SOON, "mark-words", |seen| !seen[0]["text"].is_empty()).await?;
    enter(&page, "mark-traces").await?;
    calls_are_listed(&page, &dashboard, &pool).await?;
    press_until(&page, "j", 3, "a trace", |focus| focus.html.contains("/traces/")).await?;
    page.key("Enter", false).await?;
    parts_are_drawn(&page, &dashboard).await?;

    // One that had to wait for a connection shows how that was set up.
    let of_pool = format!("{}?pool={}&status=all&limit=500", path::TRACES, pool.id);
    let parts = [PhaseKind::Dns, PhaseKind::Tcp, PhaseKind::Headers, PhaseKind::Body];
    let begin = Instant::now();
    let looked_up = loop {
        let list: TraceList = dashboard.get(&of_pool).await;
        let has_all = |trace: &TraceSummary| {
            parts.iter().all(|part| trace.phases.iter().any(|phase| phase.kind == *part))
        };
        match list.traces.into_iter().find(has_all) {
            Some(trace) => break trace,
            None if begin.elapsed() < LATER => tokio::time::sleep(Duration::from_millis(200)).await,
            None => bail!("no call of the pool looked a name up and was answered"),
        }
    };
    page.go(&format!("{}/traces/{}", dashboard.url(), looked_up.trace_id)).await?;
    let trace = parts_are_drawn(&page, &dashboard).await?;
    let kinds: Vec<_> =
        trace.spans.iter().flat_map(|span| span.phases.iter().map(|phase| phase.kind)).collect();
    for kind in parts {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    assert_eq!(page.errors().await?, Vec::<String>::new());

    // And on to where traces are kept for long, in a window of its own.
    page.click("trace-elsewhere").await?;
    let (stream, _) = tokio::time::timeout(SOON, elsewhere.accept()).await.context("nobody came")??;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await?;
    assert_eq!(line.split(' ').nth(1), Some(format!("/trace/{}", looked_up.trace_id).as_str()));
    Ok(())
}
