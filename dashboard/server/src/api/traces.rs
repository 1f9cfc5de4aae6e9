//! Traces: a list of those that are wanted, and one.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use http::StatusCode;
use poolscope_wire as wire;

use super::query::{ANY, Parameters};
use super::{ApiFailure, query, range};
use crate::app::App;
use crate::store::Id;
use crate::trace::{Sort, TraceFilter, Wanted, parse_trace_id};

/// Traces in an answer that asks for no number.
const DEFAULT_TRACES: usize = 100;
/// Traces of one answer at most: whoever looks for others filters.
const MAX_LISTED: usize = 500;

/// Which traces are wanted, and how many; the breaker is asked for apart, since the store knows what it guards.
#[derive(Debug, Default)]
struct TraceQuery {
    service: Option<String>,
    breaker: Option<Id>,
    text: String,
    limit: Option<usize>,
    rest: TraceFilter<'static>,
}

impl TraceQuery {
    fn of(query: &mut Parameters) -> Result<Self, ApiFailure> {
        let (from_ms, to_ms) = (query.moment("from_ms")?, query.moment("to_ms")?);
        if let (Some(from_ms), Some(to_ms)) = (from_ms, to_ms)
            && to_ms < from_ms
        {
            return Err(range::empty(from_ms, to_ms));
        }
        Ok(Self {
            service: query.text("service"),
            breaker: query.id("breaker", Id::parse)?,
            text: query.search("q")?,
            limit: query.count("limit", 1..=MAX_LISTED as u64)?,
            rest: TraceFilter {
                wanted: query.word("status", &STATUSES)?.unwrap_or_default(),
                sort: query.word("sort", &SORTS)?.unwrap_or_default(),
                pool: query.id("pool", Id::parse)?,
                connection: query.number("connection", ANY)?,
                min_ms: query.number("min_ms", ANY)?.unwrap_or(0),
                from_ms: from_ms.unwrap_or(0),
                to_ms,
                ..TraceFilter::default()
            },
        })
    }
}

/// Without one, failed and slow.
const STATUSES: [(&str, Wanted); 4] = [
    ("failed", Wanted::Failed),
    ("slow", Wanted::Slow),
    ("rejected", Wanted::Rejected),
    ("all", Wanted::All),
];

const SORTS: [(&str, Sort); 2] = [("newest", Sort::Newest), ("slowest", Sort::Slowest)];

pub(super) async fn list(
    State(app): State<Arc<App>>,
    query: RawQuery,
) -> Result<Json<wire::TraceList>, ApiFailure> {
    let TraceQuery { service, breaker, text, limit, rest } = query::read(query, TraceQuery::of)?;
    let filter = TraceFilter {
        service: service.as_deref(),
        // The store's lock is let go before that of the traces is taken.
        breaker: breaker.map(|breaker| (breaker, app.store().guarded_by(breaker))),
        text: &text,
        ..rest
    };
    let traces = app.traces().list(&filter, limit.unwrap_or(DEFAULT_TRACES));
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
            "no span of this trace ever came here, or it left so long ago that it is forgotten: spans are sent when they end, \
             and not at all where they are not sampled; and a trace leaves when newer ones need its room"
        })
    })
}
