//! A pool at one moment.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::Duration;

use poolscope_semconv::value::{AcquireOutcome, BlockingReason, ConnectPhase, LimitOutcome};

use super::attempt::Failure;
use super::connection::Connection;
use super::holder::{Held, Stage};
use super::limit::LimitSnapshot;
use super::pool::Pool;
use super::snapshot::{
    ConnectFailures, ConnectionCounts, HolderSnapshot, PoolSnapshot, Protocol, WaitingSnapshot,
};
use crate::clock::Instant;

impl Pool {
    /// Counts of one protocol; `unbound` requests make idle connections active, since each of them uses one. A pool with
    /// connections of both protocols takes them for HTTP/1 requests, which each need a connection of their own.
    fn counts(&self, protocol: Protocol, unbound: u64) -> ConnectionCounts {
        let (open, active, upgraded) = self.packed(protocol);
        let unbound = if protocol == Protocol::Http1 { unbound } else { unbound.min(1) };
        let active = (active + unbound).min(open - upgraded);
        ConnectionCounts { idle: open - upgraded - active, active, upgraded }
    }

    /// Connections of the protocols that were seen.
    pub(super) fn connections(&self, seen: [bool; 2]) -> Vec<(Protocol, ConnectionCounts)> {
        let unbound = self.unbound();
        let seen = |protocol: Protocol| seen[protocol as usize];
        let counts = |protocol| {
            let is_theirs = protocol == Protocol::Http1 || !seen(Protocol::Http1);
            (protocol, self.counts(protocol, if is_theirs { unbound } else { 0 }))
        };
        Protocol::ALL.into_iter().filter(|protocol| seen(*protocol)).map(counts).collect()
    }

    pub(super) fn snapshot(&self, now: Instant) -> PoolSnapshot {
        let holders: Vec<_> = self.holders().iter().filter_map(|holder| holder.held()).collect();
        let book = self.book();
        let connections = self.connections(book.seen);
        let live_bytes = book.open.values().map(|connection| connection.bytes());
        let bytes = live_bytes.fold(book.bytes, |sum, add| (sum.0 + add.0, sum.1 + add.1));
        let listed = listed(book.open.values(), self.config.max_listed, now);
        let open: Vec<_> = listed.into_iter().map(|connection| connection.snapshot(now)).collect();
        // Over HTTP/2 alone, a request that holds a connection is a stream of it before the answer tells which one.
        let is_http2 = book.seen == [false, true];
        let unbound_streams = || if is_http2 { self.unbound() } else { 0 };
        let (opened, wasted, retransmits) = (book.opened, book.wasted, book.retransmits);
        let closed =
            book.closed.iter().map(|((reason, certainty), count)| (*reason, *certainty, *count)).collect();
        let connect_failures =
            book.failures.iter().map(|(failure, count)| failures(*failure, *count)).collect();
        drop(book);
        // What ends is read before what begins, so that no difference of the two can be negative.
        let released = self.released.load(Acquire);
        let outcomes = AcquireOutcome::ALL
            .iter()
            .map(|outcome| (*outcome, self.outcomes[outcome.index()].load(Acquire)));
        let mut acquires: Vec<_> = outcomes.collect();
        let acquired = self.acquired.load(Acquire);
        let mut acquires_started = self.started.load(Acquire);
        // Read last, since whoever leaves the queue asks for a connection then, and must not be counted for both.
        let limit = self.limit.snapshot(now);
        if let Some(limit) = &limit {
            acquires_started += limit.queued + add_refused(&mut acquires, limit);
        }
        let streams_ended = self.streams[1].load(Acquire);
        let connects_ended = self.connects[1].load(Acquire);
        let connecting = self.connects[0].load(Acquire).saturating_sub(connects_ended);
        let mut snapshot = PoolSnapshot {
            client: self.name.client.to_string(),
            scheme: self.destination.scheme.as_str(),
            host: self.destination.host.to_string(),
            port: self.destination.port,
            observation: self.config.observation,
            connections,
            connecting,
            opened,
            closed,
            wasted,
            connect_failures,
            connect_abandoned: self.abandoned.load(Relaxed),
            acquires_started,
            acquired,
            acquires,
            released,
            stale_reuse: self.stale.load(Relaxed),
            streams: self.streams[0].load(Acquire).saturating_sub(streams_ended) + unbound_streams(),
            bytes: self.sees_bytes().then_some(bytes),
            retransmits,
            wait: self.times.wait.snapshot(),
            queued: self.times.queued.snapshot(),
            usage: self.times.usage.snapshot(),
            idle: self.times.idle.snapshot(),
            create: self.times.create.snapshot(),
            phases: ConnectPhase::ALL
                .iter()
                .map(|phase| (*phase, self.times.phases[phase.index()].snapshot()))
                .filter(|(_, times)| times.count() > 0)
                .collect(),
            lookups: self.lookups.snapshot(),
            lifetime: Protocol::ALL
                .into_iter()
                .map(|protocol| (protocol, self.times.lifetime[protocol as usize].snapshot()))
                .filter(|(_, lifetime)| lifetime.count() > 0)
                .collect(),
            requests: self.times.requests.snapshot(),
            rtt: self.times.rtt.snapshot(),
            results: self.results().snapshot(),
            leaks_suspected: self.leaks.suspected(),
            leaks_active: self.leaks.active(),
            limit,
            waiting: None,
            held: Vec::new(),
            open,
        };
        snapshot.waiting = self.waiting(&snapshot, &holders, now);
        snapshot.held = held(&holders, self.config.max_listed, now);
        snapshot
    }

    /// Those who wait, for how long, and what for.
    fn waiting(&self, pool: &PoolSnapshot, holders: &[Held], now: Instant) -> Option<WaitingSnapshot> {
        let waiting = holders.iter().filter(|held| held.stage == Stage::Waiting);
        let since = waiting.map(|held| held.since).min();
        let oldest = since.map(|since| now.saturating_duration_since(since));
        let limited = pool.limit.as_ref().filter(|limit| limit.queued > 0);
        let requests = pool.pending();
        (requests > 0).then(|| WaitingSnapshot {
            requests,
            oldest: oldest.max(limited.and_then(|limit| limit.oldest_wait)).unwrap_or_default(),
            blocked_by: if limited.is_some() { BlockingReason::Limit } else { self.blocked_by(pool) },
        })
    }

    /// Why those who wait do.
    fn blocked_by(&self, pool: &PoolSnapshot) -> BlockingReason {
        let counts = pool.counts();
        let shares_connections = pool.connections.iter().any(|(protocol, _)| *protocol == Protocol::Http2);
        // A request that finds no connection has one made, unless the pool is limited.
        let is_served = pool.connecting > 0 && (shares_connections || pool.pending() <= pool.connecting);
        let is_used_up = counts.active > 0 && counts.idle == 0 && !is_served;
        if self.connect_fails.load(Relaxed) {
            BlockingReason::ConnectFailing
        } else if is_used_up && pool.leaks_active > 0 {
            BlockingReason::Leaked
        } else if is_used_up {
            BlockingReason::InUse
        } else if pool.connecting > 0 {
            BlockingReason::Connecting
        } else {
            BlockingReason::Unknown
        }
    }
}

/// Counts those who were refused by a limit among the acquires that came to nothing, and gives their number.
fn add_refused(acquires: &mut [(AcquireOutcome, u64)], limit: &LimitSnapshot) -> u64 {
    let failed = limit.outcome(LimitOutcome::QueueFull) + limit.outcome(LimitOutcome::TimedOut);
    let canceled = limit.outcome(LimitOutcome::Canceled);
    for (outcome, count) in acquires {
        match outcome {
            AcquireOutcome::Failed => *count += failed,
            AcquireOutcome::Canceled => *count += canceled,
            AcquireOutcome::Reused | AcquireOutcome::New | AcquireOutcome::Waited => {}
        }
    }
    failed + canceled
}

/// In use for as long, a connection is rather held than busy.
const HELD: Duration = Duration::from_secs(1);

/// The connections that are listed, of those of a pool in the order of their ids.
fn listed<'a>(
    open: impl ExactSizeIterator<Item = &'a Arc<Connection>>,
    max: usize,
    now: Instant,
) -> Vec<&'a Arc<Connection>> {
    if open.len() <= max {
        return open.collect();
    }
    let (mut held, mut others): (Vec<_>, Vec<_>) =
        open.partition(|connection| connection.active_for(now) >= HELD);
    held.sort_by_cached_key(|connection| std::cmp::Reverse(connection.active_for(now)));
    others.extend(held.split_off(held.len().min(max / 2)));
    others.sort_by_key(|connection| connection.id());
    others.truncate(max - held.len());
    others.append(&mut held);
    others.sort_by_key(|connection| connection.id());
    others
}

fn failures(failure: Failure, count: u64) -> ConnectFailures {
    ConnectFailures { error_type: failure.error_type, phase: failure.phase, count }
}

/// Requests that hold a connection, those that have held it for longest first.
fn held(holders: &[Held], max: usize, now: Instant) -> Vec<HolderSnapshot> {
    let mut held: Vec<_> = holders.iter().filter(|held| held.stage != Stage::Waiting).collect();
    held.sort_by_key(|held| held.since);
    held.into_iter()
        .take(max)
        .map(|held| HolderSnapshot {
            connection: held.connection,
            method: held.method,
            held: now.saturating_duration_since(held.since),
            is_answered: held.stage != Stage::Asking,
            is_leaked: held.stage == Stage::Leaked,
            trace_id: held.trace.map(|trace| format!("{:032x}", trace.trace_id)),
            origin: held.origin.map(|origin| origin.to_string()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{open, pool_of};
    use super::*;
    use crate::Scope;

    /// What the snapshot tells of the only connection, so long after it was opened: in use for, in use altogether.
    fn told(scope: &Scope, at: Instant) -> (Duration, Duration) {
        let [connection] = &pool_of(scope).snapshot(at).open[..] else { panic!("one connection") };
        (connection.active_for, connection.active_time)
    }

    #[test]
    fn the_time_in_use_is_the_time_in_which_any_request_uses_it() {
        let scope = Scope::new();
        let connection = open(&scope, Protocol::Http2);
        let after = |secs: u64| connection.opened() + Duration::from_secs(secs);
        let secs =
            |active_for, active_time| (Duration::from_secs(active_for), Duration::from_secs(active_time));
        assert_eq!(told(&scope, after(5)), secs(0, 0));
        connection.enter(after(5));
        connection.enter(after(6));
        assert_eq!(told(&scope, after(8)), secs(3, 3));
        connection.leave(after(9));
        assert_eq!(told(&scope, after(10)), secs(5, 5), "the second one still uses it");
        connection.leave(after(10));
        assert_eq!(told(&scope, after(20)), secs(0, 5));
        // Told of late, and of a time that was counted already.
        connection.enter(after(9));
        connection.leave(after(12));
        assert_eq!(told(&scope, after(20)), secs(0, 7));
    }

    #[test]
    fn of_too_many_the_held_ones_are_listed_and_the_oldest() {
        let scope = Scope::builder().max_listed_connections(4).build();
        let all: Vec<_> = (0..8).map(|_| open(&scope, Protocol::Http1)).collect();
        let now = all[7].opened() + Duration::from_secs(10);
        let at = |secs: u64| all[7].opened() + Duration::from_secs(secs);
        for (index, since) in [(1, 8), (4, 7), (6, 1), (7, 2)] {
            all[index].enter(at(since));
        }
        let listed: Vec<_> = pool_of(&scope).snapshot(now).open.iter().map(|one| one.id).collect();
        let ids: Vec<_> = [0, 1, 6, 7].map(|index: usize| all[index].id()).into();
        assert_eq!(listed, ids);
        assert_eq!(pool_of(&scope).snapshot(now).counts().open(), 8, "counts are not cut");
    }
}
