//! [`Exemplars`]: for each bucket of a histogram one request that stands for it, known by its span.
//!
//! Kept is the slowest of late: one that is slower takes the place of what is there, and any other one does so after a
//! second, so that a busy pool writes seldom and what is told is fresh. Nobody waits: who comes while another one writes
//! leaves it at that, and a reader who was disturbed tries again or does without.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU8;
use std::time::{Duration, SystemTime};

use super::histogram::SEARCHED;
use super::holder::TraceRef;
use crate::clock::Instant;
use crate::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};

/// How long a request stands for its bucket against those that are quicker.
const FRESH: Duration = Duration::from_secs(1);

/// How often a reader tries again that was disturbed.
const TRIES: usize = 4;

/// Which records may stand for their bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum ExemplarFilter {
    /// None.
    Off,
    /// Those of a sampled span.
    Sampled,
    /// All of them.
    All,
}

/// The filter that holds for a scope: none until somebody exports exemplars, so that nobody pays before.
#[derive(Debug)]
pub(crate) struct ExemplarSwitch(AtomicU8);

impl Default for ExemplarSwitch {
    fn default() -> Self {
        Self(AtomicU8::new(ExemplarFilter::Off as u8))
    }
}

impl ExemplarSwitch {
    /// Lets as much through as this filter does, or more if somebody wants more.
    pub(crate) fn want(&self, filter: ExemplarFilter) {
        self.0.fetch_max(filter as u8, Relaxed);
    }

    /// True as long as nobody wants any.
    #[inline]
    pub(crate) fn is_off(&self) -> bool {
        self.0.load(Relaxed) == ExemplarFilter::Off as u8
    }

    /// What a request tells of itself; `sampled` and `any` tell its span.
    pub(crate) fn pass(
        &self,
        sampled: impl FnOnce() -> Option<TraceRef>,
        any: impl FnOnce() -> Option<TraceRef>,
    ) -> Option<TraceRef> {
        match self.0.load(Relaxed) {
            0 => None,
            1 => sampled(),
            _ => Some(any().unwrap_or_default()),
        }
    }
}

/// A record that may stand for its bucket: its span, and when it was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Traced {
    pub(crate) trace: TraceRef,
    pub(crate) at: Instant,
}

/// A request that stands for those in the same bucket of a histogram.
#[derive(Debug, Clone, PartialEq)]
pub struct ExemplarSnapshot {
    /// What was recorded, in the unit of the metric.
    pub value: f64,
    /// When it was recorded.
    pub at: SystemTime,
    /// Trace of the request; 0 if it had none.
    pub trace_id: u128,
    /// Span of the request; 0 if it had none.
    pub span_id: u64,
}

/// The request of one bucket. Its words belong together while `turn` is even and stays the same.
#[derive(Debug)]
struct Slot {
    /// 0 before the first one, odd while one is written.
    turn: AtomicU64,
    /// Value, moment, trace in two words, span.
    words: [AtomicU64; 5],
}

impl Slot {
    fn new() -> Self {
        Self { turn: AtomicU64::new(0), words: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    #[inline]
    fn offer(&self, value: u64, traced: Traced) {
        let turn = self.turn.load(Relaxed);
        if turn % 2 == 1 || turn > 0 && !self.gives_way(value, traced.at) {
            return;
        }
        if self.turn.compare_exchange(turn, turn + 1, Acquire, Relaxed).is_err() {
            return;
        }
        // Who reads one of the words that follow sees as well that they are being written.
        fence(Release);
        let TraceRef { trace_id, span_id, .. } = traced.trace;
        let words = [value, traced.at.as_nanos(), (trace_id >> 64) as u64, trace_id as u64, span_id];
        for (slot, word) in self.words.iter().zip(words) {
            slot.store(word, Relaxed);
        }
        self.turn.store(turn + 2, Release);
    }

    fn gives_way(&self, value: u64, now: Instant) -> bool {
        let [kept, at, ..] = &self.words;
        let age = now.saturating_duration_since(Instant::from_nanos(at.load(Relaxed)));
        value >= kept.load(Relaxed) || age >= FRESH
    }

    fn read(&self) -> Option<(u64, Traced)> {
        let turn = self.turn.load(Acquire);
        if turn == 0 || turn % 2 == 1 {
            return None;
        }
        let [value, at, high, low, span_id] = std::array::from_fn(|index| self.words[index].load(Relaxed));
        fence(Acquire);
        let trace =
            TraceRef { trace_id: u128::from(high) << 64 | u128::from(low), span_id, is_sampled: true };
        let read = (value, Traced { trace, at: Instant::from_nanos(at) });
        (self.turn.load(Relaxed) == turn).then_some(read)
    }
}

/// See the [module](self). Made when the first request comes that may stand for others.
#[derive(Debug, Default)]
pub(super) struct Exemplars(OnceLock<Box<[Slot]>>);

impl Exemplars {
    // Not in line: what records would save more registers for it than it needs itself, also while nobody wants exemplars.
    #[inline(never)]
    pub(super) fn offer(&self, bucket: usize, value: u64, traced: Traced) {
        // What has more buckets lasts longer than requests do, and has none.
        let slots = self.0.get_or_init(|| (0..SEARCHED).map(|_| Slot::new()).collect());
        if let Some(slot) = slots.get(bucket) {
            slot.offer(value, traced);
        }
    }

    /// Those that are kept, by bucket; `scale` is what one unit of the metric is in the unit of recording.
    pub(super) fn snapshot(&self, scale: f64) -> Vec<ExemplarSnapshot> {
        let Some(slots) = self.0.get() else { return Vec::new() };
        let (clock, now) = (SystemTime::now(), Instant::now());
        let read = |slot: &Slot| (0..TRIES).find_map(|_| slot.read());
        let told = |(value, traced): (u64, Traced)| ExemplarSnapshot {
            value: value as f64 / scale,
            at: clock - now.saturating_duration_since(traced.at),
            trace_id: traced.trace.trace_id,
            span_id: traced.trace.span_id,
        };
        slots.iter().filter_map(read).map(told).collect()
    }
}

#[cfg(all(test, poolscope_loom))]
mod races;

#[cfg(all(test, not(poolscope_loom)))]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use super::*;

    fn traced(number: u64, at: Instant) -> Traced {
        let trace_id = u128::from(number) << 64 | u128::from(!number);
        Traced { trace: TraceRef { trace_id, span_id: number ^ 0xffff, is_sampled: true }, at }
    }

    #[test]
    fn the_slowest_of_late_stands_for_its_bucket() {
        let slot = Slot::new();
        let now = Instant::now();
        assert_eq!(slot.read(), None);
        slot.offer(5, traced(1, now));
        slot.offer(4, traced(2, now));
        assert_eq!(slot.read(), Some((5, traced(1, now))));
        slot.offer(6, traced(3, now));
        assert_eq!(slot.read(), Some((6, traced(3, now))));
        slot.offer(1, traced(4, now + FRESH));
        assert_eq!(slot.read(), Some((1, traced(4, now + FRESH))));
    }

    #[test]
    fn buckets_have_their_own_and_the_rest_has_none() {
        let exemplars = Exemplars::default();
        assert!(exemplars.snapshot(1.0).is_empty());
        let before = SystemTime::now();
        exemplars.offer(0, 2_000_000_000, traced(1, Instant::now()));
        exemplars.offer(SEARCHED - 1, 1_000_000_000, traced(2, Instant::now()));
        exemplars.offer(SEARCHED, 0, traced(3, Instant::now()));
        let told = exemplars.snapshot(1e9);
        assert_eq!(told.iter().map(|one| one.value).collect::<Vec<_>>(), [2.0, 1.0]);
        assert_eq!((told[0].trace_id, told[0].span_id), (1 << 64 | u128::from(!1_u64), 1 ^ 0xffff));
        let slack = Duration::from_secs(1);
        assert!(told.iter().all(|one| before - slack <= one.at && one.at <= SystemTime::now() + slack));
    }

    #[test]
    fn a_filter_is_only_widened() {
        let switch = ExemplarSwitch::default();
        let sampled = Some(TraceRef { trace_id: 1, span_id: 2, is_sampled: true });
        assert_eq!(switch.pass(|| sampled, || sampled), None);
        switch.want(ExemplarFilter::Sampled);
        assert_eq!((switch.pass(|| sampled, || None), switch.pass(|| None, || sampled)), (sampled, None));
        switch.want(ExemplarFilter::All);
        switch.want(ExemplarFilter::Off);
        assert_eq!(switch.pass(|| None, || sampled), sampled);
        assert_eq!(switch.pass(|| None, || None), Some(TraceRef::default()));
    }

    /// Writers and a reader at once: whatever is read was written in one piece.
    #[test]
    fn nothing_is_read_in_pieces() {
        const WRITES: u64 = 200_000;
        let (slot, is_over) = (&Slot::new(), &AtomicBool::new(false));
        thread::scope(|threads| {
            let writers: Vec<_> = (1..=3_u64)
                .map(|writer| {
                    let write = move |step| {
                        let number = step * 4 + writer;
                        slot.offer(number, traced(number, Instant::from_nanos(number)));
                    };
                    threads.spawn(move || (0..WRITES).for_each(write))
                })
                .collect();
            let reader = threads.spawn(move || {
                let mut is_last = false;
                while !is_last {
                    is_last = is_over.load(Relaxed);
                    if let Some((value, seen)) = slot.read() {
                        assert_eq!(seen, traced(value, Instant::from_nanos(value)));
                    }
                }
            });
            writers.into_iter().for_each(|writer| writer.join().unwrap());
            // At rest nothing is in the way.
            assert!(slot.read().is_some());
            is_over.store(true, Relaxed);
            reader.join().unwrap();
        });
    }
}
