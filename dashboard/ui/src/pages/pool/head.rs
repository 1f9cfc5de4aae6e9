//! What a pool is, how it is, and since when.

use leptos::prelude::*;
use poolscope_wire::{Observation, PoolSummary};

use super::{
    detail::Loaded,
    figures::{Figure, NOW, TOTALS},
    group::{GroupFacts, use_group},
    verdict::Verdict,
};
use crate::{
    derived::Derived, navigation::Navigation, pages::overview::row::UNEQUAL, route::Route, state::live::Live,
    time::Time, words,
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
    let group = use_group(live, id.clone(), detail, members);
    let pool = Derived::new(move || {
        live.with_pool(&id, |entry| entry.summary.clone())
            .or_else(|| detail.with(|loaded| loaded.detail().map(|detail| detail.summary.clone())))
            .unwrap_or_default()
    });
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
            <dl class="figures">{NOW.iter().map(figure).collect_view()}</dl>
            <p class="soft since">{move || since_known(group.with(Option::is_some))}</p>
            <dl class="figures">{TOTALS.iter().map(figure).collect_view()}</dl>
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
