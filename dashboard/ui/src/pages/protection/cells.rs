//! What a row of a table says: each figure of the last minute with what goes beside it. Pure.

use poolscope_semconv::value::HealthState;
use poolscope_wire::{
    ClientLimitFigures, Count, Percentiles, PoolLimit, ProbeFigures, ProtectionFigures, ResourceFigures,
    RetryFigures, Severity, TimeoutFigures,
};

use crate::{format, words};

/// Causes of retries and limits of timeouts that a cell lists.
const MAX_LISTED: usize = 4;

/// How much longer than the greatest limit the bar of a resource is, so that its mark is not its end.
const ROOM: f64 = 1.06;

/// A table of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Health probes.
    Probe,
    /// Limits of clients.
    Limit,
    /// Limits of pools.
    PoolLimit,
    /// Timeouts.
    Timeout,
    /// Retry policies.
    Retry,
    /// Resources.
    Resource,
}

impl Kind {
    /// Every table, in the order of the page.
    pub const ALL: [Self; 6] =
        [Self::Probe, Self::Limit, Self::PoolLimit, Self::Timeout, Self::Retry, Self::Resource];

    /// The table of something that protects.
    #[must_use]
    pub fn of(figures: &ProtectionFigures) -> Self {
        match figures {
            ProtectionFigures::Retry(_) => Self::Retry,
            ProtectionFigures::Timeout(_) => Self::Timeout,
            ProtectionFigures::Limit(_) => Self::Limit,
            ProtectionFigures::Probe(_) => Self::Probe,
            ProtectionFigures::Resource(_) => Self::Resource,
        }
    }

    /// The value in `data-kind`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Limit => "limit",
            Self::PoolLimit => "pool_limit",
            Self::Timeout => "timeout",
            Self::Retry => "retry",
            Self::Resource => "resource",
        }
    }

    /// The caption of the table.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Probe => "Health probes",
            Self::Limit => "Limits of clients, all destinations together",
            Self::PoolLimit => "Limits of pools",
            Self::Timeout => "Timeouts",
            Self::Retry => "Retries",
            Self::Resource => "Resources of the process",
        }
    }

    /// The heads of its columns after the first.
    #[must_use]
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Probe => &["state", "succeeded", "slow", "failed", "duration"],
            Self::Limit => &["in flight", "waiting", "most in the minute"],
            Self::PoolLimit => &["in flight", "waiting", "oldest wait"],
            Self::Timeout => &["limit now", "calls", "fired", "time used"],
            Self::Retry => &[
                "calls",
                "needed a retry",
                "tried again after",
                "ended with",
                "gave up",
                "no budget",
                "not replayable",
                "wait before",
            ],
            Self::Resource => &["used", "peak", "soft limit", "hard limit", "refused"],
        }
    }
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cell {
    /// The figure.
    pub main: String,
    /// What goes below it, in smaller type, line by line.
    pub under: String,
    /// Filled share, places of marks, and class of a bar above it.
    pub bar: Option<(f64, Vec<f64>, &'static str)>,
    /// Class that makes it stand out.
    pub class: &'static str,
}

impl Cell {
    fn new(main: String, under: String) -> Self {
        Self { main, under, ..Self::default() }
    }

    fn count(count: Count) -> Self {
        Self::new(format::count(count.minute), in_all(count))
    }

    /// A count of what went wrong, which stands out.
    fn loss(count: Count, class: &'static str) -> Self {
        let class = if count.minute > 0 { class } else { "" };
        Self { class, ..Self::count(count) }
    }

    fn percentiles(percentiles: Option<Percentiles>, text: fn(f64) -> String) -> Self {
        match percentiles {
            Some(found) => Self::new(
                format!("p50 {}", text(f64::from(found.p50))),
                format!("p99 {}", text(f64::from(found.p99))),
            ),
            None => Self::new(format::UNKNOWN.to_owned(), String::new()),
        }
    }
}

fn in_all(count: Count) -> String {
    format!("{} in all", format::count(count.total))
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// The figures of something that protects, in the order of [`Kind::columns`].
#[must_use]
pub fn cells(name: &str, figures: &ProtectionFigures, now_ms: impl FnOnce() -> u64) -> Vec<Cell> {
    match figures {
        ProtectionFigures::Retry(figures) => retry(figures),
        ProtectionFigures::Timeout(figures) => timeout(figures),
        ProtectionFigures::Limit(figures) => limit(figures),
        ProtectionFigures::Probe(figures) => probe(figures, now_ms),
        ProtectionFigures::Resource(figures) => resource(name, figures),
    }
}

fn retry(figures: &RetryFigures) -> Vec<Cell> {
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

fn timeout(figures: &TimeoutFigures) -> Vec<Cell> {
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

fn full_class(in_use: u32, max: u32) -> &'static str {
    if in_use >= max { "c-warn" } else { "c-active" }
}

fn in_flight(in_use: u32, max: u32) -> Cell {
    let bar = Some((share(f64::from(in_use), f64::from(max)), Vec::new(), full_class(in_use, max)));
    let main = format!("{} of {}", format::count(u64::from(in_use)), format::count(u64::from(max)));
    Cell { bar, ..Cell::new(main, String::new()) }
}

fn waiting(queued: u32, under: String) -> Cell {
    let class = if queued > 0 { "is-warn" } else { "" };
    Cell { class, ..Cell::new(format::count(u64::from(queued)), under) }
}

fn limit(figures: &ClientLimitFigures) -> Vec<Cell> {
    let ClientLimitFigures { max, in_use, queued, queue_max, most_in_use, most_queued } = *figures;
    let room = queue_max.map(|most| format!("of at most {}", format::count(u64::from(most))));
    vec![
        in_flight(in_use, max),
        waiting(queued, room.unwrap_or_default()),
        Cell::new(
            format!("{} in flight", format::count(u64::from(most_in_use))),
            format!("{} waiting", format::count(u64::from(most_queued))),
        ),
    ]
}

/// The figures of the limit of a pool.
#[must_use]
pub fn pool_limit(limit: PoolLimit) -> Vec<Cell> {
    let oldest = if limit.queued > 0 {
        format::duration(f64::from(limit.oldest_wait_s))
    } else {
        format::UNKNOWN.to_owned()
    };
    vec![
        in_flight(limit.in_use, limit.max),
        waiting(limit.queued, String::new()),
        Cell::new(oldest, String::new()),
    ]
}

/// The condition of the limit of a pool: the pool's own page says what comes of it.
#[must_use]
pub fn pool_limit_sentence(limit: PoolLimit) -> (Severity, String) {
    let in_flight = format!("{} of {} in flight", limit.in_use, limit.max);
    let waits = match limit.queued {
        0 if limit.in_use < limit.max => return (Severity::Ok, in_flight),
        0 => return (Severity::Warn, format!("limit reached: {in_flight}")),
        1 => "1 request waits".to_owned(),
        many => format!("{many} requests wait"),
    };
    // Where there is room, they wait for their turn among all requests of the client.
    let what = if limit.in_use < limit.max { "limit of the client reached" } else { "limit reached" };
    (Severity::Warn, format!("{what}: {in_flight}, {waits}"))
}

fn probe(figures: &ProbeFigures, now_ms: impl FnOnce() -> u64) -> Vec<Cell> {
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

fn resource(name: &str, figures: &ResourceFigures) -> Vec<Cell> {
    let amount = |value: u64| if name == "memory" { format::bytes(value) } else { format::count(value) };
    let or_unknown = |value: Option<u64>| value.map_or_else(|| format::UNKNOWN.to_owned(), amount);
    let or_none = |value: Option<u64>| value.map_or_else(|| "none".to_owned(), amount);
    let ResourceFigures { usage, peak, soft, hard, refused, .. } = *figures;
    let greatest = [usage, soft, hard].into_iter().flatten().max().unwrap_or(0) as f64 * ROOM;
    let reached = |limit: Option<u64>| limit.zip(usage).is_some_and(|(limit, usage)| usage >= limit);
    let class = match (reached(hard), reached(soft)) {
        (true, _) => "c-bad",
        (false, true) => "c-warn",
        (false, false) => "c-active",
    };
    let marks = [soft, hard].into_iter().flatten().map(|limit| share(limit as f64, greatest)).collect();
    let of_limit = usage
        .zip(hard.or(soft))
        .map(|(usage, limit)| format!("{} of the limit", format::percent(share(usage as f64, limit as f64))));
    // Without a limit there is nothing that a bar could be a share of.
    let bar =
        usage.filter(|_| soft.or(hard).is_some()).map(|usage| (share(usage as f64, greatest), marks, class));
    vec![
        Cell { bar, ..Cell::new(or_unknown(usage), of_limit.unwrap_or_default()) },
        Cell::new(or_unknown(peak), String::new()),
        Cell::new(or_none(soft), String::new()),
        Cell::new(or_none(hard), String::new()),
        Cell::loss(refused, "is-bad"),
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
    fn every_table_has_a_head_for_each_of_its_cells() {
        let all = [
            ProtectionFigures::Retry(RetryFigures::default()),
            ProtectionFigures::Timeout(TimeoutFigures::default()),
            ProtectionFigures::Limit(ClientLimitFigures::default()),
            ProtectionFigures::Probe(ProbeFigures::default()),
            ProtectionFigures::Resource(ResourceFigures::default()),
        ];
        for figures in all {
            assert_eq!(cells("", &figures, || 0).len(), Kind::of(&figures).columns().len(), "{figures:?}");
        }
        assert_eq!(pool_limit(PoolLimit::default()).len(), Kind::PoolLimit.columns().len());
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
    fn a_resource_has_a_mark_for_each_limit_and_no_bar_without_one() {
        let mut figures = ResourceFigures { usage: Some(50), ..ResourceFigures::default() };
        assert_eq!(resource("open_files", &figures)[0].bar, None);
        (figures.soft, figures.hard) = (Some(80), Some(100));
        let cells = resource("open_files", &figures);
        let (filled, marks, class) = cells[0].bar.clone().unwrap();
        assert_eq!((marks.len(), class), (2, "c-active"));
        assert!(filled < marks[0] && marks[0] < marks[1] && marks[1] < 1.0, "{filled} {marks:?}");
        assert_eq!(cells[0].under, "50 % of the limit");
        figures.usage = Some(120);
        assert_eq!(resource("open_files", &figures)[0].bar.as_ref().unwrap().2, "c-bad");
        assert_eq!(resource("memory", &figures)[0].main, "120 B");
        let unknown = resource("memory", &ResourceFigures::default());
        assert_eq!(mains(&unknown)[..3], ["\u{2013}", "\u{2013}", "none"]);
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

    #[test]
    fn a_pool_that_is_full_says_so() {
        let limit = |in_use, queued| PoolLimit { max: 20, in_use, queued, oldest_wait_s: 2.3 };
        assert_eq!(pool_limit_sentence(limit(3, 0)), (Severity::Ok, "3 of 20 in flight".to_owned()));
        assert_eq!(
            pool_limit_sentence(limit(20, 2)),
            (Severity::Warn, "limit reached: 20 of 20 in flight, 2 requests wait".to_owned())
        );
        assert_eq!(
            pool_limit_sentence(limit(3, 1)).1,
            "limit of the client reached: 3 of 20 in flight, 1 request waits"
        );
        assert_eq!(mains(&pool_limit(limit(20, 2))), ["20 of 20", "2", "2.3 s"]);
    }
}
