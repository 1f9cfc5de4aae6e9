//! Hairlines and labels of the axes of a chart.

use leptos::prelude::*;

use super::{
    scale::Scale,
    series::{Drawing, Frame},
    ticks,
};
use crate::{
    derived::Derived,
    format,
    time::{range::Span, zone},
};

/// Labels of values end so far before the plot.
const BEFORE_PX: f64 = 8.0;

/// A time is about so wide, without seconds and with them, and wants as much air.
const TIME_PX: [f64; 2] = [35.0, 56.0];

/// How long a time is that has no seconds.
const SHORT: usize = "00:00".len();

/// Times closer than this to an edge are not centred, so that they stay in the picture.
const EDGE_PX: f64 = TIME_PX[1] / 2.0;

/// Where a moment is drawn.
pub fn time_scale(span: Span, frame: Frame) -> Scale {
    Scale::new((span.from_ms as f64, span.to_ms as f64), (frame.left, frame.right))
}

/// The labels of a time axis.
#[derive(Debug, Clone, PartialEq, Default)]
struct Times {
    /// The moment of the first.
    first_ms: u64,
    labels: Vec<TimeLabel>,
}

#[derive(Debug, Clone, PartialEq)]
struct TimeLabel {
    /// Pixels from the first.
    x: String,
    anchor: &'static str,
    text: String,
}

impl Times {
    fn new(span: Span, frame: Frame) -> Self {
        let x = time_scale(span, frame);
        // From the first on, so that it is the same when all of them have moved.
        let apart = Scale::new((0.0, span.width_ms() as f64), (0.0, frame.right - frame.left));
        let fit = |time_px: f64| {
            let most = ((frame.right - frame.left) / (2.0 * time_px)).max(2.0) as usize;
            ticks::times(span.from_ms, span.to_ms, most, zone::offset_min)
        };
        let [short, long] = TIME_PX;
        let times = fit(short);
        let is_long = times.iter().any(|at| format::tick_time(*at).len() > SHORT);
        let times = if is_long { fit(long) } else { times };
        let first_ms = times.first().copied().unwrap_or_default();
        let label = |at: u64| {
            let place = x.map(at as f64);
            let anchor = if place < frame.left + EDGE_PX {
                "start"
            } else if place > frame.right - EDGE_PX {
                "end"
            } else {
                "middle"
            };
            let x = format!("{:.1}", apart.map((at - first_ms) as f64));
            TimeLabel { x, anchor, text: format::tick_time(at) }
        };
        Self { first_ms, labels: times.into_iter().map(label).collect() }
    }
}

/// The axis of time. While time goes on its labels stay what they are and move together, which costs one attribute and not
/// some for each of them.
#[component]
pub fn TimeAxis(
    /// First and last moment in view.
    span: Derived<Span>,
    /// Where the chart draws.
    frame: Derived<Frame>,
    /// Where the hairlines begin and end.
    line: fn(Frame) -> [f64; 2],
    /// Where the texts stand.
    text: fn(Frame) -> f64,
) -> impl IntoView {
    let times = Derived::new(move || Times::new(span.get(), frame.get()));
    let place = move || {
        let first = times.with(|times| times.first_ms);
        format!("translate({:.1} 0)", time_scale(span.get(), frame.get()).map(first as f64))
    };
    let heights = Derived::new(move || {
        let [begin, end] = line(frame.get());
        [begin, end, text(frame.get())].map(|y| y.to_string())
    });
    let labels = Derived::new(move || times.with(|times| times.labels.clone()));
    let draw = move || {
        let [begin, end, foot] = heights.get();
        let label = |label: TimeLabel| {
            let (begin, end, foot) = (begin.clone(), end.clone(), foot.clone());
            view! {
                <line class="grid" x1=label.x.clone() x2=label.x.clone() y1=begin y2=end />
                <text class="tick" x=label.x y=foot text-anchor=label.anchor>{label.text}</text>
            }
        };
        labels.get().into_iter().map(label).collect_view()
    };
    view! { <g transform=place>{draw}</g> }
}

/// The axis of values; nothing for a chart that has none to label.
#[component]
pub(super) fn ValueAxis(
    drawing: Derived<Drawing>,
    frame: Derived<Frame>,
    is_told: Derived<bool>,
) -> impl IntoView {
    let marks =
        Derived::new(
            move || {
                if is_told.get() { drawing.with(|drawing| drawing.ticks.clone()) } else { Vec::new() }
            },
        );
    let draw = move || {
        let frame = frame.get();
        let mark = |mark: super::series::Mark| {
            let y = format!("{:.1}", mark.y);
            view! {
                <line class="grid" x1=frame.left.to_string() x2=frame.right.to_string() y1=y.clone() y2=y />
                <text class="tick" x=(frame.left - BEFORE_PX).to_string() y=format!("{:.1}", mark.y + 4.0) text-anchor="end">{mark.text}</text>
            }
        };
        marks.get().into_iter().map(mark).collect_view()
    };
    view! { <g>{draw}</g> }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stay_what_they_are_while_time_goes_on() {
        let frame = Frame { left: 50.0, right: 650.0, top: 0.0, bottom: 100.0 };
        let at = |from_ms| Times::new(Span { from_ms, to_ms: from_ms + 600_000 }, frame);
        let (one, next) = (at(30_000), at(31_000));
        assert!(one.labels.len() > 3, "{one:?}");
        assert_eq!(one, next, "all of them have moved by the same");
        let anchors = |times: &Times| times.labels.iter().map(|label| label.anchor).collect::<Vec<_>>();
        let edge = at(110_000);
        assert_eq!((anchors(&one)[0], anchors(&edge)[0]), ("middle", "start"));
        assert_ne!(at(130_000).first_ms, one.first_ms);
    }

    #[test]
    fn labels_leave_each_other_room_with_seconds_too() {
        for width in [300.0, 640.0, 1_024.0, 1_700.0, 3_000.0] {
            for seconds in [60, 120, 300, 900, 3_600, 86_400] {
                let frame = Frame { left: 0.0, right: width, top: 0.0, bottom: 100.0 };
                let begin_ms = 1_700_000_003_000;
                let times = Times::new(Span { from_ms: begin_ms, to_ms: begin_ms + seconds * 1_000 }, frame);
                let begin = time_scale(Span { from_ms: begin_ms, to_ms: begin_ms + seconds * 1_000 }, frame);
                let ends = times.labels.iter().map(|label| {
                    let at = begin.map(times.first_ms as f64) + label.x.parse::<f64>().unwrap();
                    let wide = TIME_PX[usize::from(label.text.len() > SHORT)];
                    let left = at
                        - wide
                            * match label.anchor {
                                "start" => 0.0,
                                "end" => 1.0,
                                _ => 0.5,
                            };
                    (left, left + wide)
                });
                let ends: Vec<_> = ends.collect();
                assert!(
                    ends.windows(2).all(|pair| pair[0].1 + 4.0 < pair[1].0),
                    "{width} {seconds}: {ends:?}"
                );
            }
        }
    }
}
