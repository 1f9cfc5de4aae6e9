//! What waits between the application's threads and the export: bounded, lock-free to fill, and nothing lost in silence.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::SeqCst};

use crossbeam_queue::SegQueue;
use poolscope_semconv::value::Signal;
use tokio::sync::Notify;

use super::config::Batches;
use super::dropped::Dropped;

/// Takes items.
const OPEN: u8 = 0;
/// Takes none; what is there is sent.
const CLOSED: u8 = 1;
/// Nobody looks into it any more.
const ENDED: u8 = 2;

/// Items of one signal that wait.
#[derive(Debug)]
pub(super) struct Queue<T> {
    items: SegQueue<T>,
    /// Items that are there or about to be, which bounds them.
    len: AtomicUsize,
    limits: Batches,
    /// [`OPEN`], [`CLOSED`] or [`ENDED`].
    state: AtomicU8,
    wake: Notify,
    signal: Signal,
    dropped: Dropped,
}

impl<T> Queue<T> {
    pub(super) fn new(limits: Batches, signal: Signal, dropped: Dropped) -> Self {
        Self {
            items: SegQueue::new(),
            len: AtomicUsize::new(0),
            limits,
            state: AtomicU8::new(OPEN),
            wake: Notify::new(),
            signal,
            dropped,
        }
    }

    /// Adds an item. One that finds no room, or comes after the end, is counted as dropped. Never waits.
    pub(super) fn push(&self, item: T) {
        let before = self.len.fetch_add(1, SeqCst);
        if before >= self.limits.queue || self.state.load(SeqCst) != OPEN {
            self.len.fetch_sub(1, SeqCst);
            self.dropped.add(self.signal, 1);
            return;
        }
        self.items.push(item);
        // The last look into it may have been before this item was there.
        if self.state.load(SeqCst) == ENDED {
            self.discard();
            return;
        }
        // The first item starts the wait for others, a full batch ends it; the rest wakes nobody.
        if before == 0 || before + 1 == self.limits.batch {
            self.wake.notify_one();
        }
    }

    /// Up to a batch of items, oldest first.
    pub(super) fn take(&self) -> Vec<T> {
        let mut batch = Vec::new();
        while batch.len() < self.limits.batch
            && let Some(item) = self.items.pop()
        {
            self.len.fetch_sub(1, SeqCst);
            batch.push(item);
        }
        batch
    }

    /// How many items wait.
    pub(super) fn len(&self) -> usize {
        self.len.load(SeqCst)
    }

    /// Waits until there is a batch to send: it is full, or its first item has waited long enough.
    pub(super) async fn due(&self) {
        self.has(1).await;
        // Either way it is time.
        let _ = tokio::time::timeout(self.limits.delay, self.has(self.limits.batch)).await;
    }

    async fn has(&self, items: usize) {
        while self.len() < items {
            self.wake.notified().await;
        }
    }

    /// Takes nothing more from now on.
    pub(super) fn close(&self) {
        self.state.store(CLOSED, SeqCst);
    }

    /// Counts what is left, and what still comes, as dropped.
    pub(super) fn end(&self) {
        self.state.store(ENDED, SeqCst);
        self.discard();
    }

    fn discard(&self) {
        while self.items.pop().is_some() {
            self.len.fetch_sub(1, SeqCst);
            self.dropped.add(self.signal, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    fn queue(queue: usize, batch: usize) -> (Queue<u64>, Dropped) {
        let dropped = Dropped::default();
        let limits = Batches { delay: Duration::from_secs(60), queue, batch };
        (Queue::new(limits, Signal::Spans, dropped.clone()), dropped)
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let (queue, dropped) = queue(3, 2);
        (0..5).for_each(|item| queue.push(item));
        assert_eq!((queue.len(), dropped.get(Signal::Spans)), (3, 2));
        assert_eq!((queue.take(), queue.take(), queue.take()), (vec![0, 1], vec![2], vec![]));
        queue.push(9);
        assert_eq!(queue.take(), [9]);
    }

    #[test]
    fn a_closed_queue_keeps_what_it_has_and_an_ended_one_counts_it() {
        let (queue, dropped) = queue(8, 8);
        queue.push(1);
        queue.close();
        queue.push(2);
        assert_eq!(dropped.get(Signal::Spans), 1);
        assert_eq!(queue.len(), 1);
        queue.end();
        queue.push(3);
        assert_eq!((queue.len(), dropped.get(Signal::Spans)), (0, 3));
    }

    #[test]
    fn every_item_is_taken_or_counted_whatever_the_threads_do() {
        const THREADS: u64 = 4;
        const EACH: u64 = 20_000;
        let (queue, dropped) = queue(64, 16);
        let queue = Arc::new(queue);
        let taken: usize = std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| (0..EACH).for_each(|item| queue.push(item)));
            }
            let taken = (0..2_000).map(|_| queue.take().len()).sum::<usize>();
            queue.close();
            let rest: usize = std::iter::repeat_with(|| queue.take().len()).take_while(|n| *n > 0).sum();
            queue.end();
            taken + rest
        });
        assert_eq!(taken as u64 + dropped.get(Signal::Spans), THREADS * EACH);
        assert_eq!(queue.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_batch_is_due_at_once_and_a_part_of_one_when_it_has_waited() {
        let (queue, _) = queue(8, 2);
        queue.push(1);
        let started = tokio::time::Instant::now();
        queue.due().await;
        assert_eq!(started.elapsed().as_secs(), 60);
        queue.push(2);
        queue.due().await;
        assert_eq!(started.elapsed().as_secs(), 60);
    }
}
