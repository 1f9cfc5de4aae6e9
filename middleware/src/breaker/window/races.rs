//! A window of time under threads, in every order that they can take: run by loom, see [`crate::sync`].

use loom::thread;

use super::*;
use crate::sync::{Mutex, number_thread};

const SECOND: Duration = Duration::from_secs(1);
const GOOD: Marks = Marks { failed: false, slow: false, unconnected: false };
const BAD: Marks = Marks { failed: true, ..GOOD };

/// A window of ten seconds, with the lock that it needs.
struct Locked {
    start: Instant,
    good: Arc<GoodCalls>,
    window: Mutex<Window>,
}

impl Locked {
    fn new() -> Arc<Self> {
        let mut window = Window::new(Span::Time(10 * SECOND), 1);
        let Kept::Time(_, parts) = &mut window.kept else { unreachable!() };
        Arc::new(Self { start: parts.start, good: Arc::clone(window.good()), window: Mutex::new(window) })
    }

    /// Takes a call of the first generation in, as the breaker does.
    fn end(&self, marks: Marks, seconds: u32) {
        let now = self.start + SECOND * seconds;
        if marks == GOOD && self.good.take(0, || now) {
            return;
        }
        let mut window = self.window.lock().unwrap();
        if window.generation == 0 {
            window.push(marks, || now);
        }
    }

    fn tally(&self, seconds: u32) -> Tally {
        self.window.lock().unwrap().tally(|| self.start + SECOND * seconds)
    }
}

/// Runs two threads beside each other, whose good calls go to the same lane and to different ones.
fn explore(one: fn(&Locked), other: fn(&Locked), check: fn(&Locked)) {
    for numbers in [[0, 0], [0, 1]] {
        loom::model(move || {
            let locked = Locked::new();
            let threads = [(numbers[0], one), (numbers[1], other)].map(|(number, act)| {
                let locked = Arc::clone(&locked);
                thread::spawn(move || {
                    number_thread(number);
                    act(&locked);
                })
            });
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            check(&locked);
        });
    }
}

#[test]
fn no_call_is_lost_or_counted_twice_where_the_time_moves_on() {
    explore(
        |locked| {
            locked.end(GOOD, 0);
            locked.end(GOOD, 1);
        },
        |locked| {
            locked.end(GOOD, 0);
            locked.end(BAD, 1);
        },
        |locked| {
            assert_eq!(locked.tally(9), Tally { calls: 4, failed: 1, ..Tally::default() });
            // What counts as of the next part may only be what came too late for its own.
            let left = locked.tally(10);
            assert!((2..=4).contains(&left.calls) && left.failed == 1, "{left:?}");
            assert_eq!(locked.tally(11), Tally::default());
        },
    );
}

#[test]
fn a_call_from_before_it_was_cleared_does_not_count() {
    explore(
        |locked| locked.end(GOOD, 0),
        |locked| locked.window.lock().unwrap().clear(1),
        |locked| {
            assert_eq!(locked.tally(0), Tally::default());
            assert!(locked.good.take(1, || locked.start));
            assert_eq!(locked.tally(0).calls, 1);
        },
    );
}
