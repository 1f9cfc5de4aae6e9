//! Tests of [`super::fill`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::logs::{Logger, LoggerProvider};
use opentelemetry_sdk::logs::{SdkLogRecord, SdkLoggerProvider};
use poolscope_semconv::value::{
    BreakerReason, Certainty, CloseReason, ConnectPhase, ErrorType, QueueDropReason, RejectReason,
    ServerCloseReason, SupervisorReason, SupervisorState,
};

use super::*;
use crate::Origin;
use crate::event::{
    BreakerTransition, ConnectionClosed, ConnectionFailed, HealthChanged, LimitExceeded, RetryExhausted,
    ServerConnectionClosed, ServerRejecting, SupervisorTransition, TimeoutFired,
};
use crate::registry::{Pool, TaskOwner};

pub(crate) fn record(event: &Event) -> SdkLogRecord {
    let logger = SdkLoggerProvider::builder().build().logger("test");
    let mut record = logger.create_log_record();
    fill(&mut record, event, SystemTime::UNIX_EPOCH);
    record
}

pub(crate) fn attributes(record: &SdkLogRecord) -> BTreeMap<String, String> {
    let text = |value: &AnyValue| match value {
        AnyValue::String(text) => text.to_string(),
        AnyValue::Int(number) => number.to_string(),
        AnyValue::Double(number) => number.to_string(),
        other => panic!("unexpected {other:?}"),
    };
    record.attributes_iter().map(|(key, value)| (key.to_string(), text(value))).collect()
}

pub(crate) fn body(record: &SdkLogRecord) -> String {
    match record.body() {
        Some(AnyValue::String(text)) => text.to_string(),
        other => panic!("unexpected {other:?}"),
    }
}

fn pool() -> Arc<PoolName> {
    Arc::new(PoolName { client: "payments".into(), scheme: "http", host: "pay.example".into(), port: 80 })
}

fn transition(to: BreakerState) -> Event {
    Event::BreakerTransition(BreakerTransition {
        name: "pay".into(),
        from: BreakerState::Closed,
        to,
        reason: BreakerReason::FailureRatio,
        failure_ratio: Some(0.5),
        slow_call_ratio: None,
        connect_failure_ratio: Some(0.0),
        window_calls: 20,
        open_for: Some(Duration::from_millis(2500)),
        forced: None,
    })
}

fn used() -> ResourceUse {
    ResourceUse {
        guard: "resources".into(),
        resource: "open_files".into(),
        current: 850,
        soft_limit: 800,
        hard_limit: 950,
    }
}

fn failing() -> HealthChanged {
    HealthChanged {
        name: "pay".into(),
        from: HealthState::Healthy,
        to: HealthState::Failing,
        reason: "3 of 3 probes failed, last: timeout after 1 s".into(),
        destination: Some("http://pay.example:80".into()),
    }
}

fn leak() -> Leak {
    Leak {
        pool: pool(),
        connection: Some(7),
        method: "GET",
        held: Duration::from_secs(61),
        trace_id: Some(0x1234),
        span_id: Some(0x56),
        origin: Some(Origin::named("checkout")),
    }
}

fn end(reason: SessionEnd) -> EndOfSession {
    EndOfSession {
        name: "chat".into(),
        id: 3,
        key: "room 7".into(),
        reason,
        duration: Duration::from_secs(90),
        idle: Duration::from_secs(61),
        ending: Duration::from_secs(5),
        error: (reason == SessionEnd::Error).then(|| "broken pipe".to_owned()),
        trace_id: Some(0x1234),
        span_id: Some(0x56),
    }
}

pub(crate) fn every_event() -> Vec<Event> {
    vec![
        transition(BreakerState::Open),
        Event::ConnectionClosed(ConnectionClosed {
            pool: pool(),
            connection: 7,
            peer: Some(([127, 0, 0, 1], 8080).into()),
            reason: CloseReason::Reset,
            certainty: Certainty::Known,
            lifetime: Duration::from_secs(2),
            requests: 3,
            active_time: Some(Duration::from_millis(1500)),
            is_wasted: false,
            bytes: Some((100, 200)),
            rtt: Some(Duration::from_micros(40)),
            retransmits: Some(1),
        }),
        Event::ConnectionFailed(ConnectionFailed {
            pool: pool(),
            error_type: ErrorType::Dns,
            phase: Some(ConnectPhase::Dns),
            error: "no such host".into(),
        }),
        Event::LeakSuspected(leak()),
        Event::LeakReturned(leak()),
        Event::TimeoutFired(TimeoutFired {
            name: "attempt".into(),
            limit: Duration::from_millis(250),
            elapsed: Duration::from_millis(251),
            destination: Some("http://pay.example:80".into()),
            pool: Some(Box::new(Pool::unseen().state())),
        }),
        Event::RetryExhausted(RetryExhausted {
            name: "retry".into(),
            attempts: 3,
            reason: "503".into(),
            destination: None,
        }),
        Event::LimitExceeded(LimitExceeded { pool: pool(), max: 20, in_use: 20, queued: 100, refused: 3 }),
        Event::ResourceWarning(used()),
        Event::ResourceExhausted(used()),
        Event::ResourceRecovered(used()),
        Event::HealthChanged(failing()),
        Event::SessionEnded(end(SessionEnd::Error)),
        Event::SessionOverdue(end(SessionEnd::IdleTimeout)),
        Event::ServerConnectionClosed(ServerConnectionClosed {
            name: "api".into(),
            connection: 9,
            peer: Some(([127, 0, 0, 1], 40_000).into()),
            reason: ServerCloseReason::HeadersTimeout,
            lifetime: Duration::from_secs(30),
            requests: 2,
            sent: 300,
            received: 400,
        }),
        Event::ServerRejecting(ServerRejecting {
            name: "api".into(),
            reason: RejectReason::MaxConnections,
            rejected: 12,
            limit: 1_000,
        }),
        Event::TaskPanicked(task_end(Some("index out of bounds".into()))),
        Event::TaskAborted(task_end(None)),
        Event::QueueDropping(dropping()),
        Event::SupervisorChanged(SupervisorTransition {
            name: "prices".into(),
            from: SupervisorState::Connecting,
            to: SupervisorState::Waiting,
            reason: SupervisorReason::ConnectFailed,
            attempt: 2,
            delay: Some(Duration::from_millis(250)),
            error: Some("connection refused".into()),
        }),
    ]
}

#[test]
fn every_event_of_the_contract_has_a_name_a_time_a_severity_and_a_sentence() {
    let records: Vec<_> = every_event().iter().map(record).collect();
    let names: Vec<_> = records.iter().map(|record| record.event_name().unwrap()).collect();
    // A pool is told by the exporter itself, now and then.
    let happen = name::ALL.iter().filter(|name| **name != name::POOL_SNAPSHOT);
    assert_eq!(names, happen.copied().collect::<Vec<_>>());
    for record in &records {
        assert_eq!(record.timestamp(), Some(SystemTime::UNIX_EPOCH));
        assert_eq!(record.severity_text(), record.severity_number().map(|severity| severity.name()));
        assert!(!body(record).is_empty());
        for key in attributes(record).keys() {
            assert!(attr::ALL.contains(&key.as_str()), "{key} is not in the contract");
        }
    }
}

#[test]
fn a_transition_tells_what_the_dashboard_draws() {
    let open = record(&transition(BreakerState::Open));
    assert_eq!(open.severity_number(), Some(Severity::Error));
    let told = attributes(&open);
    let get = |key: &str| told[key].as_str();
    assert_eq!(
        (get(attr::BREAKER_NAME), get(attr::BREAKER_FROM), get(attr::BREAKER_TO)),
        ("pay", "closed", "open")
    );
    assert_eq!((get(attr::BREAKER_REASON), get(attr::BREAKER_WINDOW_CALLS)), ("failure_ratio", "20"));
    assert_eq!((get(attr::BREAKER_FAILURE_RATIO), get(attr::BREAKER_OPEN_FOR)), ("0.5", "2.5"));
    assert_eq!(record(&transition(BreakerState::HalfOpen)).severity_number(), Some(Severity::Info));
}

#[test]
fn a_close_tells_its_pool_its_peer_and_its_reason() {
    let closed = record(&every_event()[1]);
    assert_eq!(closed.severity_number(), Some(Severity::Warn));
    let told = attributes(&closed);
    let get = |key: &str| told[key].as_str();
    assert_eq!(
        (get(attr::CLIENT_NAME), get(attr::SERVER_ADDRESS), get(attr::SERVER_PORT)),
        ("payments", "pay.example", "80")
    );
    assert_eq!((get(attr::CLOSE_REASON), get(attr::CLOSE_CERTAINTY)), ("reset", "known"));
    assert_eq!(get(attr::CONNECTION_ACTIVE_TIME), "1.5");
    assert!(!told.contains_key(attr::CONNECTION_WASTED), "it is told only if it is so");
    assert_eq!((get(attr::NETWORK_PEER_ADDRESS), get(attr::NETWORK_PEER_PORT)), ("127.0.0.1", "8080"));
    assert_eq!(
        body(&closed),
        "connection 7 to http://pay.example:80 of client payments was closed after 2 s and 3 requests: reset"
    );
}

#[test]
fn a_timeout_names_the_destination_of_the_call_and_the_state_of_its_pool() {
    let fired = record(&every_event()[5]);
    let told = attributes(&fired);
    let get = |key: &str| told[key].as_str();
    assert_eq!((get(attr::TIMEOUT_NAME), get(attr::TIMEOUT_LIMIT)), ("attempt", "0.25"));
    assert_eq!(
        (get(attr::TIMEOUT_ELAPSED), get(attr::POOL_OPEN), get(attr::POOL_WAITING)),
        ("0.251", "0", "0")
    );
    assert_eq!(
        body(&fired),
        "timeout attempt fired after 250 ms (http://pay.example:80; \
         pool \"\": 0 connections open, 0 active, 0 idle, 0 requests waiting)"
    );
    assert_eq!(
        (get(attr::URL_SCHEME), get(attr::SERVER_ADDRESS), get(attr::SERVER_PORT)),
        ("http", "pay.example", "80")
    );
}

#[test]
fn a_resource_tells_its_use_and_the_limit_that_counts() {
    for (event, name, limit, words) in [
        (Event::ResourceWarning(used()), name::RESOURCE_WARNING, "800", "above its soft limit of 800"),
        (Event::ResourceExhausted(used()), name::RESOURCE_EXHAUSTED, "950", "requests are refused"),
        (
            Event::ResourceRecovered(used()),
            name::RESOURCE_RECOVERED,
            "800",
            "below its soft limit of 800 again",
        ),
    ] {
        let record = record(&event);
        assert_eq!(record.event_name(), Some(name));
        let attributes = attributes(&record);
        assert_eq!((&*attributes[attr::RESOURCE_USAGE], &*attributes[attr::RESOURCE_LIMIT]), ("850", limit));
        assert_eq!(
            (&*attributes[attr::RESOURCE_NAME], &*attributes[attr::GUARD_NAME]),
            ("open_files", "resources")
        );
        assert!(body(&record).contains(words), "{}", body(&record));
    }
}

#[test]
fn a_change_of_health_tells_from_where_to_where_and_why() {
    let record = record(&Event::HealthChanged(failing()));
    assert_eq!(record.severity_number(), Some(Severity::Error));
    assert_eq!(body(&record), "pay is failing: 3 of 3 probes failed, last: timeout after 1 s");
    let attributes = attributes(&record);
    assert_eq!((&*attributes[attr::HEALTH_FROM], &*attributes[attr::HEALTH_STATE]), ("healthy", "failing"));
    assert_eq!(attributes[attr::SERVER_ADDRESS], "pay.example");
}

fn dropping() -> DroppedItems {
    DroppedItems { queue: "chat outbox".into(), reason: QueueDropReason::Oldest, dropped: 12, capacity: 64 }
}

#[test]
fn a_queue_tells_how_much_it_drops_and_why() {
    let told = record(&Event::QueueDropping(dropping()));
    assert_eq!(told.severity_number(), Some(Severity::Warn));
    assert_eq!(body(&told), "queue chat outbox dropped 12 items, of which it may hold 64: oldest");
    let told = attributes(&told);
    assert_eq!((&*told[attr::QUEUE_NAME], &*told[attr::QUEUE_DROP_REASON]), ("chat outbox", "oldest"));
    assert_eq!((&*told[attr::QUEUE_DROPPED], &*told[attr::QUEUE_CAPACITY]), ("12", "64"));
}

fn task_end(panic: Option<Arc<str>>) -> EndOfTask {
    let owner = Some(TaskOwner::new(&"chat".into(), 3, &"room 7".into()));
    EndOfTask { group: "chat".into(), name: "writer".into(), owner, duration: Duration::from_secs(90), panic }
}

#[test]
fn a_task_tells_how_it_ended_and_what_its_panic_says() {
    let panicked = record(&Event::TaskPanicked(task_end(Some("index out of bounds".into()))));
    assert_eq!(panicked.severity_number(), Some(Severity::Error));
    assert_eq!(
        body(&panicked),
        "task writer of session 3 (room 7) of chat panicked after 1 min 30 s: index out of bounds"
    );
    let told = attributes(&panicked);
    assert_eq!(
        (&*told[attr::SESSION_NAME], &*told[attr::SESSION_ID], &*told[attr::SESSION_KEY]),
        ("chat", "3", "room 7")
    );
    assert_eq!((&*told[attr::TASK_GROUP], &*told[attr::TASK_NAME]), ("chat", "writer"));
    assert_eq!(
        (&*told[attr::TASK_DURATION], &*told[attr::TASK_PANIC_MESSAGE]),
        ("90", "index out of bounds")
    );
    let aborted = record(&Event::TaskAborted(EndOfTask { owner: None, ..task_end(None) }));
    assert!(!attributes(&aborted).contains_key(attr::SESSION_ID), "it is that of no session");
    assert_eq!(
        body(&aborted),
        "task writer of chat did not end in time when it was told to, and was cut after 1 min 30 s"
    );
}

#[test]
fn a_server_says_why_it_closed_a_connection_and_why_it_turns_others_away() {
    let all = every_event();
    let said = |is: fn(&&Event) -> bool| body(&record(all.iter().find(is).unwrap()));
    assert_eq!(
        said(|event| matches!(event, Event::ServerConnectionClosed(_))),
        "connection 9 of server api was closed after 30 s and 2 requests: headers_timeout"
    );
    assert_eq!(
        said(|event| matches!(event, Event::ServerRejecting(_))),
        "server api has as many connections as it may have, 1000: 12 connections turned away"
    );
}

#[test]
fn a_session_tells_why_it_ended_and_how_long_it_took() {
    let ended = record(&Event::SessionEnded(end(SessionEnd::Error)));
    assert_eq!(ended.severity_number(), Some(Severity::Warn));
    assert_eq!(body(&ended), "session 3 (room 7) of chat ended after 1 min 30 s: error: broken pipe");
    assert_eq!(attributes(&ended)[attr::SESSION_ERROR_MESSAGE], "broken pipe");
    let overdue = record(&Event::SessionOverdue(end(SessionEnd::IdleTimeout)));
    assert_eq!(overdue.severity_number(), Some(Severity::Warn));
    assert_eq!(
        body(&overdue),
        "session 3 (room 7) of chat was told to end 5 s ago (idle_timeout) and is still there"
    );
    let told = attributes(&overdue);
    let get = |key: &str| told[key].as_str();
    assert_eq!(
        (get(attr::SESSION_NAME), get(attr::SESSION_ID), get(attr::SESSION_KEY)),
        ("chat", "3", "room 7")
    );
    assert_eq!((get(attr::SESSION_END_REASON), get(attr::SESSION_ENDING_TIME)), ("idle_timeout", "5"));
    assert_eq!((get(attr::SESSION_DURATION), get(attr::SESSION_IDLE_TIME)), ("90", "61"));
}
