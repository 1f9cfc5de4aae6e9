//! The brush: a time that is marked on the charts, by pointer or by keys. Pure geometry.

use super::range::Span;
use crate::chart::{scale::Scale, series::Frame};

/// A pointer that moved less than this has clicked and not drawn.
const LEAST_DRAG_PX: f64 = 4.0;

/// The moment at a place, kept within the plot.
#[must_use]
pub fn moment_at(x: f64, frame: Frame, span: Span) -> u64 {
    scale(frame, span).invert(x.clamp(frame.left, frame.right)) as u64
}

/// The time from the moment at which the pointer went down to where it is; `None` while it has hardly moved. The moment is
/// kept beside its place, because a live chart moves on meanwhile.
#[must_use]
pub fn dragged((down_x, down_ms): (f64, u64), x: f64, frame: Frame, span: Span) -> Option<Span> {
    ((x - down_x).abs() >= LEAST_DRAG_PX).then(|| Span::between(down_ms, moment_at(x, frame, span)))
}

/// Left edge and width of a marked time, cut to the plot; `None` if none of it is in view.
#[must_use]
pub fn place(marked: Span, frame: Frame, span: Span) -> Option<(f64, f64)> {
    if marked.to_ms < span.from_ms || marked.from_ms > span.to_ms {
        return None;
    }
    let scale = scale(frame, span);
    let at = |ms: u64| scale.map(ms.clamp(span.from_ms, span.to_ms) as f64);
    Some((at(marked.from_ms), at(marked.to_ms) - at(marked.from_ms)))
}

/// The marked time when keys move the cursor from one moment to another: its end that is where the cursor was goes along.
/// If neither is there, a mark begins anew.
#[must_use]
pub fn extended(marked: Option<Span>, cursor_ms: u64, to_ms: u64) -> Span {
    let anchor = match marked {
        Some(span) if cursor_ms == span.to_ms => span.from_ms,
        Some(span) if cursor_ms == span.from_ms => span.to_ms,
        _ => cursor_ms,
    };
    Span::between(anchor, to_ms)
}

fn scale(frame: Frame, span: Span) -> Scale {
    Scale::new((span.from_ms as f64, span.to_ms as f64), (frame.left, frame.right))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Frame = Frame { left: 50.0, right: 150.0, top: 0.0, bottom: 100.0 };
    const SPAN: Span = Span { from_ms: 1_000, to_ms: 11_000 };

    #[test]
    fn a_drag_marks_the_time_between_its_ends_whichever_way_it_goes() {
        let marked = Span { from_ms: 3_000, to_ms: 6_000 };
        assert_eq!(moment_at(70.0, FRAME, SPAN), 3_000);
        assert_eq!(dragged((70.0, 3_000), 100.0, FRAME, SPAN), Some(marked));
        assert_eq!(dragged((100.0, 6_000), 70.0, FRAME, SPAN), Some(marked));
        assert_eq!(dragged((70.0, 3_000), 72.0, FRAME, SPAN), None, "a click");
    }

    #[test]
    fn a_drag_ends_at_the_edge_of_the_plot() {
        assert_eq!(dragged((100.0, 6_000), 900.0, FRAME, SPAN), Some(Span { from_ms: 6_000, to_ms: 11_000 }));
        assert_eq!(dragged((100.0, 6_000), -5.0, FRAME, SPAN), Some(Span { from_ms: 1_000, to_ms: 6_000 }));
    }

    #[test]
    fn what_is_marked_is_cut_to_what_is_in_view() {
        assert_eq!(place(Span { from_ms: 3_000, to_ms: 6_000 }, FRAME, SPAN), Some((70.0, 30.0)));
        assert_eq!(place(Span { from_ms: 0, to_ms: 6_000 }, FRAME, SPAN), Some((50.0, 50.0)));
        assert_eq!(place(Span { from_ms: 20_000, to_ms: 21_000 }, FRAME, SPAN), None);
        assert_eq!(place(Span { from_ms: 0, to_ms: 999 }, FRAME, SPAN), None);
    }

    #[test]
    fn keys_move_one_end_and_may_pass_the_other() {
        let first = extended(None, 5_000, 6_000);
        assert_eq!(first, Span { from_ms: 5_000, to_ms: 6_000 });
        let longer = extended(Some(first), 6_000, 7_000);
        assert_eq!(longer, Span { from_ms: 5_000, to_ms: 7_000 });
        let back = extended(Some(longer), 7_000, 4_000);
        assert_eq!(back, Span { from_ms: 4_000, to_ms: 5_000 });
        let further = extended(Some(back), 4_000, 3_000);
        assert_eq!(further, Span { from_ms: 3_000, to_ms: 5_000 });
        let anew = extended(Some(further), 9_000, 10_000);
        assert_eq!(anew, Span { from_ms: 9_000, to_ms: 10_000 }, "the cursor went elsewhere meanwhile");
    }
}
