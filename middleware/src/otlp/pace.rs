//! When the next export of metrics is due. Pure.

use std::time::Duration;

/// Interval while the dashboard listens, so that its picture is live.
pub const DASHBOARD_INTERVAL: Duration = Duration::from_secs(1);
/// Interval for every other receiver; the OpenTelemetry specification's.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(60);
/// Interval while nothing answers, short enough that a dashboard that starts later is found.
pub const SEARCH_INTERVAL: Duration = Duration::from_secs(5);

/// Longest pause that a receiver may ask for; what asks for more is taken for broken.
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(10 * 60);

/// How an export ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Outcome {
    /// Everything arrived and was taken.
    pub(super) delivered: bool,
    /// Who answered; `None` if nobody did.
    pub(super) receiver: Option<Receiver>,
    /// How long the receiver asks to be left alone.
    pub(super) pause: Option<Duration>,
}

/// Who receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Receiver {
    /// The dashboard, which introduces itself.
    Dashboard,
    /// Anything else.
    Other,
}

impl Receiver {
    pub(super) fn known(is_dashboard: bool) -> Self {
        if is_dashboard { Self::Dashboard } else { Self::Other }
    }
}

/// Time from the start of one export to the start of the next. An export that failed for good is not
/// repeated: the next one says everything that it would have said.
pub(super) fn pause_after(outcome: Outcome, fixed: Option<Duration>) -> Duration {
    let interval = fixed.unwrap_or(match outcome.receiver {
        Some(Receiver::Dashboard) => DASHBOARD_INTERVAL,
        Some(Receiver::Other) => DEFAULT_INTERVAL,
        None => SEARCH_INTERVAL,
    });
    interval.max(outcome.pause.unwrap_or_default().min(MAX_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(receiver: Option<Receiver>) -> Outcome {
        Outcome { receiver, ..Outcome::default() }
    }

    #[test]
    fn the_interval_follows_who_answers() {
        assert_eq!(pause_after(answered(None), None), SEARCH_INTERVAL);
        assert_eq!(pause_after(answered(Some(Receiver::Dashboard)), None), DASHBOARD_INTERVAL);
        assert_eq!(pause_after(answered(Some(Receiver::Other)), None), DEFAULT_INTERVAL);
    }

    #[test]
    fn an_interval_that_was_set_holds_for_everybody() {
        let fixed = Some(Duration::from_secs(15));
        for receiver in [None, Some(Receiver::Dashboard), Some(Receiver::Other)] {
            assert_eq!(pause_after(answered(receiver), fixed), Duration::from_secs(15));
        }
    }

    #[test]
    fn a_receiver_may_ask_for_a_pause_within_reason() {
        let throttled = |secs| Outcome { pause: Some(Duration::from_secs(secs)), ..answered(None) };
        assert_eq!(pause_after(throttled(1), None), SEARCH_INTERVAL);
        assert_eq!(pause_after(throttled(30), Some(Duration::from_secs(1))), Duration::from_secs(30));
        assert_eq!(pause_after(throttled(u64::MAX), None), MAX_PAUSE);
    }
}
