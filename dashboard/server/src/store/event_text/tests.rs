//! Events of every name, in plain words.

use super::*;
use std::borrow::Cow;

fn text(name: &str, attributes: &[(&str, &str)], body: Option<&str>) -> (Severity, String) {
    describe(&EventRecord {
        sender: crate::model::Sender::default(),
        name,
        time_ns: 0,
        severity: 9,
        body: body.map(Cow::Borrowed),
        attributes: attributes.iter().map(|(key, value)| (*key, Cow::Borrowed(*value))).collect(),
        rows: Vec::new(),
        dropped_attributes: 0,
        trace_id: &[],
    })
}

#[test]
fn known_events_are_told_in_plain_words() {
    let breaker = [
        (attr::BREAKER_NAME, "pay:443"),
        (attr::BREAKER_FROM, "closed"),
        (attr::BREAKER_TO, "open"),
        (attr::BREAKER_REASON, "failure_ratio"),
        (attr::BREAKER_FAILURE_RATIO, "0.52"),
        (attr::BREAKER_WINDOW_CALLS, "200"),
        (attr::BREAKER_OPEN_FOR, "30"),
    ];
    let expected = "breaker pay:443 opened: 52 % of 200 calls failed; next try in 30 s";
    assert_eq!(text(event::BREAKER_TRANSITION, &breaker, None), (Severity::Bad, expected.into()));

    let closed = [
        (attr::CONNECTION_ID, "812"),
        (attr::URL_SCHEME, "https"),
        (attr::SERVER_ADDRESS, "pay"),
        (attr::SERVER_PORT, "443"),
        (attr::CLOSE_REASON, "peer_closed_active"),
        (attr::CLOSE_CERTAINTY, "inferred"),
    ];
    let expected = "connection 812 to https://pay:443 was closed: the peer closed it under a request \
                    (concluded, not seen)";
    assert_eq!(text(event::CONNECTION_CLOSED, &closed, None), (Severity::Warn, expected.into()));

    let failed = [(attr::SERVER_ADDRESS, "pay"), (attr::ERROR_TYPE, "dns")];
    let expected = "no connection to pay could be established: dns";
    assert_eq!(text(event::CONNECTION_FAILED, &failed, None).1, expected);
    let in_tls = [(attr::SERVER_ADDRESS, "pay"), (attr::CONNECT_PHASE, "tls")];
    let expected = "no connection to pay could be established: the TLS handshake failed (bad certificate)";
    assert_eq!(text(event::CONNECTION_FAILED, &in_tls, Some("bad certificate")).1, expected);

    let fired = [(attr::TIMEOUT_NAME, "headers"), (attr::TIMEOUT_LIMIT, "0.25")];
    assert_eq!(text(event::TIMEOUT_FIRED, &fired, None).1, "timeout headers fired after 250 ms");
    let fired = [
        (attr::TIMEOUT_NAME, "acquire"),
        (attr::TIMEOUT_LIMIT, "1"),
        (attr::TIMEOUT_ELAPSED, "1.3"),
        (attr::SERVER_ADDRESS, "pay"),
        (attr::CLIENT_NAME, "orders"),
        (attr::POOL_OPEN, "20"),
        (attr::POOL_ACTIVE, "20"),
        (attr::POOL_IDLE, "0"),
        (attr::POOL_CONNECTING, "0"),
        (attr::POOL_WAITING, "12"),
        (attr::LIMIT_MAX, "20"),
        (attr::LIMIT_QUEUED, "12"),
    ];
    let expected = "timeout acquire fired after 1 s, 300 ms late, on a call to pay; its pool of client orders \
                    had 20 open connections, 20 active, 0 idle, 0 connecting, 12 waiting, 12 of them for the limit of 20";
    assert_eq!(text(event::TIMEOUT_FIRED, &fired, None).1, expected);

    let retry = [(attr::RETRY_NAME, "reads"), (attr::RETRY_ATTEMPTS, "3"), (attr::RETRY_REASON, "503")];
    assert_eq!(text(event::RETRY_EXHAUSTED, &retry, None).1, "retry reads gave up after 3 attempts: 503");
    let retry = [(attr::RETRY_NAME, "reads"), (attr::RETRY_REASON, "breaker_open")];
    assert_eq!(text(event::RETRY_EXHAUSTED, &retry, None).1, "retry reads gave up: breaker open");

    let limit = [
        (attr::SERVER_ADDRESS, "pay"),
        (attr::LIMIT_MAX, "20"),
        (attr::LIMIT_IN_USE, "20"),
        (attr::LIMIT_QUEUED, "100"),
        (attr::LIMIT_REFUSED, "3"),
    ];
    let expected = "3 requests to pay refused, the limit is reached: 20 of 20 in flight, 100 waiting";
    assert_eq!(text(event::LIMIT_EXCEEDED, &limit, None).1, expected);
}

#[test]
fn a_close_tells_what_the_connection_had_behind_it() {
    let closed = |more: &[(&'static str, &'static str)]| {
        let attributes =
            [&[(attr::CONNECTION_ID, "12"), (attr::CLOSE_REASON, "idle_timeout")], more].concat();
        text(event::CONNECTION_CLOSED, &attributes, None).1
    };
    let (lifetime, requests) = (attr::CONNECTION_LIFETIME, attr::CONNECTION_REQUESTS);
    assert_eq!(
        closed(&[(lifetime, "3.21"), (requests, "40"), (attr::CONNECTION_RETRANSMITS, "2")]),
        "connection 12 was closed after 3.21 s and 40 requests: it was idle for too long; \
         2 segments had to be sent again"
    );
    assert_eq!(
        closed(&[(lifetime, "3.2"), (requests, "0"), (attr::CONNECTION_RETRANSMITS, "0")]),
        "connection 12 was closed after 3.2 s without a request: it was idle for too long"
    );
    assert_eq!(
        closed(&[(requests, "1")]),
        "connection 12 was closed after 1 request: it was idle for too long"
    );
}

#[test]
fn a_leak_tells_who_holds_what_and_for_how_long() {
    let leak = [
        (attr::HTTP_REQUEST_METHOD, "GET"),
        (attr::URL_SCHEME, "http"),
        (attr::SERVER_ADDRESS, "pay"),
        (attr::CONNECTION_ID, "12"),
        (attr::LEAK_HELD, "75"),
        (attr::LEAK_ORIGIN, "src/orders.rs:88"),
    ];
    let expected = "the response to a GET to http://pay on connection 12 has been held for 1 min 15 s and is not read; \
                    taken by src/orders.rs:88";
    assert_eq!(text(event::LEAK_SUSPECTED, &leak, None), (Severity::Warn, expected.into()));
    let expected = "the response to a GET to http://pay on connection 12 is no longer leaked after 1 min 15 s: \
                    it was given back, or is read again; taken by src/orders.rs:88";
    assert_eq!(text(event::LEAK_RETURNED, &leak, None), (Severity::Ok, expected.into()));
    assert_eq!(text(event::LEAK_SUSPECTED, &[], None).1, "the response to a request is not read");
}

#[test]
fn resources_and_health_are_told_in_plain_words() {
    let files =
        [(attr::RESOURCE_NAME, "open_files"), (attr::RESOURCE_USAGE, "972"), (attr::RESOURCE_LIMIT, "972")];
    let expected = "resource open files is used up, so requests are refused: 972 in use, of at most 972";
    assert_eq!(text(event::RESOURCE_EXHAUSTED, &files, None), (Severity::Bad, expected.into()));
    let expected = "resource open files is below its limits again: 972 in use";
    assert_eq!(text(event::RESOURCE_RECOVERED, &files, None), (Severity::Ok, expected.into()));
    let memory = [
        (attr::RESOURCE_NAME, "memory"),
        (attr::RESOURCE_USAGE, "419430400"),
        (attr::RESOURCE_LIMIT, "400000000"),
    ];
    let expected = "resource resident memory is near its limit: 400 MiB in use, warned from 381 MiB";
    assert_eq!(text(event::RESOURCE_WARNING, &memory, None), (Severity::Warn, expected.into()));
    assert_eq!(
        text(event::RESOURCE_RECOVERED, &[], None).1,
        "resource without a name is below its limits again"
    );

    let health = [
        (attr::HEALTH_NAME, "http://pay:80"),
        (attr::HEALTH_STATE, "failing"),
        (attr::HEALTH_REASON, "3 of 3 probes failed, last: timeout after 1s"),
    ];
    let expected = "http://pay:80 is failing: 3 of 3 probes failed, last: timeout after 1s";
    assert_eq!(text(event::HEALTH_CHANGED, &health, None), (Severity::Bad, expected.into()));
}

#[test]
fn sessions_are_told_by_their_key_and_the_reason_of_their_end() {
    let with = |reason: &'static str| {
        [
            (attr::SESSION_NAME, "chat"),
            (attr::SESSION_ID, "3"),
            (attr::SESSION_KEY, "room 7"),
            (attr::SESSION_END_REASON, reason),
            (attr::SESSION_DURATION, "90"),
            (attr::SESSION_ENDING_TIME, "5"),
        ]
    };
    let expected = "session room 7 of chat ended after 1 min 30 s: nothing happened in it for too long";
    let ended = |reason| text(event::SESSION_ENDED, &with(reason), None);
    assert_eq!(ended("idle_timeout"), (Severity::Ok, expected.into()));
    assert_eq!(ended("panicked").0, Severity::Warn);
    assert_eq!(ended("ping_failed").1, "session room 7 of chat ended after 1 min 30 s: ping_failed");
    let failed = [(attr::SESSION_END_REASON, "error"), (attr::SESSION_ERROR_MESSAGE, "broken pipe")];
    let expected = "session ended: its holder gave it up because of an error: broken pipe";
    assert_eq!(text(event::SESSION_ENDED, &failed, None), (Severity::Warn, expected.into()));
    let expected = "session room 7 of chat was told to end 5 s ago and is still there: \
                    it lasted for as long as it may";
    let overdue = text(event::SESSION_OVERDUE, &with("max_duration"), None);
    assert_eq!(overdue, (Severity::Warn, expected.into()));
}

#[test]
fn unknown_events_fall_back_to_body_or_attributes() {
    assert_eq!(text("x.y", &[("a", "1")], Some("hello")).1, "hello");
    assert_eq!(text("x.y", &[("a", "1"), ("b", "2")], None).1, "x.y a=1 b=2");
    assert_eq!(text("x.y", &[], None).1, "x.y");
}
