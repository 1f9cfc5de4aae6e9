//! Points of what protects calls beside breakers.

use std::borrow::Cow;

use poolscope_semconv::attr;
use poolscope_semconv::metric::{self, MetricDef};

use super::attributes::{Attribute, Attributes as _};
use super::metrics::Figure;
use super::pool;
use crate::model::{PoolFigure, ProtectionFigure, ProtectionKind, ProtectionReading, Reading};

/// What the servers of a sender are called together that names none: those of other languages.
const OTHER_SERVER: &str = "http";

/// The metrics of what protects, and of what serves. Those of limits that pools have as well are told apart by [`of_client`].
pub(super) const METRICS: &[(&MetricDef, ProtectionFigure)] = &[
    (&metric::RETRY_CALLS, ProtectionFigure::RetryCalls),
    (&metric::RETRY_ATTEMPTS, ProtectionFigure::RetryAttempts),
    (&metric::RETRY_RESULTS, ProtectionFigure::RetryResults),
    (&metric::RETRY_DELAY, ProtectionFigure::RetryDelay),
    (&metric::TIMEOUT_CALLS, ProtectionFigure::TimeoutCalls),
    (&metric::TIMEOUT_LIMIT, ProtectionFigure::TimeoutLimit),
    (&metric::TIMEOUT_BUDGET_USED, ProtectionFigure::TimeoutUsed),
    (&metric::LIMIT_QUEUE_MAX, ProtectionFigure::LimitQueueMax),
    (&metric::HEALTH_STATE, ProtectionFigure::ProbeState),
    (&metric::HEALTH_PROBES, ProtectionFigure::Probes),
    (&metric::HEALTH_PROBE_DURATION, ProtectionFigure::ProbeDuration),
    (&metric::RESOURCE_USAGE, ProtectionFigure::ResourceUsage),
    (&metric::RESOURCE_PEAK, ProtectionFigure::ResourcePeak),
    (&metric::RESOURCE_LIMIT, ProtectionFigure::ResourceLimit),
    (&metric::RESOURCE_REFUSED, ProtectionFigure::ResourceRefused),
    (&metric::HTTP_SERVER_REQUEST_DURATION, ProtectionFigure::ServerRequests),
    (&metric::HTTP_SERVER_ACTIVE_REQUESTS, ProtectionFigure::ServerInFlight),
    (&metric::SERVER_DISCONNECTED, ProtectionFigure::ServerDisconnected),
    (&metric::SERVER_OPEN_CONNECTIONS, ProtectionFigure::ServerOpen),
    (&metric::SERVER_QUEUED_CONNECTIONS, ProtectionFigure::ServerQueued),
    (&metric::SERVER_CONNECTION_MAX, ProtectionFigure::ServerMax),
    (&metric::SERVER_ACCEPTED, ProtectionFigure::ServerAccepted),
    (&metric::SERVER_CONNECTION_REJECTED, ProtectionFigure::ServerRejected),
    (&metric::SERVER_ACCEPT_ERRORS, ProtectionFigure::ServerAcceptErrors),
    (&metric::SERVER_CONNECTION_CLOSED, ProtectionFigure::ServerClosed),
    (&metric::TASK_ACTIVE, ProtectionFigure::TaskActive),
    (&metric::TASK_STARTED, ProtectionFigure::TaskStarted),
    (&metric::TASK_ENDED, ProtectionFigure::TaskEnded),
    (&metric::TASK_RUN_TIME, ProtectionFigure::TaskLife),
    (&metric::QUEUE_LENGTH, ProtectionFigure::QueueLength),
    (&metric::QUEUE_LIMIT, ProtectionFigure::QueueLimit),
    (&metric::QUEUE_HIGH_WATER, ProtectionFigure::QueueHighWater),
    (&metric::QUEUE_PUSHED, ProtectionFigure::QueuePushed),
    (&metric::QUEUE_DROPS, ProtectionFigure::QueueDropped),
    (&metric::SUPERVISOR_STATE, ProtectionFigure::SupervisorState),
    (&metric::SUPERVISOR_CONNECTS, ProtectionFigure::SupervisorConnects),
    (&metric::SUPERVISOR_LOST, ProtectionFigure::SupervisorLost),
    (&metric::SUPERVISOR_TRANSITIONS, ProtectionFigure::SupervisorChanges),
    (&metric::SUPERVISOR_CONNECTION_DURATION, ProtectionFigure::SupervisorLife),
];

/// The figure, which is one of a client's limit where it names no destination.
pub(super) fn of_client(figure: Figure, attributes: &[Attribute<'_>]) -> Figure {
    let of_client = match figure {
        Figure::Pool(PoolFigure::Limit) => ProtectionFigure::LimitMax,
        Figure::Pool(PoolFigure::Limited) => ProtectionFigure::LimitInUse,
        Figure::Pool(PoolFigure::Queued) => ProtectionFigure::LimitQueued,
        other => return other,
    };
    if pool::destination(attributes).is_none() { Figure::Protection(of_client) } else { figure }
}

/// A point of something that protects; `None` if it names nothing, or is one of a pool.
pub(super) fn reading<'a>(
    figure: ProtectionFigure,
    attributes: &[Attribute<'a>],
    reading: Reading<'a>,
) -> Option<ProtectionReading<'a>> {
    let get = |key| attributes.text(key).unwrap_or_default();
    let name = match figure.kind() {
        ProtectionKind::Retry => get(attr::RETRY_NAME),
        ProtectionKind::Timeout => get(attr::TIMEOUT_NAME),
        ProtectionKind::Limit => get(attr::CLIENT_NAME),
        ProtectionKind::Probe => get(attr::HEALTH_NAME),
        ProtectionKind::Resource => get(attr::RESOURCE_NAME),
        ProtectionKind::Server => {
            Some(get(attr::SERVER_NAME)).filter(|name| !name.is_empty()).unwrap_or(OTHER_SERVER)
        }
        ProtectionKind::Tasks => get(attr::TASK_GROUP),
        ProtectionKind::Queue => get(attr::QUEUE_NAME),
        ProtectionKind::Supervisor => get(attr::SUPERVISOR_NAME),
    };
    let is_of_pool = figure == ProtectionFigure::LimitQueueMax && pool::destination(attributes).is_some();
    if name.is_empty() || is_of_pool {
        return None;
    }
    let label = match figure {
        ProtectionFigure::RetryCalls => Cow::Borrowed(get(attr::RETRY_OUTCOME)),
        ProtectionFigure::RetryAttempts => Cow::Borrowed(get(attr::RETRY_REASON)),
        ProtectionFigure::RetryResults | ProtectionFigure::ServerRequests => pool::result(attributes).0,
        ProtectionFigure::TimeoutCalls => Cow::Borrowed(get(attr::TIMEOUT_OUTCOME)),
        ProtectionFigure::TimeoutLimit => pool::destination(attributes).map(url).unwrap_or_default(),
        ProtectionFigure::ProbeState => Cow::Borrowed(get(attr::HEALTH_STATE)),
        ProtectionFigure::Probes => Cow::Borrowed(get(attr::HEALTH_OUTCOME)),
        ProtectionFigure::ResourceLimit => Cow::Borrowed(get(attr::RESOURCE_LIMIT_KIND)),
        ProtectionFigure::ServerDisconnected => Cow::Borrowed(get(attr::SERVER_DISCONNECT_PHASE)),
        ProtectionFigure::ServerOpen => Cow::Borrowed(get(attr::HTTP_CONNECTION_STATE)),
        ProtectionFigure::ServerRejected => Cow::Borrowed(get(attr::SERVER_REJECT_REASON)),
        ProtectionFigure::ServerClosed => Cow::Borrowed(get(attr::SERVER_CLOSE_REASON)),
        ProtectionFigure::TaskEnded => Cow::Borrowed(get(attr::TASK_OUTCOME)),
        ProtectionFigure::QueueDropped => Cow::Borrowed(get(attr::QUEUE_DROP_REASON)),
        ProtectionFigure::SupervisorState => Cow::Borrowed(get(attr::SUPERVISOR_STATE)),
        ProtectionFigure::SupervisorChanges => Cow::Borrowed(get(attr::SUPERVISOR_REASON)),
        _ => Cow::Borrowed(""),
    };
    Some(ProtectionReading { name, guard: get(attr::GUARD_NAME), figure, label, reading })
}

/// A destination as people write it.
fn url(of: crate::model::Destination<'_>) -> Cow<'static, str> {
    let scheme = if of.scheme.is_empty() { "" } else { "://" };
    Cow::Owned(format!("{}{scheme}{}:{}", of.scheme, of.address, of.port))
}
