//! A server as series, by the contract. Pure.

use poolscope_semconv::value::{ConnectionState, ErrorType};
use poolscope_semconv::{attr, metric};

use super::{Labels, Sink, text, with_served};
use crate::registry::{HandshakeSnapshot, ServerSnapshot};

/// What names a server in the series of its requests.
pub(crate) fn served_key<'a>(name: &'a str, scheme: &'static str) -> Labels<'a> {
    vec![text(attr::SERVER_NAME, name), text(attr::URL_SCHEME, scheme)]
}

/// What names the TLS handshakes of a server that ended in one way.
pub(crate) fn handshake_key<'a>(name: &'a str, handshake: Option<&'static str>) -> Labels<'a> {
    let error = handshake.map(|error| text(attr::ERROR_TYPE, error));
    [text(attr::SERVER_NAME, name)].into_iter().chain(error).collect()
}

pub(super) fn server(sink: &mut dyn Sink, server: &ServerSnapshot) {
    let key = vec![text(attr::SERVER_NAME, &server.name)];
    let with = |attribute| vec![text(attr::SERVER_NAME, &server.name), attribute];
    let counts = [
        (&metric::SERVER_QUEUED_CONNECTIONS, server.queued),
        (&metric::SERVER_ACCEPTED, server.accepted),
        (&metric::SERVER_ACCEPT_ERRORS, server.accept_errors),
        (&metric::SERVER_UPGRADED, server.upgraded),
    ];
    for (metric, count) in counts {
        sink.integer(metric, key.clone(), count);
    }
    for (method, count) in &server.active_by_method {
        let mut key = served_key(&server.name, server.scheme);
        key.push(text(attr::HTTP_REQUEST_METHOD, *method));
        sink.integer(&metric::HTTP_SERVER_ACTIVE_REQUESTS, key, *count);
    }
    if let Some(limit) = server.limit {
        sink.integer(&metric::SERVER_CONNECTION_MAX, key.clone(), limit);
    }
    for state in ConnectionState::ALL {
        let attributes = with(text(attr::HTTP_CONNECTION_STATE, state.as_str()));
        sink.integer(&metric::SERVER_OPEN_CONNECTIONS, attributes, server.connections.in_state(*state));
    }
    for (reason, count) in &server.rejected {
        let attributes = with(text(attr::SERVER_REJECT_REASON, reason.as_str()));
        sink.integer(&metric::SERVER_CONNECTION_REJECTED, attributes, *count);
    }
    for (reason, count) in &server.closed {
        let attributes = with(text(attr::SERVER_CLOSE_REASON, reason.as_str()));
        sink.integer(&metric::SERVER_CONNECTION_CLOSED, attributes, *count);
    }
    for (phase, count) in &server.disconnected {
        let attributes = with(text(attr::SERVER_DISCONNECT_PHASE, phase.as_str()));
        sink.integer(&metric::SERVER_DISCONNECTED, attributes, *count);
    }
    for (direction, bytes) in &server.bytes {
        let attributes = with(text(attr::NETWORK_IO_DIRECTION, direction.as_str()));
        sink.integer(&metric::SERVER_CONNECTION_IO, attributes, *bytes);
    }
    sink.histogram(&metric::SERVER_CONNECTION_DURATION, key.clone(), &server.duration);
    sink.histogram(&metric::SERVER_CONNECTION_REQUESTS, key, &server.per_connection);
    for HandshakeSnapshot { error_type, duration } in &server.handshakes {
        let labels = handshake_key(&server.name, error_type.map(ErrorType::as_str));
        sink.histogram(&metric::SERVER_TLS_HANDSHAKE_DURATION, labels, duration);
    }
    for row in &server.results {
        let mut key = served_key(&server.name, server.scheme);
        key.extend(row.route.as_deref().map(|route| text(attr::HTTP_ROUTE, route)));
        let labels = with_served(&key, &row.result);
        sink.histogram(&metric::HTTP_SERVER_REQUEST_DURATION, labels, &row.result.duration);
    }
}
