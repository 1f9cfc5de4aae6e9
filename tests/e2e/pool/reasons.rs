//! Why connections close in each scenario, in one place. The first reason is the true one, as far as the library has a
//! word for it; the others are what it tells too, for the cause that the comment names.

use poolscope_semconv::value::CloseReason;
use poolscope_tests::client::Kind;

/// Reasons of which each close has one.
pub(super) type Reason = &'static [CloseReason];

/// The client's own idle timeout.
pub(super) const IDLE_TIMEOUT: Reason = &[CloseReason::IdleTimeout];
/// The same for HTTP/2, where hyper counts from the moment at which a request took the connection, and the library from
/// the moment at which the last one has ended; so after a slow stream the library does not take it for idle long enough.
pub(super) const IDLE_TIMEOUT_HTTP2: Reason = &[CloseReason::IdleTimeout, CloseReason::ClientClosed];
/// The server's idle timeout, or its restart, between two requests. A TLS stream that ends without a `close_notify` is
/// an error to rustls, and so to the library.
pub(super) const SERVER_GONE_IDLE: Reason = &[CloseReason::PeerClosedIdle, CloseReason::Error];
/// A proper end in the middle of a body. TLS as above.
pub(super) const SERVER_GONE_ACTIVE: Reason = &[CloseReason::PeerClosedActive, CloseReason::Error];
/// A reset in the middle of a body.
pub(super) const RESET: Reason = &[CloseReason::Reset];
/// `Connection: close` of the server.
pub(super) const CONNECTION_CLOSE: Reason = &[CloseReason::ConnectionClose];
/// A body that is dropped half read.
pub(super) const BODY_DROPPED: Reason = &[CloseReason::BodyDropped];
/// A request that is dropped before its response.
pub(super) const REQUEST_DROPPED: Reason = &[CloseReason::RequestDropped];
/// An HTTP/2 GOAWAY: either side may be the first to close then, and the peer within the last response.
pub(super) const GOAWAY: Reason =
    &[CloseReason::PeerClosedIdle, CloseReason::ClientClosed, CloseReason::PeerClosedActive];
/// A connection of a cold HTTP/2 burst that the negotiation made needless.
pub(super) const REDUNDANT: Reason = &[CloseReason::ClientClosed];
/// An upgraded connection that the caller drops.
pub(super) const UPGRADE_ENDED: Reason = &[CloseReason::UpgradeEnded];
/// The client is dropped, and its idle connections with it.
pub(super) const CLIENT_GONE: Reason = &[CloseReason::ClientClosed];
/// The client is dropped while a response is read to its end; the library takes the end of a connection within a
/// response for a `Connection: close`.
pub(super) const CLIENT_GONE_ACTIVE: Reason = &[CloseReason::ClientClosed, CloseReason::ConnectionClose];
/// The client is dropped after a short body was dropped unread, which did the connection no harm.
pub(super) const CLIENT_GONE_AFTER_SHORT_BODY: Reason =
    &[CloseReason::ClientClosed, CloseReason::BodyDropped];
/// The runtime of the client ends, with nothing in flight.
pub(super) const RUNTIME_GONE: Reason = &[CloseReason::ClientClosed];

/// True where opens and closes are exact, so that they must agree with kernel and server. Those of reqwest are
/// estimated: it may learn late, or never, what only the server or the end of a client shows.
pub(super) fn agrees_with_kernel(kind: Kind) -> bool {
    !kind.is_reqwest()
}

/// True where the library can know of such a close at the moment it happens.
pub(super) fn is_told(kind: Kind, reason: Reason) -> bool {
    let shown_by_requests = [CONNECTION_CLOSE, BODY_DROPPED, UPGRADE_ENDED];
    let shown_by_http1 = [IDLE_TIMEOUT, RESET, SERVER_GONE_ACTIVE];
    agrees_with_kernel(kind)
        || shown_by_requests.contains(&reason)
        || shown_by_http1.contains(&reason) && !kind.is_http2()
}
