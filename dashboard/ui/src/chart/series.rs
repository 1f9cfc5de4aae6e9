//! What a chart shows, those of a pool, and the geometry of one chart. Pure.

use super::{
    grain::Grain,
    labels,
    path::{self, Place},
    point::Point,
    scale::Scale,
    ticks::{self, Unit},
};
use crate::{format, time::range::Span};

/// One series of a chart.
#[derive(Debug, Clone, Copy)]
pub struct Series {
    /// Its label.
    pub name: &'static str,
    /// Class that gives it its colour.
    pub class: &'static str,
    /// Its value in a point; `None` is a gap.
    pub value: fn(&Point) -> Option<f64>,
}

/// How the series of a chart are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Areas on top of each other, in steps.
    Stack,
    /// A line in steps for each.
    Steps,
    /// A line for each.
    Lines,
}

/// One chart.
#[derive(Debug, Clone, Copy)]
pub struct Chart {
    /// Part of its `data-testid`.
    pub id: &'static str,
    /// Its title.
    pub title: &'static str,
    /// What it shows, in a sentence.
    pub about: &'static str,
    /// What its values are.
    pub unit: Unit,
    /// How it is drawn.
    pub shape: Shape,
    /// What it shows, lowest of a stack first.
    pub series: &'static [Series],
    /// True if the figures are concluded where closes can't be seen.
    pub estimable: bool,
}

/// A series of a figure of a pool that may be unknown.
macro_rules! maybe {
    ($name:literal, $class:literal, $field:ident) => {
        Series { name: $name, class: $class, value: |p| p.pool()?.$field.map(f64::from) }
    };
}

/// The charts of a pool.
pub const CHARTS: [Chart; 8] = [
    Chart {
        id: "connections",
        title: "Connections",
        about: "Open connections by state, and on top of them those that are being established.",
        unit: Unit::Count,
        shape: Shape::Stack,
        series: &[
            maybe!("active", "c-active", active),
            maybe!("idle", "c-idle", idle),
            maybe!("upgraded", "c-upgraded", upgraded),
            maybe!("connecting", "c-soft", connecting),
        ],
        estimable: true,
    },
    Chart {
        id: "waiting",
        title: "Requests waiting and in flight",
        about: "Requests that wait for a connection, and requests between call and end of body.",
        unit: Unit::Count,
        shape: Shape::Steps,
        series: &[maybe!("in flight", "c-soft", in_flight), maybe!("waiting", "c-warn", pending)],
        estimable: false,
    },
    Chart {
        id: "wait",
        title: "Wait for a connection",
        about: "From asking for a connection until having one.",
        unit: Unit::Seconds,
        shape: Shape::Lines,
        series: &[maybe!("p50", "c-p50", wait_p50_s), maybe!("p99", "c-p99", wait_p99_s)],
        estimable: false,
    },
    Chart {
        id: "use",
        title: "Time in use",
        about: "How long a request held its connection, to the end of the response body.",
        unit: Unit::Seconds,
        shape: Shape::Lines,
        series: &[maybe!("p50", "c-p50", use_p50_s), maybe!("p99", "c-p99", use_p99_s)],
        estimable: false,
    },
    Chart {
        id: "duration",
        title: "Time to headers",
        about: "From the call until the response headers.",
        unit: Unit::Seconds,
        shape: Shape::Lines,
        series: &[maybe!("p50", "c-p50", duration_p50_s), maybe!("p99", "c-p99", duration_p99_s)],
        estimable: false,
    },
    Chart {
        id: "requests",
        title: "Requests and errors",
        about: "Requests that ended, and those of them that failed or got a 5xx, per second.",
        unit: Unit::Rate,
        shape: Shape::Lines,
        series: &[maybe!("requests", "c-soft", requests_per_s), maybe!("errors", "c-bad", errors_per_s)],
        estimable: false,
    },
    Chart {
        id: "connects",
        title: "Connects and closes",
        about: "Connections opened and closed per second, and of the closed those that were never used.",
        unit: Unit::Rate,
        shape: Shape::Lines,
        series: &[
            maybe!("opened", "c-active", opened_per_s),
            maybe!("closed", "c-soft", closed_per_s),
            maybe!("never used", "c-warn", wasted_per_s),
        ],
        estimable: true,
    },
    Chart {
        id: "reuse",
        title: "Reuse",
        about: "Share of requests that were served by a connection that was open already.",
        unit: Unit::Share,
        shape: Shape::Lines,
        series: &[maybe!("reused", "c-active", reuse)],
        estimable: false,
    },
];

/// The value of a unit as text.
#[must_use]
pub fn value_text(value: Option<f64>, unit: Unit) -> String {
    match (value, unit) {
        (None, _) => format::UNKNOWN.to_owned(),
        (Some(value), Unit::Count) => format::count(value as u64),
        (Some(value), Unit::Rate) => format!("{}/s", format::number(value)),
        (Some(value), Unit::Seconds) => format::duration(value),
        (Some(value), Unit::Share) => format::percent(value),
        (Some(value), Unit::Bytes) => format::bytes(value as u64),
    }
}

/// Where in its box a chart draws, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    /// Left edge of the plot: what is left of it is for the labels of the values.
    pub left: f64,
    /// Right edge of the plot: what is right of it is for the labels of the series.
    pub right: f64,
    /// Upper edge.
    pub top: f64,
    /// Lower edge.
    pub bottom: f64,
}

/// A label at a height.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Its height in pixels.
    pub y: f64,
    /// Its text.
    pub text: String,
}

/// A course of points.
#[derive(Debug, Clone, Copy)]
pub struct Course<'a> {
    /// The points, oldest first.
    pub points: &'a [Point],
    /// How fine they are.
    pub grain: &'a Grain,
}

/// A chart ready to be drawn.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Drawing {
    /// Path data of each series; areas for a stack.
    pub paths: Vec<String>,
    /// Path data of the earlier course of each series: lines, also for a stack. Empty without one.
    pub before: Vec<String>,
    /// Labels of the value axis.
    pub ticks: Vec<Mark>,
    /// Height of the label of each series; `None` for a part of a stack that there is nothing of.
    pub label_heights: Vec<Option<f64>>,
}

impl Drawing {
    /// Lays out a chart over a time. `before` is an earlier course, moved to this time.
    #[must_use]
    pub fn new(chart: &Chart, course: Course<'_>, before: Course<'_>, span: Span, frame: Frame) -> Self {
        let x = Scale::new((span.from_ms as f64, span.to_ms as f64), (frame.left, frame.right));
        let greatest = top(chart, course.points).max(top(chart, before.points));
        let values = ticks::values(greatest, chart.unit);
        let y = Scale::new((0.0, values.last().copied().unwrap_or(1.0)), (frame.bottom, frame.top));
        let (paths, ends) =
            if chart.shape == Shape::Stack { stack(chart, course, x, y) } else { lines(chart, course, x, y) };
        let before_paths = if before.points.is_empty() { Vec::new() } else { lines(chart, before, x, y).0 };
        let ticks = values
            .iter()
            .map(|value| Mark { y: y.map(*value), text: value_text(Some(*value), chart.unit) })
            .collect();
        let labelled: Vec<bool> = chart
            .series
            .iter()
            .map(|series| [course, before].iter().any(|course| is_labelled(chart, series, course.points)))
            .collect();
        let wanted: Vec<f64> =
            ends.iter().zip(&labelled).filter(|(_, on)| **on).map(|(end, _)| *end).collect();
        // Below the label is the earlier figure, if there is one.
        let gap = if before.points.is_empty() { 15.0 } else { 27.0 };
        let bottom = frame.bottom + 15.0 - gap;
        let mut heights = labels::spread(&wanted, gap, frame.top + 4.0, bottom).into_iter();
        let label_heights = labelled.iter().map(|on| if *on { heights.next() } else { None }).collect();
        Self { paths, before: before_paths, ticks, label_heights }
    }
}

/// True if a series gets a label: what is stacked has none while there is nothing of it, but for the first.
fn is_labelled(chart: &Chart, series: &Series, points: &[Point]) -> bool {
    chart.shape != Shape::Stack
        || chart.series.first().is_some_and(|first| first.name == series.name)
        || points.iter().any(|point| (series.value)(point).is_some_and(|value| value > 0.0))
}

/// The greatest value that a chart has to show.
fn top(chart: &Chart, points: &[Point]) -> f64 {
    if chart.unit == Unit::Share {
        return 1.0;
    }
    let of_point = |point: &Point| {
        let values = chart.series.iter().filter_map(|series| (series.value)(point));
        if chart.shape == Shape::Stack { values.sum() } else { values.fold(0.0, f64::max) }
    };
    points.iter().map(of_point).fold(0.0, f64::max)
}

/// How high a series is drawn at a point: in a stack, on top of those below it.
fn height(chart: &Chart, level: usize, point: &Point) -> Option<f64> {
    if chart.shape == Shape::Stack {
        return Some(sum(&chart.series[..=level], point));
    }
    (chart.series[level].value)(point)
}

fn sum(series: &[Series], point: &Point) -> f64 {
    series.iter().filter_map(|series| (series.value)(point)).sum()
}

/// Lines of all series; for a stack the upper edges of its parts.
fn lines(chart: &Chart, course: Course<'_>, x: Scale, y: Scale) -> (Vec<String>, Vec<f64>) {
    let Course { points, grain } = course;
    let in_steps = grain.is_stepped || chart.shape != Shape::Lines;
    let mut paths = Vec::with_capacity(chart.series.len());
    let mut ends = Vec::with_capacity(chart.series.len());
    for (level, series) in chart.series.iter().enumerate() {
        if !is_labelled(chart, series, points) {
            paths.push(String::new());
            ends.push(y.map(0.0));
            continue;
        }
        let mut places: Vec<Vec<Place>> = Vec::new();
        for run in grain.runs(points) {
            // What has no value ends a line and begins another.
            for part in
                run.split(|point| height(chart, level, point).is_none()).filter(|part| !part.is_empty())
            {
                let mut before = None;
                let mut line = Vec::with_capacity(part.len() + 1);
                for point in part {
                    let place = y.map(height(chart, level, point).unwrap_or_default());
                    line.push((x.map(grain.start(point.at_ms(), before) as f64), place));
                    before = Some(point.at_ms());
                }
                if let (true, Some(last), Some((_, place))) = (grain.is_stepped, before, line.last().copied())
                {
                    line.push((x.map(last as f64), place));
                }
                places.push(line);
            }
        }
        ends.push(places.last().and_then(|run| run.last()).map_or(y.map(0.0), |place| place.1));
        paths.push(if in_steps { path::steps(&places) } else { path::line(&places) });
    }
    (paths, ends)
}

/// Areas of a stack.
fn stack(chart: &Chart, course: Course<'_>, x: Scale, y: Scale) -> (Vec<String>, Vec<f64>) {
    let Course { points, grain } = course;
    let runs = grain.runs(points);
    let mut paths = Vec::with_capacity(chart.series.len());
    let mut ends = Vec::with_capacity(chart.series.len());
    for level in 0..chart.series.len() {
        let edges: Vec<Vec<(f64, f64, f64)>> = runs
            .iter()
            .map(|run| {
                let edge = |at_ms: u64, point: &Point| {
                    let [low, high] =
                        [level, level + 1].map(|count| y.map(sum(&chart.series[..count], point)));
                    (x.map(at_ms as f64), low, high)
                };
                let mut before = None;
                let mut edges: Vec<_> = run
                    .iter()
                    .map(|point| edge(grain.start(point.at_ms(), before.replace(point.at_ms())), point))
                    .collect();
                if let (true, Some(last)) = (grain.is_stepped, run.last()) {
                    edges.push(edge(last.at_ms(), last));
                }
                edges
            })
            .collect();
        let end = edges.last().and_then(|run| run.last());
        ends.push(end.map_or(y.map(0.0), |(_, low, high)| f64::midpoint(*low, *high)));
        paths.push(path::step_area(&edges));
    }
    (paths, ends)
}

#[cfg(test)]
mod tests {
    use poolscope_wire::PoolPoint;

    use super::*;

    const FRAME: Frame = Frame { left: 0.0, right: 100.0, top: 0.0, bottom: 100.0 };

    fn points() -> Vec<PoolPoint> {
        let point = |at_ms, active, idle, wait_p99_s| PoolPoint {
            at_ms,
            active: Some(active),
            idle: Some(idle),
            wait_p99_s,
            ..PoolPoint::default()
        };
        vec![
            point(0, 2, 2, Some(1.0)),
            point(1_000, 4, 0, None),
            point(9_000, 1, 0, Some(2.0)),
            point(10_000, 1, 1, Some(2.0)),
        ]
    }

    const SPAN: Span = Span { from_ms: 0, to_ms: 10_000 };

    fn fine() -> Grain {
        Grain::new(1_000, &poolscope_wire::Range::default())
    }

    fn draw(chart: &Chart, points: &[PoolPoint], before: &[PoolPoint], grain: &Grain) -> Drawing {
        let [points, before] =
            [points, before].map(|points| points.iter().map(Point::from).collect::<Vec<_>>());
        let [course, before] = [&points, &before].map(|points| Course { points, grain });
        Drawing::new(chart, course, before, SPAN, FRAME)
    }

    #[test]
    fn a_stack_ends_on_top_of_what_is_below_it() {
        let drawing = draw(&CHARTS[0], &points(), &[], &fine());
        assert_eq!(drawing.ticks.last().unwrap().text, "4");
        assert_eq!(drawing.paths[0], "M0 100L10 100L10 0L10 50L0 50ZM90 100L100 100L100 75L100 75L90 75Z");
        assert!(drawing.paths[1].starts_with("M0 50L10 50L10 0L10 0"), "{}", drawing.paths[1]);
        let labelled: Vec<bool> = drawing.label_heights.iter().map(Option::is_some).collect();
        assert_eq!(labelled, [true, true, false, false], "nothing is upgraded, nothing is told of connects");
        assert!(drawing.before.is_empty());
    }

    #[test]
    fn lines_break_at_gaps_and_at_unknown_values() {
        let wait = &CHARTS[2];
        let drawing = draw(wait, &points(), &[], &fine());
        assert_eq!(drawing.paths[1], "M-2.5 50L2.5 50M90 0L100 0");
        assert_eq!(drawing.paths[0], "", "no value at all");
        assert_eq!(drawing.label_heights.len(), 2);
    }

    #[test]
    fn points_that_stand_for_a_time_are_drawn_over_all_of_it() {
        let coarse = Grain::new(1_000, &poolscope_wire::Range { step_ms: 5_000, ..Default::default() });
        let point = |at_ms, active| PoolPoint {
            at_ms,
            active: Some(active),
            wait_p99_s: Some(active as f32),
            ..PoolPoint::default()
        };
        let points = [point(5_000, 1), point(10_000, 2)];
        let wait = draw(&CHARTS[2], &points, &[], &coarse);
        assert_eq!(wait.paths[1], "M0 50L50 50L50 0L100 0");
        let stack = draw(&CHARTS[0], &points, &[], &coarse);
        assert!(stack.paths[0].starts_with("M0 100L50 100L100 100L100 0"), "{}", stack.paths[0]);
    }

    #[test]
    fn an_earlier_course_is_lines_on_the_same_axis() {
        let higher = PoolPoint { at_ms: 5_000, active: Some(8), ..PoolPoint::default() };
        let before = [PoolPoint { at_ms: 4_000, ..higher }, higher];
        let drawing = draw(&CHARTS[0], &points(), &before, &fine());
        assert_eq!(drawing.ticks.last().unwrap().text, "8", "both fit");
        assert_eq!(drawing.before[0], "M40 0L50 0");
        assert_eq!(drawing.before[1], "", "there was nothing of it");
    }

    #[test]
    fn a_chart_without_points_still_has_an_axis() {
        for chart in &CHARTS {
            let drawing = draw(chart, &[], &[], &fine());
            assert!(drawing.ticks.len() >= 2, "{}", chart.id);
        }
    }
}
