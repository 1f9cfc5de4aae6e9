//! A second place that every record of a histogram goes to, for those who can't take what was counted already.
//!
//! A series gets its mirror when it is made, or when somebody begins to mirror, so a record looks nothing up. Without a
//! mirror a record pays for one relaxed load.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use poolscope_semconv::attr;
use poolscope_semconv::metric::MetricDef;
use poolscope_semconv::value::ConnectPhase;

use super::pool::Pool;
use super::snapshot::Protocol;
use crate::series::{Labels, pool_key, text};

/// Takes the records of one series, in the unit of its metric.
pub(crate) trait Mirror: Send + Sync {
    fn record(&self, value: f64);
}

/// Makes the mirrors of series.
pub(crate) trait Mirrors: Send + Sync {
    fn mirror(&self, def: &'static MetricDef, labels: Labels<'_>) -> Arc<dyn Mirror>;
}

/// Who makes the mirrors, if anybody does.
pub(crate) type Mirroring<'a> = Option<&'a Arc<dyn Mirrors>>;

/// Who mirrors what a pool makes later, with the pool's key.
pub(super) type PoolMirrors = Option<(Arc<dyn Mirrors>, Labels<'static>)>;

/// Where the records of one histogram go besides.
#[derive(Default)]
pub(super) struct Mirrored {
    is_on: AtomicBool,
    to: RwLock<Option<Arc<dyn Mirror>>>,
}

impl Mirrored {
    #[inline]
    pub(super) fn record(&self, value: impl FnOnce() -> f64) {
        if self.is_on.load(Relaxed) {
            self.pass_on(value());
        }
    }

    #[cold]
    fn pass_on(&self, value: f64) {
        let to = self.to.read().unwrap_or_else(PoisonError::into_inner).clone();
        // Outside of the lock: what the mirror does may come back here.
        if let Some(to) = to {
            to.record(value);
        }
    }

    pub(super) fn set(&self, to: Option<Arc<dyn Mirror>>) {
        let is_on = to.is_some();
        *self.to.write().unwrap_or_else(PoisonError::into_inner) = to;
        self.is_on.store(is_on, Relaxed);
    }
}

impl fmt::Debug for Mirrored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mirrored").field(&self.is_on.load(Relaxed)).finish()
    }
}

/// Who mirrors the histograms of a scope.
#[derive(Default)]
pub(crate) struct MirrorSwitch {
    now: RwLock<Option<Arc<dyn Mirrors>>>,
    /// Held for as long as what is there already is told of a change, so that two changes don't overlap.
    change: Mutex<()>,
}

impl MirrorSwitch {
    /// Who makes mirrors for what is made now.
    pub(crate) fn now(&self) -> Option<Arc<dyn Mirrors>> {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins to mirror, and tells what is there already. False if somebody does it already.
    pub(crate) fn begin(&self, mirrors: &Arc<dyn Mirrors>, tell: impl FnOnce(Mirroring<'_>)) -> bool {
        let _change = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        if self.now().is_some() {
            return false;
        }
        self.set(Some(Arc::clone(mirrors)));
        tell(Some(mirrors));
        true
    }

    /// Mirrors no more, and tells what is there.
    pub(crate) fn end(&self, tell: impl FnOnce(Mirroring<'_>)) {
        let _change = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        self.set(None);
        tell(None);
    }

    fn set(&self, mirrors: Option<Arc<dyn Mirrors>>) {
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = mirrors;
    }
}

impl fmt::Debug for MirrorSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MirrorSwitch").field(&self.now().is_some()).finish()
    }
}

impl Pool {
    /// Its histograms go to these mirrors besides from now on, or to none any more.
    pub(crate) fn mirror(&self, mirrors: Mirroring<'_>) {
        let key = || {
            let name = self.name();
            pool_key(&name.client, name.scheme, &name.host, name.port, self.observation())
        };
        let with = |label| {
            let mut labels = key();
            labels.push(label);
            labels
        };
        let times = &self.times;
        let plain = [
            &times.wait,
            &times.queued,
            &times.usage,
            &times.idle,
            &times.create,
            &times.requests,
            &times.rtt,
        ];
        for histogram in plain {
            histogram.mirror(mirrors, key);
        }
        for phase in ConnectPhase::ALL {
            times.phases[phase.index()].mirror(mirrors, || with(text(attr::CONNECT_PHASE, phase.as_str())));
        }
        for protocol in Protocol::ALL {
            let labels = || with(text(attr::NETWORK_PROTOCOL_VERSION, protocol.version()));
            times.lifetime[protocol as usize].mirror(mirrors, labels);
        }
        self.limit.mirror(mirrors, key);
        self.lookups.mirror(mirrors, &key());
        self.results().mirror(mirrors, &key());
    }
}
