//! The read API: what browsers and scripts ask for, as JSON, and what is a series as a table too.

mod connections;
mod error;
mod export;
mod figures;
mod handlers;
mod kinds;
mod query;
mod range;
mod traces;
mod warnings;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::get;
use http::StatusCode;
use poolscope_wire::path;

pub(crate) use error::ApiFailure;

use crate::app::App;
use crate::{control, live, own};

/// Everything under this belongs to the API and is never answered by the page.
pub(crate) const PREFIX: &str = "/api/";

/// The paths of the API.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route(path::HEALTH, get(|| async { "ok" }))
        .route(path::READY, get(own::ready))
        .route(path::METRICS, get(own::metrics))
        .route(path::SERVICES, get(handlers::services))
        .route(path::POOLS, get(handlers::pools))
        .route(&format!("{}/{{id}}", path::POOLS), get(handlers::pool))
        .route(&format!("{}/{{id}}/{}", path::POOLS, path::CONNECTIONS), get(connections::connections))
        .route(path::BREAKERS, get(handlers::breakers))
        .route(path::PROTECTION, get(handlers::protection))
        .route(path::SESSIONS, get(handlers::sessions))
        .route(&format!("{}/{{id}}", path::BREAKERS), get(handlers::breaker))
        .route(&format!("{}/{{id}}", path::PROTECTION), get(figures::protection))
        .route(&format!("{}/{{id}}", path::SESSIONS), get(figures::sessions))
        .route(path::WARNING_LOG, get(warnings::log))
        .route(path::EVENTS, get(handlers::events))
        .route(path::TRACES, get(traces::list))
        .merge(whole())
        .route(&format!("{PREFIX}{{*rest}}"), get(unknown))
        .method_not_allowed_fallback(|| async {
            ApiFailure::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "the API is read by GET; there is nothing to change",
            )
        })
        .with_state(app)
}

/// The paths that answer with all that there is, and take no parameters.
fn whole() -> Router<Arc<App>> {
    Router::new()
        .route(path::STATUS, get(handlers::status))
        .route(path::GROUPS, get(handlers::groups))
        .route(path::CONTROL, get(control::list).post(control::order))
        .route(path::WARNINGS, get(warnings::now))
        .route(path::RULES, get(handlers::rules))
        .route(&format!("{}/{{trace_id}}", path::TRACES), get(traces::one))
        .route(path::STREAM, get(live::stream))
        .route_layer(from_fn(query::none))
}

async fn unknown() -> ApiFailure {
    ApiFailure::new(StatusCode::NOT_FOUND, "no such path in the API")
}
