//! Tests of [`Gate`], the last of them against a plain model.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::Wake;

use proptest::prelude::*;

use super::*;

fn queued(gate: &Gate) -> Ticket {
    match gate.enter() {
        Asked::Queued(ticket) => ticket,
        asked => panic!("{asked:?}"),
    }
}

fn is_in(gate: &Gate, ticket: Ticket) -> bool {
    gate.poll(ticket, Waker::noop()).is_ready()
}

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[test]
fn those_who_wait_come_first() {
    let gate = Gate::new(1, 10, None);
    assert!(gate.try_enter() && !gate.try_enter());
    let (first, second) = (queued(&gate), queued(&gate));
    gate.leave();
    assert!(is_in(&gate, first) && !is_in(&gate, second));
    assert!(!gate.try_enter(), "nobody gets past one who waits");
    gate.leave();
    assert!(is_in(&gate, second));
    gate.leave();
    assert_eq!(gate.crowd(), Crowd { inside: 0, waiting: 0 });
    assert!(gate.try_enter());
}

#[test]
fn who_is_let_in_is_woken_and_nobody_else() {
    let gate = Gate::new(1, 10, None);
    assert!(gate.try_enter());
    let (first, second) = (queued(&gate), queued(&gate));
    let wakers = [Arc::new(Woken::default()), Arc::new(Woken::default())];
    for (ticket, waker) in [first, second].into_iter().zip(&wakers) {
        assert!(gate.poll(ticket, &Waker::from(Arc::clone(waker))).is_pending());
    }
    gate.leave();
    assert_eq!(wakers.each_ref().map(|woken| woken.0.load(Relaxed)), [1, 0]);
}

#[test]
fn who_gives_up_after_being_let_in_lets_the_next_one_in() {
    let gate = Gate::new(1, 10, None);
    assert!(gate.try_enter());
    let (first, second) = (queued(&gate), queued(&gate));
    gate.leave();
    gate.give_up(first);
    assert!(is_in(&gate, second));
    assert_eq!(gate.crowd(), Crowd { inside: 1, waiting: 0 });
}

#[test]
fn a_queue_is_full_at_its_bound() {
    let gate = Gate::new(1, 1, None);
    assert!(gate.try_enter());
    let ticket = queued(&gate);
    assert_eq!(gate.enter(), Asked::Full);
    gate.give_up(ticket);
    queued(&gate);
}

#[test]
fn a_higher_limit_lets_in_and_a_lower_one_waits_for_those_who_are_in() {
    let gate = Gate::new(1, 10, None);
    assert!(gate.try_enter());
    let tickets = [queued(&gate), queued(&gate), queued(&gate)];
    gate.set_limit(3);
    assert_eq!(tickets.map(|ticket| is_in(&gate, ticket)), [true, true, false]);
    gate.set_limit(1);
    gate.leave();
    gate.leave();
    assert!(!is_in(&gate, tickets[2]));
    gate.leave();
    assert!(is_in(&gate, tickets[2]));
}

/// Many threads over one gate: never more inside than the limit, nobody is forgotten, and nothing is left over.
#[test]
fn threads_never_exceed_the_limit_and_nobody_is_forgotten() {
    const LIMIT: usize = 3;
    let gate = Gate::new(LIMIT as u32, 100, None);
    let inside = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (gate, inside) = (&gate, &inside);
            scope.spawn(move || {
                for round in 0..2_000 {
                    if !gate.try_enter() {
                        match gate.enter() {
                            Asked::In => {}
                            Asked::Full => unreachable!("there is room for all"),
                            Asked::Queued(ticket) if (round + thread) % 7 == 0 => {
                                gate.give_up(ticket);
                                continue;
                            }
                            Asked::Queued(ticket) => {
                                let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
                                while gate.poll(ticket, &waker).is_pending() {
                                    std::thread::park();
                                }
                            }
                        }
                    }
                    assert!(inside.fetch_add(1, Relaxed) < LIMIT);
                    inside.fetch_sub(1, Relaxed);
                    gate.leave();
                }
            });
        }
    });
    assert_eq!(gate.crowd(), Crowd { inside: 0, waiting: 0 });
    assert!(gate.queue().waiting.is_empty());
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Something that happens at a gate.
#[derive(Debug, Clone)]
enum Step {
    TryEnter,
    Enter,
    Leave,
    GiveUp(usize),
    SetLimit(u32),
}

proptest! {
    #[test]
    fn a_gate_is_a_count_and_a_queue(
        limit in 1..4_u32,
        max_waiting in 0..4_u32,
        steps in prop::collection::vec(prop_oneof![
            3 => Just(Step::TryEnter),
            4 => Just(Step::Enter),
            4 => Just(Step::Leave),
            2 => any::<usize>().prop_map(Step::GiveUp),
            1 => (1..5_u32).prop_map(Step::SetLimit),
        ], 0..100),
    ) {
        let gate = Gate::new(limit, max_waiting, None);
        let (mut limit, mut inside) = (limit, 0);
        let mut waiting = VecDeque::new();
        let mut let_in = Vec::new();
        for step in steps {
            match step {
                Step::TryEnter => {
                    let fits = inside < limit && waiting.is_empty();
                    prop_assert_eq!(gate.try_enter(), fits);
                    inside += u32::from(fits);
                }
                Step::Enter => match gate.enter() {
                    Asked::In => {
                        prop_assert!(inside < limit && waiting.is_empty());
                        inside += 1;
                    }
                    Asked::Queued(ticket) => {
                        prop_assert!(inside >= limit || !waiting.is_empty());
                        prop_assert!(waiting.len() < max_waiting as usize);
                        waiting.push_back(ticket);
                    }
                    Asked::Full => prop_assert_eq!(waiting.len(), max_waiting as usize),
                },
                Step::Leave if inside == 0 => {}
                Step::Leave => {
                    gate.leave();
                    inside -= 1;
                }
                Step::GiveUp(_) if waiting.is_empty() => {}
                Step::GiveUp(which) => {
                    let ticket = waiting.remove(which % waiting.len()).unwrap();
                    gate.give_up(ticket);
                }
                Step::SetLimit(new) => {
                    gate.set_limit(new);
                    limit = new;
                }
            }
            while inside < limit && let Some(ticket) = waiting.pop_front() {
                inside += 1;
                let_in.push(ticket);
            }
            let crowd = Crowd { inside: u64::from(inside), waiting: waiting.len() as u64 };
            prop_assert_eq!(gate.crowd(), crowd);
            for ticket in &waiting {
                prop_assert!(!is_in(&gate, *ticket));
            }
            for ticket in &let_in {
                prop_assert!(is_in(&gate, *ticket));
            }
        }
    }
}
