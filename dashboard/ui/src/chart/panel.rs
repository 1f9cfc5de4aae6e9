//! A chart with its title, its labels, the cursor and the brush that all charts of a page share, and the table behind it.

use leptos::{html::Div, prelude::*};

use super::{
    axes::{TimeAxis, ValueAxis, time_scale},
    grain::Grain,
    point::Point,
    pointer::Pointer,
    reading::Reading,
    save::chart_menu,
    section::Nothing,
    series::{Chart, Course, Drawing, Frame, Series, Shape},
    table::Table,
    untold::Untold,
};
use crate::{
    browser,
    derived::Derived,
    time::{Time, range::Span},
};

const HEIGHT: f64 = 150.0;

/// Room for the labels of the values, on the left.
const LEFT: f64 = 52.0;

/// Room for the labels of the series, on the right.
const RIGHT: f64 = 122.0;

/// Areas whose points are closer than this have no edges, which would cover them.
const DENSE_PX: f64 = 1.5;

/// What all charts of a page share.
#[derive(Debug, Clone, Copy)]
pub struct ChartData {
    /// The points in view, oldest first.
    pub points: Derived<Vec<Point>>,
    /// Why there are none, or why they are not newer.
    pub nothing: Derived<Option<Nothing>>,
    /// Those of an earlier time, moved to this one; empty without a comparison.
    pub before: Derived<Vec<Point>>,
    /// How fine the points are, and where nothing is known.
    pub grain: Derived<Grain>,
    /// The same of the earlier ones.
    pub before_grain: Derived<Grain>,
    /// First and last moment in view.
    pub span: Derived<Span>,
    /// Where the cursor is, in time.
    pub cursor: RwSignal<Option<u64>>,
    /// True if closes are concluded and not seen.
    pub estimated: Derived<bool>,
    /// What its sender does not tell.
    pub untold: Derived<Untold>,
    /// What the figures are of.
    pub name: Derived<String>,
    /// The charts of the page.
    pub charts: &'static [Chart],
    /// What is marked, and what it is compared with.
    pub time: Time,
}

/// Where a chart of a width draws.
fn frame(width: f64) -> Frame {
    Frame { left: LEFT, right: (width - RIGHT).max(LEFT + 20.0), top: 8.0, bottom: HEIGHT - 22.0 }
}

/// A chart.
#[component]
pub fn ChartPanel(
    /// What it shows.
    chart: &'static Chart,
    /// The data.
    data: ChartData,
) -> impl IntoView {
    let plot = NodeRef::<Div>::new();
    let width = browser::use_width(plot);
    let place = Derived::new(move || frame(width.get()));
    let (table_open, set_table_open) = signal(false);
    let drawing = Derived::new(move || {
        let (grain, before_grain) = (data.grain.get(), data.before_grain.get());
        data.points.with(|points| {
            data.before.with(|before| {
                let [course, before] = [(points, &grain), (before, &before_grain)]
                    .map(|(points, grain)| Course { points, grain });
                Drawing::new(chart, course, before, data.span.get(), place.get())
            })
        })
    });
    let reading = Reading::new(chart, data);
    // Nothing is known where its sender does not tell: no axis of values then, and no labels.
    let untold = Derived::new(move || {
        data.points.with(|points| data.untold.with(|untold| untold.lines(chart, points)))
    });
    let is_told = Derived::new(move || untold.with(Vec::is_empty));
    let is_empty = Derived::new(move || data.points.with(Vec::is_empty));
    let about = move || untold.with(|untold| reading.sentence(untold));
    let is_dense = Derived::new(move || {
        let (frame, wide) = (place.get(), data.span.get().width_ms().max(1));
        data.grain.get().step_ms as f64 / wide as f64 * (frame.right - frame.left) < DENSE_PX
    });
    let pointer = Pointer::new(data.time, data.cursor, data.span, width, frame);
    view! {
        <figure class=format!("chart chart-{}", chart.id) data-testid=format!("chart-{}", chart.id)>
            <figcaption>
                <h3 title=chart.about>{chart.title}</h3>
                {move || (!reading.tilde().is_empty()).then(|| view! {
                    <span class="soft" title="Closes can't be seen here: they are concluded from what requests show">"~ estimated"</span>
                })}
                <button type="button" class="quiet" aria-expanded=move || if table_open.get() { "true" } else { "false" }
                    on:click=move |_| set_table_open.update(|open| *open = !*open)>
                    <span class="sr">{chart.title}": "</span>
                    {move || if table_open.get() { "chart only" } else { "table" }}
                </button>
                {chart_menu(chart, data)}
            </figcaption>
            <div class="plot" node_ref=plot>
                <svg width=move || width.get().to_string() height=HEIGHT.to_string() role="img" aria-label=about
                    on:pointerdown=move |event| pointer.down(&event) on:pointermove=move |event| pointer.moved(&event)
                    on:pointerup=move |event| pointer.up(&event) on:pointercancel=move |_| pointer.cancel()
                    on:pointerleave=move |_| pointer.left()
                >
                    <ValueAxis drawing frame=place is_told />
                    <TimeAxis span=data.span frame=place line=|frame| [frame.bottom, frame.bottom + 4.0] text=|frame| frame.bottom + 17.0 />
                    <Marked pointer />
                    <Courses chart drawing is_dense />
                    <Cursor reading data frame=place />
                    <Labels chart drawing reading frame=place is_told />
                    {move || untold.get().into_iter().zip(["62", "80"]).map(|(line, y)| view! {
                        <text class="none" x=(LEFT + 8.0).to_string() y=y>{line}</text>
                    }).collect_view()}
                    {move || is_empty.get().then(|| view! {
                        <text class="none" x=(LEFT + 8.0).to_string() y="70">
                            {move || data.nothing.with(|nothing| nothing.as_ref().map(|nothing| nothing.short).unwrap_or_default())}
                        </text>
                    })}
                </svg>
            </div>
            {move || table_open.get().then(|| view! { <Table chart data /> })}
        </figure>
    }
}

/// The lines or areas, and those of an earlier time.
#[component]
fn Courses(chart: &'static Chart, drawing: Derived<Drawing>, is_dense: Derived<bool>) -> impl IntoView {
    let kind = move || match (chart.shape, is_dense.get()) {
        (Shape::Stack, false) => "area edged",
        (Shape::Stack, true) => "area",
        _ => "line",
    };
    let course = |(index, series): (usize, &'static Series)| {
        view! {
            <path class=move || format!("{} {}", kind(), series.class)
                d=move || drawing.with(|drawing| drawing.paths[index].clone()) />
            <path class=format!("before {}", series.class)
                d=move || drawing.with(|drawing| drawing.before.get(index).cloned().unwrap_or_default()) />
        }
    };
    chart.series.iter().enumerate().rev().map(course).collect_view()
}

/// Name and value of each series, beside its end.
#[component]
fn Labels(
    chart: &'static Chart,
    drawing: Derived<Drawing>,
    reading: Reading,
    frame: Derived<Frame>,
    is_told: Derived<bool>,
) -> impl IntoView {
    let label = |(index, series): (usize, &'static Series)| {
        let y = move || drawing.with(|drawing| drawing.label_heights[index].filter(|_| is_told.get()));
        let class =
            move || if y().is_some() { series.class.to_owned() } else { format!("{} off", series.class) };
        let place =
            move || format!("translate({:.0} {:.1})", frame.get().right + 8.0, y().unwrap_or_default());
        view! {
            <g class=class transform=place>
                <rect class="mark" x="0" y="-4" width="8" height="8" rx="1" />
                <text x="13" y="4">{series.name} " " <tspan class="value">{move || reading.value(index)}</tspan></text>
                <text x="13" y="16" class="earlier">{move || reading.earlier(index).map(|(value, _)| format!("was {value}"))}</text>
            </g>
        }
    };
    chart.series.iter().enumerate().map(label).collect_view()
}

/// The time that is marked.
#[component]
fn Marked(pointer: Pointer) -> impl IntoView {
    let place = Derived::new(move || pointer.marked().unwrap_or_default());
    view! {
        <rect class="brush" x=move || place.get().0.to_string() width=move || place.get().1.to_string()
            y="4" height=(HEIGHT - 26.0).to_string() />
    }
}

/// The line of the cursor.
#[component]
fn Cursor(reading: Reading, data: ChartData, frame: Derived<Frame>) -> impl IntoView {
    let place = move || {
        let at = data.cursor.get()?;
        // It jumps to the point that is read; where nothing is known it is where the pointer is.
        let at = reading.at_ms().unwrap_or(at);
        Some(time_scale(data.span.get(), frame.get()).map(at as f64))
    };
    let x = move || format!("{:.1}", place().unwrap_or(0.0));
    view! {
        <line class=move || if place().is_some() { "cursor" } else { "cursor off" }
            x1=x x2=x y1="4" y2=(HEIGHT - 22.0).to_string() />
    }
}
