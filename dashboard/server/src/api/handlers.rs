//! One function for each path.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::response::Response;
use http::{HeaderValue, StatusCode};
use poolscope_wire as wire;

use super::export::{self, Format};
use super::query::{Parameters, SOME};
use super::range::{self, RangeQuery};
use super::{ApiFailure, kinds, query};
use crate::app::App;
use crate::clock::now_ms;
use crate::conn::Peer;
use crate::prometheus::{self, Problem};
use crate::store::{EventFilter, Id, PoolId, Store, Wanted};

/// Events in an answer that asks for no number; a table holds all.
const DEFAULT_EVENTS: usize = 200;

pub(super) type Answer<T> = Result<Json<T>, ApiFailure>;

pub(super) async fn status(State(app): State<Arc<App>>) -> Json<wire::Status> {
    let trace_limits = app.trace_limits();
    let store = app.store();
    Json(app.status(&store, trace_limits, now_ms()))
}

/// Answers with the list of now, or of a time that is asked for with that of what reported in it.
fn listed<T>(
    app: &App,
    query: RawQuery,
    now: impl FnOnce(&mut Store) -> Vec<T>,
    between: impl FnOnce(&mut Store, u64, u64) -> Vec<T>,
) -> Answer<Vec<T>> {
    let asked = range::between(query, now_ms())?;
    let mut store = app.store();
    Ok(Json(match asked {
        None => now(&mut store),
        Some((from_ms, to_ms)) => between(&mut store, from_ms, to_ms),
    }))
}

pub(super) async fn services(State(app): State<Arc<App>>, query: RawQuery) -> Answer<Vec<wire::Service>> {
    let between = |store: &mut Store, from_ms, to_ms| store.services_between(from_ms, to_ms);
    listed(&app, query, |store| store.services(), between)
}

pub(super) async fn pools(State(app): State<Arc<App>>, query: RawQuery) -> Answer<Vec<wire::PoolSummary>> {
    listed(&app, query, |store| store.pools(), |store, from_ms, to_ms| store.pools_between(from_ms, to_ms))
}

/// The range and the format that a path with history is asked for.
fn history(query: RawQuery, now_ms: u64) -> Result<(Wanted, Format), ApiFailure> {
    query::read(query, |query| Ok((RangeQuery::of(query)?.wanted(now_ms)?, Format::of(query)?)))
}

pub(super) async fn pool(
    State(app): State<Arc<App>>,
    Extension(Peer(from)): Extension<Peer>,
    Path(id): Path<String>,
    query: RawQuery,
) -> Result<Response, ApiFailure> {
    let now_ms = now_ms();
    let (wanted, format) = history(query, now_ms)?;
    let id = PoolId::parse(&id).ok_or_else(no_pool)?;
    let mut detail = app.store().pool_or_group(id, wanted, now_ms).ok_or_else(no_pool)?;
    if let Some(state) = &app.prometheus {
        let (members, interval_ms) = {
            let store = app.store();
            let members = store.members(id);
            let interval_ms = store.pools_interval_ms(members.iter().map(|(id, _)| &**id));
            (members, interval_ms)
        };
        let _asker = state.asker(from).map_err(no_answer)?;
        let held = (detail, interval_ms, &*members);
        let older = prometheus::complete(state, &app.config, held, wanted, now_ms).await;
        detail = older.map_err(no_answer)?;
    }
    let name = format!("poolscope-pool-{}", detail.summary.id);
    Ok(export::answer(format, &detail, |detail| &*detail.points, &name))
}

pub(super) async fn breaker(
    State(app): State<Arc<App>>,
    Extension(Peer(from)): Extension<Peer>,
    Path(id): Path<String>,
    query: RawQuery,
) -> Result<Response, ApiFailure> {
    let now_ms = now_ms();
    let (wanted, format) = history(query, now_ms)?;
    let found = Id::parse(&id).and_then(|id| {
        let store = app.store();
        Some((store.breaker_detail(id, wanted, now_ms)?, store.breaker_interval_ms(id)))
    });
    let (mut detail, interval_ms) = found.ok_or_else(|| forgotten("breaker"))?;
    if let Some(state) = &app.prometheus {
        let _asker = state.asker(from).map_err(no_answer)?;
        let older =
            prometheus::complete_breaker(state, &app.config, (detail, interval_ms), wanted, now_ms).await;
        detail = older.map_err(no_answer)?;
    }
    let name = format!("poolscope-breaker-{}", detail.breaker.id);
    Ok(export::answer(format, &detail, |detail| &*detail.points, &name))
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

pub(super) async fn breakers(State(app): State<Arc<App>>, query: RawQuery) -> Answer<Vec<wire::Breaker>> {
    let between = |store: &mut Store, from_ms, to_ms| store.breakers_between(from_ms, to_ms);
    listed(&app, query, |store| store.breakers(), between)
}

pub(super) async fn protection(
    State(app): State<Arc<App>>,
    query: RawQuery,
) -> Answer<Vec<wire::Protection>> {
    let between = |store: &mut Store, from_ms, to_ms| store.protection_between(from_ms, to_ms);
    listed(&app, query, |store| store.protection(), between)
}

pub(super) async fn sessions(State(app): State<Arc<App>>, query: RawQuery) -> Answer<Vec<wire::Sessions>> {
    listed(&app, query, Store::sessions, Store::sessions_between)
}

pub(super) async fn rules(State(app): State<Arc<App>>) -> Json<Vec<wire::RuleSetting>> {
    Json(app.store().rules())
}

const SEVERITIES: [(&str, wire::Severity); 3] =
    [("ok", wire::Severity::Ok), ("warn", wire::Severity::Warn), ("bad", wire::Severity::Bad)];

/// Which events are wanted: texts as they were given, and what is none.
#[derive(Debug)]
struct EventQuery {
    texts: [Option<String>; 4],
    search: String,
    limit: Option<usize>,
    format: Format,
    rest: EventFilter<'static>,
}

impl EventQuery {
    fn of(query: &mut Parameters) -> Result<Self, ApiFailure> {
        let (from_ms, to_ms) = (query.moment("from_ms")?, query.moment("to_ms")?);
        if let (Some(from_ms), Some(to_ms)) = (from_ms, to_ms)
            && from_ms >= to_ms
        {
            return Err(range::empty(from_ms, to_ms));
        }
        let pool = query.id("pool", |text| PoolId::parse(text).map(|_| text.to_owned()))?;
        let breaker = query.id("breaker", |text| Id::parse(text).map(|_| text.to_owned()))?;
        Ok(Self {
            texts: [query.text("kind"), query.text("service"), pool, breaker],
            search: query.search("q")?,
            limit: query.count("limit", SOME)?,
            format: Format::of(query)?,
            rest: EventFilter {
                from_ms,
                to_ms,
                // At least so bad.
                severity: query.word("severity", &SEVERITIES)?.unwrap_or_default(),
                // With `routine=false` what is routine is left out.
                notable: query.word("routine", &[("true", false), ("false", true)])?.unwrap_or(false),
                ..EventFilter::default()
            },
        })
    }
}

pub(super) async fn events(State(app): State<Arc<App>>, query: RawQuery) -> Result<Response, ApiFailure> {
    let EventQuery { texts, search, limit, format, rest } = query::read(query, EventQuery::of)?;
    let [kind, service, pool, breaker] = texts.each_ref().map(Option::as_deref);
    if let Some(unknown) = kind.filter(|kind| !kinds::is_ours(kind) && !app.store().has_event_of(kind)) {
        return Err(kinds::unknown(unknown));
    }
    // A group stands for its pools.
    let pools = pool.map(|pool| match PoolId::parse(pool) {
        Some(group @ PoolId::Group(_)) => app.store().members(group).into_iter().map(|(id, _)| id).collect(),
        _ => vec![pool.to_owned()],
    });
    let filter = EventFilter { kind, service, pools: pools.as_deref(), breaker, text: &search, ..rest };
    let usual = if format == Format::Csv { usize::MAX } else { DEFAULT_EVENTS };
    let (events, counts) = {
        let store = app.store();
        (store.events(filter, limit.unwrap_or(usual)), store.event_counts(filter))
    };
    let mut answer = export::answer(format, &events, |events| &**events, "poolscope-events");
    for (name, count) in [wire::MATCHING_HEADER, wire::KEPT_HEADER].into_iter().zip(counts) {
        answer.headers_mut().insert(name, HeaderValue::from(count));
    }
    Ok(answer)
}
