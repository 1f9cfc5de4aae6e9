//! Histories of what protects calls and of registries of sessions.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::ApiFailure;
use super::export::{self, Format};
use super::handlers::forgotten;
use super::range::RangeQuery;
use crate::app::App;
use crate::clock::now_ms;
use crate::store::{FigureRead, Id, Store, Wanted};

/// Whose history is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Instances {
    /// That of the one instance alone.
    #[default]
    One,
    /// Those of the same name on all instances of the service, together.
    All,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FigureQuery {
    seconds: Option<u64>,
    from_ms: Option<u64>,
    to_ms: Option<u64>,
    max_points: Option<usize>,
    #[serde(default)]
    instances: Instances,
    #[serde(default)]
    format: Format,
}

type Asked = Result<Query<FigureQuery>, QueryRejection>;
type Read = fn(&Store, Id, bool, Wanted, u64) -> Option<FigureRead>;

fn answer(app: &App, id: &str, query: Asked, what: &str, read: Read) -> Result<Response, ApiFailure> {
    let (Query(query), now_ms) = (query?, now_ms());
    let FigureQuery { seconds, from_ms, to_ms, max_points, instances, format } = query;
    let wanted = RangeQuery { seconds, from_ms, to_ms, max_points }.wanted(now_ms)?;
    let id = Id::parse(id).ok_or_else(|| forgotten(what))?;
    // The store is held no longer than it is read.
    let history = read(&app.store(), id, instances == Instances::All, wanted, now_ms);
    let history = history.ok_or_else(|| forgotten(what))?.answer();
    let name = format!("poolscope-{}-{id}", what.replace(' ', "-"));
    Ok(export::figures(format, &history, &name))
}

pub(super) async fn protection(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    query: Asked,
) -> Result<Response, ApiFailure> {
    answer(&app, &id, query, "protection", Store::protection_figures)
}

pub(super) async fn sessions(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    query: Asked,
) -> Result<Response, ApiFailure> {
    answer(&app, &id, query, "kind of sessions", Store::session_figures)
}
