//! Values of points.

use std::borrow::Cow;

/// A value, and the series and the time that it belongs to.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    /// Hash of metric and attributes, the same whenever the series is seen again.
    pub(crate) series: u64,
    pub(crate) start_ns: u64,
    pub(crate) time_ns: u64,
    pub(crate) value: Value<'a>,
}

/// Buckets of one histogram. SDKs have 15 unless their user gives bounds, and whoever gives some counts them in tens; a
/// pool keeps a dozen sums over them for each of its series and for each second of the last minute.
pub(crate) const MAX_BUCKETS: usize = 256;

/// No time that is told here is longer than 30 years, and no count of a distribution needs a greater bound. What is
/// beyond would not even fit the numbers that browsers are told.
pub(crate) const GREATEST: f64 = 1e9;

/// True for what a bucket may end with.
pub(crate) fn is_plausible_bound(bound: f64) -> bool {
    bound.is_finite() && bound.abs() <= GREATEST
}

/// The value of a point; a delta is what was added since the point before.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    Number { value: f64, delta: bool },
    Histogram { bounds: Cow<'a, [f64]>, counts: Cow<'a, [u64]>, delta: bool },
}
