//! [`ObservedIo`]: the transport of one connection.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection as HyperConnection};
use hyper_util::rt::TokioIo;
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::runtime::Handle;

use super::frames::{FrameWalk, NO_ERROR, PROTOCOL_ERROR};
use super::named::ConnectionRef;
use super::request_body;
use super::retire::Retiring;
use crate::clock::Instant;
use crate::registry::{CloseCause, Connection, Protocol};
use crate::scope::ScopeRef;

/// Room of hyper's read buffer as long as little comes at a time: what fits is read by way of the stack. A read that fills
/// its buffer makes hyper take a larger one, so that what is large is not copied.
const SMALL_READ: usize = 8 * 1024;

pin_project! {
    /// The transport of a connection: counts its bytes, notes why it ends, and closes it in the books when it is
    /// dropped.
    #[derive(Debug)]
    pub struct ObservedIo<T> {
        #[pin]
        inner: T,
        frames: Option<Frames>,
        open: Open,
    }
}

impl<T> ObservedIo<T> {
    pub(super) fn new(inner: T, connection: Arc<Connection>, scope: ScopeRef) -> Self {
        let frames = (connection.protocol() == Protocol::Http2).then(Frames::default);
        let retiring = connection.upkeep().map(|_| Retiring::default());
        Self { inner, frames, open: Open { connection, scope, retiring } }
    }

    /// The connection that the transport belongs to.
    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.open.connection
    }
}

impl<T: Read> ObservedIo<T> {
    /// Reads through two adapters of hyper-util: hyper's read buffer can't be looked into without unsafe code, tokio's can.
    #[inline(never)]
    fn poll_read_seen(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut TokioIo::new(Sensor(self))).poll_read(cx, buf)
    }
}

impl<T: Read + Write> Read for ObservedIo<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let room = buf.remaining();
        if room > SMALL_READ || self.frames.is_some() || self.open.retiring.is_some() {
            return self.poll_read_seen(cx, buf);
        }
        // Most reads find nothing or little. To copy that costs less than the adapters do, five times for each request.
        let this = self.project();
        let mut space = [MaybeUninit::uninit(); SMALL_READ];
        let mut read = hyper::rt::ReadBuf::uninit(&mut space[..room]);
        let result = ready!(this.inner.poll_read(cx, read.unfilled()));
        Poll::Ready(this.open.has_read_small(read.filled(), buf, result))
    }
}

impl<T: Read + Write> Write for ObservedIo<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.project();
        request_body::bind_written(&this.open.connection);
        let result = ready!(this.inner.poll_write(cx, buf));
        this.open.wrote(this.frames.as_mut(), [buf], result)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        this.open.connection.note(CloseCause::ShutDown);
        this.inner.poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        request_body::bind_written(&this.open.connection);
        let result = ready!(this.inner.poll_write_vectored(cx, bufs));
        this.open.wrote(this.frames.as_mut(), bufs.iter().map(|buf| &**buf), result)
    }
}

impl<T: HyperConnection> HyperConnection for ObservedIo<T> {
    fn connected(&self) -> Connected {
        let connected = self.inner.connected();
        match self.open.connection.protocol() {
            // The request finds its connection when its head is written; an extra would be cloned for each response.
            Protocol::Http1 => connected,
            Protocol::Http2 => connected.extra(ConnectionRef(Arc::clone(&self.open.connection))),
        }
    }
}

/// What both sides of an HTTP/2 connection say.
#[derive(Debug)]
struct Frames {
    read: FrameWalk,
    written: FrameWalk,
}

impl Default for Frames {
    fn default() -> Self {
        Self { read: FrameWalk::default(), written: FrameWalk::after_preface() }
    }
}

/// An open connection: dropping it closes the connection in the books.
#[derive(Debug)]
struct Open {
    connection: Arc<Connection>,
    scope: ScopeRef,
    /// Where its client replaces connections.
    retiring: Option<Retiring>,
}

impl Open {
    fn failed(&self, error: &io::Error) {
        self.connection.note(match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
                CloseCause::Reset
            }
            // TLS that ends without saying so: rude, and an end all the same.
            io::ErrorKind::UnexpectedEof => CloseCause::PeerClosed,
            _ => CloseCause::Failed,
        });
    }

    fn wrote<'a>(
        &mut self,
        frames: Option<&mut Frames>,
        bufs: impl IntoIterator<Item = &'a [u8]>,
        result: io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        match &result {
            Ok(count) => {
                self.connection.add_sent(*count);
                if let Some(retiring) = &mut self.retiring {
                    retiring.wrote(self.connection.is_idle());
                }
                if let Some(frames) = frames {
                    let mut left = *count;
                    for buf in bufs {
                        let written = &buf[..buf.len().min(left)];
                        left -= written.len();
                        // Our side ends a connection without an error when it is done with it.
                        if frames.written.walk(written).is_some_and(|code| code != NO_ERROR) {
                            self.connection.note(CloseCause::Protocol);
                        }
                    }
                    if frames.written.has_headers() {
                        // Also where no request layer sees the requests.
                        self.connection.taken_unseen();
                    }
                }
            }
            Err(error) => self.failed(error),
        }
        Poll::Ready(result)
    }

    /// A read came to an end, with these bytes, which hyper's buffer has room for.
    // Not in line: a read that finds nothing needs few registers.
    #[inline(never)]
    fn has_read_small(
        &mut self,
        bytes: &[u8],
        mut buf: ReadBufCursor<'_>,
        result: io::Result<()>,
    ) -> io::Result<()> {
        self.has_read(None, bytes, buf.remaining() > 0, &result);
        if result.is_ok() {
            buf.put_slice(bytes);
        }
        result
    }

    /// A read came to an end, with these bytes; it had room for some.
    #[inline]
    fn has_read(
        &mut self,
        frames: Option<&mut Frames>,
        bytes: &[u8],
        had_room: bool,
        result: &io::Result<()>,
    ) {
        match result {
            Ok(()) if bytes.is_empty() && had_room => self.connection.note(CloseCause::PeerClosed),
            Ok(()) => {
                if self.connection.is_idle() && says_idle_timeout(bytes) {
                    self.connection.note(CloseCause::PeerClosed);
                }
                self.connection.add_received(bytes.len());
                if let Some(retiring) = &mut self.retiring {
                    retiring.has_read();
                }
            }
            Err(error) => self.failed(error),
        }
        if let Some(code) = frames.and_then(|frames| frames.read.walk(bytes)) {
            self.connection.note(if code == PROTOCOL_ERROR {
                CloseCause::Protocol
            } else {
                CloseCause::Goaway
            });
        }
    }
}

/// True if a server says to nobody in particular that it has waited long enough for a request (408), as some do before they
/// close a connection.
fn says_idle_timeout(bytes: &[u8]) -> bool {
    bytes.starts_with(b"HTTP/1.1 408") || bytes.starts_with(b"HTTP/1.0 408")
}

impl Drop for Open {
    fn drop(&mut self) {
        let connection = &self.connection;
        if !connection.was_shut_down() && is_in_live_runtime() {
            connection.note(CloseCause::Broke);
        }
        if let Some(scope) = self.scope.upgrade().filter(|_| connection.ends_before_it_is_explained()) {
            connection.gone();
            // The caller has not seen yet what the answer says of the connection, but is about to.
            if connection.is_active() {
                return scope.close_soon(Arc::clone(connection));
            }
        }
        connection.close(Instant::now());
    }
}

/// True in a runtime that does not shut down: one that does takes no task any more, and ends it at once.
fn is_in_live_runtime() -> bool {
    Handle::try_current().is_ok_and(|runtime| {
        let task = runtime.spawn(std::future::pending::<()>());
        let is_live = !task.is_finished();
        task.abort();
        is_live
    })
}

/// Reads for a transport, and looks at what has come.
struct Sensor<'a, T>(Pin<&'a mut ObservedIo<T>>);

impl<T: Read> AsyncRead for Sensor<'_, T> {
    /// The adapter around it gives it an empty buffer.
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut().0.as_mut().project();
        let Open { connection, retiring, .. } = &mut *this.open;
        if let Some(retiring) = retiring
            && let Some(end) = retiring.read(connection, this.frames.as_ref().map(|frames| &frames.read), buf)
        {
            return end;
        }
        let poll = Pin::new(&mut TokioIo::new(this.inner)).poll_read(cx, buf);
        match &poll {
            Poll::Ready(result) => {
                this.open.has_read(this.frames.as_mut(), buf.filled(), buf.capacity() > 0, result);
            }
            Poll::Pending => {
                if let Some(retiring) = &mut this.open.retiring {
                    retiring.waits(cx.waker(), &this.open.connection);
                }
            }
        }
        poll
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use poolscope_semconv::value::{Certainty, CloseReason};
    use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

    use super::*;
    use crate::Scope;
    use crate::registry::{DestinationRef, Established};

    fn poll_into(
        io: &mut ObservedIo<TokioIo<DuplexStream>>,
        cx: &mut Context<'_>,
        room: usize,
    ) -> Poll<Vec<u8>> {
        let mut space = vec![0; room];
        let mut buf = hyper::rt::ReadBuf::new(&mut space);
        ready!(Pin::new(io).poll_read(cx, buf.unfilled())).unwrap();
        Poll::Ready(buf.filled().to_vec())
    }

    #[tokio::test]
    async fn what_comes_is_passed_on_and_counted_whatever_there_is_room_for() {
        let sent: Vec<u8> = (0..3 * SMALL_READ).map(|index| index as u8).collect();
        for protocol in Protocol::ALL {
            for room in [100, SMALL_READ, SMALL_READ + 1] {
                let scope = Scope::new();
                let pool = scope.client("test").pool(&DestinationRef::new("http", "host", None));
                let made = Established { protocol, ..Established::default() };
                let connection = pool.opened(scope.next_id(), made, Instant::now());
                let (ours, mut theirs) = duplex(sent.len());
                let mut io = ObservedIo::new(TokioIo::new(ours), Arc::clone(&connection), scope.downgrade());
                let nothing = poll_fn(|cx| Poll::Ready(poll_into(&mut io, cx, room))).await;
                assert!(nothing.is_pending());
                theirs.write_all(&sent).await.unwrap();
                let mut read = Vec::new();
                while read.len() < sent.len() {
                    read.extend(poll_fn(|cx| poll_into(&mut io, cx, room)).await);
                }
                assert!(read == sent, "{room} bytes at a time are others");
                assert_eq!(connection.bytes(), (0, sent.len() as u64));
                drop(theirs);
                assert!(poll_fn(|cx| poll_into(&mut io, cx, room)).await.is_empty(), "the peer has closed");
                drop(io);
                let closed = &scope.snapshot().pools[0].closed;
                assert_eq!(*closed, [(CloseReason::PeerClosedIdle, Certainty::Known, 1)]);
            }
        }
    }
}
