//! Pools as they are, told as events now and then.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Weak;
use std::time::{Duration, SystemTime};

use opentelemetry::Context;
use opentelemetry::logs::{AnyValue, LogRecord, Logger, Severity};
use opentelemetry_sdk::logs::SdkLogger;
use poolscope_semconv::value::{ConnectionState, Observation};
use poolscope_semconv::{attr, event as name};

use super::audience::Audience;
use super::pace::DASHBOARD_INTERVAL;
use crate::Scope;
use crate::event::record::integer;
use crate::registry::{ConnectionSnapshot, PoolSnapshot};

/// However short an interval is asked for, it is not shorter.
const MIN_INTERVAL: Duration = Duration::from_millis(100);
/// Most pools that are told at once, so that other events find room in their queue; where there are more they take turns.
const MAX_POOLS: usize = 200;
/// Most connections that are told at once, of all pools together.
const MAX_ROWS: usize = 5_000;

/// How often, to whom, and how many connections of each pool.
#[derive(Debug, Clone, Copy)]
pub(super) struct PoolEvents {
    /// Told to everybody as often; `None` tells the dashboard only, as often as it gets metrics.
    pub(super) interval: Option<Duration>,
    pub(super) max_connections: usize,
}

impl Default for PoolEvents {
    fn default() -> Self {
        Self { interval: None, max_connections: usize::MAX }
    }
}

impl PoolEvents {
    /// Tells the pools on the interval, for as long as there is a logger.
    pub(super) async fn run(
        self,
        scope: Scope,
        logger: Weak<SdkLogger>,
        audience: Audience,
        metrics_interval: Option<Duration>,
    ) {
        let interval = self.interval.or(metrics_interval).unwrap_or(DASHBOARD_INTERVAL);
        let mut ticks = tokio::time::interval(interval.max(MIN_INTERVAL));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut turn = 0;
        loop {
            ticks.tick().await;
            let Some(logger) = logger.upgrade() else { return };
            let is_for_all = self.interval.is_some();
            if !is_for_all && !audience.is_dashboard() {
                continue;
            }
            // Sources of breakers are the user's code; one that panics must not end it.
            let Ok(snapshot) = catch_unwind(AssertUnwindSafe(|| scope.snapshot())) else { continue };
            // This thread's work is not told of; what it says of the application is.
            let _context = Context::new().attach();
            let pools = snapshot.pools.iter().filter(|pool| is_for_all || pool.counts().open() > 0);
            let pools: Vec<_> = pools.collect();
            let told = in_turn(&pools, &mut turn);
            let max_connections = self.max_connections.min(MAX_ROWS / told.len().max(1));
            for pool in told {
                let mut record = logger.create_log_record();
                fill(&mut record, pool, max_connections, snapshot.at);
                logger.emit(record);
            }
        }
    }
}

/// Those whose turn it is, from `turn` on, which moves on.
fn in_turn<'a>(pools: &[&'a PoolSnapshot], turn: &mut usize) -> Vec<&'a PoolSnapshot> {
    if pools.len() <= MAX_POOLS {
        return pools.to_vec();
    }
    let first = *turn % pools.len();
    *turn = first + MAX_POOLS;
    pools.iter().cycle().skip(first).take(MAX_POOLS).copied().collect()
}

fn fill<R: LogRecord>(record: &mut R, pool: &PoolSnapshot, max_connections: usize, at: SystemTime) {
    record.set_timestamp(at);
    record.set_observed_timestamp(at);
    record.set_event_name(name::POOL_SNAPSHOT);
    record.set_severity_number(Severity::Debug);
    record.set_severity_text(Severity::Debug.name());
    record.add_attribute(attr::CLIENT_NAME, pool.client.clone());
    record.add_attribute(attr::URL_SCHEME, pool.scheme);
    record.add_attribute(attr::SERVER_ADDRESS, pool.host.clone());
    record.add_attribute(attr::SERVER_PORT, i64::from(pool.port));
    if pool.observation != Observation::Exact {
        record.add_attribute(attr::OBSERVATION, pool.observation.as_str());
    }
    let counts = pool.counts();
    let waiting = pool.pending();
    let figures = [
        (attr::POOL_OPEN, counts.open()),
        (attr::POOL_ACTIVE, counts.active),
        (attr::POOL_IDLE, counts.idle),
        (attr::POOL_CONNECTING, pool.connecting),
        (attr::POOL_WAITING, waiting),
    ];
    record.add_attributes(figures.map(|(key, count)| (key, integer(count))));
    if let Some(waiting) = &pool.waiting {
        record.add_attribute(attr::POOL_OLDEST_WAIT, waiting.oldest.as_secs_f64());
        record.add_attribute(attr::POOL_BLOCKED_BY, waiting.blocked_by.as_str());
    }
    let rows = pool.open.iter().take(max_connections).map(|connection| AnyValue::from(row(connection)));
    record.add_attribute(attr::POOL_CONNECTIONS, AnyValue::ListAny(Box::new(rows.collect())));
    let body = format!(
        "{}://{}:{} of client {} has {} open connections, {} active and {} idle, and {waiting} requests wait",
        pool.scheme,
        pool.host,
        pool.port,
        pool.client,
        counts.open(),
        counts.active,
        counts.idle,
    );
    record.set_body(AnyValue::from(body));
}

/// A row as the contract has it.
fn row(connection: &ConnectionSnapshot) -> String {
    let ConnectionSnapshot { id, state, in_flight, age, idle_for, active_for, requests, active_time, .. } =
        connection;
    let (word, since) = match state {
        ConnectionState::Upgraded => (state.as_str(), *age),
        _ if connection.draining.is_some() => ("draining", *active_for.max(idle_for)),
        ConnectionState::Idle => (state.as_str(), *idle_for),
        ConnectionState::Active => (state.as_str(), *active_for),
    };
    let peer = connection.peer.map_or_else(|| "-".to_owned(), |peer| peer.to_string());
    let [age, since, active_time] = [age, &since, active_time].map(Duration::as_secs_f64);
    format!("{id} {word} {in_flight} {age:.3} {since:.3} {requests} {active_time:.3} {peer}")
}

#[cfg(test)]
mod tests {
    use poolscope_semconv::value::CloseReason;

    use super::*;
    use crate::registry::{DestinationRef, Protocol};

    #[test]
    fn a_row_tells_what_a_connection_does_and_did() {
        let mut connection = ConnectionSnapshot {
            id: 17,
            protocol: Protocol::Http1,
            state: ConnectionState::Idle,
            local: None,
            peer: Some(([10, 0, 0, 7], 443).into()),
            age: Duration::from_millis(72_400),
            idle_for: Duration::from_millis(2_500),
            active_for: Duration::ZERO,
            active_time: Duration::from_millis(31_200),
            requests: 40,
            in_flight: 0,
            draining: None,
            bytes_sent: None,
            bytes_received: None,
            rtt: None,
            retransmits: None,
        };
        assert_eq!(row(&connection), "17 idle 0 72.400 2.500 40 31.200 10.0.0.7:443");
        connection.state = ConnectionState::Active;
        (connection.idle_for, connection.active_for) = (Duration::ZERO, Duration::from_millis(1_250));
        (connection.in_flight, connection.peer) = (1, None);
        assert_eq!(row(&connection), "17 active 1 72.400 1.250 40 31.200 -");
        connection.draining = Some(CloseReason::MaxAge);
        assert_eq!(row(&connection), "17 draining 1 72.400 1.250 40 31.200 -");
    }

    #[test]
    fn where_there_are_too_many_pools_they_take_turns() {
        let scope = Scope::new();
        let client = scope.client("test");
        for port in 1..=300 {
            client.pool(&DestinationRef::new("http", "a.test", Some(port)));
        }
        let snapshot = scope.snapshot();
        let pools: Vec<_> = snapshot.pools.iter().collect();
        let mut turn = 0;
        let mut told: Vec<_> =
            (0..3).flat_map(|_| in_turn(&pools, &mut turn)).map(|pool| pool.port).collect();
        told.sort_unstable();
        let twice: Vec<_> = (1..=300).flat_map(|port| [port, port]).collect();
        assert_eq!(told, twice, "in three turns of 200, each of 300 is told twice");
        assert_eq!(in_turn(&pools[..5], &mut turn).len(), 5);
    }
}
