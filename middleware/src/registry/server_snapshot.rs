//! [`ServerSnapshot`]: one listener and all that it accepted.

use std::net::SocketAddr;
use std::time::Duration;

use poolscope_semconv::value::{
    ConnectionState, DisconnectPhase, ErrorType, IoDirection, RejectReason, ServerCloseReason,
};

use super::histogram::HistogramSnapshot;
#[cfg(feature = "serde")]
use super::serial;
use super::snapshot::{ConnectionCounts, ResultSnapshot};

/// A server.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ServerSnapshot {
    /// Its name.
    pub name: String,
    /// `https` where TLS is ours, `http` otherwise.
    pub scheme: &'static str,
    /// Connections that were accepted from the socket: rejected, queued, open or closed.
    pub accepted: u64,
    /// Connections that were turned away, by reason, in the order of [`RejectReason::ALL`].
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::rows_as_text"))]
    pub rejected: Vec<(RejectReason, u64)>,
    /// Times that no connection could be accepted.
    pub accept_errors: u64,
    /// Connections that were accepted and wait to be served: for their TLS handshake, or for somebody to take them.
    pub queued: u64,
    /// Connections that are open, by state.
    pub connections: ConnectionCounts,
    /// Most connections at a time, those included that are queued; `None` without a limit.
    pub limit: Option<u64>,
    /// Connections that left HTTP, those included that are closed.
    pub upgraded: u64,
    /// Connections that were closed, by reason, in the order of [`ServerCloseReason::ALL`].
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::rows_as_text"))]
    pub closed: Vec<(ServerCloseReason, u64)>,
    /// Requests that began.
    pub requests: u64,
    /// Requests whose answer is not over.
    pub active_requests: u64,
    /// The same by method, of those of which there was one; `_OTHER` if the convention does not know it.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::rows_as_text"))]
    pub active_by_method: Vec<(&'static str, u64)>,
    /// Requests that their client left, by how far they were.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::rows_as_text"))]
    pub disconnected: Vec<(DisconnectPhase, u64)>,
    /// Bytes sent and received, below HTTP and above TLS.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::rows_as_text"))]
    pub bytes: Vec<(IoDirection, u64)>,
    /// Times that the connections were open that are closed.
    #[cfg_attr(feature = "serde", serde(rename = "duration_secs"))]
    pub duration: HistogramSnapshot,
    /// Requests that the connections that are closed had served.
    #[cfg_attr(feature = "serde", serde(rename = "requests_per_connection"))]
    pub per_connection: HistogramSnapshot,
    /// TLS handshakes, where TLS is ours.
    pub handshakes: Vec<HandshakeSnapshot>,
    /// Requests by route and result.
    pub results: Vec<ServedResultSnapshot>,
    /// Age of the oldest connection that is open; `None` if there is none.
    #[cfg_attr(feature = "serde", serde(rename = "oldest_secs", serialize_with = "serial::option_secs"))]
    pub oldest: Option<Duration>,
    /// It accepts no more.
    pub is_closed: bool,
    /// Connections one by one, at most 100: the oldest first.
    pub open: Vec<ServerConnectionSnapshot>,
}

impl ServerSnapshot {
    /// Connections that were closed for a reason.
    #[must_use]
    pub fn closed(&self, reason: ServerCloseReason) -> u64 {
        self.closed.iter().filter(|(of, _)| *of == reason).map(|(_, count)| count).sum()
    }

    /// Connections that were turned away for a reason.
    #[must_use]
    pub fn rejected(&self, reason: RejectReason) -> u64 {
        self.rejected.iter().filter(|(of, _)| *of == reason).map(|(_, count)| count).sum()
    }

    /// Requests that their client left in a phase.
    #[must_use]
    pub fn disconnected(&self, phase: DisconnectPhase) -> u64 {
        self.disconnected.iter().filter(|(of, _)| *of == phase).map(|(_, count)| count).sum()
    }

    /// Connections that are there, queued or open.
    #[must_use]
    pub fn present(&self) -> u64 {
        self.queued + self.connections.open()
    }
}

/// The TLS handshakes of a server that ended in one way.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct HandshakeSnapshot {
    /// Why they failed; `None` if they did not.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::option_as_text"))]
    pub error_type: Option<ErrorType>,
    /// How long they took.
    #[cfg_attr(feature = "serde", serde(rename = "duration_secs"))]
    pub duration: HistogramSnapshot,
}

/// The requests of a route that ended in one way.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ServedResultSnapshot {
    /// Template of the route, where the program tells it; `None` also for the routes beyond the most that are kept, whose
    /// results are overflow.
    pub route: Option<String>,
    /// The result.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub result: ResultSnapshot,
}

/// A connection that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ServerConnectionSnapshot {
    /// Its number, unique in the scope.
    pub id: u64,
    /// Its other end, where it has an address.
    pub peer: Option<SocketAddr>,
    /// Its state; `None` while it is queued.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::option_as_text"))]
    pub state: Option<ConnectionState>,
    /// Time since it was accepted.
    #[cfg_attr(feature = "serde", serde(rename = "age_secs", serialize_with = "serial::secs"))]
    pub age: Duration,
    /// Time since its last request ended, or since it was there; `None` while it has one.
    #[cfg_attr(feature = "serde", serde(rename = "idle_secs", serialize_with = "serial::option_secs"))]
    pub idle: Option<Duration>,
    /// Requests that began on it.
    pub requests: u64,
    /// Requests whose answer is not over.
    pub active_requests: u64,
    /// Bytes sent.
    pub sent: u64,
    /// Bytes received.
    pub received: u64,
    /// Why it was told to end, if it was.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::option_as_text"))]
    pub ending: Option<ServerCloseReason>,
}
