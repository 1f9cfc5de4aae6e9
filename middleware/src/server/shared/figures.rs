//! The figures of a server, for who snapshots and exports them.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use poolscope_semconv::attr;
use poolscope_semconv::value::{
    ConnectionState, DisconnectPhase, ErrorType, IoDirection, RejectReason, ServerCloseReason,
};

use super::{HANDSHAKES, Shared, Stage};
use crate::registry::{
    ConnectionCounts, HandshakeSnapshot, KnownMethod, Mirroring, Rows, ServedResultSnapshot, ServerSnapshot,
};
use crate::series::{handshake_key, served_key, text};

/// Most connections that a snapshot lists one by one; all of them are counted.
const MOST_LISTED: usize = 100;

impl Shared {
    pub(in crate::server) fn snapshot(&self) -> ServerSnapshot {
        let table = self.table();
        let now = self.now();
        let mut connections = ConnectionCounts::default();
        let (mut queued, mut requests) = (0, table.requests);
        let mut active = [0; KnownMethod::COUNT];
        let (mut sent, mut received) = table.bytes;
        for life in table.there.values() {
            match life.state() {
                None => queued += 1,
                Some(ConnectionState::Idle) => connections.idle += 1,
                Some(ConnectionState::Active) => connections.active += 1,
                Some(ConnectionState::Upgraded) => connections.upgraded += 1,
            }
            active.iter_mut().zip(life.in_flight_by()).for_each(|(all, of)| *all += of);
            requests += life.requests();
            let bytes = life.bytes();
            (sent, received) = (sent + bytes.0, received + bytes.1);
        }
        let handshakes = HANDSHAKES.iter().zip(&self.handshakes);
        let oldest = table.there.first_key_value();
        let results = self.results.snapshot();
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
            active_requests: active.iter().sum(),
            active_by_method: self.by_method(active, &results),
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
            results,
            oldest: oldest.map(|(_, life)| now.saturating_sub(life.accepted)),
            is_closed: *self.stage.borrow() != Stage::Open,
            open: table.there.values().take(MOST_LISTED).map(|life| life.row(now)).collect(),
        }
    }

    /// Requests in flight of each method that was ever seen: what was told once is told on, when it is 0 too.
    fn by_method(
        &self,
        active: [u64; KnownMethod::COUNT],
        results: &[ServedResultSnapshot],
    ) -> Vec<(&'static str, u64)> {
        let all = KnownMethod::all().zip(active);
        let under_way = all.clone().filter(|(_, count)| *count > 0);
        let now = under_way.fold(0, |bits, (method, _)| bits | 1 << method.index());
        let told = self.told_methods.fetch_or(now, Relaxed) | now;
        let is_known = |method: KnownMethod| {
            told & 1 << method.index() != 0 || results.iter().any(|row| row.result.method == method.as_str())
        };
        all.filter(|(method, _)| is_known(*method)).map(|(method, count)| (method.as_str(), count)).collect()
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
