//! Values of points: what a point must be like to be taken.

use std::borrow::Cow;

use opentelemetry_proto::tonic::metrics::v1::ExponentialHistogramDataPoint;

use super::metric::Point;
use crate::model::{GREATEST, MAX_BUCKETS, Value, is_plausible_bound};

/// What is wrong with a histogram of more than [`MAX_BUCKETS`].
pub(super) const TOO_MANY_BUCKETS: &str = "has a histogram of more than 256 buckets";

/// Set on a point whose series has ended; it carries no value.
const NO_RECORDED_VALUE: u64 = 1;

/// No pool has so many of anything at one moment: above it, a count is a mistake or a wrapped number.
const MOST_AT_ONCE: f64 = 1e7;

pub(super) fn has_ended(flags: u64) -> bool {
    flags & NO_RECORDED_VALUE != 0
}

/// A number. Only what is added to a count of things that come and go may be negative; the count itself is not.
pub(super) fn number(
    point: &Point<'_>,
    delta: bool,
    signed: bool,
    scale: f64,
) -> Result<Value<'static>, &'static str> {
    let value = point.number.ok_or("has a point without a readable value")?;
    if !value.is_finite() {
        return Err("has a value that is no finite number");
    }
    if value < 0.0 && !signed {
        return Err("has a negative value, which a sum that only rises can't have");
    }
    if value < 0.0 && !delta {
        return Err("has a negative value, and there can't be fewer than none");
    }
    Ok(Value::Number { value: value * scale, delta })
}

/// Checks a count of things that are there at one moment.
pub(super) fn plausible(value: &Value<'_>) -> Result<(), &'static str> {
    match value {
        Value::Number { value, .. } if value.abs() > MOST_AT_ONCE => {
            Err("has a value above 10 million, which no pool can have")
        }
        _ => Ok(()),
    }
}

/// Checks a time in seconds.
pub(super) fn plausible_time(value: &Value<'_>) -> Result<(), &'static str> {
    match value {
        Value::Number { value, .. } if value.abs() > GREATEST => {
            Err("has a time of more than 30 years, which nothing here can take")
        }
        _ => Ok(()),
    }
}

/// A histogram whose parts agree; its bounds are mostly the `usual` ones.
pub(super) fn histogram(
    point: &Point<'_>,
    usual: &'static [f64],
    delta: bool,
    scale: f64,
) -> Result<Value<'static>, &'static str> {
    let (bounds, counts) = (&point.bounds[..], &point.counts[..]);
    if counts.is_empty() && bounds.is_empty() {
        // A histogram without buckets still counts.
        let counts = Cow::Owned(vec![point.count]);
        return Ok(Value::Histogram { bounds: Cow::Borrowed(&[]), counts, delta });
    }
    if counts.len() > MAX_BUCKETS {
        return Err(TOO_MANY_BUCKETS);
    }
    if counts.len() != bounds.len() + 1 {
        return Err("has a histogram whose bounds and buckets do not match");
    }
    let is_usual = scale == 1.0 && bounds == usual;
    if !is_usual && !bounds.iter().all(|bound| is_plausible_bound(bound * scale)) {
        return Err("has a histogram with a bound beyond a billion");
    }
    if !is_usual && !bounds.windows(2).all(|pair| pair[0] < pair[1]) {
        return Err("has a histogram whose bounds do not rise");
    }
    if counts.iter().try_fold(0_u64, |sum, count| sum.checked_add(*count)) != Some(point.count) {
        return Err("has a histogram whose buckets do not add up to its count");
    }
    let bounds = match is_usual {
        true => Cow::Borrowed(usual),
        false => Cow::Owned(bounds.iter().map(|bound| bound * scale).collect()),
    };
    Ok(Value::Histogram { bounds, counts: Cow::Owned(counts.to_vec()), delta })
}

/// An exponential histogram in the given bounds: each of its buckets goes where its upper end lies.
pub(super) fn exponential(
    point: &ExponentialHistogramDataPoint,
    bounds: &'static [f64],
    delta: bool,
    scale: f64,
) -> Result<Value<'static>, &'static str> {
    if point.negative.as_ref().is_some_and(|buckets| buckets.bucket_counts.iter().any(|count| *count > 0)) {
        return Err("has negative values, which a duration can't have");
    }
    let mut counts = vec![0_u64; bounds.len() + 1];
    counts[0] = point.zero_count;
    let mut sum = point.zero_count;
    if let Some(positive) = &point.positive {
        for (index, count) in positive.bucket_counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let exponent =
                (f64::from(positive.offset) + index as f64 + 1.0) * (-f64::from(point.scale)).exp2();
            let upper = exponent.exp2() * scale;
            let slot = &mut counts[bounds.partition_point(|bound| *bound < upper)];
            (*slot, sum) = match (slot.checked_add(*count), sum.checked_add(*count)) {
                (Some(slot), Some(sum)) => (slot, sum),
                _ => return Err("has a histogram whose buckets do not add up to its count"),
            };
        }
    }
    if sum != point.count {
        return Err("has a histogram whose buckets do not add up to its count");
    }
    Ok(Value::Histogram { bounds: Cow::Borrowed(bounds), counts: Cow::Owned(counts), delta })
}

/// What a value is multiplied by, so that times are in seconds: senders of older conventions tell milliseconds. A unit
/// that is no time is taken as the metric's own.
pub(super) fn scale(unit: &str, usual: &str) -> f64 {
    match seconds(usual) {
        Some(usual) => seconds(unit).unwrap_or(usual),
        None => 1.0,
    }
}

/// True for a unit of time.
pub(super) fn is_time(unit: &str) -> bool {
    seconds(unit).is_some()
}

/// The seconds that a unit of time is.
fn seconds(unit: &str) -> Option<f64> {
    match unit {
        "s" => Some(1.0),
        "ms" => Some(1e-3),
        "us" | "\u{b5}s" => Some(1e-6),
        "ns" => Some(1e-9),
        _ => None,
    }
}
