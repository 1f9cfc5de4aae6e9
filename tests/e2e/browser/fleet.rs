//! Two instances of a service: seen as one, taken apart, and one of them gone.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use poolscope_dashboard::Config;
use poolscope_tests::dashboard::Dashboard;
use poolscope_tests::wait::until;
use poolscope_wire::{Breaker, PoolDetail, PoolGroup, PoolSummary, Service, path};

use super::page::{Page, Seen};
use super::world::Instance;
use super::{LATER, SOON, agree, agree_late, check, figure, text_of};

/// The pool that both have.
const SHARED: &str = "search.internal";

async fn group(dashboard: &Dashboard) -> Result<PoolGroup> {
    let ask = || async {
        let groups: Vec<PoolGroup> = dashboard.get(path::GROUPS).await;
        groups.into_iter().find(|group| group.merged.address == SHARED && group.merged.client == "search")
    };
    until("the pool of both is merged", ask, Option::is_some).await.context("the pool is not merged")
}

fn row<'a>(rows: &'a [Seen], id: &str) -> Option<&'a Seen> {
    rows.iter().find(|row| row.get("data-pool-id").is_some_and(|found| found == id))
}

fn text<'a>(row: Option<&'a Seen>, key: &str) -> &'a str {
    row.and_then(|row| row.get(key)).map_or("", String::as_str)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn two_instances_are_one_are_taken_apart_and_one_that_stops_counts_no_more() -> Result<()> {
    let dashboard = Dashboard::start().await?;
    let first = Instance::start(&dashboard, "shop-1", None).await?;
    let mut second = Instance::start(&dashboard, "shop-2", Some(&first)).await?;
    let page = Page::open(&dashboard.url()).await?;

    // As one: the sums are those of both.
    let both = |seen: &[Seen]| {
        seen.iter().any(|seen| seen.get("pool-instances").is_some_and(|text| text == "2 instances"))
    };
    page.until("pools of both are one row", SOON, "pool-row", both).await?;
    let group = group(&dashboard).await?;
    let (id, members) = (group.merged.id.clone(), group.members.clone());
    assert_eq!(members.len(), 2);
    let pools = || async { dashboard.get::<Vec<PoolSummary>>(path::POOLS).await };
    let rows = page.all("pool-row").await?;
    assert!(members.iter().all(|member| row(&rows, member).is_none()), "each by itself is not in the list");

    // Taken apart: a row for each beneath, which has the name of its instance.
    page.click_css(&format!(r#"[data-pool-id="{id}"] [data-testid="pool-group"]"#)).await?;
    let is_apart = |rows: &[Seen]| members.iter().all(|member| row(rows, member).is_some());
    let rows = page.until("each has a row", SOON, "pool-row", is_apart).await?;
    let mut names: Vec<_> =
        members.iter().map(|member| text(row(&rows, member), "pool-name").to_owned()).collect();
    names.sort();
    assert_eq!(names, ["shop-1", "shop-2"]);
    check(&page, "apart").await?;

    // All of it has a page of its own, with the figures of both and a way to each.
    page.click_css(&format!(r#"[data-pool-id="{id}"] [data-testid="pool-name"]"#)).await?;
    let is_drawn = |seen: &[Seen]| !seen.is_empty() && !text_of(seen, "text").contains("no data");
    page.until("its requests are drawn", SOON, "chart-requests", is_drawn).await?;
    page.until("it says of how many it is", SOON, "group-count", |seen| {
        text_of(seen, "text") == "2 instances together"
    })
    .await?;
    let rows = page.until("each has a row here too", SOON, "pool-row", is_apart).await?;
    let mut names: Vec<_> =
        members.iter().map(|member| text(row(&rows, member), "pool-name").to_owned()).collect();
    names.sort();
    assert_eq!(names, ["shop-1", "shop-2"]);
    agree_late(
        "connections that both have opened",
        async || Ok(figure(text_of(&page.all("pool-opened-total").await?, "text"))),
        async || {
            let pools = pools().await;
            let both = pools.iter().filter(|pool| members.contains(&pool.id));
            Ok(both.map(|pool| pool.opened_total).sum::<Option<u64>>())
        },
    )
    .await?;
    let detail: PoolDetail = dashboard.get(&format!("{}/{id}", path::POOLS)).await;
    assert_eq!(detail.members, members);
    assert!(!detail.points.is_empty() && !detail.acquires.is_empty(), "{detail:?}");
    check(&page, "group").await?;

    // The same of breakers.
    page.click("nav-breakers").await?;
    let cards =
        page.until("breakers of both are one", LATER, "breaker-group", |seen| !seen.is_empty()).await?;
    let name = cards[0]["data-breaker-name"].clone();
    let breakers: Vec<Breaker> = dashboard.get(path::BREAKERS).await;
    assert_eq!(breakers.iter().filter(|breaker| breaker.name == name).count(), 2);
    assert!(cards[0]["breaker-strip"].contains("change"), "its states over time: {cards:?}");
    agree(
        "calls that both have rejected",
        async || {
            let cards = page.all("breaker-group").await?;
            let card = cards.iter().find(|card| card["data-breaker-name"] == name);
            let lines: Vec<_> = text(card, "breaker-figures").lines().collect();
            let place = lines.iter().position(|line| *line == "rejected").context("a figure")?;
            Ok(figure(lines[place - 1]))
        },
        async || {
            let breakers: Vec<Breaker> = dashboard.get(path::BREAKERS).await;
            let both = breakers.iter().filter(|breaker| breaker.name == name);
            Ok(Some(both.map(|breaker| breaker.rejected_total).sum::<u64>()))
        },
    )
    .await?;
    page.click_css(&format!(r#"[data-breaker-name="{name}"] [data-testid="breaker-apart"]"#)).await?;
    page.until("each has a card", SOON, "breaker-card", |seen| seen.len() == 2).await?;
    check(&page, "breakers-apart").await?;

    // Both are listed with what they send.
    page.click("nav-services").await?;
    let rows = page.until("both are listed", SOON, "instance-row", |seen| seen.len() == 2).await?;
    let services: Vec<Service> = dashboard.get(path::SERVICES).await;
    for (seen, instance) in rows.iter().zip(&services[0].instances) {
        let text = &seen["text"];
        let has_both = text.contains(&instance.id) && text.contains(&format!("{} pools", instance.pools));
        assert!(has_both && seen["data-vanished"] == "no", "{instance:?}: {text}");
    }
    check(&page, "services").await?;

    // One stops. It is told, and nothing of it counts any more.
    second.demo.stop_calls().await;
    drop(second);
    page.until("it is told that it has vanished", LATER, "instance-row", |seen| {
        seen.iter().filter(|row| row["data-vanished"] == "yes").count() == 1
    })
    .await?;
    page.click("nav-overview").await?;
    page.until("and on the overview", SOON, "vanished", |seen| {
        seen.iter().any(|seen| seen["text"].starts_with("1 instance vanished"))
    })
    .await?;
    page.until("a merged row says so", SOON, "pool-row", |rows| {
        text(row(rows, &id), "pool-instances") == "1 of 2 instances"
    })
    .await?;
    agree(
        "connections of the merged row, and those of the one that is left",
        async || {
            let rows = page.all("pool-row").await?;
            Ok(figure(text(row(&rows, &id), "pool-active")).zip(figure(text(row(&rows, &id), "pool-idle"))))
        },
        async || {
            let pools = pools().await;
            let left =
                pools.iter().find(|pool| members.contains(&pool.id) && !pool.stale).context("one is left")?;
            assert_eq!(left.instance, "shop-1");
            Ok(left.now.active.map(u64::from).zip(left.now.idle.map(u64::from)))
        },
    )
    .await?;
    check(&page, "vanished").await?;
    drop(first);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn instances_that_are_gone_are_rows_of_the_time_that_had_them() -> Result<()> {
    let dashboard = Dashboard::start_with(Config { forget_after_s: 2, ..Config::default() }).await?;
    let first = Instance::start(&dashboard, "shop-1", None).await?;
    let mut second = Instance::start(&dashboard, "shop-2", Some(&first)).await?;
    let group = group(&dashboard).await?;
    let (id, members) = (group.merged.id, group.members);
    let page = Page::open(&dashboard.url()).await?;
    let page_of_then = async || -> Result<()> {
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        page.go(&format!("{}/pools/{id}?from={}&to={now_ms}", dashboard.url(), now_ms - 120_000)).await
    };
    let left = |count: usize| {
        let (dashboard, members) = (&dashboard, &members);
        async move {
            let pools: Vec<PoolSummary> = dashboard.get(path::POOLS).await;
            pools.iter().filter(|pool| members.contains(&pool.id)).count() == count
        }
    };
    let is_gone = |seen: &[Seen], instance: &str| seen.iter().any(|row| row["text"].starts_with(instance));

    // One is here, and one is gone.
    second.demo.stop_calls().await;
    drop(second);
    until("one is left", || left(1), |is_so| *is_so).await;
    page_of_then().await?;
    page.until("the other is listed", SOON, "gone-instance", |seen| {
        seen.len() == 1 && is_gone(seen, "shop-2")
    })
    .await?;
    let counted = page.all("group-instances-count").await?;
    assert_eq!(text_of(&counted, "text"), "1 instance here now, 1 gone since then");
    assert_eq!(page.all("pool-row").await?.len(), 1);
    check(&page, "group-some-gone").await?;

    // Both are gone.
    drop(first);
    until("none is left", || left(0), |is_so| *is_so).await;
    page_of_then().await?;
    let both = |seen: &[Seen]| seen.len() == 2 && is_gone(seen, "shop-1") && is_gone(seen, "shop-2");
    page.until("both are listed", SOON, "gone-instance", both).await?;
    let counted = page.all("group-instances-count").await?;
    assert_eq!(text_of(&counted, "text"), "2 instances, gone since then");
    assert!(page.all("pool-row").await?.is_empty());
    check(&page, "group-all-gone").await?;
    page.click_css(r#"[data-testid="gone-instance"] a"#).await?;
    page.until("each has its page", SOON, "chart-requests", |seen| {
        seen.first().is_some_and(|chart| !chart["text"].contains("no data"))
    })
    .await?;
    Ok(())
}
