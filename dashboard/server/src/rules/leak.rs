//! Responses that somebody holds and does not read, so that their connections serve nobody.

use poolscope_wire::{Rule, Severity};

use super::{Facts, Finding};
use crate::words;

/// The leak that has been held for longest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LongestLeak<'a> {
    pub(crate) held_s: f64,
    /// Who took it, if that is known.
    pub(crate) origin: Option<&'a str>,
}

/// Leaks are a fault of the program; requests suffer from it when they wait for a connection.
pub(super) fn rule(facts: &Facts<'_>) -> Option<Finding> {
    let what = held(facts)?;
    let severity =
        if facts.now.pending.is_some_and(|pending| pending > 0) { Severity::Bad } else { Severity::Warn };
    let longest = facts.leak.map_or_else(String::new, |leak| {
        let the_longest = if facts.now.leaked == Some(1) { "" } else { ", the longest" };
        // Whole seconds: the sentence is about something that goes on.
        let held = words::duration(leak.held_s.round().max(1.0));
        let origin = leak.origin.map(|origin| format!("; taken by {origin}")).unwrap_or_default();
        format!("{the_longest} for {held}{origin}")
    });
    let leaked = f64::from(facts.now.leaked.unwrap_or_default());
    let found = Finding::judged(facts, Rule::Leak, leaked, || format!("{what}{longest}"));
    found.map(|found| found.at_least(severity))
}

/// How many there are, in words.
pub(super) fn held(facts: &Facts<'_>) -> Option<String> {
    match facts.now.leaked {
        None | Some(0) => None,
        Some(1) => Some("1 response is held and not read".to_owned()),
        Some(count) => Some(format!("{count} responses are held and not read")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poolscope_wire::PoolPoint;

    fn leaks<'a>(leaked: Option<u32>, pending: u32, leak: Option<LongestLeak<'a>>) -> Facts<'a> {
        Facts {
            now: PoolPoint { leaked, pending: Some(pending), ..PoolPoint::default() },
            leak,
            ..Facts::default()
        }
    }

    #[test]
    fn a_leak_is_told_with_time_and_place() {
        assert_eq!(rule(&leaks(None, 0, None)), None);
        assert_eq!(rule(&leaks(Some(0), 0, None)), None);
        let longest = LongestLeak { held_s: 74.8, origin: Some("src/x.rs:10") };
        let found = rule(&leaks(Some(2), 0, Some(longest))).unwrap();
        assert_eq!(
            (found.severity, &*found.sentence),
            (
                Severity::Warn,
                "2 responses are held and not read, the longest for 1 min 15 s; taken by src/x.rs:10"
            )
        );
        let found = rule(&leaks(Some(1), 0, Some(LongestLeak { origin: None, ..longest }))).unwrap();
        assert_eq!(found.sentence, "1 response is held and not read for 1 min 15 s");
    }

    #[test]
    fn what_only_metrics_tell_is_told_without_and_waiting_requests_make_it_bad() {
        let found = rule(&leaks(Some(3), 2, None)).unwrap();
        assert_eq!((found.severity, &*found.sentence), (Severity::Bad, "3 responses are held and not read"));
    }
}
