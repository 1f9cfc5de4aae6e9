//! [`TlsListener`]: TLS handshakes that keep nobody waiting.

use std::io;
use std::time::Duration;

use poolscope_semconv::value::{ErrorType, RejectReason, ServerCloseReason};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::io::ServerIo;
use super::listener::{Accept, Listen, ServerListener};
use super::shared::Held;

/// Handshakes that are under way, or over and not taken yet: each gives its connection, if it has come to a good end.
type Handshakes<L> = JoinSet<Option<(TlsStream<<L as Listen>::Io>, Held, <L as Listen>::Addr)>>;

/// Accepts connections with TLS: their handshakes run side by side, at most so many, each within its time, and never keep the
/// accepting of others waiting. See [`ServerListener::tls`].
pub struct TlsListener<L: Listen> {
    listener: ServerListener<L>,
    acceptor: TlsAcceptor,
    handshakes: Handshakes<L>,
}

impl<L: Listen> ServerListener<L> {
    /// Has each connection begin with a TLS handshake. For HTTP/2, the configuration must offer `h2` by ALPN.
    pub fn tls(self, acceptor: impl Into<TlsAcceptor>) -> TlsListener<L> {
        self.shared.speaks_tls();
        TlsListener { listener: self, acceptor: acceptor.into(), handshakes: JoinSet::new() }
    }
}

impl<L> TlsListener<L>
where
    L: Listen<Addr: Send + 'static>,
{
    /// The address that it listens on.
    ///
    /// # Errors
    ///
    /// Those of the socket; it is closed when the server is.
    pub fn local_addr(&self) -> io::Result<L::Addr> {
        self.listener.local_addr()
    }

    /// The next connection whose handshake is over; `None` once the server is closed and no handshake is under way. Dropped
    /// before it is ready, it loses none.
    pub async fn accept(&mut self) -> Option<(ServerIo<TlsStream<L::Io>>, L::Addr)> {
        let Self { listener, acceptor, handshakes } = self;
        loop {
            tokio::select! {
                biased;
                Some(ended) = handshakes.join_next() => {
                    if let Ok(Some((stream, held, addr))) = ended {
                        held.life.served();
                        let leave = |io: &TlsStream<L::Io>, time| L::leave(io.get_ref().0, time);
                        return Some((ServerIo::new(stream, held, leave), addr));
                    }
                }
                accepted = listener.accept_any() => match accepted {
                    Some((io, addr)) => begin(listener, acceptor, handshakes, io, addr),
                    // The server is closed: what has only begun to speak is not waited for.
                    None => {
                        handshakes.shutdown().await;
                        return None;
                    }
                },
            }
        }
    }
}

fn begin<L>(
    listener: &ServerListener<L>,
    acceptor: &TlsAcceptor,
    handshakes: &mut Handshakes<L>,
    io: L::Io,
    addr: L::Addr,
) where
    L: Listen<Addr: Send + 'static>,
{
    let shared = &listener.shared;
    if handshakes.len() >= shared.rules.max_handshakes {
        return shared.turn_away(RejectReason::MaxHandshakes);
    }
    // Beyond the most connections it is closed: an answer would cost a handshake.
    let Ok(held) = shared.admit(L::peer(&addr), L::local(&io)) else { return };
    let (handshake, limit) = (acceptor.accept(io), shared.rules.handshake_timeout);
    handshakes.spawn(async move {
        let began = held.shared.now();
        let (error, reason, stream) = match timeout(limit, handshake).await {
            Ok(Ok(stream)) => (None, None, Some(stream)),
            Ok(Err(_)) => (Some(ErrorType::Tls), Some(ServerCloseReason::TlsHandshakeFailed), None),
            Err(_) => (Some(ErrorType::Timeout), Some(ServerCloseReason::TlsHandshakeTimeout), None),
        };
        let took: Duration = held.shared.now().saturating_sub(began);
        held.shared.handshaken(error, took);
        if let Some(reason) = reason {
            held.life.see(reason);
        }
        stream.map(|stream| (stream, held, addr))
    });
}

impl<L> Accept for TlsListener<L>
where
    L: Listen<Addr: Send + 'static>,
{
    type Io = TlsStream<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> Option<(ServerIo<Self::Io>, L::Addr)> {
        Self::accept(self).await
    }
}

#[cfg(feature = "axum")]
impl<L> axum::serve::Listener for TlsListener<L>
where
    L: Listen<Addr: Send + 'static>,
{
    type Io = ServerIo<TlsStream<L::Io>>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        super::axum::next(self).await
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Self::local_addr(self)
    }
}

impl<L: Listen> std::fmt::Debug for TlsListener<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsListener").field("handshakes", &self.handshakes.len()).finish_non_exhaustive()
    }
}
