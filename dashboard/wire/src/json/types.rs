//! What each type is made of, for [`super::Read`].

use serde::{Deserialize, de::value::StrDeserializer};

use super::{Failed, Read, Reader};
use crate::{
    ApiError, Breaker, BreakerCounts, BreakerDetail, BreakerPoint, BreakerState, Browser, Call,
    ClientLimitFigures, ClockShift, ConnectionLane, ConnectionLanes, ConnectionSetUp, Connections, Control,
    ControlAction, ControlList, ControlState, Count, CountByReason, Event, FailedConnects, Figure,
    FigureHistory, FigurePoint, ForcedBy, Full, Health, Instance, Lack, LaneClose, LaneCounts, LaneLeak,
    LaneSegment, LaneState, Level, Limit, Loss, Number, Observation, OutLink, Own, PastWarning, Percentiles,
    Phase, PhaseKind, PoolDetail, PoolGroup, PoolKind, PoolLimit, PoolNews, PoolPoint, PoolSummary,
    ProbeFigures, PrometheusStatus, Protection, ProtectionFigures, QueueFigures, Range, Received, Refusal,
    Refuser, ResourceFigures, RetryFigures, Rule, RuleSetting, ServerFigures, Service, SessionPoint,
    Sessions, Severity, Share, SignalFigures, Silence, Span, SpanKind, SpanLink, SpanNote, SparkLine, Spread,
    StateSpan, Status, StoreFile, Subject, SupervisorFigures, TaskFigures, TimeoutFigures, TimeoutLimit,
    TraceDetail, TraceList, TraceStatus, TraceSummary, Transition, Unit, Update, Warning, WarningLog,
};

/// Implements [`Read`] for structs, by the list of their fields. A field that is not in the list does not compile.
#[macro_export]
macro_rules! objects {
    ($($type:ident { $($field:ident),* $(,)? })*) => { $(
        impl $crate::json::Read for $type {
            fn read(&mut self, reader: &mut $crate::json::Reader<'_>) -> Result<(), $crate::json::Failed> {
                #[allow(non_camel_case_types, reason = "they are named as the fields are")]
                #[derive(Clone, Copy)]
                enum Place { $($field),* }
                let Self { $($field),* } = self;
                reader.object(&[$(stringify!($field)),*], &mut |index, reader| {
                    $(
                        if index == Place::$field as usize {
                            return $crate::json::Read::read($field, reader);
                        }
                    )*
                    Ok(())
                })
            }
        }
    )* }
}

objects! {
    Transition {
        at_ms, from, to, reason, failure_ratio, slow_call_ratio, connect_failure_ratio, window_calls,
        forced,
    }
    ForcedBy { by, why, until_ms }
    Control { id, breaker, action, for_s, reason, by, at_ms, state, until_ms, sentence }
    ControlList { taking, fixed, orders }
    Share { ratio, limit }
    Breaker {
        id, service, instance, name, state, since_ms, sentence, failure_ratio, failure_ratio_limit,
        slow_calls, failed_connects, window_calls, next_try_ms, succeeded_total, failed_total,
        rejected_total, transitions, last_seen_ms, stale,
    }
    Event { id, at_ms, kind, severity, service, instance, pool, breaker, text, attributes, trace_id }
    PoolGroup { merged, members, current, bad, warn, breakers, unequal_buckets }
    Silence { from_ms, to_ms }
    Range { from_ms, to_ms, step_ms, oldest_ms, silences }
    BreakerPoint {
        at_ms, state, failure_ratio, slow_call_ratio, connect_failure_ratio, window_calls, succeeded_per_s,
        failed_per_s, rejected_per_s,
    }
    StateSpan { state, from_ms, to_ms }
    BreakerCounts { succeeded, failed, rejected }
    BreakerDetail { breaker, range, states, transitions, points, counted }
    StoreFile { path, bytes, max_bytes, written_ms, problem }
    FigurePoint { at_ms, values }
    FigureHistory { range, interval_ms, instances, left_out, names, points }
    LaneClose { at_ms, reason, inferred }
    LaneLeak { since_ms, until_ms, method, trace_id, origin }
    ConnectionLane {
        id, peer, opened_ms, state, since_ms, seen_ms, in_flight, requests, share, closed, wasted, leaks,
        start_ms, segments,
    }
    LaneCounts { all, active, leaked, wasted, closed }
    ConnectionLanes { from_ms, to_ms, told, open, interval_ms, step_ms, counts, rows, dropped }
    ApiError { error }
    Own {
        memory_bytes, asks_for_login, asks_for_key, has_tls, offers_control, reloads, failed_reloads, signals, losses,
        browsers,
    }
    SignalFigures { signal, requests, items, rejected, refused }
    Loss { what, count }
    Browser { network, since_ms, queued, resyncs, lags }
    Health { severity, sentence, since_ms }
    PoolLimit { max, in_use, queued, oldest_wait_s }
    PoolPoint {
        at_ms, idle, active, upgraded, connecting, leaked, limit, max_open, idle_max, idle_min, pending,
        in_flight, requests_per_s, errors_per_s, opened_per_s, closed_per_s, timeouts_per_s, wasted_per_s,
        reuse, wait_p50_s, wait_p99_s, use_p50_s, use_p99_s, duration_p50_s, duration_p99_s,
    }
    PoolSummary {
        id, service, instance, client, scheme, address, port, protocols, kind, lacks, observation, health,
        now, reuse, wait_p50_s, wait_p99_s, requests_total, opened_total, closed_total, failed_total,
        breaker, last_seen_ms, stale,
    }
    CountByReason { reason, count, inferred }
    FailedConnects { error, phase, count }
    Spread { p50, p95, count }
    Connections {
        create_s, phases_s, idle_s, requests, rtt_s, wasted, abandoned, stale_reuse, retransmits, leaks,
        timeouts, refused,
    }
    PoolDetail {
        summary, range, points, interval_ms, closes, acquires, results, failures, connections, bytes_sent,
        bytes_received, members, breakers, unequal_buckets,
    }
    Count { minute, total }
    Percentiles { p50, p99 }
    RetryFigures { calls, after_retry, exhausted, budget_refused, not_replayable, causes, results, wait_s }
    TimeoutLimit { destination, limit_s }
    TimeoutFigures { limits, more_limits, calls, fired, used }
    ClientLimitFigures { max, in_use, queued, queue_max, most_in_use, most_queued }
    ProbeFigures { state, since_ms, succeeded, slow, failed, duration_s }
    ResourceFigures { guard, usage, peak, soft, hard, refused }
    ServerFigures {
        idle, active, upgraded, queued, limit, has_connections, accepted, rejected, accept_errors, closes, in_flight, requests,
        failed, disconnected, left, duration_s,
    }
    TaskFigures { active, started, ends, panicked, life_s }
    QueueFigures { length, limit, high_water, pushed, dropped, refused }
    SupervisorFigures { state, since_ms, connects, again, lost, changes, life_s }
    Protection { id, service, instance, name, health, figures, last_seen_ms, stale }
    Level { warn, bad }
    RuleSetting { rule, title, advice, unit, level, is_set }
    SessionPoint { at_ms, active, overdue, started_per_s, ended_per_s }
    Sessions {
        id, service, instance, name, health, now, limit, started, refused, ends, oldest_age_s, life_s,
        handlers_cut, late_sweeps, received, sent, errors, missed_pings, last_seen_ms, stale,
    }
    PrometheusStatus {
        url, interval_s, problem, problem_since_ms, notices, answered_ms, newest_ms, series, bytes, took_ms,
        questions, failures,
    }
    Received { requests, refused_requests, metric_points, spans, log_records, rejected_items }
    Limit { name, used, max, hits, is_bytes }
    Status {
        version, wire_version, started_ms, now_ms, retention_ms, otlp_grpc, otlp_http, prometheus, received,
        limits, streams, store_file, own,
    }
    Instance {
        id, language, version, pools, breakers, protection, sessions, events, spans, first_seen_ms,
        last_seen_ms, interval_ms, clock_offset_ms, vanished, dropped, lacks,
    }
    Service { name, instances }
    Full {
        status, services, pools, groups, history, breakers, protection, sessions, session_history, warnings,
        events, lagged,
    }
    Update {
        now_ms, status, services, pools, news, removed_pools, groups, removed_groups, breakers, removed_breakers,
        protection, removed_protection, sessions, removed_sessions, warnings, removed_warnings, events,
    }
    Phase { kind, start_s, duration_s }
    Refusal { by, name, destination, resource, breaker }
    TraceSummary {
        trace_id, at_ms, duration_s, status, service, name, request, error, refusal, recovered, phases,
        requests, resends, spans, pools, incomplete,
    }
    TraceList {
        traces, matching, kept, slow_s, any_spans, failed_since_ms, slow_since_ms, rejected_since_ms,
    }
    SpanNote { name, at_s, attributes }
    SpanLink { trace_id, span_id, kept, set_up }
    ConnectionSetUp { trace_id, waited_for, opened_before_s, duration_s, phases, peer }
    Call { method, url, status_code, attempt, pool, connection, acquire, idle_s, stale, set_up }
    Span {
        span_id, parent, parent_missing, depth, name, service, instance, kind, start_s, duration_s, failed,
        error, error_text, part, call, breaker, phases, attributes, dropped, notes, links,
    }
    ClockShift { service, instance, shift_s }
    OutLink { host, url }
    TraceDetail {
        summary, extent_s, spans, root_missing, dropped_spans, evicted_before, clock_off_s, clocks,
        is_set_up, served, elsewhere,
    }
    PastWarning { warning, from_ms, to_ms, times }
    WarningLog { from_ms, to_ms, since_ms, warnings, more }
    Figure { value, limit, unit }
    Warning {
        id, rule, severity, figure, sentence, since_ms, recovering, what, what_id, name, service, instance,
        link,
    }
}

/// An error of serde that says nothing: what is read by serde are single words.
impl serde::de::Error for Failed {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self
    }

    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self
    }
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not one of the known words")
    }
}

impl std::error::Error for Failed {}

/// Closed sets of words; serde knows how each is written.
macro_rules! words {
    ($($type:ident)*) => { $(
        impl Read for $type {
            fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Failed> {
                let word = reader.text()?;
                match Self::deserialize(StrDeserializer::<Failed>::new(&word)) {
                    Ok(known) => {
                        *self = known;
                        Ok(())
                    }
                    Err(Failed) => reader.fail(stringify!($type)),
                }
            }
        }
    )* }
}

words! { BreakerState ControlAction ControlState LaneState Severity Observation PoolKind Lack Unit Rule TraceStatus SpanKind PhaseKind Refuser Subject }

impl Read for ProtectionFigures {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Failed> {
        fn of<T: Read + Default>(
            make: fn(T) -> ProtectionFigures,
            reader: &mut Reader<'_>,
        ) -> Result<ProtectionFigures, Failed> {
            let mut figures = T::default();
            figures.read(reader)?;
            Ok(make(figures))
        }
        reader.members(&mut |kind, reader| {
            *self = match kind {
                "retry" => of(Self::Retry, reader)?,
                "timeout" => of(Self::Timeout, reader)?,
                "limit" => of(Self::Limit, reader)?,
                "probe" => of(Self::Probe, reader)?,
                "resource" => of(Self::Resource, reader)?,
                "server" => of(Self::Server, reader)?,
                "tasks" => of(Self::Tasks, reader)?,
                "queue" => of(Self::Queue, reader)?,
                "supervisor" => of(Self::Supervisor, reader)?,
                _ => return reader.fail("ProtectionFigures"),
            };
            Ok(())
        })
    }
}

impl Read for LaneSegment {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Failed> {
        let (mut length_ms, mut state, mut active_ms, mut requests) = (0, 0, 0, 0);
        reader.tuple(4, &mut |index, reader| match index {
            0 => length_ms.read(reader),
            1 => state.read(reader),
            2 => active_ms.read(reader),
            _ => requests.read(reader),
        })?;
        *self = Self::from((length_ms, state, active_ms, requests));
        Ok(())
    }
}

impl Read for Number {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Failed> {
        *self = reader.number()?.into();
        Ok(())
    }
}

impl Read for PoolNews {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Failed> {
        let (mut id, mut changed, mut values) = (String::new(), 0, Vec::new());
        let (mut limit, mut health) = (None, None);
        reader.tuple(5, &mut |index, reader| match index {
            0 => id.read(reader),
            1 => changed.read(reader),
            2 => values.read(reader),
            3 => limit.read(reader),
            _ => health.read(reader),
        })?;
        *self = Self::from((id, changed, values, limit, health));
        Ok(())
    }
}

impl Read for SparkLine {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Failed> {
        let mut numbers: Vec<Option<Number>> = Vec::new();
        numbers.read(reader)?;
        *self = numbers.into();
        Ok(())
    }
}
