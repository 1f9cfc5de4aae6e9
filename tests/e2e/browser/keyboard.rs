//! What works without a mouse, and what is asked of a page by those who see or move otherwise.

use std::time::Duration;

use anyhow::{Context as _, Result};
use poolscope_tests::dashboard::Dashboard;
use poolscope_wire::{PoolSummary, TraceList, path};
use serde_json::Value;

use super::keys::{Focus, focus, press_until};
use super::page::{Page, Theme};
use super::world::Service;
use super::{LATER, SOON, agree, has};

/// Notes what the Tab key has to reach: everything that can be worked with and is shown, in the order of the page.
const NOTE: &str = r#"
    const all = document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']");
    window.stops = [...all].filter(one => one.checkVisibility({ visibilityProperty: true }) && !one.disabled);
    return window.stops.length;
"#;

/// The most stops of a page that are walked through: the rows of a long list are all alike.
const MOST: usize = 160;

/// Contrast of a colour with what is behind an element, as WCAG defines it. A ring lies outside of its element, where the
/// background is that of the nearest one around it that has one.
const CONTRAST: &str = r#"
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const light = colour => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
        const of = part => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        return a < 255 ? null : 0.2126 * of(r) + 0.7152 * of(g) + 0.0722 * of(b);
    };
    let behind = document.activeElement.parentElement;
    while (behind && light(getComputedStyle(behind).backgroundColor) === null) behind = behind.parentElement;
    const rows = [document.activeElement, document.activeElement.closest(".trace, .pool")];
    const ringed = rows.find(one => one && getComputedStyle(one).outlineStyle !== "none");
    const ring = light(getComputedStyle(ringed).outlineColor);
    const ground = behind ? light(getComputedStyle(behind).backgroundColor) : 1;
    return (Math.max(ring, ground) + 0.05) / (Math.min(ring, ground) + 0.05);
"#;

/// Walks through a page with the Tab key: every stop is reached, in the order of the page, and seen.
async fn walk(page: &Page, name: &str) -> Result<()> {
    // Nothing comes or goes meanwhile.
    page.script("document.activeElement.blur(); scrollTo(0, 0)").await?;
    page.key(" ", false).await?;
    page.until("the picture is held", SOON, "connection-state", |seen| has(seen, "text", "held")).await?;
    let stops = page.script(NOTE).await?.as_u64().context("a number of stops")?;
    let stops = usize::try_from(stops)?;
    let mut way: Vec<Focus> = Vec::new();
    for _ in 0..stops.min(MOST) {
        page.key("Tab", false).await?;
        let focus =
            focus(page).await?.with_context(|| format!("{name}: nothing has the focus after {way:#?}"))?;
        assert!(focus.ring >= 2.0, "{name}: the focus is not seen: {focus:?}");
        let contrast = page.script(CONTRAST).await?.as_f64().context("a contrast")?;
        assert!(contrast >= 3.0, "{name}: the ring has a contrast of {contrast:.1}: {focus:?}");
        assert!(focus.in_view && !focus.covered, "{name}: what has the focus is hidden: {focus:?}");
        assert!(!focus.name.is_empty(), "{name}: it has no name: {focus:?}");
        way.push(focus);
    }
    let places: Vec<i64> = way.iter().map(|focus| focus.place).collect();
    let expected: Vec<i64> = (0..).take(places.len()).collect();
    assert_eq!(places, expected, "{name}: of {stops} stops the way was {way:#?}");
    page.script("document.activeElement.blur()").await?;
    page.key(" ", false).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn the_tab_key_reaches_everything_in_order_and_the_focus_is_seen() -> Result<()> {
    let dashboard = Dashboard::start().await?;
    let _service = Service::ill(&dashboard)?;
    let page = Page::open(&dashboard.url()).await?;
    page.until("a breaker is open", LATER, "nav-breakers", |seen| {
        seen.iter().any(|seen| seen["text"].contains(char::is_numeric))
    })
    .await?;
    let pools: Vec<PoolSummary> = dashboard.get(path::POOLS).await;
    let traces: TraceList = dashboard.get(&format!("{}?status=failed", path::TRACES)).await;
    let pool = &pools.first().context("there are pools")?.id;
    let trace = &traces.traces.first().context("there are traces")?.trace_id;
    let pages = [
        ("/", "pool-row"),
        (&format!("/pools/{pool}"), "lane"),
        ("/breakers", "breaker-card"),
        ("/protection", "protection-row"),
        ("/events?kind=poolscope.breaker.transition", "event-row"),
        ("/traces?q=inventory", "trace-row"),
        (&format!("/traces/{trace}"), "span-row"),
        ("/sessions", "session-kind"),
        ("/services", "instance-row"),
        ("/about", "rule-row"),
    ];
    for (theme, width) in [(Theme::Light, 1280), (Theme::Dark, 400)] {
        page.prefer(theme).await?;
        page.size(width, 800).await?;
        for (place, id) in &pages {
            page.go(&format!("{}{place}", dashboard.url())).await?;
            page.until("the page is there", SOON, id, |seen| !seen.is_empty()).await?;
            walk(&page, &format!("{place} at {width} px")).await?;
        }
    }
    assert_eq!(page.errors().await?, Vec::<String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn what_opens_takes_the_focus_and_gives_it_back() -> Result<()> {
    let dashboard = Dashboard::start().await?;
    let _service = Service::ill(&dashboard)?;
    let page = Page::open(&dashboard.url()).await?;
    page.until("there are pools", SOON, "pool-row", |rows| !rows.is_empty()).await?;
    let is_focused =
        async |id: &str| Ok::<_, anyhow::Error>(focus(&page).await?.is_some_and(|focus| focus.id == id));
    let is_open = async || page.script("return document.querySelector('dialog').open").await;
    let in_dialog = "return document.querySelector('dialog').contains(document.activeElement)";

    // The help, by its key and by its button.
    press_until(&page, "j", 20, "a pool", |focus| focus.id == "pool-name").await?;
    for by_key in [true, false] {
        if by_key {
            page.key("?", true).await?;
        } else {
            press_until(&page, "Tab", 60, "the button", |focus| focus.name == "Keyboard help").await?;
            page.key("Enter", false).await?;
        }
        agree("the help is open", &is_open, async || Ok(Value::Bool(true))).await?;
        assert_eq!(page.script(in_dialog).await?, Value::Bool(true), "the focus is in it");
        for _ in 0..4 {
            page.key("Tab", false).await?;
            let outside =
                "const now = document.activeElement; return now !== document.body && !now.closest('dialog')";
            assert_eq!(page.script(outside).await?, Value::Bool(false), "and stays in it");
        }
        page.key("Escape", false).await?;
        agree("escape closes it", &is_open, async || Ok(Value::Bool(false))).await?;
        let back = focus(&page).await?.context("something has the focus")?;
        if by_key {
            assert_eq!(back.id, "pool-name", "where it was");
            page.script("document.activeElement.blur(); document.querySelector('.skip').focus()").await?;
        } else {
            assert_eq!(back.name, "Keyboard help", "where it was");
        }
        assert_eq!(page.address().await?, "/", "and nothing else has happened");
    }

    // A menu.
    page.script("document.querySelector('[data-testid=time-exact]').focus()").await?;
    page.key("Enter", false).await?;
    press_until(&page, "Tab", 3, "its first field", |focus| focus.id == "time-from").await?;
    page.key("Escape", false).await?;
    assert!(is_focused("time-exact").await?, "escape leads back to its button");
    let open = "return document.querySelectorAll('details.menu[open]').length";
    assert_eq!(page.script(open).await?, Value::from(0));

    // The way past the bar on top.
    page.go(&dashboard.url()).await?;
    page.until("there are pools", SOON, "pool-row", |rows| !rows.is_empty()).await?;
    press_until(&page, "Tab", 1, "the way past the bar", |focus| {
        focus.name.contains("Skip") && focus.in_view
    })
    .await?;
    page.key("Enter", false).await?;
    page.key("Tab", false).await?;
    let within = "return document.querySelector('main').contains(document.activeElement)";
    assert_eq!(page.script(within).await?, Value::Bool(true));
    assert_eq!(page.errors().await?, Vec::<String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn a_page_that_moves_on_by_itself_says_nothing_and_is_still_if_that_is_asked() -> Result<()> {
    /// How long is listened.
    const LISTEN: Duration = Duration::from_secs(4);
    let dashboard = Dashboard::start().await?;
    let _service = Service::ill(&dashboard)?;
    let page = Page::open(&dashboard.url()).await?;
    page.until("there are pools", SOON, "pool-row", |rows| !rows.is_empty()).await?;

    // What is told aloud is told when somebody did something, and not with each report.
    let listen = r#"
        window.told = [];
        const live = "[role=status], [role=alert], [role=log], [aria-live=polite], [aria-live=assertive]";
        new MutationObserver(changes => changes.forEach(({ target }) => {
            const element = target instanceof Element ? target : target.parentElement;
            const region = element?.closest(live);
            if (region && region.getAttribute("aria-live") !== "off" && !element.closest("[aria-hidden=true]"))
                told.push(region.innerText);
        })).observe(document.body, { subtree: true, childList: true, characterData: true });
    "#;
    let pools: Vec<PoolSummary> = dashboard.get(path::POOLS).await;
    let places = ["/events?severity=all", "/traces?status=all", "/", &format!("/pools/{}", pools[0].id)];
    for place in places {
        page.go(&format!("{}{place}", dashboard.url())).await?;
        page.until("the page is live", SOON, "connection-state", |seen| has(seen, "text", "live")).await?;
        page.script("return new Promise(done => setTimeout(done, 1500))").await?;
        page.script(listen).await?;
        tokio::time::sleep(LISTEN).await;
        let mut told: Vec<String> = serde_json::from_value(page.script("return window.told").await?)?;
        // A machine that is too busy to report in time is worth a word.
        told.retain(|text| !text.is_empty() && !text.contains("last picture"));
        assert!(told.is_empty(), "{place} was told aloud within {LISTEN:?} with nothing done: {told:#?}");
    }

    // An old picture fades; not so for those who asked for stillness.
    let fade = "document.documentElement.setAttribute('data-dimmed', ''); const moves = document.getAnimations().length; \
                document.documentElement.removeAttribute('data-dimmed'); return moves";
    page.prefer_all(&[("prefers-reduced-motion", "no-preference")]).await?;
    assert_ne!(page.script(fade).await?, Value::from(0), "it can be seen at all");
    page.prefer_all(&[("prefers-reduced-motion", "reduce")]).await?;
    page.script("return new Promise(done => setTimeout(done, 300))").await?;
    assert_eq!(page.script(fade).await?, Value::from(0));
    assert_eq!(page.errors().await?, Vec::<String>::new());
    Ok(())
}
