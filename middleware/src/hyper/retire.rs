//! [`Retiring`]: how the transport of a connection that is to go comes to its end.
//!
//! What hyper reads from it decides: the end of the stream over HTTP/1, a GOAWAY over HTTP/2, as if the server had sent
//! them. Both ends of a connection then close it in order. Only what has stopped answering fails instead, for nobody may be
//! there to take an orderly end.

use std::io;
use std::task::{Poll, Waker};

use tokio::io::ReadBuf;

use crate::frames::FrameWalk;
use crate::registry::{Connection, Protocol, Upkeep};

/// A GOAWAY without an error, which takes back no stream.
const GOAWAY: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// What the transport of a connection knows for its end.
#[derive(Debug, Default)]
pub(super) struct Retiring {
    /// The task that drives the connection, as far as it was told.
    waker: Option<Waker>,
    /// Something was written that belongs to no request that is seen: nobody can tell when it is over.
    is_used_unseen: bool,
    /// Something has come since something was written.
    is_answered: bool,
    /// hyper was told that it ends.
    is_told: bool,
}

impl Retiring {
    /// Something was written; `is_idle` if no request is seen to use the connection.
    pub(super) fn wrote(&mut self, is_idle: bool) {
        self.is_answered = false;
        self.is_used_unseen |= is_idle;
    }

    /// Something has come.
    pub(super) fn has_read(&mut self) {
        self.is_answered = true;
    }

    /// Nothing is to be read now; has the task that has asked woken when the connection may go.
    #[inline]
    pub(super) fn waits(&mut self, waker: &Waker, connection: &Connection) {
        let Some(upkeep) = connection.upkeep() else { return };
        let is_known = self.waker.as_ref().is_some_and(|known| known.will_wake(waker));
        // Whoever is woken is to be told again.
        if !is_known || upkeep.retired().is_some() {
            upkeep.register(waker);
            if !is_known {
                self.waker = Some(waker.clone());
            }
        }
    }

    /// What hyper reads instead of what its peer sends, if the connection is to go now.
    #[inline]
    pub(super) fn read(
        &mut self,
        connection: &Connection,
        frames: Option<&FrameWalk>,
        buf: &mut ReadBuf<'_>,
    ) -> Option<Poll<io::Result<()>>> {
        let upkeep = connection.upkeep()?;
        let reason = upkeep.retired()?;
        let end = match connection.protocol() {
            Protocol::Http1 => self.end_http1(connection, upkeep)?,
            Protocol::Http2 => self.end_http2(connection, upkeep, frames?, buf)?,
        };
        if !self.is_told {
            self.is_told = true;
            connection.closing(reason);
        }
        Some(Poll::Ready(end))
    }

    fn end_http1(&self, connection: &Connection, upkeep: &Upkeep) -> Option<io::Result<()>> {
        // Its own task writes each request, and binds it before; so none can begin while this one reads.
        let has_served = connection.requests() > 0 && self.is_answered;
        let may_end = has_served || connection.requests() == 0 && upkeep.may_end();
        (self.is_told || may_end && connection.is_quiet() && !self.is_used_unseen).then_some(Ok(()))
    }

    fn end_http2(
        &self,
        connection: &Connection,
        upkeep: &Upkeep,
        frames: &FrameWalk,
        buf: &mut ReadBuf<'_>,
    ) -> Option<io::Result<()>> {
        let may_end = upkeep.may_end() && connection.is_idle() && !connection.has_ended();
        if self.is_told || !may_end {
            return None;
        }
        if upkeep.is_dead() {
            return Some(Err(io::Error::new(io::ErrorKind::TimedOut, "nothing comes over it any more")));
        }
        // Not in the middle of what the peer is sending, nor before it has said its first word.
        let has_begun = connection.bytes().1 > 0;
        (has_begun && frames.is_between() && buf.remaining() >= GOAWAY.len()).then(|| {
            buf.put_slice(&GOAWAY);
            Ok(())
        })
    }
}
