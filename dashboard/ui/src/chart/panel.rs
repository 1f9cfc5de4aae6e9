//! A chart with its title, its labels, the cursor that all charts of a page share, and the table behind it.

use leptos::{html::Div, prelude::*};
use poolscope_wire::PoolPoint;
use web_sys::PointerEvent;

use super::{
    scale::Scale,
    series::{self, Chart, Drawing, Frame, Shape},
    ticks,
};
use crate::{browser, derived::Derived, format};

const HEIGHT: f64 = 150.0;

/// Room for the labels of the values, on the left.
const LEFT: f64 = 52.0;

/// Room for the labels of the series, on the right.
const RIGHT: f64 = 122.0;

/// The most rows of the table: more than anybody reads, and few enough to draw at once.
const TABLE_ROWS: usize = 120;

/// What all charts of a page share.
#[derive(Debug, Clone, Copy)]
pub struct ChartData {
    /// The points in view, oldest first.
    pub points: Derived<Vec<PoolPoint>>,
    /// First and last moment in view.
    pub span: Derived<(u64, u64)>,
    /// Neighbours further apart than this are a gap.
    pub gap_ms: Derived<u64>,
    /// Where the cursor is, in time.
    pub cursor: RwSignal<Option<u64>>,
    /// True if closes are concluded and not seen.
    pub estimated: Derived<bool>,
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
        let gap = data.gap_ms.get();
        data.points.with(|points| Drawing::new(chart, points, data.span.get(), gap, frame(width.get())))
    });
    let read = Derived::new(move || {
        data.points.with(|points| match data.cursor.get() {
            Some(at) => series::nearest(points, at).copied(),
            None => points.last().copied(),
        })
    });
    let tilde = move || if chart.estimable && data.estimated.get() { "~" } else { "" };
    let value = move |index: usize| {
        let value = read.with(|point| point.as_ref().and_then(chart.series[index].value));
        format!("{}{}", tilde(), series::value_text(value, chart.unit))
    };
    let about = move || {
        let values: Vec<String> = (0..chart.series.len())
            .map(|index| format!("{} {}", chart.series[index].name, value(index)))
            .collect();
        format!("{}: {}. {}", chart.title, values.join(", "), chart.about)
    };
    view! {
        <figure class=format!("chart chart-{}", chart.id) data-testid=format!("chart-{}", chart.id)>
            <figcaption>
                <h3 title=chart.about>{chart.title}</h3>
                {move || (!tilde().is_empty()).then(|| view! {
                    <span class="soft" title="Closes can't be seen here: they are concluded from what requests show">"~ estimated"</span>
                })}
                <button type="button" class="quiet" aria-expanded=move || if table_open.get() { "true" } else { "false" }
                    on:click=move |_| set_table_open.update(|open| *open = !*open)>
                    {move || if table_open.get() { "chart only" } else { "table" }}
                </button>
            </figcaption>
            <div class="plot" node_ref=plot>
                <svg width=move || width.get().to_string() height=HEIGHT.to_string() role="img" aria-label=about
                    on:pointermove=move |event| data.cursor.set(time_at(&event, width.get_untracked(), data.span.get_untracked()))
                    on:pointerleave=move |_| data.cursor.set(None)
                >
                    <Axes drawing data width />
                    {chart.series.iter().enumerate().rev().map(|(index, series)| {
                        let kind = if chart.shape == Shape::Stack { "area" } else { "line" };
                        view! {
                            <path class=format!("{kind} {}", series.class)
                                d=move || drawing.with(|drawing| drawing.paths[index].clone()) />
                        }
                    }).collect_view()}
                    <Cursor read data width />
                    {chart.series.iter().enumerate().map(|(index, series)| {
                        let y = move || drawing.with(|drawing| drawing.label_heights[index]);
                        let class = move || if y().is_some() { series.class.to_owned() } else { format!("{} off", series.class) };
                        let place = move || {
                            format!("translate({:.0} {:.1})", frame(width.get()).right + 8.0, y().unwrap_or_default())
                        };
                        view! {
                            <g class=class transform=place>
                                <rect class="mark" x="0" y="-4" width="8" height="8" rx="1" />
                                <text x="13" y="4">{series.name} " " <tspan class="value">{move || value(index)}</tspan></text>
                            </g>
                        }
                    }).collect_view()}
                    {move || data.points.with(Vec::is_empty).then(|| view! {
                        <text class="none" x=LEFT.to_string() y="70">"no data in this time"</text>
                    })}
                </svg>
            </div>
            {move || table_open.get().then(|| view! { <Table chart data /> })}
        </figure>
    }
}

/// The moment under the pointer.
fn time_at(event: &PointerEvent, width: f64, span: (u64, u64)) -> Option<u64> {
    let frame = frame(width);
    let scale = Scale::new((span.0 as f64, span.1 as f64), (frame.left, frame.right));
    let x = f64::from(event.offset_x());
    (x >= frame.left - 6.0 && x <= frame.right + 6.0)
        .then(|| scale.invert(x.clamp(frame.left, frame.right)) as u64)
}

/// Hairlines and labels of both axes.
#[component]
fn Axes(drawing: Derived<Drawing>, data: ChartData, width: ReadSignal<f64>) -> impl IntoView {
    let values = move || {
        let frame = frame(width.get());
        let ticks = drawing.with(|drawing| drawing.ticks.clone());
        ticks
            .into_iter()
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
        let (from, to) = data.span.get();
        let x = Scale::new((from as f64, to as f64), (frame.left, frame.right));
        // A time is about 35 pixels wide, and wants as much air.
        let most = ((frame.right - frame.left) / 70.0).max(2.0) as usize;
        ticks::times(from, to, most)
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
fn Cursor(read: Derived<Option<PoolPoint>>, data: ChartData, width: ReadSignal<f64>) -> impl IntoView {
    let place = move || {
        data.cursor.get()?;
        let at = read.with(|point| point.map(|point| point.at_ms))?;
        let frame = frame(width.get());
        let (from, to) = data.span.get();
        Some(Scale::new((from as f64, to as f64), (frame.left, frame.right)).map(at as f64))
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
    let rows = move || {
        data.points.with(|points| {
            points
                .iter()
                .rev()
                .take(TABLE_ROWS)
                .map(|point| {
                    let cells = chart.series.iter().map(|series| {
                        view! { <td class="number">{series::value_text((series.value)(point), chart.unit)}</td> }
                    });
                    view! {
                        <tr>
                            <th scope="row" title=format::exact_time(point.at_ms)>{format::clock_time(point.at_ms)}</th>
                            {cells.collect_view()}
                        </tr>
                    }
                })
                .collect_view()
        })
    };
    view! {
        <div class="scroll" tabindex="0" role="region" aria-label=format!("{} as a table", chart.title)>
            <table class="figures-table">
                <thead>
                    <tr>
                        <th scope="col">"UTC"</th>
                        {chart.series.iter().map(|s| view! { <th scope="col" class="number">{s.name}</th> }).collect_view()}
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}
