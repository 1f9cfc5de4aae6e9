//! The charts of a pool, on one axis of time, with one cursor and one brush.

use leptos::prelude::*;
use poolscope_wire::{PoolDetail, PoolPoint};
use web_sys::KeyboardEvent;

use super::{
    detail::{History, Loaded},
    lanes::Lanes,
};
use crate::{
    chart::{
        grain::Grain,
        panel::{ChartData, ChartPanel},
        save,
        series::CHARTS,
    },
    components::markbar::MarkBar,
    derived::Derived,
    format,
    state::live::Live,
    time::{
        Time, brush,
        compare::Compare,
        range::{Range, Span},
    },
    words,
};

/// The charts.
#[component]
pub fn Charts(
    /// Id of the pool.
    id: String,
    /// The history of the pool.
    history: History,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let time = expect_context::<Time>();
    let data = use_data(live, time, history);
    let lanes_span = Derived::new(move || {
        let Span { from_ms, to_ms } = data.span.get();
        (from_ms, to_ms)
    });
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
        <section class="chartsection">
            <div class="sectionhead">
                <h2>"Over time"</h2>
                <span class="soft" aria-live="off">{about}</span>
                {move || history.is_reading.get().then(|| view! { <span class="soft" role="status">"reading \u{2026}"</span> })}
                <span class="grow"></span>
                {save::page_menu(data)}
            </div>
            {move || comparison(time, history).map(|text| view! { <p class="soft comparison" role="status" data-testid="comparison">{text}</p> })}
            <div class="charts" tabindex="0" role="group" data-testid="charts" on:keydown=on_key on:focusout=move |_| data.cursor.set(None)
                aria-label="Charts; arrow keys move the cursor, with shift they mark a time, enter looks at it">
                {CHARTS.iter().map(|chart| view! { <ChartPanel chart data /> }).collect_view()}
            </div>
            <MarkBar pool=id.clone() />
        </section>
        <Lanes id span=lanes_span cursor=data.cursor />
    }
}

/// What the charts show.
fn use_data(live: Live, time: Time, history: History) -> ChartData {
    let interval_ms =
        move |loaded: &Loaded| loaded.detail().map_or(1_000, |detail| detail.interval_ms.max(1_000));
    let span = Derived::new(move || match time.range() {
        Range::Fixed(span) => span,
        Range::Live(window_ms) => {
            // The axis ends at the newest point, so that it moves with the data; if none comes any more it goes on with
            // the clock.
            let (newest, patience) = history.now.with(|loaded| {
                let newest = loaded.detail().and_then(|detail| detail.points.last());
                (newest.map_or(0, |point| point.at_ms), 4 * interval_ms(loaded))
            });
            let now = live.now_ms();
            let end = if newest + patience >= now && newest > 0 { newest } else { now };
            Span::ending_at(end, window_ms)
        }
    });
    let points = Derived::new(move || history.now.with(|loaded| within(loaded, span.get(), 0)));
    let shift_ms = Derived::new(move || time.compare().map_or(0, Compare::shift_ms));
    ChartData {
        points,
        before: Derived::new(move || match shift_ms.get() {
            0 => Vec::new(),
            by => history.before.with(|loaded| within(loaded, span.get(), by)),
        }),
        grain: Derived::new(move || history.now.with(grain)),
        before_grain: Derived::new(move || history.before.with(grain).later(shift_ms.get())),
        span,
        cursor: RwSignal::new(None),
        estimated: Derived::new(move || {
            history.now.with(|loaded| loaded.detail().is_some_and(|detail| detail.summary.is_estimated()))
        }),
        name: Derived::new(move || {
            history.now.with(|loaded| {
                loaded.detail().map(|detail| words::pool_name(&detail.summary)).unwrap_or_default()
            })
        }),
        time,
    }
}

fn grain(loaded: &Loaded) -> Grain {
    loaded.detail().map(|detail| Grain::new(detail.interval_ms, &detail.range)).unwrap_or_default()
}

/// The points of a time, moved to be so much later.
fn within(loaded: &Loaded, span: Span, later_ms: u64) -> Vec<PoolPoint> {
    let points = loaded.detail().map(|detail| detail.points.as_slice()).unwrap_or_default();
    let first = points.partition_point(|point| point.at_ms + later_ms < span.from_ms);
    let last = points.partition_point(|point| point.at_ms + later_ms <= span.to_ms);
    points[first..last.max(first)]
        .iter()
        .map(|point| PoolPoint { at_ms: point.at_ms + later_ms, ..*point })
        .collect()
}

/// The moment where the cursor is, and the one where a step takes it; it begins at the newest.
fn step(points: &[PoolPoint], cursor: Option<u64>, by: isize) -> Option<(u64, u64)> {
    let last = points.len().checked_sub(1)?;
    let index = cursor.map_or(last, |at| points.partition_point(|point| point.at_ms < at).min(last));
    let next = index.saturating_add_signed(by).min(last);
    Some((points[index].at_ms, points[next].at_ms))
}

/// What is to be said of the earlier time: how it is drawn, or that it is not kept.
fn comparison(time: Time, history: History) -> Option<String> {
    let compare = time.compare()?;
    let oldest = |detail: &PoolDetail| detail.range.oldest_ms;
    let wanted = history.before.with(|loaded| match loaded {
        Loaded::Ready(detail) => Some((detail.range.from_ms, detail.range.to_ms, detail.points.is_empty())),
        Loaded::Loading | Loaded::Failed(_) => None,
    });
    let (from_ms, to_ms, is_empty) = wanted?;
    let oldest_ms = history.now.with(|loaded| loaded.detail().and_then(oldest));
    let words = compare.words();
    Some(match oldest_ms {
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
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(at_ms: u64) -> PoolPoint {
        PoolPoint { at_ms, ..PoolPoint::default() }
    }

    #[test]
    fn the_cursor_steps_from_point_to_point() {
        let points = [at(10), at(20), at(30)];
        assert_eq!(step(&points, None, -1), Some((30, 20)));
        assert_eq!(step(&points, Some(20), 1), Some((20, 30)));
        assert_eq!(step(&points, Some(30), 1), Some((30, 30)));
        assert_eq!(step(&points, Some(99), -1), Some((30, 20)));
        assert_eq!(step(&[], None, 1), None);
    }

    #[test]
    fn points_are_cut_to_the_time_and_moved() {
        let points = vec![at(10), at(20), at(30), at(40)];
        let loaded = Loaded::Ready(Box::new(PoolDetail { points, ..PoolDetail::default() }));
        let moments = |span, later| within(&loaded, span, later).iter().map(|p| p.at_ms).collect::<Vec<_>>();
        assert_eq!(moments(Span { from_ms: 15, to_ms: 30 }, 0), [20, 30]);
        assert_eq!(moments(Span { from_ms: 115, to_ms: 130 }, 100), [120, 130]);
        assert!(moments(Span { from_ms: 50, to_ms: 60 }, 0).is_empty());
        assert!(within(&Loaded::Loading, Span::default(), 0).is_empty());
    }
}
