//! The connections of a pool one by one.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use http::StatusCode;
use poolscope_wire as wire;

use super::handlers::{Answer, no_pool};
use super::{ApiFailure, query, range};
use crate::app::App;
use crate::clock::now_ms;
use crate::store::{LaneQuery, LaneSort, PoolId};

/// Rows of an answer that asks for no number.
const DEFAULT_ROWS: usize = 100;
/// Stretches of each row of an answer that asks for no number.
const DEFAULT_POINTS: u64 = 600;
/// Rows of one answer at most: more than anybody reads, and with the stretches of each some megabytes.
const MAX_ROWS: u64 = 10_000;
/// Stretches of a row at most: more than any screen has columns.
const MAX_POINTS: u64 = 10_000;

/// What of all connections is wanted.
type Only = fn(&wire::ConnectionLane) -> bool;

const SORTS: [(&str, LaneSort); 5] = [
    ("worst", LaneSort::Worst),
    ("id", LaneSort::Id),
    ("age", LaneSort::Age),
    ("requests", LaneSort::Requests),
    ("share", LaneSort::Share),
];

const ONLY: [(&str, Only); 5] = [
    ("active", |lane| lane.share.is_some_and(|share| share > 0.0) || lane.in_flight > 0),
    ("leaked", |lane| !lane.leaks.is_empty()),
    ("wasted", |lane| lane.wasted),
    ("closed", |lane| lane.closed.is_some()),
    ("open", |lane| lane.closed.is_none()),
];

pub(super) async fn connections(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    query: RawQuery,
) -> Answer<wire::ConnectionLanes> {
    let query = query::read(query, |query| {
        let to_ms = query.moment("to_ms")?.unwrap_or_else(now_ms);
        let from_ms = query.moment("from_ms")?;
        let from_ms = from_ms.unwrap_or_else(|| to_ms.saturating_sub(app.config.lane_retention_ms()));
        if from_ms >= to_ms {
            return Err(range::empty(from_ms, to_ms));
        }
        Ok(LaneQuery {
            from_ms,
            to_ms,
            // What a page does not have yet.
            after_ms: query.moment("after_ms")?,
            max_rows: query.count("max_rows", 1..=MAX_ROWS)?.unwrap_or(DEFAULT_ROWS),
            max_points: query.number("max_points", 1..=MAX_POINTS)?.unwrap_or(DEFAULT_POINTS),
            sort: query.word("sort", &SORTS)?.unwrap_or(LaneSort::Worst),
            only: query.word("only", &ONLY)?.unwrap_or(|_| true),
        })
    })?;
    match PoolId::parse(&id) {
        Some(PoolId::One(id)) => app.store().lanes(id, &query).map(Json).ok_or_else(no_pool),
        Some(PoolId::Group(_)) => Err(ApiFailure::new(
            StatusCode::NOT_FOUND,
            "these are several pools, and each has connections of its own; ask for those of one of its members",
        )),
        None => Err(no_pool()),
    }
}
