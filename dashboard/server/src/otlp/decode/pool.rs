//! Points of pools: which metric is which figure, and which pool a point belongs to.

use std::borrow::Cow;

use poolscope_semconv::attr;
use poolscope_semconv::metric::{self, MetricDef};
use poolscope_semconv::value::{Certainty, ConnectPhase, ErrorType, LimitOutcome, Observation};

use super::attributes::{Attribute, Attributes};
use crate::model::{Destination, PoolFigure, PoolReading, Reading};

/// Longest text of a protocol version; others are no versions.
const MAX_PROTOCOL_BYTES: usize = 8;

/// What is wrong with a point that could be of any pool.
pub(super) const NO_DESTINATION: &str = "has a point without server.address, which is of no pool";

/// The metrics of pools that have a place in the store.
pub(super) const METRICS: &[(&MetricDef, PoolFigure)] = &[
    (&metric::HTTP_CLIENT_OPEN_CONNECTIONS, PoolFigure::Open),
    (&metric::CONNECTION_CONNECTING, PoolFigure::Connecting),
    (&metric::HTTP_CLIENT_ACTIVE_REQUESTS, PoolFigure::InFlight),
    (&metric::CONNECTION_PENDING_REQUESTS, PoolFigure::Pending),
    (&metric::LEAK_ACTIVE, PoolFigure::Leaked),
    (&metric::LIMIT_MAX, PoolFigure::Limit),
    (&metric::LIMIT_IN_USE, PoolFigure::Limited),
    (&metric::LIMIT_QUEUED, PoolFigure::Queued),
    (&metric::LIMIT_OLDEST_WAIT, PoolFigure::OldestWait),
    (&metric::LIMIT_CALLS, PoolFigure::Asked),
    (&metric::CONNECTION_ACQUIRES, PoolFigure::Acquires),
    (&metric::CONNECTION_OPENED, PoolFigure::Opened),
    (&metric::CONNECTION_FAILED, PoolFigure::Failed),
    (&metric::CONNECTION_ABANDONED, PoolFigure::Abandoned),
    (&metric::CONNECTION_WASTED, PoolFigure::Wasted),
    (&metric::CONNECTION_STALE_REUSE, PoolFigure::StaleReuse),
    (&metric::LEAK_SUSPECTED, PoolFigure::Leaks),
    (&metric::CONNECTION_RETRANSMITS, PoolFigure::Retransmits),
    (&metric::CONNECTION_CLOSED, PoolFigure::Closed),
    (&metric::CONNECTION_CREATE_TIME, PoolFigure::Create),
    (&metric::CONNECTION_PHASE_TIME, PoolFigure::Phase),
    (&metric::CONNECTION_IDLE_TIME, PoolFigure::Idle),
    (&metric::CONNECTION_REQUESTS, PoolFigure::Requests),
    (&metric::CONNECTION_RTT, PoolFigure::Rtt),
    (&metric::CONNECTION_IO, PoolFigure::Io),
    (&metric::CONNECTION_WAIT_TIME, PoolFigure::Wait),
    (&metric::HTTP_CLIENT_REQUEST_TIME_IN_QUEUE, PoolFigure::Queue),
    (&metric::CONNECTION_USE_TIME, PoolFigure::Use),
    (&metric::HTTP_CLIENT_REQUEST_DURATION, PoolFigure::Duration),
    (&metric::HTTP_CLIENT_CONNECTION_DURATION, PoolFigure::Lifetime),
];

/// A point of a pool; `None` if it is of a part of a connect that is not known here, or of the limit of a whole client,
/// which has no destination. Fails if it names no destination although it should, so that it can belong to no pool.
pub(super) fn reading<'a>(
    figure: PoolFigure,
    attributes: &[Attribute<'a>],
    reading: Reading<'a>,
) -> Result<Option<PoolReading<'a>>, &'static str> {
    let Some(destination) = destination(attributes) else {
        let may_be_of_client = matches!(figure, PoolFigure::Asked | PoolFigure::OldestWait);
        return if may_be_of_client { Ok(None) } else { Err(NO_DESTINATION) };
    };
    let (label, marked) = label(figure, attributes);
    let phase = attributes.text(attr::CONNECT_PHASE).and_then(ConnectPhase::parse);
    if figure == PoolFigure::Phase && phase.is_none() {
        return Ok(None);
    }
    let observation = attributes.text(attr::OBSERVATION).and_then(Observation::parse);
    Ok(Some(PoolReading {
        destination,
        figure,
        label,
        marked,
        phase,
        observation: observation.unwrap_or(Observation::Exact),
        protocol: attributes
            .text(attr::NETWORK_PROTOCOL_VERSION)
            .filter(|version| version.len() <= MAX_PROTOCOL_BYTES),
        reading,
    }))
}

/// The pool that attributes name.
pub(super) fn destination<'a>(attributes: impl Attributes<'a>) -> Option<Destination<'a>> {
    let address = attributes.text(attr::SERVER_ADDRESS).filter(|address| !address.is_empty())?;
    let client = attributes.text(attr::CLIENT_NAME).unwrap_or_default();
    let scheme = attributes.text(attr::URL_SCHEME).unwrap_or_default();
    let port = attributes.integer(attr::SERVER_PORT).and_then(|port| u16::try_from(port).ok());
    Some(Destination::new(client, scheme, address, port))
}

fn label<'a>(figure: PoolFigure, attributes: &[Attribute<'a>]) -> (Cow<'a, str>, bool) {
    let get = |key| Cow::Borrowed(attributes.text(key).unwrap_or_default());
    match figure {
        PoolFigure::Open => (get(attr::HTTP_CONNECTION_STATE), false),
        PoolFigure::Acquires => (get(attr::ACQUIRE_OUTCOME), false),
        PoolFigure::Asked => {
            let outcome = get(attr::LIMIT_OUTCOME);
            let is_refused = matches!(
                LimitOutcome::parse(&outcome),
                Some(LimitOutcome::QueueFull | LimitOutcome::TimedOut)
            );
            (outcome, is_refused)
        }
        PoolFigure::Failed => (get(attr::ERROR_TYPE), false),
        PoolFigure::Io => (get(attr::NETWORK_IO_DIRECTION), false),
        PoolFigure::Closed => {
            let certainty = attributes.text(attr::CLOSE_CERTAINTY);
            (get(attr::CLOSE_REASON), certainty == Some(Certainty::Inferred.as_str()))
        }
        PoolFigure::Duration => result(attributes),
        _ => (Cow::Borrowed(""), false),
    }
}

/// How a request ended, and whether that is a failure.
///
/// The convention writes a failing status into `error.type` as well, also for 4xx, which is an answer and no failure
/// of the destination; so a number there counts as what it says.
pub(super) fn result<'a>(attributes: &[Attribute<'a>]) -> (Cow<'a, str>, bool) {
    let status = attributes.integer(attr::HTTP_RESPONSE_STATUS_CODE);
    ended(status, attributes.text(attr::ERROR_TYPE))
}

/// [`result`] of a status code and an `error.type`.
pub(super) fn ended(status: Option<i64>, error: Option<&str>) -> (Cow<'_, str>, bool) {
    match error.filter(|error| !error.is_empty()) {
        Some(error) => match error.parse::<u16>() {
            Ok(status) => (Cow::Borrowed(error), status >= 500),
            // A caller that gave up says nothing about the destination.
            Err(_) => (Cow::Borrowed(error), error != ErrorType::Canceled.as_str()),
        },
        None => match status {
            Some(status) => (Cow::Owned(status.to_string()), status >= 500),
            None => (Cow::Borrowed("no status"), false),
        },
    }
}
