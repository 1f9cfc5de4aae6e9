//! What happens inside the poll of a request, on the thread that polls it.
//!
//! Neither hyper-util nor reqwest tells a request whether it found an idle connection. But both call the connector
//! inside the request's own poll, and only when there was none; so a flag of this thread, cleared before each poll and
//! read after it, tells exactly that.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Weak};

use poolscope_semconv::value::ErrorType;

use crate::registry::{Attempt, Pool};

mod dropped;
mod watched;

#[cfg(feature = "limit")]
pub(crate) use dropped::dropped_unsent;
#[cfg(feature = "breaker")]
pub(crate) use dropped::take_unsent;
pub(crate) use dropped::{drop_as, drop_cause, dropped_from};
pub(crate) use watched::{Acquire, tell_acquire, watch};

thread_local! {
    static SEEN: Cell<Seen> = const { Cell::new(Seen::NOTHING) };
    /// What the last connect failed with, if that was seen.
    static FAILED_AS: Cell<ErrorType> = const { Cell::new(ErrorType::Connect) };
    static RESENDS: Cell<u32> = const { Cell::new(0) };
    static QUEUED: Cell<u64> = const { Cell::new(0) };
    static ATTEMPT: RefCell<Option<Arc<Attempt>>> = const { RefCell::new(None) };
    /// Pool of the last connect that began.
    static CONNECTS_TO: RefCell<Weak<Pool>> = const { RefCell::new(Weak::new()) };
}

/// What a request's poll did, and what came before it: bits of one word, since every request of a thread writes it twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen(u32);

impl Seen {
    /// No request is being polled.
    const NOTHING: Self = Self(0);
    const CONNECT_STARTED: u32 = 1;
    const CONNECTED: u32 = 2;
    const GIVEN: u32 = 4;
    const WAITED: u32 = 8;
    const CONNECT_FAILED: u32 = 16;
    const IN_REQUEST: u32 = 32;
    const NAMED: u32 = 64;
    const CONNECT_DROPPED: u32 = 256;
    #[cfg(feature = "reqwest")]
    const REDIRECTED: u32 = 128;
    /// One of what the upper half counts.
    #[cfg(feature = "reqwest")]
    const SENT: u32 = 1 << 16;

    #[cfg(feature = "reqwest")]
    const OF_REQUEST: u32 = Self::REDIRECTED | !(Self::SENT - 1);
    #[cfg(not(feature = "reqwest"))]
    const OF_REQUEST: u32 = 0;

    /// Something of what follows has happened.
    #[inline]
    pub(crate) fn anything(self) -> bool {
        self.0 & !(Self::IN_REQUEST | Self::WAITED) != 0
    }

    /// The connector was called: there was no idle connection.
    #[inline]
    pub(crate) fn connect_started(self) -> bool {
        self.0 & Self::CONNECT_STARTED != 0
    }

    /// A connect came to a good end.
    #[inline]
    pub(crate) fn connected(self) -> bool {
        self.0 & Self::CONNECTED != 0
    }

    /// What a connect failed with, if one did. Asked right after the poll.
    pub(crate) fn connect_failed(self) -> Option<ErrorType> {
        (self.0 & Self::CONNECT_FAILED != 0).then(|| FAILED_AS.get())
    }

    /// A connect was dropped before its end.
    #[inline]
    pub(crate) fn connect_dropped(self) -> bool {
        self.0 & Self::CONNECT_DROPPED != 0
    }

    /// Something has named a connection.
    #[inline]
    pub(crate) fn named(self) -> bool {
        self.0 & Self::NAMED != 0
    }

    /// Pool of the connect that was started last. Asked right after the poll.
    #[cfg(feature = "reqwest")]
    pub(crate) fn connects_to(self) -> Option<Arc<Pool>> {
        if self.connect_started() { CONNECTS_TO.with_borrow(Weak::upgrade) } else { None }
    }

    /// How often the client has begun to send: the request, or the same again, or where a redirect leads.
    #[cfg(feature = "reqwest")]
    #[inline]
    pub(crate) fn sends(self) -> u32 {
        self.0 / Self::SENT
    }

    /// The client was told to go elsewhere.
    #[cfg(feature = "reqwest")]
    pub(crate) fn redirected(self) -> bool {
        self.0 & Self::REDIRECTED != 0
    }

    /// The request was given a connection that is made known to it, as those of composed pools are.
    #[inline]
    pub(crate) fn given(self) -> bool {
        self.0 & Self::GIVEN != 0
    }
}

#[inline]
fn see(what: u32) {
    SEEN.set(Seen(SEEN.get().0 | what));
}

/// One poll of a request. What it did is told at its end; dropped before, by a panic, it leaves no mark on the thread.
pub(crate) struct Polling {
    outer: Seen,
}

impl Polling {
    /// Begins; `waited` if the request may have waited in a pool since its poll before.
    #[inline]
    pub(crate) fn begin(waited: bool) -> Self {
        let waited = if waited { Seen::WAITED } else { 0 };
        Self { outer: SEEN.replace(Seen(Seen::IN_REQUEST | waited)) }
    }

    /// Ends, and tells what happened in it.
    #[inline]
    pub(crate) fn end(self) -> Seen {
        SEEN.get()
    }
}

impl Drop for Polling {
    #[inline]
    fn drop(&mut self) {
        SEEN.set(self.outer);
    }
}

/// True inside of a request's poll.
pub(crate) fn is_in_request() -> bool {
    SEEN.get().0 & Seen::IN_REQUEST != 0
}

/// Tells the request that is being polled that the connector was called.
pub(crate) fn connect_started(pool: &Arc<Pool>) {
    CONNECTS_TO.set(Arc::downgrade(pool));
    see(Seen::CONNECT_STARTED);
}

/// Tells the request that is being polled that its client has begun to send.
#[cfg(feature = "reqwest")]
#[inline]
pub(crate) fn sent() {
    SEEN.set(Seen(SEEN.get().0.wrapping_add(Seen::SENT)));
}

/// Tells the request that is being polled that it was answered with a redirect.
#[cfg(feature = "reqwest")]
pub(crate) fn redirected() {
    see(Seen::REDIRECTED);
}

/// Tells the request that is being polled that it is given a connection.
pub(crate) fn given() {
    see(Seen::GIVEN);
}

/// Tells the request that is being polled that a connection was named; which one is kept by whoever names it.
pub(crate) fn named() {
    see(Seen::NAMED);
}

/// True if the request that is being polled has waited in a pool.
pub(crate) fn has_waited() -> bool {
    SEEN.get().0 & Seen::WAITED != 0
}

/// Tells the request that is being polled that a connection was established.
pub(crate) fn connected() {
    see(Seen::CONNECTED);
}

/// Tells the request that is being polled that a connect failed.
pub(crate) fn connect_failed(error: ErrorType) {
    FAILED_AS.set(error);
    see(Seen::CONNECT_FAILED);
}

/// Tells the request that is being polled that a connect was dropped.
pub(crate) fn connect_dropped() {
    see(Seen::CONNECT_DROPPED);
}

/// Runs one poll of a connect. What happens inside of it, on this thread, belongs to the attempt: hyper-util and reqwest
/// look names up and negotiate TLS there, also when the connect goes on in the background.
pub(crate) fn poll_attempt<R>(attempt: &Arc<Attempt>, poll: impl FnOnce() -> R) -> R {
    let _outer = Outer(ATTEMPT.replace(Some(Arc::clone(attempt))));
    let before = SEEN.get();
    let polled = poll();
    // A connect may send requests of its own, to look a name up say; they are not those of the request that waits for it.
    SEEN.set(Seen(SEEN.get().0 & !Seen::OF_REQUEST | before.0 & Seen::OF_REQUEST));
    polled
}

/// The connect that is being polled.
pub(crate) fn attempt() -> Option<Arc<Attempt>> {
    ATTEMPT.with_borrow(Clone::clone)
}

/// Puts the outer attempt back, also when the poll panics.
struct Outer(Option<Arc<Attempt>>);

impl Drop for Outer {
    fn drop(&mut self) {
        ATTEMPT.set(self.0.take());
    }
}

/// What starts until this is dropped is the given resend: 0 for the first attempt of a call.
#[must_use]
pub(crate) fn resend(resends: u32) -> impl Drop {
    Restore(&RESENDS, RESENDS.replace(resends))
}

/// Which resend the attempt that starts now is.
pub(crate) fn resends() -> u32 {
    RESENDS.get()
}

/// Runs the start of a request that has waited for so many nanoseconds in the queue of a limit.
#[cfg(feature = "limit")]
pub(crate) fn with_queued<R>(nanos: u64, start: impl FnOnce() -> R) -> R {
    let outer = Restore(&QUEUED, QUEUED.replace(nanos));
    let result = start();
    drop(outer);
    result
}

/// How many nanoseconds the request that starts now has waited in the queue of a limit. Counts for one request: those that
/// it starts itself have not waited there.
#[inline]
pub(crate) fn take_queued() -> u64 {
    QUEUED.replace(0)
}

/// Puts a value back, also when the poll panics.
struct Restore<T: 'static>(&'static std::thread::LocalKey<Cell<T>>, T)
where
    T: Copy;

impl<T: Copy> Drop for Restore<T> {
    fn drop(&mut self) {
        self.0.set(self.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connect_belongs_to_the_innermost_request() {
        let outer = Polling::begin(false);
        let inner = Polling::begin(false);
        connect_started(&Arc::new(Pool::unseen()));
        assert!(inner.end().connect_started());
        assert!(!outer.end().connect_started());
    }

    #[test]
    fn a_panic_leaves_no_mark_on_the_thread() {
        let result = std::panic::catch_unwind(|| {
            let _polling = Polling::begin(false);
            connect_started(&Arc::new(Pool::unseen()));
            panic!("in a poll");
        });
        assert!(result.is_err());
        assert_eq!(SEEN.get(), Seen::NOTHING);
    }
}
