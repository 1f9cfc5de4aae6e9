//! The figures of a pool over the time that is looked at, where that is not just the last minutes.

use std::time::Duration;

use leptos::prelude::*;
use poolscope_wire::{PoolPoint, SparkPoint};

use super::view::PoolView;
use crate::{
    browser,
    chart::spark::Spark,
    derived::effect,
    format,
    pages::part,
    state::{live::Live, ring::SPAN_MS},
    time::{
        Time,
        range::{Range, Span},
    },
};

/// How many points are asked for: a sparkline has no room for more.
const POINTS: usize = 60;

/// How often it is looked whether to read again.
const REFRESH: Duration = Duration::from_secs(10);

/// Points of a time, while it is looked at and they are here.
pub type Past = Option<(Span, Vec<PoolPoint>)>;

/// True if the newest points, which every row has, don't show what is looked at.
fn needs_reading(range: Range) -> bool {
    range != Range::default() && !matches!(range, Range::Live(window_ms) if window_ms <= SPAN_MS)
}

/// Reads the points of a pool over the time that is looked at, if its newest are not enough.
pub fn use_past(live: Live, time: Time, id: String) -> RwSignal<Past> {
    let past = RwSignal::new(None);
    let id = StoredValue::new(id);
    let fetch = move |range: Range| {
        let Some(id) = id.try_get_value() else { return };
        let span = range.span(untrack(|| live.now_ms()));
        browser::spawn(async move {
            let points = part::points_of(&id, span, POINTS).await;
            // The row may be gone by now, or show another time. One that can't be read shows that nothing is known.
            if !past.is_disposed() && untrack(|| time.range()) == range {
                past.set(Some((span, points)));
            }
        });
    };
    effect(move || {
        let range = time.range();
        past.set(None);
        if needs_reading(range) {
            fetch(range);
        }
    });
    browser::use_interval(REFRESH, move || {
        let range = untrack(|| time.range());
        if range.is_live() && needs_reading(range) && !untrack(|| live.held()) {
            fetch(range);
        }
    });
    past
}

/// Puts the figures of a time in the place of those of now. What is said of the pool stays what is true now.
pub fn put_past(view: &mut PoolView, past: &Past, fixed: bool) {
    let none = (Span::default(), Vec::new());
    let (span, points) = past.as_ref().unwrap_or(&none);
    let drawn: Vec<SparkPoint> = points.iter().map(SparkPoint::from).collect();
    view.spark = Spark::of_time(&drawn, *span);
    if !fixed {
        return;
    }
    view.sentence = format!("now: {}", view.sentence);
    let most = |read: fn(&PoolPoint) -> Option<u32>| points.iter().filter_map(read).max();
    let worst = |read: fn(&PoolPoint) -> Option<f32>| points.iter().filter_map(read).reduce(f32::max);
    view.active = format::count_or_unknown(most(|point| point.active));
    view.idle = format::count_or_unknown(most(|point| point.idle));
    view.upgraded = most(|point| point.upgraded).unwrap_or(0);
    let pending = most(|point| point.pending);
    view.pending = format::count_or_unknown(pending);
    view.is_waiting = pending.is_some_and(|pending| pending > 0);
    view.wait_p50 = format::duration_or_unknown(worst(|point| point.wait_p50_s));
    view.wait_p99 = format::duration_or_unknown(worst(|point| point.wait_p99_s));
    view.reuse = format::percent_or_unknown(reuse(points));
    view.requests = format::number_or_unknown(mean(points, |point| point.requests_per_s));
    let errors = mean(points, |point| point.errors_per_s).filter(|errors| *errors > 0.0);
    view.errors = errors.map(|errors| format::number(f64::from(errors)));
    let open = most(|point| Some([point.active?, point.idle?].iter().sum::<u32>())).unwrap_or(0).max(1);
    let share = |part: Option<u32>| f64::from(part.unwrap_or(0)) / f64::from(open);
    let last = points.iter().max_by_key(|point| point.active);
    view.shares =
        [last.and_then(|p| p.active), last.and_then(|p| p.idle), last.and_then(|p| p.upgraded)].map(share);
}

fn mean(points: &[PoolPoint], read: fn(&PoolPoint) -> Option<f32>) -> Option<f32> {
    let told: Vec<f32> = points.iter().filter_map(read).collect();
    (!told.is_empty()).then(|| told.iter().sum::<f32>() / told.len() as f32)
}

/// Reuse over all points, each weighing as many requests as it has.
fn reuse(points: &[PoolPoint]) -> Option<f32> {
    let told = points.iter().filter_map(|point| Some((point.reuse?, point.requests_per_s.unwrap_or(1.0))));
    let (sum, weight) =
        told.fold((0.0, 0.0), |(sum, all), (reuse, weight)| (sum + reuse * weight, all + weight));
    (weight > 0.0).then(|| sum / weight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::store::PoolEntry;

    #[test]
    fn only_what_the_newest_points_do_not_show_is_read() {
        assert!(!needs_reading(Range::default()));
        assert!(!needs_reading(Range::Live(60_000)));
        assert!(needs_reading(Range::Live(900_000)));
        assert!(needs_reading(Range::Fixed(Span { from_ms: 0, to_ms: 60_000 })));
    }

    #[test]
    fn a_time_that_has_passed_is_told_by_its_worst_and_its_mean() {
        let point = |at_ms, active, reuse, requests| PoolPoint {
            at_ms,
            active: Some(active),
            idle: Some(1),
            reuse: Some(reuse),
            requests_per_s: Some(requests),
            wait_p99_s: Some(0.25 * active as f32),
            ..PoolPoint::default()
        };
        let points = vec![point(1_000, 3, 1.0, 30.0), point(2_000, 1, 0.0, 10.0)];
        let past = Some((Span { from_ms: 0, to_ms: 3_000 }, points));
        let mut view = PoolView::new(&PoolEntry::default(), 0);
        put_past(&mut view, &past, true);
        assert_eq!((view.active.as_str(), view.wait_p99.as_str()), ("3", "750 ms"));
        assert_eq!((view.reuse.as_str(), view.requests.as_str()), ("75 %", "20"));
        assert_eq!(view.shares, [0.75, 0.25, 0.0]);
        assert!(view.sentence.starts_with("now: "));
        let mut none = PoolView::new(&PoolEntry::default(), 0);
        put_past(&mut none, &None, true);
        assert_eq!([none.active, none.reuse, none.pending], [format::UNKNOWN; 3], "nothing is known, not 0");
    }
}
