//! Pools as they are, told as events now and then.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Weak;
use std::time::{Duration, SystemTime};

use opentelemetry::Context;
use opentelemetry::logs::{AnyValue, LogRecord, Logger, Severity};
use opentelemetry_sdk::logs::SdkLogger;
use poolscope_semconv::value::Observation;
use poolscope_semconv::{attr, event as name};

use crate::Scope;
use crate::event::record::integer;
use crate::registry::{ConnectionSnapshot, PoolSnapshot};

/// However short an interval is asked for, it is not shorter.
const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// How often, and how many connections of each pool.
#[derive(Debug, Clone, Copy)]
pub(super) struct PoolEvents {
    pub(super) interval: Duration,
    pub(super) max_connections: usize,
}

impl PoolEvents {
    /// Tells every pool on the interval, for as long as there is a logger.
    pub(super) async fn run(self, scope: Scope, logger: Weak<SdkLogger>) {
        let mut ticks = tokio::time::interval(self.interval.max(MIN_INTERVAL));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Some(logger) = logger.upgrade() else { return };
            // Sources of breakers are the user's code; one that panics must not end it.
            let Ok(snapshot) = catch_unwind(AssertUnwindSafe(|| scope.snapshot())) else { continue };
            // This thread's work is not told of; what it says of the application is.
            let _context = Context::new().attach();
            for pool in &snapshot.pools {
                let mut record = logger.create_log_record();
                fill(&mut record, pool, self.max_connections, snapshot.at);
                logger.emit(record);
            }
        }
    }
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

/// Identity, state, seconds since a request last used it, and requests served.
fn row(connection: &ConnectionSnapshot) -> String {
    let ConnectionSnapshot { id, state, idle_for, requests, .. } = connection;
    format!("{id} {state} {:.3} {requests}", idle_for.as_secs_f64())
}
