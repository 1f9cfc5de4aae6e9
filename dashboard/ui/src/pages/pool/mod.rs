//! One pool: its condition in words, its charts on one axis of time, why things ended, and its events.

pub mod charts;
pub mod connections;
pub mod detail;
pub mod head;
pub mod lanes;

use leptos::prelude::*;
use poolscope_wire::{Lack, PoolDetail};

use crate::{
    api::Failure,
    components::{
        counts::{self, Counts},
        empty::Empty,
        spreads::{SpreadRow, Spreads},
    },
    derived::Derived,
    navigation::Navigation,
    pages::events::EventRow,
    route::Route,
    state::live::Live,
    time::Time,
    words,
};

use charts::Charts;
use detail::{History, Loaded, use_history};
use head::Head;

/// The most events of a pool that its page lists; all are on the events page.
const MAX_EVENTS: usize = 20;

/// The page of a pool.
#[component]
pub fn Pool(
    /// Its id.
    id: String,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let history = use_history(live, expect_context::<Time>(), id.clone());
    let detail = history.now;
    let stage = Derived::new(move || detail.with(Loaded::stage));
    view! {
        {move || match stage.get() {
            detail::Stage::Loading => {
                view! { <p class="loading" role="status">"Reading the history of this pool \u{2026}"</p> }.into_any()
            }
            detail::Stage::Failed(failure) => view! { <Failed failure /> }.into_any(),
            detail::Stage::Ready => view! { <Ready id=id.clone() history /> }.into_any(),
        }}
    }
}

#[component]
fn Failed(failure: Failure) -> impl IntoView {
    let navigation = expect_context::<Navigation>();
    let title = match failure {
        Failure::NotFound(_) => "This pool is not here (any more)",
        Failure::Refused(_) | Failure::Later(_) | Failure::Unreachable | Failure::Malformed(_) => {
            "This pool can't be shown"
        }
    };
    view! {
        <Empty title alone=true>
            <p>{failure.to_string()}</p>
            <p><a href=move || navigation.link(&Route::Overview) data-stop>"See all pools"</a></p>
        </Empty>
    }
}

#[component]
fn Ready(id: String, history: History) -> impl IntoView {
    let detail = history.now;
    let rows = move |read: fn(&PoolDetail) -> Vec<counts::CountRow>| {
        Derived::new(move || detail.with(|loaded| loaded.detail().map(read).unwrap_or_default()))
    };
    let spreads = move |read: fn(&PoolDetail) -> Vec<SpreadRow>| {
        Derived::new(move || detail.with(|loaded| loaded.detail().map(read).unwrap_or_default()))
    };
    // Nothing counted is not nothing that happened where the sender does not tell.
    let none = move |lack: Lack, told: &'static str| {
        let lacks = move |loaded: &Loaded| loaded.detail().is_some_and(|d| d.summary.lacks.contains(&lack));
        Signal::derive(move || if detail.with(lacks) { "Its sender does not tell." } else { told })
    };
    view! {
        <article data-testid="pool-page">
            <Head id=id.clone() detail />
            <Charts id=id.clone() history />
            <div class="tables">
                <Counts title="Closes by reason" none=none(Lack::CloseReasons, "No connection has been closed yet.") testid="closes-table"
                    rows=rows(|d| counts::rows(&d.closes, words::close_reason, |_| false)) />
                <Counts title="How requests got a connection" none=none(Lack::Reuse, "No request has asked for a connection yet.") testid="acquires-table"
                    rows=rows(|d| counts::rows(&d.acquires, words::acquire_outcome, |_| false)) />
                <Counts title="How requests ended" none=none(Lack::Results, "No request has ended yet.") testid="results-table"
                    rows=rows(|d| counts::rows(&d.results, words::result, words::result_failed)) />
                <Spreads title="Establishing a connection" testid="set-up-table" rows=spreads(connections::set_up) />
                <Spreads title="Life of a connection" testid="life-table" rows=spreads(connections::life) />
                <Counts title="Connects that failed" none=none(Lack::FailedConnects, "No connect is known to have failed.") testid="failures-table"
                    rows=rows(connections::failures) />
            </div>
            <PoolEvents id />
        </article>
    }
}

#[component]
fn PoolEvents(id: String) -> impl IntoView {
    let live = expect_context::<Live>();
    let events = Derived::new(move || {
        live.with_events(|store| {
            let of_pool = store.events.iter().filter(|event| event.pool.as_deref() == Some(&id));
            of_pool.take(MAX_EVENTS).cloned().collect::<Vec<_>>()
        })
    });
    view! {
        <section>
            <h2>"Events of this pool"</h2>
            {move || events.with(Vec::is_empty).then(|| view! { <p class="soft">"Nothing has been reported for this pool."</p> })}
            <ul class="events">
                <For each=move || events.get() key=|event| event.id let:event>
                    <EventRow event />
                </For>
            </ul>
        </section>
    }
}
