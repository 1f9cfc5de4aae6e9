//! Opens the sockets of a monitor and tries them, so that a refusal is known at once.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::sockopt;

use super::events::Events;
use super::lookups::{Answer, Lookups, netlink_socket};

/// Bytes of room for messages, used only while they wait. The kernel gives at most what `net.core.rmem_max` allows, without
/// a word.
const WANTED_BUFFER: usize = 4 << 20;

/// The kernel does not let this process learn of its sockets.
#[derive(Debug)]
pub(crate) struct Refused {
    what: &'static str,
    error: io::Error,
}

impl Refused {
    pub(super) fn new(what: &'static str, error: impl Into<io::Error>) -> Self {
        Self { what, error: error.into() }
    }
}

impl Display for Refused {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "refused {}: {}", self.what, self.error)
    }
}

impl Error for Refused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

/// What a monitor asks and listens with.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) events: Events,
    pub(super) lookups: Lookups,
    /// The thread asks many questions at once; nobody shall wait for that.
    pub(super) lookups_of_thread: Lookups,
}

/// A netlink socket with room for what comes faster than it is read.
pub(super) fn open() -> Result<OwnedFd, Errno> {
    let socket = netlink_socket()?;
    // What is lost without the room is found by the sweep.
    let _ = sockopt::set_socket_recv_buffer_size(&socket, WANTED_BUFFER);
    Ok(socket)
}

/// The sockets of a monitor, tried.
pub(super) fn sockets(open: impl Fn() -> Result<OwnedFd, Errno>) -> Result<Sockets, Refused> {
    let open = || open().map_err(|error| Refused::new("a netlink socket (NETLINK_SOCK_DIAG)", error));
    let unbound = |error| Refused::new("to bind a netlink socket", error);
    let events = Events::new(open()?).map_err(unbound)?;
    let mut lookups = Lookups::new(open()?).map_err(unbound)?;
    let lookups_of_thread = Lookups::new(open()?).map_err(unbound)?;

    probe(&mut lookups)?;
    // Subscribed only to see that it may be.
    events
        .subscribe()
        .and_then(|()| events.unsubscribe())
        .map_err(|error| Refused::new("messages about destroyed sockets", error))?;
    Ok(Sockets { events, lookups, lookups_of_thread })
}

/// Asks about a socket of our own. That its message comes is not waited for: it may be late on a busy machine, and the
/// sweep does without.
fn probe(lookups: &mut Lookups) -> Result<(), Refused> {
    let (_socket, local) = loopback().map_err(|error| Refused::new("a TCP socket on loopback", error))?;
    let unasked = |error| Refused::new("to tell about a socket (INET_DIAG)", error);
    let nobody: IpAddr =
        if local.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    match lookups.find(local, (nobody, 0).into()).map_err(unasked)? {
        Answer::Found(_) => Ok(()),
        Answer::Missing => Err(unasked(Errno::NOENT)),
        Answer::Failed(error) => Err(unasked(error)),
    }
}

/// A listening socket: the one kind that can be found without a second one. Nobody can connect to it from outside.
fn loopback() -> io::Result<(TcpListener, SocketAddr)> {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .or_else(|_| TcpListener::bind((Ipv6Addr::LOCALHOST, 0)))?;
    let local = socket.local_addr()?;
    Ok((socket, local))
}
