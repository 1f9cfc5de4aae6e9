//! The figures behind a chart as a table.

use leptos::prelude::*;

use super::{
    export::with_unit,
    panel::ChartData,
    point::Point,
    series::{Chart, value_text},
};
use crate::{derived::Derived, format, time::zone};

/// The most rows of the table: more than anybody reads, and few enough to draw at once.
const MAX_ROWS: usize = 120;

/// The figures behind a chart, newest first.
#[component]
pub(super) fn Table(chart: &'static Chart, data: ChartData) -> impl IntoView {
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
                points.iter().rev().take(MAX_ROWS).map(row).collect_view()
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
        let bound = if all > MAX_ROWS { format!("the newest {MAX_ROWS} of {counted}") } else { counted };
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
