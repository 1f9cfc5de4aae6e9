//! [`Events`]: the socket to which the kernel multicasts each TCP socket of the namespace that it frees.

use crate::clock::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{RecvFlags, bind, getsockname, recv};

/// `SKNLGRP_INET_TCP_DESTROY` and `SKNLGRP_INET6_TCP_DESTROY` as bits.
const DESTROY_GROUPS: u32 = 0b101;
#[derive(Debug)]
pub(super) struct Events {
    socket: OwnedFd,
    port: u32,
}

impl Events {
    /// A subscription to nothing yet.
    pub(super) fn new(socket: OwnedFd) -> Result<Self, Errno> {
        bind(&socket, &SocketAddrNetlink::new(0, 0))?;
        let port = SocketAddrNetlink::try_from(getsockname(&socket)?)?.pid();
        Ok(Self { socket, port })
    }

    pub(super) fn subscribe(&self) -> Result<(), Errno> {
        bind(&self.socket, &SocketAddrNetlink::new(self.port, DESTROY_GROUPS))
    }

    /// Messages that wait already are kept.
    pub(super) fn unsubscribe(&self) -> Result<(), Errno> {
        bind(&self.socket, &SocketAddrNetlink::new(self.port, 0))
    }

    /// Takes one message without waiting: [`Errno::AGAIN`] if there is none, [`Errno::NOBUFS`] once if some were lost,
    /// and are lost until there is none.
    pub(super) fn receive<'a>(&self, buffer: &'a mut [u8]) -> Result<&'a [u8], Errno> {
        let (len, _) = retry_on_intr(|| recv(&self.socket, &mut *buffer, RecvFlags::DONTWAIT))?;
        Ok(&buffer[..len])
    }

    /// Waits until there is something to receive, but not beyond `until`.
    pub(super) fn wait(&self, until: Instant) -> Result<(), Errno> {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(|_| Errno::INVAL)?;
        match poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
