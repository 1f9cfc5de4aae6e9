//! [`Audience`]: who listens to events, as far as it is known.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use poolscope_semconv::value::Signal;

use super::pace::Receiver;

const UNKNOWN: u8 = 0;
const DASHBOARD: u8 = 1;
const OTHER: u8 = 2;

/// Who answered last, for each signal. Cheap to clone; clones are one.
#[derive(Debug, Clone, Default)]
pub(super) struct Audience(Arc<[AtomicU8; Signal::COUNT]>);

impl Audience {
    /// A request of a signal was answered, or by nobody.
    pub(super) fn heard(&self, signal: Signal, by: Option<Receiver>) {
        let who = match by {
            None => UNKNOWN,
            Some(Receiver::Dashboard) => DASHBOARD,
            Some(Receiver::Other) => OTHER,
        };
        self.0[signal.index()].store(who, Relaxed);
    }

    /// Who takes the metrics; `None` if nobody answered.
    #[cfg(feature = "control")]
    pub(super) fn of_metrics(&self) -> Option<Receiver> {
        match self.0[Signal::Metrics.index()].load(Relaxed) {
            DASHBOARD => Some(Receiver::Dashboard),
            OTHER => Some(Receiver::Other),
            _ => None,
        }
    }

    /// True if the dashboard listens to events. As long as there was none, who takes the metrics tells; each signal may go
    /// elsewhere.
    pub(super) fn is_dashboard(&self) -> bool {
        let [events, metrics] =
            [Signal::Events, Signal::Metrics].map(|signal| self.0[signal.index()].load(Relaxed));
        events == DASHBOARD || events == UNKNOWN && metrics == DASHBOARD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_events_says_more_than_who_takes_metrics() {
        let audience = Audience::default();
        assert!(!audience.is_dashboard(), "nobody has answered");
        audience.heard(Signal::Metrics, Some(Receiver::Dashboard));
        assert!(audience.is_dashboard());
        audience.heard(Signal::Events, Some(Receiver::Other));
        assert!(!audience.is_dashboard(), "events go elsewhere");
        audience.heard(Signal::Events, Some(Receiver::Dashboard));
        audience.heard(Signal::Metrics, None);
        assert!(audience.is_dashboard());
        audience.heard(Signal::Events, None);
        assert!(!audience.is_dashboard(), "it is gone");
    }
}
