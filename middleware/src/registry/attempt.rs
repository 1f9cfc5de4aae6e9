//! [`Attempt`]: one try to establish a connection, and its parts as far as they can be told apart.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use poolscope_semconv::value::{ConnectPhase, ErrorType};

use super::key::Scheme;
use super::pool::Pool;
use crate::classify;
use crate::clock::Instant;

/// A try to establish a connection. It counts as one that is being made until it is told how it ended; dropped before, it
/// counts as given up.
#[derive(Debug)]
pub(crate) struct Attempt {
    pool: Arc<Pool>,
    started: Instant,
    wall: SystemTime,
    /// Begin and end of each phase, in nanoseconds after the start, plus one; 0 is never.
    marks: [[AtomicU64; 2]; ConnectPhase::COUNT],
    ended: AtomicBool,
}

/// One part of an attempt, in time after its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Phase {
    pub(crate) phase: ConnectPhase,
    pub(crate) begin: Duration,
    pub(crate) end: Duration,
    /// False if the attempt failed in it.
    pub(crate) is_complete: bool,
}

/// What is known of an attempt that has ended.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) pool: &'a Pool,
    pub(crate) started: SystemTime,
    pub(crate) took: Duration,
    pub(crate) phases: Vec<Phase>,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) error: Option<ErrorType>,
}

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Failure {
    pub(crate) error_type: ErrorType,
    /// The part that failed, if it can be told.
    pub(crate) phase: Option<ConnectPhase>,
}

impl Attempt {
    /// Begins now.
    pub(crate) fn start(pool: Arc<Pool>, now: Instant) -> Arc<Self> {
        pool.connect_started();
        Arc::new(Self {
            pool,
            started: now,
            wall: SystemTime::now(),
            marks: Default::default(),
            ended: AtomicBool::new(false),
        })
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// A part of it begins. The first mark stays: a second address that is tried belongs to the same part.
    pub(crate) fn begin(&self, phase: ConnectPhase) {
        self.mark(phase, 0);
    }

    /// A part of it has come to a good end.
    pub(crate) fn end(&self, phase: ConnectPhase) {
        self.mark(phase, 1);
    }

    fn mark(&self, phase: ConnectPhase, which: usize) {
        let nanos = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX - 1) + 1;
        let _ = self.marks[phase.index()][which].compare_exchange(0, nanos, Relaxed, Relaxed);
    }

    fn marked(&self, phase: ConnectPhase, which: usize) -> Option<Duration> {
        let nanos = self.marks[phase.index()][which].load(Relaxed);
        (nanos > 0).then(|| Duration::from_nanos(nanos - 1))
    }

    /// It made a connection.
    pub(crate) fn succeeded(&self, peer: Option<SocketAddr>, now: Instant) -> Report<'_> {
        let took = now.saturating_duration_since(self.started);
        let phases = self.phases(took, None);
        self.ended.store(true, Relaxed);
        self.pool.connect_succeeded(took, &phases);
        self.report(took, phases, peer, None)
    }

    /// It failed.
    pub(crate) fn failed(&self, error: &(dyn std::error::Error + 'static), now: Instant) -> Report<'_> {
        let took = now.saturating_duration_since(self.started);
        let mut error_type = classify::connect_error_type(error);
        let phase = self.failed_phase(error_type);
        if phase == Some(ConnectPhase::Tls) && matches!(error_type, ErrorType::Other | ErrorType::Connect) {
            error_type = ErrorType::Tls;
        }
        self.ended.store(true, Relaxed);
        self.pool.connect_failed(Failure { error_type, phase }, error);
        self.report(took, self.phases(took, phase), None, Some(error_type))
    }

    fn report(
        &self,
        took: Duration,
        phases: Vec<Phase>,
        peer: Option<SocketAddr>,
        error: Option<ErrorType>,
    ) -> Report<'_> {
        Report { pool: &self.pool, started: self.wall, took, phases, peer, error }
    }

    /// The parts, from what was marked and from what follows from it. What can't be told apart is left out, but for
    /// transport and TLS together.
    fn phases(&self, took: Duration, failed: Option<ConnectPhase>) -> Vec<Phase> {
        use ConnectPhase::{Dns, Tcp, TcpTls, Tls};
        let part = |phase, begin: Duration, end: Option<Duration>| Phase {
            phase,
            begin,
            end: end.unwrap_or(took).max(begin),
            is_complete: failed != Some(phase),
        };
        let mut phases = Vec::new();
        let mut looked_up = self.pool.host_is_address().then_some(Duration::ZERO);
        if let Some(begin) = self.marked(Dns, 0) {
            let end = self.marked(Dns, 1);
            phases.push(part(Dns, begin, end));
            looked_up = end;
        }
        let is_tls = self.pool.scheme() == Scheme::Https;
        let (tcp_end, tls_begin) = (self.marked(Tcp, 1), self.marked(Tls, 0));
        let tcp_begin = self.marked(Tcp, 0).max(looked_up);
        if let Some(begin) = tcp_begin.filter(|_| failed != Some(Dns)) {
            let is_whole = !is_tls || tcp_end.is_some() || tls_begin.is_some() || failed == Some(Tcp);
            phases.push(part(if is_whole { Tcp } else { TcpTls }, begin, tcp_end.or(tls_begin)));
        }
        if let Some(begin) = tls_begin.or(tcp_end).filter(|_| is_tls && failed != Some(Tcp)) {
            phases.push(part(Tls, begin, self.marked(Tls, 1)));
        }
        phases
    }

    /// The part in which it failed.
    fn failed_phase(&self, error: ErrorType) -> Option<ConnectPhase> {
        use ConnectPhase::{Dns, Tcp, Tls};
        let (began, ended) =
            (|phase| self.marked(phase, 0).is_some(), |phase| self.marked(phase, 1).is_some());
        let is_tls = self.pool.scheme() == Scheme::Https;
        if error == ErrorType::Dns || began(Dns) && !ended(Dns) {
            Some(Dns)
        } else if error == ErrorType::Tls || is_tls && (began(Tls) || ended(Tcp)) {
            Some(Tls)
        } else if began(Tcp) && !ended(Tcp) || !is_tls && (ended(Dns) || self.pool.host_is_address()) {
            Some(Tcp)
        } else {
            // A refused connect says so itself; what is left is one of several parts, or a proxy's.
            (error == ErrorType::Connect && ended(Dns)).then_some(Tcp)
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !*self.ended.get_mut() {
            self.pool.connect_abandoned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scope;
    use crate::registry::DestinationRef;
    use std::io;

    fn attempt(scheme: &str, host: &str) -> (Scope, Arc<Attempt>) {
        let scope = Scope::new();
        let pool = scope.client("test").pool(&DestinationRef::new(scheme, host, None));
        (scope, Attempt::start(pool, Instant::now()))
    }

    fn phases(report: &Report<'_>) -> Vec<ConnectPhase> {
        report.phases.iter().map(|phase| phase.phase).collect()
    }

    #[test]
    fn what_is_marked_and_what_follows_from_it() {
        use ConnectPhase::{Dns, Tcp, TcpTls, Tls};
        let (_scope, plain) = attempt("http", "name.example");
        assert_eq!(
            phases(&plain.succeeded(None, Instant::now())),
            [],
            "look-up and connect can't be told apart"
        );
        let (_scope, address) = attempt("http", "192.0.2.1");
        assert_eq!(phases(&address.succeeded(None, Instant::now())), [Tcp], "an address is not looked up");
        let (_scope, named) = attempt("https", "name.example");
        named.begin(Dns);
        named.end(Dns);
        assert_eq!(phases(&named.succeeded(None, Instant::now())), [Dns, TcpTls]);
        let (_scope, split) = attempt("https", "name.example");
        for phase in [Dns, Tcp] {
            split.begin(phase);
            split.end(phase);
        }
        let report = split.succeeded(None, Instant::now() + Duration::from_secs(1));
        assert_eq!(phases(&report), [Dns, Tcp, Tls], "what comes after the transport is TLS");
        assert!(report.phases.windows(2).all(|pair| pair[0].end <= pair[1].begin), "{report:?}");
        assert_eq!(report.phases[2].end, report.took);
    }

    #[test]
    fn a_failure_names_the_part_that_failed() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let (scope, plain) = attempt("http", "192.0.2.1");
        plain.failed(&refused, Instant::now());
        let (_scope, tls) = attempt("https", "name.example");
        tls.begin(ConnectPhase::Dns);
        tls.end(ConnectPhase::Dns);
        tls.begin(ConnectPhase::Tls);
        let broken = io::Error::other("received fatal alert");
        assert_eq!(tls.failed(&broken, Instant::now()).error, Some(ErrorType::Tls));
        let pool = scope.snapshot().pools.remove(0);
        assert_eq!(pool.connect_failures[0].phase, Some(ConnectPhase::Tcp));
        assert_eq!(pool.connect_failures[0].error_type, ErrorType::Connect);
    }

    #[test]
    fn an_attempt_that_is_dropped_is_over_too() {
        let (scope, attempt) = attempt("http", "name.example");
        assert_eq!(scope.snapshot().pools[0].connecting, 1);
        drop(attempt);
        let pool = scope.snapshot().pools.remove(0);
        assert_eq!((pool.connecting, pool.connect_abandoned, pool.connect_failed()), (0, 1, 0));
    }
}
