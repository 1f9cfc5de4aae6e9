//! Which part of a history a query asks for.

use axum::extract::RawQuery;
use http::StatusCode;

use super::query::{Parameters, SOME};
use super::{ApiFailure, query};
use crate::store::{Since, Wanted};

/// Most points of one answer: more than any screen has columns.
const MAX_POINTS: u64 = 10_000;
/// Points of an answer that asks for no number.
const DEFAULT_POINTS: usize = 1_000;

/// The answer to a range that ends where it begins or before.
pub(super) fn empty(from_ms: u64, to_ms: u64) -> ApiFailure {
    let sentence = format!(
        "the range is empty: from_ms is {from_ms} and its end is {to_ms}; both are Unix milliseconds"
    );
    ApiFailure::new(StatusCode::BAD_REQUEST, sentence)
}

/// The two moments that a list of what reported in a time takes; `None` if that of now is asked for.
pub(super) fn between(query: RawQuery, now_ms: u64) -> Result<Option<(u64, u64)>, ApiFailure> {
    query::read(query, |query| {
        let (from_ms, to_ms) = (query.moment("from_ms")?, query.moment("to_ms")?);
        if from_ms.is_none() && to_ms.is_none() {
            return Ok(None);
        }
        let (from_ms, to_ms) = (from_ms.unwrap_or(0), to_ms.unwrap_or(now_ms));
        if from_ms >= to_ms { Err(empty(from_ms, to_ms)) } else { Ok(Some((from_ms, to_ms))) }
    })
}

/// The parameters that every path with history has.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RangeQuery {
    pub(super) seconds: Option<u64>,
    pub(super) from_ms: Option<u64>,
    pub(super) to_ms: Option<u64>,
    pub(super) max_points: Option<usize>,
}

impl RangeQuery {
    pub(super) fn of(query: &mut Parameters) -> Result<Self, ApiFailure> {
        Ok(Self {
            seconds: query.number("seconds", SOME)?,
            from_ms: query.moment("from_ms")?,
            to_ms: query.moment("to_ms")?,
            max_points: query.count("max_points", 1..=MAX_POINTS)?,
        })
    }

    /// What is wanted, if the parameters fit together.
    pub(super) fn wanted(self, now_ms: u64) -> Result<Wanted, ApiFailure> {
        let refused = |sentence: String| Err(ApiFailure::new(StatusCode::BAD_REQUEST, sentence));
        let max_points = self.max_points.unwrap_or(DEFAULT_POINTS);
        let since = match (self.from_ms, self.to_ms, self.seconds) {
            (Some(_), _, Some(_)) | (None, Some(_), Some(_)) => {
                return refused(
                    "seconds counts back from the newest report; leave it out where from_ms or to_ms is given"
                        .to_owned(),
                );
            }
            (None, Some(_), None) => {
                return refused("to_ms is given without from_ms; give both, in Unix milliseconds".to_owned());
            }
            (Some(from_ms), to_ms, None) => {
                let to_ms = to_ms.unwrap_or(now_ms);
                if from_ms >= to_ms {
                    return Err(empty(from_ms, to_ms));
                }
                Since::Moment(from_ms)
            }
            (None, None, seconds) => seconds.map_or_else(Since::usual, Since::seconds),
        };
        Ok(Wanted { since, to_ms: self.to_ms, max_points })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    fn sentence(query: RangeQuery) -> String {
        format!("{:?}", query.wanted(NOW).unwrap_err())
    }

    #[test]
    fn a_range_is_read() {
        let query = RangeQuery { from_ms: Some(5), max_points: Some(10), ..RangeQuery::default() };
        let wanted = query.wanted(NOW).unwrap();
        assert_eq!((wanted.since, wanted.to_ms, wanted.max_points), (Since::Moment(5), None, 10));
        let wanted = RangeQuery { seconds: Some(60), ..RangeQuery::default() }.wanted(NOW).unwrap();
        assert_eq!((wanted.since, wanted.max_points), (Since::seconds(60), DEFAULT_POINTS));
    }

    #[test]
    fn a_list_is_of_now_unless_a_moment_is_given() {
        let asked = |query: &str| between(RawQuery(Some(query.to_owned())), NOW).map_err(|_| ());
        assert_eq!(asked(""), Ok(None));
        assert_eq!(asked("from_ms=5"), Ok(Some((5, NOW))));
        assert_eq!(asked("to_ms=7"), Ok(Some((0, 7))));
        assert_eq!(asked("from_ms=5&to_ms=7"), Ok(Some((5, 7))));
        for wrong in ["from_ms=7&to_ms=7", "from_ms=x", "seconds=60"] {
            assert_eq!(asked(wrong), Err(()), "{wrong}");
        }
    }

    #[test]
    fn a_range_that_makes_no_sense_is_refused_with_the_reason() {
        let query = RangeQuery::default();
        let (from_ms, to_ms) = (Some(7), Some(7));
        assert!(sentence(RangeQuery { from_ms, to_ms, ..query }).contains("range is empty: from_ms is 7"));
        assert!(sentence(RangeQuery { from_ms: Some(NOW), ..query }).contains("range is empty"));
        assert!(sentence(RangeQuery { to_ms, ..query }).contains("without from_ms"));
        assert!(sentence(RangeQuery { from_ms, seconds: Some(1), ..query }).contains("leave it out"));
        assert!(sentence(RangeQuery { to_ms, seconds: Some(1), ..query }).contains("leave it out"));
    }
}
