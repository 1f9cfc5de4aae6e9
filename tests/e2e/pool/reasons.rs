//! What happens to connections in the scenarios, and the reason that is told for it, in one place.

use poolscope_semconv::value::{Certainty, CloseReason};
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
    /// The server ends the connection after an answer, without having said so in its head.
    ServerClosedAfterAnswer,
    /// The server says that it has waited for too long, while nobody has asked.
    ServerTimeoutTold,
    /// The server ends a body by closing the connection.
    ServerEndsBody,
    /// The server ends it between two requests without a word: TLS has no `close_notify`.
    ServerGoneIdle,
    /// An end without a word in the middle of a body.
    ServerGoneActive,
    /// A reset in the middle of a request.
    Reset,
    /// The server stops in the middle of a request. The kernel makes it a reset if something came that it had not read.
    ServerStopped,
    /// `Connection: close` of the server.
    ConnectionClose,
    /// The server says what is not HTTP.
    Garbage,
    /// The server says something while nobody has asked.
    Unasked,
    /// A body that is dropped half read.
    BodyDropped,
    /// A request that is dropped before its response.
    RequestDropped,
    /// An HTTP/2 GOAWAY, whichever side closes first then.
    Goaway,
    /// A connection of a cold HTTP/2 burst that the negotiation made needless.
    Redundant,
    /// A connection that lost the race against one that became idle; hyper keeps it for later, unless it is just starting;
    /// or one that was given to a request which had just got another.
    Wasted,
    /// A request that is given up, whose answer meets the close: it is sent away by a reset, after which the kernel does not
    /// know who closed.
    AnswerMetOurClose,
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

/// What is told of a close.
pub(super) type Told = (CloseReason, Certainty);

const fn known(reason: CloseReason) -> Told {
    (reason, Certainty::Known)
}

const fn inferred(reason: CloseReason) -> Told {
    (reason, Certainty::Inferred)
}

impl Why {
    /// What is told, or all of which one is, where it depends on who is first.
    ///
    /// Known is what was seen: hyper-util's connections are looked into, so what comes over one or fails on it is known,
    /// and so is what its owner does. Why a pool lets go of a connection nobody sees, so that is concluded there too. Of
    /// reqwest's connections nothing is seen but the answers and failures of their requests: all else is concluded from
    /// the kernel's word, and some causes can't be told from others.
    pub(super) fn told(self, kind: Kind) -> &'static [Told] {
        if kind.is_reqwest() { self.told_of_reqwest(kind) } else { self.told_of_hyper(kind) }
    }

    fn told_of_hyper(self, kind: Kind) -> &'static [Told] {
        use CloseReason as By;
        match self {
            Self::OurIdleTimeout | Self::OurIdleTimeoutAfterLongStream => {
                const { &[inferred(By::IdleTimeout)] }
            }
            Self::ServerClosedIdle | Self::ServerGoneIdle | Self::ServerTimeoutTold => {
                const { &[known(By::PeerClosedIdle)] }
            }
            // Its caller may not have seen the end of the answer yet, which hyper may have.
            Self::ServerClosedAfterAnswer => {
                const { &[known(By::PeerClosedIdle), inferred(By::PeerClosedActive)] }
            }
            Self::ServerGoneActive => const { &[known(By::PeerClosedActive)] },
            Self::Reset => const { &[known(By::Reset)] },
            Self::ServerStopped => const { &[known(By::PeerClosedActive), known(By::Reset)] },
            Self::ConnectionClose | Self::ServerEndsBody => const { &[known(By::ConnectionClose)] },
            Self::Garbage => const { &[known(By::ProtocolError)] },
            Self::Unasked => const { &[inferred(By::ProtocolError)] },
            // The drop is seen, and that our side closes then. But hyper may have read a short rest by itself before, so
            // that the connection could have gone on, and closed for a reason of the pool's.
            Self::BodyDropped => const { &[inferred(By::BodyDropped)] },
            Self::RequestDropped | Self::AnswerMetOurClose => const { &[inferred(By::RequestDropped)] },
            Self::Goaway => const { &[known(By::Goaway)] },
            Self::Redundant => const { &[inferred(By::Redundant)] },
            Self::Wasted => const { &[inferred(By::ClientClosed)] },
            Self::UpgradeEnded => const { &[known(By::UpgradeEnded)] },
            Self::ClientGone | Self::ClientGoneAfterHalfReadStream => const { &[known(By::ClientDropped)] },
            // hyper ends the connection of an HTTP/1 response before its caller has seen the end of the body, mostly.
            Self::ClientGoneActive if !kind.is_http2() => {
                const { &[known(By::ClientDropped), inferred(By::ClientDropped)] }
            }
            Self::ClientGoneActive => const { &[known(By::ClientDropped)] },
            // What is missing is seen: the orderly end.
            Self::RuntimeGone => const { &[inferred(By::RuntimeShutdown)] },
        }
    }

    fn told_of_reqwest(self, kind: Kind) -> &'static [Told] {
        use CloseReason as By;
        match self {
            // A server on the same machine that answers our GOAWAY by closing may be quicker than our own close, and the
            // kernel tells who was first. Of TLS it is not asked.
            Self::OurIdleTimeout | Self::OurIdleTimeoutAfterLongStream
                if kind.is_http2() && !kind.is_tls() =>
            {
                const { &[inferred(By::IdleTimeout), inferred(By::PeerClosedIdle)] }
            }
            Self::OurIdleTimeout | Self::OurIdleTimeoutAfterLongStream => {
                const { &[inferred(By::IdleTimeout)] }
            }
            Self::ServerClosedIdle | Self::ServerGoneIdle => const { &[inferred(By::PeerClosedIdle)] },
            // reqwest takes away what its decoders use up, so that a length that is missing says nothing.
            Self::ServerClosedAfterAnswer | Self::ServerEndsBody => {
                const { &[inferred(By::PeerClosedIdle), inferred(By::PeerClosedActive)] }
            }
            // The body may have failed before the kernel tells of the end.
            Self::ServerGoneActive if kind.is_http2() => {
                const { &[inferred(By::PeerClosedActive), inferred(By::PeerClosedIdle)] }
            }
            Self::ServerGoneActive => const { &[inferred(By::PeerClosedActive)] },
            // The error of an HTTP/1 response names it, the error of a stream does not. The kernel's word for a reset is
            // an end without a FIN, which is not asked for over TLS.
            Self::Reset if kind.is_tls() && kind.is_http2() => {
                const { &[inferred(By::PeerClosedActive), inferred(By::PeerClosedIdle)] }
            }
            Self::Reset if kind.is_http2() => const { &[inferred(By::Reset)] },
            Self::Reset => const { &[known(By::Reset)] },
            Self::ServerStopped if kind.is_http2() => {
                const { &[inferred(By::PeerClosedActive), inferred(By::PeerClosedIdle), inferred(By::Reset)] }
            }
            Self::ServerStopped => const { &[inferred(By::PeerClosedActive), known(By::Reset)] },
            // Read in the head of the response.
            Self::ConnectionClose => const { &[known(By::ConnectionClose)] },
            Self::Garbage if !kind.is_http2() => const { &[known(By::ProtocolError)] },
            // What comes over a connection is not seen.
            Self::Unasked | Self::ServerTimeoutTold => const { &[inferred(By::ClientClosed)] },
            Self::BodyDropped => const { &[inferred(By::BodyDropped)] },
            Self::RequestDropped => const { &[inferred(By::RequestDropped)] },
            Self::AnswerMetOurClose => {
                const { &[inferred(By::RequestDropped), inferred(By::PeerClosedIdle), inferred(By::Reset)] }
            }
            // Nobody sees the frames, so it is an end like any other, of the side that is first; without a FIN if our side
            // says something that meets the server's close.
            Self::Goaway => {
                const {
                    &[
                        inferred(By::PeerClosedIdle),
                        inferred(By::PeerClosedActive),
                        inferred(By::ClientClosed),
                        inferred(By::Reset),
                    ]
                }
            }
            Self::Redundant => const { &[inferred(By::Redundant)] },
            // The error of a stream says nothing of its connection, and over TLS the kernel can't tell who closed.
            Self::Garbage | Self::Wasted | Self::RuntimeGone if kind.is_tls() => {
                const { &[inferred(By::ClientClosed), inferred(By::PeerClosedIdle)] }
            }
            Self::Garbage | Self::Wasted | Self::RuntimeGone => const { &[inferred(By::ClientClosed)] },
            // The 101 is seen, and nothing but its end comes after it.
            Self::UpgradeEnded => const { &[known(By::UpgradeEnded)] },
            // That the client is gone is seen, but not whether it was what closed.
            Self::ClientGone | Self::ClientGoneActive | Self::ClientGoneAfterHalfReadStream => {
                const { &[inferred(By::ClientDropped)] }
            }
        }
    }
}
