//! The figures of a breaker, or of several together: the shares that it judges, and what it has counted.

use leptos::prelude::*;
use poolscope_wire::{Breaker, Share};

use crate::{components::bar::Bar, derived::Derived, format};

/// What a breaker has counted.
#[component]
pub fn Counted(
    /// The breaker, or several as one.
    breaker: Derived<Breaker>,
    /// True if its window is the fullest of a time, and not that of now.
    most: bool,
) -> impl IntoView {
    let figure = move |label: &'static str, read: fn(&Breaker) -> u64| {
        view! { <div><dd>{move || format::count(breaker.with(read))}</dd><dt>{label}</dt></div> }
    };
    view! {
        <dl class="figures" data-testid="breaker-figures">
            {figure(if most { "most calls in the window" } else { "calls in the window" }, |b| b.window_calls)}
            {figure("succeeded", |b| b.succeeded_total)}
            {figure("failed", |b| b.failed_total)}
            {figure("rejected", |b| b.rejected_total)}
        </dl>
    }
}

/// The shares of calls that the breaker judges, each against its limit.
#[component]
pub fn Ratios(
    /// The breaker, or several as one.
    breaker: Derived<Breaker>,
    /// True if they are the greatest of a time, and not those of now.
    most: bool,
) -> impl IntoView {
    let failed =
        Derived::new(move || breaker.with(|breaker| (breaker.failure_ratio, breaker.failure_ratio_limit)));
    let slow = Derived::new(move || breaker.with(|breaker| breaker.slow_calls));
    let unconnected = Derived::new(move || breaker.with(|breaker| breaker.failed_connects));
    let judged = |share: Derived<Option<Share>>, words: fn(Option<f64>) -> String| {
        let of = Derived::new(move || share.get().map_or((None, None), |of| (of.ratio, Some(of.limit))));
        view! { <Show when=move || share.get().is_some()><Ratio of words most /></Show> }
    };
    view! {
        <Ratio of=failed words=failed_calls most />
        {judged(slow, slow_calls)}
        {judged(unconnected, failed_connects)}
    }
}

/// One share against its limit.
#[component]
fn Ratio(
    /// Share and limit.
    of: Derived<(Option<f32>, Option<f32>)>,
    /// What the share means.
    words: fn(Option<f64>) -> String,
    /// True if it is the greatest of a time.
    most: bool,
) -> impl IntoView {
    let share = Derived::new(move || f64::from(of.get().0.unwrap_or(0.0)));
    let limit = Derived::new(move || of.get().1.map(f64::from));
    let class = Derived::new(move || match limit.get() {
        Some(limit) if share.get() >= limit => "c-bad",
        Some(limit) if share.get() >= limit / 2.0 => "c-warn",
        _ => "c-soft",
    });
    let text = move || {
        let ratio = of.get().0.map(f64::from);
        let at_worst = if most && ratio.is_some() { "at worst " } else { "" };
        let judged = format!("{at_worst}{}", words(ratio));
        match limit.get() {
            Some(limit) => format!("{judged}, opens at {}", format::percent(limit)),
            None => judged,
        }
    };
    view! { <div class="ratio" data-testid="breaker-ratio"><Bar share limit class /><span class="under">{text}</span></div> }
}

fn failed_calls(share: Option<f64>) -> String {
    share.map_or("too few calls to judge".to_owned(), |share| {
        format!("{} of calls failed", format::percent(share))
    })
}

fn slow_calls(share: Option<f64>) -> String {
    share.map_or("too few calls to judge how slow they are".to_owned(), |share| {
        format!("{} of calls were slow", format::percent(share))
    })
}

fn failed_connects(share: Option<f64>) -> String {
    share.map_or("too few calls to judge their connects".to_owned(), |share| {
        format!("{} of calls found no connection", format::percent(share))
    })
}
