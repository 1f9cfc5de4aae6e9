//! One function for each path.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::response::Response;
use http::{HeaderValue, StatusCode};
use poolscope_wire as wire;
use serde::Deserialize;

use super::ApiFailure;
use super::export::{self, Format};
use super::range::{self, RangeQuery};
use crate::app::App;
use crate::clock::now_ms;
use crate::conn::Peer;
use crate::prometheus::{self, Problem};
use crate::store::{EventFilter, Id, PoolId, Wanted};

/// Events in an answer that asks for no number; a table holds all.
const DEFAULT_EVENTS: usize = 200;

/// Nobody types a longer text, and it is looked for in every text of every event.
const MAX_TEXT: usize = 200;

pub(super) type Answer<T> = Result<Json<T>, ApiFailure>;

pub(super) async fn status(State(app): State<Arc<App>>) -> Json<wire::Status> {
    let trace_limits = app.trace_limits();
    let store = app.store();
    Json(app.status(&store, trace_limits, now_ms()))
}

pub(super) async fn services(State(app): State<Arc<App>>) -> Json<Vec<wire::Service>> {
    Json(app.store().services())
}

pub(super) async fn pools(State(app): State<Arc<App>>) -> Json<Vec<wire::PoolSummary>> {
    Json(app.store().pools())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HistoryQuery {
    seconds: Option<u64>,
    from_ms: Option<u64>,
    to_ms: Option<u64>,
    max_points: Option<usize>,
    #[serde(default)]
    format: Format,
}

impl HistoryQuery {
    fn wanted(&self, now_ms: u64) -> Result<Wanted, ApiFailure> {
        let Self { seconds, from_ms, to_ms, max_points, .. } = *self;
        RangeQuery { seconds, from_ms, to_ms, max_points }.wanted(now_ms)
    }
}

pub(super) async fn pool(
    State(app): State<Arc<App>>,
    Extension(Peer(from)): Extension<Peer>,
    Path(id): Path<String>,
    query: Result<Query<HistoryQuery>, QueryRejection>,
) -> Result<Response, ApiFailure> {
    let (Query(query), now_ms) = (query?, now_ms());
    let wanted = query.wanted(now_ms)?;
    let id = PoolId::parse(&id).ok_or_else(no_pool)?;
    let mut detail = app.store().pool_or_group(id, wanted, now_ms).ok_or_else(no_pool)?;
    if let Some(state) = &app.prometheus {
        let members = app.store().members(id);
        let _asker = state.asker(from).map_err(no_answer)?;
        let older = prometheus::complete(state, &app.config, (detail, &members), wanted, now_ms).await;
        detail = older.map_err(no_answer)?;
    }
    let name = format!("poolscope-pool-{}", detail.summary.id);
    Ok(export::answer(query.format, &detail, |detail| &*detail.points, &name))
}

pub(super) async fn breaker(
    State(app): State<Arc<App>>,
    Extension(Peer(from)): Extension<Peer>,
    Path(id): Path<String>,
    query: Result<Query<HistoryQuery>, QueryRejection>,
) -> Result<Response, ApiFailure> {
    let (Query(query), now_ms) = (query?, now_ms());
    let wanted = query.wanted(now_ms)?;
    let detail = Id::parse(&id).and_then(|id| app.store().breaker_detail(id, wanted, now_ms));
    let mut detail = detail.ok_or_else(|| forgotten("breaker"))?;
    if let Some(state) = &app.prometheus {
        let _asker = state.asker(from).map_err(no_answer)?;
        let older = prometheus::complete_breaker(state, &app.config, detail, wanted, now_ms).await;
        detail = older.map_err(no_answer)?;
    }
    let name = format!("poolscope-breaker-{}", detail.breaker.id);
    Ok(export::answer(query.format, &detail, |detail| &*detail.points, &name))
}

/// Prometheus did not tell, or was not even asked.
fn no_answer(problem: Problem) -> ApiFailure {
    match problem {
        Problem::Busy => ApiFailure::busy(format!("{problem}; try again in a few seconds")),
        other => ApiFailure::new(StatusCode::BAD_GATEWAY, other.to_string()),
    }
}

pub(super) fn no_pool() -> ApiFailure {
    forgotten("pool")
}

pub(super) fn forgotten(what: &str) -> ApiFailure {
    let sentence = format!("no {what} has this id; it may have been silent for longer than the retention");
    ApiFailure::new(StatusCode::NOT_FOUND, sentence)
}

pub(super) async fn groups(State(app): State<Arc<App>>) -> Json<Vec<wire::PoolGroup>> {
    Json(app.store().groups())
}

pub(super) async fn breakers(State(app): State<Arc<App>>) -> Json<Vec<wire::Breaker>> {
    Json(app.store().breakers())
}

pub(super) async fn protection(State(app): State<Arc<App>>) -> Json<Vec<wire::Protection>> {
    Json(app.store().protection())
}

pub(super) async fn sessions(State(app): State<Arc<App>>) -> Json<Vec<wire::Sessions>> {
    Json(app.store().sessions())
}

pub(super) async fn rules(State(app): State<Arc<App>>) -> Json<Vec<wire::RuleSetting>> {
    Json(app.store().rules())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventQuery {
    limit: Option<usize>,
    kind: Option<String>,
    service: Option<String>,
    pool: Option<String>,
    breaker: Option<String>,
    from_ms: Option<u64>,
    to_ms: Option<u64>,
    /// At least so bad.
    severity: Option<wire::Severity>,
    /// Routine as well.
    routine: Option<bool>,
    q: Option<String>,
    #[serde(default)]
    format: Format,
}

pub(super) async fn events(
    State(app): State<Arc<App>>,
    query: Result<Query<EventQuery>, QueryRejection>,
) -> Result<Response, ApiFailure> {
    let Query(query) = query?;
    if let (Some(from_ms), Some(to_ms)) = (query.from_ms, query.to_ms)
        && from_ms >= to_ms
    {
        return Err(range::empty(from_ms, to_ms));
    }
    let text = query.q.as_deref().unwrap_or_default().trim();
    if text.len() > MAX_TEXT {
        let sentence = format!("q is longer than {MAX_TEXT} bytes; search for less");
        return Err(ApiFailure::new(StatusCode::BAD_REQUEST, sentence));
    }
    let pools = query.pool.map(|pool| match PoolId::parse(&pool) {
        Some(group @ PoolId::Group(_)) => app.store().members(group).into_iter().map(|(id, _)| id).collect(),
        _ => vec![pool],
    });
    let filter = EventFilter {
        kind: query.kind.as_deref(),
        service: query.service.as_deref(),
        pools: pools.as_deref(),
        breaker: query.breaker.as_deref(),
        from_ms: query.from_ms,
        to_ms: query.to_ms,
        severity: query.severity.unwrap_or_default(),
        notable: query.routine == Some(false),
        text,
    };
    let usual = if query.format == Format::Csv { usize::MAX } else { DEFAULT_EVENTS };
    let (events, counts) = {
        let store = app.store();
        (store.events(filter, query.limit.unwrap_or(usual)), store.event_counts(filter))
    };
    let mut answer = export::answer(query.format, &events, |events| &**events, "poolscope-events");
    for (name, count) in [wire::MATCHING_HEADER, wire::KEPT_HEADER].into_iter().zip(counts) {
        answer.headers_mut().insert(name, HeaderValue::from(count));
    }
    Ok(answer)
}
