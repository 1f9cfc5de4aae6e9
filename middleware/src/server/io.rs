//! [`ServerIo`]: the transport of one connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use poolscope_semconv::value::ServerCloseReason;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::Connection;
use super::ending::Ending;
use super::life::{Life, is};
use super::protocol::Protocol;
use super::shared::Held;

/// The transport of a connection that a server has accepted: counts its bytes, notes why it ends, brings it to its end when it
/// is to go, and closes it in the books when it is dropped.
#[derive(Debug)]
pub struct ServerIo<T> {
    // Before the books, so that the socket is closed when they say so.
    inner: T,
    protocol: Protocol,
    ending: Ending,
    resets: Resets<T>,
    held: Held,
}

/// How the kernel lets go of the transport.
#[derive(Debug)]
struct Resets<T> {
    /// [`Listen::leave`](super::Listen::leave).
    leave: fn(&T, Duration),
    is_done: bool,
}

impl<T> Resets<T> {
    /// It was cut: nothing more of what it was sent is to go, since its client is gone, or must not take a part for the whole.
    /// Gives what is read and written of it from then on.
    fn reset(&mut self, inner: &T, life: &Life) -> io::Error {
        // Who is slow to ask has no part of an answer.
        let is_reset = life.told() != Some(ServerCloseReason::HeadersTimeout);
        if is_reset && !std::mem::replace(&mut self.is_done, true) {
            (self.leave)(inner, Duration::ZERO);
        }
        io::Error::new(io::ErrorKind::ConnectionAborted, "the server has cut the connection")
    }
}

impl<T> ServerIo<T> {
    pub(super) fn new(inner: T, held: Held, leave: fn(&T, Duration)) -> Self {
        let resets = Resets { leave, is_done: false };
        Self { inner, protocol: Protocol::default(), ending: Ending::default(), resets, held }
    }

    /// The connection, for who serves its requests.
    #[must_use]
    pub fn connection(&self) -> Connection {
        Connection::of(&self.held)
    }

    /// The transport itself.
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// The transport itself. What is read and written there is not counted.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<T> Drop for ServerIo<T> {
    fn drop(&mut self) {
        let Self { inner, resets, held, .. } = self;
        if held.life.is(is::CUT) {
            resets.reset(inner, &held.life);
        }
        if !resets.is_done
            && let Some(timeout) = held.shared.rules.write_timeout
            && held.life.has_taken_all()
        {
            // Nothing but the end is left, which a client that is gone would be sent for minutes. What is left for one that
            // reads slowly is the kernel's, which can't be watched any more.
            (resets.leave)(inner, timeout);
        }
    }
}

/// What an error says of the end of a connection.
fn failed(life: &Life, error: &io::Error) {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut, UnexpectedEof};
    match error.kind() {
        ConnectionReset | BrokenPipe | ConnectionAborted => life.see(ServerCloseReason::ClientReset),
        // TLS that ends without saying so: rude, and an end all the same.
        UnexpectedEof => ended(life),
        // The kernel has asked whether it is there.
        TimedOut => life.see(ServerCloseReason::Unresponsive),
        _ => life.see(ServerCloseReason::IoError),
    }
}

/// The client has ended its sending side.
fn ended(life: &Life) {
    life.see(match life.in_flight() {
        0 => ServerCloseReason::ClientClosed,
        _ => ServerCloseReason::ClientClosedActive,
    });
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for ServerIo<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { inner, protocol, ending, resets, held } = self.get_mut();
        let life = &*held.life;
        if life.told().is_some() {
            if life.is(is::CUT) {
                return Poll::Ready(Err(resets.reset(inner, life)));
            }
            if let Some(end) = ending.read(Pin::new(&mut *inner), cx, life, protocol, buf) {
                return Poll::Ready(end);
            }
        }
        let before = buf.filled().len();
        let is_asked = buf.remaining() > 0;
        // Before it is asked, so that who tells it to end in between is heard.
        life.waits_to_read(cx.waker());
        let polled = Pin::new(&mut *inner).poll_read(cx, buf);
        match &polled {
            Poll::Ready(Ok(())) => {
                let bytes = &buf.filled()[before..];
                if bytes.is_empty() && is_asked {
                    ended(life);
                } else {
                    protocol.read(life, bytes);
                    life.received(bytes.len());
                }
            }
            Poll::Ready(Err(error)) => failed(life, error),
            Poll::Pending if life.told().is_none() => {}
            Poll::Pending if life.is(is::CUT) => return Poll::Ready(Err(resets.reset(inner, life))),
            // Only now: what had come before is served.
            Poll::Pending if ending.is_over(cx, life, protocol) => return Poll::Ready(Ok(())),
            Poll::Pending => {
                if !std::mem::replace(&mut ending.has_heard, true) {
                    cx.waker().wake_by_ref();
                }
            }
        }
        polled
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> ServerIo<T> {
    /// Writes, after what has to go before.
    fn write<'a>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut T>, &mut Context<'_>) -> Poll<io::Result<usize>>,
        bufs: impl IntoIterator<Item = &'a [u8], IntoIter: Clone>,
    ) -> Poll<io::Result<usize>> {
        let Self { inner, protocol, ending, resets, held } = self;
        let life = &*held.life;
        if life.is(is::CUT) {
            return Poll::Ready(Err(resets.reset(inner, life)));
        }
        if ending.is_writing() {
            ready!(ending.write(Pin::new(&mut *inner), cx, life))?;
        }
        match write(Pin::new(&mut *inner), cx) {
            Poll::Ready(Ok(written)) => {
                if protocol.wrote(life, bufs, written) {
                    held.shared.upgraded(life);
                }
                life.sent(written);
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => {
                failed(life, &error);
                Poll::Ready(Err(error))
            }
            Poll::Pending => stuck(resets, inner, life, cx),
        }
    }

    /// What has to send before it is ready.
    fn flush(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut T>, &mut Context<'_>) -> Poll<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        let Self { inner, resets, held, .. } = self;
        let life = &*held.life;
        if life.is(is::CUT) {
            return Poll::Ready(Err(resets.reset(inner, life)));
        }
        match poll(Pin::new(&mut *inner), cx) {
            Poll::Ready(Ok(())) => {
                life.flushed();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => {
                failed(life, &error);
                Poll::Ready(Err(error))
            }
            Poll::Pending => stuck(resets, inner, life, cx),
        }
    }
}

/// A write waits for the client.
fn stuck<T, R>(resets: &mut Resets<T>, inner: &T, life: &Life, cx: &mut Context<'_>) -> Poll<io::Result<R>> {
    life.stuck(cx.waker());
    if life.is(is::CUT) { Poll::Ready(Err(resets.reset(inner, life))) } else { Poll::Pending }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ServerIo<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().write(cx, |inner, cx| inner.poll_write(cx, buf), [buf])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = bufs.iter().map(|buf| &**buf);
        self.get_mut().write(cx, |inner, cx| inner.poll_write_vectored(cx, bufs), written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().flush(cx, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.held.life.mark(is::SHUT_DOWN);
        this.flush(cx, AsyncWrite::poll_shutdown)
    }
}
