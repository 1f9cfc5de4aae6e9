//! What every answer over HTTP has in common: who may ask, and what a browser may do with the answer.

mod body;
#[cfg(test)]
mod extremes;
mod guard;
mod login;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderName, HeaderValue, header};
use poolscope_wire::path;

pub(crate) use self::body::small;
use crate::api;
use crate::app::App;
use crate::assets;
use crate::conn::Audience;
use crate::host::HostRule;

/// Scripts, styles and data from here alone; WebAssembly may be compiled. Nothing inline, nothing framed.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; \
     frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 8] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
    // Nothing of it is needed.
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// The page and its API.
pub(crate) fn router(app: Arc<App>, hosts: HostRule) -> Router {
    let login = Router::new()
        .route(path::LOGIN, get(login::page).post(login::submit))
        .route(path::LOGOUT, post(login::logout))
        .route(login::STYLE, get(login::style))
        .with_state(app.clone());
    let router = api::router(app.clone())
        .merge(login)
        .fallback(assets::serve)
        .layer(middleware::from_fn_with_state(app.clone(), guard::logged_in))
        .layer(middleware::from_fn_with_state(app.clone(), guard::no_foreign_scripts));
    guarded(router, app, hosts, Audience::Browsers)
}

/// Answers only requests that name an allowed host and have a head of a fair size, and locks every answer down.
pub(crate) fn guarded(router: Router, app: Arc<App>, hosts: HostRule, audience: Audience) -> Router {
    let door = (app.clone(), Arc::new(hosts), audience);
    router
        .layer(middleware::from_fn_with_state(door, guard::known_host))
        .layer(middleware::from_fn_with_state(app, guard::fair_head))
        .layer(middleware::map_response(secured))
}

async fn secured(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    // Answers of the API are of this moment; the page says for itself how long it may be kept.
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
