//! What serves, servers, tasks, queues and supervised connections: how it does, in a sentence with the figures of the last
//! minute.

use poolscope_semconv::value::{SupervisorReason, SupervisorState};
use poolscope_wire::{QueueFigures, Rule, ServerFigures, Severity, SupervisorFigures, TaskFigures};

use super::Levels;
use super::protection::{Judged, by_share, share};
use crate::words;

type Found = (Rule, Judged, String);

/// Nothing is wrong by a count that is 0.
fn by_count(rule: Rule, count: u64, levels: &Levels) -> Judged {
    let judged = levels.judge(rule, count as f64).filter(|_| count > 0);
    judged.map_or((Severity::Ok, None), |(severity, figure)| (severity, Some(figure)))
}

/// Of connections that are turned away and of requests that fail, the worse is told.
pub(super) fn server(figures: &ServerFigures, levels: &Levels) -> Found {
    let ServerFigures { idle, active, upgraded, queued, .. } = *figures;
    let (requests, failed) = (figures.requests.minute, figures.failed.minute);
    let (rejected, unaccepted) = (figures.rejected.minute, figures.accept_errors.minute);
    let turned_away = by_count(Rule::ServerRejects, rejected.saturating_add(unaccepted), levels);
    let errors = by_share(Rule::ServerErrors, failed, requests, levels);
    let open = idle.saturating_add(active).saturating_add(upgraded);
    let of = figures.limit.map(|limit| format!(" of {limit}")).unwrap_or_default();
    let waiting = if queued > 0 { format!(", {queued} not served yet") } else { String::new() };
    let open = format!("{open}{of} {} open{waiting}", if open == 1 { "connection" } else { "connections" });
    if turned_away.0 > Severity::Ok && turned_away.0 >= errors.0 {
        let rejected = (rejected > 0)
            .then(|| format!("{} turned away in the last minute", words::count(rejected, "connection")));
        let unaccepted = (unaccepted > 0)
            .then(|| format!("accepting failed {} in the last minute", words::count(unaccepted, "time")));
        let failed =
            (failed > 0).then(|| format!("{failed} of {} failed", words::count(requests, "request")));
        let parts: Vec<_> = rejected.into_iter().chain(unaccepted).chain(failed).chain([open]).collect();
        return (Rule::ServerRejects, turned_away, parts.join("; "));
    }
    let answered = match (requests, failed) {
        (0, _) => "no request in the last minute".to_owned(),
        (_, 0) => format!("none of {} of the last minute failed", words::count(requests, "request")),
        _ => {
            let of = words::count(requests, "request");
            format!(
                "{failed} of {of} failed in the last minute ({})",
                words::percent(share(failed, requests))
            )
        }
    };
    let left = match figures.disconnected.minute {
        0 => String::new(),
        left => format!("; the client left early from {left}"),
    };
    let open = if figures.has_connections { format!("; {open}") } else { String::new() };
    (Rule::ServerErrors, errors, format!("{answered}{left}{open}"))
}

pub(super) fn tasks(figures: &TaskFigures, levels: &Levels) -> Found {
    let panicked = figures.panicked.minute;
    let running = match figures.active {
        1 => "1 task runs now".to_owned(),
        many => format!("{} run now", words::count(u64::from(many), "task")),
    };
    let sentence = match panicked {
        0 => running,
        _ => format!("{} panicked in the last minute; {running}", words::count(panicked, "task")),
    };
    (Rule::TasksPanic, by_count(Rule::TasksPanic, panicked, levels), sentence)
}

pub(super) fn queue(figures: &QueueFigures, levels: &Levels) -> Found {
    let QueueFigures { length, limit, high_water, pushed, dropped } = *figures;
    let of = if limit > 0 { format!(" of {limit}") } else { String::new() };
    let held = format!("{length}{of} in it, {high_water} at most");
    let sentence = match dropped.minute {
        0 => held,
        lost => {
            format!("{lost} of {} dropped in the last minute; {held}", words::count(pushed.minute, "item"))
        }
    };
    (Rule::QueueDrops, by_count(Rule::QueueDrops, dropped.minute, levels), sentence)
}

pub(super) fn supervisor(figures: &SupervisorFigures) -> (Severity, String) {
    let attempts = |what: &str| {
        let made = words::count(figures.connects.minute, "attempt");
        (Severity::Warn, format!("{what}; {made} in the last minute"))
    };
    let is_exhausted = || {
        let reason = SupervisorReason::AttemptsExhausted.as_str();
        figures.changes.iter().any(|(of, count)| of == reason && count.total > 0)
    };
    match SupervisorState::parse(&figures.state) {
        Some(SupervisorState::Connected) => (Severity::Ok, "connected".to_owned()),
        Some(SupervisorState::Closing) => (Severity::Ok, "it is closed in order".to_owned()),
        // Where it begins, nothing is wrong yet.
        Some(SupervisorState::Connecting) if figures.connects.total <= 1 => {
            (Severity::Ok, "it connects for the first time".to_owned())
        }
        Some(SupervisorState::Connecting) => attempts("not connected, an attempt is under way"),
        Some(SupervisorState::Waiting) => attempts("not connected, the next attempt waits for its time"),
        Some(SupervisorState::BreakerOpen) => attempts("not connected, the breaker is open"),
        Some(SupervisorState::Stopped) if is_exhausted() => {
            (Severity::Bad, "stopped: its attempts are used up".to_owned())
        }
        Some(SupervisorState::Stopped) => (Severity::Ok, "stopped".to_owned()),
        None => (Severity::Ok, "not known yet".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use poolscope_wire::Count;

    use super::*;

    fn minute(minute: u64) -> Count {
        Count { minute, total: 1_000 }
    }

    fn check(found: &Found, rule: Rule, severity: Severity, sentence: &str) {
        assert_eq!((found.0, found.1.0, &*found.2), (rule, severity, sentence));
    }

    #[test]
    fn a_server_tells_what_it_serves_and_what_it_turns_away() {
        let levels = <&Levels>::default();
        let of = |figures: &ServerFigures| server(figures, levels);
        let (rejects, errors) = (Rule::ServerRejects, Rule::ServerErrors);
        let http = ServerFigures { requests: minute(100), ..ServerFigures::default() };
        check(&of(&http), errors, Severity::Ok, "none of 100 requests of the last minute failed");
        let open = ServerFigures { idle: 2, active: 1, limit: Some(50), has_connections: true, ..http };
        let sentence = "none of 100 requests of the last minute failed; 3 of 50 connections open";
        check(&of(&open), errors, Severity::Ok, sentence);
        let left = ServerFigures { failed: minute(30), disconnected: minute(2), ..open.clone() };
        let sentence = "30 of 100 requests failed in the last minute (30 %); the client left early from 2; 3 of 50 connections open";
        check(&of(&left), errors, Severity::Bad, sentence);
        let full = ServerFigures { rejected: minute(7), accept_errors: minute(1), queued: 4, ..open };
        let sentence = "7 connections turned away in the last minute; accepting failed 1 time in the last minute; \
                        3 of 50 connections open, 4 not served yet";
        check(&of(&full), rejects, Severity::Warn, sentence);
        let both = ServerFigures { failed: minute(30), ..full };
        assert_eq!(of(&both).0, errors, "the worse is told");
    }

    #[test]
    fn tasks_that_panic_and_queues_that_drop_are_worth_a_look() {
        let levels = <&Levels>::default();
        let calm = TaskFigures { active: 1, ..TaskFigures::default() };
        check(&tasks(&calm, levels), Rule::TasksPanic, Severity::Ok, "1 task runs now");
        let panics = TaskFigures { panicked: minute(2), ..calm };
        let sentence = "2 tasks panicked in the last minute; 1 task runs now";
        check(&tasks(&panics, levels), Rule::TasksPanic, Severity::Warn, sentence);
        let calm =
            QueueFigures { length: 3, limit: 64, high_water: 9, pushed: minute(50), dropped: minute(0) };
        check(&queue(&calm, levels), Rule::QueueDrops, Severity::Ok, "3 of 64 in it, 9 at most");
        let drops = QueueFigures { dropped: minute(4), ..calm };
        let sentence = "4 of 50 items dropped in the last minute; 3 of 64 in it, 9 at most";
        check(&queue(&drops, levels), Rule::QueueDrops, Severity::Warn, sentence);
    }

    #[test]
    fn a_supervised_connection_is_fine_where_it_is_there_or_only_begins() {
        let of = |state: SupervisorState, connects: u64, changes: &[SupervisorReason]| {
            let count = |reason: &SupervisorReason| (reason.as_str().to_owned(), minute(1));
            supervisor(&SupervisorFigures {
                state: state.as_str().to_owned(),
                connects: Count { minute: connects, total: connects },
                changes: changes.iter().map(count).collect(),
                ..SupervisorFigures::default()
            })
        };
        assert_eq!(of(SupervisorState::Connected, 1, &[]).0, Severity::Ok);
        assert_eq!(of(SupervisorState::Connecting, 1, &[]).0, Severity::Ok);
        let again = of(SupervisorState::Connecting, 3, &[]);
        let sentence = "not connected, an attempt is under way; 3 attempts in the last minute";
        assert_eq!(again, (Severity::Warn, sentence.to_owned()));
        assert_eq!(of(SupervisorState::Waiting, 3, &[]).0, Severity::Warn);
        assert_eq!(of(SupervisorState::Stopped, 3, &[SupervisorReason::Requested]).0, Severity::Ok);
        let exhausted = of(SupervisorState::Stopped, 3, &[SupervisorReason::AttemptsExhausted]);
        assert_eq!(exhausted.0, Severity::Bad);
    }
}
