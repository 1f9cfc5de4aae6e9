//! A chart with its title, its labels, the cursor and the brush that all charts of a page share, and the table behind it.

use leptos::{html::Div, prelude::*};

use super::{
    export::with_unit,
    grain::Grain,
    point::Point,
    pointer::Pointer,
    save::chart_menu,
    scale::Scale,
    section::Nothing,
    series::{Chart, Course, Drawing, Frame, Shape, value_text},
    ticks,
    untold::Untold,
};
use crate::{
    browser,
    derived::Derived,
    format,
    time::{Time, range::Span, zone},
};

const HEIGHT: f64 = 150.0;

/// Room for the labels of the values, on the left.
const LEFT: f64 = 52.0;

/// Room for the labels of the series, on the right.
const RIGHT: f64 = 122.0;

/// Areas whose points are closer than this have no edges, which would cover them.
const DENSE_PX: f64 = 1.5;

/// The most rows of the table: more than anybody reads, and few enough to draw at once.
const TABLE_ROWS: usize = 120;

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

impl ChartData {
    /// The point to read at the cursor, or the newest; and the earlier one beside it.
    fn read(self) -> [Option<Point>; 2] {
        let grain = self.grain.get();
        let now = self.points.with(|points| match self.cursor.get() {
            Some(at) => grain.about(points, at).copied(),
            None => points.last().copied(),
        });
        let at = self.cursor.get().or(now.map(|point| point.at_ms()));
        let before_grain = self.before_grain.get();
        let before = self.before.with(|before| at.and_then(|at| before_grain.about(before, at).copied()));
        [now, before]
    }
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
    let (table_open, set_table_open) = signal(false);
    let drawing = Derived::new(move || {
        let (grain, before_grain) = (data.grain.get(), data.before_grain.get());
        data.points.with(|points| {
            data.before.with(|before| {
                let [course, before] = [(points, &grain), (before, &before_grain)]
                    .map(|(points, grain)| Course { points, grain });
                Drawing::new(chart, course, before, data.span.get(), frame(width.get()))
            })
        })
    });
    let read = Derived::new(move || data.read());
    // Nothing is known where its sender does not tell: no axis of values then, and no labels.
    let untold = Derived::new(move || {
        data.points.with(|points| data.untold.with(|untold| untold.lines(chart, points)))
    });
    let is_told = Derived::new(move || untold.with(Vec::is_empty));
    let tilde = move || if chart.estimable && data.estimated.get() { "~" } else { "" };
    let value_of = move |place: usize, index: usize| {
        let value = read.with(|points| points[place].as_ref().and_then(chart.series[index].value));
        format!("{}{}", tilde(), value_text(value, chart.unit))
    };
    let value = move |index: usize| value_of(0, index);
    let earlier = move |index: usize| {
        let compare = data.time.compare()?;
        data.before.with(|before| !before.is_empty()).then(|| (value_of(1, index), compare.words()))
    };
    let about = move || {
        let values: Vec<String> = (0..chart.series.len())
            .map(|index| {
                let earlier =
                    earlier(index).map(|(value, when)| format!(" ({value} {when})")).unwrap_or_default();
                format!("{} {}{earlier}", chart.series[index].name, value(index))
            })
            .collect();
        match untold.get().as_slice() {
            [] => format!("{}: {}. {}", chart.title, values.join(", "), chart.about),
            lines => format!("{}: {}. {}", chart.title, lines.join(" "), chart.about),
        }
    };
    let is_dense = Derived::new(move || {
        let (frame, wide) = (frame(width.get()), data.span.get().width_ms().max(1));
        data.grain.get().step_ms as f64 / wide as f64 * (frame.right - frame.left) < DENSE_PX
    });
    let pointer = Pointer::new(data.time, data.cursor, data.span, width, frame);
    view! {
        <figure class=format!("chart chart-{}", chart.id) data-testid=format!("chart-{}", chart.id)>
            <figcaption>
                <h3 title=chart.about>{chart.title}</h3>
                {move || (!tilde().is_empty()).then(|| view! {
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
                    <Axes drawing data width is_told />
                    <Marked pointer />
                    {chart.series.iter().enumerate().rev().map(|(index, series)| {
                        let kind = move || match (chart.shape, is_dense.get()) {
                            (Shape::Stack, false) => "area edged",
                            (Shape::Stack, true) => "area",
                            _ => "line",
                        };
                        view! {
                            <path class=move || format!("{} {}", kind(), series.class)
                                d=move || drawing.with(|drawing| drawing.paths[index].clone()) />
                            <path class=format!("before {}", series.class)
                                d=move || drawing.with(|drawing| drawing.before.get(index).cloned().unwrap_or_default()) />
                        }
                    }).collect_view()}
                    <Cursor read data width />
                    {chart.series.iter().enumerate().map(|(index, series)| {
                        let y = move || drawing.with(|drawing| drawing.label_heights[index].filter(|_| is_told.get()));
                        let class = move || if y().is_some() { series.class.to_owned() } else { format!("{} off", series.class) };
                        let place = move || {
                            format!("translate({:.0} {:.1})", frame(width.get()).right + 8.0, y().unwrap_or_default())
                        };
                        view! {
                            <g class=class transform=place>
                                <rect class="mark" x="0" y="-4" width="8" height="8" rx="1" />
                                <text x="13" y="4">{series.name} " " <tspan class="value">{move || value(index)}</tspan></text>
                                <text x="13" y="16" class="earlier">{move || earlier(index).map(|(value, _)| format!("was {value}"))}</text>
                            </g>
                        }
                    }).collect_view()}
                    {move || untold.get().into_iter().zip(["62", "80"]).map(|(line, y)| view! {
                        <text class="none" x=(LEFT + 8.0).to_string() y=y>{line}</text>
                    }).collect_view()}
                    {move || data.points.with(Vec::is_empty).then(|| view! {
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

fn time_scale(span: Span, frame: Frame) -> Scale {
    Scale::new((span.from_ms as f64, span.to_ms as f64), (frame.left, frame.right))
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

/// Hairlines and labels of both axes.
#[component]
fn Axes(
    drawing: Derived<Drawing>,
    data: ChartData,
    width: ReadSignal<f64>,
    /// False for a chart that has no values to label.
    is_told: Derived<bool>,
) -> impl IntoView {
    let values = move || {
        let frame = frame(width.get());
        let ticks = drawing.with(|drawing| drawing.ticks.clone());
        ticks
            .into_iter()
            .take(if is_told.get() { usize::MAX } else { 0 })
            .map(|mark| {
                let y = format!("{:.1}", mark.y);
                view! {
                    <line class="grid" x1=frame.left.to_string() x2=frame.right.to_string() y1=y.clone() y2=y />
                    <text class="tick" x=(LEFT - 8.0).to_string() y=format!("{:.1}", mark.y + 4.0) text-anchor="end">{mark.text}</text>
                }
            })
            .collect_view()
    };
    let times = move || {
        let frame = frame(width.get());
        let span = data.span.get();
        let x = time_scale(span, frame);
        // A time is about 35 pixels wide, and wants as much air.
        let most = ((frame.right - frame.left) / 70.0).max(2.0) as usize;
        ticks::times(span.from_ms, span.to_ms, most, zone::offset_min)
            .into_iter()
            .map(|at| {
                let place = x.map(at as f64);
                let anchor = if place < frame.left + 26.0 {
                    "start"
                } else if place > frame.right - 26.0 {
                    "end"
                } else {
                    "middle"
                };
                let x = format!("{place:.1}");
                view! {
                    <line class="grid" x1=x.clone() x2=x.clone() y1=frame.bottom.to_string() y2=(frame.bottom + 4.0).to_string() />
                    <text class="tick" x=x y=(frame.bottom + 17.0).to_string() text-anchor=anchor>{format::tick_time(at)}</text>
                }
            })
            .collect_view()
    };
    view! { <g>{values}</g> <g>{times}</g> }
}

/// The line of the cursor.
#[component]
fn Cursor(read: Derived<[Option<Point>; 2]>, data: ChartData, width: ReadSignal<f64>) -> impl IntoView {
    let place = move || {
        let at = data.cursor.get()?;
        // It jumps to the point that is read; where nothing is known it is where the pointer is.
        let at = read.with(|[now, _]| now.map_or(at, |point| point.at_ms()));
        Some(time_scale(data.span.get(), frame(width.get())).map(at as f64))
    };
    let x = move || format!("{:.1}", place().unwrap_or(0.0));
    view! {
        <line class=move || if place().is_some() { "cursor" } else { "cursor off" }
            x1=x x2=x y1="4" y2=(HEIGHT - 22.0).to_string() />
    }
}

/// The figures behind a chart, newest first.
#[component]
fn Table(chart: &'static Chart, data: ChartData) -> impl IntoView {
    let compare = Derived::new(move || data.time.compare());
    let rows = move || {
        let (compare, before_grain) = (compare.get(), data.before_grain.get());
        let cell = |point: Option<&Point>, value: fn(&Point) -> Option<f64>| {
            view! { <td class="number">{value_text(point.and_then(value), chart.unit)}</td> }
        };
        data.points.with(|points| {
            data.before.with(|before| {
                let row = |point: &Point| {
                    let earlier = before_grain.about(before, point.at_ms());
                    let cells = chart.series.iter().map(|series| {
                        let beside = compare.map(|_| cell(earlier, series.value));
                        view! { {cell(Some(point), series.value)} {beside} }
                    });
                    view! {
                        <tr>
                            <th scope="row" title=format::exact_time(point.at_ms())>{format::clock_time(point.at_ms())}</th>
                            {cells.collect_view()}
                        </tr>
                    }
                };
                points.iter().rev().take(TABLE_ROWS).map(row).collect_view()
            })
        })
    };
    let heads = move || {
        let head = |series: &'static super::series::Series| {
            let earlier = compare.get().map(|compare| {
                view! { <th scope="col" class="number">{format!("{}, {}", series.name, compare.words())}</th> }
            });
            view! { <th scope="col" class="number">{with_unit(series.name, chart.unit)}</th> {earlier} }
        };
        chart.series.iter().map(head).collect_view()
    };
    let caption = move || {
        let all = data.points.with(Vec::len);
        let counted = format::counted(all as u64, "point", "points");
        let bound = if all > TABLE_ROWS { format!("the newest {TABLE_ROWS} of {counted}") } else { counted };
        let zone = zone::name(data.span.get().to_ms);
        let step = format::span(data.grain.get().step_ms / 1_000);
        format!(
            "{}, newest first: {bound}, one each {step}, times in {zone}. All are in the saved figures.",
            chart.title
        )
    };
    view! {
        <div class="scroll" tabindex="0" role="region" aria-label=format!("{} as a table", chart.title) data-testid="chart-table">
            <table class="figures-table">
                <caption class="soft">{caption}</caption>
                <thead><tr><th scope="col">"time"</th> {heads}</tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}
