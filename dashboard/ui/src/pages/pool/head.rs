//! What a pool is, how it is, and since when.

use leptos::prelude::*;
use poolscope_wire::{BreakerState, Connections, Observation, PoolDetail, PoolSummary, Subject};

use super::detail::Loaded;
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

/// A figure of a pool; one that is not told has no place.
struct Figure {
    testid: &'static str,
    label: &'static str,
    about: &'static str,
    read: fn(&PoolSummary, Option<&PoolDetail>) -> Option<String>,
}

/// What holds now.
const NOW: [Figure; 12] = [
    Figure {
        testid: "pool-active",
        label: "in use",
        about: "Connections with at least one request",
        read: |pool, _| Some(format::count_or_unknown(pool.now.active)),
    },
    Figure {
        testid: "pool-idle",
        label: "idle",
        about: "Connections without a request",
        read: |pool, _| {
            Some(
                pool.now
                    .idle
                    .map_or_else(|| format::UNKNOWN.to_owned(), |idle| format!("{}{idle}", tilde(pool))),
            )
        },
    },
    Figure {
        testid: "pool-upgraded",
        label: "upgraded",
        about: "Connections that left HTTP, such as WebSockets",
        read: |pool, _| pool.now.upgraded.filter(|n| *n > 0).map(|n| format::count(u64::from(n))),
    },
    Figure {
        testid: "pool-connecting",
        label: "connecting",
        about: "Connections that are being established",
        read: |pool, _| pool.now.connecting.map(|count| format::count(u64::from(count))),
    },
    Figure {
        testid: "pool-pending",
        label: "waiting",
        about: "Requests that wait for a connection",
        read: |pool, _| Some(format::count_or_unknown(pool.now.pending)),
    },
    Figure {
        testid: "pool-max-open",
        label: "most connections",
        about: "Most connections that the pool opens",
        read: |pool, _| pool.now.max_open.map(|max| format::count(u64::from(max))),
    },
    Figure {
        testid: "pool-idle-kept",
        label: "idle kept",
        about: "Fewest and most idle connections that the pool keeps",
        read: |pool, _| kept(pool),
    },
    Figure {
        testid: "pool-limit",
        label: "in flight, of the limit",
        about: "Requests in flight, and the most that the limit lets be",
        read: |pool, _| pool.now.limit.map(|limit| format!("{} of {}", limit.in_use, limit.max)),
    },
    Figure {
        testid: "pool-leaked",
        label: "leaked",
        about: "Responses that somebody has held for long and does not read, so that their connections serve nobody",
        read: |pool, _| pool.now.leaked.map(|count| format::count(u64::from(count))),
    },
    Figure {
        testid: "pool-reuse",
        label: "reused, last minute",
        about: "Share of requests that were served by a connection that was open already",
        read: |pool, _| Some(format::percent_or_unknown(pool.reuse)),
    },
    Figure {
        testid: "pool-wait-p50",
        label: "wait p50",
        about: "Half of the requests of the last minute had a connection within this time",
        read: |pool, _| Some(format::duration_or_unknown(pool.wait_p50_s)),
    },
    Figure {
        testid: "pool-wait-p99",
        label: "wait p99",
        about: "99 of 100 requests of the last minute had a connection within this time",
        read: |pool, _| Some(format::duration_or_unknown(pool.wait_p99_s)),
    },
];

/// What was counted since the pool is known.
const TOTALS: [Figure; 13] = [
    Figure {
        testid: "pool-requests-total",
        label: "requests",
        about: "Requests that ended",
        read: |pool, _| Some(format::total_or_unknown(pool.requests_total)),
    },
    Figure {
        testid: "pool-opened-total",
        label: "opened",
        about: "Connections that were established",
        read: |pool, _| Some(format::total_or_unknown(pool.opened_total)),
    },
    Figure {
        testid: "pool-closed-total",
        label: "closed",
        about: "Connections that were closed",
        read: |pool, _| {
            let total = pool.closed_total.map(|total| format!("{}{}", tilde(pool), format::count(total)));
            Some(total.unwrap_or_else(|| format::UNKNOWN.to_owned()))
        },
    },
    Figure {
        testid: "pool-wasted-total",
        label: "never used",
        about: "Connections that were closed without having served a request: they were set up for nothing",
        read: |_, detail| total(detail, |connections| connections.wasted),
    },
    Figure {
        testid: "pool-failed-total",
        label: "connects failed",
        about: "Connections that could not be established",
        read: |pool, _| Some(format::total_or_unknown(pool.failed_total)),
    },
    Figure {
        testid: "pool-abandoned-total",
        label: "connects given up",
        about: "Connects that were given up, because the request that they were made for was dropped",
        read: |_, detail| total(detail, |connections| connections.abandoned),
    },
    Figure {
        testid: "pool-stale-total",
        label: "hit a stale connection",
        about: "Requests that failed before any answer, because the peer had closed the idle connection that the pool gave them",
        read: |_, detail| total(detail, |connections| connections.stale_reuse),
    },
    Figure {
        testid: "pool-leaks-total",
        label: "reported as leaked",
        about: "Responses that were held for long and not read, those included that came back",
        read: |_, detail| total(detail, |connections| connections.leaks),
    },
    Figure {
        testid: "pool-refused-total",
        label: "refused by the limit",
        about: "Requests that found no room under the limit, not even to wait, or not in time",
        read: |_, detail| total(detail, |connections| connections.refused),
    },
    Figure {
        testid: "pool-timeouts-total",
        label: "waits given up",
        about: "Requests that got no connection in time",
        read: |_, detail| total(detail, |connections| connections.timeouts),
    },
    Figure {
        testid: "pool-retransmits-total",
        label: "segments resent",
        about: "TCP segments that the kernel sent again, over the connections that are closed",
        read: |_, detail| total(detail, |connections| connections.retransmits),
    },
    Figure {
        testid: "pool-sent",
        label: "sent",
        about: "Bytes sent over its connections",
        read: |_, detail| detail?.bytes_sent.map(format::bytes),
    },
    Figure {
        testid: "pool-received",
        label: "received",
        about: "Bytes received over its connections",
        read: |_, detail| detail?.bytes_received.map(format::bytes),
    },
];

/// Idle connections that a pool keeps, by what of it is told.
fn kept(pool: &PoolSummary) -> Option<String> {
    match (pool.now.idle_min, pool.now.idle_max) {
        (None, None) => None,
        (Some(min), None) => Some(format!("at least {min}")),
        (None, Some(max)) => Some(format!("at most {max}")),
        (Some(min), Some(max)) => Some(format!("{min} to {max}")),
    }
}

fn total(detail: Option<&PoolDetail>, read: fn(&Connections) -> Option<u64>) -> Option<String> {
    read(&detail?.connections).map(format::count)
}

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
            <p class=move || format!("verdict v-{}", words::severity_key(severity.get()))>
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
                            view! { <span data-testid="group-breakers">{states}</span> }
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

/// What a group has beside the figures of a pool.
#[derive(Debug, Clone, PartialEq, Default)]
struct GroupFacts {
    all: u64,
    current: u64,
    breakers: Vec<(BreakerState, u64)>,
    unequal_buckets: bool,
}

impl GroupFacts {
    fn instances(&self) -> String {
        let all = format::counted(self.all, "instance", "instances");
        match self.all - self.current.min(self.all) {
            0 => format!("{all} together"),
            silent => format!("{all} together, {} of them silent", format::count(silent)),
        }
    }
}

/// What the stream tells of a group, or the history if it is none of the stream's any more; `None` for one pool.
fn use_group(
    live: Live,
    id: String,
    detail: RwSignal<Loaded>,
    members: Derived<Vec<String>>,
) -> Derived<Option<GroupFacts>> {
    let breakers = |states: &[(BreakerState, u32)]| -> Vec<_> {
        states.iter().map(|(state, count)| (*state, u64::from(*count))).collect()
    };
    Derived::new(move || {
        let all = members.with(Vec::len) as u64;
        if all == 0 {
            return None;
        }
        let told = live.with_figures(|store| {
            let group = &store.groups.get(&id)?.group;
            let (current, breakers) = (u64::from(group.current), breakers(&group.breakers));
            Some(GroupFacts { all, current, breakers, unequal_buckets: group.unequal_buckets })
        });
        let of_detail = || {
            let current = live.with_figures(|store| {
                let known = members.with(|members| {
                    let known = members.iter().filter_map(|id| store.pools.get(id));
                    known.filter(|entry| !entry.summary.stale).count()
                });
                known as u64
            });
            detail.with(|loaded| {
                let detail = loaded.detail()?;
                let (breakers, unequal_buckets) = (breakers(&detail.breakers), detail.unequal_buckets);
                Some(GroupFacts { all, current, breakers, unequal_buckets })
            })
        };
        told.or_else(of_detail)
    })
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

fn tilde(pool: &PoolSummary) -> &'static str {
    if pool.is_estimated() { "~" } else { "" }
}
