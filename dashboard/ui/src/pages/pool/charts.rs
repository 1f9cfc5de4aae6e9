//! The charts of a pool, on one axis of time and with one cursor.

use leptos::prelude::*;
use web_sys::KeyboardEvent;

use super::{detail::Loaded, lanes::Lanes};
use crate::{
    chart::{
        panel::{ChartData, ChartPanel},
        series::CHARTS,
    },
    derived::Derived,
    format,
    navigation::Navigation,
    state::live::Live,
};

/// Windows of time: value in the URL, words, milliseconds.
const WINDOWS: [(&str, &str, u64); 4] = [
    ("2m", "2 min", 120_000),
    ("5m", "5 min", 300_000),
    ("15m", "15 min", 900_000),
    ("1h", "1 h", 3_600_000),
];

/// The window that an address without one has.
const DEFAULT_WINDOW: &str = "5m";

/// The charts.
#[component]
pub fn Charts(
    /// Id of the pool.
    id: String,
    /// The history of the pool.
    detail: RwSignal<Loaded>,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let window = Derived::new(move || {
        let key = navigation.query("window");
        WINDOWS.iter().find(|(name, ..)| *name == key).copied().unwrap_or(WINDOWS[1])
    });
    let interval_ms =
        Derived::new(move || detail.with(|l| l.detail().map_or(1_000, |d| d.interval_ms.max(1_000))));
    // The axis ends at the newest point, so that it moves with the data; if none comes any more it goes on with the clock.
    let span = Derived::new(move || {
        let newest = detail.with(|l| l.detail().and_then(|d| d.points.last()).map_or(0, |point| point.at_ms));
        let patience = 4 * interval_ms.get();
        let now = live.now_ms();
        let end = if newest + patience >= now && newest > 0 { newest } else { now };
        (end.saturating_sub(window.get().2), end)
    });
    let points = Derived::new(move || {
        let (from, _) = span.get();
        detail.with(|loaded| {
            let points = loaded.detail().map(|detail| detail.points.as_slice()).unwrap_or_default();
            points[points.partition_point(|point| point.at_ms < from)..].to_vec()
        })
    });
    let cursor = RwSignal::new(None);
    let data = ChartData {
        points,
        span,
        gap_ms: Derived::new(move || interval_ms.get() * 5 / 2),
        cursor,
        estimated: Derived::new(move || {
            detail.with(|l| l.detail().is_some_and(|d| d.summary.is_estimated()))
        }),
    };
    let on_key = move |event: KeyboardEvent| {
        let by = match event.key().as_str() {
            "ArrowLeft" => -1,
            "ArrowRight" => 1,
            _ => return,
        };
        event.prevent_default();
        points.with_untracked(|points| {
            let last = points.len().saturating_sub(1);
            let index = match cursor.get_untracked() {
                Some(at) => points.partition_point(|point| point.at_ms < at),
                None => last,
            };
            cursor.set(points.get(index.saturating_add_signed(by).min(last)).map(|point| point.at_ms));
        });
    };
    view! {
        <section class="chartsection">
            <div class="sectionhead">
                <h2>"Over time"</h2>
                <span class="soft" aria-live="off">
                    {move || match cursor.get() {
                        Some(at) => format!("at {} ({})", format::exact_time(at), format::ago(live.now_ms(), at)),
                        None => "newest figures; point at a chart for others".to_owned(),
                    }}
                </span>
                <span class="grow"></span>
                <WindowChoice window />
            </div>
            <div class="charts" tabindex="0" role="group" on:keydown=on_key on:focusout=move |_| cursor.set(None)
                aria-label="Charts; arrow keys move the cursor">
                {CHARTS.iter().map(|chart| view! { <ChartPanel chart data /> }).collect_view()}
            </div>
        </section>
        <Lanes id span cursor />
    }
}

#[component]
fn WindowChoice(window: Derived<(&'static str, &'static str, u64)>) -> impl IntoView {
    let navigation = expect_context::<Navigation>();
    view! {
        <div class="choice" role="group" aria-label="Window of time">
            {WINDOWS
                .iter()
                .map(|(key, name, _)| {
                    view! {
                        <button type="button" aria-pressed=move || if window.get().0 == *key { "true" } else { "false" }
                            on:click=move |_| navigation.set_query("window", if *key == DEFAULT_WINDOW { "" } else { key })
                        >{*name}</button>
                    }
                })
                .collect_view()}
        </div>
    }
}
