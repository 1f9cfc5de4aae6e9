//! Whether the request that is being polled has its connection, told to the timeouts around it.
//!
//! A timeout of a part of a request has to know when that part begins and ends. It asks by a word of this thread that it
//! clears before it polls what is inside of it and reads after: the request layer, which knows, writes it at the end of
//! each poll. So nothing is shared between the two, a task that is spawned in between tells nobody, and of requests that
//! are nested the outer one has the last word.

use std::cell::Cell;

use crate::clock::Instant;

/// Nobody wants to know.
const UNWATCHED: u64 = 0;
/// Nobody has told anything yet.
const UNTOLD: u64 = 1;
/// The request waits for a connection.
const WAITING: u64 = 2;

thread_local! {
    /// One of the above, or else the moment of the acquire in nanoseconds: no clock of a running system is at so few.
    static WATCHED: Cell<u64> = const { Cell::new(UNWATCHED) };
}

/// What a request has told of its acquire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acquire {
    /// Nothing: there is no request layer inside, or its request was not polled.
    Unknown,
    /// It waits.
    Waiting,
    /// It has its connection since.
    Since(Instant),
}

/// Puts the word back, also when the poll panics.
struct Outer(u64);

impl Drop for Outer {
    fn drop(&mut self) {
        WATCHED.set(self.0);
    }
}

/// Runs a poll, and tells what the request in it has told.
pub(crate) fn watch<R>(poll: impl FnOnce() -> R) -> (R, Acquire) {
    let mut outer = Outer(WATCHED.replace(UNTOLD));
    let polled = poll();
    let told = WATCHED.get();
    // A timeout further out wants to know the same.
    if outer.0 != UNWATCHED && told != UNTOLD {
        outer.0 = told;
    }
    let told = match told {
        UNWATCHED | UNTOLD => Acquire::Unknown,
        WAITING => Acquire::Waiting,
        since => Acquire::Since(Instant::from_nanos(since)),
    };
    (polled, told)
}

/// Tells the timeouts around the request that is being polled since when it has its connection. Costs a look at a word
/// where there are none.
#[inline]
pub(crate) fn tell_acquire(since: impl FnOnce() -> Option<Instant>) {
    if WATCHED.get() != UNWATCHED {
        WATCHED.set(since().map_or(WAITING, |since| since.as_nanos().max(WAITING + 1)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(nanos: u64) -> Acquire {
        Acquire::Since(Instant::from_nanos(nanos))
    }

    fn tell(nanos: u64) {
        tell_acquire(|| Some(Instant::from_nanos(nanos)));
    }

    #[test]
    fn it_is_told_to_all_timeouts_around_and_to_none_beside() {
        let (inner, outer) = watch(|| watch(|| tell(7)).1);
        assert_eq!((inner, outer), (since(7), since(7)));
        tell(8);
        assert_eq!(watch(|| ()).1, Acquire::Unknown, "nobody was watching");
        assert_eq!(watch(|| tell_acquire(|| None)).1, Acquire::Waiting);
    }

    #[test]
    fn of_nested_requests_the_outer_one_has_the_last_word() {
        let told = watch(|| {
            let look_up = watch(|| tell(7)).1;
            assert_eq!(look_up, since(7));
            tell_acquire(|| None);
        });
        assert_eq!(told.1, Acquire::Waiting);
    }

    #[test]
    fn what_was_told_before_a_silent_poll_stays() {
        let told = watch(|| {
            tell(7);
            assert_eq!(watch(|| ()).1, Acquire::Unknown);
        });
        assert_eq!(told.1, since(7));
    }

    #[test]
    fn a_panic_leaves_no_mark() {
        let panicked = std::panic::catch_unwind(|| {
            watch(|| {
                tell(7);
                panic!("in a poll");
            })
        });
        assert!(panicked.is_err());
        assert_eq!(WATCHED.get(), UNWATCHED);
    }
}
