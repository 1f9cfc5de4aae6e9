//! What a pool is, how it is, and since when.

use leptos::prelude::*;
use poolscope_wire::{Observation, PoolSummary, Subject};

use super::{
    detail::Loaded,
    figures::{Figure, NOW, TOTALS},
    group::use_group,
};
use crate::{
    components::{
        shape::{BreakerBadge, SeverityShape},
        warnings::WarningsAbout,
    },
    derived::Derived,
    format,
    navigation::Navigation,
    pages::overview::row::UNEQUAL,
    route::Route,
    state::live::Live,
    time::Time,
    words,
};

/// Head of the page of a pool.
#[component]
pub fn Head(
    /// Id of the pool.
    id: String,
    /// Its history.
    detail: RwSignal<Loaded>,
    /// Of a group, ids of its pools.
    members: Derived<Vec<String>>,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let time = expect_context::<Time>();
    let is_group = Derived::new(move || members.with(|members| !members.is_empty()));
    let group = use_group(live, id.clone(), detail, members);
    let pool = Derived::new(move || {
        live.with_pool(&id, |entry| entry.summary.clone())
            .or_else(|| detail.with(|loaded| loaded.detail().map(|detail| detail.summary.clone())))
            .unwrap_or_default()
    });
    let text = move |read: fn(&PoolSummary) -> String| move || pool.with(read);
    let severity = Derived::new(move || pool.with(|pool| pool.health.severity));
    let calmer = move || if pool.with(|pool| pool.health.is_recovering()) { " is-recovering" } else { "" };
    let since = move || {
        let since = pool.with(|pool| pool.health.since_ms);
        (since > 0).then(|| format::span(live.now_ms().saturating_sub(since) / 1_000))
    };
    let gone_quiet = move || {
        pool.with(|pool| pool.stale.then_some(pool.last_seen_ms)).map(|seen| format::ago(live.now_ms(), seen))
    };
    let figure = move |figure: &'static Figure| {
        let value = Derived::new(move || {
            pool.with(|pool| detail.with(|loaded| (figure.read)(pool, loaded.detail())))
        });
        view! {
            <div title=figure.about hidden=move || value.with(Option::is_none)>
                <dd data-testid=figure.testid>{move || value.get()}</dd>
                <dt>{figure.label}</dt>
            </div>
        }
    };
    let breaker = Derived::new(move || pool.with(|pool| pool.breaker.clone()));
    let traces = Derived::new(move || {
        pool.with(|pool| navigation.link_to(&Route::Traces.path(), &[("pool", pool.id.clone())]))
    });
    // What is wrong with the instances of a group stands above their rows.
    let own = Derived::new(move || pool.with(|pool| vec![pool.id.clone()]));
    let guards = Derived::new(move || {
        let ids = match is_group.get() {
            true => members.get(),
            false => own.get(),
        };
        live.with_breakers(|store| store.guards_of(&ids))
    });
    let breaker_link = Derived::new(move || {
        let guard = pool.with(|pool| live.with_breakers(|store| store.guard_of(&pool.id).cloned()));
        navigation.link(&Route::Breakers(guard))
    });
    view! {
        <header class="poolhead">
            <p class="crumb"><a href=move || navigation.link(&Route::Overview)>"Overview"</a></p>
            <h1 dir="auto">{text(words::pool_name)}</h1>
            <p class="soft where">
                <span class="mono" dir="auto">{text(words::destination)}</span>
                <span>{text(words::protocols)}</span>
                <span dir="auto">{text(|pool| pool.service.clone())}</span>
                <span class="mono" dir="auto" title="Instance">{text(|pool| pool.instance.clone())}</span>
                {move || group.with(|group| group.as_ref().map(|group| {
                    let instances = group.instances();
                    view! { <span data-testid="group-count">{instances}</span> }
                }))}
                <a data-testid="pool-traces" href=move || traces.get() hidden=move || is_group.get()>"traces"</a>
                {move || observation(pool.with(|pool| pool.observation)).map(|(text, about)| view! {
                    <span data-testid="pool-observation" title=about>{text}</span>
                })}
            </p>
            <p class="soft since" data-testid="head-time" hidden=move || time.fixed().is_none()>"Now, which is not the time of the charts:"</p>
            <p class=move || format!("verdict v-{}{}", words::severity_key(severity.get()), calmer())
                class:is-stale=move || pool.with(|pool| pool.stale)>
                <SeverityShape severity />
                <strong data-testid="pool-sentence">{text(|pool| pool.health.sentence.clone())}</strong>
                {move || since().map(|since| view! {
                    <span class="soft" title=format::exact_time(pool.with(|pool| pool.health.since_ms))>
                        {format!("for {since}")}
                    </span>
                })}
                {move || gone_quiet().map(|ago| view! { <span class="is-warn">{format!("not reported since {ago}")}</span> })}
                {move || breaker.get().map(|(_, state)| view! {
                    <a class="badgelink" href=move || breaker_link.get()>
                        {move || if is_group.get() { "breakers " } else { "breaker " }} <BreakerBadge state />
                        {move || group.with(|group| group.as_ref().map(|group| {
                            let states = words::breaker_states(group.breakers.iter().copied());
                            view! { <span class="states" data-testid="group-breakers">{states}</span> }
                        }))}
                    </a>
                })}
            </p>
            <WarningsAbout what=Subject::Pool ids=own />
            <WarningsAbout what=Subject::Breaker ids=guards />
            {move || words::lacks(&pool.with(|pool| pool.lacks.clone())).map(|text| view! {
                <p class="soft" data-testid="pool-lacks">{text}</p>
            })}
            {move || group.with(|group| group.as_ref().is_some_and(|group| group.unequal_buckets)).then(|| view! {
                <p class="soft" data-testid="group-unequal">{UNEQUAL}</p>
            })}
            <dl class="figures">{NOW.iter().map(figure).collect_view()}</dl>
            <p class="soft since">{move || since_known(is_group.get())}</p>
            <dl class="figures">{TOTALS.iter().map(figure).collect_view()}</dl>
        </header>
    }
}

/// What totals are of.
pub fn since_known(is_group: bool) -> &'static str {
    match is_group {
        true => "Counted until now, since each of the instances that report is known",
        false => "Counted until now, since this pool is known",
    }
}

/// How a pool is observed, in words, if that is not exactly.
fn observation(observation: Observation) -> Option<(&'static str, &'static str)> {
    match observation {
        Observation::Exact => None,
        Observation::Kernel => Some((
            "closes are told by the kernel",
            "Every connection is seen to open and to close; only why it closed is concluded",
        )),
        Observation::Estimated => Some((
            "~ closes are estimated",
            "Closes can't be seen here: what is open, idle and closed is concluded from what requests show",
        )),
    }
}
