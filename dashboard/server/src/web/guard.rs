//! Who is let through to the page and its API.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use http_body::Frame;
use poolscope_wire::path;

use super::login;
use crate::access::{self, LoginRule, Visit};
use crate::api::{self, ApiFailure};
use crate::app::App;
use crate::assets;
use crate::conn::{Audience, Peer};
use crate::host::HostRule;
use crate::own::AtDoor;

/// What answers without a login: whoever watches over this process, and the page to log in.
const OPEN: [&str; 6] = [path::HEALTH, path::READY, path::LOGIN, path::LOGOUT, login::STYLE, login::ICON];

/// Refuses heads that are too large, before anything looks into them.
pub(super) async fn fair_head(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let max = app.config.limits.max_header_bytes;
    let uri = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    let headers: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if uri + headers <= max {
        return next.run(request).await;
    }
    app.counts.large_head();
    let (status, what) = if uri > max {
        (StatusCode::URI_TOO_LONG, "the address of the request is")
    } else {
        (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the head of the request is")
    };
    ApiFailure::new(status, format!("{what} longer than {max} bytes, the limit of --max-header-bytes"))
        .into_response()
}

/// Refuses what names a host by which nobody may ask.
pub(super) async fn known_host(
    State((app, hosts, audience)): State<(Arc<App>, Arc<HostRule>, Audience)>,
    request: Request,
    next: Next,
) -> Response {
    if hosts.allows(request.uri(), request.headers()) {
        return next.run(request).await;
    }
    // What senders are refused is counted where their signals are.
    if audience == Audience::Browsers {
        app.counts.turned_away(AtDoor::Host);
    }
    let sentence = "this dashboard answers only to host names that it knows: localhost, 127.0.0.1 and [::1], other \
                    addresses in digits where it listens for other machines, and what --allowed-host adds";
    ApiFailure::new(StatusCode::FORBIDDEN, sentence).into_response()
}

/// Refuses what scripts of other sites ask for. They could not read it, but they could take places and time.
pub(super) async fn no_foreign_scripts(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Response {
    if access::asks_from_elsewhere(request.method(), request.headers()) {
        app.counts.turned_away(AtDoor::Site);
        let sentence = "a page of another site asks for this; open the dashboard itself";
        return ApiFailure::new(StatusCode::FORBIDDEN, sentence).into_response();
    }
    next.run(request).await
}

/// Lets through who has logged in, where that is asked for.
pub(super) async fn logged_in(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (path, headers) = (request.uri().path(), request.headers());
    if path == path::METRICS && app.access.may_scrape(headers) {
        return next.run(request).await;
    }
    let Some(rule) = app.access.login() else {
        if path == path::METRICS {
            let sentence = "/metrics is read with its key only: send it as authorization: Bearer";
            return unauthorized(sentence);
        }
        return next.run(request).await;
    };
    if OPEN.contains(&path) {
        return next.run(request).await;
    }
    if let Some(visit) = rule.visit(headers) {
        return ending_with(visit, next.run(request).await);
    }
    let from = request.extensions().get::<Peer>().map(|peer| peer.0);
    match by_token(rule, headers, from) {
        Some(Ok(true)) => next.run(request).await,
        Some(Err(wait)) => too_many(wait),
        Some(Ok(false)) | None => refusal(request.method(), request.uri(), headers),
    }
}

/// Programs show the token itself.
fn by_token(rule: &LoginRule, headers: &HeaderMap, from: Option<IpAddr>) -> Option<Result<bool, Duration>> {
    Some(rule.try_token(access::bearer(headers)?, from?))
}

fn too_many(wait: Duration) -> Response {
    let seconds = wait.as_secs() + 1;
    let sentence = format!("too many wrong tokens came from this address; try again in {seconds} s");
    let mut response = ApiFailure::new(StatusCode::TOO_MANY_REQUESTS, sentence).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

fn unauthorized(sentence: &str) -> Response {
    let mut response = ApiFailure::new(StatusCode::UNAUTHORIZED, sentence).into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// A page leads to the login, and from there back to itself; all else says what is missing.
fn refusal(method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
    let is_page = *method == Method::GET
        && !uri.path().starts_with(api::PREFIX)
        && uri.path() != path::METRICS
        && !assets::is_file(uri.path());
    if !is_page {
        return unauthorized(
            "this dashboard asks for a login: open /login in the browser, or send the token as authorization: Bearer",
        );
    }
    // The cookie of a login is not sent with a link that another site shows. This page follows it once more, from here.
    if access::comes_from_elsewhere(headers) {
        return login::once_more(uri);
    }
    login::redirect(&login::address(uri))
}

/// An answer that goes on, as the live stream does, ends with the login.
fn ending_with(visit: Visit, response: Response) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_none_or(|kind| kind != "text/event-stream") {
        return response;
    }
    response.map(|body| Body::new(Until { body, over: Box::pin(visit.over()) }))
}

/// A body that ends early when something is over.
struct Until {
    body: Body,
    over: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl http_body::Body for Until {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // Nothing is asked again after the end.
        if self.over.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }
}
