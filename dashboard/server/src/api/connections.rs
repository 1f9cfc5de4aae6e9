//! The connections of a pool one by one.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use http::StatusCode;
use poolscope_wire as wire;
use serde::Deserialize;

use super::ApiFailure;
use super::handlers::{Answer, no_pool};
use crate::app::App;
use crate::clock::now_ms;
use crate::store::{LaneQuery, LaneSort, PoolId};

/// Rows of an answer that asks for no number.
const DEFAULT_ROWS: usize = 100;
/// Stretches of each row of an answer that asks for no number.
const DEFAULT_POINTS: u64 = 600;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConnectionQuery {
    from_ms: Option<u64>,
    to_ms: Option<u64>,
    /// Only stretches that end after this moment: what a page does not have yet.
    after_ms: Option<u64>,
    max_rows: Option<usize>,
    max_points: Option<u64>,
    sort: Option<String>,
    only: Option<String>,
}

pub(super) async fn connections(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    query: Result<Query<ConnectionQuery>, QueryRejection>,
) -> Answer<wire::ConnectionLanes> {
    let Query(query) = query?;
    let bad = |sentence: &str| ApiFailure::new(StatusCode::BAD_REQUEST, sentence);
    let sort = match query.sort.as_deref().unwrap_or("worst") {
        "worst" => LaneSort::Worst,
        "id" => LaneSort::Id,
        "age" => LaneSort::Age,
        "requests" => LaneSort::Requests,
        "share" => LaneSort::Share,
        _ => return Err(bad("sort is one of worst, id, age, requests and share")),
    };
    let only: fn(&wire::ConnectionLane) -> bool = match query.only.as_deref().unwrap_or("") {
        "" => |_| true,
        "active" => |lane| lane.share.is_some_and(|share| share > 0.0) || lane.in_flight > 0,
        "leaked" => |lane| !lane.leaks.is_empty(),
        "wasted" => |lane| lane.wasted,
        "closed" => |lane| lane.closed.is_some(),
        "open" => |lane| lane.closed.is_none(),
        _ => return Err(bad("only is one of active, leaked, wasted, closed and open")),
    };
    let to_ms = query.to_ms.unwrap_or_else(now_ms);
    let from_ms = query.from_ms.unwrap_or_else(|| to_ms.saturating_sub(app.config.lane_retention_ms()));
    if from_ms >= to_ms {
        return Err(bad("from_ms must be before to_ms"));
    }
    let query = LaneQuery {
        from_ms,
        to_ms,
        after_ms: query.after_ms,
        max_rows: query.max_rows.unwrap_or(DEFAULT_ROWS),
        max_points: query.max_points.unwrap_or(DEFAULT_POINTS).max(1),
        sort,
        only,
    };
    match PoolId::parse(&id) {
        Some(PoolId::One(id)) => app.store().lanes(id, &query).map(Json).ok_or_else(no_pool),
        Some(PoolId::Group(_)) => Err(ApiFailure::new(
            StatusCode::NOT_FOUND,
            "these are several pools, and each has connections of its own; ask for those of one of its members",
        )),
        None => Err(no_pool()),
    }
}
