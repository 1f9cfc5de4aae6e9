//! Leak watch: connections whose answer nobody reads or drops.

use std::sync::Arc;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use std::time::Duration;

use super::connection::Connection;
use super::holder::{Finding, Held};
use super::pool::Pool;
use super::snapshot::Protocol;
use crate::clock::Instant;
use crate::event::{Event, Leak};

/// Leaks of a pool: reported and taken back.
#[derive(Debug, Default)]
pub(crate) struct Leaks {
    suspected: AtomicU64,
    returned: AtomicU64,
}

impl Leaks {
    /// All that were reported.
    pub(super) fn suspected(&self) -> u64 {
        self.suspected.load(Relaxed)
    }

    /// Those that are reported now.
    pub(super) fn active(&self) -> u64 {
        let returned = self.returned.load(Acquire);
        self.suspected.load(Acquire).saturating_sub(returned)
    }
}

impl Pool {
    /// Looks for answers that were left alone for longer than the pool's threshold, and reports each once.
    pub(crate) fn look_for_leaks(&self, now: Instant) {
        let Some(threshold) = self.leak_threshold() else { return };
        for holder in self.holders() {
            match holder.look(threshold, now) {
                Some(Finding::Leaked(held, report)) if self.is_held(&held) => {
                    self.leaks.suspected.fetch_add(1, AcqRel);
                    self.emit(&Event::LeakSuspected(self.leak(&held, now)));
                    if !holder.reported(report) {
                        self.leak_returned(&held, now);
                    }
                }
                Some(Finding::StillLeaked(held, report))
                    if !self.is_held(&held) && holder.returned(report) =>
                {
                    self.leak_returned(&held, now);
                }
                Some(Finding::ReadAgain(held)) => self.leak_returned(&held, now),
                _ => {}
            }
        }
    }

    /// True unless the connection is closed or has gone on to its next request.
    fn is_held(&self, held: &Held) -> bool {
        let (Some(id), Some(turn)) = (held.connection, held.turn) else { return true };
        let is_its =
            |known: &Arc<Connection>| known.protocol() == Protocol::Http2 || known.requests() <= turn;
        self.book().open.get(&id).is_some_and(is_its)
    }

    /// What was reported as leaked is given back, read again, or holds no connection any more.
    pub(super) fn leak_returned(&self, held: &Held, now: Instant) {
        self.leaks.returned.fetch_add(1, AcqRel);
        self.emit(&Event::LeakReturned(self.leak(held, now)));
    }

    pub(super) fn leak(&self, held: &Held, now: Instant) -> Leak {
        Leak {
            pool: Arc::clone(&self.name),
            connection: held.connection,
            method: held.method,
            held: now.saturating_duration_since(held.since),
            trace_id: held.trace.map(|trace| trace.trace_id),
            span_id: held.trace.map(|trace| trace.span_id),
            origin: held.origin,
        }
    }
}

/// How often to look, so that a leak is reported soon after its threshold.
pub(crate) fn look_interval(threshold: Duration) -> Duration {
    (threshold / 8).clamp(Duration::from_millis(20), Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;

    use poolscope_semconv::value::Observation;

    use super::*;
    use crate::Origin;
    use crate::event::{Events, PoolName};
    use crate::registry::holder::TraceRef;
    use crate::registry::key::{Destination, Scheme};
    use crate::registry::pool::PoolConfig;
    use crate::registry::{End, Request};

    const REQUESTS: u64 = 5_000;

    fn pool(events: Arc<Events>) -> Pool {
        let destination = Destination { scheme: Scheme::Http, host: "host".into(), port: 80 };
        let name = PoolName { client: "test".into(), scheme: "http", host: "host".into(), port: 80 };
        let config = PoolConfig {
            observation: Observation::Exact,
            idle_timeout: Duration::MAX,
            max_listed: 0,
            leak_threshold: Some(Duration::ZERO),
            hygiene: None,
            exemplars: Arc::default(),
        };
        Pool::new(name, destination, config, events)
    }

    /// Requests of two kinds take turns with the same few records, while a watcher reports each of them that it sees.
    #[test]
    fn records_may_be_used_again_while_the_watcher_looks() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&told);
        let events = Arc::new(Events::default());
        events.listen(Arc::new(move |event: &Event| match event {
            Event::LeakSuspected(leak) => log.lock().unwrap().push((true, leak.clone())),
            Event::LeakReturned(leak) => log.lock().unwrap().push((false, leak.clone())),
            _ => {}
        }));
        // Without a scope, which would have a watcher of its own.
        let pool = Arc::new(pool(events));
        let (done, began) = (AtomicBool::new(false), Instant::now());
        let is_unseen = || told.lock().unwrap().len() <= 50 && began.elapsed() < Duration::from_secs(30);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                while !done.load(Relaxed) {
                    pool.look_for_leaks(Instant::now());
                }
            });
            let kinds = [(http::Method::GET, "reader", 1), (http::Method::POST, "writer", 2)];
            let requesters = kinds.map(|(method, name, trace_id)| {
                let (pool, is_unseen) = (&pool, &is_unseen);
                threads.spawn(move || {
                    // More of them on a machine that lets the watcher look seldom.
                    for number in (0..).take_while(|number| *number < REQUESTS || is_unseen()) {
                        let start = || Request::start(Arc::clone(pool), &method, Instant::now());
                        let request = Origin::named(name).in_scope(start);
                        request.trace(TraceRef { trace_id, span_id: number, is_sampled: true });
                        request.acquire(Instant::now());
                        request.answered(Instant::now());
                        if number % 8 == 0 {
                            std::thread::yield_now();
                        }
                        request.end(End::Complete, Instant::now());
                        Pool::take_back(request);
                    }
                })
            });
            for requester in requesters {
                requester.join().unwrap();
            }
            done.store(true, Relaxed);
        });

        let told = told.lock().unwrap();
        assert!(told.len() > 50, "the watcher has seen only {}", told.len() / 2);
        let mut open = std::collections::BTreeSet::new();
        for (is_suspected, leak) in told.iter() {
            let origin = leak.origin.unwrap();
            let expected =
                if origin == Origin::named("reader") { ("GET", Some(1)) } else { ("POST", Some(2)) };
            assert_eq!((leak.method, leak.trace_id), expected, "{leak:?}");
            // A request is told as leaked first and as returned then, once each.
            let request = (leak.method, leak.span_id);
            assert!(if *is_suspected { open.insert(request) } else { open.remove(&request) }, "{leak:?}");
        }
        assert!(open.is_empty(), "all have come back, but nobody has told of {open:?}");
        assert_eq!((pool.leaks.active(), pool.leaks.suspected()), (0, told.len() as u64 / 2));
    }
}
