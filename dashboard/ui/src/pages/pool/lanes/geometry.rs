//! Where the stretches of a lane are drawn. Pure.
//!
//! A thin line is a connection that is open and idle. Above it stands how much of the time it was in use: as high as its
//! share, filled while requests use it, hollow while it drains, in stripes once it was upgraded.

use std::ops::Range;

use poolscope_wire::{ConnectionLane, LaneSegment, LaneState};

use crate::chart::{
    path::{self, Block},
    scale::Scale,
    series::Frame,
};

/// Height of a lane in pixels.
pub const HEIGHT: f64 = 20.0;
/// Where the thin line is.
const BASE: f64 = HEIGHT - 2.0;
/// However small a share is, it is seen.
const LEAST: f64 = 3.0;
/// However short a connection was, it is seen.
const LEAST_WIDTH: f64 = 3.0;
/// A mark is as far from what it belongs to, and reaches as far again.
const BESIDE_MARK: f64 = 6.0;
/// Pixels of a stripe, and of the gap behind it.
const STRIPES: (f64, f64) = (3.0, 2.0);
/// More stripes than this are one area: nobody tells them apart.
const MAX_STRIPES: f64 = 400.0;

/// Where a lane is drawn that is so wide.
#[must_use]
pub fn frame(width: f64) -> Frame {
    Frame { left: 0.0, right: width, top: 0.0, bottom: HEIGHT }
}

/// What a lane consists of.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shape {
    /// The thin line while it is open.
    pub open: String,
    /// In use.
    pub active: String,
    /// In use for the last time.
    pub draining: String,
    /// No longer HTTP.
    pub upgraded: String,
    /// Where it was held and not read.
    pub leaks: String,
    /// Where the mark of its end stands, if that is in view.
    pub closed: Option<f64>,
}

impl Shape {
    /// The shape of a lane on an axis of time that is so wide.
    #[must_use]
    pub fn new(lane: &ConnectionLane, span: (u64, u64), width: f64) -> Self {
        if width <= 0.0 {
            return Self::default();
        }
        let scale = Scale::new((span.0 as f64, span.1 as f64), (0.0, width));
        let x = |at_ms: u64| scale.map(at_ms as f64).clamp(0.0, width);
        let is_in_view = |from_ms: u64, to_ms: u64| to_ms > span.0 && from_ms <= span.1;
        let whole_ms =
            lane.segments.iter().fold(lane.start_ms, |at, segment| at.saturating_add(segment.length_ms));
        let whole = widened((x(lane.start_ms), x(whole_ms)), width, LEAST_WIDTH);
        let is_short = whole.1 - whole.0 <= LEAST_WIDTH;
        let (mut active, mut draining, mut upgraded) = (Vec::new(), Vec::new(), Vec::new());
        let mut begin_ms = lane.start_ms;
        for segment in &lane.segments {
            let end_ms = begin_ms.saturating_add(segment.length_ms);
            let part = (x(begin_ms), x(end_ms));
            let is_seen = is_in_view(begin_ms, end_ms) && (is_short || part.1 > part.0);
            begin_ms = end_ms;
            if !is_seen {
                continue;
            }
            // Of one that is too short to tell its parts apart, each of them is all of it.
            let (from, to) = if is_short { whole } else { widened(part, width, 1.0) };
            match segment.state {
                LaneState::Upgraded => stripes(&mut upgraded, from, to),
                LaneState::Draining => draining.push(block(from, to, top(segment))),
                LaneState::Active | LaneState::Idle | LaneState::Closed
                    if segment.active_ms > 0 || segment.requests > 0 =>
                {
                    active.push(block(from, to, top(segment)));
                }
                LaneState::Active | LaneState::Idle | LaneState::Closed => {}
            }
        }
        let open = match is_in_view(lane.start_ms, whole_ms) {
            true => vec![vec![(whole.0, BASE), (whole.1, BASE)]],
            false => Vec::new(),
        };
        let leaks = lane.leaks.iter().filter_map(|leak| {
            let until_ms = leak.until_ms.unwrap_or(lane.seen_ms.max(leak.since_ms));
            let (from, to) = (x(leak.since_ms), x(until_ms));
            (until_ms >= span.0 && leak.since_ms <= span.1 && to > from).then(|| vec![(from, 1.5), (to, 1.5)])
        });
        let closed = lane.closed.as_ref().map(|closed| closed.at_ms);
        let closed = closed.filter(|at_ms| (span.0..=span.1).contains(at_ms)).map(x);
        Self {
            open: path::line(&open),
            active: path::blocks(active),
            draining: path::blocks(draining),
            upgraded: path::blocks(upgraded),
            leaks: path::line(&leaks.collect::<Vec<_>>()),
            closed: closed.map(|x| mark(if is_short { whole.1 } else { x }, whole.0, width)),
        }
    }
}

/// How high a stretch is.
fn top(segment: &LaneSegment) -> f64 {
    BASE - (segment.share() * (BASE - 3.0)).max(LEAST)
}

/// At least so wide, and inside of the drawing.
fn widened((from, to): (f64, f64), width: f64, least: f64) -> (f64, f64) {
    let to = to.max((from + least).min(width));
    (from.min((to - least).max(0.0)), to)
}

/// Where the mark of an end stands: behind it, or before the begin where there is no room behind.
fn mark(end: f64, begin: f64, width: f64) -> f64 {
    if end + 2.0 * BESIDE_MARK <= width || begin < 2.0 * BESIDE_MARK {
        (end + BESIDE_MARK).min(width - BESIDE_MARK)
    } else if end - begin < 2.0 * BESIDE_MARK {
        begin - BESIDE_MARK
    } else {
        // There is enough of it below its mark.
        width - BESIDE_MARK
    }
}

fn block(left: f64, right: f64, top: f64) -> Block {
    Block { left, right, foot: BASE + 1.0, top }
}

fn stripes(all: &mut Vec<Block>, from: f64, to: f64) {
    let step = (STRIPES.0 + STRIPES.1).max((to - from) / MAX_STRIPES);
    let mut at = from;
    while at < to {
        all.push(block(at, (at + step * STRIPES.0 / (STRIPES.0 + STRIPES.1)).min(to), 4.0));
        at += step;
    }
}

/// The stretch of a moment, and its begin.
#[must_use]
pub fn stretch_at(lane: &ConnectionLane, at_ms: u64) -> Option<(u64, LaneSegment)> {
    let mut begin_ms = lane.start_ms;
    for segment in &lane.segments {
        let end_ms = begin_ms + segment.length_ms;
        if (begin_ms..end_ms).contains(&at_ms) {
            return Some((begin_ms, *segment));
        }
        begin_ms = end_ms;
    }
    None
}

/// The rows of a list of `count` that are in the page, where so many pixels of it are scrolled out of a box of a height.
#[must_use]
pub fn in_view(scrolled: f64, height: f64, row: f64, count: usize) -> Range<usize> {
    /// Rows above and below, so that scrolling finds some that are there already.
    const MARGIN: usize = 6;
    /// Rows by which the window moves, so that not every pixel of scrolling changes the page.
    const STEP: usize = 4;
    let first = (scrolled.max(0.0) / row.max(1.0)) as usize;
    let visible = (height / row.max(1.0)) as usize + 2;
    let start = first.saturating_sub(MARGIN).min(count.saturating_sub(visible)) / STEP * STEP;
    start..(start + visible + 2 * MARGIN + STEP).min(count)
}

#[cfg(test)]
mod tests {
    use poolscope_wire::{LaneClose, LaneLeak};

    use super::*;

    fn segment(length_ms: u64, state: LaneState, active_ms: u64) -> LaneSegment {
        LaneSegment { length_ms, state, active_ms, requests: u64::from(active_ms > 0) }
    }

    fn lane(segments: Vec<LaneSegment>) -> ConnectionLane {
        ConnectionLane { start_ms: 1_000, seen_ms: 9_000, segments, ..ConnectionLane::default() }
    }

    #[test]
    fn use_stands_as_high_as_its_share_on_a_thin_line() {
        let lane = lane(vec![
            segment(2_000, LaneState::Idle, 0),
            segment(1_000, LaneState::Active, 500),
            segment(1_000, LaneState::Active, 1_000),
            segment(1_000, LaneState::Active, 1),
        ]);
        let shape = Shape::new(&lane, (0, 10_000), 100.0);
        assert_eq!(shape.open, "M10 18L60 18");
        // From the foot up: half of 15 pixels, all of them, and the least that is seen.
        assert_eq!(shape.active, "M30 19H40V10.5H30ZM40 19H50V3H40ZM50 19H60V15H50Z");
        assert_eq!((shape.draining.as_str(), shape.upgraded.as_str(), shape.closed), ("", "", None));
    }

    #[test]
    fn what_is_out_of_view_is_not_drawn_and_what_reaches_into_it_is_cut() {
        let mut lane =
            lane(vec![segment(4_000, LaneState::Active, 4_000), segment(4_000, LaneState::Idle, 0)]);
        lane.closed = Some(LaneClose { at_ms: 9_000, ..LaneClose::default() });
        let shape = Shape::new(&lane, (4_000, 8_000), 100.0);
        assert_eq!(shape.open, "M0 18L100 18");
        assert_eq!(shape.active, "M0 19H25V3H0Z");
        assert_eq!(shape.closed, None);
        assert_eq!(Shape::new(&lane, (4_000, 14_000), 100.0).closed, Some(56.0));
        assert_eq!(Shape::new(&lane, (20_000, 30_000), 100.0), Shape::default());
        assert_eq!(Shape::new(&lane, (0, 0), 0.0).active, "", "an axis without width");
    }

    #[test]
    fn a_short_connection_is_seen_wherever_it_was_and_its_mark_is_not_on_it() {
        let short = |length_ms| {
            let mut lane = lane(vec![segment(length_ms, LaneState::Active, length_ms.max(1))]);
            lane.closed = Some(LaneClose { at_ms: 1_000 + length_ms, ..LaneClose::default() });
            lane
        };
        let drawn = |lane: &ConnectionLane, to_ms| {
            let shape = Shape::new(lane, (0, to_ms), 100.0);
            (shape.open, shape.active, shape.closed)
        };
        let drawn_in_middle = ("M50 18L53 18".to_owned(), "M50 19H53V3H50Z".to_owned(), Some(59.0));
        assert_eq!(drawn(&short(1), 2_000), drawn_in_middle);
        let at_edge = ("M97 18L100 18".to_owned(), "M97 19H100V3H97Z".to_owned(), Some(91.0));
        for (length_ms, to_ms) in [(1, 1_001), (5, 1_010), (1, 1_020)] {
            assert_eq!(drawn(&short(length_ms), to_ms), at_edge, "{length_ms} of {to_ms}");
        }
        let no_time = drawn(&short(0), 1_000);
        assert_eq!((no_time.1.as_str(), no_time.2), ("M97 19H100V15H97Z", Some(91.0)));
        // One that ended before anything was told of it.
        let untold = ConnectionLane { segments: Vec::new(), ..short(0) };
        assert_eq!(drawn(&untold, 2_000).0, "M50 18L53 18");
        let long = Shape::new(&short(900), (0, 1_900), 100.0);
        assert_eq!(long.closed, Some(94.0));
    }

    #[test]
    fn states_differ_by_more_than_colour() {
        let lane =
            lane(vec![segment(1_000, LaneState::Draining, 1_000), segment(7_000, LaneState::Upgraded, 0)]);
        let shape = Shape::new(&lane, (0, 10_000), 1_000.0);
        assert_eq!(shape.draining, "M100 19H200V3H100Z");
        assert_eq!(shape.upgraded.matches('M').count(), 140, "stripes of 3 pixels every 5");
        let narrow = Shape::new(&lane, (0, 10_000), 100_000.0);
        assert!(narrow.upgraded.matches('M').count() <= 401, "their number has a bound");
    }

    #[test]
    fn a_leak_reaches_to_its_end_or_to_what_was_seen_last() {
        let mut lane = lane(vec![segment(8_000, LaneState::Active, 8_000)]);
        let leak = |since_ms, until_ms| LaneLeak { since_ms, until_ms, ..LaneLeak::default() };
        lane.leaks = vec![leak(2_000, Some(3_000)), leak(5_000, None), leak(20_000, None)];
        assert_eq!(Shape::new(&lane, (0, 10_000), 100.0).leaks, "M20 1.5L30 1.5M50 1.5L90 1.5");
    }

    #[test]
    fn hostile_lanes_draw_something_finite() {
        let mut odd =
            lane(vec![segment(u64::MAX / 4, LaneState::Upgraded, 7), segment(0, LaneState::Active, 9)]);
        odd.start_ms = u64::MAX / 4;
        assert!(Shape::new(&odd, (0, u64::MAX), 500.0).upgraded.len() < 40_000);
    }

    #[test]
    fn a_moment_has_at_most_one_stretch() {
        let lane = lane(vec![segment(2_000, LaneState::Idle, 0), segment(1_000, LaneState::Active, 1)]);
        assert_eq!(stretch_at(&lane, 999), None);
        assert_eq!(stretch_at(&lane, 2_999).map(|found| found.0), Some(1_000));
        assert_eq!(stretch_at(&lane, 3_000).map(|found| found.0), Some(3_000));
        assert_eq!(stretch_at(&lane, 4_000), None);
    }

    #[test]
    fn every_row_in_view_is_in_the_page() {
        for count in [0, 3, 100, 1_000] {
            for scrolled in (0..28_000).step_by(37) {
                let range = in_view(f64::from(scrolled), 480.0, 28.0, count);
                assert!(range.end <= count && range.len() <= 40, "{range:?}");
                let first = (f64::from(scrolled) / 28.0) as usize;
                for row in first..(first + 18).min(count) {
                    assert!(range.contains(&row), "{scrolled}: {row} is not in {range:?} of {count}");
                }
            }
        }
    }
}
