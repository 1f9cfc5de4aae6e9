//! Connections that could not be established.

use poolscope_semconv::value::{ConnectPhase, ErrorType};
use poolscope_wire::{Rule, Severity};

use super::{Facts, Finding, window};
use crate::words;

/// Fewer failures are not bad, whatever their share.
const BAD_FAILURES: u64 = 3;

/// What a connect failed at, as far as it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    Name,
    Transport,
    Tls,
    Time,
    Other,
}

impl Cause {
    const ALL: [Self; 5] = [Self::Name, Self::Transport, Self::Tls, Self::Time, Self::Other];

    /// The cause that an `error.type` and the part that failed tell.
    pub(crate) fn of(error_type: &str, phase: Option<ConnectPhase>) -> Self {
        match (ErrorType::parse(error_type), phase) {
            (Some(ErrorType::Dns), _) | (_, Some(ConnectPhase::Dns)) => Self::Name,
            (Some(ErrorType::Tls), _) | (_, Some(ConnectPhase::Tls)) => Self::Tls,
            (Some(ErrorType::Timeout), _) => Self::Time,
            (_, Some(ConnectPhase::Tcp)) => Self::Transport,
            _ => Self::Other,
        }
    }

    fn words(self) -> Option<&'static str> {
        match self {
            Self::Name => Some("the name can't be resolved"),
            Self::Transport => Some("the destination does not accept connections"),
            Self::Tls => Some("the TLS handshake fails"),
            Self::Time => Some("they take too long"),
            Self::Other => None,
        }
    }
}

/// Connects that failed, by cause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Failures([u64; Cause::ALL.len()]);

impl Failures {
    pub(crate) fn add(&mut self, cause: Cause, count: u64) {
        let sum = &mut self.0[cause as usize];
        *sum = sum.saturating_add(count);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        Cause::ALL.into_iter().for_each(|cause| self.add(cause, other.0[cause as usize]));
    }

    fn total(self) -> u64 {
        self.0.into_iter().fold(0, u64::saturating_add)
    }

    /// What more than half of them failed at, if it is told.
    fn why(self) -> String {
        let count = |cause: Cause| self.0[cause as usize];
        let main = Cause::ALL.into_iter().find(|cause| count(*cause) > self.total() / 2);
        let Some((cause, words)) = main.and_then(|cause| Some((cause, cause.words()?))) else {
            return String::new();
        };
        let mostly = if count(cause) < self.total() { "mostly, " } else { "" };
        format!(": {mostly}{words}")
    }
}

pub(super) fn rule(facts: &Facts<'_>) -> Option<Finding> {
    let failed = facts.failed.total();
    if failed == 0 {
        return None;
    }
    let tried = failed.saturating_add(facts.opened);
    let share = failed as f64 / tried as f64;
    let found = Finding::judged(facts, Rule::FailedConnects, share, || {
        let tried = words::count(tried, "connect");
        format!("{failed} of {tried} failed {}{}", window(facts), facts.failed.why())
    })?;
    let severity = if failed >= BAD_FAILURES { found.severity } else { Severity::Warn };
    Some(Finding { severity, ..found })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures(causes: &[(Cause, u64)]) -> Failures {
        let mut failures = Failures::default();
        causes.iter().for_each(|(cause, count)| failures.add(*cause, *count));
        failures
    }

    #[test]
    fn failures_are_told_and_most_of_them_are_bad() {
        let facts = |failed, opened| {
            let failed = failures(&[(Cause::Other, failed)]);
            Facts { failed, opened, seconds: 14.0, ..Facts::default() }
        };
        assert_eq!(rule(&facts(0, 9)), None);
        let found = rule(&facts(1, 9)).unwrap();
        assert_eq!(
            (found.severity, &*found.sentence),
            (Severity::Warn, "1 of 10 connects failed in the last 14 s")
        );
        assert_eq!(rule(&facts(3, 3)).unwrap().severity, Severity::Bad);
        assert_eq!(rule(&facts(2, 0)).unwrap().severity, Severity::Warn);
    }

    #[test]
    fn the_part_that_fails_is_named() {
        let sentence = |causes: &[(Cause, u64)]| {
            let facts = Facts { failed: failures(causes), opened: 1, seconds: 15.0, ..Facts::default() };
            rule(&facts).unwrap().sentence
        };
        assert_eq!(
            sentence(&[(Cause::Name, 3)]),
            "3 of 4 connects failed in the last 15 s: the name can't be resolved"
        );
        assert_eq!(
            sentence(&[(Cause::Tls, 3), (Cause::Other, 1)]),
            "4 of 5 connects failed in the last 15 s: mostly, the TLS handshake fails"
        );
        assert_eq!(sentence(&[(Cause::Name, 1), (Cause::Tls, 1)]), "2 of 3 connects failed in the last 15 s");
        assert_eq!(
            sentence(&[(Cause::Other, 2), (Cause::Time, 1)]),
            "3 of 4 connects failed in the last 15 s"
        );
    }

    #[test]
    fn error_and_part_tell_the_cause() {
        assert_eq!(Cause::of("dns", None), Cause::Name);
        assert_eq!(Cause::of("connect", Some(ConnectPhase::Dns)), Cause::Name);
        assert_eq!(Cause::of("connect", Some(ConnectPhase::Tcp)), Cause::Transport);
        assert_eq!(Cause::of("timeout", Some(ConnectPhase::Tcp)), Cause::Time);
        assert_eq!(Cause::of("_OTHER", Some(ConnectPhase::Tls)), Cause::Tls);
        assert_eq!(Cause::of("connect", None), Cause::Other);
        assert_eq!(Cause::of("of somebody else", None), Cause::Other);
    }
}
