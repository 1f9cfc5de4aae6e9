//! A small table of how figures are spread: median and 95th percentile.

use leptos::prelude::*;
use poolscope_wire::Spread;

use super::bar::Bar;
use crate::derived::Derived;

/// One row of [`Spreads`].
#[derive(Debug, Clone, PartialEq)]
pub struct SpreadRow {
    /// What is spread.
    pub label: String,
    /// What that is, in a sentence.
    pub about: &'static str,
    /// The median.
    pub p50: String,
    /// The 95th percentile.
    pub p95: String,
    /// Both as shares of the greatest 95th percentile beside it, where they can be compared.
    pub shares: Option<(f64, f64)>,
}

impl SpreadRow {
    /// A row, with its figures as text.
    pub fn new(label: String, about: &'static str, spread: Spread, text: fn(f64) -> String) -> Self {
        let text = |value: f32| text(f64::from(value));
        Self { label, about, p50: text(spread.p50), p95: text(spread.p95), shares: None }
    }

    /// The row with bars, which are as long as `greatest` at most.
    #[must_use]
    pub fn beside(mut self, spread: Spread, greatest: f32) -> Self {
        let share = |value: f32| if greatest > 0.0 { f64::from(value / greatest) } else { 0.0 };
        self.shares = Some((share(spread.p50), share(spread.p95)));
        self
    }
}

/// Medians and 95th percentiles; nothing if there are none.
#[component]
pub fn Spreads(
    /// Of what.
    title: &'static str,
    /// Its `data-testid`.
    testid: &'static str,
    /// The rows.
    rows: Derived<Vec<SpreadRow>>,
) -> impl IntoView {
    let row = |row: SpreadRow| {
        let bar = row.shares.map(|(p50, p95)| {
            view! { <td class="wide"><Bar share=p50 limit=Some(p95) class="c-p50" /></td> }
        });
        let columns = if bar.is_some() { "1" } else { "2" };
        view! {
            <tr title=row.about>
                <th scope="row" colspan=columns>{row.label}</th>
                {bar}
                <td class="number">{row.p50}</td>
                <td class="number">{row.p95}</td>
            </tr>
        }
    };
    view! {
        <section class="counts" data-testid=testid hidden=move || rows.with(Vec::is_empty)>
            <h3>{title}</h3>
            <table>
                <thead class="soft">
                    <tr>
                        <td colspan="2"></td>
                        <th scope="col" class="number">"p50"</th>
                        <th scope="col" class="number">"p95"</th>
                    </tr>
                </thead>
                <tbody>{move || rows.get().into_iter().map(row).collect_view()}</tbody>
            </table>
        </section>
    }
}
