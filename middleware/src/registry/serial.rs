//! How a snapshot is serialized: for people and for scripts.
//!
//! The unit is in the name: what ends in `_secs` is in seconds, as a number to the microsecond. Moments are RFC 3339 in
//! UTC. What is known for each value of a closed set is an object keyed by the value; rows with more than one key are
//! objects in a list. What is not known is `null`.

use std::fmt::Display;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use poolscope_semconv::value::{Certainty, CloseReason, SupervisorReason, SupervisorState};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::histogram::HistogramSnapshot;
use super::snapshot::{BreakerTransitions, ConnectionCounts, PoolSnapshot, Protocol};

pub(super) fn as_text<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

pub(super) fn option_as_text<T: Display, S: Serializer>(
    value: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    value.as_ref().map(ToString::to_string).serialize(serializer)
}

/// Seconds, to the microsecond.
pub(super) fn secs<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(rounded(value.as_secs_f64()))
}

pub(super) fn option_secs<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(|value| rounded(value.as_secs_f64())).serialize(serializer)
}

/// A moment as RFC 3339 writes it, in UTC and to the millisecond.
pub(super) fn moment<S: Serializer>(value: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&rfc3339(*value))
}

/// An object keyed by the text of the first field.
pub(super) fn rows_as_text<T: Display, V: Serialize, S: Serializer>(
    rows: &[(T, V)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(rows.len()))?;
    for (key, value) in rows {
        map.serialize_entry(&key.to_string(), value)?;
    }
    map.end()
}

/// An object keyed by the protocol.
pub(super) fn by_protocol<V: Serialize, S: Serializer>(
    rows: &[(Protocol, V)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(rows.iter().map(|(protocol, value)| (protocol, value)))
}

/// Pools, each with its name and what one looks at first before everything else.
pub(super) fn pools<S: Serializer>(pools: &[PoolSnapshot], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Glance {
        waiting: u64,
        oldest_wait_secs: Option<f64>,
        blocked_by: Option<&'static str>,
        total: u64,
        idle: u64,
        active: u64,
        upgraded: u64,
        connecting: u64,
        in_flight: u64,
        leaked: u64,
    }
    #[derive(Serialize)]
    struct Shown<'a> {
        pool: String,
        glance: Glance,
        #[serde(flatten)]
        rest: &'a PoolSnapshot,
    }
    serializer.collect_seq(pools.iter().map(|pool| {
        let counts = pool.counts();
        let waiting = pool.waiting.as_ref();
        let glance = Glance {
            waiting: waiting.map_or(0, |waiting| waiting.requests),
            oldest_wait_secs: waiting.map(|waiting| rounded(waiting.oldest.as_secs_f64())),
            blocked_by: waiting.map(|waiting| waiting.blocked_by.as_str()),
            total: counts.open(),
            idle: counts.idle,
            active: counts.active,
            upgraded: counts.upgraded,
            connecting: pool.connecting,
            in_flight: pool.in_flight(),
            leaked: pool.leaks_active,
        };
        let name = format!("{}://{}:{} of client {}", pool.scheme, pool.host, pool.port, pool.client);
        Shown { pool: name, glance, rest: pool }
    }))
}

/// Bytes in both directions.
pub(super) fn bytes<S: Serializer>(value: &Option<(u64, u64)>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Bytes {
        sent: u64,
        received: u64,
    }
    value.map(|(sent, received)| Bytes { sent, received }).serialize(serializer)
}

pub(super) fn closes<S: Serializer>(
    rows: &[(CloseReason, Certainty, u64)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Closes {
        reason: &'static str,
        certainty: &'static str,
        count: u64,
    }
    serializer.collect_seq(rows.iter().map(|(reason, certainty, count)| Closes {
        reason: reason.as_str(),
        certainty: certainty.as_str(),
        count: *count,
    }))
}

pub(super) fn transitions<S: Serializer>(
    rows: &[BreakerTransitions],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Transitions {
        from: &'static str,
        to: &'static str,
        reason: &'static str,
        count: u64,
    }
    serializer.collect_seq(rows.iter().map(|(from, to, reason, count)| Transitions {
        from: from.as_str(),
        to: to.as_str(),
        reason: reason.as_str(),
        count: *count,
    }))
}

pub(super) fn changes<S: Serializer>(
    rows: &[(SupervisorState, SupervisorReason, u64)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Changes {
        to: &'static str,
        reason: &'static str,
        count: u64,
    }
    serializer.collect_seq(rows.iter().map(|(to, reason, count)| Changes {
        to: to.as_str(),
        reason: reason.as_str(),
        count: *count,
    }))
}

impl Serialize for ConnectionCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Counts {
            open: u64,
            idle: u64,
            active: u64,
            upgraded: u64,
        }
        let Self { idle, active, upgraded } = *self;
        Counts { open: self.open(), idle, active, upgraded }.serialize(serializer)
    }
}

impl Serialize for HistogramSnapshot {
    /// Only the buckets that something is in: most are empty.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Bucket {
            /// `None` for what is above all bounds.
            up_to: Option<f64>,
            count: u64,
        }
        #[derive(Serialize)]
        struct Histogram {
            count: u64,
            sum: f64,
            p50: Option<f64>,
            p90: Option<f64>,
            p99: Option<f64>,
            buckets: Vec<Bucket>,
        }
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|quantile| self.quantile(quantile).map(rounded));
        let buckets = self.buckets.iter().enumerate().filter(|(_, count)| **count > 0);
        let buckets = buckets
            .map(|(index, count)| Bucket { up_to: self.bounds.get(index).copied(), count: *count })
            .collect();
        Histogram { count: self.count(), sum: rounded(self.sum), p50, p90, p99, buckets }
            .serialize(serializer)
    }
}

/// To the sixth digit behind the point: what is behind is noise.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

fn rfc3339(moment: SystemTime) -> String {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, secs) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Days to a date of the Gregorian calendar, with years that begin in March, so that a leap day is a year's last.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (secs / 3_600, secs / 60 % 60, secs % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", since.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_the_date_of_the_calendar() {
        for (secs, text) in [
            (0, "1970-01-01T00:00:00.007Z"),
            (951_782_399, "2000-02-28T23:59:59.007Z"),
            (951_782_400, "2000-02-29T00:00:00.007Z"),
            (951_868_800, "2000-03-01T00:00:00.007Z"),
            (1_767_225_599, "2025-12-31T23:59:59.007Z"),
            (1_767_225_600, "2026-01-01T00:00:00.007Z"),
            (4_107_542_400, "2100-03-01T00:00:00.007Z"),
        ] {
            let moment = UNIX_EPOCH + Duration::from_secs(secs) + Duration::from_millis(7);
            assert_eq!(rfc3339(moment), text);
        }
    }
}
