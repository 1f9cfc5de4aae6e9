//! Events in plain words.

use poolscope_semconv::value::{
    BreakerReason, BreakerState, Certainty, CloseReason, ConnectPhase, ErrorType, HealthState, SessionEnd,
};
use poolscope_semconv::{attr, event};
use poolscope_wire::Severity;

use crate::model::EventRecord;
use crate::words;

/// OTLP severity numbers from which on a record is a warning or an error.
const OTLP_WARN: i32 = 13;
const OTLP_ERROR: i32 = 17;

/// How bad an event is, and one sentence about it.
pub(super) fn describe(record: &EventRecord<'_>) -> (Severity, String) {
    match record.name {
        event::BREAKER_TRANSITION => transition(record),
        event::CONNECTION_CLOSED => closed(record),
        event::CONNECTION_FAILED => failed(record),
        event::LEAK_SUSPECTED => leak_suspected(record),
        event::LEAK_RETURNED => leak_returned(record),
        event::TIMEOUT_FIRED => timeout(record),
        event::RETRY_EXHAUSTED => exhausted(record),
        event::LIMIT_EXCEEDED => limit_exceeded(record),
        event::RESOURCE_WARNING | event::RESOURCE_EXHAUSTED | event::RESOURCE_RECOVERED => resource(record),
        event::HEALTH_CHANGED => health(record),
        event::SESSION_ENDED => session_ended(record),
        event::SESSION_OVERDUE => session_overdue(record),
        _ => other(record),
    }
}

/// The destination that an event names, as people write it.
fn destination(record: &EventRecord<'_>) -> Option<String> {
    let address = record.get(attr::SERVER_ADDRESS)?;
    let scheme = record.get(attr::URL_SCHEME).map(|scheme| format!("{scheme}://")).unwrap_or_default();
    let port = record.get(attr::SERVER_PORT).map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{scheme}{address}{port}"))
}

fn to_destination(record: &EventRecord<'_>) -> String {
    destination(record).map(|destination| format!(" to {destination}")).unwrap_or_default()
}

fn transition(record: &EventRecord<'_>) -> (Severity, String) {
    let name = record.get(attr::BREAKER_NAME).unwrap_or("without a name");
    let to = record.get(attr::BREAKER_TO).unwrap_or_default();
    let (severity, verb) = match BreakerState::parse(to) {
        Some(BreakerState::Open) => (Severity::Bad, "opened"),
        Some(BreakerState::HalfOpen) => (Severity::Warn, "is half-open"),
        Some(BreakerState::Closed) => (Severity::Ok, "closed"),
        Some(BreakerState::ForcedOpen) => (Severity::Bad, "is held open"),
        Some(BreakerState::ForcedClosed) => (Severity::Warn, "is held closed"),
        Some(BreakerState::MetricsOnly) => (Severity::Ok, "only observes now"),
        None => (Severity::Warn, "changed its state"),
    };
    let share = |ratio| record.number(ratio).map(words::percent);
    let calls = record.number(attr::BREAKER_WINDOW_CALLS).unwrap_or_default() as u64;
    let why = match record.get(attr::BREAKER_REASON).and_then(BreakerReason::parse) {
        Some(BreakerReason::FailureRatio) => match share(attr::BREAKER_FAILURE_RATIO) {
            Some(share) => format!(": {share} of {} failed", words::count(calls, "call")),
            None => ": too many calls failed".to_owned(),
        },
        Some(BreakerReason::ConnectFailureRatio) => match share(attr::BREAKER_CONNECT_FAILURE_RATIO) {
            Some(share) => format!(": no connection for {share} of {}", words::count(calls, "call")),
            None => ": too many calls found no connection".to_owned(),
        },
        Some(BreakerReason::SlowCallRatio) => match share(attr::BREAKER_SLOW_CALL_RATIO) {
            Some(share) => format!(": {share} of {} were slow", words::count(calls, "call")),
            None => ": too many calls were slow".to_owned(),
        },
        Some(BreakerReason::ConsecutiveFailures) => ": too many calls in a row failed".to_owned(),
        Some(BreakerReason::Restored) => ": as it was before a restart".to_owned(),
        Some(BreakerReason::OpenTimeElapsed) => ": the time to stay open is over".to_owned(),
        Some(BreakerReason::TrialSucceeded) => ": the trial calls succeeded".to_owned(),
        Some(BreakerReason::TrialFailed) => ": a trial call failed".to_owned(),
        Some(BreakerReason::Manual) => " by hand".to_owned(),
        Some(BreakerReason::Forced) => forced(record),
        Some(BreakerReason::ForceEnded) => format!(" again{}", forced(record)),
        Some(BreakerReason::Resources) => ": a resource of the process is used up".to_owned(),
        Some(BreakerReason::ResourcesFreed) => ": the resources of the process are enough again".to_owned(),
        Some(BreakerReason::ProbeSucceeded) => ": a health probe succeeded".to_owned(),
        Some(BreakerReason::External) => ": its own rules decided".to_owned(),
        None => String::new(),
    };
    let next = record.number(attr::BREAKER_OPEN_FOR).filter(|seconds| *seconds > 0.0);
    let next = next.map(|seconds| format!("; next try in {}", words::duration(seconds))).unwrap_or_default();
    (severity, format!("breaker {name} {verb}{why}{next}"))
}

/// Who moved a breaker from a dashboard, for how long, and why.
fn forced(record: &EventRecord<'_>) -> String {
    let Some(by) = record.get(attr::BREAKER_FORCED_BY) else {
        return ": the time that it was held from the dashboard is over".to_owned();
    };
    let lasts = record.number(attr::BREAKER_FORCED_FOR).map(words::duration);
    let lasts = lasts.map(|lasts| format!(" for {lasts}")).unwrap_or_default();
    let why = record.get(attr::BREAKER_FORCED_WHY).unwrap_or_default();
    format!("{lasts} by {by}: {why}")
}

fn closed(record: &EventRecord<'_>) -> (Severity, String) {
    let reason = record.get(attr::CLOSE_REASON).unwrap_or_default();
    let (severity, why) = match CloseReason::parse(reason) {
        Some(CloseReason::IdleTimeout) => (Severity::Ok, "it was idle for too long"),
        Some(CloseReason::PeerClosedIdle) => (Severity::Ok, "the peer closed it while it was idle"),
        Some(CloseReason::PeerClosedActive) => (Severity::Warn, "the peer closed it under a request"),
        Some(CloseReason::Reset) => (Severity::Warn, "the peer reset it"),
        Some(CloseReason::Error) => (Severity::Warn, "it failed"),
        Some(CloseReason::ProtocolError) => (Severity::Warn, "one side broke the protocol"),
        Some(CloseReason::Goaway) => (Severity::Ok, "the peer said that it takes no more streams"),
        Some(CloseReason::Poisoned) => (Severity::Ok, "it was taken out of use after errors or timeouts"),
        Some(CloseReason::MaxAge) => (Severity::Ok, "it reached its maximum age"),
        Some(CloseReason::Evicted) => (Severity::Ok, "its server answered with an error"),
        Some(CloseReason::Requested) => (Severity::Ok, "the program asked for idle connections to be closed"),
        Some(CloseReason::Redundant) => {
            (Severity::Ok, "it was never used: another HTTP/2 connection serves all requests")
        }
        Some(CloseReason::ClientDropped) => (Severity::Ok, "the client was dropped"),
        Some(CloseReason::RuntimeShutdown) => (Severity::Ok, "the task that drove it was dropped"),
        Some(CloseReason::ConnectionClose) => (Severity::Ok, "one side asked for it"),
        Some(CloseReason::BodyDropped) => (Severity::Ok, "a response was dropped before its body was read"),
        Some(CloseReason::UpgradeEnded) => (Severity::Ok, "its upgraded protocol ended"),
        Some(CloseReason::ClientClosed) => (Severity::Ok, "the client closed it"),
        Some(CloseReason::RequestDropped) => {
            (Severity::Ok, "a request was dropped before its response, so it could not be used again")
        }
        None if reason.is_empty() => (Severity::Ok, "no reason was told"),
        None => (Severity::Ok, reason),
    };
    let id = record.get(attr::CONNECTION_ID).map(|id| format!(" {id}")).unwrap_or_default();
    let certainty = record.get(attr::CLOSE_CERTAINTY).and_then(Certainty::parse);
    let mark = if certainty == Some(Certainty::Inferred) { " (concluded, not seen)" } else { "" };
    let again = record.number(attr::CONNECTION_RETRANSMITS).unwrap_or_default() as u64;
    let again = if again > 0 {
        format!("; {} had to be sent again", words::count(again, "segment"))
    } else {
        String::new()
    };
    let to = to_destination(record);
    (severity, format!("connection{id}{to} was closed{}: {why}{mark}{again}", life(record)))
}

/// What a connection had behind it when it closed.
fn life(record: &EventRecord<'_>) -> String {
    let lifetime = record.number(attr::CONNECTION_LIFETIME).map(words::duration);
    let requests = record.number(attr::CONNECTION_REQUESTS).map(|requests| requests as u64);
    match (lifetime, requests) {
        (Some(lifetime), Some(0)) => format!(" after {lifetime} without a request"),
        (Some(lifetime), Some(requests)) => {
            format!(" after {lifetime} and {}", words::count(requests, "request"))
        }
        (Some(lifetime), None) => format!(" after {lifetime}"),
        (None, Some(requests)) => format!(" after {}", words::count(requests, "request")),
        (None, None) => String::new(),
    }
}

fn failed(record: &EventRecord<'_>) -> (Severity, String) {
    let part = match record.get(attr::CONNECT_PHASE).and_then(ConnectPhase::parse) {
        Some(ConnectPhase::Dns) => ": the name could not be resolved",
        Some(ConnectPhase::Tcp) => ": the TCP connect failed",
        Some(ConnectPhase::Tls) => ": the TLS handshake failed",
        Some(ConnectPhase::TcpTls) | None => "",
    };
    let error = record.body.as_deref().filter(|body| !body.is_empty());
    let error = error.or_else(|| record.get(attr::ERROR_TYPE));
    let error = match (error, part) {
        (None, _) => String::new(),
        (Some(error), "") => format!(": {error}"),
        (Some(error), _) => format!(" ({error})"),
    };
    (Severity::Warn, format!("no connection{} could be established{part}{error}", to_destination(record)))
}

/// As bad as the sender says, which is a warning: whether requests suffer from it is told by those that wait.
fn leak_suspected(record: &EventRecord<'_>) -> (Severity, String) {
    let held = record.number(attr::LEAK_HELD);
    let held =
        held.map(|held| format!(" has been held for {} and", words::duration(held))).unwrap_or_default();
    (Severity::Warn, format!("{}{held} is not read{}", leaked(record), taken_by(record)))
}

fn leak_returned(record: &EventRecord<'_>) -> (Severity, String) {
    let held = record.number(attr::LEAK_HELD);
    let held = held.map(|held| format!(" after {}", words::duration(held))).unwrap_or_default();
    let text = format!("{} is no longer leaked{held}: it was given back, or is read again", leaked(record));
    (Severity::Ok, format!("{text}{}", taken_by(record)))
}

/// The response of a leak.
fn leaked(record: &EventRecord<'_>) -> String {
    let method = record.get(attr::HTTP_REQUEST_METHOD).unwrap_or("request");
    let connection = record.get(attr::CONNECTION_ID);
    let connection = connection.map(|id| format!(" on connection {id}")).unwrap_or_default();
    format!("the response to a {method}{}{connection}", to_destination(record))
}

fn taken_by(record: &EventRecord<'_>) -> String {
    record.get(attr::LEAK_ORIGIN).map(|origin| format!("; taken by {origin}")).unwrap_or_default()
}

fn timeout(record: &EventRecord<'_>) -> (Severity, String) {
    let name = record.get(attr::TIMEOUT_NAME).unwrap_or("without a name");
    let limit = record.number(attr::TIMEOUT_LIMIT);
    let fired = limit.map(|limit| format!(" after {}", words::duration(limit))).unwrap_or_default();
    let late = match (record.number(attr::TIMEOUT_ELAPSED), limit) {
        // Timers come a little late by nature. What comes much too late was held up by something.
        (Some(elapsed), Some(limit)) if elapsed - limit > (limit / 10.0).max(0.01) => {
            format!(", {} late,", words::duration(elapsed - limit))
        }
        _ => String::new(),
    };
    let text = format!("timeout {name} fired{fired}{late}{}{}", on_destination(record), pool_state(record));
    (Severity::Warn, text)
}

/// What a pool had at the moment of an event, if that was told.
fn pool_state(record: &EventRecord<'_>) -> String {
    let number = |key| record.number(key).map(|number| number as u64);
    let Some(open) = number(attr::POOL_OPEN) else { return String::new() };
    let others = [
        (attr::POOL_ACTIVE, "active"),
        (attr::POOL_IDLE, "idle"),
        (attr::POOL_CONNECTING, "connecting"),
        (attr::POOL_WAITING, "waiting"),
    ];
    let others = others.map(|(key, word)| number(key).map(|number| format!(", {number} {word}")));
    let others: String = others.into_iter().flatten().collect();
    let client =
        record.get(attr::CLIENT_NAME).map(|client| format!(" of client {client}")).unwrap_or_default();
    let limit = number(attr::LIMIT_MAX).zip(number(attr::LIMIT_QUEUED));
    let limit =
        limit.map(|(max, queued)| format!(", {queued} of them for the limit of {max}")).unwrap_or_default();
    format!("; its pool{client} had {}{others}{limit}", words::count(open, "open connection"))
}

fn exhausted(record: &EventRecord<'_>) -> (Severity, String) {
    let name = record.get(attr::RETRY_NAME).unwrap_or("without a name");
    let attempts = record.number(attr::RETRY_ATTEMPTS).map(|attempts| attempts as u64);
    let attempts = attempts.map(|n| format!(" after {}", words::count(n, "attempt"))).unwrap_or_default();
    let reason = match record.get(attr::RETRY_REASON) {
        None => String::new(),
        Some(reason) if reason == ErrorType::Other.as_str() => ": another error".to_owned(),
        // A status code, or the class of an error, whose words are its own.
        Some(reason) => format!(": {}", reason.replace('_', " ")),
    };
    (Severity::Warn, format!("retry {name} gave up{attempts}{}{reason}", on_destination(record)))
}

/// A limit that holds is what it is for; that requests are refused is for somebody to see.
fn limit_exceeded(record: &EventRecord<'_>) -> (Severity, String) {
    let number = |key| record.number(key).map(|number| number as u64);
    let refused = words::count(number(attr::LIMIT_REFUSED).unwrap_or(1).max(1), "request");
    let in_use = number(attr::LIMIT_IN_USE).zip(number(attr::LIMIT_MAX));
    let in_use = in_use.map(|(used, max)| format!(": {used} of {max} in flight")).unwrap_or_default();
    let queued = number(attr::LIMIT_QUEUED).map(|queued| format!(", {queued} waiting")).unwrap_or_default();
    (
        Severity::Warn,
        format!("{refused}{} refused, the limit is reached{in_use}{queued}", to_destination(record)),
    )
}

fn on_destination(record: &EventRecord<'_>) -> String {
    destination(record).map(|destination| format!(" on a call to {destination}")).unwrap_or_default()
}

/// What a resource guard has seen.
fn resource(record: &EventRecord<'_>) -> (Severity, String) {
    let name = record.get(attr::RESOURCE_NAME).unwrap_or_default();
    let amount = |key| {
        let amount = record.number(key)?;
        let mib = amount / 1_048_576.0;
        let text =
            if name == "memory" && mib >= 1.0 { format!("{mib:.0} MiB") } else { format!("{amount:.0}") };
        Some(text)
    };
    let what = match name {
        "open_files" => "open files".to_owned(),
        "memory" => "resident memory".to_owned(),
        "connections" => "open connections".to_owned(),
        "" => "without a name".to_owned(),
        own => own.to_owned(),
    };
    let used = amount(attr::RESOURCE_USAGE).map(|used| format!(": {used} in use")).unwrap_or_default();
    let limit = |words: &str| {
        amount(attr::RESOURCE_LIMIT).map(|limit| format!(", {words} {limit}")).unwrap_or_default()
    };
    match record.name {
        event::RESOURCE_WARNING => {
            (Severity::Warn, format!("resource {what} is near its limit{used}{}", limit("warned from")))
        }
        event::RESOURCE_EXHAUSTED => (
            Severity::Bad,
            format!("resource {what} is used up, so requests are refused{used}{}", limit("of at most")),
        ),
        _ => (Severity::Ok, format!("resource {what} is below its limits again{used}")),
    }
}

/// What probes say of a destination.
fn health(record: &EventRecord<'_>) -> (Severity, String) {
    let name = record.get(attr::HEALTH_NAME).unwrap_or("a destination");
    let (severity, verb) = match record.get(attr::HEALTH_STATE).and_then(HealthState::parse) {
        Some(HealthState::Healthy) => (Severity::Ok, "is healthy"),
        Some(HealthState::Degraded) => (Severity::Warn, "is degraded"),
        Some(HealthState::Failing) => (Severity::Bad, "is failing"),
        Some(HealthState::Unknown) | None => (Severity::Warn, "is in an unknown state"),
    };
    let reason = record.get(attr::HEALTH_REASON).map(|reason| format!(": {reason}")).unwrap_or_default();
    (severity, format!("{name} {verb}{reason}"))
}

/// The session that an event is about.
fn session(record: &EventRecord<'_>) -> String {
    let key = record.get(attr::SESSION_KEY).filter(|key| !key.is_empty());
    let key = key.or_else(|| record.get(attr::SESSION_ID)).map(|key| format!(" {key}")).unwrap_or_default();
    let of = record.get(attr::SESSION_NAME).map(|name| format!(" of {name}")).unwrap_or_default();
    format!("session{key}{of}")
}

/// A time of a session.
fn time_of(record: &EventRecord<'_>, key: &str) -> Option<String> {
    record.number(key).map(words::duration)
}

/// How bad it is that a session ended, and why it did.
fn session_end(record: &EventRecord<'_>) -> (Severity, String) {
    let reason = record.get(attr::SESSION_END_REASON).unwrap_or_default();
    let (severity, why) = match SessionEnd::parse(reason) {
        Some(SessionEnd::Completed) => (Severity::Ok, "it was completed"),
        Some(SessionEnd::Error) => (Severity::Warn, "its holder gave it up because of an error"),
        Some(SessionEnd::IdleTimeout) => (Severity::Ok, "nothing happened in it for too long"),
        Some(SessionEnd::MaxDuration) => (Severity::Ok, "it lasted for as long as it may"),
        Some(SessionEnd::Unresponsive) => {
            (Severity::Warn, "its other end did not answer when it was asked whether it is there")
        }
        Some(SessionEnd::Evicted) => (Severity::Warn, "room was needed for another one"),
        Some(SessionEnd::Shutdown) => (Severity::Ok, "the program shuts down"),
        Some(SessionEnd::Dropped) => (Severity::Ok, "its holder was dropped before it was done"),
        Some(SessionEnd::Panicked) => (Severity::Warn, "its holder panicked"),
        None if reason.is_empty() => (Severity::Ok, "no reason was told"),
        None => (Severity::Ok, reason),
    };
    let error = record.get(attr::SESSION_ERROR_MESSAGE).map(|error| format!(": {error}")).unwrap_or_default();
    (severity, format!("{why}{error}"))
}

fn session_ended(record: &EventRecord<'_>) -> (Severity, String) {
    let (severity, why) = session_end(record);
    let after =
        time_of(record, attr::SESSION_DURATION).map(|time| format!(" after {time}")).unwrap_or_default();
    (severity, format!("{} ended{after}: {why}", session(record)))
}

fn session_overdue(record: &EventRecord<'_>) -> (Severity, String) {
    let ago =
        time_of(record, attr::SESSION_ENDING_TIME).map(|time| format!(" {time} ago")).unwrap_or_default();
    let text =
        format!("{} was told to end{ago} and is still there: {}", session(record), session_end(record).1);
    (Severity::Warn, text)
}

/// Events that this server has no words for.
fn other(record: &EventRecord<'_>) -> (Severity, String) {
    let severity = match record.severity {
        OTLP_ERROR.. => Severity::Bad,
        OTLP_WARN.. => Severity::Warn,
        _ => Severity::Ok,
    };
    let text = match &record.body {
        Some(body) if !body.is_empty() => body.to_string(),
        _ => {
            let pairs: Vec<_> =
                record.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("{} {}", record.name, pairs.join(" ")).trim_end().to_owned()
        }
    };
    (severity, text)
}

#[cfg(test)]
mod tests;
