//! What one report says about a pool.

use poolscope_semconv::value::{AcquireOutcome, CloseReason, ConnectPhase};

use super::buckets::Buckets;
use super::told::Told;
use crate::model::{PoolFigure, PoolReading};
use crate::rules::{Cause, Failures};

/// Figures that hold at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Gauges {
    pub(super) open: Open,
    /// `None` if the sender does not tell; so for each of the others that may be absent.
    pub(super) connecting: Option<f64>,
    pub(super) leaked: Option<f64>,
    pub(super) limit: Option<f64>,
    pub(super) limited: f64,
    pub(super) queued: f64,
    pub(super) oldest_wait_s: f64,
    pub(super) pending: Option<f64>,
    pub(super) in_flight: Option<f64>,
    /// Most connections that the pool opens.
    pub(super) max: Option<f64>,
    pub(super) idle_max: Option<f64>,
    pub(super) idle_min: Option<f64>,
}

/// Open connections by their state; `None` if the sender never told of such.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Open {
    pub(super) idle: Option<f64>,
    pub(super) active: Option<f64>,
    pub(super) upgraded: Option<f64>,
}

/// One report: gauges at its moment, and what was added since the report before.
#[derive(Debug, Clone, Default)]
pub(super) struct Sample {
    pub(super) at_ms: u64,
    /// Time since the report before; 0 if there is none, and then nothing is known about rates.
    pub(super) elapsed_s: f64,
    pub(super) gauges: Gauges,
    pub(super) requests: u64,
    pub(super) errors: u64,
    /// By the counter of them.
    pub(super) opened: u64,
    /// Opened by the count of the times that it took, for senders without that counter.
    pub(super) created: u64,
    pub(super) failed: Failures,
    /// `None` if the sender does not tell.
    pub(super) wasted: Option<u64>,
    /// Of those that were closed, by the peer while no request used them.
    pub(super) closed_idle_by_peer: u64,
    pub(super) stale_reuse: u64,
    /// Requests that the limit refused.
    pub(super) refused: u64,
    /// Waits for a connection that were given up.
    pub(super) timeouts: u64,
    /// Closes by the counter of closes.
    pub(super) closed: Option<u64>,
    /// Closes by the count of finished lives, for senders without that counter.
    pub(super) ended: u64,
    /// Acquires served by a connection that was open already.
    pub(super) reused: u64,
    /// Acquires that got a connection.
    pub(super) served: u64,
    pub(super) wait: Buckets,
    /// .NET's wait, for senders without ours.
    pub(super) queue: Buckets,
    pub(super) held: Buckets,
    pub(super) duration: Buckets,
    /// Times that names took to resolve, and TLS to shake hands.
    pub(super) dns: Buckets,
    pub(super) tls: Buckets,
}

/// Adds to a count. A sender may claim any number; the sum stays at the largest there is.
pub(super) fn add(sum: &mut u64, count: u64) {
    *sum = sum.saturating_add(count);
}

/// The sum of counts of which one or both may not be told.
pub(super) fn both(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a.or(b).map(|_| a.unwrap_or(0).saturating_add(b.unwrap_or(0)))
}

impl Sample {
    /// Requests that ended. A pool of a database tells them by the times that connections were used.
    pub(super) fn requests(&self, told: Told) -> Option<u64> {
        let uses = told.uses.then(|| self.held.count());
        if told.results { Some(self.requests) } else { uses.or(told.ours.then_some(0)) }
    }

    pub(super) fn opened(&self, told: Told) -> Option<u64> {
        if told.ours { Some(self.opened) } else { told.creates.then_some(self.created) }
    }

    pub(super) fn closed(&self) -> u64 {
        self.closed.unwrap_or(self.ended)
    }

    pub(super) fn wait(&self) -> &Buckets {
        if self.wait.is_void() { &self.queue } else { &self.wait }
    }

    /// Share of acquires that were served by an open connection.
    pub(super) fn reuse(&self) -> Option<f64> {
        (self.served > 0).then(|| self.reused as f64 / self.served as f64)
    }

    /// Takes what a series that counts has added.
    pub(super) fn take(&mut self, reading: &PoolReading<'_>, added: &Buckets) {
        let count = added.count();
        match reading.figure {
            PoolFigure::Acquires => match AcquireOutcome::parse(&reading.label) {
                Some(AcquireOutcome::Reused | AcquireOutcome::Waited) => {
                    add(&mut self.reused, count);
                    add(&mut self.served, count);
                }
                Some(AcquireOutcome::New) => add(&mut self.served, count),
                _ => {}
            },
            PoolFigure::Opened => add(&mut self.opened, count),
            PoolFigure::Failed => self.failed.add(Cause::of(&reading.label, reading.phase), count),
            PoolFigure::Wasted => add(self.wasted.get_or_insert(0), count),
            PoolFigure::StaleReuse => add(&mut self.stale_reuse, count),
            PoolFigure::Timeouts => add(&mut self.timeouts, count),
            PoolFigure::Create => add(&mut self.created, count),
            PoolFigure::Asked if reading.marked => add(&mut self.refused, count),
            PoolFigure::Closed => {
                add(self.closed.get_or_insert(0), count);
                if *reading.label == *CloseReason::PeerClosedIdle.as_str() {
                    add(&mut self.closed_idle_by_peer, count);
                }
            }
            PoolFigure::Phase if reading.phase == Some(ConnectPhase::Dns) => self.dns.add(added),
            PoolFigure::Phase if reading.phase == Some(ConnectPhase::Tls) => self.tls.add(added),
            PoolFigure::Lifetime => add(&mut self.ended, count),
            PoolFigure::Wait => self.wait.add(added),
            PoolFigure::Queue => self.queue.add(added),
            PoolFigure::Use => self.held.add(added),
            PoolFigure::Duration => {
                add(&mut self.requests, count);
                if reading.marked {
                    add(&mut self.errors, count);
                }
                self.duration.add(added);
            }
            _ => {}
        }
    }

    /// The sum of samples: what happened over a window. Gauges are those of the last.
    pub(super) fn sum<'a>(samples: impl Iterator<Item = &'a Self>) -> Self {
        let mut sum = Self::default();
        samples.for_each(|sample| sum.add(sample));
        sum
    }

    /// Adds what came after.
    pub(super) fn add(&mut self, later: &Self) {
        self.at_ms = later.at_ms;
        self.gauges = later.gauges;
        self.elapsed_s += later.elapsed_s;
        for (sum, count) in [
            (&mut self.requests, later.requests),
            (&mut self.errors, later.errors),
            (&mut self.opened, later.opened),
            (&mut self.created, later.created),
            (&mut self.closed_idle_by_peer, later.closed_idle_by_peer),
            (&mut self.stale_reuse, later.stale_reuse),
            (&mut self.refused, later.refused),
            (&mut self.timeouts, later.timeouts),
            (&mut self.ended, later.ended),
            (&mut self.reused, later.reused),
            (&mut self.served, later.served),
        ] {
            add(sum, count);
        }
        self.failed.merge(&later.failed);
        self.closed = both(self.closed, later.closed);
        self.wasted = both(self.wasted, later.wasted);
        for (sum, buckets) in [
            (&mut self.wait, &later.wait),
            (&mut self.queue, &later.queue),
            (&mut self.held, &later.held),
            (&mut self.duration, &later.duration),
            (&mut self.dns, &later.dns),
            (&mut self.tls, &later.tls),
        ] {
            sum.add(buckets);
        }
    }
}

#[cfg(test)]
mod tests {
    use poolscope_wire::PoolPoint;

    use super::*;
    use crate::store::history::Step;

    fn told_as(sample: &Sample, told: Told) -> PoolPoint {
        Step::of_sample(sample, told, false).point()
    }

    #[test]
    fn rates_are_over_the_time_that_really_passed() {
        let sample = Sample { elapsed_s: 2.5, requests: 50, opened: 5, ..Sample::default() };
        let told = Told { ours: true, results: true, ..Told::default() };
        let point = told_as(&sample, told);
        assert_eq!((point.requests_per_s, point.opened_per_s), (Some(20.0), Some(2.0)));
        let first = Sample { requests: 50, ..Sample::default() };
        assert_eq!(told_as(&first, told).requests_per_s, Some(0.0));
    }

    #[test]
    fn what_is_not_known_is_none() {
        let told = Told::default();
        let point = told_as(&Sample::default(), told);
        assert_eq!((point.idle, point.active, point.pending, point.in_flight), (None, None, None, None));
        assert_eq!((point.requests_per_s, point.errors_per_s, point.closed_per_s), (None, None, None));
        assert_eq!((point.reuse, point.wait_p50_s, point.use_p99_s), (None, None, None));
        assert_eq!((point.connecting, point.leaked, point.wasted_per_s), (None, None, None));
        let none_wasted = Sample { wasted: Some(0), ..Sample::default() };
        let sum = Sample::sum([&Sample::default(), &none_wasted].into_iter());
        assert_eq!(told_as(&sum, told).wasted_per_s, Some(0.0), "none is not the same as not known");
    }

    #[test]
    fn a_window_is_the_sum_of_buckets_and_not_the_mean_of_percentiles() {
        let bounds: std::sync::Arc<[f64]> = [1.0, 10.0].into();
        let fast = Sample { wait: Buckets::new(bounds.clone(), vec![98, 0, 0]), ..Sample::default() };
        let slow = Sample { wait: Buckets::new(bounds, vec![0, 2, 0]), ..Sample::default() };
        let p50 = Sample::sum([&fast, &slow].into_iter()).wait().quantile(0.5).unwrap();
        assert!(p50 < 1.0, "{p50}");
    }
}
