//! [`Circuits`]: the breakers of a layer by their keys, bounded in number.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Instant;

use foldhash::fast::RandomState;
use poolscope_semconv::value::ErrorType;
use poolscope_semconv::{attr, span};

use super::builder::Config;
use super::circuit::{Circuit, now};
use super::error::BreakerOpen;
use super::key::{Key, KeyRef};
use super::last;
use super::permit::Permit;
use super::state::{Change, Force};
use super::store::{BreakerStore, Saver, StoredBreaker, StoredState};
use crate::event::Events;
use crate::http_message::{Asked, Target, Written};
use crate::scope::ScopeRef;
use crate::{BreakerSnapshot, BreakerSource, Scope, trace};

/// Name of the breaker that takes the requests without one of their own.
const OTHER: &str = poolscope_semconv::value::OVERFLOW;

/// Breakers that no call has asked for yet, by name.
type Waiting = BTreeMap<String, Arc<Circuit>>;

/// The breakers of a layer.
#[derive(Debug)]
pub(super) struct Circuits {
    /// Like no other layer of the program.
    number: u64,
    config: Arc<Config>,
    events: Arc<Events>,
    scope: ScopeRef,
    by_key: papaya::HashMap<Key, Arc<Circuit>, RandomState>,
    /// Held to make and to retire breakers, never to find one.
    making: Mutex<()>,
    other: OnceLock<Arc<Circuit>>,
    /// What was kept over a restart, by name, to look at and to move by hand until a call makes a breaker of that name.
    waiting: Mutex<Waiting>,
    saver: OnceLock<Saver>,
    retired: AtomicU64,
    overflowed: AtomicU64,
}

impl Circuits {
    pub(super) fn new(config: Config, scope: &Scope) -> Self {
        static LAYERS: AtomicU64 = AtomicU64::new(0);
        Self {
            number: LAYERS.fetch_add(1, Relaxed),
            config: Arc::new(config),
            events: Arc::clone(scope.events()),
            scope: scope.downgrade(),
            by_key: papaya::HashMap::with_hasher(RandomState::default()),
            making: Mutex::new(()),
            other: OnceLock::new(),
            waiting: Mutex::default(),
            saver: OnceLock::new(),
            retired: AtomicU64::new(0),
            overflowed: AtomicU64::new(0),
        }
    }

    /// Lets a request through its breaker, if the last call of this thread had the same and all pass. Otherwise
    /// [`Circuits::admit`] has to be asked.
    pub(super) fn pass(&self, asked: &Asked<'_>) -> Option<Permit> {
        let circuit = self.last(asked)?;
        circuit.pass().map_err(last::remember).ok()
    }

    /// Lets a request through its breaker or not.
    pub(super) fn admit(&self, asked: &Asked<'_>) -> Result<Permit, BreakerOpen> {
        self.last(asked).unwrap_or_else(|| self.find(asked)).admit()
    }

    /// When a call begins, if it is judged how long it takes.
    #[inline]
    pub(super) fn start(&self) -> Option<Instant> {
        self.config.rules.slow_calls.map(|_| now())
    }

    /// The breaker of a request if the last call of this thread had the same, which costs a comparison.
    #[inline]
    fn last(&self, asked: &Asked<'_>) -> Option<Arc<Circuit>> {
        let circuit = self.config.key.is_destination().then(|| last::take(self.number, asked.target()))??;
        circuit.touch();
        Some(circuit)
    }

    /// The breaker of a request. Takes no lock and allocates nothing once it exists.
    fn find(&self, asked: &Asked<'_>) -> Arc<Circuit> {
        let Some(key) = self.config.key.key(asked) else { return self.other() };
        let known = self.by_key.pin();
        if let Some(circuit) = known.get(&key) {
            circuit.touch();
            return Arc::clone(circuit);
        }
        drop(known);
        self.make(&key, asked.target())
    }

    /// Begins with what a store has, and keeps in it what changes.
    pub(super) fn keep_in(self: &Arc<Self>, store: Arc<dyn BreakerStore>) {
        let kept = store.load().unwrap_or_else(|error| {
            tracing::warn!("breakers begin closed, since what was kept of them can't be used: {error}");
            Vec::new()
        });
        match Saver::start(store, Arc::downgrade(self)) {
            Ok(saver) => {
                #[cfg(feature = "shutdown")]
                if let Some(scope) = self.scope.upgrade() {
                    scope.finish_at_end(saver.task());
                }
                let _ = self.saver.set(saver);
            }
            Err(error) => tracing::warn!("the states of breakers are not kept: {error}"),
        }
        self.await_calls(kept);
    }

    /// Holds what was kept, until calls come for it; as many as there is room for breakers, those first that are held by hand.
    fn await_calls(&self, mut kept: Vec<StoredBreaker>) {
        kept.sort_by_key(|stored| matches!(stored.state, StoredState::Open { .. }));
        let restored = kept.into_iter().filter_map(|stored| {
            let circuit = self.circuit(stored.name.as_str().into(), self.rest(), None);
            // Without a change there is nothing to restore. Its event comes with the first call.
            circuit.restore(stored.state).map(|_| (stored.name, circuit))
        });
        self.waiting().extend(restored.take(self.config.max_breakers));
    }

    /// What was kept over a restart, by name. Held while one of them becomes that of a call, so that it is always somewhere.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has to be known after a restart. What nobody has asked for since the last one is still kept.
    pub(super) fn stored(&self) -> Vec<StoredBreaker> {
        self.all().iter().filter_map(|circuit| circuit.stored()).collect()
    }

    /// The state that all but the last breaker start in, if it is not closed.
    fn rest(&self) -> Option<Force> {
        self.config.metrics_only.then_some(Force::MetricsOnly)
    }

    /// Name of the breaker of a key.
    pub(super) fn name_of(&self, key: &str) -> String {
        self.config.name.as_ref().map_or_else(|| key.to_owned(), |prefix| format!("{prefix} {key}"))
    }

    /// The breaker of a name.
    pub(super) fn named(&self, name: &str) -> Option<Arc<Circuit>> {
        self.all().into_iter().find(|circuit| circuit.name() == name)
    }

    /// The breaker of a name that calls go through. One that only waits for its first call after a restart is none.
    #[cfg(feature = "control")]
    pub(super) fn in_use(&self, name: &str) -> Option<Arc<Circuit>> {
        let circuits = self.by_key.pin();
        circuits.values().chain(self.other.get()).find(|circuit| circuit.name() == name).cloned()
    }

    /// Names of all of those.
    #[cfg(feature = "control")]
    pub(super) fn names_in_use(&self) -> Vec<Arc<str>> {
        let circuits = self.by_key.pin();
        circuits.values().chain(self.other.get()).map(|circuit| circuit.name().into()).collect()
    }

    pub(super) fn snapshot(&self) -> Vec<BreakerSnapshot> {
        let now = now();
        let mut breakers: Vec<_> = self.all().iter().map(|circuit| circuit.snapshot(now)).collect();
        breakers.sort_by(|a, b| a.name.cmp(&b.name));
        breakers
    }

    /// Breakers that made room for others.
    pub(super) fn retired(&self) -> u64 {
        self.retired.load(Relaxed)
    }

    /// Calls that had no breaker of their own.
    pub(super) fn overflowed(&self) -> u64 {
        self.overflowed.load(Relaxed)
    }

    /// Has a span tell of a call that is not let through.
    #[cold]
    pub(super) fn trace(&self, open: &BreakerOpen) {
        if let Some(scope) = self.scope.upgrade() {
            trace::refused(&scope, span::BREAKER_REJECTED, ErrorType::BreakerOpen, open, || {
                [
                    (attr::BREAKER_NAME, Arc::clone(&open.name)),
                    (attr::BREAKER_STATE, open.state.as_str().into()),
                ]
            });
        }
    }

    fn all(&self) -> Vec<Arc<Circuit>> {
        let mut waiting = self.waiting();
        let now = now();
        waiting.retain(|_, circuit| !circuit.is_dispensable(now));
        let waiting = waiting.values().cloned();
        self.by_key.pin().values().chain(self.other.get()).cloned().chain(waiting).collect()
    }

    fn make(&self, key: &KeyRef<'_>, target: Target<'_>) -> Arc<Circuit> {
        let making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let circuits = self.by_key.pin();
        if let Some(known) = circuits.get(key) {
            return Arc::clone(known);
        }
        if circuits.len() >= self.config.max_breakers {
            self.retire();
            if circuits.len() >= self.config.max_breakers {
                drop(making);
                return self.other();
            }
        }
        let key = key.to_owned();
        let written = if let Key::Destination(_) = key { target.written() } else { None };
        let circuit = self.circuit(self.name_of(&key.to_string()).into(), self.rest(), written);
        let mut waiting = self.waiting();
        let change = take_over(&mut waiting, &circuit);
        circuits.insert(key, Arc::clone(&circuit));
        drop((waiting, making));
        if let Some(change) = change {
            circuit.tell(&change);
        }
        circuit
    }

    /// Removes breakers that have nothing to say: those that were not used since the last time, or else some that were. An
    /// eighth at most, so that the next ones find room without a search and the others keep what they know.
    fn retire(&self) {
        let (circuits, now) = (self.by_key.pin(), now());
        let dispensable = circuits.iter().filter(|(_, circuit)| circuit.is_dispensable(now));
        let (used, unused): (Vec<_>, Vec<_>) = dispensable.partition(|(_, circuit)| circuit.was_used());
        for (key, circuit) in unused.into_iter().chain(used).take(circuits.len().div_ceil(8)) {
            circuit.retire();
            circuits.remove(key);
            self.retired.fetch_add(1, Relaxed);
        }
    }

    fn other(&self) -> Arc<Circuit> {
        self.overflowed.fetch_add(1, Relaxed);
        let mut change = None;
        let circuit = self.other.get_or_init(|| {
            let circuit = self.circuit(self.name_of(OTHER).into(), Some(Force::MetricsOnly), None);
            change = take_over(&mut self.waiting(), &circuit);
            circuit
        });
        if let Some(change) = change {
            circuit.tell(&change);
        }
        Arc::clone(circuit)
    }

    fn circuit(&self, name: Arc<str>, force: Option<Force>, written: Option<Written>) -> Arc<Circuit> {
        let circuit = Arc::new(Circuit::new(
            name,
            (self.number, written),
            Arc::clone(&self.config),
            Arc::clone(&self.events),
            force,
        ));
        if let Some(saver) = self.saver.get() {
            circuit.saved_by(saver);
        }
        circuit
    }
}

/// Brings a breaker that is new to where the one of its name was before a restart.
fn take_over(waiting: &mut Waiting, circuit: &Circuit) -> Option<Change> {
    let before = waiting.remove(circuit.name())?;
    circuit.restore(before.stored()?.state)
}

impl Drop for Circuits {
    fn drop(&mut self) {
        // A thread may keep a breaker for its next call, and with it the one that keeps breakers over restarts, which has
        // nothing left to do but to save what has changed last.
        if let Some(saver) = self.saver.get() {
            saver.end(|| self.stored());
        }
    }
}

/// What a scope keeps of the breakers of a layer, so that they are gone when the layer and its services are.
#[derive(Debug)]
pub(super) struct Shown(pub(super) Weak<Circuits>);

impl BreakerSource for Shown {
    fn breakers(&self) -> Vec<BreakerSnapshot> {
        self.0.upgrade().map(|circuits| circuits.snapshot()).unwrap_or_default()
    }
}
