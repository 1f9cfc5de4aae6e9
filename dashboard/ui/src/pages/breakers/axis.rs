//! The axis of time that the strips of all breakers share: its ticks are told once for each column of cards.

use leptos::prelude::*;

use crate::{
    chart::{scale::Scale, ticks},
    derived::Derived,
    format,
    state::live::Live,
    time::{
        Time,
        range::{Range, Span},
        zone,
    },
};

/// The most columns of cards that have the ticks above them: as many as the widest screens have.
const MAX_COLUMNS: usize = 10;

/// The most ticks: a card is 420 pixels wide, and a time about 35.
const MAX_TICKS: usize = 6;

/// The time that all strips show. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct Axis {
    /// First and last moment in view.
    pub view: Derived<Span>,
    /// Round moments, each with its place from 0 to 1.
    pub ticks: Derived<Vec<(u64, f64)>>,
}

impl Axis {
    /// The axis of the time that is looked at.
    pub fn start(live: Live, time: Time) -> Self {
        // Whole seconds: strips need not move more often.
        let now = Derived::new(move || live.now_ms() / 1_000 * 1_000);
        let view = Derived::new(move || match time.range() {
            Range::Fixed(span) => span,
            Range::Live(window_ms) => Span::ending_at(now.get(), window_ms),
        });
        Self { view, ticks: Derived::new(move || placed(view.get(), zone::offset_min)) }
    }
}

fn placed(view: Span, offset_min: fn(u64) -> i32) -> Vec<(u64, f64)> {
    let scale = Scale::new((view.from_ms as f64, view.to_ms as f64), (0.0, 1.0));
    let times = ticks::times(view.from_ms, view.to_ms, MAX_TICKS, offset_min);
    times.into_iter().map(|at_ms| (at_ms, scale.map(at_ms as f64))).collect()
}

/// The ticks, above each column of cards. They stay in view while the cards are scrolled.
#[component]
pub fn AxisLine() -> impl IntoView {
    let axis = expect_context::<Axis>();
    let time = expect_context::<Time>();
    let live = expect_context::<Live>();
    // Which day is today may change while this is looked at; nothing else of it does.
    let words = Derived::new(move || time.range().words(live.now_ms() / 60_000 * 60_000));
    let ticks = move || {
        let tick = |(at_ms, place): (u64, f64)| {
            view! { <span style:left=format!("{:.1}%", place * 100.0)>{format::tick_time(at_ms)}</span> }
        };
        axis.ticks.get().into_iter().map(tick).collect_view()
    };
    view! {
        <p class="under">{move || words.get()} " on every strip, a line at each time below; hatched where nothing is known"</p>
        <div class="cards stripaxis" aria-hidden="true" data-testid="strip-axis">
            {(0..MAX_COLUMNS).map(|_| view! { <div class="ticks">{ticks}</div> }).collect_view()}
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_stand_where_their_moment_is() {
        let minute = 60_000;
        let view = Span { from_ms: minute / 2, to_ms: 11 * minute / 2 };
        let ticks = placed(view, |_| 0);
        assert_eq!(ticks.len(), 5);
        assert_eq!(ticks[0], (minute, 0.1));
        assert!(ticks.iter().all(|(at_ms, _)| at_ms.is_multiple_of(minute)));
    }
}
