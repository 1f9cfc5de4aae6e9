//! [`Lookups`]: questions about single sockets, asked and answered without waiting.

use std::net::SocketAddr;

use rustix::fd::OwnedFd;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with,
};

use super::diag::{self, ANY_COOKIE, Message, QUESTION_LEN, Report, Socket};

/// Questions in one send. The answers to more would not fit in a receive buffer of the default size.
pub(super) const BATCH: usize = 64;
/// Fits every message, and each part of a list.
pub(super) const BUFFER_LEN: usize = 8 * 1024;

/// The answer to a question about one socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Found(Report),
    /// There is no such socket. There may be another one of the same addresses.
    Missing,
    /// The question failed, which says nothing about the socket.
    Failed(Errno),
}

pub(super) fn netlink_socket() -> Result<OwnedFd, Errno> {
    socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(netlink::SOCK_DIAG))
}

/// The kernel answers while it takes the question, so that no call here waits for anybody.
#[derive(Debug)]
pub(super) struct Lookups {
    socket: OwnedFd,
    buffer: Box<[u8]>,
    /// Of the next question. An answer that a failed call left behind is known by its old one.
    sequence: u32,
    /// The interface to which the last socket that had to be searched was bound, 0 before.
    interface: u32,
}

impl Lookups {
    pub(super) fn new(socket: OwnedFd) -> Result<Self, Errno> {
        bind(&socket, &SocketAddrNetlink::new(0, 0))?;
        Ok(Self { socket, buffer: vec![0; BUFFER_LEN].into(), sequence: 0, interface: 0 })
    }

    /// Asks about the socket with these addresses, whatever its cookie and its interface.
    pub(super) fn find(&mut self, local: SocketAddr, peer: SocketAddr) -> Result<Answer, Errno> {
        let socket = Socket { local, peer, interface: self.interface, cookie: ANY_COOKIE };
        match self.ask_all(&[socket])?.pop() {
            Some(Answer::Missing) => self.search(&socket),
            Some(answer) => Ok(answer),
            None => Ok(Answer::Failed(Errno::AGAIN)),
        }
    }

    /// Asks about up to [`BATCH`] sockets at once; the answers are in their order.
    pub(super) fn ask_all(&mut self, sockets: &[Socket]) -> Result<Vec<Answer>, Errno> {
        let first = self.next_sequence(sockets.len());
        let mut questions = Vec::with_capacity(sockets.len() * QUESTION_LEN);
        for (socket, nth) in sockets.iter().zip(0..) {
            questions.extend_from_slice(&diag::question(socket, first.wrapping_add(nth)));
        }
        send_all(&self.socket, &questions)?;

        let mut answers = vec![Answer::Failed(Errno::AGAIN); sockets.len()];
        let mut left = sockets.len();
        while left > 0 {
            let received = match receive(&self.socket, &mut self.buffer) {
                Ok(received) => received,
                // What is left was not answered for want of memory.
                Err(Errno::AGAIN | Errno::NOBUFS) => break,
                Err(error) => return Err(error),
            };
            for (sequence, message) in diag::messages(received) {
                let Some(answer) = answers.get_mut(sequence.wrapping_sub(first) as usize) else { continue };
                *answer = match message {
                    Message::Socket(report) => Answer::Found(report),
                    Message::Failed(error) => failure(error),
                    Message::Done => continue,
                };
                left = left.saturating_sub(1);
            }
        }
        Ok(answers)
    }

    /// Goes through all sockets of the host for those with these ports: 0.1 ms, and many where there are thousands. Needed
    /// for sockets bound to an interface, which no question finds that does not name it; so later ones name it.
    fn search(&mut self, socket: &Socket) -> Result<Answer, Errno> {
        let sequence = self.next_sequence(1);
        send_all(&self.socket, &diag::list_question(socket, sequence))?;
        let mut found = Answer::Missing;
        loop {
            let received = match receive(&self.socket, &mut self.buffer) {
                Err(Errno::AGAIN) => return Ok(found),
                received => received?,
            };
            for (_, message) in diag::messages(received).filter(|(of, _)| *of == sequence) {
                match message {
                    Message::Socket(report) if has_same_addresses(&report.socket, socket) => {
                        self.interface = report.socket.interface;
                        found = Answer::Found(report);
                    }
                    Message::Socket(_) => {}
                    Message::Done => return Ok(found),
                    Message::Failed(error) => return Ok(failure(error)),
                }
            }
        }
    }

    fn next_sequence(&mut self, questions: usize) -> u32 {
        let first = self.sequence;
        self.sequence = first.wrapping_add(questions as u32);
        first
    }
}

fn has_same_addresses(found: &Socket, wanted: &Socket) -> bool {
    found.local.ip() == wanted.local.ip()
        && found.peer.ip() == wanted.peer.ip()
        && found.local.port() == wanted.local.port()
        && found.peer.port() == wanted.peer.port()
}

fn failure(error: Errno) -> Answer {
    match error {
        // Kernels differ in which of them they say when only the cookie is another one.
        Errno::NOENT | Errno::STALE => Answer::Missing,
        error => Answer::Failed(error),
    }
}

fn send_all(socket: &OwnedFd, questions: &[u8]) -> Result<(), Errno> {
    retry_on_intr(|| send(socket, questions, SendFlags::empty())).map(drop)
}

fn receive<'a>(socket: &OwnedFd, buffer: &'a mut [u8]) -> Result<&'a [u8], Errno> {
    let (len, _) = retry_on_intr(|| recv(socket, &mut *buffer, RecvFlags::DONTWAIT))?;
    Ok(&buffer[..len])
}
