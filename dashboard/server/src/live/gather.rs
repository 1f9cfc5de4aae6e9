//! Things that are told whole: those that are new or urgent at once, and the others gathered until figures are due.

use std::collections::{BTreeMap, HashMap};
use std::mem;

use poolscope_wire::{Breaker, Protection, Sessions, Warning};

/// Something that browsers know by its id.
pub(super) trait Known: Clone + PartialEq {
    fn id(&self) -> &str;

    /// True if between what was told and what is now is nothing that somebody would be woken for.
    fn can_wait(&self, now: &Self) -> bool;
}

impl Known for Warning {
    fn id(&self) -> &str {
        &self.id
    }

    fn can_wait(&self, now: &Self) -> bool {
        (self.rule, self.severity, self.recovering) == (now.rule, now.severity, now.recovering)
    }
}

impl Known for Breaker {
    fn id(&self) -> &str {
        &self.id
    }

    fn can_wait(&self, now: &Self) -> bool {
        (self.state, self.since_ms, self.stale) == (now.state, now.since_ms, now.stale)
            && self.transitions == now.transitions
    }
}

impl Known for Protection {
    fn id(&self) -> &str {
        &self.id
    }

    fn can_wait(&self, now: &Self) -> bool {
        (self.health.severity, self.stale) == (now.health.severity, now.stale)
    }
}

impl Known for Sessions {
    fn id(&self) -> &str {
        &self.id
    }

    fn can_wait(&self, now: &Self) -> bool {
        (self.health.severity, self.stale) == (now.health.severity, now.stale)
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Gather<T> {
    told: HashMap<String, T>,
    /// The newest of what waits.
    held: BTreeMap<String, T>,
}

impl<T> Default for Gather<T> {
    fn default() -> Self {
        Self { told: HashMap::new(), held: BTreeMap::new() }
    }
}

impl<T: Known> Gather<T> {
    /// True if something waits to be told.
    pub(super) fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// Leaves of what is to be told only what is told now. With `all` nothing waits.
    pub(super) fn condense(&mut self, changed: &mut Vec<T>, removed: &[String], all: bool) {
        for id in removed {
            self.told.remove(id);
            self.held.remove(id);
        }
        for one in mem::take(changed) {
            if !all && self.told.get(one.id()).is_some_and(|told| told.can_wait(&one)) {
                self.held.insert(one.id().to_owned(), one);
            } else {
                self.held.remove(one.id());
                self.tell(one, changed);
            }
        }
        if all {
            mem::take(&mut self.held).into_values().for_each(|one| self.tell(one, changed));
        }
    }

    fn tell(&mut self, one: T, changed: &mut Vec<T>) {
        if self.told.get(one.id()) != Some(&one) {
            self.told.insert(one.id().to_owned(), one.clone());
            changed.push(one);
        }
    }

    /// Somebody gets the whole picture: what nobody knew so far is known now.
    pub(super) fn know(&mut self, all: &[T]) {
        for one in all {
            self.told.entry(one.id().to_owned()).or_insert_with(|| one.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use poolscope_wire::{BreakerState, Severity};

    use super::*;

    fn warning(id: &str, sentence: &str) -> Warning {
        Warning { id: id.to_owned(), sentence: sentence.to_owned(), ..Warning::default() }
    }

    fn ids<T: Known>(all: &[T]) -> Vec<&str> {
        all.iter().map(T::id).collect()
    }

    #[test]
    fn another_figure_waits_and_another_severity_does_not() {
        let mut gather = Gather::default();
        let mut changed = vec![warning("a", "3 wait"), warning("b", "4 wait")];
        gather.condense(&mut changed, &[], false);
        assert_eq!(ids(&changed), ["a", "b"], "what is new is told at once");
        let worse = Warning { severity: Severity::Bad, ..warning("b", "9 wait") };
        let mut changed = vec![warning("a", "5 wait"), worse];
        gather.condense(&mut changed, &[], false);
        assert_eq!((ids(&changed), gather.holds()), (vec!["b"], true));
        let mut changed = vec![warning("a", "6 wait")];
        gather.condense(&mut changed, &[], true);
        assert_eq!(changed, [warning("a", "6 wait")], "the newest, once");
        assert!(!gather.holds());
    }

    #[test]
    fn what_is_as_it_was_told_or_went_is_not_told() {
        let mut gather = Gather::default();
        gather.know(&[warning("a", "3 wait"), warning("b", "4 wait")]);
        gather.condense(&mut vec![warning("a", "5 wait"), warning("b", "5 wait")], &[], false);
        let mut changed = vec![warning("b", "4 wait")];
        gather.condense(&mut changed, &["a".to_owned()], true);
        assert_eq!(changed, []);
        let mut changed = vec![warning("a", "3 wait")];
        gather.condense(&mut changed, &[], false);
        assert_eq!(ids(&changed), ["a"], "it is back, and nobody knows it");
    }

    #[test]
    fn a_breaker_that_flips_does_not_wait() {
        let breaker =
            |state, calls| Breaker { id: "a".to_owned(), state, window_calls: calls, ..Breaker::default() };
        let mut gather = Gather::default();
        gather.know(&[breaker(BreakerState::Closed, 1)]);
        let mut changed = vec![breaker(BreakerState::Closed, 2)];
        gather.condense(&mut changed, &[], false);
        assert!(changed.is_empty() && gather.holds());
        let mut changed = vec![breaker(BreakerState::Open, 3)];
        gather.condense(&mut changed, &[], false);
        assert_eq!((changed.len(), gather.holds()), (1, false), "with all that waited");
    }
}
