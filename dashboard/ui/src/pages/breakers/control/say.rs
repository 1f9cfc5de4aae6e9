//! What is said of breakers that are held from a dashboard. Pure.

use poolscope_semconv::value::BreakerReason;
use poolscope_wire::{Breaker, BreakerState, Control, ControlAction, ControlState};

use crate::format;

/// How long it is told that something did not come about.
const TOLD_MS: u64 = 60_000;

/// The words of a button.
pub fn verb(action: ControlAction) -> &'static str {
    match action {
        ControlAction::ForceOpen => "Force open",
        ControlAction::ForceClosed => "Force closed",
        ControlAction::Automatic => "Automatic",
    }
}

/// What an action does, before it is asked for.
pub fn effect(action: ControlAction) -> &'static str {
    match action {
        ControlAction::ForceOpen => "Every call is rejected at once, until the time is over.",
        ControlAction::ForceClosed => "Every call is let through, however many fail, until the time is over.",
        ControlAction::Automatic => "It begins anew, with no calls in its window, and decides for itself.",
    }
}

/// Why a breaker takes no orders, if it takes none.
pub fn why_not(is_fixed: bool, takes: bool) -> Option<&'static str> {
    if is_fixed {
        return Some(
            "can't be held: it shows a resource guard, which opens and closes by what the process uses",
        );
    }
    let deaf = "takes no orders: its application does not offer it for control, or sends through a Collector";
    (!takes).then_some(deaf)
}

/// True if the breaker is held, by whomever.
pub fn is_held(state: BreakerState) -> bool {
    matches!(state, BreakerState::ForcedOpen | BreakerState::ForcedClosed)
}

/// Until when a breaker is held, by whom and why, if that was asked for in a dashboard; as its own events tell it, which
/// know it also where this server has been started anew.
pub fn held(breaker: &Breaker, newest: Option<&Control>) -> Option<String> {
    let what = match breaker.state {
        BreakerState::ForcedOpen => "forced open",
        BreakerState::ForcedClosed => "forced closed",
        _ => return None,
    };
    let last = breaker.transitions.last().filter(|last| {
        last.to == breaker.state && BreakerReason::parse(&last.reason) == Some(BreakerReason::Forced)
    });
    let told = last.and_then(|last| last.forced.as_ref());
    let ordered = newest.filter(|order| order.state == ControlState::InForce);
    let (by, why, until_ms) = match (ordered, told) {
        (Some(order), _) => (&order.by, &order.reason, order.until_ms),
        (None, Some(forced)) => (&forced.by, &forced.why, forced.until_ms),
        (None, None) => return None,
    };
    let until = until_ms.map(|until| format!(" until {}", format::clock_time(until))).unwrap_or_default();
    Some(format!("{what}{until} by {by}: {why}"))
}

/// How an order stands that is not in force: one that waits, or that has just failed. True if it is bad.
pub fn standing(order: &Control, now_ms: u64) -> Option<(String, bool)> {
    let asked = verb(order.action).to_lowercase();
    let sentence = order.sentence.as_deref().unwrap_or_default();
    let is_new = now_ms.saturating_sub(order.at_ms) < TOLD_MS;
    match order.state {
        ControlState::Asked => {
            Some((format!("asked to {}; the instance has not answered yet", to(order.action)), false))
        }
        ControlState::Refused if is_new => {
            Some((format!("\u{201c}{asked}\u{201d} was refused: {sentence}"), true))
        }
        ControlState::Unanswered if is_new => {
            Some((format!("\u{201c}{asked}\u{201d} was not answered: {sentence}"), true))
        }
        _ => None,
    }
}

fn to(action: ControlAction) -> &'static str {
    match action {
        ControlAction::ForceOpen => "force it open",
        ControlAction::ForceClosed => "force it closed",
        ControlAction::Automatic => "let it go",
    }
}

/// What the dialog is about.
pub fn about(instances: usize, name: &str) -> String {
    format!("{name}, on {}", format::counted(instances as u64, "instance", "instances"))
}

/// What came of several orders, if some were not taken.
pub fn failures(asked: usize, failed: &[String]) -> Option<String> {
    let first = failed.first()?;
    match (asked, failed.len()) {
        (1, _) => Some(first.clone()),
        (all, failed) => Some(format!("{failed} of {all} were not taken: {first}")),
    }
}

#[cfg(test)]
mod tests {
    use poolscope_wire::{ForcedBy, Transition};

    use super::*;

    fn order(state: ControlState) -> Control {
        Control {
            id: "1".to_owned(),
            breaker: "b".to_owned(),
            action: ControlAction::ForceOpen,
            for_s: 300,
            reason: "moved".to_owned(),
            by: "token login (this machine)".to_owned(),
            at_ms: 1_000,
            state,
            until_ms: Some(301_000),
            sentence: Some("it holds it itself".to_owned()),
        }
    }

    fn breaker(reason: &str) -> Breaker {
        let last = Transition {
            at_ms: 1_000,
            from: BreakerState::Closed,
            to: BreakerState::ForcedOpen,
            reason: reason.to_owned(),
            failure_ratio: None,
            slow_call_ratio: None,
            connect_failure_ratio: None,
            window_calls: None,
            forced: Some(ForcedBy {
                by: "token login (10.1.2.x)".to_owned(),
                why: "elsewhere".to_owned(),
                until_ms: Some(61_000),
            }),
        };
        Breaker { state: BreakerState::ForcedOpen, transitions: vec![last], ..Breaker::default() }
    }

    #[test]
    fn what_a_guard_does_is_not_offered_to_anybody() {
        assert!(why_not(true, true).is_some_and(|why| why.contains("resource guard")));
        assert!(why_not(false, false).is_some_and(|why| why.contains("does not offer it")));
        assert_eq!(why_not(false, true), None);
    }

    #[test]
    fn it_is_told_until_when_by_whom_and_why() {
        let until = |ms| format::clock_time(ms);
        let forced = breaker(BreakerReason::Forced.as_str());
        assert_eq!(
            held(&forced, None).unwrap(),
            format!("forced open until {} by token login (10.1.2.x): elsewhere", until(61_000))
        );
        assert_eq!(
            held(&forced, Some(&order(ControlState::InForce))).unwrap(),
            format!("forced open until {} by token login (this machine): moved", until(301_000))
        );
        assert_eq!(held(&breaker(BreakerReason::Manual.as_str()), Some(&order(ControlState::Over))), None);
        let closed = Breaker { state: BreakerState::Closed, ..forced };
        assert_eq!(held(&closed, Some(&order(ControlState::InForce))), None, "it is not, whatever was asked");
    }

    #[test]
    fn what_waits_or_failed_is_told_and_what_failed_is_forgotten() {
        let of = |state, now_ms| standing(&order(state), now_ms);
        assert!(of(ControlState::Asked, 2_000).unwrap().0.contains("has not answered yet"));
        let refused = of(ControlState::Refused, 2_000).unwrap();
        assert_eq!(refused, ("\u{201c}force open\u{201d} was refused: it holds it itself".to_owned(), true));
        assert!(of(ControlState::Unanswered, 2_000).unwrap().1);
        assert_eq!(of(ControlState::Refused, 1_000 + TOLD_MS), None);
        assert_eq!((of(ControlState::InForce, 2_000), of(ControlState::Over, 2_000)), (None, None));
    }

    #[test]
    fn several_instances_are_counted() {
        assert_eq!(about(1, "pay"), "pay, on 1 instance");
        assert_eq!(about(3, "pay"), "pay, on 3 instances");
        assert_eq!(failures(3, &[]), None);
        assert_eq!(failures(1, &["no".to_owned()]).unwrap(), "no");
        assert_eq!(failures(3, &["no".to_owned()]).unwrap(), "1 of 3 were not taken: no");
    }
}
