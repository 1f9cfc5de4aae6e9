//! What a pool is, how it is, and since when.

use leptos::prelude::*;
use poolscope_wire::PoolSummary;

use super::detail::Loaded;
use crate::{
    components::shape::{BreakerBadge, SeverityShape},
    derived::Derived,
    format,
    navigation::Navigation,
    route::Route,
    state::live::Live,
    words,
};

/// Head of the page of a pool.
#[component]
pub fn Head(
    /// Id of the pool.
    id: String,
    /// Its history.
    detail: RwSignal<Loaded>,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let pool = Derived::new(move || {
        live.with_pool(&id, |entry| entry.summary.clone())
            .or_else(|| detail.with(|loaded| loaded.detail().map(|detail| detail.summary.clone())))
            .unwrap_or_default()
    });
    let text = move |read: fn(&PoolSummary) -> String| move || pool.with(read);
    let severity = Derived::new(move || pool.with(|pool| pool.health.severity));
    let since = move || {
        let since = pool.with(|pool| pool.health.since_ms);
        (since > 0).then(|| format::span(live.now_ms().saturating_sub(since) / 1_000))
    };
    let gone_quiet = move || {
        pool.with(|pool| pool.stale.then_some(pool.last_seen_ms)).map(|seen| format::ago(live.now_ms(), seen))
    };
    let figure = move |label: &'static str, testid: &'static str, read: fn(&PoolSummary) -> String| {
        view! { <div><dd data-testid=testid>{text(read)}</dd><dt>{label}</dt></div> }
    };
    let bytes = move |label: &'static str, read: fn(&Loaded) -> Option<u64>| {
        move || {
            detail
                .with(read)
                .map(|bytes| view! { <div><dd>{format::bytes(bytes)}</dd><dt>{label}</dt></div> })
        }
    };
    let breaker = Derived::new(move || pool.with(|pool| pool.breaker.clone()));
    view! {
        <header class="poolhead">
            <p class="crumb"><a href=move || navigation.link(&Route::Overview)>"Overview"</a></p>
            <h1 dir="auto">{text(words::pool_name)}</h1>
            <p class="soft where">
                <span class="mono" dir="auto">{text(words::destination)}</span>
                <span>{text(words::protocols)}</span>
                <span dir="auto">{text(|pool| pool.service.clone())}</span>
                <span class="mono" dir="auto" title="Instance">{text(|pool| pool.instance.clone())}</span>
                {move || pool.with(|pool| pool.estimated).then(|| view! {
                    <span title="Closes can't be seen here: what is open, idle and closed is concluded from what requests show">
                        "~ closes are estimated"
                    </span>
                })}
            </p>
            <p class=move || format!("verdict v-{}", words::severity_key(severity.get()))>
                <SeverityShape severity />
                <strong data-testid="pool-sentence">{text(|pool| pool.health.sentence.clone())}</strong>
                {move || since().map(|since| view! {
                    <span class="soft" title=format::exact_time(pool.with(|pool| pool.health.since_ms))>
                        {format!("for {since}")}
                    </span>
                })}
                {move || gone_quiet().map(|ago| view! { <span class="is-warn">{format!("not reported since {ago}")}</span> })}
                {move || breaker.get().map(|(name, state)| {
                    let id = live.peek(|store| {
                        store.breakers.values().find(|breaker| breaker.name == name).map(|breaker| breaker.id.clone())
                    });
                    view! { <a class="badgelink" href=navigation.link(&Route::Breakers(id))>"breaker " <BreakerBadge state /></a> }
                })}
            </p>
            <dl class="figures">
                {figure("in use", "pool-active", |p| format::count(u64::from(p.now.active)))}
                {figure("idle", "pool-idle", |p| format!("{}{}", tilde(p), p.now.idle))}
                {figure("waiting", "pool-pending", |p| format::count(u64::from(p.now.pending)))}
                {figure("reused, last minute", "pool-reuse", |p| format::percent_or_unknown(p.reuse))}
                {figure("wait p50", "pool-wait-p50", |p| format::duration_or_unknown(p.wait_p50_s))}
                {figure("wait p99", "pool-wait-p99", |p| format::duration_or_unknown(p.wait_p99_s))}
                {figure("requests", "pool-requests-total", |p| format::count(p.requests_total))}
                {figure("opened", "pool-opened-total", |p| format::count(p.opened_total))}
                {figure("closed", "pool-closed-total", |p| format!("{}{}", tilde(p), format::count(p.closed_total)))}
                {figure("connects failed", "pool-failed-total", |p| format::count(p.failed_total))}
                {bytes("sent", |loaded| loaded.detail().and_then(|detail| detail.bytes_sent))}
                {bytes("received", |loaded| loaded.detail().and_then(|detail| detail.bytes_received))}
            </dl>
        </header>
    }
}

fn tilde(pool: &PoolSummary) -> &'static str {
    if pool.estimated { "~" } else { "" }
}
