//! Writes down what servers tell.

use opentelemetry::logs::{LogRecord, Severity};
use poolscope_semconv::attr;
use poolscope_semconv::value::{RejectReason, ServerCloseReason};

use super::record::integer;
use super::{ServerConnectionClosed, ServerRejecting};
use crate::said::Said;

/// How much it matters, and the sentence.
pub(super) fn closed<R: LogRecord>(record: &mut R, closed: &ServerConnectionClosed) -> (Severity, String) {
    record.add_attribute(attr::SERVER_NAME, closed.name.to_string());
    record.add_attribute(attr::CONNECTION_ID, integer(closed.connection));
    record.add_attribute(attr::SERVER_CLOSE_REASON, closed.reason.as_str());
    record.add_attribute(attr::CONNECTION_LIFETIME, closed.lifetime.as_secs_f64());
    record.add_attribute(attr::CONNECTION_REQUESTS, integer(closed.requests));
    record.add_attribute(attr::CONNECTION_SENT, integer(closed.sent));
    record.add_attribute(attr::CONNECTION_RECEIVED, integer(closed.received));
    if let Some(peer) = closed.peer {
        record.add_attribute(attr::NETWORK_PEER_ADDRESS, peer.ip().to_string());
        record.add_attribute(attr::NETWORK_PEER_PORT, i64::from(peer.port()));
    }
    let body = format!(
        "connection {} of server {} was closed after {} and {} requests: {}",
        closed.connection,
        closed.name,
        Said(closed.lifetime),
        closed.requests,
        closed.reason,
    );
    (severity_of(closed.reason), body)
}

pub(super) fn rejecting<R: LogRecord>(record: &mut R, rejecting: &ServerRejecting) -> String {
    let ServerRejecting { name, reason, rejected, limit } = rejecting;
    record.add_attribute(attr::SERVER_NAME, name.to_string());
    record.add_attribute(attr::SERVER_REJECT_REASON, reason.as_str());
    record.add_attribute(attr::SERVER_REJECTED, integer(*rejected));
    record.add_attribute(attr::SERVER_CONNECTION_LIMIT, integer(*limit));
    let what = match reason {
        RejectReason::MaxConnections => "connections",
        RejectReason::MaxHandshakes => "TLS handshakes",
    };
    format!("server {name} has as many {what} as it may have, {limit}: {rejected} connections turned away")
}

/// How much a close matters. What servers do all day is for those who look for it.
fn severity_of(reason: ServerCloseReason) -> Severity {
    match reason {
        ServerCloseReason::ClientClosed
        | ServerCloseReason::ConnectionClose
        | ServerCloseReason::UpgradeEnded
        | ServerCloseReason::IdleTimeout
        | ServerCloseReason::MaxAge
        | ServerCloseReason::Shutdown => Severity::Debug,
        ServerCloseReason::ClientClosedActive
        | ServerCloseReason::ClientReset
        | ServerCloseReason::Dropped => Severity::Info,
        ServerCloseReason::HeadersTimeout
        | ServerCloseReason::ReadTimeout
        | ServerCloseReason::WriteTimeout
        | ServerCloseReason::Unresponsive
        | ServerCloseReason::ProtocolError
        | ServerCloseReason::TlsHandshakeFailed
        | ServerCloseReason::TlsHandshakeTimeout
        | ServerCloseReason::IoError
        | ServerCloseReason::Panicked
        | ServerCloseReason::ShutdownCut => Severity::Warn,
    }
}
