//! Why a connection was closed: from what was seen on it to one reason of the closed list.

use poolscope_semconv::value::{Certainty, CloseReason};

use super::snapshot::Protocol;

/// What was seen on a connection that may explain its end.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
pub(crate) enum CloseCause {
    /// A read gave the end of the stream.
    PeerClosed = 1,
    /// A read or write told of a reset.
    Reset = 2,
    /// A read or write failed in another way.
    Failed = 4,
    /// One side said `Connection: close`, or spoke HTTP/1.0.
    CloseAsked = 8,
    /// A response body was dropped before its end.
    BodyDropped = 16,
    /// A request was dropped before it had its headers.
    RequestDropped = 32,
    /// The peer closed while a request was in flight.
    WhileActive = 64,
    /// One side broke the protocol.
    Protocol = 128,
    /// The peer said GOAWAY.
    Goaway = 256,
    /// The peer sent something while no request was in flight.
    Unasked = 512,
    /// Our side shut it down in order.
    ShutDown = 1024,
    /// The kernel says that it ended without a proper end, which can be either side's doing.
    Aborted = 2048,
    /// What was dropped was so after the client.
    AfterClient = 4096,
    /// After it was gone, its last answer was seen: it had not asked for the end.
    Answered = 8192,
    /// Its own task ended without shutting it down, in a runtime that goes on: something has failed there.
    Broke = 16_384,
    /// A body came to an end that was none.
    CutShort = 32_768,
    /// What was dropped of a body is more than hyper reads by itself.
    MuchDropped = 65_536,
}

/// Causes that a later request on the same connection shows to be none.
pub(super) const HARMLESS: u32 = CloseCause::BodyDropped as u32
    | CloseCause::MuchDropped as u32
    | CloseCause::RequestDropped as u32
    | CloseCause::Unasked as u32
    | CloseCause::CloseAsked as u32;

/// Causes after which a connection has come to its end, whatever its owner says.
pub(super) const HAS_ENDED: u32 = CloseCause::PeerClosed as u32
    | CloseCause::Reset as u32
    | CloseCause::Failed as u32
    | CloseCause::CloseAsked as u32
    | CloseCause::Protocol as u32
    | CloseCause::Goaway as u32;

/// A connection at its end.
#[derive(Debug)]
pub(super) struct Ending {
    /// What its owner has said.
    pub(super) stated: Option<CloseReason>,
    /// Every [`CloseCause`] that was noted.
    pub(super) causes: u32,
    pub(super) is_upgraded: bool,
    /// A request uses it.
    pub(super) is_active: bool,
    pub(super) protocol: Protocol,
    /// It has never served a request.
    pub(super) is_unused: bool,
    /// Its pool has another HTTP/2 connection.
    pub(super) has_another: bool,
    /// Everything that happens to the connection is seen.
    pub(super) is_exact: bool,
    /// The client that made it is gone with all of its clones.
    pub(super) client_is_gone: bool,
    /// It has been idle for as long as the pool keeps idle connections.
    pub(super) has_idled: bool,
}

/// The reason of an end, and whether it was seen or concluded. What explains the rest comes first: a peer closes because
/// it was asked to, and our side because the peer has closed.
pub(super) fn reason(end: &Ending) -> (CloseReason, Certainty) {
    use Certainty::{Inferred, Known};
    let saw = |cause: CloseCause| end.causes & cause as u32 != 0;
    let is_cut = saw(CloseCause::WhileActive)
        && (saw(CloseCause::Reset) || saw(CloseCause::Failed) || saw(CloseCause::CutShort));
    // Who closed is seen on the connection itself; the kernel's word for it is right but for a few in a thousand.
    let told = if end.is_exact { Known } else { Inferred };
    // hyper may have a whole answer, and its connection back, before the caller has read it, and then ends it in order.
    let may_be_idle =
        end.protocol == Protocol::Http1 && saw(CloseCause::ShutDown) && !saw(CloseCause::CutShort);
    let told_active = if may_be_idle { Inferred } else { told };
    let is_dropped = saw(CloseCause::RequestDropped) || saw(CloseCause::BodyDropped);
    let dropped = if saw(CloseCause::RequestDropped) {
        (CloseReason::RequestDropped, Inferred)
    } else {
        (CloseReason::BodyDropped, Inferred)
    };
    let is_redundant = end.is_unused && end.protocol == Protocol::Http2 && end.has_another;
    // Nobody who closes a connection has in mind that it fails under a request.
    if let Some(stated) = end.stated.filter(|_| !is_cut && !end.is_upgraded) {
        return (stated, Known);
    }
    match () {
        () if end.is_upgraded => (CloseReason::UpgradeEnded, Known),
        () if saw(CloseCause::CloseAsked) && !is_cut && !end.has_idled => {
            (CloseReason::ConnectionClose, Known)
        }
        () if saw(CloseCause::Reset) => (CloseReason::Reset, Known),
        () if saw(CloseCause::Protocol) => (CloseReason::ProtocolError, Known),
        () if saw(CloseCause::Failed) => (CloseReason::Error, Known),
        () if saw(CloseCause::Goaway) => (CloseReason::Goaway, Known),
        // It would have ended with the client, had it not been in use.
        () if saw(CloseCause::AfterClient) => dropped,
        // It can't be used again; the client may have gone before it has ended for that.
        () if (saw(CloseCause::RequestDropped) || saw(CloseCause::MuchDropped))
            && end.protocol == Protocol::Http1
            && end.client_is_gone =>
        {
            dropped
        }
        // The kernel may take the peer's answer to the end of our side for the end itself.
        () if !end.is_exact && end.client_is_gone && !end.is_active => (CloseReason::ClientDropped, Inferred),
        // A peer that is told of our end may be quicker than the kernel, which then takes it for the first.
        () if !end.is_exact && is_dropped && !end.has_idled => dropped,
        // hyper-util drops such a connection at once; the peer's answer to that may be all that the kernel tells.
        () if !end.is_exact && is_redundant => (CloseReason::Redundant, Inferred),
        () if saw(CloseCause::PeerClosed) && saw(CloseCause::WhileActive) => {
            (CloseReason::PeerClosedActive, told_active)
        }
        () if saw(CloseCause::PeerClosed) => (CloseReason::PeerClosedIdle, told),
        () if is_redundant => (CloseReason::Redundant, Inferred),
        // Our side aborts a connection when it drops it with something unread.
        () if saw(CloseCause::Aborted) && !is_dropped => (CloseReason::Reset, Inferred),
        // Every orderly end passes a shutdown; only a task that is dropped under way does not.
        () if end.is_exact
            && !saw(CloseCause::ShutDown)
            && !saw(CloseCause::Broke)
            && end.causes & HARMLESS == 0 =>
        {
            (CloseReason::RuntimeShutdown, Inferred)
        }
        () if end.client_is_gone && !end.is_active => (CloseReason::ClientDropped, Known),
        // Had one of the causes below been its end, it would not have been idle for so long afterwards.
        () if end.has_idled => (CloseReason::IdleTimeout, Inferred),
        () if is_dropped => dropped,
        // Bytes on an idle HTTP/1 connection make the client close it at once.
        () if saw(CloseCause::Unasked) && !end.is_active => (CloseReason::ProtocolError, Inferred),
        () if saw(CloseCause::Broke) => (CloseReason::Error, Inferred),
        () if end.client_is_gone => (CloseReason::ClientDropped, Inferred),
        // The client has read a response that says so, and the caller has not seen it yet: nothing else ends a
        // connection in the middle of a request without an error.
        () if end.is_active && end.protocol == Protocol::Http1 && !saw(CloseCause::Answered) => {
            (CloseReason::ConnectionClose, Inferred)
        }
        // Where it is not known who closed, it was the peer more often than a pool that has no room.
        () if !saw(CloseCause::ShutDown) && end.is_active => (CloseReason::PeerClosedActive, Inferred),
        () if !saw(CloseCause::ShutDown) => (CloseReason::PeerClosedIdle, Inferred),
        () => (CloseReason::ClientClosed, Inferred),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending(causes: &[CloseCause]) -> Ending {
        Ending {
            stated: None,
            causes: causes.iter().fold(CloseCause::ShutDown as u32, |all, cause| all | *cause as u32),
            is_upgraded: false,
            is_active: false,
            protocol: Protocol::Http1,
            is_unused: false,
            has_another: false,
            is_exact: true,
            client_is_gone: false,
            has_idled: false,
        }
    }

    #[test]
    fn what_explains_the_rest_comes_first() {
        use CloseCause::{BodyDropped, CloseAsked, Failed, Goaway, PeerClosed, Protocol, Reset, WhileActive};
        let cases: &[(&[CloseCause], CloseReason)] = &[
            (&[CloseAsked, PeerClosed], CloseReason::ConnectionClose),
            (&[CloseAsked, PeerClosed, Reset], CloseReason::ConnectionClose),
            (&[CloseAsked, Reset, WhileActive], CloseReason::Reset),
            (&[Protocol, Failed], CloseReason::ProtocolError),
            (&[Goaway, PeerClosed], CloseReason::Goaway),
            (&[PeerClosed, WhileActive], CloseReason::PeerClosedActive),
            (&[PeerClosed], CloseReason::PeerClosedIdle),
            (&[BodyDropped], CloseReason::BodyDropped),
            (&[], CloseReason::ClientClosed),
        ];
        for (causes, expected) in cases {
            assert_eq!(reason(&ending(causes)).0, *expected, "{causes:?}");
        }
    }

    #[test]
    fn a_task_that_ends_without_a_word_has_failed_unless_its_runtime_ends() {
        let end = |causes: &[CloseCause]| Ending {
            causes: causes.iter().fold(0, |all, cause| all | *cause as u32),
            ..ending(&[])
        };
        assert_eq!(reason(&end(&[CloseCause::Broke])), (CloseReason::Error, Certainty::Inferred));
        assert_eq!(reason(&end(&[])), (CloseReason::RuntimeShutdown, Certainty::Inferred));
    }

    #[test]
    fn an_end_under_a_request_was_asked_for_unless_its_answer_was_seen() {
        let under = |causes| reason(&Ending { is_active: true, ..ending(causes) });
        assert_eq!(under(&[]), (CloseReason::ConnectionClose, Certainty::Inferred));
        assert_eq!(under(&[CloseCause::Answered]), (CloseReason::ClientClosed, Certainty::Inferred));
    }

    #[test]
    fn what_was_stated_is_known_whatever_was_seen() {
        let end = Ending { stated: Some(CloseReason::MaxAge), ..ending(&[CloseCause::PeerClosed]) };
        assert_eq!(reason(&end), (CloseReason::MaxAge, Certainty::Known));
    }

    #[test]
    fn our_own_closes_are_told_apart() {
        let gone = Ending { client_is_gone: true, has_idled: true, ..ending(&[]) };
        assert_eq!(reason(&gone), (CloseReason::ClientDropped, Certainty::Known));
        let idle = Ending { has_idled: true, ..ending(&[]) };
        assert_eq!(reason(&idle), (CloseReason::IdleTimeout, Certainty::Inferred));
        let unused = Ending { is_unused: true, has_another: true, protocol: Protocol::Http2, ..ending(&[]) };
        assert_eq!(reason(&unused).0, CloseReason::Redundant);
        let answered = Ending { is_exact: false, causes: CloseCause::PeerClosed as u32, ..unused };
        assert_eq!(reason(&answered).0, CloseReason::Redundant, "the peer answers our end");
        let cut = Ending { causes: 0, ..ending(&[]) };
        assert_eq!(reason(&cut).0, CloseReason::RuntimeShutdown);
        let told = Ending { is_exact: false, causes: 0, ..ending(&[]) };
        assert_eq!(reason(&told), (CloseReason::PeerClosedIdle, Certainty::Inferred));
    }
}
