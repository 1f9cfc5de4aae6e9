//! [`ObservedIo`]: the transport of one connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection as HyperConnection};
use hyper_util::rt::TokioIo;
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Handle;

use super::named::ConnectionRef;
use super::request_body;
use super::retire::Retiring;
use crate::clock::Instant;
use crate::frames::{FrameWalk, NO_ERROR, PROTOCOL_ERROR};
use crate::registry::{CloseCause, Connection, Protocol};
use crate::scope::ScopeRef;

pin_project! {
    /// The transport of a connection: counts its bytes, notes why it ends, and closes it in the books when it is
    /// dropped.
    #[derive(Debug)]
    pub struct ObservedIo<T> {
        // hyper's read buffer can't be looked into without unsafe code, tokio's can; so the sensor sits between two
        // adapters of hyper-util.
        #[pin]
        io: TokioIo<Sensor<T>>,
    }
}

impl<T> ObservedIo<T> {
    pub(super) fn new(inner: T, connection: Arc<Connection>, scope: ScopeRef) -> Self {
        let frames = (connection.protocol() == Protocol::Http2).then(Frames::default);
        let retiring = connection.upkeep().map(|_| Retiring::default());
        let open = Open { connection, scope, retiring };
        let sensor = Sensor { inner: TokioIo::new(inner), frames, open };
        Self { io: TokioIo::new(sensor) }
    }

    /// The connection that the transport belongs to.
    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.io.inner().open.connection
    }
}

impl<T: Read + Write> Read for ObservedIo<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_read(cx, buf)
    }
}

impl<T: Read + Write> Write for ObservedIo<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.project().io.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().io.poll_write_vectored(cx, bufs)
    }
}

impl<T: HyperConnection> HyperConnection for ObservedIo<T> {
    fn connected(&self) -> Connected {
        let sensor = self.io.inner();
        let connected = sensor.inner.inner().connected();
        match sensor.open.connection.protocol() {
            // The request finds its connection when its head is written; an extra would be cloned for each response.
            Protocol::Http1 => connected,
            Protocol::Http2 => connected.extra(ConnectionRef(Arc::clone(&sensor.open.connection))),
        }
    }
}

pin_project! {
    #[derive(Debug)]
    struct Sensor<T> {
        #[pin]
        inner: TokioIo<T>,
        frames: Option<Frames>,
        open: Open,
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

    /// A read came to an end; the adapter around the sensor has given it an empty buffer.
    fn has_read(&mut self, frames: Option<&mut Frames>, buf: &ReadBuf<'_>, result: &io::Result<()>) {
        let bytes = buf.filled();
        match result {
            Ok(()) if bytes.is_empty() && buf.capacity() > 0 => self.connection.note(CloseCause::PeerClosed),
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

impl<T: Read> AsyncRead for Sensor<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        let Open { connection, retiring, .. } = &mut *this.open;
        if let Some(retiring) = retiring
            && let Some(end) = retiring.read(connection, this.frames.as_ref().map(|frames| &frames.read), buf)
        {
            return end;
        }
        let poll = this.inner.poll_read(cx, buf);
        match &poll {
            Poll::Ready(result) => this.open.has_read(this.frames.as_mut(), buf, result),
            Poll::Pending => {
                if let Some(retiring) = &mut this.open.retiring {
                    retiring.waits(cx.waker(), &this.open.connection);
                }
            }
        }
        poll
    }
}

impl<T: Write> AsyncWrite for Sensor<T> {
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
