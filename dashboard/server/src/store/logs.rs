//! What events tell: changes that metrics tell later, and the events themselves.

use poolscope_semconv::value::HealthState;
use poolscope_semconv::{attr, event};
use poolscope_wire::Severity;

use super::Store;
use super::breaker::{Change, parse_state};
use super::forced;
use super::id::Id;
use crate::clock::axis_ms;
use crate::model::{Destination, EventRecord, ProtectionKind};

impl Store {
    /// Applies a logs request, and tells the traces that are named by what somebody will look at.
    pub(crate) fn take_events(&mut self, records: &[EventRecord<'_>], now_ms: u64) -> Vec<u128> {
        let mut changed = false;
        let mut named = Vec::new();
        for record in records {
            self.see(record.sender, now_ms);
            if let Some(instance) = self.instances.get_mut(Id::instance(record.sender)) {
                instance.events = instance.events.saturating_add(1);
            }
            let at_ms = axis_ms(record.time_ns, now_ms);
            let breaker = record.get(attr::BREAKER_NAME).filter(|name| !name.is_empty());
            if record.name == event::BREAKER_TRANSITION {
                changed |= self.take_transition(record, at_ms, now_ms);
            }
            if record.name == event::HEALTH_CHANGED {
                self.take_health(record, at_ms, now_ms);
            }
            let pool = destination(record).map(|destination| Id::pool(record.sender, destination));
            if let Some(unknown) = pool.filter(|id| self.pools.get(*id).is_none())
                && record.name == event::CONNECTION_CLOSED
            {
                self.early.note(unknown, record, at_ms, now_ms, self.limits.max_text_bytes);
            }
            // An event that names no client belongs to a pool only where a pool has none either.
            let names_client = record.get(attr::CLIENT_NAME).is_some();
            let pool = pool.filter(|id| names_client || self.pools.get(*id).is_some());
            if let Some(pool) = pool.and_then(|id| self.pools.get_mut(id)) {
                pool.take_event(record, at_ms, now_ms, self.limits.max_text_bytes, &mut self.lane_budget);
            }
            // What a pool is like now is no news; it is in its lanes.
            if record.name == event::POOL_SNAPSHOT {
                continue;
            }
            let breaker = breaker.map(|name| Id::breaker(record.sender, name));
            let severity = self.events.push(record, at_ms, pool, breaker, self.limits.max_text_bytes);
            let trace = <[u8; 16]>::try_from(record.trace_id).map_or(0, u128::from_be_bytes);
            if severity > Severity::Ok && trace != 0 {
                named.push(trace);
            }
        }
        if changed {
            self.pair_breakers(now_ms);
        }
        named
    }

    fn take_transition(&mut self, record: &EventRecord<'_>, at_ms: u64, now_ms: u64) -> bool {
        let state = |key| record.get(key).and_then(parse_state);
        let (Some(name), Some(to)) = (record.get(attr::BREAKER_NAME), state(attr::BREAKER_TO)) else {
            return false;
        };
        let max_text = self.limits.max_text_bytes;
        let Some(breaker) = self.breaker(record.sender, name, now_ms) else { return false };
        let change = Change {
            from: state(attr::BREAKER_FROM).unwrap_or(breaker.state),
            to,
            reason: record.get(attr::BREAKER_REASON).unwrap_or_default(),
            shares: [
                attr::BREAKER_FAILURE_RATIO,
                attr::BREAKER_SLOW_CALL_RATIO,
                attr::BREAKER_CONNECT_FAILURE_RATIO,
            ]
            .map(|key| record.number(key).map(|share| share.clamp(0.0, 1.0))),
            window_calls: record.number(attr::BREAKER_WINDOW_CALLS).map(|calls| calls.max(0.0) as u64),
            open_for_s: record.number(attr::BREAKER_OPEN_FOR),
            forced: forced::by(record, at_ms, max_text),
        };
        let changed = breaker.change(&change, at_ms, now_ms, max_text);
        if let Some(breaker) = self.breakers.get_mut(Id::breaker(record.sender, name)) {
            breaker.judge(&self.levels, now_ms);
        }
        changed
    }

    /// A probe that only events tell of has no figures, so it is not made by them.
    fn take_health(&mut self, record: &EventRecord<'_>, at_ms: u64, now_ms: u64) {
        let name = record.get(attr::HEALTH_NAME).unwrap_or_default();
        let id = Id::protection(record.sender, ProtectionKind::Probe, (name, ""));
        let state = record.get(attr::HEALTH_STATE).and_then(HealthState::parse);
        let reason = record.get(attr::HEALTH_REASON).unwrap_or_default();
        if let (Some(state), Some(probe)) = (state, self.protection.get_mut(id)) {
            (probe.last_seen_ms, probe.hidden) = (now_ms, false);
            probe.change(state, reason, at_ms, self.limits.max_text_bytes);
            probe.judge(&self.levels, now_ms);
        }
    }
}

/// The pool that an event names.
fn destination<'a>(record: &'a EventRecord<'_>) -> Option<Destination<'a>> {
    let address = record.get(attr::SERVER_ADDRESS).filter(|address| !address.is_empty())?;
    Some(Destination::new(
        record.get(attr::CLIENT_NAME).unwrap_or_default(),
        record.get(attr::URL_SCHEME).unwrap_or_default(),
        address,
        record.get(attr::SERVER_PORT).and_then(|port| port.parse().ok()),
    ))
}
