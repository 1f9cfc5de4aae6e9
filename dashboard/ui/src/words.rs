//! Plain words for the closed value sets of the telemetry contract.

use poolscope_semconv::{
    PREFIX,
    value::{
        AcquireOutcome, BreakerReason, CloseReason, ConnectPhase, ErrorType, HealthState, OVERFLOW,
        ServerCloseReason,
    },
};
use poolscope_wire::{
    BreakerState, FailedConnects, Lack, PoolKind, PoolSummary, ProtectionFigures, Severity, text,
};

/// The word of a severity, which goes with its shape.
#[must_use]
pub fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok => "fine",
        Severity::Warn => "worth a look",
        Severity::Bad => "needs you",
    }
}

/// The value of a severity in URLs and in `data-severity`.
#[must_use]
pub fn severity_key(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok => "ok",
        Severity::Warn => "warn",
        Severity::Bad => "bad",
    }
}

/// The word of a breaker's state.
#[must_use]
pub fn breaker_state(state: BreakerState) -> &'static str {
    state.word()
}

/// How many breakers are in each state: `open 3 / closed 5`.
#[must_use]
pub fn breaker_states(states: impl Iterator<Item = (BreakerState, u64)>) -> String {
    states.map(|(state, count)| format!("{} {count}", breaker_state(state))).collect::<Vec<_>>().join(" / ")
}

/// The value of a breaker's state in URLs, classes and `data-state`.
#[must_use]
pub fn breaker_key(state: BreakerState) -> &'static str {
    match state {
        BreakerState::Closed => "closed",
        BreakerState::Open => "open",
        BreakerState::HalfOpen => "half_open",
        BreakerState::ForcedOpen => "forced_open",
        BreakerState::ForcedClosed => "forced_closed",
        BreakerState::MetricsOnly => "metrics_only",
    }
}

/// What a breaker does in a state, for tooltips.
#[must_use]
pub fn breaker_meaning(state: BreakerState) -> &'static str {
    match state {
        BreakerState::Closed => "Calls pass.",
        BreakerState::Open => "Calls are rejected.",
        BreakerState::HalfOpen => "A few calls pass to find out whether the destination has recovered.",
        BreakerState::ForcedOpen => "Calls are rejected, because a user asked for it.",
        BreakerState::ForcedClosed => "Calls pass, because a user asked for it.",
        BreakerState::MetricsOnly => "Calls pass and are judged; the breaker never opens.",
    }
}

/// How badly somebody should look at a breaker in a state.
#[must_use]
pub fn breaker_severity(state: BreakerState) -> Severity {
    match state {
        BreakerState::Open | BreakerState::ForcedOpen => Severity::Bad,
        BreakerState::HalfOpen => Severity::Warn,
        BreakerState::Closed | BreakerState::ForcedClosed | BreakerState::MetricsOnly => Severity::Ok,
    }
}

/// Why a breaker changed its state.
#[must_use]
pub fn breaker_reason(reason: &str) -> String {
    match BreakerReason::parse(reason) {
        Some(BreakerReason::FailureRatio) => "too many calls failed".to_owned(),
        Some(BreakerReason::ConnectFailureRatio) => "too many calls found no connection".to_owned(),
        Some(BreakerReason::SlowCallRatio) => "too many calls were slow".to_owned(),
        Some(BreakerReason::ConsecutiveFailures) => "too many calls in a row failed".to_owned(),
        Some(BreakerReason::Restored) => "open since before a restart".to_owned(),
        Some(BreakerReason::OpenTimeElapsed) => "time for a trial call".to_owned(),
        Some(BreakerReason::TrialSucceeded) => "the trial calls succeeded".to_owned(),
        Some(BreakerReason::TrialFailed) => "a trial call failed".to_owned(),
        Some(BreakerReason::Manual) => "a user asked for it".to_owned(),
        Some(BreakerReason::Forced) => "somebody asked for it in a dashboard".to_owned(),
        Some(BreakerReason::ForceEnded) => "what was asked for in a dashboard is over".to_owned(),
        Some(BreakerReason::Resources) => "a resource of the process is used up".to_owned(),
        Some(BreakerReason::ResourcesFreed) => "the resources of the process are enough again".to_owned(),
        Some(BreakerReason::ProbeSucceeded) => "a health probe succeeded".to_owned(),
        Some(BreakerReason::External) => "its own rules decided".to_owned(),
        None => spaced(reason),
    }
}

/// Why a connection was closed.
#[must_use]
pub fn close_reason(reason: &str) -> String {
    match CloseReason::parse(reason) {
        Some(CloseReason::IdleTimeout) => "idle for too long".to_owned(),
        Some(CloseReason::PeerClosedIdle) => "peer closed it while idle".to_owned(),
        Some(CloseReason::PeerClosedActive) => "peer closed it in use".to_owned(),
        Some(CloseReason::Reset) => "peer reset it".to_owned(),
        Some(CloseReason::Error) => "it failed".to_owned(),
        Some(CloseReason::ProtocolError) => "protocol broken".to_owned(),
        Some(CloseReason::Goaway) => "peer takes no more streams".to_owned(),
        Some(CloseReason::Poisoned) => "out of use after errors or timeouts".to_owned(),
        Some(CloseReason::MaxAge) => "maximum age reached".to_owned(),
        Some(CloseReason::Evicted) => "server answered with an error".to_owned(),
        Some(CloseReason::Requested) => "idle, and the program asked".to_owned(),
        Some(CloseReason::Redundant) => "never needed, HTTP/2 shares one".to_owned(),
        Some(CloseReason::ClientDropped) => "client dropped".to_owned(),
        Some(CloseReason::RuntimeShutdown) => "runtime shut down".to_owned(),
        Some(CloseReason::ConnectionClose) => "one side asked to close".to_owned(),
        Some(CloseReason::RequestDropped) => "request dropped, by caller or timeout".to_owned(),
        Some(CloseReason::BodyDropped) => "response body not read".to_owned(),
        Some(CloseReason::UpgradeEnded) => "upgrade ended".to_owned(),
        Some(CloseReason::ClientClosed) => "client let it go".to_owned(),
        None if reason.is_empty() => "reason not told".to_owned(),
        None => spaced(reason),
    }
}

/// True if a connection that closed for a reason ended under a request, or by an error.
#[must_use]
pub fn close_failed(reason: &str) -> bool {
    matches!(
        CloseReason::parse(reason),
        Some(
            CloseReason::PeerClosedActive
                | CloseReason::Reset
                | CloseReason::Error
                | CloseReason::ProtocolError
        )
    )
}

/// How an acquire ended.
#[must_use]
pub fn acquire_outcome(outcome: &str) -> String {
    match AcquireOutcome::parse(outcome) {
        Some(AcquireOutcome::Reused) => "idle connection reused".to_owned(),
        Some(AcquireOutcome::New) => "new connection".to_owned(),
        Some(AcquireOutcome::Waited) => "waited for one in use".to_owned(),
        Some(AcquireOutcome::Failed) => "failed".to_owned(),
        Some(AcquireOutcome::Canceled) => "given up by the caller".to_owned(),
        None => spaced(outcome),
    }
}

/// How a request ended: a status code, or a class of error.
#[must_use]
pub fn result(result: &str) -> String {
    if !result.is_empty() && result.bytes().all(|byte| byte.is_ascii_digit()) {
        return format!("status {result}");
    }
    match ErrorType::parse(result) {
        Some(ErrorType::Dns) => "name not resolved".to_owned(),
        Some(ErrorType::Connect) => "no connection".to_owned(),
        Some(ErrorType::Tls) => "TLS handshake failed".to_owned(),
        Some(ErrorType::Timeout) => "timeout".to_owned(),
        Some(ErrorType::ConnectionReset) => "connection reset".to_owned(),
        Some(ErrorType::StreamReset) => "stream reset".to_owned(),
        Some(ErrorType::IncompleteMessage) => "connection closed too early".to_owned(),
        Some(ErrorType::Protocol) => "protocol broken".to_owned(),
        Some(ErrorType::Redirect) => "redirect not followed".to_owned(),
        Some(ErrorType::Request) => "request not sent".to_owned(),
        Some(ErrorType::Body) => "response body failed".to_owned(),
        Some(ErrorType::BreakerOpen) => "rejected by the breaker".to_owned(),
        Some(ErrorType::LimitExceeded) => "refused by the limit".to_owned(),
        Some(ErrorType::Shutdown) => "ended with the program".to_owned(),
        Some(ErrorType::ResourcesExhausted) => "refused by the resource guard".to_owned(),
        Some(ErrorType::Canceled) => "given up by the caller".to_owned(),
        Some(ErrorType::ClientDisconnected) => "client left".to_owned(),
        Some(ErrorType::Panic) => "handler panicked".to_owned(),
        Some(ErrorType::Other) => "other error".to_owned(),
        None => spaced(result),
    }
}

/// A part of establishing a connection.
#[must_use]
pub fn connect_phase(phase: &str) -> String {
    match ConnectPhase::parse(phase) {
        Some(ConnectPhase::Dns) => "name look-up".to_owned(),
        Some(ConnectPhase::Tcp) => "TCP connect".to_owned(),
        Some(ConnectPhase::Tls) => "TLS handshake".to_owned(),
        Some(ConnectPhase::TcpTls) => "TCP and TLS".to_owned(),
        None => spaced(phase),
    }
}

/// At what connects failed.
#[must_use]
pub fn failed_connects(failed: &FailedConnects) -> String {
    let error = ErrorType::parse(&failed.error);
    match &failed.phase {
        // These name their part themselves.
        _ if matches!(error, Some(ErrorType::Dns | ErrorType::Tls)) => result(&failed.error),
        None => result(&failed.error),
        Some(phase) if error == Some(ErrorType::Connect) => format!("{} failed", connect_phase(phase)),
        Some(phase) => format!("{}: {}", connect_phase(phase), result(&failed.error)),
    }
}

/// What probes say of a destination.
#[must_use]
pub fn health_state(state: &str) -> String {
    match HealthState::parse(state) {
        Some(HealthState::Unknown) => "not known yet".to_owned(),
        Some(HealthState::Healthy) => "healthy".to_owned(),
        Some(HealthState::Degraded) => "degraded".to_owned(),
        Some(HealthState::Failing) => "failing".to_owned(),
        None => spaced(state),
    }
}

/// The name of something that protects. Our own names of resources are words; others are the program's.
#[must_use]
pub fn protection_name(name: String, is_resource: bool) -> String {
    match name.as_str() {
        OVERFLOW => "all others".to_owned(),
        "open_files" if is_resource => "open files".to_owned(),
        _ => name,
    }
}

/// What goes beside the name: the guard of a resource.
#[must_use]
pub fn guard(figures: &ProtectionFigures) -> String {
    match figures {
        ProtectionFigures::Resource(figures) if !figures.guard.is_empty() => {
            format!("guard {}", figures.guard)
        }
        _ => String::new(),
    }
}

/// Why a server's connection was closed.
#[must_use]
pub fn server_close(reason: &str) -> String {
    let words = match ServerCloseReason::parse(reason) {
        Some(ServerCloseReason::ClientClosed) => "client closed it",
        Some(ServerCloseReason::ClientClosedActive) => "client closed it in use",
        Some(ServerCloseReason::ClientReset) => "client reset it",
        Some(ServerCloseReason::ConnectionClose) => "one side asked to close",
        Some(ServerCloseReason::IdleTimeout) => "idle for too long",
        Some(ServerCloseReason::MaxAge) => "maximum age reached",
        Some(ServerCloseReason::HeadersTimeout) => "head of a request too slow",
        Some(ServerCloseReason::ReadTimeout) => "body of a request too slow",
        Some(ServerCloseReason::WriteTimeout) => "client did not read",
        Some(ServerCloseReason::Unresponsive) => "client was gone",
        Some(ServerCloseReason::ProtocolError) => "protocol broken",
        Some(ServerCloseReason::TlsHandshakeFailed) => "TLS failed",
        Some(ServerCloseReason::TlsHandshakeTimeout) => "TLS too slow",
        Some(ServerCloseReason::IoError) => "it failed",
        Some(ServerCloseReason::Panicked) => "handler panicked",
        Some(ServerCloseReason::UpgradeEnded) => "upgrade ended",
        Some(ServerCloseReason::Shutdown) => "shut down",
        Some(ServerCloseReason::ShutdownCut) => "cut by shutdown",
        Some(ServerCloseReason::Dropped) => "dropped by the program",
        None => return spaced(reason),
    };
    words.to_owned()
}

/// True if a result is a failure: a server's error, or no answer at all.
#[must_use]
pub fn result_failed(result: &str) -> bool {
    !matches!(result.parse::<u16>(), Ok(code) if code < 500)
}

/// What kind of event it was: its name without the namespace, in words.
#[must_use]
pub fn event_kind(kind: &str) -> String {
    spaced(kind.strip_prefix(PREFIX).unwrap_or(kind))
}

/// The destination of a pool as a URL, with an IPv6 address in brackets.
#[must_use]
pub fn destination(pool: &PoolSummary) -> String {
    if pool.kind == PoolKind::Database && pool.address.is_empty() {
        let products = pool.protocols.join(", ");
        return if products.is_empty() { "database".to_owned() } else { products };
    }
    text::destination(&pool.scheme, &pool.address, pool.port)
}

/// Where something is, of what is known of that: `shop \u{b7} a1`.
#[must_use]
pub fn place(parts: &[&str]) -> String {
    let known: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    known.join(" \u{b7} ")
}

/// Name of a pool: what the user called the client, or the destination if it has no name.
#[must_use]
pub fn pool_name(pool: &PoolSummary) -> String {
    if pool.client.is_empty() { destination(pool) } else { pool.client.clone() }
}

/// Protocols of a pool, such as `HTTP/1.1, HTTP/2`.
#[must_use]
pub fn protocols(pool: &PoolSummary) -> String {
    match pool.kind {
        PoolKind::Http => {
            let versions = pool.protocols.iter().map(|version| format!("HTTP/{version}"));
            versions.collect::<Vec<_>>().join(", ")
        }
        // Without an address, its products stand in its place.
        PoolKind::Database if pool.address.is_empty() => String::new(),
        PoolKind::Database => pool.protocols.join(", "),
    }
}

/// What the sender of a pool does not tell, in a sentence; `None` if it tells all.
#[must_use]
pub fn lacks(lacks: &[Lack]) -> Option<String> {
    let words: Vec<_> = lacks.iter().map(|lack| lack_name(*lack)).collect();
    let (last, others) = words.split_last()?;
    Some(match others {
        [] => format!("Its sender does not tell {last}: unknown, not 0."),
        others => format!("Its sender does not tell {} and {last}: unknown, not 0.", others.join(", ")),
    })
}

/// What is not told, as it stands in a sentence.
#[must_use]
pub fn lack_name(lack: Lack) -> &'static str {
    match lack {
        Lack::Connections => "open connections",
        Lack::Waiting => "waiting requests",
        Lack::InFlight => "requests in flight",
        Lack::WaitTimes => "wait times",
        Lack::UseTimes => "use times",
        Lack::Requests => "requests",
        Lack::Results => "how requests ended",
        Lack::Opened => "opened connections",
        Lack::Closed => "closed connections",
        Lack::CloseReasons => "why connections close",
        Lack::FailedConnects => "failed connects",
        Lack::Reuse => "reuse",
        Lack::FineBuckets => "times finely enough (the buckets of its histograms are too wide to tell)",
    }
}

/// The parts of a name with spaces between them.
#[must_use]
pub fn spaced(name: &str) -> String {
    name.replace(['_', '.'], " ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_told_is_said() {
        assert_eq!(lacks(&[]), None);
        let one = lacks(&[Lack::Reuse]).unwrap();
        assert_eq!(one, "Its sender does not tell reuse: unknown, not 0.");
        let some = lacks(&[Lack::Waiting, Lack::UseTimes, Lack::Reuse]).unwrap();
        assert_eq!(some, "Its sender does not tell waiting requests, use times and reuse: unknown, not 0.");
    }

    #[test]
    fn a_database_pool_is_told_by_its_name_or_by_where_it_leads() {
        let pool = PoolSummary {
            kind: PoolKind::Database,
            client: "orders".to_owned(),
            protocols: vec!["postgresql".to_owned()],
            ..PoolSummary::default()
        };
        assert_eq!((pool_name(&pool), destination(&pool)), ("orders".to_owned(), "postgresql".to_owned()));
        assert_eq!(protocols(&pool), "");
        let pool = PoolSummary { client: String::new(), address: "db".to_owned(), port: 5432, ..pool };
        assert_eq!((pool_name(&pool), protocols(&pool)), ("db:5432".to_owned(), "postgresql".to_owned()));
    }

    #[test]
    fn every_value_of_the_contract_has_words() {
        for reason in CloseReason::ALL {
            assert!(!close_reason(reason.as_str()).contains('_'));
        }
        for error in ErrorType::ALL {
            assert!(!result(error.as_str()).contains('_'));
        }
        for phase in ConnectPhase::ALL {
            assert!(!connect_phase(phase.as_str()).contains('_'));
        }
        for state in HealthState::ALL {
            assert!(!health_state(state.as_str()).contains('_'));
        }
        for reason in ServerCloseReason::ALL {
            assert!(!server_close(reason.as_str()).contains('_'));
        }
        for kind in poolscope_semconv::event::ALL {
            assert!(!event_kind(kind).contains(['.', '_']));
        }
    }

    #[test]
    fn unknown_values_stay_readable() {
        assert_eq!(close_reason("no_such_reason"), "no such reason");
        assert_eq!(event_kind("vendor.thing.happened"), "vendor thing happened");
        assert_eq!(result("404"), "status 404");
    }

    #[test]
    fn server_errors_and_missing_answers_are_failures() {
        assert!(!result_failed("200"));
        assert!(!result_failed("404"));
        assert!(result_failed("503"));
        assert!(result_failed("timeout"));
    }

    #[test]
    fn a_failed_connect_names_its_part_once() {
        let failed = |error: &str, phase: Option<&str>| {
            failed_connects(&FailedConnects {
                error: error.to_owned(),
                phase: phase.map(str::to_owned),
                count: 1,
            })
        };
        assert_eq!(failed("dns", Some("dns")), "name not resolved");
        assert_eq!(failed("connect", Some("tcp")), "TCP connect failed");
        assert_eq!(failed("timeout", Some("tls")), "TLS handshake: timeout");
        assert_eq!(failed("connect", None), "no connection");
    }

    #[test]
    fn destinations_read_as_urls() {
        let mut pool = PoolSummary {
            scheme: "https".to_owned(),
            address: "pay.example".to_owned(),
            port: 443,
            ..PoolSummary::default()
        };
        assert_eq!(destination(&pool), "https://pay.example:443");
        assert_eq!(pool_name(&pool), "https://pay.example:443");
        pool.address = "::1".to_owned();
        assert_eq!(destination(&pool), "https://[::1]:443");
    }

    #[test]
    fn what_is_not_known_of_a_place_leaves_nothing_behind() {
        assert_eq!(place(&["shop", "a1"]), "shop \u{b7} a1");
        assert_eq!((place(&["shop", ""]), place(&["", ""])), ("shop".to_owned(), String::new()));
    }
}
