//! What is wrong, and what was.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use poolscope_wire as wire;
use serde::Deserialize;

use super::export::{self, Format};
use super::{ApiFailure, range};
use crate::app::App;
use crate::clock::now_ms;
use crate::store::WarningFilter;

/// The time of an answer that asks for none.
const USUAL_MS: u64 = 15 * 60_000;
/// Warnings in an answer that asks for no number; a table holds all.
const DEFAULT_WARNINGS: usize = 200;

pub(super) async fn now(State(app): State<Arc<App>>) -> Json<Vec<wire::Warning>> {
    Json(app.store().warnings())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogQuery {
    from_ms: Option<u64>,
    to_ms: Option<u64>,
    service: Option<String>,
    instance: Option<String>,
    /// Id of a pool, a breaker or what else a warning is about.
    about: Option<String>,
    limit: Option<usize>,
    #[serde(default)]
    format: Format,
}

pub(super) async fn log(
    State(app): State<Arc<App>>,
    query: Result<Query<LogQuery>, QueryRejection>,
) -> Result<Response, ApiFailure> {
    let (Query(query), now_ms) = (query?, now_ms());
    let to_ms = query.to_ms.unwrap_or(now_ms);
    let from_ms = query.from_ms.unwrap_or(to_ms.saturating_sub(USUAL_MS));
    if from_ms >= to_ms {
        return Err(range::empty(from_ms, to_ms));
    }
    let (service, instance, about) =
        (query.service.as_deref(), query.instance.as_deref(), query.about.as_deref());
    let filter = WarningFilter { service, instance, about, from_ms, to_ms };
    let usual = if query.format == Format::Csv { usize::MAX } else { DEFAULT_WARNINGS };
    let log = app.store().warning_log(filter, query.limit.unwrap_or(usual), now_ms);
    Ok(export::answer(query.format, &log, |log| &*log.warnings, "poolscope-warnings"))
}
