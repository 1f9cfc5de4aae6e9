//! Every pool as one readable row, worst first, with the reason in words.

pub mod gone;
pub mod headline;
pub mod heads;
pub mod log;
pub mod no_match;
pub mod past;
pub mod problems;
pub mod row;
pub mod sheet;
pub mod toolbar;
pub mod view;
pub mod window;

use leptos::prelude::*;
use poolscope_wire::Severity;
use wasm_bindgen::JsCast;
use web_sys::{Element, MouseEvent};

use crate::{
    components::{each::each, empty::Waiting},
    derived::Derived,
    navigation::Navigation,
    state::{
        live::Live,
        order::{PoolFilter, Sort},
    },
    time::Time,
};

use super::part::{self, Piece};
use headline::Headlines;
use heads::ColumnHeads;
use problems::Problems;
use row::row;
use toolbar::Toolbar;
use view::spark_end;

/// What the address asks for.
fn use_filter(navigation: Navigation) -> Derived<PoolFilter> {
    Derived::new(move || PoolFilter {
        service: navigation.query("service"),
        text: navigation.query("q"),
        severity: match navigation.query("severity").as_str() {
            "bad" => Some(Severity::Bad),
            "warn" => Some(Severity::Warn),
            "ok" => Some(Severity::Ok),
            _ => None,
        },
        instance: navigation.query("instance"),
        apart: navigation.query("apart") == "yes",
        open: navigation.query("open").split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect(),
        sort: Sort::from_key(&navigation.query("sort")),
    })
}

/// The overview.
#[component]
pub fn Overview() -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let time = expect_context::<Time>();
    let filter = use_filter(navigation);
    let ids = Derived::new(move || {
        filter.with(|filter| {
            // Only these follow every figure; by default the list is computed again when a place changes.
            let follows_figures = !matches!(filter.sort, Sort::Worst | Sort::Name)
                || filter.severity.is_some()
                || !filter.text.is_empty();
            if follows_figures {
                live.with_figures(|store| filter.ids(store))
            } else {
                live.with_list(|store| filter.ids(store))
            }
        })
    });
    let stage = Derived::new(move || {
        let (filled, any) = live.with_list(|store| (store.filled, !store.pools.is_empty()));
        match (filled, any) {
            (false, _) => Stage::Waiting,
            (true, false) => Stage::NoData,
            (true, true) if ids.with(Vec::is_empty) => Stage::NoMatch,
            (true, true) => Stage::List,
        }
    });
    view! {
        {move || match stage.get() {
            Stage::Waiting => view! { <Waiting alone=true /> }.into_any(),
            Stage::NoData => view! {
                // What is looked at comes first.
                <Show when=move || time.fixed().is_some()>{part::piece(Piece::Gone)}</Show>
                {part::piece(Piece::NoData)}
            }
            .into_any(),
            stage => view! {
                <Headlines />
                // What is looked at comes first.
                <Show when=move || time.fixed().is_some()>{part::piece(Piece::WarningLog)}</Show>
                <Problems />
                <Show when=move || time.fixed().is_none() && navigation.query("warnings") == "log">{part::piece(Piece::WarningLog)}</Show>
                <Toolbar ids />
                <p class="soft" data-testid="overview-time" hidden=move || time.fixed().is_none()>
                    "Words, order and severity are those of now. The figures of a row are those of this time: most connections and waiting, worst wait, mean reuse and rates."
                </p>
                {if stage == Stage::NoMatch {
                    part::piece(Piece::NoMatch)
                } else {
                    view! { <List ids /> }.into_any()
                }}
                <Show when=move || time.fixed().is_some()>{part::piece(Piece::Gone)}</Show>
            }
            .into_any(),
        }}
    }
}

/// What there is to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No picture yet.
    Waiting,
    /// No pool at all.
    NoData,
    /// No pool passes the filter.
    NoMatch,
    /// Pools.
    List,
}

/// Takes apart the group whose button was clicked, or puts it together again.
fn take_apart(navigation: Navigation, click: &MouseEvent) {
    let clicked = click.target().and_then(|target| target.dyn_into::<Element>().ok());
    let row = clicked
        .and_then(|target| target.closest(".apart").ok().flatten())
        .and_then(|button| button.closest("[data-pool-id]").ok().flatten());
    let Some(id) = row.and_then(|row| row.get_attribute("data-pool-id")) else { return };
    let opened = untrack(|| navigation.query("open"));
    let mut ids: Vec<&str> = opened.split(',').filter(|one| !one.is_empty()).collect();
    match ids.iter().position(|one| *one == id) {
        Some(place) => drop(ids.remove(place)),
        None => ids.push(&id),
    }
    navigation.set_query("open", &ids.join(","));
}

/// Rows of pools, of which only those in view are in the page.
#[component]
pub fn List(
    /// Their ids, in order.
    ids: Derived<Vec<String>>,
    /// True if each has the name of its instance.
    #[prop(optional)]
    by_instance: bool,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let list = NodeRef::new();
    // One axis for all sparklines, however rarely a pool is reported.
    let spark_end = Derived::new(move || spark_end(live.now_ms()));
    let window = window::use_row_window(list, Derived::new(move || ids.with(Vec::len)));
    let shown = Derived::new(move || {
        let range = window.range.get();
        ids.with(|ids| ids.get(range).map(<[_]>::to_vec).unwrap_or_default())
    });
    let in_view = Derived::new(move || {
        let range = window.in_view.get();
        ids.with(|ids| ids.get(range).map(<[_]>::to_vec).unwrap_or_default())
    });
    view! {
        <ColumnHeads />
        <ul class="pools" node_ref=list aria-label="Pools" on:click=move |event| take_apart(navigation, &event)>
            <li class="spacer" aria-hidden="true" style:height=move || format!("{}px", window.above.get() as u64)></li>
            {each(move || shown.get(), move |id| row(id, by_instance, spark_end, in_view))}
            <li class="spacer" aria-hidden="true" style:height=move || format!("{}px", window.below.get() as u64)></li>
        </ul>
    }
}
