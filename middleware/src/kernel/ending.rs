//! How a connection ended: what follows from the kernel's answers.

use crate::clock::Instant;

use rustix::io::Errno;

use super::diag::{Report, TcpState};
use super::lookups::Answer;
use super::tcp_info::TcpInfo;

/// How a connection came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// This process closed first, or both sides at once.
    Local,
    /// The other side closed first, then this process. A close by this process looks the same where the kernel does not
    /// keep the rest of the socket: when a stray segment was answered with a reset, or there are too many of them.
    Peer,
    /// Without an acknowledged FIN: a reset by either side, or no answer until the kernel gave up.
    Aborted,
}

/// The end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone {
    /// When it was learned, not when it happened.
    pub(crate) at: Instant,
    /// `None` if the kernel no longer knows.
    pub(crate) ending: Option<Ending>,
    /// The last counters. `None` if the message that has them was lost, or this process aborted the connection
    /// (`SO_LINGER` 0), which wipes them.
    pub(crate) info: Option<TcpInfo>,
}

/// What an answer says about the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Open(Report),
    Gone(Gone),
    Unknown(Errno),
}

impl Answer {
    pub(super) fn fate(self, at: Instant) -> Fate {
        match self {
            Self::Found(report) if report.has_owner => Fate::Open(report),
            Self::Found(report) => {
                Fate::Gone(Gone { at, ending: Some(closed_first(&report)), info: report.info })
            }
            Self::Missing => Fate::Gone(Gone { at, ending: None, info: None }),
            Self::Failed(error) => Fate::Unknown(error),
        }
    }

    /// The end of a socket whose last message has come; `self` is what the kernel says about it afterwards.
    pub(super) fn after(self, last: &Report, at: Instant) -> Gone {
        // The kernel forgets the other side's port in the abort that also wipes the counters.
        if last.socket.peer.port() == 0 {
            return Gone { at, ending: Some(Ending::Aborted), info: None };
        }
        let (ending, fin_came) = match (self, last.fin_acknowledged) {
            (_, Some(false)) => (Some(Ending::Aborted), false),
            // The side that closes first stays behind, in TIME_WAIT once the other side's FIN has come.
            (Self::Found(left), _) => (Some(closed_first(&left)), left.state.has_fin()),
            (Self::Missing, Some(true)) => (Some(Ending::Peer), true),
            _ => (None, false),
        };
        let info = if fin_came { last.info.map(TcpInfo::with_fin) } else { last.info };
        Gone { at, ending, info }
    }
}

/// Who closed first, of a socket that has no owner any more.
fn closed_first(report: &Report) -> Ending {
    if report.state == TcpState::LAST_ACK { Ending::Peer } else { Ending::Local }
}
