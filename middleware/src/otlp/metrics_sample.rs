//! A snapshot in which there is something of everything.

use std::time::{Duration, SystemTime};

use poolscope_semconv::metric::{self, MetricDef};
use poolscope_semconv::value::{
    AcquireOutcome, BreakerOutcome, BreakerReason, BreakerState, Certainty, CloseReason, ConnectPhase,
    ErrorType, HealthState, IoDirection, LimitOutcome, Observation, PingOutcome, ProbeOutcome,
    QueueDropReason, ResourceState, RetryOutcome, SessionEnd, SupervisorReason, SupervisorState, TaskOutcome,
    TimeoutOutcome,
};

use crate::registry::{
    BreakerSnapshot, ConnectFailures, ConnectionCounts, HealthSnapshot, HistogramSnapshot, LimitSnapshot,
    PoolSnapshot, Protocol, QueueSnapshot, ResourceSnapshot, ResultSnapshot, RetrySnapshot, ScopeSnapshot,
    SessionTraffic, SessionsSnapshot, SupervisorSnapshot, TasksSnapshot, TimeoutDestination, TimeoutSnapshot,
    TotalLimitSnapshot,
};
use crate::{
    DisconnectPhase, HandshakeSnapshot, LookupSnapshot, RejectReason, RetryResultSnapshot,
    ServedResultSnapshot, ServerCloseReason, ServerSnapshot,
};

pub(super) const SINCE: u64 = 1_000_000_000_000_000_000;
pub(super) const AT: u64 = SINCE + 5_000_000_000;

pub(super) fn time(nanos: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos)
}

pub(super) fn histogram(def: &MetricDef, count: u64) -> HistogramSnapshot {
    let mut buckets = vec![0; def.bounds.len() + 1];
    buckets[1] = count;
    HistogramSnapshot { bounds: def.bounds, buckets, sum: count as f64 * 0.006, exemplars: Vec::new() }
}

pub(super) fn result(
    method: &'static str,
    status: Option<u16>,
    error_type: Option<ErrorType>,
) -> ResultSnapshot {
    ResultSnapshot {
        method,
        status,
        error_type,
        protocol: status.map(|_| "1.1"),
        overflow: false,
        duration: histogram(&metric::HTTP_CLIENT_REQUEST_DURATION, 1),
    }
}

pub(super) fn pool() -> PoolSnapshot {
    PoolSnapshot {
        client: "payments".into(),
        scheme: "http",
        host: "pay.example".into(),
        port: 8080,
        observation: Observation::Exact,
        connections: vec![
            (Protocol::Http1, ConnectionCounts { idle: 2, active: 3, upgraded: 1 }),
            (Protocol::Http2, ConnectionCounts { idle: 0, active: 1, upgraded: 0 }),
        ],
        opened: 9,
        closed: vec![
            (CloseReason::Reset, Certainty::Known, 1),
            (CloseReason::BodyDropped, Certainty::Inferred, 1),
        ],
        connecting: 2,
        wasted: 1,
        connect_failures: vec![ConnectFailures {
            error_type: ErrorType::Connect,
            phase: Some(ConnectPhase::Tcp),
            count: 4,
        }],
        connect_abandoned: 1,
        stale_reuse: 1,
        retransmits: None,
        acquires_started: 20,
        acquired: 15,
        acquires: vec![
            (AcquireOutcome::Reused, 8),
            (AcquireOutcome::New, 7),
            (AcquireOutcome::Failed, 1),
            (AcquireOutcome::Canceled, 2),
        ],
        released: 11,
        streams: 2,
        bytes: Some((1000, 2000)),
        wait: histogram(&metric::CONNECTION_WAIT_TIME, 15),
        queued: histogram(&metric::HTTP_CLIENT_REQUEST_TIME_IN_QUEUE, 7),
        usage: histogram(&metric::CONNECTION_USE_TIME, 11),
        idle: histogram(&metric::CONNECTION_IDLE_TIME, 8),
        create: histogram(&metric::CONNECTION_CREATE_TIME, 9),
        phases: vec![(ConnectPhase::Tcp, histogram(&metric::CONNECTION_PHASE_TIME, 9))],
        lookups: vec![LookupSnapshot {
            question: "pay.example".into(),
            error_type: None,
            duration: histogram(&metric::DNS_LOOKUP_DURATION, 9),
        }],
        requests: histogram(&metric::CONNECTION_REQUESTS, 2),
        rtt: histogram(&metric::CONNECTION_RTT, 2),
        lifetime: vec![(Protocol::Http1, histogram(&metric::HTTP_CLIENT_CONNECTION_DURATION, 2))],
        results: vec![
            result("GET", Some(200), None),
            result("GET", Some(404), None),
            result("_OTHER", None, Some(ErrorType::Connect)),
            ResultSnapshot { overflow: true, ..result("_OTHER", None, None) },
        ],
        leaks_suspected: 3,
        leaks_active: 1,
        limit: Some(LimitSnapshot {
            max: 20,
            in_use: 20,
            queue_max: 100,
            queued: 2,
            oldest_wait: Some(Duration::from_millis(300)),
            calls: LimitOutcome::ALL.iter().map(|outcome| (*outcome, 3)).collect(),
            wait: histogram(&metric::LIMIT_WAIT_TIME, 12),
        }),
        waiting: None,
        held: Vec::new(),
        open: Vec::new(),
    }
}

/// A pool of reqwest to which no connection could be made.
pub(super) fn unreachable_pool() -> PoolSnapshot {
    PoolSnapshot {
        client: "search".into(),
        scheme: "https",
        host: "search.example".into(),
        port: 443,
        observation: Observation::Estimated,
        connections: Vec::new(),
        closed: Vec::new(),
        bytes: None,
        lifetime: Vec::new(),
        results: Vec::new(),
        limit: None,
        ..pool()
    }
}

/// A pool of reqwest whose connections the kernel tells of.
pub(super) fn told_pool() -> PoolSnapshot {
    PoolSnapshot {
        client: "catalog".into(),
        observation: Observation::Kernel,
        retransmits: Some(5),
        bytes: None,
        results: Vec::new(),
        ..pool()
    }
}

pub(super) fn breaker(name: &str, state: BreakerState, failure_ratio: Option<f64>) -> BreakerSnapshot {
    BreakerSnapshot {
        name: name.into(),
        state,
        failure_ratio,
        failure_ratio_limit: Some(0.5),
        slow_call_ratio: failure_ratio,
        slow_call_ratio_limit: Some(0.9),
        connect_failure_ratio: failure_ratio,
        connect_failure_ratio_limit: Some(0.3),
        window_calls: 40,
        open_remaining: Duration::from_millis(1500),
        calls: BreakerOutcome::ALL.iter().map(|outcome| (*outcome, 10)).collect(),
        transitions: vec![(BreakerState::Closed, BreakerState::Open, BreakerReason::FailureRatio, 1)],
    }
}

pub(super) fn snapshot() -> ScopeSnapshot {
    ScopeSnapshot {
        at: time(AT),
        kernel_refused: None,
        kernel_overflows: 2,
        since: time(SINCE),
        pools: vec![pool(), told_pool(), unreachable_pool()],
        breakers: vec![
            breaker("a", BreakerState::Open, Some(0.75)),
            breaker("b", BreakerState::Closed, None),
            // One of another crate.
            BreakerSnapshot {
                calls: vec![(BreakerOutcome::Rejected, 2)],
                ..BreakerSnapshot::new("c", BreakerState::Closed)
            },
        ],
        retries: vec![RetrySnapshot {
            name: "retry".into(),
            calls: RetryOutcome::ALL.iter().map(|outcome| (*outcome, 1)).collect(),
            attempts: vec![("503".into(), 3), ("connect".into(), 1)],
            results: vec![
                RetryResultSnapshot { status: Some(200), error_type: None, calls: 5 },
                RetryResultSnapshot { status: None, error_type: Some(ErrorType::Connect), calls: 1 },
            ],
            delay: histogram(&metric::RETRY_DELAY, 4),
        }],
        timeouts: vec![TimeoutSnapshot {
            name: "attempt".into(),
            limit: Duration::from_millis(250),
            calls: TimeoutOutcome::ALL.iter().map(|outcome| (*outcome, 2)).collect(),
            budget_used: histogram(&metric::TIMEOUT_BUDGET_USED, 4),
            destinations: ["http://pay.example:80", "_OTHER"].map(learned).to_vec(),
        }],
        limits: vec![TotalLimitSnapshot {
            client: "payments".into(),
            max: 50,
            in_use: 24,
            queue_max: 1_000,
            queued: 0,
        }],
        resources: vec![
            ResourceSnapshot {
                guard: "resources".into(),
                name: "open_files".into(),
                current: Some(850),
                peak: 900,
                soft_limit: Some(800),
                hard_limit: Some(950),
                system_limit: Some(1_000),
                state: ResourceState::Warning,
                refused: 3,
            },
            // What can't be read and has no limit.
            ResourceSnapshot {
                guard: "resources".into(),
                name: "memory".into(),
                current: None,
                peak: 0,
                soft_limit: None,
                hard_limit: None,
                system_limit: None,
                state: ResourceState::Normal,
                refused: 0,
            },
        ],
        health: vec![HealthSnapshot {
            name: "http://pay.example:80".into(),
            state: HealthState::Degraded,
            reason: "1 of 3 probes failed, last: status 503".into(),
            since: Duration::from_secs(3),
            last_probe: Some(Duration::from_millis(1_500)),
            probes: ProbeOutcome::ALL.iter().map(|outcome| (*outcome, 4)).collect(),
            duration: histogram(&metric::HEALTH_PROBE_DURATION, 12),
        }],
        sessions: vec![SessionsSnapshot {
            name: "chat".into(),
            active: 4,
            limit: 100,
            started: 11,
            refused: 2,
            ended: SessionEnd::ALL.iter().map(|reason| (*reason, 1)).collect(),
            overdue: 1,
            oldest: Some(Duration::from_millis(2_500)),
            idle_timeout: None,
            max_duration: None,
            duration: histogram(&metric::SESSION_DURATION, 7),
            sweeps: histogram(&metric::SESSION_SWEEP_DURATION, 9),
            late_sweeps: 1,
            handlers_cut: 3,
            traffic: SessionTraffic {
                messages_sent: 5,
                messages_received: 3,
                bytes_sent: 500,
                bytes_received: 300,
                errors: 1,
            },
            pings: PingOutcome::ALL.iter().map(|outcome| (*outcome, 2)).collect(),
            ping_time: histogram(&metric::SESSION_PING_TIME, 2),
            sessions: Vec::new(),
        }],
        servers: vec![server()],
        tasks: vec![TasksSnapshot {
            name: "chat".into(),
            active: 2,
            started: 6,
            ended: TaskOutcome::ALL.iter().map(|outcome| (*outcome, 1)).collect(),
            duration: histogram(&metric::TASK_RUN_TIME, 4),
            tasks: Vec::new(),
        }],
        queues: vec![QueueSnapshot {
            name: "chat outbox".into(),
            length: 3,
            capacity: 64,
            high_water: 64,
            pushed: 500,
            dropped: QueueDropReason::ALL.iter().map(|reason| (*reason, 4)).collect(),
        }],
        supervisors: vec![SupervisorSnapshot {
            name: "prices".into(),
            state: SupervisorState::Waiting,
            since: Duration::from_millis(200),
            attempt: 2,
            max_attempts: Some(10),
            connects: 5,
            sent: 40,
            waiting: 2,
            lost: 3,
            next_attempt: Some(Duration::from_millis(50)),
            last_error: Some("connection refused".into()),
            changes: vec![(SupervisorState::Waiting, SupervisorReason::ConnectFailed, 3)],
            history: Vec::new(),
            connect_time: histogram(&metric::SUPERVISOR_CONNECT_TIME, 2),
            duration: histogram(&metric::SUPERVISOR_CONNECTION_DURATION, 1),
            delay: histogram(&metric::SUPERVISOR_DELAY, 4),
        }],
        overflowed: vec![("payments".into(), 0), ("search".into(), 6)],
    }
}

/// A server with TLS of its own.
fn server() -> ServerSnapshot {
    ServerSnapshot {
        name: "api".into(),
        scheme: "https",
        accepted: 40,
        rejected: RejectReason::ALL.iter().map(|reason| (*reason, 2)).collect(),
        accept_errors: 3,
        queued: 1,
        connections: ConnectionCounts { idle: 5, active: 3, upgraded: 2 },
        limit: Some(100),
        upgraded: 4,
        closed: ServerCloseReason::ALL.iter().map(|reason| (*reason, 1)).collect(),
        requests: 90,
        active_requests: 4,
        active_by_method: vec![("GET", 3), ("POST", 1)],
        disconnected: DisconnectPhase::ALL.iter().map(|phase| (*phase, 1)).collect(),
        bytes: IoDirection::ALL.iter().map(|direction| (*direction, 700)).collect(),
        duration: histogram(&metric::SERVER_CONNECTION_DURATION, 18),
        per_connection: histogram(&metric::SERVER_CONNECTION_REQUESTS, 18),
        handshakes: [None, Some(ErrorType::Tls)]
            .map(|error_type| HandshakeSnapshot {
                error_type,
                duration: histogram(&metric::SERVER_TLS_HANDSHAKE_DURATION, 2),
            })
            .to_vec(),
        results: vec![
            ServedResultSnapshot {
                route: Some("/orders/{id}".into()),
                result: served("GET", Some(404), None),
            },
            ServedResultSnapshot {
                route: None,
                result: served("POST", None, Some(ErrorType::ClientDisconnected)),
            },
            ServedResultSnapshot {
                route: None,
                result: ResultSnapshot { overflow: true, ..served("_OTHER", Some(500), None) },
            },
        ],
        oldest: Some(Duration::from_secs(9)),
        is_closed: false,
        open: Vec::new(),
    }
}

fn served(method: &'static str, status: Option<u16>, error_type: Option<ErrorType>) -> ResultSnapshot {
    let duration = histogram(&metric::HTTP_SERVER_REQUEST_DURATION, 1);
    ResultSnapshot { duration, ..result(method, status, error_type) }
}

pub(super) fn learned(destination: &str) -> TimeoutDestination {
    let destination = destination.to_owned();
    TimeoutDestination { destination, limit: Duration::from_millis(150), samples: 100 }
}
