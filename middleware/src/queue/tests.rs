//! Tests of queues, alone and in a race.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Release};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::timeout;

use super::ends::ends_of;
use super::items::Items;
use super::shared::Shared;
use super::*;
use crate::{Event, QueueSnapshot, Scope};

const SECOND: Duration = Duration::from_secs(1);

/// A queue of its own, whose items are kept in one of the two ways.
fn queue_of<T>(items: Items<T>, policy: DropPolicy) -> (QueueSender<T>, QueueReceiver<T>) {
    ends_of(Arc::new(Shared::new("q".into(), items, policy, Arc::default())))
}

fn counts(seen: &QueueSnapshot) -> [u64; 3] {
    [QueueDropReason::Oldest, QueueDropReason::Newest, QueueDropReason::Closed]
        .map(|reason| seen.dropped(reason))
}

#[tokio::test]
async fn what_is_too_much_is_dropped_by_choice_given_back_and_counted() {
    let scope = Scope::new();
    let (oldest, mut takes) = scope.queue("oldest", 2, DropPolicy::Oldest);
    let (newest, mut keeps) = scope.queue("newest", 2, DropPolicy::Newest);
    let dropped: Vec<_> =
        (1..=4).map(|item| (oldest.push(item).unwrap(), newest.push(item).unwrap())).collect();
    assert_eq!(dropped, [(None, None), (None, None), (Some(1), Some(3)), (Some(2), Some(4))]);
    assert_eq!((takes.try_recv(), takes.recv().await, takes.try_recv()), (Some(3), Some(4), None));
    assert_eq!((keeps.try_recv(), keeps.recv().await, keeps.try_recv()), (Some(1), Some(2), None));
    let queues = scope.snapshot().queues;
    let told: Vec<_> = queues.iter().map(|seen| (&*seen.name, seen.pushed, counts(seen))).collect();
    assert_eq!(told, [("newest", 2, [0, 2, 0]), ("oldest", 4, [2, 0, 0])]);
    assert!(queues.iter().all(|seen| (seen.length, seen.high_water, seen.capacity) == (0, 2, 2)));
}

#[tokio::test]
async fn a_queue_whose_receiver_is_gone_is_closed_and_counts_what_was_left() {
    let scope = Scope::new();
    let (sender, receiver) = scope.queue("q", 4, DropPolicy::Oldest);
    for item in ["a", "b"] {
        sender.push(item).unwrap();
    }
    drop(receiver);
    assert!(sender.is_closed() && sender.is_empty());
    let back = sender.push("c").unwrap_err();
    assert_eq!((back.0, back.to_string()), ("c", "nobody takes items out of the queue any more".to_owned()));
    let seen = sender.snapshot();
    assert_eq!((seen.pushed, seen.length, counts(&seen)), (2, 0, [0, 0, 3]));
    drop(sender);
    assert!(scope.snapshot().queues.is_empty());
}

#[tokio::test]
async fn the_receiver_is_told_when_all_senders_are_gone_and_gets_what_they_left() {
    let (sender, mut receiver) = Scope::new().queue("q", 4, DropPolicy::Oldest);
    let other = sender.clone();
    other.push(1).unwrap();
    drop(sender);
    assert_eq!(receiver.recv().await, Some(1));
    let waits = tokio::spawn(async move { receiver.recv().await });
    tokio::task::yield_now().await;
    assert!(!waits.is_finished());
    drop(other);
    assert_eq!(timeout(SECOND, waits).await.unwrap().unwrap(), None);
}

#[tokio::test]
async fn a_receiver_is_a_stream() {
    use futures_util::StreamExt;
    let (sender, receiver) = Scope::new().queue("q", 4, DropPolicy::Oldest);
    let takes = tokio::spawn(receiver.map(|item| item * 10).collect::<Vec<_>>());
    for item in 1..=3 {
        tokio::task::yield_now().await;
        sender.push(item).unwrap();
    }
    assert!(!takes.is_finished());
    drop(sender);
    assert_eq!(timeout(SECOND, takes).await.unwrap().unwrap(), [10, 20, 30]);
}

#[tokio::test]
async fn who_gives_up_waiting_loses_nothing() {
    let (sender, mut receiver) = Scope::new().queue("q", 4, DropPolicy::Oldest);
    for item in 0..1_000 {
        {
            let mut waits = std::pin::pin!(receiver.recv());
            assert!(futures_poll(waits.as_mut()).is_none());
            sender.push(item).unwrap();
        }
        assert_eq!(timeout(SECOND, receiver.recv()).await.unwrap(), Some(item));
    }
}

/// Polls once.
fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[test]
fn a_queue_of_nothing_holds_one() {
    let (sender, _receiver) = Scope::new().queue("q", 0, DropPolicy::Newest);
    assert_eq!((sender.push(1).unwrap(), sender.push(2).unwrap()), (None, Some(2)));
}

#[test]
fn a_queue_of_any_capacity_can_be_made_and_takes_memory_only_for_what_is_in_it() {
    /// Items so large that far fewer than the largest number would be more than there is memory.
    type Large = [u64; 128];
    let most = usize::MAX;
    for capacity in
        [most, most / 2, most / size_of::<Large>(), isize::MAX as usize / size_of::<Large>(), 1 << 40]
    {
        for policy in [DropPolicy::Oldest, DropPolicy::Newest] {
            let (sender, mut receiver) = Scope::new().queue::<Large>("q", capacity, policy);
            for item in 0..100 {
                assert!(sender.push([item; 128]).unwrap().is_none());
            }
            let seen = sender.snapshot();
            assert_eq!((seen.length, seen.high_water, seen.capacity), (100, 100, capacity as u64));
            assert!((0..100).all(|item| receiver.try_recv() == Some([item; 128])));
            assert_eq!((receiver.try_recv(), receiver.len()), (None, 0));
        }
    }
    let (sender, _receiver) = Scope::new().queue::<()>("q", most, DropPolicy::Oldest);
    assert_eq!(sender.push(()).unwrap(), None);
}

#[test]
fn drops_are_told_at_once_and_then_no_more_than_once_a_second_with_all_of_them() {
    let scope = Scope::new();
    let (send, events) = mpsc::channel();
    let send = Mutex::new(send);
    scope.listen(move |event: &Event| drop(send.lock().unwrap().send(event.clone())));
    let (sender, _receiver) = scope.queue("q", 1, DropPolicy::Oldest);
    let drops = || {
        events.try_iter().map(|event| match event {
            Event::QueueDropping(dropped) => (dropped.dropped, dropped.capacity),
            other => panic!("{other:?}"),
        })
    };
    for item in 0..6 {
        sender.push(item).unwrap();
    }
    assert_eq!(drops().collect::<Vec<_>>(), [(1, 1)]);
    std::thread::sleep(SECOND);
    sender.push(7).unwrap();
    assert_eq!(drops().collect::<Vec<_>>(), [(5, 1)]);
}

proptest! {
    /// Some: this many are put in; None: one is taken.
    #[test]
    fn a_queue_does_what_a_list_would(
        steps in prop::collection::vec(prop::option::weighted(0.6, 1_usize..4), 1..100),
        capacity in 1_usize..6,
        is_oldest in any::<bool>(),
        is_ring in any::<bool>(),
    ) {
        let policy = if is_oldest { DropPolicy::Oldest } else { DropPolicy::Newest };
        let items = if is_ring { Items::ring(capacity) } else { Items::grown(capacity) };
        let (sender, mut receiver) = queue_of(items, policy);
        let (mut list, mut next, mut dropped, mut pushed, mut high) = (VecDeque::new(), 0, 0, 0, 0);
        for step in steps {
            let Some(items) = step else {
                prop_assert_eq!(receiver.try_recv(), list.pop_front());
                continue;
            };
            for _ in 0..items {
                next += 1;
                let gone = match (list.len() == capacity, policy) {
                    (false, _) => None,
                    (true, DropPolicy::Oldest) => list.pop_front(),
                    (true, DropPolicy::Newest) => Some(next),
                };
                if gone != Some(next) {
                    list.push_back(next);
                    pushed += 1;
                }
                dropped += u64::from(gone.is_some());
                high = high.max(list.len() as u64);
                prop_assert_eq!(sender.push(next).unwrap(), gone);
            }
            let seen = sender.snapshot();
            prop_assert_eq!((seen.length, seen.pushed, seen.high_water), (list.len() as u64, pushed, high));
            prop_assert_eq!(counts(&seen).iter().sum::<u64>(), dropped);
        }
    }
}

/// One thread puts in the next item when the last one was taken, at the moment when the receiver goes to sleep: nothing that
/// comes later makes up for a wake-up that got lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_wake_up_is_lost() {
    const ITEMS: u64 = 100_000;
    let (sender, mut receiver) = Scope::new().queue("q", 4, DropPolicy::Newest);
    let taken = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&taken);
    let thread = std::thread::spawn(move || {
        for item in 0..ITEMS {
            while seen.load(Acquire) < item {
                std::hint::spin_loop();
            }
            // A little later each time, so that every step of the receiver is met.
            for _ in 0..item % 64 {
                std::hint::spin_loop();
            }
            sender.push(item).unwrap();
        }
    });
    for item in 0..ITEMS {
        let received = timeout(10 * SECOND, receiver.recv()).await.expect("a wake-up was lost");
        assert_eq!(received, Some(item));
        taken.store(item + 1, Release);
    }
    thread.join().unwrap();
}

/// Four threads put in what one takes: each item comes, or is counted as dropped.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_item_comes_in_order_or_is_counted_as_dropped() {
    const EACH: u64 = 20_000;
    let kinds: [fn(usize) -> Items<_>; 2] = [Items::ring, Items::grown];
    for (kind, capacity) in kinds.into_iter().flat_map(|kind| [(kind, 1), (kind, 64)]) {
        let (sender, mut receiver) = queue_of(kind(capacity), DropPolicy::Oldest);
        let begun = Arc::new(tokio::sync::Barrier::new(5));
        for from in 0..4_u64 {
            let (sender, begun) = (sender.clone(), Arc::clone(&begun));
            tokio::spawn(async move {
                begun.wait().await;
                for item in 0..EACH {
                    sender.push((from, item)).unwrap();
                    if item % 16 == from {
                        // Lets the receiver go to sleep, in which a wake-up could be lost.
                        tokio::task::yield_now().await;
                    }
                }
            });
        }
        begun.wait().await;
        let (mut taken, mut last) = (0, [None; 4]);
        // Some stay for a while, so that the end is a race too.
        let shared = sender.clone();
        drop(sender);
        let watch = tokio::spawn(async move {
            while shared.snapshot().pushed < 4 * EACH {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            shared.snapshot()
        });
        while let Some((from, item)) =
            timeout(10 * SECOND, receiver.recv()).await.expect("a wake-up was lost")
        {
            let before = last[from as usize].replace(item);
            assert!(before.is_none_or(|before| before < item), "out of order");
            taken += 1;
        }
        watch.await.unwrap();
        let seen = receiver.snapshot();
        assert_eq!((seen.pushed, seen.length), (4 * EACH, 0));
        assert_eq!(taken + seen.dropped(QueueDropReason::Oldest), seen.pushed);
        assert!(seen.high_water <= capacity as u64, "{seen:?}");
    }
}

/// Items that are put in while the receiver goes are never left in the queue.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_stays_in_a_queue_that_nobody_takes_from() {
    for turn in 0..500 {
        let items = if turn % 2 == 0 { Items::ring(8) } else { Items::grown(8) };
        let (sender, receiver) = queue_of(items, DropPolicy::Newest);
        let other = sender.clone();
        let pushes = tokio::spawn(async move {
            let mut accepted = 0;
            for item in 0..20 {
                match other.push(item) {
                    Ok(None) => accepted += 1,
                    Ok(Some(_)) => {}
                    Err(_) => break,
                }
            }
            accepted
        });
        drop(receiver);
        let accepted = pushes.await.unwrap();
        let seen = sender.snapshot();
        assert_eq!((seen.length, seen.pushed), (0, accepted));
        assert!(seen.dropped(QueueDropReason::Closed) >= accepted, "{seen:?}");
    }
}
