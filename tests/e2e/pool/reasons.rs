//! What happens to connections in the scenarios, and the reason that is told for it, in one place.

use poolscope_semconv::value::CloseReason;
use poolscope_tests::client::Kind;

/// Why a connection really ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The client's own idle timeout.
    OurIdleTimeout,
    /// The same, after a stream that took longer than the timeout; hyper counts from the moment at which a request took
    /// the connection.
    OurIdleTimeoutAfterLongStream,
    /// The server ends the connection between two requests, as its protocol has it.
    ServerClosedIdle,
    /// The same without a word: TLS has no `close_notify`.
    ServerGoneIdle,
    /// An end without a word in the middle of a body.
    ServerGoneActive,
    /// A reset in the middle of a request.
    Reset,
    /// `Connection: close` of the server.
    ConnectionClose,
    /// A body that is dropped half read.
    BodyDropped,
    /// A request that is dropped before its response.
    RequestDropped,
    /// An HTTP/2 GOAWAY, whichever side closes first then.
    Goaway,
    /// A connection of a cold HTTP/2 burst that the negotiation made needless.
    Redundant,
    /// A connection that lost the race against one that became idle; hyper keeps it for later, unless it is just starting.
    Wasted,
    /// An upgraded connection that the caller drops.
    UpgradeEnded,
    /// The client is dropped, and its idle connections with it.
    ClientGone,
    /// The client was dropped while a response was read, which ends well.
    ClientGoneActive,
    /// The client is dropped after a stream was dropped half read.
    ClientGoneAfterHalfReadStream,
    /// The runtime of the client ends, with nothing in flight.
    RuntimeGone,
}

impl Why {
    /// The reason that is told, or those of which one is, where it depends on who is first. For reqwest it is concluded
    /// from what requests and the kernel show, so that some causes can't be told from others.
    pub(super) fn reasons(self, kind: Kind) -> &'static [CloseReason] {
        let is_hidden = kind.is_reqwest();
        match self {
            Self::OurIdleTimeout | Self::OurIdleTimeoutAfterLongStream => &[CloseReason::IdleTimeout],
            // The body may have failed before the kernel tells of the end.
            Self::ServerGoneActive if is_hidden && kind.is_http2() => {
                &[CloseReason::PeerClosedActive, CloseReason::PeerClosedIdle]
            }
            Self::ServerClosedIdle | Self::ServerGoneIdle => &[CloseReason::PeerClosedIdle],
            Self::ServerGoneActive => &[CloseReason::PeerClosedActive],
            // The error of a stream does not say so.
            Self::Reset if is_hidden && kind.is_tls() && kind.is_http2() => {
                &[CloseReason::PeerClosedActive, CloseReason::PeerClosedIdle]
            }
            Self::Reset => &[CloseReason::Reset],
            Self::ConnectionClose => &[CloseReason::ConnectionClose],
            Self::BodyDropped => &[CloseReason::BodyDropped],
            Self::RequestDropped => &[CloseReason::RequestDropped],
            Self::Goaway if is_hidden => {
                &[CloseReason::PeerClosedIdle, CloseReason::PeerClosedActive, CloseReason::ClientClosed]
            }
            Self::Goaway => &[CloseReason::Goaway],
            Self::Redundant => &[CloseReason::Redundant],
            Self::Wasted => &[CloseReason::ClientClosed],
            Self::UpgradeEnded => &[CloseReason::UpgradeEnded],
            Self::ClientGone | Self::ClientGoneActive | Self::ClientGoneAfterHalfReadStream => {
                &[CloseReason::ClientDropped]
            }
            // Over TLS the kernel can't tell who closed.
            Self::RuntimeGone if is_hidden && kind.is_tls() => {
                &[CloseReason::ClientClosed, CloseReason::PeerClosedIdle]
            }
            Self::RuntimeGone if is_hidden => &[CloseReason::ClientClosed],
            Self::RuntimeGone => &[CloseReason::RuntimeShutdown],
        }
    }
}
