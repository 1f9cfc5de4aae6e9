//! One pool: its condition in words, its charts on one axis of time, why things ended, and its events.

pub mod charts;
pub mod connections;
pub mod detail;
pub mod events;
pub mod figures;
pub mod group;
pub mod head;
pub mod instances;
pub mod lanes;
pub mod verdict;

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
    route::Route,
    state::live::Live,
    time::Time,
    words,
};

use charts::Charts;
use detail::{History, Loaded, use_history};
use events::PoolEvents;
use head::{Head, counted_until};
use instances::{Instances, use_members};

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
    let members = use_members(expect_context::<Live>(), id.clone(), detail);
    let is_group = Derived::new(move || members.with(|members| !members.is_empty()));
    let rows = move |read: fn(&PoolDetail) -> Vec<counts::CountRow>| history.told(read);
    let spreads = move |read: fn(&PoolDetail) -> Vec<SpreadRow>| history.told(read);
    // Nothing counted is not nothing that happened where the sender does not tell.
    let none = move |lack: Lack, told: &'static str| {
        let lacks = history.told(move |detail| detail.summary.lacks.contains(&lack));
        Signal::derive(move || if lacks.get() { "Its sender does not tell." } else { told })
    };
    view! {
        <article data-testid="pool-page">
            <Head id=id.clone() history members />
            <Charts id=id.clone() history is_group />
            <Show when=move || is_group.get()><Instances members history /></Show>
            {counted_until(history, is_group, "soft since tables-time")}
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
            <PoolEvents id members />
        </article>
    }
}
