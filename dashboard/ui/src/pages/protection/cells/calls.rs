//! What became of calls: retries, timeouts and probes.

use poolscope_semconv::value::HealthState;
use poolscope_wire::{Count, ProbeFigures, RetryFigures, TimeoutFigures};

use super::{Cell, in_all, share};
use crate::{format, words};

/// Causes of retries and limits of timeouts that a cell lists.
const MAX_LISTED: usize = 4;

pub(super) fn retry(figures: &RetryFigures) -> Vec<Cell> {
    let RetryFigures { calls, exhausted, budget_refused, not_replayable, .. } = *figures;
    let needed = figures.needed();
    let of_calls = |needed: u64, calls: u64| match calls {
        0 => format::UNKNOWN.to_owned(),
        _ => format::percent(share(needed as f64, calls as f64)),
    };
    let under = format!("{}, {}", format::count(needed.minute), in_all(needed));
    vec![
        Cell::count(calls),
        Cell::new(of_calls(needed.minute, calls.minute), under),
        reasons(&figures.causes),
        reasons(&figures.results),
        Cell::loss(exhausted, "is-warn"),
        Cell::loss(budget_refused, "is-bad"),
        Cell::loss(not_replayable, "is-warn"),
        Cell::percentiles(figures.wait_s, format::duration),
    ]
}

/// Causes or results with how often each was counted.
fn reasons(counts: &[(String, Count)]) -> Cell {
    let list = |read: fn(&Count) -> u64| {
        let listed = counts.iter().filter(|(_, count)| read(count) > 0).take(MAX_LISTED);
        let listed: Vec<String> = listed
            .map(|(reason, count)| format!("{} \u{d7}{}", words::result(reason), format::count(read(count))))
            .collect();
        listed.join(", ")
    };
    let (minute, total) = (list(|count| count.minute), list(|count| count.total));
    let main = if minute.is_empty() { format::UNKNOWN.to_owned() } else { minute };
    let under = if total.is_empty() { String::new() } else { format!("in all {total}") };
    Cell { class: "wrap", ..Cell::new(main, under) }
}

pub(super) fn timeout(figures: &TimeoutFigures) -> Vec<Cell> {
    let TimeoutFigures { calls, fired, used, .. } = *figures;
    let fired_share = match calls.minute {
        _ if fired.minute == 0 => String::new(),
        calls => format!(" ({})", format::percent(share(fired.minute as f64, calls as f64))),
    };
    let class = if fired.minute > 0 { "is-warn" } else { "" };
    let used_bar = used.map(|used| (f64::from(used.p50), vec![f64::from(used.p99)], "c-p50"));
    vec![
        limits(figures),
        Cell::count(calls),
        Cell { class, ..Cell::new(format!("{}{fired_share}", format::count(fired.minute)), in_all(fired)) },
        Cell { bar: used_bar, ..Cell::percentiles(used, whole_percent) },
    ]
}

/// A share of the time, which is known to a few steps only, so that figures behind the point would promise too much.
fn whole_percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// The limit, or of an adaptive timeout its limits by destination.
fn limits(figures: &TimeoutFigures) -> Cell {
    let text = |seconds: f32| format::duration(f64::from(seconds));
    let (Some(longest), Some(shortest)) = (figures.limits.first(), figures.limits.last()) else {
        return Cell::new(format::UNKNOWN.to_owned(), String::new());
    };
    let main = if longest.limit_s > shortest.limit_s && figures.more_limits == 0 {
        format!("{} to {}", text(shortest.limit_s), text(longest.limit_s))
    } else if figures.more_limits > 0 {
        format!("up to {}", text(longest.limit_s))
    } else {
        text(longest.limit_s)
    };
    let is_only = figures.limits.len() == 1 && figures.more_limits == 0;
    let named = figures.limits.iter().filter(|limit| !limit.destination.is_empty());
    let mut lines: Vec<String> = named
        .take(MAX_LISTED)
        .map(|limit| match is_only {
            true => limit.destination.clone(),
            false => format!("{} {}", text(limit.limit_s), limit.destination),
        })
        .collect();
    let more = (figures.limits.len().saturating_sub(MAX_LISTED)) as u64 + figures.more_limits;
    if more > 0 {
        lines.push(format!("and {} more", format::count(more)));
    }
    Cell { class: "wrap", ..Cell::new(main, lines.join("\n")) }
}

pub(super) fn probe(figures: &ProbeFigures, now_ms: impl FnOnce() -> u64) -> Vec<Cell> {
    let ProbeFigures { succeeded, slow, failed, duration_s, .. } = *figures;
    let since =
        figures.since_ms.map(|since| format!("for {}", format::span(now_ms().saturating_sub(since) / 1_000)));
    let class = match HealthState::parse(&figures.state) {
        Some(HealthState::Failing) => "is-bad",
        Some(HealthState::Degraded) => "is-warn",
        _ => "",
    };
    vec![
        Cell { class, ..Cell::new(words::health_state(&figures.state), since.unwrap_or_default()) },
        Cell::count(succeeded),
        Cell::loss(slow, "is-warn"),
        Cell::loss(failed, "is-bad"),
        Cell::percentiles(duration_s, format::duration),
    ]
}

#[cfg(test)]
mod tests {
    use poolscope_wire::TimeoutLimit;

    use super::*;

    fn count(minute: u64, total: u64) -> Count {
        Count { minute, total }
    }

    fn mains(cells: &[Cell]) -> Vec<&str> {
        cells.iter().map(|cell| cell.main.as_str()).collect()
    }

    #[test]
    fn retries_show_the_minute_the_total_and_the_causes_in_words() {
        let figures = RetryFigures {
            calls: count(200, 5_000),
            after_retry: count(9, 90),
            exhausted: count(1, 2),
            causes: vec![("503".to_owned(), count(8, 80)), ("timeout".to_owned(), count(0, 12))],
            results: vec![("200".to_owned(), count(199, 4_998))],
            ..RetryFigures::default()
        };
        let cells = retry(&figures);
        assert_eq!(
            mains(&cells),
            ["200", "5 %", "status 503 \u{d7}8", "status 200 \u{d7}199", "1", "0", "0", "\u{2013}"]
        );
        assert_eq!(cells[1].under, "10, 92 in all");
        assert_eq!(cells[2].under, "in all status 503 \u{d7}80, timeout \u{d7}12");
        assert_eq!((cells[4].class, cells[5].class), ("is-warn", ""));
    }

    #[test]
    fn an_adaptive_timeout_lists_its_destinations_and_counts_the_rest() {
        let limit =
            |destination: &str, limit_s| TimeoutLimit { destination: destination.to_owned(), limit_s };
        let mut figures = TimeoutFigures { limits: vec![limit("", 0.9)], ..TimeoutFigures::default() };
        assert_eq!(limits(&figures), Cell { class: "wrap", ..Cell::new("900 ms".to_owned(), String::new()) });
        figures.limits = (1..=6).rev().map(|place| limit(&format!("http://{place}"), place as f32)).collect();
        let cell = limits(&figures);
        assert_eq!(cell.main, "1 s to 6 s");
        assert_eq!(cell.under.lines().collect::<Vec<_>>()[3..], ["3 s http://3", "and 2 more"]);
        figures.more_limits = 40;
        assert_eq!(limits(&figures).main, "up to 6 s", "the shortest is not among those that are told");
        assert!(limits(&figures).under.ends_with("and 42 more"));
    }

    #[test]
    fn a_probe_tells_since_when() {
        let figures =
            ProbeFigures { state: "failing".to_owned(), since_ms: Some(1_000), ..ProbeFigures::default() };
        let cell = &probe(&figures, || 63_000)[0];
        assert_eq!(
            (cell.main.as_str(), cell.under.as_str(), cell.class),
            ("failing", "for 1 min 2 s", "is-bad")
        );
    }
}
