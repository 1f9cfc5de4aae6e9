//! [`Attempt`]: one try to establish a connection, and its parts as far as they can be told apart.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use poolscope_semconv::value::{ConnectPhase, ErrorType};

use super::key::Scheme;
use super::pool::Pool;
use crate::classify;
use crate::clock::Instant;
use crate::trace::OpenSetup;

/// A try to establish a connection. It counts as one that is being made until it is told how it ended.
#[derive(Debug)]
pub(crate) struct Attempt {
    pool: Arc<Pool>,
    started: Instant,
    wall: SystemTime,
    /// Begin and end of each phase, in nanoseconds after the start, plus one; 0 is never.
    marks: [[AtomicU64; 2]; ConnectPhase::COUNT],
    /// The name that was looked up, which behind a proxy is not the destination's.
    question: OnceLock<Box<str>>,
    spans: OpenSetup,
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
    /// The name that was looked up, if a look-up was seen.
    pub(crate) question: Option<&'a str>,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) error: Option<ErrorType>,
}

impl Report<'_> {
    /// Time of the part that is nearest to a round trip, or of all of it.
    pub(crate) fn round_trip(&self) -> Duration {
        let connects = |phase: &&Phase| matches!(phase.phase, ConnectPhase::Tcp | ConnectPhase::TcpTls);
        self.phases.iter().find(connects).map_or(self.took, |phase| phase.end - phase.begin)
    }
}

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Failure {
    pub(crate) error_type: ErrorType,
    /// The part that failed, if it can be told.
    pub(crate) phase: Option<ConnectPhase>,
}

impl Attempt {
    /// Begins now, with its spans if they are made as it goes on.
    pub(crate) fn start(pool: Arc<Pool>, spans: OpenSetup, now: Instant) -> Arc<Self> {
        pool.connect_started();
        Arc::new(Self {
            pool,
            started: now,
            wall: SystemTime::now(),
            marks: Default::default(),
            question: OnceLock::new(),
            spans,
        })
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    pub(crate) fn spans(&self) -> &OpenSetup {
        &self.spans
    }

    /// A name is looked up.
    pub(crate) fn ask(&self, name: &str) {
        self.mark(ConnectPhase::Dns, 0);
        self.spans.begin_part(ConnectPhase::Dns, Some(name));
        let _ = self.question.set(name.into());
    }

    /// A part of it begins. The first mark stays: a second address that is tried belongs to the same part.
    pub(crate) fn begin(&self, phase: ConnectPhase) {
        self.mark(phase, 0);
        self.spans.begin_part(phase, None);
    }

    /// A part of it has come to a good end.
    pub(crate) fn end(&self, phase: ConnectPhase) {
        self.mark(phase, 1);
        self.spans.end_part(phase);
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
        let report = self.report(now, peer, None, None);
        self.pool.connect_succeeded(report.took, &report.phases);
        report
    }

    /// It failed.
    pub(crate) fn failed(&self, error: &(dyn Error + 'static), now: Instant) -> Report<'_> {
        let error_type = classify::connect_error_type(error);
        let phase = self.failed_phase(error_type, classify::says_unreachable(error));
        let error_type = match (error_type, phase) {
            (ErrorType::Connect, Some(ConnectPhase::Dns)) => ErrorType::Dns,
            (ErrorType::Connect, Some(ConnectPhase::Tls)) => ErrorType::Tls,
            _ => error_type,
        };
        self.pool.connect_failed(Failure { error_type, phase }, classify::chain(error));
        self.report(now, None, Some(error_type), phase)
    }

    /// A time limit around it ended it.
    pub(crate) fn timed_out(&self, now: Instant) -> Report<'_> {
        let error_type = ErrorType::Timeout;
        let phase = self.failed_phase(error_type, false);
        self.pool.connect_failed(Failure { error_type, phase }, "connect timed out".to_owned());
        self.report(now, None, Some(error_type), phase)
    }

    /// Whoever wanted it is gone.
    pub(crate) fn given_up(&self, cause: ErrorType, now: Instant) -> Report<'_> {
        self.pool.connect_abandoned();
        self.report(now, None, Some(cause), self.failed_phase(cause, false))
    }

    fn report(
        &self,
        now: Instant,
        peer: Option<SocketAddr>,
        error: Option<ErrorType>,
        failed: Option<ConnectPhase>,
    ) -> Report<'_> {
        let took = now.saturating_duration_since(self.started);
        let question = self.question.get().map(AsRef::as_ref);
        let phases = self.phases(took, peer, failed);
        if let Some(lookup) = phases.iter().find(|phase| phase.phase == ConnectPhase::Dns) {
            let error = error.filter(|_| !lookup.is_complete);
            let question = question.unwrap_or(&self.pool.destination.host);
            self.pool.lookups.record(question, error, lookup.end - lookup.begin);
        }
        Report { pool: &self.pool, started: self.wall, took, phases, question, peer, error }
    }

    /// The parts, from what was marked and from what follows from it. What can't be told apart is left out, but for
    /// transport and TLS together.
    fn phases(&self, took: Duration, peer: Option<SocketAddr>, failed: Option<ConnectPhase>) -> Vec<Phase> {
        use ConnectPhase::{Dns, Tcp, TcpTls, Tls};
        let part = |phase, begin: Duration, end: Option<Duration>| Phase {
            phase,
            begin,
            end: end.unwrap_or(took).max(begin),
            is_complete: failed.is_none_or(|failed| failed != phase && phase != TcpTls),
        };
        let mut phases = Vec::new();
        // An address is not looked up. A peer with another one is a proxy, whose name may have been.
        let address = self.pool.host_address();
        let is_direct = address.is_some_and(|address| peer.is_none_or(|peer| peer.ip() == address));
        let mut looked_up = is_direct.then_some(Duration::ZERO);
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

    /// The part in which it failed. An error that says itself that a peer can't be reached is the transport's.
    fn failed_phase(&self, error: ErrorType, is_unreachable: bool) -> Option<ConnectPhase> {
        use ConnectPhase::{Dns, Tcp, Tls};
        let (began, ended) =
            (|phase| self.marked(phase, 0).is_some(), |phase| self.marked(phase, 1).is_some());
        let is_tls = self.pool.scheme() == Scheme::Https;
        if error == ErrorType::Dns || began(Dns) && !ended(Dns) {
            Some(Dns)
        } else if error == ErrorType::Tls || is_tls && (began(Tls) || ended(Tcp)) {
            Some(Tls)
        } else {
            let is_tcp = is_unreachable
                || began(Tcp) && !ended(Tcp)
                || !is_tls && (ended(Dns) || self.pool.host_address().is_some());
            is_tcp.then_some(Tcp)
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
        (scope, Attempt::start(pool, OpenSetup::default(), Instant::now()))
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
    fn a_proxy_is_not_taken_for_the_address_that_was_asked_for() {
        let (_scope, attempt) = attempt("http", "192.0.2.1");
        let proxy = Some(SocketAddr::from(([192, 0, 2, 9], 3128)));
        assert_eq!(phases(&attempt.succeeded(proxy, Instant::now())), [], "its name may have been looked up");
    }

    #[test]
    fn an_attempt_that_is_given_up_is_over_too() {
        let (scope, attempt) = attempt("http", "name.example");
        assert_eq!(scope.snapshot().pools[0].connecting, 1);
        attempt.ask("name.example");
        let report = attempt.given_up(ErrorType::Canceled, Instant::now());
        assert_eq!((report.question, report.phases[0].is_complete), (Some("name.example"), false));
        let pool = scope.snapshot().pools.remove(0);
        assert_eq!((pool.connecting, pool.connect_abandoned, pool.connect_failed()), (0, 1, 0));
        let lookup = (pool.lookups[0].question.as_str(), pool.lookups[0].error_type);
        assert_eq!(lookup, ("name.example", Some(ErrorType::Canceled)));
    }
}
