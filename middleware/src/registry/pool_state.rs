//! [`PoolState`]: what a pool had at the moment at which something went wrong.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Acquire;

use poolscope_semconv::value::AcquireOutcome;

use super::pool::Pool;
use super::snapshot::ConnectionCounts;
use crate::event::PoolName;

/// A pool at the moment at which a request or a connect in it was given up, before that one gave back what it had.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolState {
    /// Which pool it is.
    pub name: Arc<PoolName>,
    /// Open connections.
    pub open: u64,
    /// Those with at least one request.
    pub active: u64,
    /// Those without a request.
    pub idle: u64,
    /// Connections that are being established.
    pub connecting: u64,
    /// Requests that wait for a connection or for their turn, the one that is given up included.
    pub waiting: u64,
    /// Those of them that wait for their turn under a limit.
    pub queued: u64,
    /// Most requests that may be in flight, if the pool has a limit.
    pub limit: Option<u32>,
}

impl fmt::Display for PoolState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, open, active, idle, connecting, waiting, queued, limit } = self;
        let s = |count: u64| if count == 1 { "" } else { "s" };
        write!(
            f,
            "pool {:?}: {open} connection{} open, {active} active, {idle} idle",
            name.client,
            s(*open)
        )?;
        if *connecting > 0 {
            write!(f, ", {connecting} connecting")?;
        }
        write!(f, ", {waiting} request{} waiting", s(*waiting))?;
        match limit {
            Some(limit) => write!(f, ", {queued} of them for the limit of {limit}"),
            None => Ok(()),
        }
    }
}

impl Pool {
    /// What it has now. Takes a short lock, so it is for what has gone wrong.
    pub(crate) fn state(&self) -> PoolState {
        let seen = self.book().seen;
        let connections = self.connections(seen);
        let sum = |of: fn(&ConnectionCounts) -> u64| connections.iter().map(|(_, counts)| of(counts)).sum();
        // What ends is read before what begins, so that no difference of the two can be negative.
        let ended: u64 = [AcquireOutcome::Failed, AcquireOutcome::Canceled]
            .iter()
            .map(|outcome| self.outcomes[outcome.index()].load(Acquire))
            .chain([self.acquired.load(Acquire)])
            .sum();
        let connects_ended = self.connects[1].load(Acquire);
        let waiting = self.started.load(Acquire).saturating_sub(ended);
        let (queued, limit) = self.limit.queued_for().unzip();
        let queued = queued.unwrap_or_default();
        PoolState {
            name: Arc::clone(&self.name),
            open: sum(ConnectionCounts::open),
            active: sum(|counts| counts.active),
            idle: sum(|counts| counts.idle),
            connecting: self.connects[0].load(Acquire).saturating_sub(connects_ended),
            waiting: waiting + queued,
            queued,
            limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_in_words() {
        let name = PoolName { client: "pay".into(), ..(**Pool::unseen().name()).clone() };
        let name = Arc::new(name);
        let mut state = PoolState {
            name,
            open: 20,
            active: 19,
            idle: 1,
            connecting: 0,
            waiting: 12,
            queued: 0,
            limit: None,
        };
        assert_eq!(
            state.to_string(),
            "pool \"pay\": 20 connections open, 19 active, 1 idle, 12 requests waiting"
        );
        (state.open, state.connecting, state.waiting) = (1, 2, 1);
        assert_eq!(
            state.to_string(),
            "pool \"pay\": 1 connection open, 19 active, 1 idle, 2 connecting, 1 request waiting"
        );
        (state.connecting, state.queued, state.limit) = (0, 1, Some(20));
        assert!(
            state.to_string().ends_with("1 idle, 1 request waiting, 1 of them for the limit of 20"),
            "{state}"
        );
    }
}
