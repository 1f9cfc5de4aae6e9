//! What is wrong, and what was.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use poolscope_wire as wire;

use super::export::{self, Format};
use super::query::{self, SOME};
use super::{ApiFailure, range};
use crate::app::App;
use crate::clock::now_ms;
use crate::store::{Id, WarningFilter};

/// The time of an answer that asks for none.
const USUAL_MS: u64 = 15 * 60_000;
/// Warnings in an answer that asks for no number; a table holds all.
const DEFAULT_WARNINGS: usize = 200;

pub(super) async fn now(State(app): State<Arc<App>>) -> Json<Vec<wire::Warning>> {
    Json(app.store().warnings())
}

pub(super) async fn log(State(app): State<Arc<App>>, query: RawQuery) -> Result<Response, ApiFailure> {
    let now_ms = now_ms();
    let (from_ms, to_ms, [service, instance, about], limit, format) = query::read(query, |query| {
        let times = (query.moment("from_ms")?, query.moment("to_ms")?);
        let [service, instance] = ["service", "instance"].map(|name| query.text(name));
        let instance = instance.map(|id| if id == wire::NO_ID { String::new() } else { id });
        // Of a pool, a breaker or what else a warning is about.
        let about = query.id("about", |text| Id::parse(text).map(|id| id.to_string()))?;
        let whose = [service, instance, about];
        Ok((times.0, times.1, whose, query.count("limit", SOME)?, Format::of(query)?))
    })?;
    let to_ms = to_ms.unwrap_or(now_ms);
    let from_ms = from_ms.unwrap_or(to_ms.saturating_sub(USUAL_MS));
    if from_ms >= to_ms {
        return Err(range::empty(from_ms, to_ms));
    }
    let (service, instance, about) = (service.as_deref(), instance.as_deref(), about.as_deref());
    let filter = WarningFilter { service, instance, about, from_ms, to_ms };
    let usual = if format == Format::Csv { usize::MAX } else { DEFAULT_WARNINGS };
    let log = app.store().warning_log(filter, limit.unwrap_or(usual), now_ms);
    Ok(export::answer(format, &log, |log| &*log.warnings, "poolscope-warnings"))
}
