//! [`Ending`]: how the transport of a connection that is to go comes to its end.
//!
//! What hyper reads and what the client reads decide. Over HTTP/1, hyper reads the end of the stream once no request is in
//! flight and none comes, and ends the connection in order; an answer that is still to come says `connection: close`, and so
//! nobody sends another request. Over HTTP/2, the client
//! reads a GOAWAY that takes back no stream, and begins none any more; hyper reads one once there is no stream left, as if
//! the client had sent it, says goodbye itself and ends the connection.
//!
//! Where the task that drives hyper does the latter by itself, nothing of it happens here.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use poolscope_semconv::value::ServerCloseReason;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::life::{Life, is};
use super::protocol::Protocol;

/// A GOAWAY without an error, which takes back no stream.
const GOAWAY: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// Bytes of the preface and of the settings that a client sends before anything else.
const BEGIN: u64 = 24 + 9;

/// How long nothing must have come after an answer before a connection over HTTP/1 ends: its client may be sending the next
/// request, whose answer says that it is the last.
pub(super) const QUIET: Duration = Duration::from_millis(100);

/// How far the transport of a connection is with its end.
#[derive(Debug, Default)]
pub(super) struct Ending {
    /// Until it is quiet.
    timer: Option<Pin<Box<Sleep>>>,
    /// The task that reads was told that there is an end.
    pub(super) has_heard: bool,
    /// hyper was told.
    is_told: bool,
    /// Bytes of the GOAWAY to the client that are written, once it was begun.
    written: Option<usize>,
}

impl Ending {
    /// Nothing more has come: true if hyper is to read an end of the stream now. Else the task is woken when that may be so.
    pub(super) fn is_over(&mut self, cx: &mut Context<'_>, life: &Life, protocol: &Protocol) -> bool {
        if life.is(is::UPGRADED) {
            return ends_upgraded(life);
        }
        let facts = life.facts();
        // Not between the first byte of a request and its last one, nor before an answer is on its way.
        let is_between = facts.in_flight == 0 && facts.head_since.is_none() && life.is_flushed();
        if protocol.frames().is_some() || !is_between {
            return false;
        }
        let left = (facts.idle_since + QUIET).saturating_sub(life.now());
        if left.is_zero() {
            return true;
        }
        let timer = self.timer.insert(Box::pin(sleep(left)));
        timer.as_mut().poll(cx).is_ready()
    }

    /// What hyper reads instead of what the client sends, if the connection is to go now.
    pub(super) fn read<T: AsyncRead + AsyncWrite>(
        &mut self,
        io: Pin<&mut T>,
        cx: &mut Context<'_>,
        life: &Life,
        protocol: &Protocol,
        buf: &mut ReadBuf<'_>,
    ) -> Option<io::Result<()>> {
        self.has_heard = true;
        let frames = protocol.frames().filter(|_| !life.is(is::UPGRADED) && !life.is(is::DRIVEN))?;
        let is_idle = life.in_flight() == 0;
        if self.written.is_none() && frames.written.is_between() && life.bytes().0 > 0 {
            self.written = Some(0);
        }
        if self.is_writing()
            && let Poll::Ready(Err(error)) = self.write(io, cx, life)
        {
            return Some(Err(error));
        }
        let may_be_told =
            frames.read.is_between() && life.bytes().1 >= BEGIN && buf.remaining() >= GOAWAY.len();
        if self.is_told || !is_idle || self.is_writing() || !may_be_told {
            return None;
        }
        self.is_told = true;
        buf.put_slice(&GOAWAY);
        Some(Ok(()))
    }

    /// The GOAWAY to the client was begun, and has to go before anything else.
    pub(super) fn is_writing(&self) -> bool {
        self.written.is_some_and(|written| written < GOAWAY.len())
    }

    pub(super) fn write<T: AsyncWrite>(
        &mut self,
        mut io: Pin<&mut T>,
        cx: &mut Context<'_>,
        life: &Life,
    ) -> Poll<io::Result<()>> {
        while let Some(written) = self.written.filter(|written| *written < GOAWAY.len()) {
            let more = ready!(io.as_mut().poll_write(cx, &GOAWAY[written..]))?;
            if more == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            life.sent(more);
            self.written = Some(written + more);
        }
        // What is left of it goes with the next flush.
        let _ = io.poll_flush(cx)?;
        Poll::Ready(Ok(()))
    }
}

/// True if one that left HTTP is to read an end of the stream. At a shutdown it is not: its session is told.
fn ends_upgraded(life: &Life) -> bool {
    life.told() != Some(ServerCloseReason::Shutdown) && !life.is(is::HTTP2) && life.in_flight() == 0
}
