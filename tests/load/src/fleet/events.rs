//! What the connections of pools do, one by one.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};
use opentelemetry_proto::tonic::resource::v1::Resource;
use poolscope_semconv::value::{Certainty, CloseReason, ConnectionState};
use poolscope_semconv::{attr, event};

use super::{HOST, PORT, Pool, attribute, integer, text};

/// Steps after which a connection makes room for a new one.
const LIFE: u64 = 300;

/// A request without records.
pub(super) fn request(resource: Resource, scope: InstrumentationScope) -> ExportLogsServiceRequest {
    let logs = ScopeLogs { scope: Some(scope), ..ScopeLogs::default() };
    let resource =
        ResourceLogs { resource: Some(resource), scope_logs: vec![logs], ..ResourceLogs::default() };
    ExportLogsServiceRequest { resource_logs: vec![resource] }
}

/// The records of a step.
pub(super) fn records(pools: &[Pool], step: u64, at: u64) -> Vec<LogRecord> {
    pools.iter().flat_map(|pool| closes(pool, step, at).chain([snapshot(pool, step, at)])).collect()
}

fn record(name: &str, severity: SeverityNumber, at: u64) -> LogRecord {
    LogRecord {
        time_unix_nano: at,
        observed_time_unix_nano: at,
        severity_number: severity.into(),
        event_name: name.to_owned(),
        ..LogRecord::default()
    }
}

/// The connections of a pool, each in its place: the one there has its number, and is so many steps old.
fn places(pool: &Pool, step: u64) -> impl Iterator<Item = (u64, u64)> {
    let connections = pool.connections;
    (0..connections).map(move |place| {
        let turn = step + place * LIFE / connections + pool.number % LIFE;
        (turn / LIFE * connections + place, turn % LIFE)
    })
}

fn snapshot(pool: &Pool, step: u64, at: u64) -> LogRecord {
    let active = pool.active(step);
    let rows = places(pool, step).enumerate().map(|(place, (id, age))| {
        let is_active = (place as u64) < active;
        let state = if is_active { ConnectionState::Active } else { ConnectionState::Idle };
        let age = age as f64 + 0.5;
        let row = format!(
            "{id} {} {} {age:.3} 0.250 {:.0} {:.3} {HOST}:{PORT}",
            state.as_str(),
            u8::from(is_active),
            age * 4.0,
            age * 0.4
        );
        AnyValue { value: Some(Value::StringValue(row)) }
    });
    let figures = [
        (attr::POOL_OPEN, pool.connections),
        (attr::POOL_ACTIVE, active),
        (attr::POOL_IDLE, pool.connections - active),
        (attr::POOL_CONNECTING, 0),
        (attr::POOL_WAITING, pool.pending(step)),
    ];
    let rows = attribute(attr::POOL_CONNECTIONS, Value::ArrayValue(ArrayValue { values: rows.collect() }));
    let figures = figures.map(|(key, value)| integer(key, value.cast_signed()));
    let attributes = pool.key().into_iter().chain(figures).chain([rows]).collect();
    LogRecord { attributes, ..record(event::POOL_SNAPSHOT, SeverityNumber::Debug, at) }
}

/// The connections whose time is over.
fn closes(pool: &Pool, step: u64, at: u64) -> impl Iterator<Item = LogRecord> {
    let over = places(pool, step).filter(|(id, age)| *age == 0 && *id >= pool.connections);
    over.map(move |(id, _)| {
        let more = [
            integer(attr::CONNECTION_ID, (id - pool.connections).cast_signed()),
            text(attr::CLOSE_REASON, CloseReason::IdleTimeout.as_str()),
            text(attr::CLOSE_CERTAINTY, Certainty::Known.as_str()),
            attribute(attr::CONNECTION_LIFETIME, Value::DoubleValue(LIFE as f64)),
            integer(attr::CONNECTION_REQUESTS, (LIFE * 4).cast_signed()),
        ];
        let attributes = pool.key().into_iter().chain(more).collect();
        LogRecord { attributes, ..record(event::CONNECTION_CLOSED, SeverityNumber::Debug, at) }
    })
}
