//! The connections of a pool one by one: each is a row over the same time as the charts above, worst first.
//!
//! The rows are in a box of their own with only those in the page that are in view. The figures of one row, and what it did
//! at the moment of the cursor, stand above the box, where keyboard and pointer tell the same; a table is behind it all.

pub mod geometry;
pub mod known;
pub mod row;
pub mod table;
pub mod text;

use leptos::{html::Div, prelude::*, task::spawn_local};
use poolscope_wire::{ConnectionLane, LaneCounts, Observation, PoolKind, PoolSummary};
use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, KeyboardEvent};

use crate::{
    api::{self, Failure},
    browser,
    chart::{pointer::Pointer, scale::Scale, ticks},
    components::each::each,
    derived::Derived,
    format,
    navigation::Navigation,
    route::{Query, encode},
    state::live::Live,
    time::{Time, range::Span, zone},
};

use geometry::{in_view, stretch_at};
use known::{Known, Wanted};
use row::LaneRow;
use table::{Legend, Table};
use text::RowText;

/// Rows until more are asked for.
const ROWS: usize = 100;
/// The most rows.
const MAX_ROWS: usize = 1_000;
/// The most stretches of a row: no screen shows more of them.
const MAX_POINTS: u64 = 400;
/// Height of the box before it is measured.
const BOX_HEIGHT: f64 = 460.0;

/// The words of the address, and those on the screen.
const SORTS: [(&str, &str); 5] = [
    ("", "worst first"),
    ("id", "by number"),
    ("age", "oldest first"),
    ("requests", "most requests first"),
    ("share", "most in use first"),
];

/// The words of the address, those on the screen, and how many connections there are.
type Filter = (&'static str, &'static str, fn(&LaneCounts) -> u64);
const FILTERS: [Filter; 5] = [
    ("", "all", |counts| counts.all),
    ("active", "in use", |counts| counts.active),
    ("leaked", "leaked", |counts| counts.leaked),
    ("wasted", "never used", |counts| counts.wasted),
    ("closed", "closed", |counts| counts.closed),
];

/// What all parts of the lanes share. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct View {
    known: RwSignal<Known>,
    failure: RwSignal<Option<Failure>>,
    /// First and last moment in view.
    span: Derived<Span>,
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
    /// First and last moment in view.
    fn ends(self) -> (u64, u64) {
        let Span { from_ms, to_ms } = self.span.get();
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
    let view = View {
        known: RwSignal::new(Known::default()),
        failure: RwSignal::new(None),
        span,
        cursor,
        pointed: RwSignal::new(None),
        pointer: Pointer::new(expect_context::<Time>(), cursor, span, width, geometry::frame),
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
                <Choices view />
                <button type="button" class="quiet" aria-expanded=move || if table_open.get() { "true" } else { "false" }
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

/// Asks for what is in view whenever that moves on.
fn follow(id: String, view: View, all: RwSignal<bool>) {
    let wanted = Derived::new(move || {
        let (from_ms, to_ms) = view.ends();
        let word = |key| view.navigation.query(key);
        let max_rows = if all.get() { MAX_ROWS } else { ROWS };
        Wanted { from_ms, to_ms, sort: word("lanes"), only: word("only"), max_rows }
    });
    // At most one question is on its way, and one that came meanwhile waits; each next one takes its place.
    let (waiting, is_asking) = (StoredValue::new(None), StoredValue::new(false));
    let next = move || waiting.try_update_value(Option::take).flatten();
    let ask = move || {
        let id = id.clone();
        spawn_local(async move {
            while let Some(wanted) = next() {
                let after_ms = view.known.try_with_untracked(|known| known.after_ms(&wanted)).flatten();
                let answer = api::connections(&id, &query(&wanted, after_ms)).await;
                // The page may be gone by now.
                match answer {
                    Ok(lanes) => {
                        view.failure.try_set(None);
                        view.known.try_update(|known| known.take(wanted, after_ms, lanes));
                    }
                    Err(failure) => {
                        view.failure.try_set(Some(failure));
                    }
                }
            }
            is_asking.try_set_value(false);
        });
    };
    Effect::new(move |_| {
        let wanted = wanted.get();
        if wanted.from_ms < wanted.to_ms {
            waiting.set_value(Some(wanted));
            if !is_asking.try_update_value(|is_asking| std::mem::replace(is_asking, true)).unwrap_or(true) {
                ask();
            }
        }
    });
}

fn query(wanted: &Wanted, after_ms: Option<u64>) -> String {
    let number = |value: u64| value.to_string();
    Query::default()
        .with("from_ms", &number(wanted.from_ms))
        .with("to_ms", &number(wanted.to_ms))
        .with("after_ms", &after_ms.map(number).unwrap_or_default())
        .with("max_rows", &wanted.max_rows.to_string())
        .with("max_points", &number(MAX_POINTS))
        .with("sort", &wanted.sort)
        .with("only", &wanted.only)
        .to_text()
}

/// Filter and order.
#[component]
fn Choices(view: View) -> impl IntoView {
    let navigation = view.navigation;
    let filters = FILTERS.map(|(key, name, count)| {
        let count = Derived::new(move || view.known.with(|known| count(&known.lanes.counts)));
        view! {
            <button type="button" data-testid=format!("lanes-only-{key}")
                aria-pressed=move || if navigation.query("only") == key { "true" } else { "false" }
                on:click=move |_| navigation.set_query("only", key)
            >{name} " " <span class="soft">{move || format::count(count.get())}</span></button>
        }
    });
    let options = SORTS.map(|(key, name)| {
        view! { <option value=key prop:selected=move || navigation.query("lanes") == key>{name}</option> }
    });
    view! {
        <div class="choice" role="group" aria-label="Which connections">{filters.collect_view()}</div>
        <label>
            <span class="sr">"Order of connections"</span>
            <select class="button" data-testid="lanes-sort"
                on:change=move |event| navigation.set_query("lanes", &event_target_value(&event))>{options.collect_view()}</select>
        </label>
    }
}

/// What has to be known of the lanes, or why there are none.
#[component]
fn Notes(id: String, view: View) -> impl IntoView {
    let live = expect_context::<Live>();
    let pool = Derived::new(move || live.with_pool(&id, |entry| entry.summary.clone()).unwrap_or_default());
    let notes = Derived::new(move || {
        if let Some(failure) = view.failure.get() {
            return vec![failure.to_string()];
        }
        pool.with(|pool| view.known.with(|known| notes(pool, known)))
    });
    move || {
        notes
            .get()
            .into_iter()
            .map(|note| view! { <p class="soft note" data-testid="lanes-note">{note}</p> })
            .collect_view()
    }
}

/// What has to be known of the lanes.
fn notes(pool: &PoolSummary, known: &Known) -> Vec<String> {
    let lanes = &known.lanes;
    if !known.is_there() {
        return vec!["Reading the connections \u{2026}".to_owned()];
    }
    let is_foreign = pool.kind == PoolKind::Database || !pool.lacks.is_empty();
    if !lanes.told && lanes.counts.all == 0 {
        let why = if is_foreign {
            "The sender of this pool tells how many connections there are, and nothing of each. A hyper or reqwest client that \
             Poolscope's layers observe tells each of them."
        } else {
            "No connection was told one by one yet. A program does so by itself while it sends to this dashboard with \
             poolscope::otlp; behind a collector it has to be asked, by Otlp::pool_snapshots."
        };
        return vec![why.to_owned()];
    }
    let mut notes = Vec::new();
    if lanes.counts.all == 0 {
        notes.push("No connection was open in this time.".to_owned());
    } else if lanes.rows.is_empty() {
        notes.push("No connection of this time is like that.".to_owned());
    }
    if !lanes.told {
        notes.push(
            "Only ends of connections are told, so that of each only how it was altogether is known."
                .to_owned(),
        );
    }
    let open_here = lanes.counts.all - lanes.counts.closed.min(lanes.counts.all);
    if let Some(open) = lanes.open.filter(|open| *open > open_here) {
        notes.push(format!(
            "{} of {} open connections are told one by one: those that are held for long, and the oldest. \
             ScopeBuilder::max_listed_connections sets how many.",
            format::count(open_here),
            format::count(open)
        ));
    }
    if pool.observation == Observation::Estimated {
        notes.push(
            "~ Closes can't be seen here: a lane may be longer or shorter than its connection was."
                .to_owned(),
        );
    }
    if lanes.dropped > 0 {
        notes.push(format!(
            "For {} there was no room in this dashboard; --max-lanes sets how many it keeps of a pool.",
            format::counted(lanes.dropped, "connection", "connections")
        ));
    }
    notes
}

/// The row that is pointed at or chosen, and what it did where the cursor is.
#[component]
fn Reader(view: View) -> impl IntoView {
    let id = Derived::new(move || view.pointed.get().or_else(|| view.chosen()));
    let lane = Derived::new(move || {
        let id = id.get()?;
        view.known.with(|known| known.row(id).cloned())
    });
    let figures = move || {
        lane.with(|lane| {
            let Some(lane) = lane else {
                return "Point at a lane, or move through them with the arrow keys; Enter keeps one here."
                    .to_owned();
            };
            let (to_ms, interval_ms) = (view.ends().1, view.known.with(|known| known.lanes.interval_ms));
            RowText::new(lane, to_ms, interval_ms).sentence()
        })
    };
    let moment = move || {
        let at_ms = view.cursor.get()?;
        lane.with(|lane| lane.as_ref().map(|lane| text::at(lane, at_ms)))
    };
    let leaks = move || {
        lane.with(|lane| {
            let lane = lane.as_ref()?;
            let leaks = lane.leaks.iter().map(|leak| {
                let trace = (!leak.trace_id.is_empty()).then(|| {
                    let (href, id) = (format!("/traces/{}", encode(&leak.trace_id)), leak.trace_id.clone());
                    view! { " \u{b7} trace " <a class="mono" href=href>{id}</a> }
                });
                view! { <span class="block"><b>{text::leak(leak, lane.seen_ms)}</b> {trace}</span> }
            });
            Some(leaks.collect_view())
        })
    };
    view! {
        <p class="reader" data-testid="lanes-reader">
            <span dir="auto">{figures}</span>
            <span class="soft block moment" data-testid="lanes-moment">{move || moment().unwrap_or_else(|| "\u{a0}".to_owned())}</span>
            {leaks}
        </p>
    }
}

/// The box with the rows.
#[component]
fn Rows(view: View, axis: NodeRef<Div>) -> impl IntoView {
    let scroller = NodeRef::<Div>::new();
    let (scrolled, set_scrolled) = signal(0.0);
    let (row_height, set_row_height) = signal(28.0);
    let count = Derived::new(move || view.known.with(|known| known.lanes.rows.len()));
    let measure = move || {
        let Some(element) = scroller.try_get_untracked().flatten() else { return };
        let row = element.query_selector(".lane").ok().flatten();
        if let Some(row) = row {
            set_row_height.try_set(f64::from(row.unchecked_into::<HtmlElement>().offset_height()).max(1.0));
        }
        set_scrolled.try_set(f64::from(element.scroll_top()));
    };
    // The height of a row follows from the width of the page.
    Effect::new(move |_| {
        view.width.track();
        if count.get() > 0 {
            request_animation_frame(measure);
        }
    });
    let range = Derived::new(move || in_view(scrolled.get(), BOX_HEIGHT, row_height.get(), count.get()));
    let ids = move || {
        let range = range.get();
        view.known.with(|known| {
            known.lanes.rows[range.start.min(known.lanes.rows.len())..range.end.min(known.lanes.rows.len())]
                .iter()
                .map(|row| row.id.to_string())
                .collect()
        })
    };
    let space = move |rows: usize| format!("{:.0}px", rows as f64 * row_height.get());
    let on_key = move |event: KeyboardEvent| on_key(&event, view, scroller, row_height.get_untracked());
    view! {
        <div class="lanebox" node_ref=scroller tabindex="0" role="group" data-testid="lanebox" on:scroll=move |_| measure() on:keydown=on_key
            on:pointerleave=move |_| { view.pointed.set(None); view.cursor.set(None); }
            on:focusout=move |_| { view.pointed.set(None); view.cursor.set(None); }
            aria-label="Lanes of connections; up and down move through them, left and right move the cursor, Enter keeps one"
        >
            <div class="lanehead" aria-hidden="true">
                <span class="l-id">"conn"</span>
                <span class="l-peer">"peer"</span>
                <span class="l-age number">"age"</span>
                <span class="l-reqs number">"requests"</span>
                <div class="l-lane" node_ref=axis><Axis view /></div>
                <span class="l-what">"now, or how it ended"</span>
            </div>
            <div style:height=move || space(range.get().start)></div>
            {each(ids, move |id| match id.parse() {
                Ok(id) => view! { <LaneRow id view /> }.into_any(),
                Err(_) => ().into_any(),
            })}
            <div style:height=move || space(count.get().saturating_sub(range.get().end))></div>
        </div>
    }
}

/// Moves through rows and time.
fn on_key(event: &KeyboardEvent, view: View, scroller: NodeRef<Div>, row_height: f64) {
    let ids: Vec<u64> =
        view.known.with_untracked(|known| known.lanes.rows.iter().map(|row| row.id).collect());
    let pointed = view.pointed.get_untracked().or_else(|| untrack(|| view.chosen()));
    let index = pointed.and_then(|pointed| ids.iter().position(|id| *id == pointed));
    let last = ids.len().saturating_sub(1);
    let to = match event.key().as_str() {
        "ArrowDown" => Some(index.map_or(0, |index| (index + 1).min(last))),
        "ArrowUp" => Some(index.map_or(0, |index| index.saturating_sub(1))),
        "Home" => Some(0),
        "End" => Some(last),
        "Enter" => {
            if let Some(id) = pointed {
                view.choose(id);
            }
            None
        }
        "ArrowLeft" | "ArrowRight" => {
            let step: i64 = if event.key() == "ArrowLeft" { -1 } else { 1 };
            let lane = pointed.and_then(|id| view.known.with_untracked(|known| known.row(id).cloned()));
            view.cursor.update(|cursor| {
                *cursor = Some(moved(lane.as_ref(), *cursor, untrack(|| view.ends()), step));
            });
            view.pointed.set(pointed.or_else(|| ids.first().copied()));
            None
        }
        _ => return,
    };
    event.prevent_default();
    let Some(to) = to.filter(|to| *to < ids.len()) else { return };
    view.pointed.set(Some(ids[to]));
    if let Some(element) = scroller.get_untracked() {
        // The head stays on top of the rows, as high as one of them.
        let (top, visible) = (to as f64 * row_height, f64::from(element.client_height()) - 2.0 * row_height);
        let scrolled = f64::from(element.scroll_top());
        if top < scrolled {
            element.set_scroll_top(top as i32);
        } else if top > scrolled + visible {
            element.set_scroll_top((top - visible) as i32);
        }
    }
}

/// Where a step takes the cursor: to the middle of the next stretch of the row.
fn moved(lane: Option<&ConnectionLane>, cursor: Option<u64>, (from_ms, to_ms): (u64, u64), step: i64) -> u64 {
    let at_ms = cursor.unwrap_or(to_ms);
    let stretch = lane.and_then(|lane| {
        let (begin_ms, stretch) = stretch_at(lane, at_ms.min(lane.seen_ms.saturating_sub(1)))?;
        let next_ms = if step < 0 { begin_ms.checked_sub(1)? } else { begin_ms + stretch.length_ms };
        let (begin_ms, next) = stretch_at(lane, next_ms)?;
        Some(begin_ms + next.length_ms / 2)
    });
    let plain = at_ms.saturating_add_signed(step * i64::try_from((to_ms - from_ms) / 60).unwrap_or(1));
    stretch.unwrap_or(plain).clamp(from_ms, to_ms)
}

/// The axis of time above the lanes.
#[component]
fn Axis(view: View) -> impl IntoView {
    let marks = move || {
        let ((from, to), width) = (view.ends(), view.width.get());
        let scale = Scale::new((from as f64, to as f64), (0.0, width));
        // A time is about 35 pixels wide, and wants as much air.
        let times = ticks::times(from, to, (width / 70.0).max(2.0) as usize, zone::offset_min).into_iter();
        times
            .map(|at| (at, scale.map(at as f64)))
            .filter(|(_, x)| (16.0..=width - 16.0).contains(x))
            .map(|(at, x)| {
                let x = format!("{x:.1}");
                view! {
                    <line class="grid" x1=x.clone() x2=x.clone() y1="16" y2="20" />
                    <text class="tick" x=x y="12" text-anchor="middle">{format::tick_time(at)}</text>
                }
            })
            .collect_view()
    };
    view! { <svg width=move || view.width.get().to_string() height="20">{marks}</svg> }
}

/// Asks for the rows that are not shown.
#[component]
fn More(view: View, all: RwSignal<bool>) -> impl IntoView {
    let counts = Derived::new(move || {
        let shown = view.known.with(|known| known.lanes.rows.len() as u64);
        let key = view.navigation.query("only");
        let count = FILTERS.iter().find(|(name, ..)| *name == key).map_or(FILTERS[0].2, |filter| filter.2);
        (shown, view.known.with(|known| count(&known.lanes.counts)))
    });
    move || {
        let (shown, there) = counts.get();
        (shown < there).then(|| {
            let text = format!("{} of {} are shown.", format::count(shown), format::count(there));
            let more = (!all.get()).then(|| {
                view! {
                    <button type="button" class="quiet" data-testid="lanes-more" on:click=move |_| all.set(true)>
                        {format!("show {}", format::count(there.min(MAX_ROWS as u64)))}
                    </button>
                }
            });
            view! { <p class="soft">{text} " " {more}</p> }
        })
    }
}

#[cfg(test)]
mod tests {
    use poolscope_wire::{ConnectionLanes, Lack};

    use super::*;

    fn known(lanes: ConnectionLanes) -> Known {
        let mut known = Known::default();
        known.take(Wanted::default(), None, lanes);
        known
    }

    #[test]
    fn who_shows_no_lanes_says_why_and_what_to_do() {
        let pool = PoolSummary::default();
        assert!(notes(&pool, &Known::default())[0].starts_with("Reading"));
        let none = known(ConnectionLanes::default());
        assert!(notes(&pool, &none)[0].contains("Otlp::pool_snapshots"));
        let foreign = PoolSummary { lacks: vec![Lack::Reuse], ..PoolSummary::default() };
        assert!(notes(&foreign, &none)[0].contains("nothing of each"));
        let told = known(ConnectionLanes { told: true, ..ConnectionLanes::default() });
        assert_eq!(notes(&pool, &told), ["No connection was open in this time."]);
        let counts = LaneCounts { all: 100, ..LaneCounts::default() };
        let many = ConnectionLanes {
            told: true,
            open: Some(240),
            counts,
            dropped: 3,
            rows: vec![ConnectionLane::default()],
            ..ConnectionLanes::default()
        };
        let estimated = PoolSummary { observation: Observation::Estimated, ..PoolSummary::default() };
        let notes = notes(&estimated, &known(many));
        assert!(
            notes[0].starts_with("100 of 240 open connections")
                && notes[1].starts_with('~')
                && notes[2].contains("--max-lanes")
        );
    }

    #[test]
    fn the_cursor_goes_from_stretch_to_stretch() {
        let stretch = |length_ms| poolscope_wire::LaneSegment { length_ms, ..Default::default() };
        let lane = ConnectionLane {
            start_ms: 1_000,
            seen_ms: 6_000,
            segments: vec![stretch(2_000), stretch(1_000), stretch(2_000)],
            ..ConnectionLane::default()
        };
        let span = (0, 60_000);
        assert_eq!(moved(Some(&lane), None, span, -1), 3_500);
        assert_eq!(moved(Some(&lane), Some(3_500), span, -1), 2_000);
        assert_eq!(moved(Some(&lane), Some(2_000), span, 1), 3_500);
        assert_eq!(moved(Some(&lane), Some(1_200), span, -1), 200, "before its begin it goes on evenly");
        assert_eq!(moved(None, Some(59_900), span, 1), 60_000);
    }
}
