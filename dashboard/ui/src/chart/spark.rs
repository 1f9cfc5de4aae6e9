//! A short course of a pool in the size of a word: connections in use as an area, waiting requests as a line.

use poolscope_wire::SparkPoint;

use super::{path, scale::Scale};
use crate::{
    format,
    state::ring::{Ring, SPAN_MS},
    time::range::Span,
};

const WIDTH: f64 = 120.0;
const HEIGHT: f64 = 28.0;

/// Neighbours further apart than this may be a gap.
const GAP_MS: u64 = 5_000;

/// Neighbours so many times further apart than on the average are a gap.
const GAP_OF_USUAL: u64 = 3;

/// From how far apart two neighbours are a gap: whoever reports each ten seconds is not silent between two reports.
fn gap_ms(points: &[SparkPoint]) -> u64 {
    let reach = points.last().zip(points.first()).map_or(0, |(last, first)| last.at_ms - first.at_ms);
    let usual = reach / (points.len() as u64).saturating_sub(1).max(1);
    GAP_MS.max(usual * GAP_OF_USUAL)
}

/// A sparkline ready to be drawn in a picture of 120 by 28.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Spark {
    active: String,
    waiting: String,
    about: String,
}

impl Spark {
    /// Lays out the points of a ring on an axis that ends at a moment. Those of a pool that is silent move out of view.
    #[must_use]
    pub fn new(ring: &Ring, end_ms: u64) -> Self {
        let span = Span::ending_at(end_ms, SPAN_MS);
        let points: Vec<SparkPoint> =
            ring.iter().copied().filter(|point| span.contains(point.at_ms)).collect();
        if points.is_empty() {
            return Self::none();
        }
        Self::drawn(&points, span, gap_ms(&points))
    }

    /// The path of connections in use.
    #[must_use]
    pub fn active(&self) -> &str {
        &self.active
    }

    /// The path of requests that wait; empty if none did.
    #[must_use]
    pub fn waiting(&self) -> &str {
        &self.waiting
    }

    /// What is drawn, in words.
    #[must_use]
    pub fn about(&self) -> &str {
        &self.about
    }

    fn none() -> Self {
        Self { about: "nothing reported in this time".to_owned(), ..Self::default() }
    }

    /// Lays out the points of another time.
    #[must_use]
    pub fn of_time(points: &[SparkPoint], span: Span) -> Self {
        if points.is_empty() {
            return Self::none();
        }
        // They are thinned: what is far apart for its place in the drawing is a gap.
        Self::drawn(points, span, GAP_MS.max(span.width_ms() / 15))
    }

    fn drawn(points: &[SparkPoint], span: Span, gap_ms: u64) -> Self {
        let told_active = points.iter().filter_map(|point| point.active).max();
        let told_waiting = points.iter().filter_map(|point| point.pending).max();
        let (most_active, most_waiting) = (told_active.unwrap_or(0), told_waiting.unwrap_or(0));
        let x = Scale::new((span.from_ms as f64, span.to_ms as f64), (0.0, WIDTH));
        let y = Scale::new((0.0, f64::from(most_active.max(most_waiting).max(1))), (HEIGHT - 1.0, 2.0));
        let runs = points.chunk_by(|before, after| after.at_ms - before.at_ms <= gap_ms);
        let (mut areas, mut lines) = (Vec::new(), Vec::new());
        for run in runs {
            let active = run.iter().filter_map(|p| Some((p.at_ms, p.active?)));
            areas.push(active.map(|(at, n)| (x.map(at as f64), y.map(0.0), y.map(f64::from(n)))).collect());
            let waiting = run.iter().filter_map(|p| Some((p.at_ms, p.pending?)));
            lines.push(waiting.map(|(at, n)| (x.map(at as f64), y.map(f64::from(n)))).collect());
        }
        let at_most = |most: Option<u32>, what: &str| match most {
            Some(most) => format!("at most {} {what}", format::count(u64::from(most))),
            None => format!("not told how many {what}"),
        };
        Self {
            active: path::step_area(&areas),
            waiting: if most_waiting == 0 { String::new() } else { path::steps(&lines) },
            about: format!(
                "{}: {}, {}",
                format::span(span.width_ms() / 1_000),
                at_most(told_active, "in use"),
                at_most(told_waiting, "waiting")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(pending: u32) -> Ring {
        let point =
            |at_ms| SparkPoint { at_ms, active: Some(2), pending: Some(pending), ..SparkPoint::default() };
        Ring::from_history((0..10).map(|second| point(SPAN_MS + second * 1_000)).collect())
    }

    const NEWEST: u64 = SPAN_MS + 9_000;

    #[test]
    fn all_rows_have_one_axis_and_what_is_silent_moves_out_of_it() {
        assert!(Spark::new(&ring(0), NEWEST).active.contains("L120 "), "now is at the right edge");
        let later = Spark::new(&ring(0), NEWEST + SPAN_MS / 2).active;
        assert!(later.contains("L60 ") && !later.contains("L120 "), "{later}");
        assert_eq!(Spark::new(&ring(0), NEWEST + 2 * SPAN_MS), Spark::none());
    }

    #[test]
    fn rare_reports_are_no_gaps_and_a_silence_is_one() {
        let point = |second: u64| SparkPoint {
            at_ms: SPAN_MS + second * 1_000,
            active: Some(2),
            ..SparkPoint::default()
        };
        let of = |seconds: &[u64]| {
            let ring = Ring::from_history(seconds.iter().copied().map(point).collect());
            Spark::new(&ring, 2 * SPAN_MS).active.matches('M').count()
        };
        assert_eq!(of(&[0, 10, 20, 30, 40, 50]), 1);
        assert_eq!(of(&[0, 1, 2, 3, 30, 31, 32]), 2);
    }

    #[test]
    fn nobody_waiting_is_no_line() {
        assert!(Spark::new(&ring(0), NEWEST).waiting.is_empty());
        assert!(!Spark::new(&ring(1), NEWEST).waiting.is_empty());
        assert_eq!(Spark::new(&Ring::default(), NEWEST), Spark::none());
    }

    #[test]
    fn another_time_has_its_own_axis_and_may_have_nothing() {
        let point = |at_ms| SparkPoint { at_ms, active: Some(1), ..SparkPoint::default() };
        let spark = Spark::of_time(&[point(0), point(30_000)], Span { from_ms: 0, to_ms: 600_000 });
        assert!(spark.active.contains("L6 "), "{}", spark.active);
        assert!(spark.about.starts_with("10 min: at most 1 in use"), "{}", spark.about);
        assert_eq!(Spark::of_time(&[], Span::default()).about, "nothing reported in this time");
    }
}
