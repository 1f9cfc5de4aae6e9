//! [`Holder`]: one request as those see it who watch from outside: since when it waits for or holds a connection, and who
//! took it.
//!
//! Everything in here is an atomic that the request writes and a watcher reads at any moment, so a request pays a few
//! stores for being visible. The word that says what the request does also says since when; a reader who finds it
//! unchanged after reading the rest has read what belongs to it.

use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use poolscope_semconv::value::{METHOD_OTHER, METHODS};

use crate::clock::Instant;
use crate::origin::Origin;

/// Bits of the word that say what the request does; the others say since when, in nanoseconds. What is cut off above is
/// beyond seventy years.
const STAGE_BITS: u32 = 3;

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Stage {
    /// It waits for a connection.
    Waiting = 1,
    /// It has one, and no answer yet.
    Asking = 2,
    /// It has the head of its answer: now it is on the caller to read the body or to drop it.
    Answered = 3,
    /// As before, and reported as leaked.
    Leaked = 4,
}

/// What a request does, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Word(u64);

impl Word {
    const FREE: Self = Self(0);

    fn new(stage: Stage, since: Instant) -> Self {
        Self(since.as_nanos() << STAGE_BITS | stage as u64)
    }

    fn stage(self) -> Option<Stage> {
        match self.0 & ((1 << STAGE_BITS) - 1) {
            1 => Some(Stage::Waiting),
            2 => Some(Stage::Asking),
            3 => Some(Stage::Answered),
            4 => Some(Stage::Leaked),
            _ => None,
        }
    }

    fn with(self, stage: Stage) -> Self {
        Self(self.0 >> STAGE_BITS << STAGE_BITS | stage as u64)
    }

    fn since(self) -> Instant {
        Instant::from_nanos(self.0 >> STAGE_BITS)
    }
}

/// The span that a request was made under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct TraceRef {
    pub(crate) trace_id: u128,
    pub(crate) span_id: u64,
}

/// A request as a watcher read it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Held {
    pub(crate) stage: Stage,
    pub(crate) since: Instant,
    pub(crate) method: &'static str,
    pub(crate) connection: Option<u64>,
    pub(crate) trace: Option<TraceRef>,
    pub(crate) origin: Option<Origin>,
}

/// What the watcher saw when it last looked.
#[derive(Debug, Clone, Copy, Default)]
struct Look {
    word: u64,
    activity: u32,
    /// Since when nothing has changed.
    quiet_since: Option<Instant>,
}

/// What a watcher has to tell after a look.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Finding {
    /// It is held for too long and nobody reads it.
    Leaked(Held),
    /// It was reported, and now it is read again.
    ReadAgain(Held),
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Holder {
    word: AtomicU64,
    /// Rises whenever the caller asks for more of the body.
    activity: AtomicU32,
    method: AtomicU8,
    connection: AtomicU64,
    has_trace: AtomicBool,
    trace: [AtomicU64; 3],
    has_origin: AtomicBool,
    origin: Mutex<Option<Origin>>,
    look: Mutex<Look>,
}

impl Holder {
    // --- what the request writes

    /// A request begins to wait for a connection.
    pub(super) fn wait(&self, since: Instant, method: &http::Method, origin: Option<Origin>) {
        let method = METHODS.iter().position(|known| *known == method.as_str());
        self.method.store(method.map_or(u8::MAX, |at| at as u8), Relaxed);
        self.connection.store(0, Relaxed);
        self.activity.store(0, Relaxed);
        self.has_trace.store(false, Relaxed);
        self.has_origin.store(origin.is_some(), Relaxed);
        if origin.is_some() {
            *self.origin.lock().unwrap_or_else(PoisonError::into_inner) = origin;
        }
        self.word.store(Word::new(Stage::Waiting, since).0, Release);
    }

    /// Tells the span that the request was made under.
    pub(super) fn trace(&self, trace: TraceRef) {
        self.trace[0].store((trace.trace_id >> 64) as u64, Relaxed);
        self.trace[1].store(trace.trace_id as u64, Relaxed);
        self.trace[2].store(trace.span_id, Relaxed);
        self.has_trace.store(true, Release);
    }

    /// The request that has waited since `since` has a connection. Nothing happens if it is over.
    pub(super) fn hold(&self, since: Instant, at: Instant) {
        let (waiting, asking) = (Word::new(Stage::Waiting, since), Word::new(Stage::Asking, at));
        let _ = self.word.compare_exchange(waiting.0, asking.0, AcqRel, Relaxed);
    }

    /// It is known which connection it holds.
    pub(super) fn bound(&self, connection: u64) {
        self.connection.store(connection, Relaxed);
    }

    /// The head of the answer goes to the caller.
    pub(super) fn answered(&self) {
        let word = Word(self.word.load(Relaxed));
        if word.stage() == Some(Stage::Asking) {
            let _ = self.word.compare_exchange(word.0, word.with(Stage::Answered).0, AcqRel, Relaxed);
        }
    }

    /// The caller asks for more of the body.
    pub(super) fn read(&self) {
        // Only the owner of the body writes it, so no atomic addition is needed.
        self.activity.store(self.activity.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// The request is over; tells what was reported as leaked.
    pub(super) fn free(&self) -> Option<Held> {
        let word = Word(self.word.swap(Word::FREE.0, AcqRel));
        (word.stage() == Some(Stage::Leaked)).then(|| self.details(word, Stage::Leaked))
    }

    // --- what a watcher reads

    /// The request now; `None` if there is none, or it changed while it was read.
    pub(crate) fn held(&self) -> Option<Held> {
        let word = Word(self.word.load(Acquire));
        let held = self.details(word, word.stage()?);
        (self.word.load(Acquire) == word.0).then_some(held)
    }

    /// Looks whether the answer has been left alone for longer than `threshold`. Asked now and then by one watcher.
    pub(crate) fn look(&self, threshold: Duration, now: Instant) -> Option<Finding> {
        let word = Word(self.word.load(Acquire));
        let stage = word.stage().filter(|stage| matches!(stage, Stage::Answered | Stage::Leaked))?;
        let activity = self.activity.load(Relaxed);
        let mut look = self.look.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same_request = Word(look.word).since() == word.since();
        if look.quiet_since.is_none() || !is_same_request || look.activity != activity {
            // Nobody has read it since it was acquired, or somebody has since the last look.
            let quiet_since = if activity == 0 { word.since() } else { now };
            *look = Look { word: word.0, activity, quiet_since: Some(quiet_since) };
            if stage == Stage::Leaked {
                let answered = word.with(Stage::Answered);
                let changed = self.word.compare_exchange(word.0, answered.0, AcqRel, Relaxed).is_ok();
                return changed.then(|| Finding::ReadAgain(self.details(word, stage)));
            }
        }
        let quiet = now.saturating_duration_since(look.quiet_since.unwrap_or(now));
        if stage == Stage::Leaked || quiet < threshold {
            return None;
        }
        let held = self.details(word, Stage::Leaked);
        let leaked = word.with(Stage::Leaked);
        let changed = self.word.compare_exchange(word.0, leaked.0, AcqRel, Relaxed).is_ok();
        changed.then_some(Finding::Leaked(held))
    }

    fn details(&self, word: Word, stage: Stage) -> Held {
        let connection = self.connection.load(Relaxed);
        let trace = self.has_trace.load(Acquire).then(|| TraceRef {
            trace_id: u128::from(self.trace[0].load(Relaxed)) << 64 | u128::from(self.trace[1].load(Relaxed)),
            span_id: self.trace[2].load(Relaxed),
        });
        let origin = self.has_origin.load(Relaxed).then(|| self.origin.lock().ok().and_then(|known| *known));
        Held {
            stage,
            since: word.since(),
            method: METHODS.get(usize::from(self.method.load(Relaxed))).copied().unwrap_or(METHOD_OTHER),
            connection: (connection > 0).then_some(connection),
            trace,
            origin: origin.flatten(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLD: Duration = Duration::from_secs(10);

    fn answered(at: Instant) -> Holder {
        let holder = Holder::default();
        holder.wait(at, &http::Method::GET, Some(Origin::named("checkout")));
        holder.hold(at, at);
        holder.bound(7);
        holder.answered();
        holder
    }

    #[test]
    fn an_answer_that_nobody_reads_is_reported_once() {
        let start = Instant::now() + Duration::from_secs(1);
        let holder = answered(start);
        assert_eq!(holder.look(THRESHOLD, start + THRESHOLD / 2), None);
        let Some(Finding::Leaked(held)) = holder.look(THRESHOLD, start + THRESHOLD) else { panic!() };
        assert_eq!((held.method, held.connection, held.since), ("GET", Some(7), start));
        assert_eq!(held.origin, Some(Origin::named("checkout")));
        assert_eq!(holder.look(THRESHOLD, start + 2 * THRESHOLD), None);
        assert!(holder.free().is_some(), "what was reported is told when it comes back");
        assert!(holder.free().is_none() && holder.held().is_none());
    }

    #[test]
    fn a_body_that_is_read_now_and_then_is_no_leak() {
        let start = Instant::now() + Duration::from_secs(1);
        let holder = answered(start);
        for step in 1..10 {
            holder.read();
            assert_eq!(holder.look(THRESHOLD, start + step * THRESHOLD / 2), None);
        }
        let quiet = start + 10 * THRESHOLD;
        assert!(matches!(holder.look(THRESHOLD, quiet), Some(Finding::Leaked(_))));
        holder.read();
        assert!(matches!(holder.look(THRESHOLD, quiet), Some(Finding::ReadAgain(_))));
        assert!(holder.free().is_none(), "it was taken back already");
    }

    #[test]
    fn a_request_that_waits_for_its_answer_is_no_leak() {
        let start = Instant::now() + Duration::from_secs(1);
        let holder = Holder::default();
        holder.wait(start, &http::Method::GET, None);
        assert_eq!(holder.look(THRESHOLD, start + 2 * THRESHOLD), None);
        holder.hold(start, start);
        assert_eq!(holder.look(THRESHOLD, start + 2 * THRESHOLD), None);
        assert_eq!(holder.held().map(|held| held.stage), Some(Stage::Asking));
    }

    #[test]
    fn a_record_that_is_used_again_starts_anew() {
        let start = Instant::now() + Duration::from_secs(1);
        let holder = answered(start);
        assert!(matches!(holder.look(THRESHOLD, start + THRESHOLD), Some(Finding::Leaked(_))));
        holder.free();
        let again = start + 2 * THRESHOLD;
        holder.wait(again, &http::Method::POST, None);
        holder.hold(start, again);
        assert_eq!(holder.held().map(|held| held.stage), Some(Stage::Waiting), "another request's moment");
        holder.hold(again, again);
        holder.answered();
        assert_eq!(holder.look(THRESHOLD, again + THRESHOLD / 2), None);
        let held = holder.held().unwrap();
        assert_eq!((held.method, held.connection, held.origin), ("POST", None, None));
    }
}
