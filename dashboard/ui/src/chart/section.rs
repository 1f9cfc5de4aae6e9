//! Charts on one axis of time, with one cursor and one brush, whatever they are of.

use leptos::prelude::*;
use poolscope_wire::{FigureHistory, PoolDetail, Range as HistoryRange};
use web_sys::KeyboardEvent;

use super::{
    grain::Grain,
    panel::{ChartData, ChartPanel},
    point::{Point, within},
    save,
    series::Chart,
    untold::Untold,
};
use crate::{
    components::markbar::MarkBar,
    derived::Derived,
    format,
    state::live::Live,
    time::{
        Time, brush,
        compare::Compare,
        range::{Range, Span},
    },
};

/// An answer of the server with points of a time.
pub trait Answer {
    /// Usual distance of two reports.
    fn interval_ms(&self) -> u64;
    /// What part of the history it holds.
    fn range(&self) -> &HistoryRange;
    /// The moment of its newest point.
    fn newest_ms(&self) -> Option<u64>;
    /// Its points of a time, moved to be so much later.
    fn within(&self, span: Span, later_ms: u64) -> Vec<Point>;
}

impl Answer for PoolDetail {
    fn interval_ms(&self) -> u64 {
        self.interval_ms
    }

    fn range(&self) -> &HistoryRange {
        &self.range
    }

    fn newest_ms(&self) -> Option<u64> {
        self.points.last().map(|point| point.at_ms)
    }

    fn within(&self, span: Span, later_ms: u64) -> Vec<Point> {
        within(&self.points, |point| point.at_ms, span, later_ms)
    }
}

impl Answer for FigureHistory {
    fn interval_ms(&self) -> u64 {
        self.interval_ms
    }

    fn range(&self) -> &HistoryRange {
        &self.range
    }

    fn newest_ms(&self) -> Option<u64> {
        self.points.last().map(|point| point.at_ms)
    }

    fn within(&self, span: Span, later_ms: u64) -> Vec<Point> {
        within(&self.points, |point| point.at_ms, span, later_ms)
    }
}

/// A history that is kept up to date, and the one of an earlier time beside it.
pub trait History: Copy + Send + Sync + 'static {
    /// Reads the history, if it is here.
    fn now<T>(self, read: impl FnOnce(Option<&dyn Answer>) -> T) -> T;
    /// Reads the earlier one, if it is here.
    fn before<T>(self, read: impl FnOnce(Option<&dyn Answer>) -> T) -> T;
    /// Why the newest reading of each of the two failed.
    fn failures(self) -> [Option<String>; 2];
}

/// Why there is nothing to draw.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Nothing {
    /// What a chart says in its place.
    pub short: &'static str,
    /// The whole of it, above all charts.
    pub sentence: String,
}

/// What is to be said of charts that have no point in view.
fn nothing(failure: Option<String>, range: Option<&HistoryRange>, span: Span) -> Nothing {
    let (short, sentence) = match (failure, range.map(|range| range.oldest_ms)) {
        (Some(why), _) => ("could not be read", format!("This time could not be read: {why}")),
        (None, None) => ("reading \u{2026}", String::new()),
        (None, Some(None)) => ("no data yet", "Nothing has been kept of it yet.".to_owned()),
        (None, Some(Some(oldest_ms))) if oldest_ms >= span.to_ms => {
            let begin = format::exact_time(oldest_ms);
            ("before its history", format!("Its history begins {begin}, which is later than this time."))
        }
        (None, Some(Some(_))) => (
            "no data in this time",
            "The server holds nothing of it in this time: nothing was reported.".to_owned(),
        ),
    };
    Nothing { short, sentence }
}

/// What is to be said of the one point in view, if it is the first that there ever was.
fn first_report(range: &HistoryRange, at_ms: u64, is_live: bool) -> Option<Nothing> {
    let is_first = is_live && range.oldest_ms.is_none_or(|oldest_ms| oldest_ms >= at_ms);
    let sentence = "1 report so far, drawn as a dash. Rates and courses begin with the second.".to_owned();
    is_first.then_some(Nothing { short: "", sentence })
}

/// What the charts show of a history.
pub fn use_data(
    history: impl History,
    charts: &'static [Chart],
    name: Derived<String>,
    estimated: Derived<bool>,
    untold: Derived<Untold>,
) -> ChartData {
    let live = expect_context::<Live>();
    let time = expect_context::<Time>();
    let span = Derived::new(move || match time.range() {
        Range::Fixed(span) => span,
        Range::Live(window_ms) => {
            // The axis ends at the newest point, so that it moves with the data; if none comes any more it goes on with
            // the clock.
            let (newest, interval_ms) = history
                .now(|answer| answer.map_or((0, 0), |one| (one.newest_ms().unwrap_or(0), one.interval_ms())));
            let now = live.now_ms();
            let end = if newest + 4 * interval_ms.max(1_000) >= now && newest > 0 { newest } else { now };
            Span::ending_at(end, window_ms)
        }
    });
    let shift_ms = Derived::new(move || time.compare().map_or(0, Compare::shift_ms));
    let grain = |answer: Option<&dyn Answer>| {
        answer.map(|answer| Grain::new(answer.interval_ms(), answer.range())).unwrap_or_default()
    };
    let points = move |answer: Option<&dyn Answer>, later_ms: u64| {
        answer.map(|answer| answer.within(span.get(), later_ms)).unwrap_or_default()
    };
    let now_points = Derived::new(move || history.now(|answer| points(answer, 0)));
    let nothing = Derived::new(move || {
        let [failure, _] = history.failures();
        // What is drawn and could not be renewed says so too.
        let (drawn, first_ms) =
            now_points.with(|points| (points.len(), points.first().map_or(0, Point::at_ms)));
        history.now(|answer| match (&failure, drawn) {
            (None, 1) => answer.and_then(|one| first_report(one.range(), first_ms, time.range().is_live())),
            (None, 2..) => None,
            _ => Some(nothing(failure, answer.map(Answer::range), span.get())),
        })
    });
    ChartData {
        points: now_points,
        nothing,
        before: Derived::new(move || match shift_ms.get() {
            0 => Vec::new(),
            by => history.before(|answer| points(answer, by)),
        }),
        grain: Derived::new(move || history.now(grain)),
        before_grain: Derived::new(move || history.before(grain).later(shift_ms.get())),
        span,
        cursor: RwSignal::new(None),
        estimated,
        untold,
        name,
        charts,
        time,
    }
}

/// What is to be said of the earlier time: how it is drawn, or that it is not kept.
pub fn comparison(history: impl History) -> Derived<Option<String>> {
    let time = expect_context::<Time>();
    Derived::new(move || {
        let compare = time.compare()?;
        if let [_, Some(why)] = history.failures() {
            return Some(format!("What was {} could not be read: {why}", compare.words()));
        }
        let (wanted, is_empty) = history.before(|answer| {
            let range = answer.map(|answer| (answer.range().from_ms, answer.range().to_ms));
            (range, answer.is_some_and(|answer| answer.newest_ms().is_none()))
        });
        let oldest_ms = history.now(|answer| answer.and_then(|answer| answer.range().oldest_ms));
        Some(compared(compare, wanted?, is_empty, oldest_ms))
    })
}

fn compared(
    compare: Compare,
    (from_ms, to_ms): (u64, u64),
    is_empty: bool,
    oldest_ms: Option<u64>,
) -> String {
    let words = compare.words();
    match oldest_ms {
        Some(oldest_ms) if oldest_ms >= to_ms => {
            let begin = format::exact_time(oldest_ms);
            format!("There is nothing to compare with: history begins {begin}, which is later than {words}.")
        }
        Some(oldest_ms) if oldest_ms > from_ms => {
            let begin = format::exact_time(oldest_ms);
            format!("Dashed: {words}, from {begin} on; history does not reach further back.")
        }
        _ if is_empty => format!("Nothing was reported {words}."),
        _ => format!("Dashed: {words}."),
    }
}

/// The charts of the data, under a title.
#[component]
pub fn ChartSection(
    /// What they show.
    data: ChartData,
    /// What stands above them.
    title: String,
    /// True while another time is being read.
    is_reading: Derived<bool>,
    /// What is to be said of the earlier time.
    comparison: Derived<Option<String>>,
    /// Pool that links of a marked time lead to; empty for none.
    pool: String,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let time = data.time;
    let on_key = move |event: KeyboardEvent| {
        let by = match event.key().as_str() {
            "ArrowLeft" => -1,
            "ArrowRight" => 1,
            "Enter" if event.target() == event.current_target() => return time.zoom_to_mark(),
            _ => return,
        };
        event.prevent_default();
        let cursor = data.cursor.get_untracked();
        let next = data.points.with_untracked(|points| step(points, cursor, by));
        let Some((from_ms, to_ms)) = next else { return };
        data.cursor.set(Some(to_ms));
        if event.shift_key() {
            time.mark(Some(brush::extended(untrack(|| time.marked()), from_ms, to_ms)));
        }
    };
    let about = move || match data.cursor.get() {
        Some(at) => format!("at {} ({})", format::exact_time(at), format::ago(live.now_ms(), at)),
        None if time.range().is_live() => {
            "newest figures; point at a chart for others, draw to mark a time".to_owned()
        }
        None => "last figures of this time; point at a chart for others, draw to mark a time".to_owned(),
    };
    view! {
        <section class="chartsection" data-testid="chart-section">
            <div class="sectionhead">
                <h2>{title}</h2>
                <span class="soft" aria-live="off">{about}</span>
                {move || is_reading.get().then(|| view! { <span class="soft" role="status">"reading \u{2026}"</span> })}
                <span class="grow"></span>
                {save::page_menu(data)}
            </div>
            {move || data.nothing.get().filter(|nothing| !nothing.sentence.is_empty()).map(|nothing| view! {
                <p class="soft" role="status" data-testid="charts-nothing">{nothing.sentence}</p>
            })}
            {move || comparison.get().map(|text| view! { <p class="soft" role="status" data-testid="comparison">{text}</p> })}
            <div class="charts" tabindex="0" role="group" data-testid="charts" on:keydown=on_key on:focusout=move |_| data.cursor.set(None)
                aria-label="Charts; arrow keys move the cursor, with shift they mark a time, enter looks at it">
                {data.charts.iter().map(|chart| view! { <ChartPanel chart data /> }).collect_view()}
            </div>
            <MarkBar pool />
        </section>
    }
}

/// The moment where the cursor is, and the one where a step takes it; it begins at the newest.
fn step(points: &[Point], cursor: Option<u64>, by: isize) -> Option<(u64, u64)> {
    let last = points.len().checked_sub(1)?;
    let index = cursor.map_or(last, |at| points.partition_point(|point| point.at_ms() < at).min(last));
    let next = index.saturating_add_signed(by).min(last);
    Some((points[index].at_ms(), points[next].at_ms()))
}

#[cfg(test)]
mod tests {
    use poolscope_wire::FigurePoint;

    use super::*;

    #[test]
    fn the_cursor_steps_from_point_to_point() {
        let points = [10, 20, 30].map(|at_ms| Point::from(&FigurePoint { at_ms, ..FigurePoint::default() }));
        assert_eq!(step(&points, None, -1), Some((30, 20)));
        assert_eq!(step(&points, Some(20), 1), Some((20, 30)));
        assert_eq!(step(&points, Some(30), 1), Some((30, 30)));
        assert_eq!(step(&points, Some(99), -1), Some((30, 20)));
        assert_eq!(step(&[], None, 1), None);
    }

    #[test]
    fn a_refusal_and_an_empty_time_are_told_apart() {
        let span = Span { from_ms: 1_000, to_ms: 2_000 };
        let of = |oldest_ms| HistoryRange { oldest_ms, ..HistoryRange::default() };
        let short = |failure: Option<&str>, range: Option<&HistoryRange>| {
            nothing(failure.map(str::to_owned), range, span).short
        };
        assert_eq!(short(Some("busy"), Some(&of(Some(5)))), "could not be read");
        assert!(nothing(Some("busy".to_owned()), None, span).sentence.ends_with("could not be read: busy"));
        assert_eq!(short(None, None), "reading \u{2026}");
        assert_eq!(short(None, Some(&of(Some(5)))), "no data in this time");
        assert_eq!(short(None, Some(&of(Some(2_000)))), "before its history");
        assert_eq!(short(None, Some(&of(None))), "no data yet");
    }

    #[test]
    fn the_first_report_is_told_as_such() {
        let of = |oldest_ms| HistoryRange { oldest_ms, ..HistoryRange::default() };
        let said = |oldest_ms, is_live| first_report(&of(oldest_ms), 50, is_live).is_some();
        assert!(said(Some(50), true) && said(None, true));
        assert!(!said(Some(40), true), "there are older ones that are not in view");
        assert!(!said(Some(50), false), "of a time that has passed it may be the only one");
    }

    #[test]
    fn a_comparison_says_how_far_history_reaches() {
        let said = |is_empty, oldest_ms| compared(Compare::Hour, (1_000, 2_000), is_empty, oldest_ms);
        assert!(said(true, Some(2_000)).starts_with("There is nothing to compare with"));
        assert!(said(false, Some(1_500)).contains("history does not reach further back"));
        assert_eq!(said(true, Some(10)), "Nothing was reported an hour before.");
        assert_eq!(said(false, Some(10)), "Dashed: an hour before.");
    }
}
