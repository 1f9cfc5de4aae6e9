//! [`Protocol`]: which HTTP a connection speaks, and what its bytes say of its end.

use poolscope_semconv::value::ServerCloseReason;

use super::life::{Life, is};
use crate::frames::{FrameWalk, NO_ERROR};

/// What a client over HTTP/2 begins with. Who sends less of it has sent the begin of a head, as far as anybody knows.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Statuses with which hyper answers over HTTP/1 to what is no request, or one too large. Who refuses a handshake by himself says
/// something else.
const REFUSALS: [&[u8]; 3] = [b"400", b"414", b"431"];

/// How the answer begins with which a connection leaves HTTP.
const SWITCHES: &[u8] = b"HTTP/1.1 101";

/// Which HTTP a connection speaks.
#[derive(Debug, Default)]
pub(super) enum Protocol {
    /// Its first bytes have not come.
    #[default]
    Unknown,
    /// So many of them have, and may be either.
    Begins(usize),
    Http1,
    Http2(Box<Frames>),
}

/// Where both sides of an HTTP/2 connection are.
#[derive(Debug)]
pub(super) struct Frames {
    pub(super) read: FrameWalk,
    pub(super) written: FrameWalk,
}

impl Protocol {
    pub(super) fn frames(&self) -> Option<&Frames> {
        match self {
            Self::Http2(frames) => Some(frames),
            _ => None,
        }
    }

    /// Bytes have come.
    #[inline]
    pub(super) fn read(&mut self, life: &Life, bytes: &[u8]) {
        match self {
            Self::Http1 => {}
            Self::Http2(frames) => {
                frames.read.walk(bytes);
            }
            Self::Unknown => self.begin(life, 0, bytes),
            Self::Begins(seen) => {
                let seen = *seen;
                self.begin(life, seen, bytes);
            }
        }
    }

    #[cold]
    fn begin(&mut self, life: &Life, seen: usize, bytes: &[u8]) {
        let wanted = &PREFACE[seen..];
        let common = bytes.iter().zip(wanted).take_while(|(a, b)| a == b).count();
        *self = if common == wanted.len() {
            self.is_http2(life);
            let Self::Http2(frames) = self else { return };
            frames.read.walk(&PREFACE[..seen]);
            frames.read.walk(bytes);
            return;
        } else if common == bytes.len() {
            Self::Begins(seen + common)
        } else {
            Self::Http1
        };
    }

    #[cold]
    fn is_http2(&mut self, life: &Life) {
        life.speaks_http2();
        *self =
            Self::Http2(Box::new(Frames { read: FrameWalk::after_preface(), written: FrameWalk::default() }));
    }

    /// Bytes have gone: so many of these. True if it left HTTP by them, without that a request of it was served: something else
    /// than hyper speaks WebSocket on it.
    #[inline]
    pub(super) fn wrote<'a>(
        &mut self,
        life: &Life,
        bufs: impl IntoIterator<Item = &'a [u8], IntoIter: Clone>,
        written: usize,
    ) -> bool {
        let is_answer = life.unmark(is::ANSWERED);
        let mut bufs = bufs.into_iter();
        // A server over HTTP/2 may speak first.
        if matches!(self, Self::Unknown | Self::Begins(_))
            && !life.is(is::UPGRADED)
            && bufs.clone().next().is_some_and(|buf| !buf.starts_with(b"HTTP/"))
        {
            self.is_http2(life);
        }
        match self {
            Self::Http1 if life.is(is::UPGRADED) => {}
            Self::Http1 => {
                // hyper answers by itself what it can't read.
                let is_own = !is_answer && life.in_flight() == 0;
                let Some(buf) = bufs.next().filter(|_| is_own) else { return false };
                let status = buf.get("HTTP/1.1 ".len()..).filter(|_| buf.starts_with(b"HTTP/1."));
                if status.is_some_and(|status| REFUSALS.iter().any(|no| status.starts_with(no))) {
                    life.see(ServerCloseReason::ProtocolError);
                }
                return life.requests() == 0 && buf.starts_with(SWITCHES);
            }
            Self::Http2(frames) => {
                let (mut left, data) = (written, frames.written.data());
                for buf in bufs {
                    let gone = &buf[..buf.len().min(left)];
                    left -= gone.len();
                    if frames.written.walk(gone).is_some_and(|code| code != NO_ERROR) {
                        life.see(ServerCloseReason::ProtocolError);
                    }
                }
                if frames.written.data() != data {
                    life.takes();
                }
            }
            Self::Unknown | Self::Begins(_) => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;
    use crate::registry::KnownMethod;

    const GET: &http::Method = &http::Method::GET;

    fn life() -> Life {
        Life::new(1, None, None, Instant::now(), Duration::ZERO, None)
    }

    #[test]
    fn the_first_bytes_tell_the_protocol_however_they_are_cut() {
        for (bytes, is_http2) in [
            (&PREFACE[..], true),
            (b"PRI / HTTP/1.1", false),
            (&PREFACE[..23], false),
            (b"PROPFIND / HTTP/1.1", false),
            (b"GET /", false),
        ] {
            for size in [1, 2, 3, bytes.len()] {
                let (life, mut protocol) = (life(), Protocol::default());
                for chunk in bytes.chunks(size) {
                    protocol.read(&life, chunk);
                    life.received(chunk.len());
                }
                // Of one that drips, the head's time goes on from its first byte.
                assert_eq!(life.facts().head_since.is_none(), is_http2, "{bytes:?} in pieces of {size}");
                assert_eq!(life.is(is::HTTP2), is_http2, "{bytes:?} in pieces of {size}");
                let is_between = protocol.frames().is_none_or(|frames| frames.read.is_between());
                assert!(is_between, "in pieces of {size}");
            }
        }
    }

    #[test]
    fn an_answer_to_no_request_is_an_error_of_the_protocol_and_a_404_is_not() {
        let bad = [&b"HTTP/1.1 400 Bad Request\r\n"[..]];
        let (life, mut protocol) = (life(), Protocol::Http1);
        life.begin_request(KnownMethod::of(GET));
        life.mark(is::ANSWERED);
        life.end_request(KnownMethod::of(GET));
        protocol.wrote(&life, bad, bad[0].len());
        assert_eq!(life.seen(), None);
        // Of somebody who speaks WebSocket by himself.
        protocol.wrote(&life, [&b"HTTP/1.1 401 Unauthorized\r\n"[..]], 1);
        assert_eq!(life.seen(), None);
        protocol.wrote(&life, bad, bad[0].len());
        assert_eq!(life.seen(), Some(ServerCloseReason::ProtocolError));
    }

    #[test]
    fn who_switches_without_a_request_leaves_http() {
        let switches = [&b"HTTP/1.1 101 Switching Protocols\r\n"[..]];
        let (life, mut protocol) = (life(), Protocol::Http1);
        assert!(!protocol.wrote(&life, [&b"HTTP/1.1 100 Continue\r\n"[..]], 1));
        assert!(protocol.wrote(&life, switches, switches[0].len()));
        // One that hyper served says so by itself.
        life.begin_request(KnownMethod::of(GET));
        life.end_request(KnownMethod::of(GET));
        assert!(!protocol.wrote(&life, switches, switches[0].len()));
    }
}
