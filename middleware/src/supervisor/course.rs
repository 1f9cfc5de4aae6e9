//! [`Course`]: what became of a connection so far. Knows no clock: everything comes with its time.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use poolscope_semconv::value::{SupervisorReason, SupervisorState};

use crate::registry::SupervisorChange;

/// Changes that are remembered one by one; all of them are counted.
const MOST_REMEMBERED: usize = 32;

/// Most bytes of an error that are remembered.
const LONGEST_ERROR: usize = 256;

/// See the [module](self). Times are since the begin of the supervisor.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) state: SupervisorState,
    /// When it came into its state.
    pub(super) since: Duration,
    /// Attempts since the connection was last stable, the one under way included.
    pub(super) attempt: u32,
    pub(super) connects: u64,
    /// When the next attempt is due, while one waits.
    pub(super) next_attempt: Option<Duration>,
    pub(super) last_error: Option<String>,
    pub(super) changes: BTreeMap<(SupervisorState, SupervisorReason), u64>,
    history: VecDeque<Change>,
}

/// A change of the state.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    pub(super) at: Duration,
    pub(super) from: SupervisorState,
    pub(super) to: SupervisorState,
    pub(super) reason: SupervisorReason,
    pub(super) attempt: u32,
    /// Time until the next attempt.
    pub(super) delay: Option<Duration>,
    pub(super) error: Option<String>,
}

impl Course {
    pub(super) fn new() -> Self {
        Self {
            state: SupervisorState::Stopped,
            since: Duration::ZERO,
            attempt: 0,
            connects: 0,
            next_attempt: None,
            last_error: None,
            changes: BTreeMap::new(),
            history: VecDeque::new(),
        }
    }

    /// Comes into a state; tells the change.
    pub(super) fn go(
        &mut self,
        to: SupervisorState,
        reason: SupervisorReason,
        error: Option<String>,
        delay: Option<Duration>,
        now: Duration,
    ) -> Change {
        if to == SupervisorState::Connecting {
            self.attempt = self.attempt.saturating_add(1);
            self.connects += 1;
        }
        let error = error.map(|error| crate::said::cut(&error, LONGEST_ERROR).to_owned());
        // Where it stops, what is told is what it leaves behind, and not why.
        if error.is_some() && to != SupervisorState::Stopped {
            self.last_error.clone_from(&error);
        }
        let from = std::mem::replace(&mut self.state, to);
        (self.since, self.next_attempt) = (now, delay.map(|delay| now + delay));
        *self.changes.entry((to, reason)).or_default() += 1;
        let change = Change { at: now, from, to, reason, attempt: self.attempt, delay, error };
        if self.history.len() == MOST_REMEMBERED {
            self.history.pop_front();
        }
        self.history.push_back(change.clone());
        change
    }

    /// A connection was there for long enough to be a good one: what went wrong before it counts no longer.
    pub(super) fn was_stable(&mut self) {
        self.attempt = 0;
    }

    /// The last changes, the newest first.
    pub(super) fn history(&self, now: Duration) -> Vec<SupervisorChange> {
        let row = |change: &Change| SupervisorChange {
            ago: now.saturating_sub(change.at),
            from: change.from,
            to: change.to,
            reason: change.reason,
            attempt: change.attempt,
            error: change.error.clone(),
        };
        self.history.iter().rev().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use SupervisorReason::{ConnectFailed, Established, Retry, Started};
    use SupervisorState::{Connected, Connecting, Waiting};

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn attempts_are_counted_until_a_connection_was_stable() {
        let mut course = Course::new();
        course.go(Connecting, Started, None, None, secs(0));
        let failed = course.go(Waiting, ConnectFailed, Some("refused".into()), Some(secs(2)), secs(1));
        assert_eq!((failed.attempt, course.next_attempt), (1, Some(secs(3))));
        course.go(Connecting, Retry, None, None, secs(3));
        course.go(Connected, Established, None, None, secs(4));
        assert_eq!((course.attempt, course.connects, course.next_attempt), (2, 2, None));
        assert_eq!(course.last_error.as_deref(), Some("refused"), "what went wrong last is kept");
        course.was_stable();
        course.go(Connecting, Retry, None, None, secs(9));
        assert_eq!((course.attempt, course.connects), (1, 3));
        assert_eq!(course.changes[&(Connecting, Retry)], 2);
        let left = Some("1 message was not sent".to_owned());
        let stopped = course.go(SupervisorState::Stopped, SupervisorReason::Requested, left, None, secs(10));
        assert!(stopped.error.is_some());
        assert_eq!(course.last_error.as_deref(), Some("refused"), "what is left behind is no error");
    }

    #[test]
    fn the_history_has_an_end_and_begins_with_the_newest() {
        let mut course = Course::new();
        for second in 0..100 {
            course.go(Waiting, ConnectFailed, Some("e".repeat(300)), None, secs(second));
        }
        let history = course.history(secs(100));
        assert_eq!((history.len(), history[0].ago, history[31].ago), (32, secs(1), secs(32)));
        assert_eq!(history[0].error.as_ref().map(String::len), Some(256));
        assert_eq!(course.changes[&(Waiting, ConnectFailed)], 100);
    }
}
