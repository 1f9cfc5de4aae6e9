//! Bytes of `NETLINK_SOCK_DIAG`: questions about TCP sockets, and what the kernel answers or multicasts.
//!
//! Only pure functions. What comes is never trusted: too short is `None` or the end of the messages.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::io::Errno;

use super::tcp_info::{self, TcpInfo};

#[cfg(test)]
mod tests;

/// Length of a question: `struct nlmsghdr` and `struct inet_diag_req_v2`.
pub(super) const QUESTION_LEN: usize = HEADER_LEN + 56;
/// The cookie of a question that does not name one.
pub(super) const ANY_COOKIE: u64 = u64::MAX;

const HEADER_LEN: usize = 16;
/// `struct inet_diag_msg`, after the header.
const SOCKET_LEN: usize = 72;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
const INET_DIAG_INFO: u16 = 2;

/// TcpState of a TCP socket, as the kernel numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TcpState(u8);

impl TcpState {
    const TIME_WAIT: Self = Self(6);
    pub(super) const CLOSE_WAIT: Self = Self(8);
    pub(super) const LAST_ACK: Self = Self(9);
    const CLOSING: Self = Self(11);

    /// True if the other side's FIN came.
    pub(super) fn has_fin(self) -> bool {
        [Self::TIME_WAIT, Self::CLOSE_WAIT, Self::LAST_ACK, Self::CLOSING].contains(&self)
    }
}

/// Names one TCP socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Socket {
    pub(super) local: SocketAddr,
    pub(super) peer: SocketAddr,
    /// Index of the interface that the socket is bound to, 0 if to none. A question with an interface also finds
    /// sockets that are bound to none, one without does not find those that are bound to one.
    pub(super) interface: u32,
    /// Unique among all sockets since the machine started, or [`ANY_COOKIE`].
    pub(super) cookie: u64,
}

/// What the kernel tells about a socket, asked or when it frees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) socket: Socket,
    pub(super) state: TcpState,
    /// False once no file descriptor leads to the socket.
    pub(super) has_owner: bool,
    /// Bytes that were given to it to be sent, and that the other side has not acknowledged.
    pub(super) unacknowledged: u32,
    /// `None` for what is left of a socket in `TIME_WAIT`.
    pub(super) info: Option<TcpInfo>,
    /// True if our FIN was acknowledged; `None` if that can't be told.
    pub(super) fin_acknowledged: Option<bool>,
}

/// One message of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Message {
    Socket(Report),
    /// The end of a list.
    Done,
    /// A question failed.
    Failed(Errno),
}

/// Asks for one socket. The answer has the same `sequence`.
pub(super) fn question(socket: &Socket, sequence: u32) -> [u8; QUESTION_LEN] {
    request(socket, sequence, NLM_F_REQUEST)
}

/// Asks for all sockets with the ports of this one, whatever their addresses.
pub(super) fn list_question(socket: &Socket, sequence: u32) -> [u8; QUESTION_LEN] {
    request(socket, sequence, NLM_F_REQUEST | NLM_F_DUMP)
}

fn request(socket: &Socket, sequence: u32, flags: u16) -> [u8; QUESTION_LEN] {
    let mut bytes = [0; QUESTION_LEN];
    let mut at = 0;
    let mut put = |field: &[u8]| {
        bytes[at..at + field.len()].copy_from_slice(field);
        at += field.len();
    };
    // The kernel looks a v4-mapped address up as the IPv4 address that it is, but lists it as IPv6.
    let family = if socket.local.is_ipv4() { AF_INET } else { AF_INET6 };
    put(&(QUESTION_LEN as u32).to_ne_bytes());
    put(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    put(&flags.to_ne_bytes());
    put(&sequence.to_ne_bytes());
    put(&[0; 4]);
    put(&[family, IPPROTO_TCP, 1 << (INET_DIAG_INFO - 1), 0]);
    put(&u32::MAX.to_ne_bytes());
    put(&socket.local.port().to_be_bytes());
    put(&socket.peer.port().to_be_bytes());
    put(&ip_bytes(socket.local.ip()));
    put(&ip_bytes(socket.peer.ip()));
    put(&socket.interface.to_ne_bytes());
    put(&socket.cookie.to_ne_bytes());
    bytes
}

fn ip_bytes(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&ip.octets());
            bytes
        }
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// The messages in what one receive gave, each with its sequence number. Ends early at what makes no sense.
pub(super) fn messages(bytes: &[u8]) -> impl Iterator<Item = (u32, Message)> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        loop {
            let len = u32_at(rest, 0)? as usize;
            let body = rest.get(HEADER_LEN..len)?;
            let (kind, sequence) = (u16_at(rest, 4)?, u32_at(rest, 8)?);
            rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
            let message = match kind {
                SOCK_DIAG_BY_FAMILY => report(body).map(Message::Socket),
                NLMSG_ERROR => errno(body).map(Message::Failed),
                NLMSG_DONE => Some(Message::Done),
                _ => None,
            };
            if let Some(message) = message {
                return Some((sequence, message));
            }
        }
    })
}

/// `None` for what is not an error: an acknowledgement, or a number that no error has.
fn errno(body: &[u8]) -> Option<Errno> {
    let negated = i32::from_ne_bytes(array_at(body, 0)?);
    (-4095..0).contains(&negated).then(|| Errno::from_raw_os_error(-negated))
}

fn report(body: &[u8]) -> Option<Report> {
    let fixed: &[u8; SOCKET_LEN] = body.first_chunk()?;
    let family = fixed[0];
    let state = TcpState(fixed[1]);
    let address = |port: usize, ip: usize| {
        let port = u16::from_be_bytes(array_at(fixed, port)?);
        let ip = match family {
            AF_INET => Ipv4Addr::from(array_at::<4>(fixed, ip)?).into(),
            AF_INET6 => Ipv6Addr::from(array_at::<16>(fixed, ip)?).into(),
            _ => return None,
        };
        Some(SocketAddr::new(ip, port))
    };
    let socket = Socket {
        local: address(4, 8)?,
        peer: address(6, 24)?,
        interface: u32_at(fixed, 40)?,
        cookie: u64_at(fixed, 44)?,
    };
    let info = attribute(&body[SOCKET_LEN..], INET_DIAG_INFO);
    Some(Report {
        socket,
        state,
        has_owner: u32_at(fixed, 68)? != 0,
        unacknowledged: u32_at(fixed, 60)?,
        info: info.and_then(TcpInfo::parse).map(|info| if state.has_fin() { info.with_fin() } else { info }),
        fin_acknowledged: info.and_then(tcp_info::fin_acknowledged),
    })
}

/// The value of the first attribute of a kind.
fn attribute(mut rest: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let len = u16_at(rest, 0)? as usize;
        let value = rest.get(4..len)?;
        if u16_at(rest, 2)? == wanted {
            return Some(value);
        }
        rest = rest.get(len.next_multiple_of(4)..)?;
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_ne_bytes)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_ne_bytes)
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array_at(bytes, at).map(u64::from_ne_bytes)
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}
