//! A small table of counts with bars.

use leptos::prelude::*;
use poolscope_wire::CountByReason;

use super::bar::Bar;
use crate::derived::Derived;
use crate::format;

/// One row of [`Counts`].
#[derive(Debug, Clone, PartialEq)]
pub struct CountRow {
    /// What was counted.
    pub label: String,
    /// How often.
    pub count: u64,
    /// Its share of the greatest count.
    pub of_greatest: f64,
    /// Its share of all.
    pub of_all: f64,
    /// True if it was concluded and not seen.
    pub inferred: bool,
    /// True if it is a failure.
    pub failed: bool,
}

/// Makes rows of counts, in their order.
#[must_use]
pub fn rows(counts: &[CountByReason], label: fn(&str) -> String, failed: fn(&str) -> bool) -> Vec<CountRow> {
    let all: u64 = counts.iter().map(|count| count.count).sum();
    let greatest = counts.iter().map(|count| count.count).max().unwrap_or(0);
    let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    counts
        .iter()
        .map(|count| CountRow {
            label: label(&count.reason),
            count: count.count,
            of_greatest: share(count.count, greatest),
            of_all: share(count.count, all),
            inferred: count.inferred,
            failed: failed(&count.reason),
        })
        .collect()
}

/// Counts with their shares.
#[component]
pub fn Counts(
    /// What is counted.
    title: &'static str,
    /// What is said if there is none.
    #[prop(into)]
    none: Signal<&'static str>,
    /// Its `data-testid`.
    testid: &'static str,
    /// The rows.
    #[prop(into)]
    rows: Derived<Vec<CountRow>>,
) -> impl IntoView {
    let row = |row: CountRow| {
        let tilde = row.inferred.then_some("~");
        let title = if row.inferred { "Concluded from what was seen, not seen itself" } else { "" };
        let class = if row.failed { "c-bad" } else { "c-soft" };
        view! {
            <tr title=title>
                <th scope="row">{row.label}</th>
                <td class="wide"><Bar share=row.of_greatest class=class /></td>
                <td class="number">{tilde}{format::count(row.count)}</td>
                <td class="number soft">{format::percent(row.of_all)}</td>
            </tr>
        }
    };
    view! {
        <section class="counts" data-testid=testid>
            <h3>{title}</h3>
            {move || {
                let rows = rows.get();
                if rows.is_empty() {
                    view! { <p class="soft">{none}</p> }.into_any()
                } else {
                    view! { <table><tbody>{rows.into_iter().map(row).collect_view()}</tbody></table> }.into_any()
                }
            }}
        </section>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_all_and_of_the_greatest() {
        let count = |count| CountByReason { reason: "x".to_owned(), count, inferred: false };
        let rows = rows(&[count(3), count(1)], str::to_owned, |_| false);
        assert_eq!((rows[1].of_greatest, rows[1].of_all), (1.0 / 3.0, 0.25));
        let none = super::rows(&[count(0)], str::to_owned, |_| false);
        assert_eq!(none[0].of_all, 0.0, "nothing of nothing is no division by zero");
    }
}
