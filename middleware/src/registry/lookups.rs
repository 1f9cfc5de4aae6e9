//! [`Lookups`]: times of the name look-ups of a pool's connects.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use poolscope_semconv::metric;
use poolscope_semconv::value::{ErrorType, OVERFLOW};

use super::histogram::{Histogram, HistogramSnapshot};
use super::mirror::{Mirroring, PoolMirrors};
#[cfg(feature = "serde")]
use super::serial;
use crate::series::{Labels, owned, with_lookup};

/// Most names and errors that are told apart; a pool has one name, or that of a proxy, and a few errors.
const MAX_ROWS: usize = 16;

type Row = (Box<str>, Option<ErrorType>);

/// Look-ups by name and error. Connects are rare, so a lock does.
#[derive(Debug, Default)]
pub(super) struct Lookups(Mutex<Table>);

#[derive(Default)]
struct Table {
    rows: BTreeMap<Row, Histogram>,
    mirrored: PoolMirrors,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.rows.keys()).finish()
    }
}

impl Lookups {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn record(&self, question: &str, error: Option<ErrorType>, took: Duration) {
        let Table { rows, mirrored } = &mut *self.table();
        let mut row = (Box::from(question), error);
        if rows.len() >= MAX_ROWS && !rows.contains_key(&row) {
            row.0 = OVERFLOW.into();
        }
        let times = rows.entry(row).or_insert_with_key(|row| {
            let times = Histogram::new(&metric::DNS_LOOKUP_DURATION);
            if let Some((mirrors, pool)) = mirrored {
                times.mirror(Some(mirrors), || with_lookup(pool, &row.0, row.1));
            }
            times
        });
        times.record(took);
    }

    /// All rows, those that are made later too, go to mirrors besides from now on, or to none any more.
    pub(super) fn mirror(&self, mirrors: Mirroring<'_>, pool: &Labels<'_>) {
        let mut table = self.table();
        table.mirrored = mirrors.map(|mirrors| (Arc::clone(mirrors), owned(pool)));
        for (row, times) in &table.rows {
            times.mirror(mirrors, || with_lookup(pool, &row.0, row.1));
        }
    }

    pub(super) fn snapshot(&self) -> Vec<LookupSnapshot> {
        let snapshot = |((question, error_type), times): (&Row, &Histogram)| LookupSnapshot {
            question: question.to_string(),
            error_type: *error_type,
            duration: times.snapshot(),
        };
        self.table().rows.iter().map(snapshot).collect()
    }
}

/// Look-ups of one name that ended in one way.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LookupSnapshot {
    /// The name; behind a proxy it is the proxy's. `_OTHER` stands for names beyond the most that are told apart.
    pub question: String,
    /// Why it failed, if it did.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::option_as_text"))]
    pub error_type: Option<ErrorType>,
    /// How long it took.
    #[cfg_attr(feature = "serde", serde(rename = "duration_secs"))]
    pub duration: HistogramSnapshot,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_errors_are_told_apart_up_to_a_limit() {
        let lookups = Lookups::default();
        for _ in 0..3 {
            lookups.record("pay.example", None, Duration::from_millis(20));
        }
        for number in 0..100 {
            lookups.record(&format!("{number}.example"), Some(ErrorType::Dns), Duration::ZERO);
        }
        let rows = lookups.snapshot();
        let of = |name: &str| rows.iter().find(|row| row.question == name).unwrap();
        assert_eq!((of("pay.example").duration.count(), of("pay.example").error_type), (3, None));
        assert_eq!(rows.len(), MAX_ROWS + 1);
        assert_eq!(of(OVERFLOW).duration.count(), 100 - (MAX_ROWS as u64 - 1));
        assert_eq!(of(OVERFLOW).error_type, Some(ErrorType::Dns));
    }
}
