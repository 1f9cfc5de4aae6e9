//! The figures of a server, for who snapshots and exports them.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use poolscope_semconv::attr;
use poolscope_semconv::value::{
    ConnectionState, DisconnectPhase, ErrorType, IoDirection, RejectReason, ServerCloseReason,
};

use super::{HANDSHAKES, Shared, Stage};
use crate::registry::{ConnectionCounts, HandshakeSnapshot, Mirroring, Rows, ServerSnapshot};
use crate::series::{handshake_key, served_key, text};

/// Most connections that a snapshot lists one by one; all of them are counted.
const MOST_LISTED: usize = 100;

impl Shared {
    pub(in crate::server) fn snapshot(&self) -> ServerSnapshot {
        let table = self.table();
        let now = self.now();
        let mut connections = ConnectionCounts::default();
        let (mut queued, mut active_requests, mut requests) = (0, 0, table.requests);
        let (mut sent, mut received) = table.bytes;
        for life in table.there.values() {
            match life.state() {
                None => queued += 1,
                Some(ConnectionState::Idle) => connections.idle += 1,
                Some(ConnectionState::Active) => connections.active += 1,
                Some(ConnectionState::Upgraded) => connections.upgraded += 1,
            }
            active_requests += life.in_flight();
            requests += life.requests();
            let bytes = life.bytes();
            (sent, received) = (sent + bytes.0, received + bytes.1);
        }
        let handshakes = HANDSHAKES.iter().zip(&self.handshakes);
        let oldest = table.there.first_key_value();
        ServerSnapshot {
            name: self.name.to_string(),
            scheme: self.scheme(),
            accepted: table.accepted,
            rejected: RejectReason::ALL.iter().map(|of| (*of, table.rejected[of.index()])).collect(),
            accept_errors: table.accept_errors,
            queued,
            connections,
            limit: self.rules.max_connections.map(|max| max as u64),
            upgraded: self.upgraded.load(Relaxed),
            closed: ServerCloseReason::ALL.iter().map(|of| (*of, table.closed[of.index()])).collect(),
            requests,
            active_requests,
            disconnected: DisconnectPhase::ALL
                .iter()
                .map(|of| (*of, self.disconnected[of.index()].load(Relaxed)))
                .collect(),
            bytes: vec![(IoDirection::Transmit, sent), (IoDirection::Receive, received)],
            duration: self.duration.snapshot(),
            per_connection: self.per_connection.snapshot(),
            handshakes: handshakes
                .filter_map(|(error_type, times)| {
                    Some(HandshakeSnapshot { error_type: *error_type, duration: times.get()?.snapshot() })
                })
                .collect(),
            results: self.results.snapshot(),
            oldest: oldest.map(|(_, life)| now.saturating_sub(life.accepted)),
            is_closed: *self.stage.borrow() != Stage::Open,
            open: table.there.values().take(MOST_LISTED).map(|life| life.row(now)).collect(),
        }
    }
}

impl Rows<ServerSnapshot> for Shared {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    fn rows(&self) -> Vec<ServerSnapshot> {
        vec![self.snapshot()]
    }

    fn mirror(&self, mirrors: Mirroring<'_>) {
        let key = || vec![text(attr::SERVER_NAME, &*self.name)];
        self.duration.mirror(mirrors, key);
        self.per_connection.mirror(mirrors, key);
        for (error, times) in HANDSHAKES.iter().zip(&self.handshakes) {
            if let Some(times) = times.get() {
                times.mirror(mirrors, || handshake_key(&self.name, error.map(ErrorType::as_str)));
            }
        }
        self.results.mirror(mirrors, &served_key(&self.name, self.scheme()));
    }
}
