//! What every answer over HTTP has in common: who may ask, and what a browser may do with the answer.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};

use crate::api::{self, ApiFailure};
use crate::app::App;
use crate::assets;
use crate::host::HostRule;

/// Scripts, styles and data from here alone; WebAssembly may be compiled. Nothing inline, nothing framed.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The page and its API.
pub(crate) fn router(app: Arc<App>, hosts: HostRule) -> Router {
    let router = api::router(app).fallback(assets::serve);
    guarded(router, hosts).layer(middleware::map_response(secured))
}

/// Answers only requests that name an allowed host.
pub(crate) fn guarded(router: Router, hosts: HostRule) -> Router {
    router.layer(middleware::from_fn_with_state(Arc::new(hosts), guard))
}

async fn guard(State(hosts): State<Arc<HostRule>>, request: Request, next: Next) -> Response {
    // HTTP/2 names the host in the request's own URI.
    let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = named.or_else(|| request.uri().authority().map(http::uri::Authority::as_str));
    if hosts.allows(host) {
        return next.run(request).await;
    }
    let sentence = "this dashboard listens on loopback and answers only to localhost, 127.0.0.1 and [::1]; \
                    start it with --allowed-host to add a name";
    ApiFailure::new(StatusCode::FORBIDDEN, sentence).into_response()
}

async fn secured(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    // Answers of the API are of this moment; the page says for itself how long it may be kept.
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
