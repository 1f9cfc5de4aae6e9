//! What serves, servers, tasks, queues and supervised connections: how it does, in a sentence with the figures of the last
//! minute.

use poolscope_semconv::value::{SupervisorReason, SupervisorState, TaskOutcome};
use poolscope_wire::{QueueFigures, Rule, ServerFigures, Severity, SupervisorFigures, TaskFigures};

use super::Levels;
use super::protection::{Judged, by_share, plain, share};
use crate::words;

type Found = (Rule, Judged, String);

/// Nothing is wrong by a count that is 0.
fn by_count(rule: Rule, count: u64, levels: &Levels) -> Judged {
    let judged = levels.judge(rule, count as f64).filter(|_| count > 0);
    judged.map_or((Severity::Ok, None), |(severity, figure)| (severity, Some(figure)))
}

/// Of connections that are turned away, of requests that fail and of clients that leave, the worse is told.
pub(super) fn server(figures: &ServerFigures, levels: &Levels) -> Found {
    let ServerFigures { idle, active, upgraded, queued, .. } = *figures;
    let (requests, failed, left) = (figures.requests.minute, figures.failed.minute, figures.left.minute);
    let (rejected, unaccepted) = (figures.rejected.minute, figures.accept_errors.minute);
    let open = idle.saturating_add(active).saturating_add(upgraded);
    // Those that wait to be served have their place already.
    let is_full = figures.limit.is_some_and(|limit| open.saturating_add(queued) >= limit);
    let mut turned_away = by_count(Rule::ServerRejects, rejected.saturating_add(unaccepted), levels);
    if is_full && levels.get(Rule::ServerRejects).is_some() {
        turned_away.0 = turned_away.0.max(Severity::Warn);
    }
    let errors = by_share(Rule::ServerErrors, failed, requests, levels);
    let leave = by_share(Rule::ClientsLeave, left, requests, levels);
    let of = figures.limit.map(|limit| format!(" of {limit}")).unwrap_or_default();
    let waiting = if queued > 0 { format!(", {queued} not served yet") } else { String::new() };
    let open = format!("{open}{of} {} open{waiting}", if open == 1 { "connection" } else { "connections" });
    if turned_away.0 > Severity::Ok && turned_away.0 >= errors.0.max(leave.0) {
        let rejected = (rejected > 0)
            .then(|| format!("{} turned away in the last minute", words::count(rejected, "connection")));
        let unaccepted = (unaccepted > 0)
            .then(|| format!("accepting failed {} in the last minute", words::count(unaccepted, "time")));
        let full =
            (is_full && rejected.is_none()).then(|| "there is room for no more connections".to_owned());
        let failed = (failed > 0)
            .then(|| format!("{} of {} failed", words::grouped(failed), words::count(requests, "request")));
        let parts: Vec<_> =
            [rejected, unaccepted, full, failed].into_iter().flatten().chain([open]).collect();
        return (Rule::ServerRejects, turned_away, parts.join("; "));
    }
    let answered = match (requests, failed) {
        (0, _) => "no request in the last minute".to_owned(),
        (_, 0) => format!("none of {} of the last minute failed", words::count(requests, "request")),
        _ => {
            let of = words::count(requests, "request");
            format!(
                "{} of {of} failed in the last minute ({})",
                words::grouped(failed),
                words::percent(share(failed, requests))
            )
        }
    };
    let open = if figures.has_connections { format!("; {open}") } else { String::new() };
    if leave.0 > errors.0 {
        let share = words::percent(share(left, requests));
        let told = format!("the client left {} of them without an answer ({share})", words::grouped(left));
        return (Rule::ClientsLeave, leave, format!("{answered}; {told}{open}"));
    }
    let left = match figures.disconnected.minute {
        0 => String::new(),
        left => format!("; the client left early from {}", words::grouped(left)),
    };
    (Rule::ServerErrors, errors, format!("{answered}{left}{open}"))
}

pub(super) fn tasks(figures: &TaskFigures, levels: &Levels) -> Found {
    let panicked = figures.panicked.minute;
    let running = match figures.active {
        1 => "1 task runs now".to_owned(),
        many => format!("{} run now", words::count(u64::from(many), "task")),
    };
    let aborted = figures.ends.iter().find(|(outcome, _)| outcome == TaskOutcome::Aborted.as_str());
    let aborted = match aborted.map_or(0, |(_, count)| count.minute) {
        0 => String::new(),
        aborted => format!("{} aborted in the last minute; ", words::count(aborted, "task")),
    };
    let sentence = match panicked {
        0 => format!("{aborted}{running}"),
        _ => format!("{} panicked in the last minute; {aborted}{running}", words::count(panicked, "task")),
    };
    (Rule::TasksPanic, by_count(Rule::TasksPanic, panicked, levels), sentence)
}

pub(super) fn queue(figures: &QueueFigures, levels: &Levels) -> Found {
    let QueueFigures { length, limit, high_water, pushed, dropped, refused } = *figures;
    let of = if limit > 0 { format!(" of {limit}") } else { String::new() };
    let held = format!("{length}{of} in it, {high_water} at most");
    // What was there before this minute may be dropped in it.
    let offered = pushed.minute.saturating_add(refused.minute).max(dropped.minute);
    let lost = by_share(Rule::QueueDrops, dropped.minute, offered, levels);
    let sentence = match dropped.minute {
        0 => held,
        dropped => {
            let share = words::percent(share(dropped, offered));
            format!(
                "{} of {} dropped in the last minute ({share}); {held}",
                words::grouped(dropped),
                words::count(offered, "item")
            )
        }
    };
    (Rule::QueueDrops, lost, sentence)
}

/// Of a connection that is not there, that comes and goes, and that loses messages, the worse is told.
pub(super) fn supervisor(figures: &SupervisorFigures, levels: &Levels) -> Found {
    let (_, is_down, state) = plain(Rule::SupervisorDown, supervised(figures), levels);
    let (again, lost) = (figures.again, figures.lost.minute);
    let flaps = by_count(Rule::SupervisorFlaps, again, levels);
    let loses = by_count(Rule::MessagesLost, lost, levels);
    let again =
        (again > 0).then(|| format!("established again {} in the last 15 min", words::count(again, "time")));
    let lost = (lost > 0).then(|| format!("{} lost in the last minute", words::count(lost, "message")));
    let sentence = [Some(state), lost, again].into_iter().flatten().collect::<Vec<_>>().join("; ");
    let all = [(Rule::SupervisorDown, is_down), (Rule::MessagesLost, loses), (Rule::SupervisorFlaps, flaps)];
    // Of equals the last is taken, so they are asked from behind.
    let worst = all.into_iter().rev().max_by_key(|(_, judged)| judged.0);
    let (rule, judged) = worst.unwrap_or_default();
    (rule, judged, sentence)
}

fn supervised(figures: &SupervisorFigures) -> (Severity, String) {
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
    fn a_server_that_has_no_room_or_whose_clients_leave_is_worth_a_look() {
        let levels = <&Levels>::default();
        let full = ServerFigures {
            upgraded: 48,
            queued: 2,
            limit: Some(50),
            has_connections: true,
            requests: minute(100),
            ..ServerFigures::default()
        };
        let sentence = "there is room for no more connections; 48 of 50 connections open, 2 not served yet";
        check(&server(&full, levels), Rule::ServerRejects, Severity::Warn, sentence);
        let off = Levels::new(&["server_rejects=off".parse().unwrap()]);
        assert_eq!(server(&full, &off).1.0, Severity::Ok);
        let left = |left| ServerFigures {
            left: minute(left),
            disconnected: minute(left + 1),
            queued: 1,
            ..full.clone()
        };
        let sentence = "none of 100 requests of the last minute failed; the client left 5 of them without an answer (5 %); \
                        48 of 50 connections open, 1 not served yet";
        check(&server(&left(5), levels), Rule::ClientsLeave, Severity::Warn, sentence);
        let sentence = "none of 100 requests of the last minute failed; the client left early from 5; \
                        48 of 50 connections open, 1 not served yet";
        check(&server(&left(4), levels), Rule::ServerErrors, Severity::Ok, sentence);
    }

    #[test]
    fn tasks_that_panic_and_queues_that_drop_are_worth_a_look() {
        let levels = <&Levels>::default();
        let calm = TaskFigures { active: 1, ..TaskFigures::default() };
        check(&tasks(&calm, levels), Rule::TasksPanic, Severity::Ok, "1 task runs now");
        let panics = TaskFigures { panicked: minute(2), ..calm };
        let sentence = "2 tasks panicked in the last minute; 1 task runs now";
        check(&tasks(&panics, levels), Rule::TasksPanic, Severity::Warn, sentence);
        let aborted = ("aborted".to_owned(), minute(3));
        let aborts = TaskFigures { active: 1, ends: vec![aborted], ..TaskFigures::default() };
        let sentence = "3 tasks aborted in the last minute; 1 task runs now";
        check(&tasks(&aborts, levels), Rule::TasksPanic, Severity::Ok, sentence);
        let calm =
            QueueFigures { length: 3, limit: 64, high_water: 9, pushed: minute(450), ..Default::default() };
        check(&queue(&calm, levels), Rule::QueueDrops, Severity::Ok, "3 of 64 in it, 9 at most");
        let few = QueueFigures { dropped: minute(4), ..calm };
        let sentence = "4 of 450 items dropped in the last minute (0.89 %); 3 of 64 in it, 9 at most";
        check(&queue(&few, levels), Rule::QueueDrops, Severity::Ok, sentence);
        let drops = QueueFigures { dropped: minute(54), refused: minute(50), ..calm };
        let sentence = "54 of 500 items dropped in the last minute (11 %); 3 of 64 in it, 9 at most";
        check(&queue(&drops, levels), Rule::QueueDrops, Severity::Warn, sentence);
        let emptied = QueueFigures { dropped: minute(4), pushed: minute(0), ..calm };
        assert_eq!(queue(&emptied, levels).1.0, Severity::Warn, "what was put in before");
    }

    #[test]
    fn a_supervised_connection_is_fine_where_it_is_there_or_only_begins() {
        let of = |state: SupervisorState, connects: u64, changes: &[SupervisorReason]| {
            let count = |reason: &SupervisorReason| (reason.as_str().to_owned(), minute(1));
            let figures = SupervisorFigures {
                state: state.as_str().to_owned(),
                connects: Count { minute: connects, total: connects },
                changes: changes.iter().map(count).collect(),
                ..SupervisorFigures::default()
            };
            let (rule, (severity, _), sentence) = supervisor(&figures, <&Levels>::default());
            assert_eq!(rule, Rule::SupervisorDown);
            (severity, sentence)
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

    #[test]
    fn a_connection_that_comes_and_goes_or_loses_messages_is_worth_a_look_while_it_is_there() {
        let of = |again, lost, state: SupervisorState| {
            let state = state.as_str().to_owned();
            let figures =
                SupervisorFigures { state, again, lost: minute(lost), ..SupervisorFigures::default() };
            supervisor(&figures, <&Levels>::default())
        };
        let there = SupervisorState::Connected;
        let sentence = "connected; established again 4 times in the last 15 min";
        check(&of(4, 0, there), Rule::SupervisorDown, Severity::Ok, sentence);
        let sentence = "connected; established again 5 times in the last 15 min";
        check(&of(5, 0, there), Rule::SupervisorFlaps, Severity::Warn, sentence);
        let sentence =
            "connected; 1 message lost in the last minute; established again 5 times in the last 15 min";
        check(&of(5, 1, there), Rule::MessagesLost, Severity::Warn, sentence);
        assert_eq!(
            of(5, 1, SupervisorState::Waiting).0,
            Rule::SupervisorDown,
            "that it is not there is told first"
        );
    }
}
