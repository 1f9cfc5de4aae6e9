//! What a pool is, how it is, and since when.

use leptos::prelude::*;
use poolscope_wire::{Observation, PoolDetail, PoolSummary};

use super::{
    detail::History,
    figures::{Figure, NOW, TOTALS},
    group::{GroupFacts, use_group},
    verdict::Verdict,
};
use crate::{
    derived::Derived, format, navigation::Navigation, pages::overview::row::UNEQUAL, route::Route,
    state::live::Live, time::Time, words,
};

/// What was counted until so long ago was counted until now, as anybody would say: the server is asked every few seconds.
const FRESH_MS: u64 = 15_000;

/// Head of the page of a pool.
#[component]
pub fn Head(
    /// Id of the pool.
    id: String,
    /// Its history.
    history: History,
    /// Of a group, ids of its pools.
    members: Derived<Vec<String>>,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let time = expect_context::<Time>();
    let detail = history.now;
    let group = use_group(live, id.clone(), detail, members);
    let pool = Derived::new(move || {
        live.with_pool(&id, |entry| entry.summary.clone())
            .or_else(|| detail.with(|loaded| loaded.detail().map(|detail| detail.summary.clone())))
            .unwrap_or_default()
    });
    let now = move |figure: &'static Figure<PoolSummary>| {
        let value = Derived::new(move || pool.with(figure.read));
        shown(figure.testid, figure.label, figure.about, value)
    };
    let total = move |figure: &'static Figure<PoolDetail>| {
        shown(figure.testid, figure.label, figure.about, history.told(figure.read))
    };
    let is_group = Derived::new(move || group.with(Option::is_some));
    view! {
        <header class="poolhead">
            <p class="crumb"><a href=move || navigation.link(&Route::Overview)>"Overview"</a></p>
            <h1 dir="auto">{move || pool.with(words::pool_name)}</h1>
            <Whose pool group />
            <p class="soft since" data-testid="head-time" hidden=move || time.fixed().is_none()>"Now, which is not the time of the charts:"</p>
            <Verdict pool group members />
            {move || words::lacks(&pool.with(|pool| pool.lacks.clone())).map(|text| view! {
                <p class="soft" data-testid="pool-lacks">{text}</p>
            })}
            {move || group.with(|group| group.as_ref().is_some_and(|group| group.unequal_buckets)).then(|| view! {
                <p class="soft" data-testid="group-unequal">{UNEQUAL}</p>
            })}
            <dl class="figures">{NOW.iter().map(now).collect_view()}</dl>
            {counted_until(history, is_group, "soft since")}
            <dl class="figures">{TOTALS.iter().map(total).collect_view()}</dl>
        </header>
    }
}

/// Where a pool leads, whose it is, and how it is observed.
#[component]
fn Whose(pool: Derived<PoolSummary>, group: Derived<Option<GroupFacts>>) -> impl IntoView {
    let navigation = expect_context::<Navigation>();
    let text = move |read: fn(&PoolSummary) -> String| move || pool.with(read);
    let traces = Derived::new(move || {
        pool.with(|pool| navigation.link_to(&Route::Traces.path(), &[("pool", pool.id.clone())]))
    });
    view! {
        <p class="soft where">
            <span class="mono" dir="auto">{text(words::destination)}</span>
            <span>{text(words::protocols)}</span>
            <span dir="auto">{text(|pool| pool.service.clone())}</span>
            <span class="mono" dir="auto" title="Instance">{text(|pool| pool.instance.clone())}</span>
            {move || group.with(|group| group.as_ref().map(GroupFacts::instances)).map(|instances| view! {
                <span data-testid="group-count">{instances}</span>
            })}
            <a data-testid="pool-traces" href=move || traces.get() hidden=move || group.with(Option::is_some)>"traces"</a>
            {move || observation(pool.with(|pool| pool.observation)).map(|(text, about)| view! {
                <span data-testid="pool-observation" title=about>{text}</span>
            })}
        </p>
    }
}

/// A figure with its name; it has no place where it is not told.
fn shown(
    testid: &'static str,
    label: &'static str,
    about: &'static str,
    value: Derived<Option<String>>,
) -> AnyView {
    view! {
        <div title=about hidden=move || value.with(Option::is_none)>
            <dd data-testid=testid>{move || value.get()}</dd>
            <dt>{label}</dt>
        </div>
    }
    .into_any()
}

/// Of which time totals are. All that stand on the page are of the newest answer, so that they fit together; how old that
/// is follows from how long a time is looked at.
pub fn counted_until(history: History, is_group: Derived<bool>, class: &'static str) -> AnyView {
    let live = expect_context::<Live>();
    let last_ms = history.told(|detail| detail.summary.last_seen_ms);
    let text = Derived::new(move || counted(is_group.get(), live.now_ms(), last_ms.get()));
    view! { <p class=class data-testid="counted-until">{move || text.get()}</p> }.into_any()
}

fn counted(is_group: bool, now_ms: u64, last_ms: u64) -> String {
    let until = match now_ms.saturating_sub(last_ms) {
        0..FRESH_MS => "now".to_owned(),
        _ => format::ago(now_ms, last_ms),
    };
    let whose = if is_group { "each of the instances that report" } else { "this pool" };
    format!("Counted until {until}, since {whose} is known")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_tell_until_when_they_were_counted() {
        assert_eq!(counted(false, 20_000, 15_000), "Counted until now, since this pool is known");
        let group = counted(true, 100_000, 55_000);
        assert_eq!(group, "Counted until 45 s ago, since each of the instances that report is known");
    }
}
