//! [`Resource`]: how much of one resource is used, and whether that is too much. Reads nothing itself.

use std::sync::Arc;

use poolscope_semconv::value::ResourceState;

use super::limits::Limits;

pub(super) const OPEN_FILES: &str = "open_files";
pub(super) const MEMORY: &str = "memory";
pub(super) const CONNECTIONS: &str = "connections";

/// One resource.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) name: Arc<str>,
    pub(super) limits: Option<Limits>,
    pub(super) state: ResourceState,
    pub(super) used: Option<u64>,
    /// What calls that have begun may take of it yet.
    pub(super) coming: u64,
    pub(super) peak: u64,
    pub(super) system: Option<u64>,
    pub(super) resolved: Option<(u64, u64)>,
    pub(super) refused: u64,
    /// What was used when each of the last two turns began.
    bases: [u64; 2],
    /// What had been acquired by then.
    acquired: [u64; 2],
    last_acquired: u64,
}

/// What a look found out about a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// `None` if it can't be read.
    pub(super) used: Option<u64>,
    /// What the system allows, if it sets a limit.
    pub(super) system: Option<u64>,
    /// Calls of the last two turns, each of which takes at most one; `None` if calls take none of it.
    pub(super) calls: Option<Calls>,
}

/// Calls of the last two turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Calls {
    pub(super) begun: u64,
    /// Those that have no answer yet.
    pub(super) pending: u64,
    /// Requests of the scope that wait for a connection.
    pub(super) waiting: u64,
    /// Requests of the scope that ever had a connection.
    pub(super) acquired: u64,
}

impl Resource {
    pub(super) fn new(name: &str, limits: Option<Limits>) -> Self {
        Self {
            name: name.into(),
            limits,
            state: ResourceState::Normal,
            used: None,
            coming: 0,
            peak: 0,
            system: None,
            resolved: None,
            refused: 0,
            bases: [0; 2],
            acquired: [0; 2],
            last_acquired: 0,
        }
    }

    /// A new turn of calls begins.
    pub(super) fn turn(&mut self) {
        self.bases = [self.used.unwrap_or_default(), self.bases[0]];
        self.acquired = [self.last_acquired, self.acquired[0]];
    }

    /// What calls that have begun may take yet.
    fn coming(&mut self, calls: &Calls, used: u64) -> u64 {
        self.last_acquired = calls.acquired;
        let served = calls.acquired.saturating_sub(self.acquired[1]);
        // Three bounds, all of which hold: each call without an answer may take one more; one that has its connection, or
        // waits for one that is there, takes no other; and all calls together take no more than one each since before they
        // began.
        let unserved = calls.begun.saturating_sub(served).max(calls.waiting);
        calls.pending.min(unserved).min((self.bases[1] + calls.begun).saturating_sub(used))
    }

    /// Takes in what a look has found, and gives the state that was before if it is another one now.
    ///
    /// A resource that is exhausted stays so until less than `recover_at` of the soft limit is used; a warning ends a
    /// twentieth below the soft limit.
    pub(super) fn see(&mut self, seen: &Seen, recover_at: f64) -> Option<ResourceState> {
        self.used = seen.used;
        self.system = seen.system;
        self.resolved = self.limits.and_then(|limits| limits.resolve(seen.system));
        self.coming = 0;
        let before = self.state;
        self.state = match (seen.used, self.resolved) {
            (Some(used), Some((soft, hard))) => {
                self.coming = seen.calls.map_or(0, |calls| self.coming(&calls, used));
                let recovered = (soft as f64 * recover_at).ceil() as u64;
                match before {
                    _ if used >= hard => ResourceState::Exhausted,
                    ResourceState::Exhausted if used >= recovered => ResourceState::Exhausted,
                    _ if used >= soft => ResourceState::Warning,
                    ResourceState::Warning if used >= soft - soft / 20 => ResourceState::Warning,
                    _ => ResourceState::Normal,
                }
            }
            // What can't be read is no reason to refuse anything.
            _ => ResourceState::Normal,
        };
        self.peak = self.peak.max(seen.used.unwrap_or_default());
        (before != self.state).then_some(before)
    }

    /// How much is used, with what is coming.
    pub(super) fn expected(&self) -> u64 {
        self.used.unwrap_or_default().saturating_add(self.coming)
    }

    /// How much more may be taken before it is exhausted; `None` without an end.
    pub(super) fn left(&self) -> Option<u64> {
        let (_, hard) = self.resolved?;
        self.used?;
        Some(hard.saturating_sub(self.expected()))
    }

    /// True from three quarters of the soft limit on.
    pub(super) fn is_near(&self) -> bool {
        self.resolved.is_some_and(|(soft, _)| self.expected() >= soft - soft / 4)
    }
}

/// An amount of a resource as people read it.
pub(super) fn amount(resource: &str, amount: u64) -> String {
    const MIB: u64 = 1 << 20;
    if resource == MEMORY && amount >= MIB { format!("{} MiB", amount / MIB) } else { amount.to_string() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use ResourceState::{Exhausted, Normal, Warning};

    fn resource() -> Resource {
        Resource::new(OPEN_FILES, Some(Limits::amounts(80, 95)))
    }

    fn used(used: u64) -> Seen {
        Seen { used: Some(used), system: None, calls: None }
    }

    #[test]
    fn it_warns_refuses_and_recovers_each_at_its_own_mark() {
        let mut resource = resource();
        for (now, state) in [
            (79, Normal),
            (80, Warning),
            (76, Warning),
            (75, Normal),
            (94, Warning),
            (95, Exhausted),
            (94, Exhausted),
            (80, Exhausted),
            (79, Normal),
            (200, Exhausted),
        ] {
            let before = resource.state;
            assert_eq!(resource.see(&used(now), 1.0), (before != state).then_some(before), "{now}");
            assert_eq!(resource.state, state, "{now}");
        }
        assert_eq!((resource.peak, resource.left()), (200, Some(0)));
    }

    #[test]
    fn it_stays_exhausted_down_to_the_share_that_was_asked_for() {
        let mut resource = resource();
        resource.see(&used(95), 0.5);
        resource.see(&used(40), 0.5);
        assert_eq!(resource.state, Exhausted);
        resource.see(&used(39), 0.5);
        assert_eq!(resource.state, Normal);
    }

    #[test]
    fn what_cannot_be_read_is_no_reason_to_refuse() {
        let mut resource = resource();
        resource.see(&used(95), 1.0);
        assert_eq!(resource.see(&Seen { used: None, system: None, calls: None }, 1.0), Some(Exhausted));
        assert_eq!((resource.state, resource.left(), resource.peak), (Normal, None, 95));
        let mut unlimited = Resource::new(OPEN_FILES, None);
        assert_eq!((unlimited.see(&used(u64::MAX), 1.0), unlimited.left()), (None, None));
    }

    #[test]
    fn calls_that_have_begun_count_once() {
        let seen = |used, begun, pending| {
            let calls = Calls { begun, pending, ..Calls::default() };
            Seen { calls: Some(calls), ..self::used(used) }
        };
        let mut resource = resource();
        resource.see(&seen(20, 0, 0), 1.0);
        resource.turn();
        resource.turn();
        // Sixty calls have begun, and none has opened anything.
        resource.see(&seen(20, 60, 60), 1.0);
        assert_eq!((resource.coming, resource.left(), resource.state), (60, Some(15), Normal));
        // All of them have opened one each, and wait for their answers: nothing more will come.
        resource.see(&seen(80, 60, 60), 1.0);
        assert_eq!((resource.coming, resource.state), (0, Warning));
        // A thousand calls, over connections that are there.
        resource.see(&seen(30, 1_000, 3), 1.0);
        assert_eq!((resource.coming, resource.state), (3, Normal));
        // As many calls as there is room for: nothing is used up, and nothing is left.
        resource.see(&seen(20, 80, 75), 1.0);
        assert_eq!((resource.coming, resource.left(), resource.state), (75, Some(0), Normal));
    }

    #[test]
    fn calls_that_have_a_connection_take_no_other() {
        let mut resource = resource();
        let mut see = |begun, pending, waiting, acquired| {
            let calls = Calls { begun, pending, waiting, acquired };
            resource.see(&Seen { calls: Some(calls), ..used(20) }, 1.0);
            resource.coming
        };
        // A thousand calls under way over one connection.
        assert_eq!(see(1_000, 1_000, 0, 1_000), 0);
        // Thirty more, of which ten wait for a connection.
        assert_eq!(see(1_030, 1_030, 10, 1_020), 10);
        // Some were tried several times, which hides none of those who wait.
        assert_eq!(see(1_030, 30, 30, 5_000), 30);
    }

    proptest! {
        /// Against the history: exhausted since the last time at the hard limit, unless there was one below the mark since.
        #[test]
        fn its_state_follows_from_its_history(
            soft in 1_u64..100, more in 0_u64..50, share in 0.1_f64..=1.0, history in prop::collection::vec(0_u64..200, 1..60)
        ) {
            let hard = soft + more;
            let mut resource = Resource::new("sessions", Some(Limits::amounts(soft, hard)));
            for (index, now) in history.iter().enumerate() {
                resource.see(&used(*now), share);
                let past = &history[..=index];
                let hit = past.iter().rposition(|used| *used >= hard);
                let mark = (soft as f64 * share).ceil() as u64;
                let exhausted = hit.is_some_and(|hit| past[hit + 1..].iter().all(|used| *used >= mark));
                prop_assert_eq!(resource.state == Exhausted, exhausted);
                if *now >= soft && !exhausted {
                    prop_assert_eq!(resource.state, Warning);
                }
                if *now < soft - soft / 20 && !exhausted {
                    prop_assert_eq!(resource.state, Normal);
                }
                prop_assert_eq!(resource.peak, *past.iter().max().unwrap());
            }
        }
    }
}
