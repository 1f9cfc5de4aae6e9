//! [`Watched`]: what a guard looks at and has found, and its breaker.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use poolscope_semconv::value::{BreakerReason, BreakerState, ResourceState};

use super::limits::Limits;
use super::reader::Reader;
use super::resource::{CONNECTIONS, Calls, MEMORY, OPEN_FILES, Resource, Seen};
use crate::event::{BreakerTransition, Event, ResourceUse};
use crate::registry::ResourceSnapshot;
use crate::{BreakerSnapshot, ConfigError};

/// The three that every guard has come first.
const FILES: usize = 0;
const RAM: usize = 1;
const POOLS: usize = 2;

/// Counts something of the program's own.
type Count = Box<dyn Fn() -> u64 + Send + Sync>;

pub(super) struct Watched {
    guard: Arc<str>,
    recover_at: f64,
    reader: Reader,
    resources: Vec<Resource>,
    /// How those beyond the first three are counted.
    counts: Vec<Count>,
    is_open: bool,
    transitions: BTreeMap<(BreakerState, BreakerState, BreakerReason), u64>,
}

impl Watched {
    pub(super) fn new(guard: Arc<str>, limits: [Option<Limits>; 3], recover_at: f64) -> Self {
        let names = [OPEN_FILES, MEMORY, CONNECTIONS];
        let resources = names.iter().zip(limits).map(|(name, limits)| Resource::new(name, limits)).collect();
        Self {
            guard,
            recover_at,
            reader: Reader::default(),
            resources,
            counts: Vec::new(),
            is_open: false,
            transitions: BTreeMap::new(),
        }
    }

    /// Adds something that the program counts itself.
    pub(super) fn add(
        &mut self,
        name: &str,
        limits: Option<Limits>,
        count: Count,
    ) -> Result<(), ConfigError> {
        crate::config_error::require(self.resources.iter().all(|known| &*known.name != name), || {
            format!("the guard watches {name} already; give what you count another name")
        })?;
        self.resources.push(Resource::new(name, limits));
        self.counts.push(count);
        Ok(())
    }

    /// Reads everything, and gives what is to be told of it.
    pub(super) fn look(&mut self, connections: u64, calls: Calls, now: Instant) -> Vec<Event> {
        let mut events = Vec::new();
        for index in 0..self.resources.len() {
            let reader = &mut self.reader;
            let (used, system, calls) = match index {
                FILES => (reader.open_files(), reader.most_open_files(), Some(calls)),
                RAM => (reader.memory(), reader.most_memory(now), None),
                POOLS => (Some(connections), None, Some(calls)),
                // One that panics is not known.
                own => (catch_unwind(AssertUnwindSafe(&self.counts[own - 1 - POOLS])).ok(), None, None),
            };
            let resource = &mut self.resources[index];
            let before = resource.see(&Seen { used, system, calls }, self.recover_at);
            events.extend(before.and_then(|before| told(&self.guard, resource, before)));
        }
        events.extend(self.judge());
        events
    }

    /// Opens or closes the breaker.
    fn judge(&mut self) -> Option<Event> {
        let is_open = self.resources.iter().any(|resource| resource.state == ResourceState::Exhausted);
        if is_open == self.is_open {
            return None;
        }
        let from = self.state();
        self.is_open = is_open;
        let to = self.state();
        let reason = if is_open { BreakerReason::Resources } else { BreakerReason::ResourcesFreed };
        *self.transitions.entry((from, to, reason)).or_default() += 1;
        Some(Event::BreakerTransition(BreakerTransition {
            name: Arc::clone(&self.guard),
            from,
            to,
            reason,
            failure_ratio: None,
            slow_call_ratio: None,
            connect_failure_ratio: None,
            window_calls: 0,
            open_for: None,
            forced: None,
        }))
    }

    /// A new turn of calls begins.
    pub(super) fn turn(&mut self) {
        self.resources.iter_mut().for_each(Resource::turn);
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// How many calls may begin before something is exhausted; `None` without an end.
    pub(super) fn left(&self) -> Option<u64> {
        [FILES, POOLS].into_iter().filter_map(|index| self.resources[index].left()).min()
    }

    /// True if it is worth to look more often.
    pub(super) fn is_near(&self) -> bool {
        self.resources.iter().any(Resource::is_near)
    }

    /// The resource that a call is refused for: the first that is exhausted, or else the one with the least left.
    pub(super) fn refusing(&mut self) -> &mut Resource {
        let exhausted = |resource: &Resource| resource.state == ResourceState::Exhausted;
        let index = self.resources.iter().position(exhausted).unwrap_or_else(|| {
            let left = |index: &usize| self.resources[*index].left().unwrap_or(u64::MAX);
            [FILES, POOLS].into_iter().min_by_key(left).unwrap_or(FILES)
        });
        &mut self.resources[index]
    }

    pub(super) fn snapshot(&self) -> Vec<ResourceSnapshot> {
        let row = |resource: &Resource| ResourceSnapshot {
            guard: self.guard.to_string(),
            name: resource.name.to_string(),
            current: resource.used,
            peak: resource.peak,
            soft_limit: resource.resolved.map(|(soft, _)| soft),
            hard_limit: resource.resolved.map(|(_, hard)| hard),
            system_limit: resource.system,
            state: resource.state,
            refused: resource.refused,
        };
        self.resources.iter().map(row).collect()
    }

    pub(super) fn breaker(&self) -> BreakerSnapshot {
        let mut breaker = BreakerSnapshot::new(&*self.guard, self.state());
        let transitions = self.transitions.iter();
        breaker.transitions =
            transitions.map(|((from, to, reason), count)| (*from, *to, *reason, *count)).collect();
        breaker
    }

    fn state(&self) -> BreakerState {
        if self.is_open { BreakerState::Open } else { BreakerState::Closed }
    }
}

/// The event of a resource whose state was another one before.
fn told(guard: &Arc<str>, resource: &Resource, before: ResourceState) -> Option<Event> {
    let (soft_limit, hard_limit) = resource.resolved.unwrap_or_default();
    let seen = ResourceUse {
        guard: Arc::clone(guard),
        resource: Arc::clone(&resource.name),
        current: resource.used?,
        soft_limit,
        hard_limit,
    };
    Some(match (before, resource.state) {
        (_, ResourceState::Exhausted) => Event::ResourceExhausted(seen),
        (_, ResourceState::Warning) => Event::ResourceWarning(seen),
        (_, ResourceState::Normal) => Event::ResourceRecovered(seen),
    })
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("resources", &self.resources).finish_non_exhaustive()
    }
}
