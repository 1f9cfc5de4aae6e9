//! Points of pools by metrics that only other senders have: `db.client.connection.*`, and names of older conventions.

use std::borrow::Cow;

use poolscope_semconv::accepted::{self, AcceptedMetric, DbConnectionState, attr as theirs};
use poolscope_semconv::attr;
use poolscope_semconv::metric::{REQUEST_BOUNDS, WAIT_BOUNDS};
use poolscope_semconv::value::{ConnectionState, Observation};

use super::attributes::{Attribute, Attributes as _};
use super::pool::{NO_DESTINATION, ended};
use crate::model::{Destination, PoolFigure, PoolKind, PoolReading, Reading};

/// Longest text of a database product.
const MAX_SYSTEM_BYTES: usize = 32;

/// The metrics, and the bounds of those that are distributions.
pub(super) const METRICS: &[(&AcceptedMetric, PoolFigure, &[f64])] = &[
    (&accepted::DB_CONNECTION_COUNT, PoolFigure::Open, &[]),
    (&accepted::DB_CONNECTION_IDLE_MAX, PoolFigure::IdleMax, &[]),
    (&accepted::DB_CONNECTION_IDLE_MIN, PoolFigure::IdleMin, &[]),
    (&accepted::DB_CONNECTION_MAX, PoolFigure::Max, &[]),
    (&accepted::DB_CONNECTION_PENDING_REQUESTS, PoolFigure::Pending, &[]),
    (&accepted::DB_CONNECTION_TIMEOUTS, PoolFigure::Timeouts, &[]),
    (&accepted::DB_CONNECTION_CREATE_TIME, PoolFigure::Create, REQUEST_BOUNDS),
    (&accepted::DB_CONNECTION_WAIT_TIME, PoolFigure::Wait, WAIT_BOUNDS),
    (&accepted::DB_CONNECTION_USE_TIME, PoolFigure::Use, REQUEST_BOUNDS),
    (&accepted::DB_CONNECTIONS_USAGE_OLD, PoolFigure::Open, &[]),
    (&accepted::DB_CONNECTIONS_IDLE_MAX_OLD, PoolFigure::IdleMax, &[]),
    (&accepted::DB_CONNECTIONS_IDLE_MIN_OLD, PoolFigure::IdleMin, &[]),
    (&accepted::DB_CONNECTIONS_MAX_OLD, PoolFigure::Max, &[]),
    (&accepted::DB_CONNECTIONS_PENDING_REQUESTS_OLD, PoolFigure::Pending, &[]),
    (&accepted::DB_CONNECTIONS_TIMEOUTS_OLD, PoolFigure::Timeouts, &[]),
    (&accepted::DB_CONNECTIONS_CREATE_TIME_OLD, PoolFigure::Create, REQUEST_BOUNDS),
    (&accepted::DB_CONNECTIONS_WAIT_TIME_OLD, PoolFigure::Wait, WAIT_BOUNDS),
    (&accepted::DB_CONNECTIONS_USE_TIME_OLD, PoolFigure::Use, REQUEST_BOUNDS),
    (&accepted::HTTP_CLIENT_DURATION_OLD, PoolFigure::Duration, REQUEST_BOUNDS),
];

/// A point of a pool of another sender. Fails if it is of no state that is known, or an HTTP client's without a
/// destination.
pub(super) fn reading<'a>(
    figure: PoolFigure,
    attributes: &[Attribute<'a>],
    reading: Reading<'a>,
) -> Result<PoolReading<'a>, &'static str> {
    let first = |keys: &[&str]| keys.iter().find_map(|key| attributes.text(key)).unwrap_or_default();
    let port = |key| attributes.integer(key).and_then(|port| u16::try_from(port).ok());
    let (destination, label, marked) = match figure {
        PoolFigure::Duration => {
            let address = first(&[theirs::NET_PEER_NAME, attr::SERVER_ADDRESS]);
            if address.is_empty() {
                return Err(NO_DESTINATION);
            }
            let port = port(theirs::NET_PEER_PORT).or_else(|| port(attr::SERVER_PORT));
            let scheme = first(&[theirs::HTTP_SCHEME, attr::URL_SCHEME]);
            let status = attributes.integer(theirs::HTTP_STATUS_CODE);
            let (label, marked) = ended(status, attributes.text(attr::ERROR_TYPE));
            (Destination::new("", scheme, address, port), label, marked)
        }
        _ => (database(attributes), Cow::Borrowed(""), false),
    };
    let label = match figure {
        PoolFigure::Open => {
            let state = state(first(&[theirs::DB_STATE, theirs::DB_STATE_OLD, theirs::STATE]));
            Cow::Borrowed(state.ok_or("has a point that is neither of idle nor of used connections")?)
        }
        _ => label,
    };
    Ok(PoolReading {
        destination,
        figure,
        label,
        marked,
        phase: None,
        observation: Observation::Exact,
        protocol: system(attributes).filter(|_| destination.kind == PoolKind::Database),
        reading,
    })
}

/// The database pool that attributes name.
fn database<'a>(attributes: &[Attribute<'a>]) -> Destination<'a> {
    let get = |key| attributes.text(key).unwrap_or_default();
    let names = [theirs::DB_POOL_NAME, theirs::DB_POOL_NAME_OLD, theirs::POOL_NAME].map(get);
    let name = names.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
    let port = attributes.integer(attr::SERVER_PORT).and_then(|port| u16::try_from(port).ok());
    Destination::database(name, get(theirs::DB_NAMESPACE), get(attr::SERVER_ADDRESS), port)
}

/// The state in our words.
fn state(text: &str) -> Option<&'static str> {
    let state = match DbConnectionState::parse(text)? {
        DbConnectionState::Idle => ConnectionState::Idle,
        DbConnectionState::Used => ConnectionState::Active,
    };
    Some(state.as_str())
}

/// The database product.
fn system<'a>(attributes: &[Attribute<'a>]) -> Option<&'a str> {
    attributes.text(theirs::DB_SYSTEM_NAME).filter(|system| system.len() <= MAX_SYSTEM_BYTES)
}
