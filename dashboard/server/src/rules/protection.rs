//! What protects calls beside breakers, and what serves: how it does, in a sentence with the figures of the last minute.

use poolscope_semconv::value::HealthState;
use poolscope_wire::{
    ClientLimitFigures, Figure, ProbeFigures, ProtectionFigures, ResourceFigures, RetryFigures, Rule,
    Severity, TimeoutFigures,
};

use super::{Finding, Levels, serving};
use crate::words;

/// Of fewer calls a share says too little to be bad, or a storm.
const MIN_CALLS: u64 = 10;

/// A severity, and the figure that it stands on.
pub(super) type Judged = (Severity, Option<Figure>);

/// What is found of something that protects. The reason is what the sender said of a probe's state.
pub(crate) fn finding(
    name: &str,
    figures: &ProtectionFigures,
    reason: Option<&str>,
    levels: &Levels,
) -> Finding {
    let (rule, (severity, figure), sentence) = match figures {
        ProtectionFigures::Retry(figures) => retry(figures, levels),
        ProtectionFigures::Timeout(figures) => {
            let fired = by_share(Rule::TimeoutsFire, figures.fired.minute, figures.calls.minute, levels);
            (Rule::TimeoutsFire, fired, timeout(figures))
        }
        ProtectionFigures::Limit(figures) => plain(Rule::ClientLimit, limit(figures), levels),
        ProtectionFigures::Probe(figures) => plain(Rule::Probe, probe(figures, reason), levels),
        ProtectionFigures::Resource(figures) => plain(Rule::Resource, resource(name, figures), levels),
        ProtectionFigures::Server(figures) => serving::server(figures, levels),
        ProtectionFigures::Tasks(figures) => serving::tasks(figures, levels),
        ProtectionFigures::Queue(figures) => serving::queue(figures, levels),
        ProtectionFigures::Supervisor(figures) => serving::supervisor(figures, levels),
    };
    Finding { rule, severity, figure, sentence }
}

/// What has no figure to set a limit to; nothing is wrong where the rule is off.
pub(super) fn plain(
    rule: Rule,
    (severity, sentence): (Severity, String),
    levels: &Levels,
) -> (Rule, Judged, String) {
    let severity = levels.get(rule).map_or(Severity::Ok, |_| severity);
    (rule, (severity, None), sentence)
}

/// How bad it is that so many of the calls were lost.
pub(super) fn by_share(rule: Rule, lost: u64, calls: u64, levels: &Levels) -> Judged {
    let judged = levels.judge(rule, share(lost, calls)).filter(|_| lost > 0);
    judged.map_or((Severity::Ok, None), |(severity, figure)| {
        let severity = if calls < MIN_CALLS { Severity::Warn } else { severity };
        (severity, Some(figure))
    })
}

pub(super) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// How much is lost, of what: `3 of 120 calls`.
fn part_of_calls(part: u64, calls: u64) -> String {
    format!("{part} of {}", words::count(calls, "call"))
}

/// Of a storm and of retries that do not help, the worse is told.
fn retry(figures: &RetryFigures, levels: &Levels) -> (Rule, Judged, String) {
    let (calls, needed) = (figures.calls.minute, figures.needed().minute);
    let fine = |sentence| (Rule::RetriesLost, (Severity::Ok, None), sentence);
    if calls == 0 {
        return fine("no calls in the last minute".to_owned());
    }
    if needed == 0 {
        return fine(format!("none of {} of the last minute needed a retry", words::count(calls, "call")));
    }
    let parts = [
        (figures.after_retry.minute, "saved by it"),
        (figures.exhausted.minute, "failed at every attempt"),
        (figures.budget_refused.minute, "refused by the budget"),
        (figures.not_replayable.minute, "can't be sent twice"),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let retried = if calls >= MIN_CALLS { needed } else { 0 };
    let storm = by_share(Rule::RetryStorm, retried, calls, levels);
    let lost = by_share(Rule::RetriesLost, needed - figures.after_retry.minute, calls, levels);
    let (rule, judged) =
        if storm.0 >= lost.0 { (Rule::RetryStorm, storm) } else { (Rule::RetriesLost, lost) };
    let share = words::percent(share(needed, calls));
    let sentence = format!(
        "{} needed a retry in the last minute ({share}): {}",
        part_of_calls(needed, calls),
        parts.join(", ")
    );
    (rule, judged, sentence)
}

fn timeout(figures: &TimeoutFigures) -> String {
    let (calls, fired) = (figures.calls.minute, figures.fired.minute);
    if calls == 0 {
        return "no calls in the last minute".to_owned();
    }
    let used = figures
        .used
        .map(|used| format!("; 99 of 100 used at most {} of the time", words::percent(f64::from(used.p99))));
    match fired {
        0 => format!(
            "fired for none of {} of the last minute{}",
            words::count(calls, "call"),
            used.unwrap_or_default()
        ),
        _ => {
            let share = words::percent(share(fired, calls));
            format!("fired for {} in the last minute ({share})", part_of_calls(fired, calls))
        }
    }
}

fn limit(figures: &ClientLimitFigures) -> (Severity, String) {
    let ClientLimitFigures { max, in_use, queued, queue_max, most_in_use, most_queued } = *figures;
    let waiting = match queued {
        0 => String::new(),
        1 => ", 1 request waits".to_owned(),
        many => format!(", {many} requests wait"),
    };
    let in_flight = format!("{in_use} of {max} in flight{waiting}");
    let is_full = max > 0 && in_use >= max;
    if is_full && queue_max.is_some_and(|most| queued >= most) {
        return (
            Severity::Bad,
            format!("full, and so is the queue: {in_flight}; the next request is refused"),
        );
    }
    if is_full || queued > 0 {
        return (Severity::Warn, format!("limit reached: {in_flight}"));
    }
    let before = if max > 0 && most_in_use >= max {
        match most_queued {
            0 => "; it was reached in the last minute".to_owned(),
            most => format!(
                "; it was reached in the last minute, up to {} waiting",
                words::count(u64::from(most), "request")
            ),
        }
    } else {
        format!("; {most_in_use} at most in the last minute")
    };
    (Severity::Ok, format!("{in_flight}{before}"))
}

fn probe(figures: &ProbeFigures, reason: Option<&str>) -> (Severity, String) {
    let (severity, state) = match HealthState::parse(&figures.state) {
        Some(HealthState::Healthy) => (Severity::Ok, "healthy"),
        Some(HealthState::Degraded) => (Severity::Warn, "degraded"),
        Some(HealthState::Failing) => (Severity::Bad, "failing"),
        Some(HealthState::Unknown) | None => (Severity::Ok, "not known yet"),
    };
    let (failed, slow) = (figures.failed.minute, figures.slow.minute);
    let probes = figures.succeeded.minute.saturating_add(slow).saturating_add(failed);
    let told = match reason {
        Some(reason) => reason.to_owned(),
        None if probes == 0 => "no probe in the last minute".to_owned(),
        None => {
            let slow = if slow > 0 { format!(", {slow} slow") } else { String::new() };
            format!("{failed} of {} of the last minute failed{slow}", words::count(probes, "probe"))
        }
    };
    (severity, format!("{state}: {told}"))
}

fn resource(name: &str, figures: &ResourceFigures) -> (Severity, String) {
    let amount = |value: u64| if name == "memory" { words::bytes(value) } else { value.to_string() };
    let Some(usage) = figures.usage else {
        return (Severity::Ok, "how much is used can't be told here".to_owned());
    };
    let reached = |limit: Option<u64>| limit.filter(|limit| usage >= *limit);
    let refused = match figures.refused.minute {
        0 => String::new(),
        count => format!("; {} refused in the last minute", words::count(count, "request")),
    };
    if let Some(hard) = reached(figures.hard) {
        let sentence =
            format!("used up, so requests are refused: {} of at most {}", amount(usage), amount(hard));
        return (Severity::Bad, format!("{sentence}{refused}"));
    }
    let severity = if refused.is_empty() { Severity::Ok } else { Severity::Bad };
    if let Some(soft) = reached(figures.soft) {
        let sentence = format!("{} used, which is beyond the soft limit of {}", amount(usage), amount(soft));
        return (severity.max(Severity::Warn), format!("{sentence}{refused}"));
    }
    let of = match figures.hard.or(figures.soft) {
        Some(limit) => format!(", {} of the limit of {}", words::percent(share(usage, limit)), amount(limit)),
        None => ", no limit".to_owned(),
    };
    (severity, format!("{} used{of}{refused}", amount(usage)))
}

#[cfg(test)]
mod tests {
    use poolscope_wire::{Count, Percentiles};

    use super::*;

    fn minute(minute: u64) -> Count {
        Count { minute, total: 1_000 }
    }

    fn finding(name: &str, figures: &ProtectionFigures, reason: Option<&str>) -> Finding {
        super::finding(name, figures, reason, <&Levels>::default())
    }

    fn check(figures: &ProtectionFigures, severity: Severity, sentence: &str) {
        let found = finding("memory", figures, None);
        assert_eq!((found.severity, &*found.sentence), (severity, sentence));
    }

    #[test]
    fn a_policy_tells_what_became_of_the_calls_that_needed_it() {
        let calls = RetryFigures { calls: minute(200), ..RetryFigures::default() };
        let of = |figures| ProtectionFigures::Retry(figures);
        check(&of(RetryFigures::default()), Severity::Ok, "no calls in the last minute");
        check(&of(calls.clone()), Severity::Ok, "none of 200 calls of the last minute needed a retry");
        let saved = RetryFigures { after_retry: minute(10), ..calls.clone() };
        check(
            &of(saved.clone()),
            Severity::Ok,
            "10 of 200 calls needed a retry in the last minute (5 %): 10 saved by it",
        );
        let lost = RetryFigures { exhausted: minute(3), budget_refused: minute(1), ..saved };
        check(
            &of(lost),
            Severity::Warn,
            "14 of 200 calls needed a retry in the last minute (7 %): 10 saved by it, 3 failed at every attempt, \
             1 refused by the budget",
        );
        let all = RetryFigures { exhausted: minute(200), ..calls };
        assert_eq!(finding("", &of(all), None).severity, Severity::Bad);
    }

    #[test]
    fn a_timeout_tells_how_often_it_fired_and_how_near_calls_come() {
        let figures = |fired| {
            ProtectionFigures::Timeout(TimeoutFigures {
                calls: minute(120),
                fired: minute(fired),
                used: Some(Percentiles { p50: 0.1, p99: 0.41 }),
                ..TimeoutFigures::default()
            })
        };
        let near = "fired for none of 120 calls of the last minute; 99 of 100 used at most 41 % of the time";
        check(&figures(0), Severity::Ok, near);
        check(&figures(3), Severity::Warn, "fired for 3 of 120 calls in the last minute (2.5 %)");
        assert_eq!(finding("", &figures(60), None).severity, Severity::Bad);
    }

    #[test]
    fn a_limit_tells_what_holds_it_and_that_it_was_reached() {
        let figures = |in_use, queued, most_in_use, most_queued| {
            ProtectionFigures::Limit(ClientLimitFigures {
                max: 4,
                in_use,
                queued,
                queue_max: Some(8),
                most_in_use,
                most_queued,
            })
        };
        check(&figures(1, 0, 3, 0), Severity::Ok, "1 of 4 in flight; 3 at most in the last minute");
        let was = "1 of 4 in flight; it was reached in the last minute, up to 2 requests waiting";
        check(&figures(1, 0, 4, 2), Severity::Ok, was);
        check(&figures(4, 3, 4, 3), Severity::Warn, "limit reached: 4 of 4 in flight, 3 requests wait");
        let full =
            "full, and so is the queue: 4 of 4 in flight, 8 requests wait; the next request is refused";
        check(&figures(4, 8, 4, 8), Severity::Bad, full);
    }

    #[test]
    fn a_probe_tells_its_reason_or_else_its_figures() {
        let figures = ProtectionFigures::Probe(ProbeFigures {
            state: "failing".to_owned(),
            succeeded: minute(5),
            failed: minute(3),
            slow: minute(1),
            ..ProbeFigures::default()
        });
        check(&figures, Severity::Bad, "failing: 3 of 9 probes of the last minute failed, 1 slow");
        assert_eq!(
            finding("", &figures, Some("3 of 3 probes failed")).sentence,
            "failing: 3 of 3 probes failed"
        );
    }

    #[test]
    fn a_resource_is_measured_against_its_limits() {
        let figures = |usage: u64, refused| {
            ProtectionFigures::Resource(ResourceFigures {
                usage: Some(usage << 20),
                soft: Some(300 << 20),
                hard: Some(400 << 20),
                refused: minute(refused),
                ..ResourceFigures::default()
            })
        };
        check(&figures(100, 0), Severity::Ok, "100 MiB used, 25 % of the limit of 400 MiB");
        let beyond = "350 MiB used, which is beyond the soft limit of 300 MiB";
        check(&figures(350, 0), Severity::Warn, beyond);
        let refused = "used up, so requests are refused: 450 MiB of at most 400 MiB; 7 requests refused in the last minute";
        check(&figures(450, 7), Severity::Bad, refused);
        assert_eq!(finding("", &figures(100, 7), None).severity, Severity::Bad, "callers felt it");
    }
}
