//! The kinds of events: those of the contract, and those that others send.

use http::StatusCode;
use poolscope_semconv::{PREFIX, event};

use super::ApiFailure;
use super::query::told;
use crate::words::nearest;

/// Those of the contract that are kept: what a pool is like now is in its lanes.
fn ours() -> impl Iterator<Item = &'static str> {
    event::ALL.iter().copied().filter(|kind| *kind != event::POOL_SNAPSHOT)
}

/// True for a kind that there may be at any time.
pub(super) fn is_ours(kind: &str) -> bool {
    ours().any(|known| known == kind)
}

/// The answer to a kind that is neither of the contract nor of any event that is here.
pub(super) fn unknown(kind: &str) -> ApiFailure {
    let shown = told(kind);
    // Who types a name leaves its prefix out.
    let last = shown.strip_prefix(PREFIX).unwrap_or(&shown);
    let meant = nearest(last, ours().filter_map(|kind| kind.strip_prefix(PREFIX)));
    let meant = meant.map(|meant| format!(" (did you mean `{PREFIX}{meant}`?)")).unwrap_or_default();
    let all = ours().collect::<Vec<_>>().join(", ");
    let sentence = format!("kind is `{shown}`{meant}; it must be {all} or that of an event that is here");
    ApiFailure::new(StatusCode::BAD_REQUEST, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_is_unknown_is_told_with_the_one_that_was_meant() {
        assert!(is_ours(event::LEAK_SUSPECTED) && !is_ours(event::POOL_SNAPSHOT) && !is_ours("bogus"));
        let told = |kind: &str| unknown(kind).sentence().to_owned();
        for wrong in ["leak.suspected", "poolscope.leak.suspect", "leak_suspected"] {
            let sentence = told(wrong);
            let expected =
                format!("kind is `{wrong}` (did you mean `poolscope.leak.suspected`?); it must be ");
            assert!(sentence.starts_with(&expected), "{sentence}");
        }
        let bogus = told("bogus");
        assert!(bogus.starts_with("kind is `bogus`; it must be poolscope.breaker.transition, "), "{bogus}");
        assert!(!bogus.contains(event::POOL_SNAPSHOT), "{bogus}");
        assert!(told(&"x".repeat(5_000)).len() < 700);
    }
}
