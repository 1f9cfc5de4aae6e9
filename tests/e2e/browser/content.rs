//! What each page says is what the service counted and the API knows.
//!
//! The service stops calling first: at rest there is one truth, and page, API and the layers themselves must agree on it
//! to the last request.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use poolscope::PoolSnapshot;
use poolscope_tests::dashboard::Dashboard;
use poolscope_tests::demo::{BOT, FEEDS};
use poolscope_tests::echo::{self, CHATS, STREAMS};
use poolscope_tests::wait;
use poolscope_wire::{
    Breaker, BreakerState, Event, PoolDetail, PoolSummary, Protection, RuleSetting, Service, Sessions,
    Status, TraceDetail, TraceList, path,
};

use super::page::{Page, Seen};
use super::world::Instance;
use super::{LATER, SOON, agree, check, figure, text_of};

/// How many events their page shows until somebody asks for more.
const EVENTS_SHOWN: usize = 200;

/// A dashboard with a service that has been ill and rests now, and a browser.
struct World {
    dashboard: Dashboard,
    instance: Instance,
    page: Page,
}

impl World {
    async fn start() -> Result<Self> {
        let dashboard = Dashboard::start().await?;
        let mut instance = Instance::start(&dashboard, "shop-1", None).await?;
        let page = Page::open(&format!("{}/breakers", dashboard.url())).await?;
        let is_open = |seen: &Seen| seen["data-state"] == "open";
        page.until("a breaker opens", LATER, "breaker-card", |seen| seen.iter().any(is_open)).await?;
        let events =
            async || dashboard.get::<Vec<Event>>(&format!("{}?limit=9000", path::EVENTS)).await.len();
        wait::until("more events than a page shows at once", events, |all| *all > EVENTS_SHOWN).await;
        instance.demo.stop_calls().await;
        instance.telemetry.flush();
        Ok(Self { dashboard, instance, page })
    }

    async fn open(&self, place: &str, id: &str) -> Result<Vec<Seen>> {
        self.page.go(&format!("{}{place}", self.dashboard.url())).await?;
        self.page.until(&format!("{place} is there"), SOON, id, |seen| !seen.is_empty()).await
    }

    /// The pools as the layers count them.
    fn counted(&self) -> Vec<PoolSnapshot> {
        self.instance.scope.snapshot().pools
    }

    fn counted_one(&self, pool: &PoolSummary) -> Result<PoolSnapshot> {
        let is_it = |one: &PoolSnapshot| {
            (&*one.client, &*one.host, one.port) == (&*pool.client, &*pool.address, pool.port)
        };
        self.counted().into_iter().find(is_it).context("the service has no such pool")
    }

    /// A figure of the page that is shown.
    async fn figure(&self, id: &str) -> Result<Option<u64>> {
        Ok(figure(text_of(&self.page.all(id).await?, "text")))
    }
}

/// Rows of the overview: each pool with its connections.
async fn overview(world: &World) -> Result<()> {
    world.open("/", "pool-row").await?;
    let pools: Vec<PoolSummary> = world.dashboard.get(path::POOLS).await;
    assert_eq!(pools.len(), world.counted().len());
    for pool in &pools {
        agree(
            &format!("{} to {} on the overview", pool.client, pool.address),
            async || {
                let rows = world.page.all("pool-row").await?;
                let row =
                    rows.into_iter().find(|row| row["data-pool-id"] == pool.id).context("it has no row")?;
                Ok((figure(&row["pool-active"]), figure(&row["pool-idle"]), figure(&row["pool-pending"])))
            },
            async || {
                let counted = world.counted_one(pool)?;
                let counts = counted.counts();
                Ok((Some(counts.active), Some(counts.idle), Some(counted.pending())))
            },
        )
        .await?;
    }
    check(&world.page, "overview").await
}

/// The page of a pool: totals, closes by reason, lanes, a table behind each chart, and the zone of times.
async fn pool(world: &World) -> Result<()> {
    let pools: Vec<PoolSummary> = world.dashboard.get(path::POOLS).await;
    // Its upstream closes each connection, and its client makes new ones all the time.
    let pool = pools.iter().find(|pool| pool.address == "legacy.internal").context("a pool of the demo")?;
    world.open(&format!("/pools/{}", pool.id), "lane").await?;
    agree(
        "totals of the pool",
        async || {
            let mut told = Vec::new();
            for id in [
                "pool-opened-total",
                "pool-closed-total",
                "pool-requests-total",
                "pool-wasted-total",
                "pool-leaks-total",
            ] {
                told.push(world.figure(id).await?);
            }
            Ok(told)
        },
        async || {
            let counted = world.counted_one(pool)?;
            let ended: u64 = counted.results.iter().map(|result| result.duration.count()).sum();
            let all =
                [counted.opened, counted.closed_total(), ended, counted.wasted, counted.leaks_suspected];
            Ok(all.map(Some).to_vec())
        },
    )
    .await?;

    let detail: PoolDetail = world.dashboard.get(&format!("{}/{}", path::POOLS, pool.id)).await;
    let closes = world.page.all("closes-table").await?;
    for close in &detail.closes {
        let count = format!("{}", close.count);
        assert!(text_of(&closes, "text").replace(',', "").contains(&count), "{close:?}: {closes:?}");
    }
    let all: Option<u64> =
        figure(text_of(&world.page.all("lanes-only-").await?, "text").trim_start_matches("all"));
    assert!(all.is_some_and(|all| all > 3), "lanes of closed connections stay: {all:?}");

    let charts: Vec<String> = serde_json::from_value(
        world
            .page
            .script("return [...document.querySelectorAll('figure.chart')].map(e => e.dataset.testid)")
            .await?,
    )?;
    assert!(charts.len() >= 8, "{charts:?}");
    for chart in charts {
        world.page.click_css(&format!(r#"[data-testid="{chart}"] figcaption > button"#)).await?;
        let rows = format!("return document.querySelectorAll('[data-testid={chart}] tbody tr').length");
        assert!(world.page.script(&rows).await?.as_u64() > Some(5), "{chart} has a table behind it");
        world.page.click_css(&format!(r#"[data-testid="{chart}"] figcaption > button"#)).await?;
    }
    check(&world.page, "pool").await
}

/// Lines of events, with how many there are, and more of them where somebody asks.
async fn events(world: &World) -> Result<()> {
    let api = async |query: &str| {
        world.dashboard.get::<Vec<Event>>(&format!("{}?limit=9000{query}", path::EVENTS)).await
    };
    world.open("/events?severity=all", "event-row").await?;
    let events = api("").await;
    let all = events.len();
    let plain = async || {
        let seen = world.page.all("event-count").await?;
        anyhow::Ok(text_of(&seen, "text").replace(',', ""))
    };
    let truth = async || {
        let all = api("").await.len();
        Ok(format!("{all} of {all} events the newest {EVENTS_SHOWN} shown"))
    };
    agree("how many events there are", &plain, truth).await?;
    let rows = world.page.all("event-row").await?;
    assert_eq!(rows.len(), EVENTS_SHOWN);
    for (row, event) in rows.iter().zip(&events) {
        assert!(row["text"].contains(&event.text), "{event:?}: {row:?}");
    }
    world.page.click("events-more").await?;
    let shown = all.min(2 * EVENTS_SHOWN);
    world.page.until("more are shown", SOON, "event-row", |rows| rows.len() == shown).await?;
    check(&world.page, "events").await?;

    // Routine, of which there is much, hides nothing that matters.
    world.open("/events", "event-row").await?;
    let notable = api("&routine=false").await;
    let words = format!("{} of {all} events", notable.len());
    agree("how many matter", async || Ok(plain().await?.starts_with(&words)), async || Ok(true)).await?;
    let rows = world.page.all("event-row").await?;
    assert_eq!(rows.len(), notable.len().min(EVENTS_SHOWN));
    assert!(rows.iter().zip(&notable).all(|(row, event)| row["data-kind"] == event.kind), "{rows:#?}");

    // What is searched for is looked for in all of them.
    let oldest = events.last().context("there are events")?;
    let trace = events.iter().rev().find_map(|event| event.trace_id.clone()).context("one has a trace")?;
    assert!(oldest.id < events[EVENTS_SHOWN].id);
    world.open(&format!("/events?severity=all&q={trace}"), "event-row").await?;
    let found = api(&format!("&q={trace}")).await;
    assert_eq!(world.page.all("event-row").await?.len(), found.len());
    Ok(())
}

/// Every breaker with its state and counts.
async fn breakers(world: &World) -> Result<()> {
    let cards = world.open("/breakers", "breaker-card").await?;
    let breakers: Vec<Breaker> = world.dashboard.get(path::BREAKERS).await;
    assert_eq!(cards.len(), breakers.len());
    for breaker in &breakers {
        let card =
            cards.iter().find(|card| card["data-breaker-id"] == breaker.id).context("it has a card")?;
        let is_closed = card["data-state"] == "closed";
        assert_eq!(is_closed, breaker.state == BreakerState::Closed, "{card:?}");
        let text = card["text"].replace(',', "");
        assert!(text.contains(&breaker.rejected_total.to_string()), "{breaker:?}: {text}");
    }
    assert!(cards[0]["data-state"] != "closed", "the worst comes first: {cards:?}");
    check(&world.page, "breakers").await
}

/// What else protects, by kind.
async fn protection(world: &World) -> Result<()> {
    let rows = world.open("/protection", "protection-row").await?;
    let mut all: Vec<Protection> = world.dashboard.get(path::PROTECTION).await;
    // What serves is on the page of sessions.
    all.retain(|one| !one.figures.serves());
    let pools: Vec<PoolSummary> = world.dashboard.get(path::POOLS).await;
    let limited = pools.iter().filter(|pool| pool.now.limit.is_some()).count();
    assert_eq!(rows.len(), all.len() + limited, "each has its row");
    for one in &all {
        let sentence = &one.health.sentence;
        let is_it = |row: &Seen| row.get("protection-sentence") == Some(sentence);
        assert!(rows.iter().any(is_it), "{one:?}");
    }
    check(&world.page, "protection").await
}

/// Traces, and one of them as a waterfall.
async fn traces(world: &World) -> Result<()> {
    world.open("/traces?status=failed", "trace-row").await?;
    let list: TraceList = world.dashboard.get(&format!("{}?status=failed", path::TRACES)).await;
    let count = world.page.all("trace-count").await?;
    assert_eq!(figure(text_of(&count, "text").split(" of ").next().unwrap_or_default()), Some(list.matching));
    let rows = world.page.all("trace-row").await?;
    for (row, trace) in rows.iter().zip(&list.traces) {
        assert_eq!(row["data-trace-id"], trace.trace_id, "the newest first");
    }
    check(&world.page, "traces").await?;

    let busiest = list.traces.iter().max_by_key(|trace| trace.spans).context("one has failed")?;
    world.open(&format!("/traces/{}", busiest.trace_id), "span-row").await?;
    let trace: TraceDetail = world.dashboard.get(&format!("{}/{}", path::TRACES, busiest.trace_id)).await;
    let rows = world.page.all("span-row").await?;
    for row in &rows {
        let span =
            trace.spans.iter().find(|span| span.span_id == row["data-span-id"]).context("a span of it")?;
        assert!(row["text"].contains(&span.name), "{span:?}: {row:?}");
    }
    world.page.script("document.querySelectorAll('details').forEach(one => one.open = true)").await?;
    let table = "return document.querySelectorAll('[data-testid=span-table] tbody tr').length";
    assert_eq!(world.page.script(table).await?, serde_json::json!(trace.spans.len()));
    check(&world.page, "trace").await
}

/// Kinds of sessions, with how they ended, and what they live by.
async fn sessions(world: &World) -> Result<()> {
    let kinds = world.open("/sessions", "session-kind").await?;
    let names: BTreeSet<_> = kinds.iter().map(|kind| kind["data-name"].as_str()).collect();
    assert_eq!(names, BTreeSet::from([FEEDS, CHATS, STREAMS, BOT]));
    let feeds = format!("[data-testid=session-kind][data-name=\"{FEEDS}\"]");
    agree(
        "sessions that are there, and those that have ended",
        async || {
            let kinds = world.page.all("session-kind").await?;
            let ended: Vec<u64> = serde_json::from_value(
                world.page.script(&format!("return [...document.querySelectorAll('{feeds} table.facts tbody tr')].filter(e => e.cells.length === 3).map(e => Number(e.cells[2].innerText.replace(',', '')))")).await?,
            )?;
            let kind = kinds.iter().find(|kind| kind["data-name"] == FEEDS).context("it is there")?;
            Ok((figure(kind["session-active"].split(" of ").next().unwrap_or_default()), ended.iter().sum::<u64>()))
        },
        async || {
            let all: Vec<Sessions> = world.dashboard.get(path::SESSIONS).await;
            let snapshot = world.instance.scope.snapshot();
            let own = snapshot.sessions.iter().find(|own| own.name == FEEDS).context("it is there")?;
            let ended: u64 = own.ended.iter().map(|(_, count)| count).sum();
            // The bot is gone, and its registry with it, which the dashboard still has.
            let is_known = |name: &str| all.iter().any(|sessions| sessions.name == name);
            assert!(snapshot.sessions.iter().all(|own| is_known(&own.name)), "{all:?}");
            Ok((Some(own.active), ended))
        },
    )
    .await?;
    let rows = world.page.all("protection-row").await?;
    let shown: BTreeSet<_> =
        rows.iter().map(|row| (row["data-kind"].as_str(), row["data-name"].as_str())).collect();
    let serving = [
        ("server", echo::NAME),
        ("tasks", echo::NAME),
        ("tasks", CHATS),
        ("tasks", "house"),
        ("queue", echo::NAME),
        ("supervisor", BOT),
    ];
    assert_eq!(shown, BTreeSet::from(serving));
    world.page.click("protection-over-time").await?;
    world.page.until("its charts", SOON, "charts", |seen| !seen.is_empty()).await?;
    check(&world.page, "sessions").await
}

/// Who sends, and what the server is.
async fn services_and_about(world: &World) -> Result<()> {
    let rows = world.open("/services", "instance-row").await?;
    let services: Vec<Service> = world.dashboard.get(path::SERVICES).await;
    let instance = &services[0].instances[0];
    for what in
        ["shop-1", "rust", &format!("{} pools", instance.pools), &format!("{} breakers", instance.breakers)]
    {
        assert!(rows[0]["text"].contains(what), "{what}: {rows:?}");
    }
    world.open("/about", "rule-row").await?;
    let rules: Vec<RuleSetting> = world.dashboard.get(path::RULES).await;
    assert_eq!(world.page.all("rule-row").await?.len(), rules.len());
    let status: Status = world.dashboard.get(path::STATUS).await;
    let text = world.page.script("return document.querySelector('main').innerText").await?;
    let text = text.as_str().unwrap_or_default();
    for what in [&status.version, &status.otlp_grpc, &status.otlp_http] {
        assert!(text.contains(what), "{what}: {text}");
    }
    for limit in &status.limits {
        assert!(text.contains(&limit.name), "{limit:?}");
    }
    check(&world.page, "about").await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn each_page_says_what_the_service_counted() -> Result<()> {
    let world = World::start().await?;
    overview(&world).await?;
    pool(&world).await?;
    breakers(&world).await?;
    protection(&world).await?;
    traces(&world).await?;
    events(&world).await?;
    sessions(&world).await?;
    services_and_about(&world).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn times_are_those_of_the_browsers_zone_or_of_utc() -> Result<()> {
    let world = World::start().await?;
    // What is asked for is noted, or that nothing is asked of others would say nothing.
    let requests = world.page.requests().await?;
    assert!(requests.iter().any(|url| url.ends_with(".wasm") && world.page.is_own(url)), "{requests:?}");
    // Half an hour off, so that a mistake can't look right.
    world.page.zone("Asia/Kolkata").await?;
    world.open("/events?severity=all", "event-row").await?;
    let clock = async || -> Result<u64> {
        let script = "return document.querySelector('[data-testid=event-row] time').title";
        let title = world.page.script(script).await?;
        let title = title.as_str().unwrap_or_default().to_owned();
        let time = title.split_whitespace().find(|word| word.matches(':').count() == 2);
        let time = time.with_context(|| format!("no time in {title}"))?;
        let parts: Vec<u64> = time.split([':', '.']).take(2).filter_map(|part| part.parse().ok()).collect();
        Ok(parts[0] * 60 + parts[1])
    };
    let local = clock().await?;
    world.page.click("time-zone").await?;
    world.page.until("UTC is told", SOON, "time-zone", |seen| text_of(seen, "text").contains("UTC")).await?;
    let utc = clock().await?;
    assert_eq!((local + 24 * 60 - utc) % (24 * 60), 5 * 60 + 30, "{local} and {utc} minutes");
    assert!(world.page.address().await?.contains("tz="), "the address keeps it");
    Ok(())
}
