//! Asks the server for the lanes in view.

use leptos::prelude::*;

use super::{View, choices::MAX_ROWS, known::Question};
use crate::{
    api, browser,
    derived::{Derived, effect},
    route::Query,
    time::range::Span,
};

/// Rows until more are asked for.
const ROWS: usize = 100;
/// The most stretches of a row: no screen shows more of them.
const MAX_POINTS: u64 = 400;

/// Asks for what is in view whenever that moves on.
pub fn follow(id: String, view: View, all: RwSignal<bool>) {
    let wanted = Derived::new(move || {
        let Span { from_ms, to_ms } = view.span.get();
        let word = |key| view.navigation.word(key);
        let max_rows = if all.get() { MAX_ROWS } else { ROWS };
        Question { from_ms, to_ms, sort: word("lanes"), only: word("only"), max_rows }
    });
    // At most one question is on its way, and one that came meanwhile waits; each next one takes its place.
    let (waiting, is_asking) = (StoredValue::new(None), StoredValue::new(false));
    let next = move || waiting.try_update_value(Option::take).flatten();
    let ask = move || {
        let id = id.clone();
        browser::spawn(async move {
            while let Some(wanted) = next() {
                let after_ms = view.known.try_with_untracked(|known| known.after_ms(&wanted)).flatten();
                let answer = api::connections(&id, &query(&wanted, after_ms)).await;
                // The page may be gone by now.
                match answer {
                    Ok(lanes) => {
                        view.failure.try_set(None);
                        view.known.try_update(|known| known.take(wanted, after_ms, lanes));
                    }
                    Err(failure) => {
                        view.failure.try_set(Some(failure));
                    }
                }
            }
            is_asking.try_set_value(false);
        });
    };
    effect(move || {
        let wanted = wanted.get();
        if wanted.from_ms < wanted.to_ms {
            waiting.set_value(Some(wanted));
            if !is_asking.try_update_value(|is_asking| std::mem::replace(is_asking, true)).unwrap_or(true) {
                ask();
            }
        }
    });
}

fn query(wanted: &Question, after_ms: Option<u64>) -> String {
    let number = |value: u64| value.to_string();
    Query::default()
        .with("from_ms", &number(wanted.from_ms))
        .with("to_ms", &number(wanted.to_ms))
        .with("after_ms", &after_ms.map(number).unwrap_or_default())
        .with("max_rows", &wanted.max_rows.to_string())
        .with("max_points", &number(MAX_POINTS))
        .with("sort", &wanted.sort)
        .with("only", &wanted.only)
        .to_text()
}
