//! What of the answers to a connection's requests is still to be sent.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use super::{Guard, Life, is};

impl Life {
    /// The answer to a request was handed out whole: it is over when its transport has sent it.
    pub(in crate::server) fn keep(&self, guard: Guard) {
        // With the answer to a pipelined request behind it, nobody knows any more when the first was sent.
        self.unsent.force_push(guard).into_iter().for_each(Guard::sent);
        if self.mark(is::UNSENT) & is::GONE != 0 {
            drop(self.unsent.pop());
        }
    }

    /// Its transport has sent what it was given.
    #[inline]
    pub(in crate::server) fn flushed(&self) {
        self.goes_on();
        if self.unmark(is::UNSENT) {
            self.unsent.pop().into_iter().for_each(Guard::sent);
        }
    }

    /// Its transport is gone: what it has not sent, it never will.
    pub(in crate::server) fn gone(&self) {
        if self.mark(is::GONE) & is::UNSENT != 0 {
            // Tells why, as it is dropped.
            drop(self.unsent.pop());
        }
    }

    /// A part of an answer was handed out, to be sent.
    #[inline]
    pub(in crate::server) fn owes(&self) {
        self.owed_since.store(self.now_nanos(), Relaxed);
        self.owed.fetch_add(1, AcqRel);
    }

    /// Something of an answer's body has gone, over HTTP/2: perhaps of one that was handed out whole long ago, and for which its
    /// client has had no room.
    pub(in crate::server) fn takes(&self) {
        let now = self.now_nanos();
        self.idle_since.store(now, Relaxed);
        if self.owed.load(Acquire) > 0 {
            self.owed_since.store(now, Relaxed);
        }
    }

    /// More was asked for, or nothing more will be.
    #[inline]
    pub(in crate::server) fn owes_no_more(&self) {
        self.owed_since.store(self.now_nanos(), Relaxed);
        self.owed.fetch_sub(1, AcqRel);
    }
}
