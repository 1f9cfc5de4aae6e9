//! Breakers that are held from the page.

use anyhow::Result;
use poolscope::BreakerState;
use poolscope::otlp::Protocol;
use poolscope_tests::dashboard::Dashboard;

use super::page::{Page, Seen};
use super::{SOON, check, text_of};
use crate::control::{Desk, Service, TOKEN};

/// Opens the menu within an element, and chooses.
async fn choose(page: &Page, within: &str, what: &str) -> Result<()> {
    page.click_css(&format!("[data-testid={within}] .menu summary")).await?;
    page.click_css(&format!("[data-testid={within}] [data-testid={what}]")).await
}

/// Gives a reason.
async fn say(page: &Page, reason: &str) -> Result<()> {
    let field = "document.querySelector('[data-testid=order-reason]')";
    page.script(&format!("{field}.value = '{reason}'; return document.activeElement === {field};")).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn a_person_forces_a_breaker_of_two_instances_and_lets_one_go() -> Result<()> {
    let desk = Desk::start().await;
    let one = Service::new().await;
    let other = one.beside().await;
    let _telemetry =
        [&one, &other].map(|service| service.export(&desk.dashboard, Protocol::Grpc, service.all()));
    let page = Page::open(&format!("{}/login?t={TOKEN}&return=/breakers", desk.dashboard.url())).await?;
    page.until("both take orders", SOON, "group-control", |seen| !seen.is_empty()).await?;

    choose(&page, "group-control", "force-open").await?;
    let about = page
        .until("it says of what", SOON, "order-about", |seen| text_of(seen, "text").contains("2 instances"));
    about.await?;
    let focus = "return document.activeElement.dataset.testid;";
    assert_eq!(page.script(focus).await?.as_str(), Some("order-reason"), "the dialog has the focus");
    check(&page, "control-dialog").await?;
    // Without a reason the browser itself asks for one.
    page.click("order-give").await?;
    page.until("the dialog stays", SOON, "order-dialog", |seen| !seen.is_empty()).await?;
    say(&page, "upstream is being moved").await?;
    page.click("order-give").await?;
    one.until(BreakerState::ForcedOpen).await;
    other.until(BreakerState::ForcedOpen).await;
    assert_eq!(page.script(focus).await?.as_str(), None, "the focus is back where it was");

    page.click("breaker-apart").await?;
    let is_told = |seen: &Seen| {
        let text = seen.get("text").map_or("", String::as_str);
        text.starts_with("forced open until ")
            && text.ends_with(" by token login (this machine): upstream is being moved")
    };
    page.until("who, why and until when", SOON, "breaker-held", |seen| {
        seen.len() == 2 && seen.iter().all(is_told)
    })
    .await?;
    check(&page, "control-held").await?;

    choose(&page, "breaker-control", "automatic").await?;
    say(&page, "it is back").await?;
    page.click("order-give").await?;
    page.until("one is let go", SOON, "breaker-held", |seen| seen.len() == 1).await?;
    page.click("nav-about").await?;
    page.until("that it is on is told", SOON, "access", |seen| text_of(seen, "text").contains("on: whoever"))
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: cargo xtask test --suite browser"]
async fn who_has_not_opted_in_is_told_so_and_without_the_flag_there_is_nothing() -> Result<()> {
    let desk = Desk::start().await;
    let service = Service::new().await;
    let telemetry = service.export(&desk.dashboard, Protocol::Grpc, None);
    let page = Page::open(&format!("{}/login?t={TOKEN}&return=/breakers", desk.dashboard.url())).await?;
    page.until("it takes none", SOON, "takes-no-orders", |seen| !seen.is_empty()).await?;
    check(&page, "control-deaf").await?;
    drop(telemetry);

    let plain = Dashboard::start().await?;
    let service = Service::new().await;
    let _telemetry = service.export(&plain, Protocol::Grpc, service.all());
    page.go(&format!("{}/breakers", plain.url())).await?;
    page.until("the breaker", SOON, "breaker-card", |seen| !seen.is_empty()).await?;
    for part in ["breaker-control", "order-dialog", "group-control"] {
        assert!(page.all(part).await?.is_empty(), "{part}");
    }
    Ok(())
}
