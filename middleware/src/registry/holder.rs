//! [`Holder`]: one request as those see it who watch from outside: since when it waits for or holds a connection, and who
//! took it.
//!
//! Everything in here is an atomic that the request writes and a watcher reads at any moment, so a request pays a few
//! stores for being visible. The word that says what the request does also says since when; a reader who finds it
//! unchanged after reading the rest has read what belongs to it.
//!
//! # What a leak is
//!
//! An answer that is left alone, and holds its connection by that. An HTTP/1 connection whose next request has begun is
//! held by that request, whatever became of the answer before: a client takes a connection back once all of a short
//! answer has come, read or not. And a connection that is closed is held by nobody.
//!
//! # When an answer is left alone
//!
//! It is on the caller to read an answer or to drop it. An answer is left alone while nobody asks for more of it, from its
//! head on or from the last time that somebody did. A server that takes long before the head, or between two pieces of
//! the body, leaves nobody alone: whoever waits for the next piece has asked for it.
//!
//! But a question that was not answered at once may have been dropped meanwhile, as by a timeout around it, and nothing
//! tells the body. So the watcher finds out: after half of the threshold it wakes the task that has asked. A task that is
//! woken asks again whatever it still waits for; that is what a waker is for, and one wake too many is always allowed. If
//! nothing comes within the other half, nobody waits any more.

use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
    fence,
};
use std::sync::{Mutex, PoisonError};
use std::task::Waker;
use std::time::Duration;

use super::method::KnownMethod;
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
    /// True if somebody will see it.
    pub(crate) is_sampled: bool,
}

/// What is known of the span of a request.
mod span {
    pub(super) const UNKNOWN: u8 = 0;
    pub(super) const UNSAMPLED: u8 = 1;
    pub(super) const SAMPLED: u8 = 2;
}

/// A request as a watcher read it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Held {
    pub(crate) stage: Stage,
    pub(crate) since: Instant,
    pub(crate) method: &'static str,
    pub(crate) connection: Option<u64>,
    /// Which of the connection's requests it is, the first being 1, if the connection is one of the request's own pool.
    pub(crate) turn: Option<u64>,
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
    /// The task that waits for the next piece was woken, to see whether it still does.
    is_woken: bool,
}

/// What a watcher has to tell after a look.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Finding {
    /// It is held for too long and nobody reads it. To be told first and then to be noted by [`Holder::reported`], so that
    /// nobody can tell of its return before.
    Leaked(Held, Report),
    /// It was reported, and nobody has read it since.
    StillLeaked(Held, Report),
    /// It was reported, and now it is read again.
    ReadAgain(Held),
}

/// The request that a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Report(Word);

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Holder {
    word: AtomicU64,
    /// When the head of the answer went to the caller.
    answered_at: AtomicU64,
    /// Rises whenever the caller asks for more of the body.
    activity: AtomicU32,
    /// True if there was nothing for the caller when it asked last, so that it may wait for it.
    is_waiting: AtomicBool,
    /// Wakes the task that asked then; kept until the request is over.
    waker: Mutex<Option<Waker>>,
    has_waker: AtomicBool,
    method: AtomicU8,
    connection: AtomicU64,
    turn: AtomicU64,
    span: AtomicU8,
    trace: [AtomicU64; 3],
    has_origin: AtomicBool,
    origin: Mutex<Option<Origin>>,
    look: Mutex<Look>,
}

impl Holder {
    // --- what the request writes

    /// A request begins to wait for a connection.
    #[inline]
    pub(super) fn wait(&self, since: Instant, method: KnownMethod, origin: Option<Origin>) {
        // Who reads any of what follows sees as well that the request before is over.
        fence(Release);
        self.method.store(method.bits(), Relaxed);
        self.connection.store(0, Relaxed);
        self.turn.store(0, Relaxed);
        self.activity.store(0, Relaxed);
        self.is_waiting.store(false, Relaxed);
        self.span.store(span::UNKNOWN, Relaxed);
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
        self.span.store(if trace.is_sampled { span::SAMPLED } else { span::UNSAMPLED }, Release);
    }

    /// Begins to wait for the same caller as another, which is over.
    #[cfg(feature = "reqwest")]
    pub(super) fn wait_like(&self, before: &Self, since: Instant, method: KnownMethod) {
        self.wait(since, method, before.origin());
        if let Some(trace) = before.traced() {
            self.trace(trace);
        }
    }

    /// The request that has waited since `since` has a connection. Nothing happens if it is over.
    pub(super) fn hold(&self, since: Instant, at: Instant) {
        let (waiting, asking) = (Word::new(Stage::Waiting, since), Word::new(Stage::Asking, at));
        let _ = self.word.compare_exchange(waiting.0, asking.0, AcqRel, Relaxed);
    }

    /// It is known which connection it holds, and which of the connection's requests it is, if it can be told.
    pub(super) fn bound(&self, connection: u64, turn: Option<u64>) {
        self.connection.store(connection, Relaxed);
        self.turn.store(turn.unwrap_or(0), Relaxed);
    }

    /// The head of the answer goes to the caller.
    pub(super) fn answered(&self, at: Instant) {
        let word = Word(self.word.load(Relaxed));
        if word.stage() == Some(Stage::Asking) {
            self.answered_at.store(at.as_nanos(), Relaxed);
            let _ = self.word.compare_exchange(word.0, word.with(Stage::Answered).0, AcqRel, Relaxed);
        }
    }

    /// The caller has asked for more of the body; with a waker if there was nothing yet.
    #[inline]
    pub(super) fn read(&self, waits: Option<&Waker>) {
        if let Some(waker) = waits {
            self.keep(waker);
        }
        self.is_waiting.store(waits.is_some(), Relaxed);
        // Only the owner of the body writes it, so no atomic addition is needed.
        self.activity.store(self.activity.load(Relaxed).wrapping_add(1), Release);
    }

    fn keep(&self, waker: &Waker) {
        let mut kept = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.as_ref().is_some_and(|kept| kept.will_wake(waker)) {
            *kept = Some(waker.clone());
            self.has_waker.store(true, Relaxed);
        }
    }

    /// The request is over; tells what was reported as leaked.
    #[inline]
    pub(super) fn free(&self) -> Option<Held> {
        let word = Word(self.word.swap(Word::FREE.0, AcqRel));
        // Only the owner of the body writes it, and whoever ends the request owns that.
        if self.has_waker.load(Relaxed) {
            self.has_waker.store(false, Relaxed);
            let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
            // A task may end by this, so not under the lock.
            drop(waker);
        }
        (word.stage() == Some(Stage::Leaked)).then(|| self.details(word, Stage::Leaked))
    }

    // --- what a watcher reads

    /// The request now; `None` if there is none, or it changed while it was read.
    pub(crate) fn held(&self) -> Option<Held> {
        let word = Word(self.word.load(Acquire));
        let held = self.details(word, word.stage()?);
        self.is_still(word).then_some(held)
    }

    /// Since when it has asked for a connection, as long as it is not known which one it has.
    pub(super) fn undecided_since(&self) -> Option<Instant> {
        let word = Word(self.word.load(Acquire));
        match word.stage()? {
            Stage::Waiting => Some(word.since()),
            _ if self.connection.load(Acquire) != 0 && self.is_still(word) => None,
            // Its word says since when it has a connection, which is later than what is asked for.
            _ => Some(Instant::from_nanos(0)),
        }
    }

    /// Looks whether the answer has been left alone for `threshold`. Asked now and then by one watcher.
    pub(crate) fn look(&self, threshold: Duration, now: Instant) -> Option<Finding> {
        let word = Word(self.word.load(Acquire));
        let stage = word.stage().filter(|stage| matches!(stage, Stage::Answered | Stage::Leaked))?;
        let activity = self.activity.load(Acquire);
        let mut look = self.look.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same_request = Word(look.word).since() == word.since();
        if look.quiet_since.is_none() || !is_same_request || look.activity != activity {
            // Nobody has read it since it was answered, or somebody has since the last look.
            let quiet_since =
                if activity == 0 { Instant::from_nanos(self.answered_at.load(Relaxed)) } else { now };
            *look = Look { word: word.0, activity, quiet_since: Some(quiet_since), is_woken: false };
            if stage == Stage::Leaked {
                let held = self.details(word, stage);
                return self.change(word, Stage::Answered).then_some(Finding::ReadAgain(held));
            }
        }
        let quiet_since = look.quiet_since.unwrap_or(now);
        let quiet = now.saturating_duration_since(quiet_since);
        if stage == Stage::Leaked {
            let held = self.details(word, stage);
            return self.is_still(word).then_some(Finding::StillLeaked(held, Report(word)));
        }
        if quiet < threshold / 2 {
            return None;
        }
        if !look.is_woken && self.is_waiting.load(Relaxed) {
            look.is_woken = true;
            // However late the watcher is, the task has the other half to answer.
            look.quiet_since = Some(quiet_since + (quiet - threshold / 2));
            drop(look);
            let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(waker) = waker {
                waker.wake();
            }
            return None;
        }
        if quiet < threshold {
            return None;
        }
        let held = self.details(word, Stage::Leaked);
        // What belongs to another request by now must not be told of this one.
        let is_unchanged = self.activity.load(Acquire) == activity && self.is_still(word);
        is_unchanged.then_some(Finding::Leaked(held, Report(word)))
    }

    /// A leak was told. False if it has come back meanwhile, which nobody else tells then.
    pub(crate) fn reported(&self, report: Report) -> bool {
        self.change(report.0, Stage::Leaked)
    }

    /// What was told as leaked is so no longer. False if somebody else tells of it.
    pub(crate) fn returned(&self, report: Report) -> bool {
        self.change(report.0, Stage::Answered)
    }

    /// True if what was read of the request until now belongs to this word.
    fn is_still(&self, word: Word) -> bool {
        fence(Acquire);
        self.word.load(Relaxed) == word.0
    }

    /// False if the request is not what it was.
    fn change(&self, word: Word, stage: Stage) -> bool {
        self.word.compare_exchange(word.0, word.with(stage).0, AcqRel, Relaxed).is_ok()
    }

    fn details(&self, word: Word, stage: Stage) -> Held {
        let (connection, turn) = (self.connection.load(Relaxed), self.turn.load(Relaxed));
        Held {
            stage,
            since: word.since(),
            method: KnownMethod::from_bits(self.method.load(Relaxed)).as_str(),
            connection: (connection > 0).then_some(connection),
            turn: (turn > 0).then_some(turn),
            trace: self.traced(),
            origin: self.origin(),
        }
    }

    /// The span that the request was made under.
    pub(super) fn traced(&self) -> Option<TraceRef> {
        let span = self.span.load(Acquire);
        (span != span::UNKNOWN).then(|| TraceRef {
            trace_id: u128::from(self.trace[0].load(Relaxed)) << 64 | u128::from(self.trace[1].load(Relaxed)),
            span_id: self.trace[2].load(Relaxed),
            is_sampled: span == span::SAMPLED,
        })
    }

    /// The same, if somebody will see it.
    #[inline]
    pub(super) fn sampled(&self) -> Option<TraceRef> {
        if self.span.load(Relaxed) == span::SAMPLED { self.traced() } else { None }
    }

    fn origin(&self) -> Option<Origin> {
        let origin = self.has_origin.load(Relaxed).then(|| self.origin.lock().ok().and_then(|known| *known));
        origin.flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Wake;

    use super::*;

    const THRESHOLD: Duration = Duration::from_secs(10);

    /// A request that had its connection at once, and its answer too.
    fn answered(at: Instant) -> Holder {
        let holder = Holder::default();
        holder.wait(at, KnownMethod::of(&http::Method::GET), Some(Origin::named("checkout")));
        holder.hold(at, at);
        holder.bound(7, None);
        holder.answered(at);
        holder
    }

    fn start() -> Instant {
        Instant::now() + Duration::from_secs(1)
    }

    /// Looks, and notes what there is to report; true if it is a new leak.
    fn leaks(holder: &Holder, now: Instant) -> bool {
        match holder.look(THRESHOLD, now) {
            Some(Finding::Leaked(_, report)) => holder.reported(report),
            _ => false,
        }
    }

    #[test]
    fn an_answer_that_nobody_reads_is_reported_once() {
        let start = start();
        let holder = answered(start);
        assert_eq!(holder.look(THRESHOLD, start + THRESHOLD / 2), None);
        let Some(Finding::Leaked(held, report)) = holder.look(THRESHOLD, start + THRESHOLD) else { panic!() };
        assert_eq!((held.method, held.connection, held.since), ("GET", Some(7), start));
        assert_eq!(held.origin, Some(Origin::named("checkout")));
        assert!(holder.reported(report));
        let again = holder.look(THRESHOLD, start + 2 * THRESHOLD);
        assert!(matches!(again, Some(Finding::StillLeaked(..))), "{again:?}");
        assert!(holder.free().is_some(), "what was reported is told when it comes back");
        assert!(holder.free().is_none() && holder.held().is_none());
    }

    #[test]
    fn what_comes_back_while_it_is_reported_is_told_by_one_side_only() {
        let start = start();
        let holder = answered(start);
        let Some(Finding::Leaked(_, report)) = holder.look(THRESHOLD, start + THRESHOLD) else { panic!() };
        assert!(holder.free().is_none(), "it was not told yet, so it is on the watcher");
        assert!(!holder.reported(report));
    }

    #[test]
    fn a_body_that_is_read_now_and_then_is_no_leak() {
        let start = start();
        let holder = answered(start);
        for step in 1..10 {
            holder.read(None);
            assert_eq!(holder.look(THRESHOLD, start + step * THRESHOLD / 2), None);
        }
        let quiet = start + 10 * THRESHOLD;
        assert!(leaks(&holder, quiet));
        holder.read(None);
        assert!(matches!(holder.look(THRESHOLD, quiet), Some(Finding::ReadAgain(_))));
        assert!(holder.free().is_none(), "it was taken back already");
    }

    #[test]
    fn a_request_that_waits_for_its_answer_is_no_leak() {
        let start = start();
        let holder = Holder::default();
        holder.wait(start, KnownMethod::of(&http::Method::GET), None);
        assert_eq!(holder.look(THRESHOLD, start + 2 * THRESHOLD), None);
        holder.hold(start, start);
        assert_eq!(holder.look(THRESHOLD, start + 2 * THRESHOLD), None);
        assert_eq!(holder.held().map(|held| held.stage), Some(Stage::Asking));
        let answered = start + 3 * THRESHOLD;
        holder.answered(answered);
        assert_eq!(holder.look(THRESHOLD, answered), None, "the caller has had no time to read");
        assert!(leaks(&holder, answered + THRESHOLD));
    }

    /// A task that asks again when it is woken, or one that has other things to do by now.
    struct Task {
        holder: Holder,
        still_waits: AtomicBool,
        woken: AtomicU32,
    }

    impl Task {
        fn asks(self: &Arc<Self>) {
            self.holder.read(Some(&Arc::clone(self).into()));
        }
    }

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.woken.fetch_add(1, Relaxed);
            if self.still_waits.load(Relaxed) {
                self.asks();
            }
        }
    }

    #[test]
    fn who_waits_for_the_next_piece_is_woken_and_who_does_so_no_more_is_found_out() {
        let start = start();
        let task = Arc::new(Task { holder: answered(start), still_waits: true.into(), woken: 0.into() });
        task.asks();
        let step = |step: u32| start + step * THRESHOLD / 4;
        for now in (1..100).map(step) {
            assert_eq!(task.holder.look(THRESHOLD, now), None);
        }
        let woken = task.woken.load(Relaxed);
        assert!((25..50).contains(&woken), "woken {woken} times in 25 thresholds");
        task.still_waits.store(false, Relaxed);
        assert_eq!(task.holder.look(THRESHOLD, step(100)), None);
        let since = (100..108).find(|now| leaks(&task.holder, step(*now)));
        assert!(since.is_some(), "nobody has answered");
        assert!(task.woken.load(Relaxed) <= woken + 1);
        task.asks();
        assert!(matches!(task.holder.look(THRESHOLD, step(109)), Some(Finding::ReadAgain(_))));
        assert!(task.holder.free().is_none());
        assert_eq!(Arc::strong_count(&task), 1, "no waker is kept when the request is over");
    }

    #[test]
    fn a_watcher_that_comes_late_gives_time_to_answer_all_the_same() {
        let start = start();
        let task = Arc::new(Task { holder: answered(start), still_waits: false.into(), woken: 0.into() });
        task.asks();
        assert_eq!(task.holder.look(THRESHOLD, start), None);
        let late = start + 100 * THRESHOLD;
        assert_eq!(task.holder.look(THRESHOLD, late), None);
        assert_eq!(task.holder.look(THRESHOLD, late + THRESHOLD / 4), None);
        assert!(leaks(&task.holder, late + THRESHOLD / 2));
        task.holder.free();
    }

    #[test]
    fn a_record_that_is_used_again_starts_anew() {
        let start = start();
        let holder = answered(start);
        assert!(leaks(&holder, start + THRESHOLD));
        holder.free();
        let again = start + 2 * THRESHOLD;
        holder.wait(again, KnownMethod::of(&http::Method::POST), None);
        holder.hold(start, again);
        assert_eq!(holder.held().map(|held| held.stage), Some(Stage::Waiting), "another request's moment");
        holder.hold(again, again);
        holder.answered(again);
        assert_eq!(holder.look(THRESHOLD, again + THRESHOLD / 2), None);
        let held = holder.held().unwrap();
        assert_eq!((held.method, held.connection, held.origin), ("POST", None, None));
    }
}
