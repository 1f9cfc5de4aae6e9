//! [`ServerListener`]: accepts connections into the books of a server.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

#[cfg(target_os = "linux")]
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::time::sleep;

use super::io::ServerIo;
use super::refuse::refuse;
use super::rules::AtLimit;
use super::shared::{Shared, Stage};

/// Wait after the first time that nothing could be accepted; it doubles up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(10);

/// Longest wait where nothing can be accepted, for want of open files say.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// How often the kernel asks a client that is silent.
#[cfg(target_os = "linux")]
const PROBES: u32 = 3;

/// Most seconds after which Linux does.
pub(super) const LONGEST_KEPT_ALIVE: u64 = 32_767;

/// What connections can be accepted from: TCP and Unix sockets of tokio, and what the program makes of them.
pub trait Listen: Send + 'static {
    /// The transport of a connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// The address of an end.
    type Addr: Send;

    /// Accepts one. Dropped before it is ready, it must lose none.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, Self::Addr)>> + Send;

    /// The address that it listens on.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    fn local_addr(&self) -> io::Result<Self::Addr>;

    /// The other end, if it is one of IP.
    fn peer(addr: &Self::Addr) -> Option<SocketAddr>;

    /// The address of this end of a connection, if it is one of TCP, by which the kernel can be asked what the client has taken.
    /// The default is that there is none.
    fn local(io: &Self::Io) -> Option<SocketAddr> {
        let _ = io;
        None
    }

    /// Has the kernel ask all clients that are silent for so long whether they are there, and end connections whose client does
    /// not answer for as long again. The default does nothing; for TCP it is done on Linux.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    fn keep_alive(&self, time: Duration) -> io::Result<()> {
        let _ = time;
        Ok(())
    }

    /// What the kernel does with what is left to be sent of a connection that is about to be closed: it tries for so long at
    /// most, or resets the connection at once where that is zero. The default leaves that to the kernel; for TCP it is done on
    /// Linux.
    fn leave(io: &Self::Io, time: Duration) {
        let _ = (io, time);
    }
}

impl Listen for TcpListener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        Self::accept(self).await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Self::local_addr(self)
    }

    fn peer(addr: &SocketAddr) -> Option<SocketAddr> {
        Some(*addr)
    }

    fn local(io: &TcpStream) -> Option<SocketAddr> {
        io.local_addr().ok()
    }

    #[cfg(target_os = "linux")]
    fn keep_alive(&self, time: Duration) -> io::Result<()> {
        if sockopt::socket_keepalive(self)? {
            // It has times of its own.
            return Ok(());
        }
        // Connections have what their listening socket has.
        let secs = |time: Duration| Duration::from_secs(time.as_secs().max(1));
        sockopt::set_tcp_keepidle(self, secs(time))?;
        sockopt::set_tcp_keepintvl(self, secs(time / PROBES))?;
        sockopt::set_tcp_keepcnt(self, PROBES)?;
        Ok(sockopt::set_socket_keepalive(self, true)?)
    }

    #[cfg(target_os = "linux")]
    fn leave(io: &TcpStream, time: Duration) {
        // Without it, the kernel goes on as it does by itself.
        let _ = if time.is_zero() {
            // At once, and not only when it is closed: whoever holds it may have something else to do.
            rustix::net::connect_unspec(io).or_else(|_| io.set_zero_linger())
        } else {
            let millis = i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
            sockopt::set_tcp_user_timeout(io, millis.cast_unsigned()).map_err(io::Error::from)
        };
    }
}

#[cfg(unix)]
impl Listen for UnixListener {
    type Io = UnixStream;
    type Addr = tokio::net::unix::SocketAddr;

    async fn accept(&mut self) -> io::Result<(UnixStream, Self::Addr)> {
        Self::accept(self).await
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Self::local_addr(self)
    }

    fn peer(_: &Self::Addr) -> Option<SocketAddr> {
        None
    }
}

/// A source of connections that are in the books of a server: [`ServerListener`], and with TLS `TlsListener`.
pub trait Accept: Send + 'static {
    /// The transport of a connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// The address of an end.
    type Addr: Send;

    /// The next connection; `None` once the server is closed. Dropped before it is ready, it loses none.
    fn accept(&mut self) -> impl Future<Output = Option<(ServerIo<Self::Io>, Self::Addr)>> + Send;
}

/// Accepts connections within the limits of a [`Server`](super::Server), and counts them.
#[derive(Debug)]
pub struct ServerListener<L> {
    pub(super) shared: Arc<Shared>,
    stage: watch::Receiver<Stage>,
    /// Gone once the server is closed.
    listener: Option<L>,
    wait: Duration,
}

impl<L: Listen> ServerListener<L> {
    pub(super) fn new(shared: Arc<Shared>, listener: L) -> Self {
        let stage = shared.stage.subscribe();
        if let Some(time) = shared.rules.keepalive {
            // A socket that can't is served all the same.
            let _ = listener.keep_alive(time);
        }
        Self { shared, stage, listener: Some(listener), wait: FIRST_WAIT }
    }

    /// The address that it listens on.
    ///
    /// # Errors
    ///
    /// Those of the socket; it is closed when the server is.
    pub fn local_addr(&self) -> io::Result<L::Addr> {
        let closed = || io::Error::new(io::ErrorKind::NotConnected, "the server is closed");
        self.listener.as_ref().ok_or_else(closed)?.local_addr()
    }

    /// The next connection within the limits; `None` once the server is closed. Dropped before it is ready, it loses none.
    ///
    /// Errors of accepting are counted and waited out: open files come back.
    pub async fn accept(&mut self) -> Option<(ServerIo<L::Io>, L::Addr)> {
        loop {
            let (io, addr) = self.accept_any().await?;
            match self.shared.admit(L::peer(&addr), L::local(&io)) {
                Ok(held) => {
                    held.life.served();
                    return Some((ServerIo::new(io, held, L::leave), addr));
                }
                Err(_) => refuse(&self.shared, io),
            }
        }
    }

    /// The next connection, whether there is room for it or not.
    pub(super) async fn accept_any(&mut self) -> Option<(L::Io, L::Addr)> {
        let Self { shared, stage, listener, wait } = self;
        let accepted = tokio::select! {
            biased;
            _ = stage.wait_for(|stage| *stage != Stage::Open) => None,
            accepted = accept_from(shared, listener.as_mut()?, wait) => Some(accepted),
        };
        if accepted.is_none() {
            *listener = None;
        }
        accepted
    }
}

async fn accept_from<L: Listen>(shared: &Shared, listener: &mut L, wait: &mut Duration) -> (L::Io, L::Addr) {
    loop {
        if shared.rules.at_limit == AtLimit::Wait {
            shared.room().await;
        }
        match listener.accept().await {
            Ok(accepted) => {
                *wait = FIRST_WAIT;
                return accepted;
            }
            Err(error) if is_of_connection(&error) => {}
            Err(_) => {
                shared.could_not_accept();
                sleep(*wait).await;
                *wait = (*wait * 2).min(LONGEST_WAIT);
            }
        }
    }
}

/// True if a connection was gone before it was accepted, which says nothing of the next.
fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

impl<L: Listen> Accept for ServerListener<L> {
    type Io = L::Io;
    type Addr = L::Addr;

    async fn accept(&mut self) -> Option<(ServerIo<L::Io>, L::Addr)> {
        Self::accept(self).await
    }
}
