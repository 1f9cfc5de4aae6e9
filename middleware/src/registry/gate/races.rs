//! A gate under threads, in every order that they can take: run by loom, see [`crate::sync`].

use std::sync::Arc;
use std::task::Wake;

use loom::sync::atomic::AtomicU64 as Counter;
use loom::thread;

use super::*;

/// A gate, and how many its users count inside.
struct Counted {
    gate: Gate,
    inside: Counter,
    limit: u64,
}

impl Counted {
    fn new(limit: u32, max_waiting: u32) -> Arc<Self> {
        Arc::new(Self::with(limit, max_waiting))
    }

    fn with(limit: u32, max_waiting: u32) -> Self {
        let gate = Gate::new(limit, max_waiting, None);
        Self { gate, inside: Counter::new(0), limit: u64::from(limit) }
    }

    /// Goes in, waiting if it has to, and leaves again. False if there was no room to wait.
    fn pass(&self) -> bool {
        if !self.gate.try_enter() {
            match self.gate.enter() {
                Asked::In => {}
                Asked::Full => return false,
                Asked::Queued(ticket) => {
                    let waker = Waker::from(Arc::new(Unpark(thread::current())));
                    while self.gate.poll(ticket, &waker).is_pending() {
                        thread::park();
                    }
                }
            }
        }
        assert!(self.inside.fetch_add(1, Relaxed) < self.limit, "more are inside than may be");
        self.inside.fetch_sub(1, Relaxed);
        self.gate.leave();
        true
    }

    /// Asks, and gives up where it would have to wait.
    fn ask_and_give_up(&self) {
        match self.gate.enter() {
            Asked::In => self.gate.leave(),
            Asked::Queued(ticket) => self.gate.give_up(ticket),
            Asked::Full => {}
        }
    }

    fn is_empty(&self) {
        assert_eq!(self.gate.crowd(), Crowd { inside: 0, waiting: 0 });
        assert!(self.gate.queue().waiting.is_empty());
    }
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs two threads and this one beside each other. That everybody comes to an end is what loom checks by itself: one who
/// is forgotten in the queue is a deadlock.
fn explore(make: fn() -> Arc<Counted>, acts: [fn(&Counted); 3]) {
    explore_to(make, acts, |_| {});
}

/// The same, with what comes when the threads are at their ends.
fn explore_to(make: fn() -> Arc<Counted>, acts: [fn(&Counted); 3], end: fn(&Counted)) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || {
        let counted = make();
        let threads = [acts[0], acts[1]].map(|act| {
            let counted = Arc::clone(&counted);
            thread::spawn(move || act(&counted))
        });
        acts[2](&counted);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        end(&counted);
        counted.is_empty();
    });
}

fn pass(counted: &Counted) {
    assert!(counted.pass());
}

#[test]
fn nobody_is_forgotten_and_no_more_are_inside_than_may_be() {
    explore(|| Counted::new(1, 5), [pass, pass, pass]);
}

#[test]
fn who_gives_up_takes_nobodys_turn_away() {
    explore(|| Counted::new(1, 5), [pass, Counted::ask_and_give_up, pass]);
}

#[test]
fn who_finds_the_queue_full_leaves_the_others_alone() {
    explore(|| Counted::new(1, 1), [pass_or_not, pass_or_not, pass_or_not]);
}

fn pass_or_not(counted: &Counted) {
    counted.pass();
}

/// Whoever is about to wait while the limit rises must see that it does, or be let in by it: nobody leaves.
#[test]
fn a_limit_that_rises_lets_in_whoever_waits_by_then() {
    let make = || {
        let counted = Arc::new(Counted { limit: 3, ..Counted::with(1, 5) });
        assert!(counted.gate.try_enter());
        counted
    };
    let end: fn(&Counted) = |counted| counted.gate.leave();
    explore_to(make, [pass, |counted| counted.gate.set_limit(3), |_| {}], end);
}
