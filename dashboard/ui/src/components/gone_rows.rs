//! Rows of what is gone: a link to its page, or its charts of the time that is looked at behind it.

use std::sync::Arc;

use leptos::prelude::*;

use super::{each::each, gone::SHOWN};
use crate::{derived::Derived, format, navigation::Navigation};

/// What a row says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is and whose, in one line.
    pub place: String,
    /// When it was heard last; 0 where that is not known.
    pub last_seen_ms: u64,
}

impl Row {
    /// When it was heard last, in words.
    fn heard(&self) -> String {
        match self.last_seen_ms {
            0 => String::new(),
            at_ms => format!("last heard {}", format::exact_time(at_ms)),
        }
    }
}

/// Rows that lead to another page, each with its address.
pub fn gone_links(rows: Vec<(Row, String)>, testid: &'static str) -> AnyView {
    let row = |(row, href): (Row, String)| {
        let heard = row.heard();
        view! {
            <li data-testid=testid>
                <a href=href data-stop dir="auto">{row.name}</a>
                " " <span class="soft" dir="auto">{row.place}</span>
                " " <span class="soft">{heard}</span>
            </li>
        }
    };
    view! { <ul>{rows.into_iter().map(row).collect_view()}</ul> }.into_any()
}

/// The rows; the address says of which the charts are shown.
pub fn gone_rows(
    rows: Derived<Vec<Row>>,
    charts: impl Fn(&str) -> Option<AnyView> + Send + Sync + 'static,
) -> AnyView {
    let navigation = expect_context::<Navigation>();
    let charts = Arc::new(charts);
    let ids = move || rows.with(|rows| rows.iter().take(SHOWN).map(|row| row.id.clone()).collect());
    let row = move |id: String| {
        let of = id.clone();
        let row = Derived::after(move |before: Option<&Row>| {
            let found = rows.with(|rows| rows.iter().find(|row| row.id == of).cloned());
            found.or_else(|| before.cloned()).unwrap_or_default()
        });
        let text = move |read: fn(&Row) -> String| move || row.with(read);
        let is_shown = Derived::new(move || row.with(|row| navigation.query("show") == row.id));
        let toggle = move |_| {
            let id = row.with_untracked(|row| row.id.clone());
            navigation.set_query("show", if is_shown.get_untracked() { "none" } else { &id });
        };
        let charts = charts.clone();
        view! {
            <li data-testid="gone-row">
                <b dir="auto">{text(|row| row.name.clone())}</b>
                " " <span class="soft" dir="auto">{text(|row| row.place.clone())}</span>
                " " <span class="soft">{text(Row::heard)}</span>
                " " <button type="button" class="quiet" data-stop data-testid="gone-over-time" on:click=toggle
                    aria-expanded=move || if is_shown.get() { "true" } else { "false" }>
                    {move || if is_shown.get() { "hide charts" } else { "over time" }}
                    <span class="sr">{text(|row| format!(": {}", row.name))}</span>
                </button>
                {move || is_shown.get().then(|| charts(&id))}
            </li>
        }
        .into_any()
    };
    view! { <ul>{each(ids, row)}</ul> }.into_any()
}
