//! One accepted connection of an upstream, from its first byte to its last.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::{Counts, Options, Order, Reply, Served};

/// What serves connections: the same for all of one upstream.
#[derive(Clone)]
pub(super) struct Serving<H> {
    pub(super) options: Options,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) handler: H,
    pub(super) counts: Arc<Counts>,
}

impl<H, F> Serving<H>
where
    H: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    pub(super) async fn serve(
        self,
        stream: TcpStream,
        accepted: Accepted,
        mut orders: watch::Receiver<Order>,
    ) {
        if self.options.reset && stream.set_zero_linger().is_err() {
            return;
        }
        let mut all = self.counts.accepted.subscribe();
        if all.wait_for(|accepted| *accepted >= self.options.silent_until_accepted).await.is_err() {
            return;
        }
        let io: Box<dyn Io> = match &self.tls {
            None => Box::new(stream),
            Some(tls) => match tls.accept(stream).await {
                Ok(stream) => Box::new(stream),
                // The client went away; that is its right.
                Err(_) => return,
            },
        };
        let served = Arc::clone(&accepted.served);
        let service = service_fn(|request| {
            served.requests.fetch_add(1, Relaxed);
            let reply = (self.handler)(request);
            async move {
                match reply.await {
                    Reply::Answer(response) => Ok(response),
                    Reply::Hang(hang_up) => Err(hang_up),
                }
            }
        });
        let builder = self.builder();
        let connection = builder
            .serve_connection_with_upgrades(TokioIo::new(Counted { io, _accepted: accepted }), service);
        let mut connection = pin!(connection);
        loop {
            tokio::select! {
                // A client that goes away or an own hang-up ends the connection; neither is this server's failure.
                _ = connection.as_mut() => return,
                order = orders.changed() => match (order, *orders.borrow_and_update()) {
                    (Ok(()), Order::Drain) => connection.as_mut().graceful_shutdown(),
                    _ => return,
                }
            }
        }
    }

    fn builder(&self) -> auto::Builder<TokioExecutor> {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        if self.options.http1_only {
            builder = builder.http1_only();
        }
        if let Some(idle) = self.options.idle_timeout {
            // While it waits for the next head, hyper's server is idle.
            builder.http1().timer(TokioTimer::new()).header_read_timeout(idle);
        }
        builder.http2().max_concurrent_streams(self.options.max_streams);
        builder
    }
}

/// An accepted connection, counted as closed when it is dropped.
pub(super) struct Accepted {
    counts: Arc<Counts>,
    served: Arc<Served>,
}

impl Accepted {
    pub(super) fn new(counts: &Arc<Counts>, peer: SocketAddr) -> Self {
        Self { counts: Arc::clone(counts), served: counts.accept(peer) }
    }
}

impl Drop for Accepted {
    fn drop(&mut self) {
        self.counts.closed.fetch_add(1, Relaxed);
    }
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A transport that counts as open for as long as it lives, also when an upgrade has taken it from the server.
struct Counted {
    // Dropped before it is counted as closed.
    io: Box<dyn Io>,
    _accepted: Accepted,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
