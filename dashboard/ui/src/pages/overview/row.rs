//! One pool as a row, and the heads of the columns.

use leptos::prelude::*;

use super::{
    past::{put_past, use_past},
    view::PoolView,
};
use crate::{
    chart::spark::Sparkline,
    components::{
        bar::StateBar,
        shape::{BreakerBadge, SeverityShape},
    },
    derived::Derived,
    format,
    navigation::Navigation,
    route::Route,
    state::{live::Live, order::Sort, ring::SPAN_MS, store::Store},
    time::{Time, range::Range},
    words,
};

/// Why a group has no percentiles.
pub const UNEQUAL: &str =
    "Its instances count times in buckets of unequal bounds, so that only each by itself has percentiles.";

/// Heads of the columns, which also choose the order.
#[component]
pub fn ColumnHeads() -> impl IntoView {
    let navigation = expect_context::<Navigation>();
    let head = move |class: &'static str, sort: Sort, name: &'static str| {
        let chosen = move || Sort::from_key(&navigation.query("sort")) == sort;
        let value = if sort == Sort::Worst { "" } else { sort.key() };
        view! {
            <button type="button" class=class aria-pressed=move || if chosen() { "true" } else { "false" }
                title="Order by this" on:click=move |_| navigation.set_query("sort", value)>{name}</button>
        }
    };
    let time = expect_context::<Time>();
    let spark_time = move || match time.range() {
        Range::Fixed(span) => format::span(span.width_ms() / 1_000),
        // The newest points, which every row has, reach back this far.
        range if range == Range::default() => format::span(SPAN_MS / 1_000),
        Range::Live(window_ms) => format::span(window_ms.max(SPAN_MS) / 1_000),
    };
    view! {
        <div class="heads">
            {head("h-name", Sort::Name, "pool")}
            {head("h-say", Sort::Worst, "condition, worst first")}
            {head("h-conns", Sort::Active, "connections")}
            {head("h-wait number", Sort::Waiting, "waiting")}
            {head("h-p number", Sort::Wait, "wait p50 / p99")}
            <span class="h-spark">{spark_time}</span>
            {head("h-reuse number", Sort::Reuse, "reuse")}
            {head("h-rate number", Sort::Requests, "req/s")}
            <span class="h-breaker">"breaker"</span>
        </div>
    }
}

/// One pool.
#[component]
pub fn Row(
    /// Its id.
    id: String,
    /// True if it has the name of its instance.
    by_instance: bool,
    /// Where the sparklines of all rows end.
    spark_end: Derived<u64>,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let time = expect_context::<Time>();
    let past = use_past(live, time, id.clone());
    let view = {
        let id = id.clone();
        Derived::after(move |before: Option<&Option<PoolView>>| {
            // A pool that is gone keeps its last words until its row is gone.
            let end_ms = spark_end.get();
            let now = live.with_pool(&id, |entry| PoolView::new(entry, end_ms));
            let is_still = time.fixed().is_some();
            let moved = now.map(|mut view| {
                past.with(|past| {
                    if is_still || past.is_some() {
                        put_past(&mut view, past, is_still);
                    }
                });
                view
            });
            moved.or_else(|| before.cloned().flatten())
        })
    };
    let text = move |read: fn(&PoolView) -> String| {
        move || view.with(|view| view.as_ref().map(read).unwrap_or_default())
    };
    let href = {
        let route = Route::Pool(id.clone());
        move || navigation.link(&route)
    };
    let severity = Derived::new(move || view.with(|v| v.as_ref().map(|v| v.severity).unwrap_or_default()));
    let severity_key = move || words::severity_key(severity.get());
    let group = Derived::new({
        let id = id.clone();
        // How many there are in a group, and how many of them are heard; the list follows who comes and goes.
        move || {
            live.with_figures(|store| {
                store.groups.get(&id).map(|group| (group.group.members.len() as u64, group.group.current))
            })
        }
    });
    // The states of the breakers of a group in words, and why there is no percentile of all of it.
    let states = Derived::new({
        let id = id.clone();
        move || {
            let states = |store: &Store| {
                let group = &store.groups.get(&id)?.group;
                let states = group.breakers.iter().map(|(state, count)| (*state, u64::from(*count)));
                (!group.breakers.is_empty()).then(|| words::breaker_states(states))
            };
            live.with_figures(states)
        }
    });
    let unequal = Derived::new({
        let id = id.clone();
        move || live.with_figures(|store| store.groups.get(&id).is_some_and(|one| one.group.unequal_buckets))
    });
    let opened = move || navigation.query("open");
    let is_open = {
        let id = id.clone();
        Derived::new(move || opened().split(',').any(|one| one == id))
    };
    let is_member = {
        let id = id.clone();
        Derived::new(move || {
            let opened = opened();
            !opened.is_empty()
                && live.with_list(|store| {
                    let open = opened.split(',').filter_map(|group| store.groups.get(group));
                    open.flat_map(|group| &group.group.members).any(|member| *member == id)
                })
        })
    };
    let toggle = {
        let id = id.clone();
        move |_| {
            let opened = opened();
            let mut ids: Vec<&str> = opened.split(',').filter(|one| !one.is_empty()).collect();
            match ids.iter().position(|one| *one == id) {
                Some(place) => drop(ids.remove(place)),
                None => ids.push(&id),
            }
            navigation.set_query("open", &ids.join(","));
        }
    };
    let instances = move || {
        group.get().map(|(all, current)| match all - u64::from(current) {
            0 => format!("{} instances", format::count(all)),
            // Short, since it stands beside a name; who is gone is told above the list.
            _ => format!("{} of {} instances", format::count(u64::from(current)), format::count(all)),
        })
    };
    let class = move || {
        let (stale, recovering) =
            view.with(|view| view.as_ref().map_or((false, false), |view| (view.stale, view.recovering)));
        let member = if is_member.get() { " is-member" } else { "" };
        let calmer = if recovering { " is-recovering" } else { "" };
        format!("pool v-{}{}{calmer}{member}", severity_key(), if stale { " is-stale" } else { "" })
    };
    let name = move || {
        let of_member = by_instance || is_member.get();
        view.with(|view| {
            view.as_ref()
                .map(|view| match (of_member, view.instance.is_empty()) {
                    (true, false) => view.instance.clone(),
                    _ => view.name.clone(),
                })
                .unwrap_or_default()
        })
    };
    let silent_for = move || {
        let seen_ms =
            view.with(|view| view.as_ref().and_then(|view| view.stale.then_some(view.last_seen_ms)))?;
        Some(format!("last reported {}", format::ago(live.now_ms(), seen_ms)))
    };
    let times = move || match unequal.get() {
        true => UNEQUAL.to_owned(),
        false => view.with(|view| view.as_ref().map(|view| view.times.clone()).unwrap_or_default()),
    };
    let shares = Derived::new(move || view.with(|v| v.as_ref().map(|v| v.shares).unwrap_or_default()));
    let spark = Derived::new(move || view.with(|v| v.as_ref().map(|v| v.spark.clone()).unwrap_or_default()));
    let estimated = move || {
        let estimated = view.with(|view| view.as_ref().is_some_and(|view| !view.tilde.is_empty()));
        estimated.then_some("Closes can't be seen here: what is open and idle is estimated")
    };
    let upgraded = move || match view.with(|view| view.as_ref().map_or(0, |view| view.upgraded)) {
        0 => String::new(),
        upgraded => format!(" \u{b7} {upgraded} upgraded"),
    };
    let waiting_class = move || {
        let waiting = view.with(|view| view.as_ref().is_some_and(|view| view.is_waiting));
        if waiting { "cell wait number is-warn" } else { "cell wait number" }
    };
    let errors = move || view.with(|view| view.as_ref().and_then(|view| view.errors.clone()));
    let breaker = Derived::new(move || view.with(|view| view.as_ref().and_then(|view| view.breaker.clone())));
    let guard = {
        let id = id.clone();
        move || live.peek(|store| store.guard_of(&id).cloned())
    };

    view! {
        <li class=class data-testid="pool-row" data-pool-id=id data-severity=severity_key>
            <span class="sev"><SeverityShape severity /></span>
            <div class="cell name">
                {move || if group.with(Option::is_some) {
                    view! {
                        <span class="grouped">
                            <button type="button" class="apart" data-testid="pool-group" on:click=toggle.clone() title="Take apart by instance"
                                aria-expanded=move || if is_open.get() { "true" } else { "false" }>
                                <span aria-hidden="true">{move || if is_open.get() { "\u{2212}" } else { "+" }}</span>
                                <span class="sr">"Take apart by instance: " {name}</span>
                            </button>
                            <a href=href.clone() data-stop data-testid="pool-name" dir="auto" title=name>{name}</a>
                            <span class="soft" data-testid="pool-instances">{instances}</span>
                        </span>
                    }.into_any()
                } else {
                    view! { <a href=href.clone() data-stop data-testid="pool-name" dir="auto" title=name>{name}</a> }.into_any()
                }}
                <span class="soft clip" dir="auto" title=text(|v| format!("{} {}", v.destination, v.origin).trim().to_owned())>
                    {text(|v| v.destination.clone())}
                    <span class="origin">{text(|v| v.origin.clone())}</span>
                </span>
            </div>
            <div class="cell say">
                <p data-testid="pool-sentence" title=text(|v| v.sentence.clone())>{text(|v| v.sentence.clone())}</p>
                {move || silent_for().map(|text| view! { <span class="under is-warn">{text}</span> })}
            </div>
            <div class="cell conns" title=estimated>
                <StateBar shares />
                <span class="under">
                    <b data-testid="pool-active">{text(|v| v.active.clone())}</b> " in use \u{b7} "
                    <b data-testid="pool-idle">{text(|v| v.idle.clone())}</b> " idle" {upgraded}
                </span>
            </div>
            <div class=waiting_class>
                <span class="key">"waiting"</span>
                <span data-testid="pool-pending">{text(|v| v.pending.clone())}</span>
            </div>
            <div class="cell p number" title=times>
                <span class="key">"wait p50 / p99"</span>
                <span data-testid="pool-wait-p50">{text(|v| v.wait_p50.clone())}</span>
                <span class="under"><span data-testid="pool-wait-p99">{text(|v| v.wait_p99.clone())}</span></span>
            </div>
            <div class="cell sparkcell"><Sparkline spark /></div>
            <div class="cell reuse number">
                <span class="key">"reuse"</span>
                <span data-testid="pool-reuse">{text(|v| v.reuse.clone())}</span>
            </div>
            <div class="cell rate number">
                <span class="key">"req/s"</span>
                <span data-testid="pool-requests">{text(|v| v.requests.clone())}</span>
                {move || errors().map(|errors| view! { <span class="under is-bad">{errors} " err/s"</span> })}
            </div>
            <div class="cell breaker">
                {move || breaker.get().map(|(_, state)| {
                    view! { <a href=navigation.link(&Route::Breakers(guard()))><BreakerBadge state /></a> }
                })}
                {move || states.get().map(|states| view! { <span class="under" data-testid="pool-breakers">{states}</span> })}
            </div>
        </li>
    }
}
