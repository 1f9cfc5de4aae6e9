//! Files of charts: what is seen as figures and as pictures, and a link to it.

use leptos::prelude::*;

use super::{
    export::sheet,
    panel::ChartData,
    picture::{FRAME, Part, Picture, picture},
    series::{Chart, Course, Drawing, value_text},
};
use crate::{
    browser,
    components::menu::{Entry, menu},
    export::{save_csv, save_json, save_png, sheet::Sheet},
    format,
    route::Query,
    time::{range::Range, zone},
};

/// The menu of one chart.
pub fn chart_menu(chart: &'static Chart, data: ChartData) -> AnyView {
    menu("save", chart.title, entries(std::slice::from_ref(chart), data))
}

/// The menu of all charts of the page.
pub fn page_menu(data: ChartData) -> AnyView {
    let mut entries = entries(data.charts, data);
    entries.push(("Copy a link to this time", "save-link", Box::new(move || copy_link(data))));
    menu("save all", "all charts", entries)
}

fn entries(charts: &'static [Chart], data: ChartData) -> Vec<Entry> {
    vec![
        (
            "Figures as CSV",
            "save-csv",
            Box::new(move || save_csv(&figures(charts, data), &name(charts, data))),
        ),
        (
            "Figures as JSON",
            "save-json",
            Box::new(move || save_json(&figures(charts, data), &name(charts, data))),
        ),
        (
            "Picture as PNG",
            "save-png",
            Box::new(move || save_png(painted(charts, data), &name(charts, data))),
        ),
    ]
}

/// What a file is named after: what is shown, the chart, and the time.
fn name(charts: &[Chart], data: ChartData) -> Vec<String> {
    let span = data.span.get_untracked();
    let chart = if let [only] = charts { only.id } else { "charts" };
    vec![
        data.name.get_untracked(),
        chart.to_owned(),
        format::iso_time(span.from_ms),
        format::iso_time(span.to_ms),
    ]
}

/// The points that are seen, and the earlier ones beside them.
fn with_courses<T>(data: ChartData, read: impl FnOnce(Course<'_>, Course<'_>) -> T) -> T {
    let (grain, before_grain) = (data.grain.get_untracked(), data.before_grain.get_untracked());
    data.points.with_untracked(|points| {
        data.before.with_untracked(|before| {
            read(Course { points, grain: &grain }, Course { points: before, grain: &before_grain })
        })
    })
}

fn figures(charts: &'static [Chart], data: ChartData) -> Sheet {
    let compare = untrack(|| data.time.compare());
    let charts: Vec<&Chart> = charts.iter().collect();
    let mut sheet =
        with_courses(data, |course, before| sheet(&charts, course, compare.map(|by| (before, by))));
    let span = data.span.get_untracked();
    sheet.facts = vec![
        ("name", data.name.get_untracked()),
        ("from", format::iso_time(span.from_ms)),
        ("to", format::iso_time(span.to_ms)),
        ("time_zone", zone::name(span.to_ms)),
        ("compared_with", compare.map(|compare| compare.words().to_owned()).unwrap_or_default()),
    ];
    sheet
}

fn painted(charts: &'static [Chart], data: ChartData) -> Picture {
    let span = data.span.get_untracked();
    let tilde = if data.estimated.get_untracked() { "~" } else { "" };
    let parts: Vec<Part> = with_courses(data, |course, before| {
        let part = |chart: &'static Chart| Part {
            chart,
            drawing: Drawing::new(chart, course, before, span, FRAME),
            values: chart
                .series
                .iter()
                .map(|series| {
                    let value = course.points.last().and_then(series.value);
                    format!("{}{}", if chart.estimable { tilde } else { "" }, value_text(value, chart.unit))
                })
                .collect(),
        };
        charts.iter().map(part).collect()
    });
    let [from, to] = [span.from_ms, span.to_ms].map(format::exact_time);
    let mut about = format!("{from} \u{2013} {to}");
    if let Some(compare) = untrack(|| data.time.compare()) {
        about.push_str(&format!(" \u{b7} dashed: {}", compare.words()));
    }
    picture(&data.name.get_untracked(), &about, &parts, span, browser::colour)
}

/// Copies the address of this page at the time that is seen: a live one would show something else to whoever opens it.
fn copy_link(data: ChartData) {
    let location = window().location();
    let query = Query::parse(&location.search().unwrap_or_default());
    let query = Range::Fixed(data.span.get_untracked())
        .to_query()
        .iter()
        .fold(query, |query, (key, value)| query.with(key, value));
    let [origin, path] = [location.origin(), location.pathname()].map(Result::unwrap_or_default);
    browser::copy(&format!("{origin}{path}{}", query.to_text()), |_| {});
}
