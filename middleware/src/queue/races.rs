//! A queue in every order that its threads can take: run by loom, see [`crate::sync`]. The ring and the blocks are
//! those of another crate, which loom does not look into: each of their steps is one.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::Notify;
use loom::thread;

use super::ends::ends_of;
use super::items::Items;
use super::shared::Shared;
use super::*;

fn queue(capacity: usize, policy: DropPolicy) -> (QueueSender<u64>, QueueReceiver<u64>) {
    queue_of(Items::ring(capacity), policy)
}

fn queue_of(items: Items<u64>, policy: DropPolicy) -> (QueueSender<u64>, QueueReceiver<u64>) {
    ends_of(Arc::new(Shared::new("q".into(), items, policy, Arc::default())))
}

/// Threads may be interrupted twice where they need not wait.
fn model(test: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(test);
}

struct Waits(Notify);

impl Wake for Waits {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// Waits for the next item. If nobody wakes it, loom says that all threads are stuck.
fn take(receiver: &mut QueueReceiver<u64>) -> Option<u64> {
    let waits = Arc::new(Waits(Notify::new()));
    let waker = Waker::from(Arc::clone(&waits));
    let mut receives = std::pin::pin!(receiver.recv());
    loop {
        match receives.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(item) => return item,
            Poll::Pending => waits.0.wait(),
        }
    }
}

#[test]
fn who_waits_is_woken_for_every_item_and_by_the_last_sender() {
    model(|| {
        let (sender, mut receiver) = queue(4, DropPolicy::Oldest);
        let threads = [1, 2].map(|item| {
            let sender = sender.clone();
            thread::spawn(move || assert_eq!(sender.push(item).unwrap(), None))
        });
        drop(sender);
        let mut taken: Vec<_> = std::iter::from_fn(|| take(&mut receiver)).collect();
        taken.sort_unstable();
        assert_eq!(taken, [1, 2]);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn an_item_that_comes_while_there_is_no_room_is_taken_or_counted() {
    no_room(|| Items::ring(1));
}

#[test]
fn the_same_where_memory_is_taken_as_items_come() {
    no_room(|| Items::grown(1));
}

fn no_room(items: fn() -> Items<u64>) {
    model(move || {
        let (sender, mut receiver) = queue_of(items(), DropPolicy::Oldest);
        let pushes =
            thread::spawn(move || (1..=3).filter(|item| sender.push(*item).unwrap().is_some()).count());
        let taken: Vec<_> = std::iter::from_fn(|| take(&mut receiver)).collect();
        assert!(taken.is_sorted() && taken.last() == Some(&3), "{taken:?}");
        let dropped = pushes.join().unwrap();
        assert_eq!(taken.len() + dropped, 3);
        assert_eq!(receiver.snapshot().dropped(QueueDropReason::Oldest), dropped as u64);
    });
}

#[test]
fn nothing_stays_in_a_queue_that_nobody_takes_from() {
    model(|| {
        let (sender, receiver) = queue(4, DropPolicy::Newest);
        let threads = [1, 2].map(|item| {
            let sender = sender.clone();
            thread::spawn(move || assert!(matches!(sender.push(item), Ok(None) | Err(_))))
        });
        drop(receiver);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let seen = sender.snapshot();
        assert_eq!((seen.length, seen.dropped(QueueDropReason::Closed)), (0, 2));
    });
}
