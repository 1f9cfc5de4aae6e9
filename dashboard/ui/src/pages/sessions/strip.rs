//! The last two minutes of a kind of sessions: who was there, and who should not have been any more.

use leptos::prelude::*;
use poolscope_wire::SessionPoint;

use crate::{
    chart::{path, scale::Scale},
    derived::Derived,
    format,
    state::live::Live,
};

const WIDTH: f64 = 1_000.0;
const HEIGHT: f64 = 56.0;
const SPAN_MS: u64 = 120_000;
/// Neighbours further apart than this are a gap.
const GAP_MS: u64 = 25_000;

/// A strip ready to be drawn.
#[derive(Debug, Clone, PartialEq, Default)]
struct Drawing {
    active: String,
    overdue: String,
    most: u32,
    about: String,
}

fn draw(points: &[SessionPoint]) -> Drawing {
    let Some(newest) = points.last() else { return Drawing::default() };
    let older = points.partition_point(|point| point.at_ms + SPAN_MS < newest.at_ms);
    let points = &points[older..];
    let most = points.iter().map(|point| point.active.max(point.overdue)).max().unwrap_or(0);
    let least = points.iter().map(|point| point.active).min().unwrap_or(0);
    let from = newest.at_ms.saturating_sub(SPAN_MS) as f64;
    let x = Scale::new((from, newest.at_ms as f64), (0.0, WIDTH));
    let y = Scale::new((0.0, f64::from(most.max(1))), (HEIGHT - 1.0, 2.0));
    let (mut areas, mut lines) = (Vec::new(), Vec::new());
    for run in points.chunk_by(|before, after| after.at_ms - before.at_ms <= GAP_MS) {
        let at = |point: &SessionPoint| x.map(point.at_ms as f64);
        areas.push(run.iter().map(|p| (at(p), y.map(0.0), y.map(f64::from(p.active)))).collect());
        lines.push(run.iter().map(|p| (at(p), y.map(f64::from(p.overdue)))).collect());
    }
    let overdue = points.iter().map(|point| point.overdue).max().unwrap_or(0);
    Drawing {
        active: path::step_area(&areas),
        overdue: if overdue == 0 { String::new() } else { path::steps(&lines) },
        most,
        about: format!(
            "{} to {} there, at most {} overdue",
            format::count(u64::from(least)),
            format::count(u64::from(most)),
            format::count(u64::from(overdue))
        ),
    }
}

/// Of which two minutes it is; `last` tells how long ago the last report was, if there is none any more.
fn about(drawn: &str, last: Option<&str>) -> String {
    match (drawn, last) {
        ("", None) => String::new(),
        ("", Some(last)) => format!("Last reported {last}"),
        (drawn, None) => format!("Last two minutes: {drawn}"),
        (drawn, Some(last)) => format!("Two minutes until its last report, {last}: {drawn}"),
    }
}

/// The strip, with its words below.
#[component]
pub fn Strip(
    /// Oldest first.
    points: Derived<Vec<SessionPoint>>,
    /// When the last report came, if none comes any more: the strip ends there.
    silent_since: Derived<Option<u64>>,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let drawing = Derived::new(move || points.with(|points| draw(points)));
    let about = Derived::new(move || {
        let last = silent_since.get().map(|at| format::ago(live.now_ms(), at));
        drawing.with(|drawing| about(&drawing.about, last.as_deref()))
    });
    view! {
        <figure class="sessionstrip spark">
            <svg viewBox=format!("0 0 {WIDTH} {HEIGHT}") preserveAspectRatio="none" role="img"
                aria-label=move || about.get()>
                <path class="area c-active" d=move || drawing.with(|drawing| drawing.active.clone()) />
                <path class="line c-bad" d=move || drawing.with(|drawing| drawing.overdue.clone()) />
            </svg>
            <figcaption class="under">{move || about.get()}</figcaption>
        </figure>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_it_draws() {
        let point =
            |at_ms, active, overdue| SessionPoint { at_ms, active, overdue, ..SessionPoint::default() };
        assert_eq!(draw(&[]), Drawing::default());
        let drawn = draw(&[point(1_000, 3, 0), point(3_000, 7, 1)]);
        assert_eq!((drawn.most, drawn.overdue.is_empty()), (7, false));
        assert_eq!(drawn.about, "3 to 7 there, at most 1 overdue");
        assert!(draw(&[point(1_000, 3, 0)]).overdue.is_empty());
        let old = draw(&[point(1_000, 9, 9), point(SPAN_MS + 1_001, 3, 0)]);
        assert_eq!((old.most, old.overdue.is_empty()), (3, true), "what is older is not drawn");
    }

    #[test]
    fn it_ends_where_the_reports_do_and_says_so() {
        let drawn = "3 to 7 there, at most 1 overdue";
        assert_eq!(about(drawn, None), format!("Last two minutes: {drawn}"));
        let silent = about(drawn, Some("5 min ago"));
        assert_eq!(silent, format!("Two minutes until its last report, 5 min ago: {drawn}"));
        assert_eq!((&*about("", Some("1 h ago")), &*about("", None)), ("Last reported 1 h ago", ""));
    }
}
