//! Events: OTLP log records with an event name.

use crate::attr;
use crate::def::sentence;

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// For those who look for it.
    Debug,
    /// Worth to know.
    Info,
    /// Something is not as it should be.
    Warn,
    /// Something failed.
    Error,
}

impl Severity {
    /// The word that travels as the text of the severity.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// One event of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventDef {
    /// Event name.
    pub name: &'static str,
    /// What happened.
    pub sentence: &'static str,
    /// The severities that it comes with.
    pub severities: &'static [Severity],
    /// Keys that every such record carries.
    pub required: &'static [&'static str],
    /// Keys that a record carries when they are known.
    pub optional: &'static [&'static str],
}

const LEAK: &[&str] = &[
    attr::CLIENT_NAME,
    attr::URL_SCHEME,
    attr::SERVER_ADDRESS,
    attr::SERVER_PORT,
    attr::HTTP_REQUEST_METHOD,
    attr::LEAK_HELD,
];

const RESOURCE: &[&str] =
    &[attr::GUARD_NAME, attr::RESOURCE_NAME, attr::RESOURCE_USAGE, attr::RESOURCE_LIMIT];

const SESSION: &[&str] = &[
    attr::SESSION_NAME,
    attr::SESSION_ID,
    attr::SESSION_KEY,
    attr::SESSION_END_REASON,
    attr::SESSION_DURATION,
    attr::SESSION_IDLE_TIME,
    attr::SESSION_ENDING_TIME,
];

/// Of a task that belongs to a session.
const SESSION_OF_TASK: &[&str] = &[attr::SESSION_NAME, attr::SESSION_ID, attr::SESSION_KEY];

/// Defines the constants and the lists of all of them in one place, so that none can be left out.
macro_rules! events {
    ($($(#[doc = $doc:literal])* $id:ident = $($severity:ident)|+ $name:literal $required:expr, $optional:expr;)*) => {
        $($(#[doc = $doc])* pub const $id: &str = $name;)*

        /// Every event name of the contract.
        pub const ALL: &[&str] = &[$($id),*];

        /// Every event of the contract, in the order of this file.
        pub const DEFS: &[EventDef] = &[$(EventDef {
            name: $name,
            sentence: sentence(concat!($($doc),*)),
            severities: &[$(Severity::$severity),+],
            required: $required,
            optional: $optional,
        }),*];
    };
}

events! {
    /// A breaker changed its state.
    BREAKER_TRANSITION = Info | Error "poolscope.breaker.transition"
        &[attr::BREAKER_NAME, attr::BREAKER_FROM, attr::BREAKER_TO, attr::BREAKER_REASON],
        &[attr::BREAKER_WINDOW_CALLS, attr::BREAKER_FAILURE_RATIO, attr::BREAKER_SLOW_CALL_RATIO,
          attr::BREAKER_CONNECT_FAILURE_RATIO, attr::BREAKER_OPEN_FOR, attr::BREAKER_FORCED_BY, attr::BREAKER_FORCED_WHY,
          attr::BREAKER_FORCED_FOR];
    /// A connection was closed.
    CONNECTION_CLOSED = Debug | Info | Warn "poolscope.connection.closed"
        &[attr::CLIENT_NAME, attr::URL_SCHEME, attr::SERVER_ADDRESS, attr::SERVER_PORT, attr::CONNECTION_ID, attr::CLOSE_REASON,
          attr::CLOSE_CERTAINTY, attr::CONNECTION_LIFETIME, attr::CONNECTION_REQUESTS],
        &[attr::CONNECTION_ACTIVE_TIME, attr::CONNECTION_WASTED, attr::CONNECTION_SENT, attr::CONNECTION_RECEIVED,
          attr::CONNECTION_RTT, attr::CONNECTION_RETRANSMITS, attr::NETWORK_PEER_ADDRESS, attr::NETWORK_PEER_PORT];
    /// A connection could not be established.
    CONNECTION_FAILED = Warn "poolscope.connection.failed"
        &[attr::CLIENT_NAME, attr::URL_SCHEME, attr::SERVER_ADDRESS, attr::SERVER_PORT, attr::ERROR_TYPE],
        &[attr::CONNECT_PHASE];
    /// A connection has been held for longer than the leak threshold, and nobody reads its response.
    LEAK_SUSPECTED = Warn "poolscope.leak.suspected" LEAK, &[attr::CONNECTION_ID, attr::LEAK_ORIGIN];
    /// A connection that was reported as leaked was given back, is read again, or is closed.
    LEAK_RETURNED = Info "poolscope.leak.returned" LEAK, &[attr::CONNECTION_ID, attr::LEAK_ORIGIN];
    /// A named timeout fired.
    TIMEOUT_FIRED = Warn "poolscope.timeout.fired"
        &[attr::TIMEOUT_NAME, attr::TIMEOUT_LIMIT, attr::TIMEOUT_ELAPSED],
        &[attr::SERVER_ADDRESS, attr::URL_SCHEME, attr::SERVER_PORT, attr::CLIENT_NAME, attr::POOL_OPEN, attr::POOL_ACTIVE,
          attr::POOL_IDLE, attr::POOL_CONNECTING, attr::POOL_WAITING, attr::LIMIT_MAX, attr::LIMIT_QUEUED];
    /// A call used up its retries and still failed.
    RETRY_EXHAUSTED = Error "poolscope.retry.exhausted"
        &[attr::RETRY_NAME, attr::RETRY_ATTEMPTS, attr::RETRY_REASON],
        &[attr::SERVER_ADDRESS, attr::URL_SCHEME, attr::SERVER_PORT];
    /// A limit of requests in flight refuses requests. At most one a second for each pool, which counts all of them.
    LIMIT_EXCEEDED = Warn "poolscope.limit.exceeded"
        &[attr::CLIENT_NAME, attr::URL_SCHEME, attr::SERVER_ADDRESS, attr::SERVER_PORT, attr::LIMIT_MAX, attr::LIMIT_IN_USE,
          attr::LIMIT_QUEUED, attr::LIMIT_REFUSED],
        &[];
    /// A resource is used beyond its soft limit.
    RESOURCE_WARNING = Warn "poolscope.resource.warning" RESOURCE, &[];
    /// A resource is used beyond its hard limit, so requests are refused.
    RESOURCE_EXHAUSTED = Error "poolscope.resource.exhausted" RESOURCE, &[];
    /// A resource is below its limits again.
    RESOURCE_RECOVERED = Info "poolscope.resource.recovered" RESOURCE, &[];
    /// What probes say of a destination changed.
    HEALTH_CHANGED = Info | Warn | Error "poolscope.health.changed"
        &[attr::HEALTH_NAME, attr::HEALTH_FROM, attr::HEALTH_STATE, attr::HEALTH_REASON],
        &[attr::SERVER_ADDRESS, attr::URL_SCHEME, attr::SERVER_PORT];
    /// A session ended in another way than that it was completed.
    SESSION_ENDED = Debug | Info | Warn "poolscope.session.ended" SESSION, &[attr::SESSION_ERROR_MESSAGE];
    /// A session was told to end and is still there after the time that it had for it.
    SESSION_OVERDUE = Warn "poolscope.session.overdue" SESSION, &[];
    /// A connection of a server was closed otherwise than in order by its client or by an answer.
    SERVER_CONNECTION_CLOSED = Debug | Info | Warn "poolscope.server.connection.closed"
        &[attr::SERVER_NAME, attr::CONNECTION_ID, attr::SERVER_CLOSE_REASON, attr::CONNECTION_LIFETIME, attr::CONNECTION_REQUESTS,
          attr::CONNECTION_SENT, attr::CONNECTION_RECEIVED],
        &[attr::NETWORK_PEER_ADDRESS, attr::NETWORK_PEER_PORT];
    /// A server turns connections away. At most one a second for each server, which counts all of them.
    SERVER_REJECTING = Warn "poolscope.server.rejecting"
        &[attr::SERVER_NAME, attr::SERVER_REJECT_REASON, attr::SERVER_REJECTED, attr::SERVER_CONNECTION_LIMIT], &[];
    /// A task panicked.
    TASK_PANICKED = Error "poolscope.task.panicked"
        &[attr::TASK_GROUP, attr::TASK_NAME, attr::TASK_DURATION, attr::TASK_PANIC_MESSAGE], SESSION_OF_TASK;
    /// A task was told to end, did not in time, and was cut.
    TASK_ABORTED = Warn "poolscope.task.aborted"
        &[attr::TASK_GROUP, attr::TASK_NAME, attr::TASK_DURATION], SESSION_OF_TASK;
    /// A queue drops items. At most one a second for each queue, which counts all of them.
    QUEUE_DROPPING = Warn "poolscope.queue.dropping"
        &[attr::QUEUE_NAME, attr::QUEUE_DROP_REASON, attr::QUEUE_DROPPED, attr::QUEUE_CAPACITY], &[];
    /// A supervised connection changed its state.
    SUPERVISOR_TRANSITION = Debug | Info | Warn | Error "poolscope.supervisor.transition"
        &[attr::SUPERVISOR_NAME, attr::SUPERVISOR_FROM, attr::SUPERVISOR_STATE, attr::SUPERVISOR_REASON, attr::SUPERVISOR_ATTEMPT],
        &[attr::SUPERVISOR_DELAY, attr::SUPERVISOR_ERROR_MESSAGE];
    /// A pool as it is, told every second to the dashboard, and to others where the program asks for it.
    POOL_SNAPSHOT = Debug "poolscope.pool.snapshot"
        &[attr::CLIENT_NAME, attr::URL_SCHEME, attr::SERVER_ADDRESS, attr::SERVER_PORT, attr::POOL_OPEN, attr::POOL_ACTIVE,
          attr::POOL_IDLE, attr::POOL_CONNECTING, attr::POOL_WAITING, attr::POOL_CONNECTIONS],
        &[attr::OBSERVATION, attr::POOL_OLDEST_WAIT, attr::POOL_BLOCKED_BY];
}

/// Looks an event up by its name.
#[must_use]
pub fn find(name: &str) -> Option<&'static EventDef> {
    DEFS.iter().find(|def| def.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_our_namespace_and_unique() {
        let unique: std::collections::HashSet<_> = ALL.iter().collect();
        assert_eq!(unique.len(), ALL.len());
        assert!(ALL.iter().all(|name| name.starts_with(crate::PREFIX)));
    }

    #[test]
    fn attributes_are_declared_and_not_both_required_and_optional() {
        for def in DEFS {
            assert!(def.sentence.ends_with('.'), "{def:?}");
            for key in def.required.iter().chain(def.optional) {
                assert!(attr::ALL.contains(key), "{} uses the undeclared {key}", def.name);
            }
            assert!(def.required.iter().all(|key| !def.optional.contains(key)), "{}", def.name);
        }
    }
}
