//! Traces: a list of those that are wanted, and one.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use http::StatusCode;
use poolscope_wire as wire;
use serde::Deserialize;

use super::ApiFailure;
use crate::app::App;
use crate::store::Id;
use crate::trace::{Sort, TraceFilter, Wanted, parse_trace_id};

/// Traces in an answer that asks for no number.
const DEFAULT_TRACES: usize = 100;
/// Nobody types a longer text, and it is looked for in every text of every trace.
const MAX_TEXT: usize = 200;

/// What is asked for. Times are Unix milliseconds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TraceQuery {
    pool: Option<String>,
    breaker: Option<String>,
    service: Option<String>,
    connection: Option<u64>,
    q: Option<String>,
    status: Option<String>,
    sort: Option<String>,
    min_ms: Option<u64>,
    from_ms: Option<u64>,
    to_ms: Option<u64>,
    limit: Option<usize>,
}

fn bad(sentence: &'static str) -> ApiFailure {
    ApiFailure::new(StatusCode::BAD_REQUEST, sentence)
}

/// An id of a pool or breaker; an empty one is none.
fn id(text: Option<&str>, sentence: &'static str) -> Result<Option<Id>, ApiFailure> {
    match text.filter(|text| !text.is_empty()) {
        Some(text) => Id::parse(text).map(Some).ok_or_else(|| bad(sentence)),
        None => Ok(None),
    }
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    query: Result<Query<TraceQuery>, QueryRejection>,
) -> Result<Json<wire::TraceList>, ApiFailure> {
    let Query(query) = query?;
    let breaker =
        id(query.breaker.as_deref(), "breaker is to be the id of a breaker, 16 hexadecimal digits")?;
    let text = query.q.as_deref().unwrap_or_default().trim();
    if text.len() > MAX_TEXT {
        return Err(bad("q is longer than 200 bytes; search for less"));
    }
    if let (Some(from_ms), Some(to_ms)) = (query.from_ms, query.to_ms)
        && to_ms < from_ms
    {
        return Err(bad("to_ms is before from_ms"));
    }
    let filter = TraceFilter {
        wanted: match query.status.as_deref() {
            None | Some("") => Wanted::Notable,
            Some("failed") => Wanted::Failed,
            Some("slow") => Wanted::Slow,
            Some("rejected") => Wanted::Rejected,
            Some("all") => Wanted::All,
            Some(_) => {
                return Err(bad(
                    "status is to be failed, slow, rejected or all; without it, failed and slow",
                ));
            }
        },
        sort: match query.sort.as_deref() {
            None | Some("" | "newest") => Sort::Newest,
            Some("slowest") => Sort::Slowest,
            Some(_) => return Err(bad("sort is to be newest or slowest")),
        },
        service: query.service.as_deref().filter(|name| !name.is_empty()),
        pool: id(query.pool.as_deref(), "pool is to be the id of a pool, 16 hexadecimal digits")?,
        // The store's lock is let go before that of the traces is taken.
        breaker: breaker.map(|breaker| (breaker, app.store().guarded_by(breaker))),
        connection: query.connection,
        text,
        min_ms: query.min_ms.unwrap_or(0),
        from_ms: query.from_ms.unwrap_or(0),
        to_ms: query.to_ms,
    };
    let traces = app.traces().list(&filter, query.limit.unwrap_or(DEFAULT_TRACES));
    Ok(Json(traces))
}

pub(super) async fn one(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<wire::TraceDetail>, ApiFailure> {
    let missing = |sentence| ApiFailure::new(StatusCode::NOT_FOUND, sentence);
    let id = parse_trace_id(&id).ok_or_else(|| {
        missing("this is no id of a trace: it has 32 hexadecimal digits, not all of them 0")
    })?;
    let traces = app.traces();
    traces.detail(id, app.config.trace_url.as_ref()).map(Json).ok_or_else(|| {
        missing(if traces.was_here(id) {
            "this trace was here and has made room for newer ones; more are kept with --max-traces and --max-trace-bytes"
        } else {
            "no span of this trace has come: spans are sent when they end, and not at all where they are not sampled"
        })
    })
}
