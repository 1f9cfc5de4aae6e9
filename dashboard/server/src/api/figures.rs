//! Histories of what protects calls and of registries of sessions.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;

use super::export::{self, Format};
use super::handlers::forgotten;
use super::range::RangeQuery;
use super::{ApiFailure, query};
use crate::app::App;
use crate::clock::now_ms;
use crate::store::{FigureRead, Id, Store, Wanted};

type Read = fn(&Store, Id, bool, Wanted, u64) -> Option<FigureRead>;

fn answer(app: &App, id: &str, query: RawQuery, what: &str, read: Read) -> Result<Response, ApiFailure> {
    let now_ms = now_ms();
    let (wanted, of_all, format) = query::read(query, |query| {
        let wanted = RangeQuery::of(query)?.wanted(now_ms)?;
        // Those of the same name on all instances of the service, together, or that of the one instance alone.
        let of_all = query.word("instances", &[("one", false), ("all", true)])?;
        Ok((wanted, of_all.unwrap_or(false), Format::of(query)?))
    })?;
    let id = Id::parse(id).ok_or_else(|| forgotten(what))?;
    // The store is held no longer than it is read.
    let history = read(&app.store(), id, of_all, wanted, now_ms);
    let history = history.ok_or_else(|| forgotten(what))?.answer();
    let name = format!("poolscope-{}-{id}", what.replace(' ', "-"));
    Ok(export::figures(format, &history, &name))
}

pub(super) async fn protection(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    query: RawQuery,
) -> Result<Response, ApiFailure> {
    answer(&app, &id, query, "protection", Store::protection_figures)
}

pub(super) async fn sessions(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    query: RawQuery,
) -> Result<Response, ApiFailure> {
    answer(&app, &id, query, "kind of sessions", Store::session_figures)
}
