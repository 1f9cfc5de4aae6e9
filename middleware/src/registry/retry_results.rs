//! Results that calls under a retry policy ended with.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use http::StatusCode;
use poolscope_semconv::value::ErrorType;

#[cfg(feature = "serde")]
use super::serial;

/// What an attempt, or a call with all of its attempts, came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallResult {
    Status(StatusCode),
    Error(ErrorType),
}

impl CallResult {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Status(status) => status.as_str(),
            Self::Error(error_type) => error_type.as_str(),
        }
    }
}

/// Calls under a retry policy that ended in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RetryResultSnapshot {
    /// Status of the response that the caller got.
    pub status: Option<u16>,
    /// The error that the caller got instead.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::option_as_text"))]
    pub error_type: Option<ErrorType>,
    /// How many calls.
    pub calls: u64,
}

/// The lowest of the statuses that there can be.
const FIRST_STATUS: u16 = 100;
/// How many there can be, up to 999.
const STATUSES: usize = 900;

/// Calls by their results: one counter for each that there can be, so that to count is one addition.
#[derive(Debug)]
pub(super) struct CallResults {
    statuses: Box<[AtomicU64]>,
    errors: [AtomicU64; ErrorType::COUNT],
}

impl CallResults {
    pub(super) fn new() -> Self {
        Self { statuses: (0..STATUSES).map(|_| AtomicU64::new(0)).collect(), errors: Default::default() }
    }

    #[inline]
    pub(super) fn count(&self, result: CallResult) {
        let counter = match result {
            CallResult::Status(status) => &self.statuses[usize::from(status.as_u16() - FIRST_STATUS)],
            CallResult::Error(error_type) => &self.errors[error_type.index()],
        };
        counter.fetch_add(1, Relaxed);
    }

    /// All results that there were, with their numbers of calls.
    pub(super) fn rows(&self) -> impl Iterator<Item = RetryResultSnapshot> {
        let statuses = (FIRST_STATUS..).zip(&self.statuses).map(|(status, calls)| RetryResultSnapshot {
            status: Some(status),
            error_type: None,
            calls: calls.load(Relaxed),
        });
        let errors = ErrorType::ALL.iter().zip(&self.errors).map(|(error_type, calls)| RetryResultSnapshot {
            status: None,
            error_type: Some(*error_type),
            calls: calls.load(Relaxed),
        });
        statuses.chain(errors).filter(|row| row.calls > 0)
    }
}

/// Adds rows up that have the same result.
pub(super) fn merge(
    rows: impl IntoIterator<Item = RetryResultSnapshot>,
    others: impl IntoIterator<Item = RetryResultSnapshot>,
) -> Vec<RetryResultSnapshot> {
    let mut merged: Vec<_> = rows.into_iter().collect();
    for other in others {
        match merged.iter_mut().find(|row| (row.status, row.error_type) == (other.status, other.error_type)) {
            Some(row) => row.calls += other.calls,
            None => merged.push(other),
        }
    }
    merged.sort_by_key(|row| (row.status.is_none(), row.status, row.error_type.map(ErrorType::index)));
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_result_that_there_can_be_has_its_own_row() {
        let [one, other] = [CallResults::new(), CallResults::new()];
        for status in [100, 200, 503, 999] {
            one.count(CallResult::Status(StatusCode::from_u16(status).unwrap()));
        }
        other.count(CallResult::Status(StatusCode::OK));
        for error_type in ErrorType::ALL {
            other.count(CallResult::Error(*error_type));
        }
        let rows = merge(one.rows(), other.rows());
        let statuses: Vec<_> = rows.iter().map_while(|row| Some((row.status?, row.calls))).collect();
        assert_eq!(statuses, [(100, 1), (200, 2), (503, 1), (999, 1)]);
        let errors: Vec<_> = rows[4..].iter().map(|row| (row.error_type.unwrap(), row.calls)).collect();
        assert_eq!(errors, ErrorType::ALL.iter().map(|known| (*known, 1)).collect::<Vec<_>>());
    }
}
