//! What the limit of a pool does: who was let through, who waits and since when, who was refused.

use std::collections::BTreeMap;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use poolscope_semconv::metric;
use poolscope_semconv::value::LimitOutcome;

use super::gate::Gate;
use super::histogram::{Histogram, HistogramSnapshot};
use super::mirror::Mirroring;
#[cfg(feature = "serde")]
use super::serial;
use crate::clock::Instant;
use crate::series::Labels;

/// The limit of a pool: its gate, once a request went through a limit layer, and what came of the requests.
#[derive(Debug)]
pub(crate) struct Limit {
    gate: OnceLock<Gate>,
    outcomes: [AtomicU64; LimitOutcome::COUNT],
    /// Requests that began to wait, and that ended it.
    queued: [AtomicU64; 2],
    /// Those who wait, each by a number of its own, and since when. Taken only by those who wait.
    waiting: Mutex<BTreeMap<u64, Instant>>,
    wait: Histogram,
    /// When a refusal was last told, and how many were not told since.
    told: [AtomicU64; 2],
}

/// Time between two events that tell of refusals.
const TELL_EVERY: Duration = Duration::from_secs(1);

impl Limit {
    pub(super) fn new() -> Self {
        Self {
            gate: OnceLock::new(),
            outcomes: Default::default(),
            queued: Default::default(),
            waiting: Mutex::default(),
            wait: Histogram::new(&metric::LIMIT_WAIT_TIME),
            told: Default::default(),
        }
    }

    /// Waits go to a mirror besides from now on, or to none any more.
    pub(super) fn mirror<'a>(&self, mirrors: Mirroring<'_>, key: impl FnOnce() -> Labels<'a>) {
        self.wait.mirror(mirrors, key);
    }

    /// The gate, made by the first who asks for it.
    #[inline]
    pub(crate) fn gate(&self, make: impl FnOnce() -> Gate) -> &Gate {
        self.gate.get_or_init(make)
    }

    /// The gate, if there is one.
    #[inline]
    pub(crate) fn known(&self) -> Option<&Gate> {
        self.gate.get()
    }

    /// A request was let through at once.
    #[inline]
    pub(crate) fn passed(&self) {
        self.outcomes[LimitOutcome::AtOnce.index()].fetch_add(1, Relaxed);
    }

    /// A request begins to wait; gives the number to [end](Self::waited) it with.
    pub(crate) fn waits(&self, now: Instant) -> u64 {
        let number = self.queued[0].fetch_add(1, AcqRel);
        self.waiting().insert(number, now);
        number
    }

    /// A request waits no more.
    pub(crate) fn waited(&self, number: u64, outcome: LimitOutcome, now: Instant) -> Duration {
        let since = self.waiting().remove(&number);
        let waited = since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.wait.record(waited);
        self.outcomes[outcome.index()].fetch_add(1, AcqRel);
        self.queued[1].fetch_add(1, AcqRel);
        waited
    }

    /// A request found no room to wait.
    pub(crate) fn refused(&self) {
        self.outcomes[LimitOutcome::QueueFull.index()].fetch_add(1, Relaxed);
    }

    /// How many refusals there are to tell of, this one included; `None` if others were told of a moment ago.
    pub(crate) fn to_tell(&self, now: Instant) -> Option<u64> {
        let [last, untold] = &self.told;
        untold.fetch_add(1, AcqRel);
        let next = |last: u64| {
            let is_due = last == 0 || now.saturating_duration_since(Instant::from_nanos(last)) >= TELL_EVERY;
            is_due.then(|| now.as_nanos().max(1))
        };
        last.fetch_update(AcqRel, Acquire, next).ok()?;
        Some(untold.swap(0, AcqRel))
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<u64, Instant>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those who wait and most who may be in flight; `None` while no request went through a limit layer.
    pub(super) fn queued_for(&self) -> Option<(u64, u32)> {
        let gate = self.gate.get()?;
        // What ends is read before what begins.
        let ended = self.queued[1].load(Acquire);
        Some((self.queued[0].load(Acquire).saturating_sub(ended), gate.limit()))
    }

    /// `None` while no request went through a limit layer.
    pub(super) fn snapshot(&self, now: Instant) -> Option<LimitSnapshot> {
        let gate = self.gate.get()?;
        // What ends is read before what begins.
        let calls: Vec<_> = LimitOutcome::ALL
            .iter()
            .map(|outcome| (*outcome, self.outcomes[outcome.index()].load(Acquire)))
            .collect();
        let (queued, max) = self.queued_for()?;
        let since = self.waiting().values().min().copied();
        Some(LimitSnapshot {
            max,
            in_use: gate.crowd().inside,
            queue_max: gate.max_waiting(),
            queued,
            oldest_wait: since.map(|since| now.saturating_duration_since(since)),
            calls,
            wait: self.wait.snapshot(),
        })
    }
}

/// The limit of a pool at one moment.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LimitSnapshot {
    /// Most requests that may be in flight; `u32::MAX` for the pool of the destinations beyond the most pools, which has no
    /// limit of its own.
    pub max: u32,
    /// Requests in flight under the limit, each to the end of its response body.
    pub in_use: u64,
    /// Most requests that may wait.
    pub queue_max: u32,
    /// Requests that wait for their turn, at this limit or at the one of their client.
    pub queued: u64,
    /// How long the oldest of them has waited.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "oldest_wait_secs", serialize_with = "serial::option_secs")
    )]
    pub oldest_wait: Option<Duration>,
    /// Requests that asked, by what came of it, in the order of [`LimitOutcome::ALL`].
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::rows_as_text"))]
    pub calls: Vec<(LimitOutcome, u64)>,
    /// Times in the queue, also of those who left it in vain.
    #[cfg_attr(feature = "serde", serde(rename = "wait_secs"))]
    pub wait: HistogramSnapshot,
}

impl LimitSnapshot {
    /// Requests that asked and had this outcome.
    #[must_use]
    pub fn outcome(&self, outcome: LimitOutcome) -> u64 {
        self.calls.iter().find(|(known, _)| *known == outcome).map_or(0, |(_, calls)| *calls)
    }
}

/// The limit of all requests of a client at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TotalLimitSnapshot {
    /// Name of the client.
    pub client: String,
    /// Most requests that may be in flight.
    pub max: u32,
    /// Requests in flight under the limit.
    pub in_use: u64,
    /// Most requests that may wait.
    pub queue_max: u32,
    /// Requests that wait for their turn; the pool that each is for counts it too.
    pub queued: u64,
}

impl TotalLimitSnapshot {
    pub(super) fn of(client: &str, gate: &Gate) -> Self {
        let crowd = gate.crowd();
        Self {
            client: client.to_owned(),
            max: gate.limit(),
            in_use: crowd.inside,
            queue_max: gate.max_waiting(),
            queued: crowd.waiting,
        }
    }
}
