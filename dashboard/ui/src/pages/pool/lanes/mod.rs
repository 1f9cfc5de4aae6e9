//! The connections of a pool one by one: each is a row over the same time as the charts above, worst first.
//!
//! The rows are in a box of their own with only those in the page that are in view. The figures of one row, and what it did
//! at the moment of the cursor, stand above the box, where keyboard and pointer tell the same; a table is behind it all.

pub mod choices;
pub mod follow;
pub mod geometry;
pub mod known;
pub mod notes;
pub mod reader;
pub mod row;
pub mod rows;
pub mod table;
pub mod text;

use leptos::{html::Div, prelude::*};
use poolscope_wire::ConnectionLane;

use crate::{
    api::Failure,
    browser,
    chart::pointer::Pointer,
    derived::Derived,
    navigation::Navigation,
    time::{Time, range::Span},
};

use choices::{Choices, More};
use follow::follow;
use known::Known;
use notes::Notes;
use reader::Reader;
use rows::Rows;
use table::{Legend, Table};

/// What all parts of the lanes share. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct View {
    known: RwSignal<Known>,
    failure: RwSignal<Option<Failure>>,
    /// First and last moment of the page.
    span: Derived<Span>,
    /// First and last moment that is drawn: while time goes on, that of what is known, so that a row is drawn once for each
    /// answer, and not when time moves on and again when the answer comes.
    shown: Derived<Span>,
    /// Where the cursor of the page is.
    cursor: RwSignal<Option<u64>>,
    /// Moves the cursor and marks a time.
    pointer: Pointer,
    /// The row that is pointed at.
    pointed: RwSignal<Option<u64>>,
    /// Width of a lane.
    width: ReadSignal<f64>,
    navigation: Navigation,
}

impl View {
    /// First and last moment that is drawn.
    fn ends(self) -> (u64, u64) {
        let Span { from_ms, to_ms } = self.shown.get();
        (from_ms, to_ms)
    }

    /// A row, if it is there.
    fn row(self, id: u64) -> Derived<Option<ConnectionLane>> {
        Derived::new(move || self.known.with(|known| known.row(id).cloned()))
    }

    /// The row that was chosen, which is in the address.
    fn chosen(self) -> Option<u64> {
        self.navigation.query("conn").parse().ok()
    }

    fn choose(self, id: u64) {
        let is_chosen = untrack(|| self.chosen()) == Some(id);
        self.navigation.set_query("conn", &if is_chosen { String::new() } else { id.to_string() });
    }
}

/// The lanes of a pool.
#[component]
pub fn Lanes(
    /// Id of the pool.
    id: String,
    /// First and last moment in view.
    span: Derived<Span>,
    /// Where the cursor of the page is.
    cursor: RwSignal<Option<u64>>,
) -> impl IntoView {
    let navigation = expect_context::<Navigation>();
    let axis = NodeRef::<Div>::new();
    let width = browser::use_width(axis);
    let known = RwSignal::new(Known::default());
    let shown = Derived::new(move || known.with(|known| known.span_beside(span.get())));
    let view = View {
        known,
        failure: RwSignal::new(None),
        span,
        shown,
        cursor,
        pointed: RwSignal::new(None),
        pointer: Pointer::new(expect_context::<Time>(), cursor, shown, width, geometry::frame),
        width,
        navigation,
    };
    let all = RwSignal::new(false);
    follow(id.clone(), view, all);
    let has_rows = Derived::new(move || view.known.with(|known| known.lanes.counts.all > 0));
    let table_open = RwSignal::new(false);
    view! {
        <section class="lanes" data-testid="lanes">
            <div class="sectionhead">
                <h2>"Connections one by one"</h2>
                <span class="grow"></span>
                <div class="contents" hidden=move || !has_rows.get()><Choices view /></div>
                <button hidden=move || !has_rows.get() type="button" class="quiet" aria-expanded=move || if table_open.get() { "true" } else { "false" }
                    on:click=move |_| table_open.update(|open| *open = !*open)>
                    {move || if table_open.get() { "lanes only" } else { "table" }}
                </button>
            </div>
            <Notes id view />
            <div hidden=move || !has_rows.get()>
                <Reader view />
                <Rows view axis />
                <More view all />
                {move || table_open.get().then(|| view! { <Table view /> })}
                <Legend />
            </div>
        </section>
    }
}
