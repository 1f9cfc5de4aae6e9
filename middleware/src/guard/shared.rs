//! [`Shared`]: what a guard, its layers and services, and its thread have in common.

use std::io;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::Thread;
use std::time::{Duration, Instant};

use poolscope_semconv::value::{BreakerOutcome, ErrorType};
use poolscope_semconv::{attr, span};

use super::error::ResourcesExhausted;
use super::limits::Limits;
use super::pending::Pending;
use super::resource::Calls;
use super::watched::Watched;
use crate::event::Events;
use crate::registry::{ResourceSnapshot, Rows};
use crate::scope::ScopeRef;
use crate::trace;
use crate::{BreakerSnapshot, BreakerSource, ConfigError, Scope};

/// With room for so many calls they are not counted: more can't open a connection each before the next look.
const UNCOUNTED: u64 = 10_000;

/// Every call passes.
const OPEN_END: u64 = u64::MAX;

/// No call passes.
const SHUT: u64 = 0;

/// Time after which a call that has begun has opened what it needs. Two turns of it are remembered.
const TURN: Duration = Duration::from_millis(250);

/// How much sooner the next look is when a limit is near.
const SOONER: u32 = 10;

#[derive(Debug)]
pub(super) struct Shared {
    name: Arc<str>,
    scope: ScopeRef,
    events: Arc<Events>,
    interval: Duration,
    /// Calls that were counted.
    counted: AtomicU64,
    /// How many calls may be counted before the next look, [`OPEN_END`] or [`SHUT`].
    until: AtomicU64,
    pending: Pending,
    rejected: AtomicU64,
    looked: Mutex<Looked>,
    /// Is woken to find that the guard is gone.
    thread: OnceLock<Thread>,
}

#[derive(Debug)]
struct Looked {
    watched: Watched,
    turned: Instant,
}

impl Shared {
    pub(super) fn new(
        name: Arc<str>,
        (scope, events): (ScopeRef, Arc<Events>),
        interval: Duration,
        watched: Watched,
    ) -> Self {
        Self {
            name,
            scope,
            events,
            interval,
            counted: AtomicU64::new(0),
            until: AtomicU64::new(OPEN_END),
            pending: Pending::default(),
            rejected: AtomicU64::new(0),
            looked: Mutex::new(Looked { watched, turned: Instant::now() }),
            thread: OnceLock::new(),
        }
    }

    /// Looks for the first time, when what is used was used before any call, and then from a thread of its own.
    pub(super) fn begin(self: &Arc<Self>) -> io::Result<()> {
        // The first look opens what it reads, which the second one counts.
        self.look();
        self.look();
        let mut looked = self.looked();
        looked.watched.turn();
        looked.watched.turn();
        drop(looked);
        let shared = Arc::downgrade(self);
        let thread = std::thread::Builder::new().name("poolscope-guard".into());
        let thread = thread.spawn(move || run(&shared))?;
        let _ = self.thread.set(thread.thread().clone());
        Ok(())
    }

    pub(super) fn watch(
        &self,
        name: &str,
        limits: Option<Limits>,
        count: Box<dyn Fn() -> u64 + Send + Sync>,
    ) -> Result<(), ConfigError> {
        self.looked().watched.add(name, limits, count)?;
        self.look();
        Ok(())
    }

    /// Lets a call through or not. A call that is counted gives back what this gives when it has its answer.
    #[inline]
    pub(super) fn admit(self: &Arc<Self>) -> Result<Option<Coming>, ResourcesExhausted> {
        if self.until.load(Relaxed) == OPEN_END { Ok(None) } else { self.count().map(Some) }
    }

    /// Lets a call through that takes one of those that are left. If none is, it is looked again what is left really.
    fn count(self: &Arc<Self>) -> Result<Coming, ResourcesExhausted> {
        if self.until.load(Relaxed) != SHUT {
            if let Some(coming) = self.take() {
                return Ok(coming);
            }
            self.look();
            if let Some(coming) = self.take() {
                return Ok(coming);
            }
        }
        Err(self.refuse())
    }

    /// Takes one of those that are left. The call is pending before it is counted, and a look reads the count before those
    /// that are pending: so it knows of all that are in its count.
    fn take(self: &Arc<Self>) -> Option<Coming> {
        let coming = Coming { turn: self.pending.enter(), shared: Arc::clone(self) };
        let number = self.counted.fetch_add(1, AcqRel);
        (number < self.until.load(Acquire)).then_some(coming)
    }

    #[cold]
    fn refuse(&self) -> ResourcesExhausted {
        self.rejected.fetch_add(1, Relaxed);
        let mut looked = self.looked();
        let resource = looked.watched.refusing();
        resource.refused += 1;
        let exhausted = ResourcesExhausted {
            guard: Arc::clone(&self.name),
            resource: Arc::clone(&resource.name),
            current: resource.used.unwrap_or_default(),
            coming: resource.coming,
            limit: resource.resolved.map_or(0, |(_, hard)| hard),
        };
        drop(looked);
        if let Some(scope) = self.scope.upgrade() {
            trace::refused(&scope, span::GUARD_REFUSED, ErrorType::ResourcesExhausted, &exhausted, || {
                [
                    (attr::GUARD_NAME, Arc::clone(&exhausted.guard)),
                    (attr::RESOURCE_NAME, Arc::clone(&exhausted.resource)),
                ]
            });
        }
        exhausted
    }

    /// Looks at everything, and tells what has changed. Gives the time until the next look.
    pub(super) fn look(&self) -> Duration {
        let scope = self.scope.upgrade();
        let connections = scope.as_ref().map_or(0, Scope::open_connections);
        let mut looked = self.looked();
        let now = Instant::now();
        let counted = self.counted.load(Acquire);
        // The calls before what became of them, so that none counts as served that is not in its count.
        let begun = self.pending.calls();
        let (waiting, acquired) = scope.as_ref().map_or((0, 0), Scope::acquires);
        let calls = Calls { waiting, acquired, ..begun };
        let events = looked.watched.look(connections, calls, now);
        let until = match looked.watched.left() {
            _ if looked.watched.is_open() => SHUT,
            Some(left) if left < UNCOUNTED => counted + left,
            _ => OPEN_END,
        };
        self.until.store(until, Release);
        if now.saturating_duration_since(looked.turned) >= TURN {
            looked.turned = now;
            looked.watched.turn();
            self.pending.turn();
        }
        let is_near = looked.watched.is_near();
        drop(looked);
        // Listeners may ask the guard.
        events.iter().for_each(|event| self.events.emit(event));
        if is_near { self.interval / SOONER } else { self.interval }
    }

    fn looked(&self) -> MutexGuard<'_, Looked> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rows<ResourceSnapshot> for Shared {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    fn rows(&self) -> Vec<ResourceSnapshot> {
        self.looked().watched.snapshot()
    }
}

/// A call that may take something yet; no longer once this is dropped.
#[derive(Debug)]
pub(super) struct Coming {
    turn: u64,
    shared: Arc<Shared>,
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.shared.pending.leave(self.turn);
    }
}

/// What a scope keeps of the breaker of a guard, so that it is gone when the guard is.
#[derive(Debug)]
pub(super) struct Shown(pub(super) Weak<Shared>);

impl BreakerSource for Shown {
    fn breakers(&self) -> Vec<BreakerSnapshot> {
        let Some(shared) = self.0.upgrade() else { return Vec::new() };
        let mut breaker = shared.looked().watched.breaker();
        breaker.calls = vec![(BreakerOutcome::Rejected, shared.rejected.load(Relaxed))];
        vec![breaker]
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

/// Looks again and again, until the guard is gone.
fn run(shared: &Weak<Shared>) {
    let look = || shared.upgrade().map(|shared| shared.look());
    // The guard is not held while the thread sleeps.
    while let Some(interval) = look() {
        std::thread::park_timeout(interval);
    }
}
