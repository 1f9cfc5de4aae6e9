//! The side of the page: orders are given here, by who may.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use poolscope_semconv::protocol::control::{DEFAULT_HOLD, MAX_HOLD, MAX_WHY};
use poolscope_wire::{CONTROL_HEADER, ControlAction, ControlList, ControlOrder};

use super::orders::{Order, Refused};
use super::{Control, Instance};
use crate::access::comes_from_own_page;
use crate::api::ApiFailure;
use crate::app::App;
use crate::clock::now_ms;
use crate::config::Secret;
use crate::conn::Peer;
use crate::live::network;
use crate::store::Id;
use crate::web;

/// An order is far smaller.
const MAX_BYTES: usize = 4 * 1024;
/// Random bytes of an order's id.
const ID_BYTES: usize = 16;

/// `GET /api/v1/control`.
pub(crate) async fn list(State(app): State<Arc<App>>) -> Result<Json<ControlList>, ApiFailure> {
    let control = offered(&app)?;
    let takers = control.takers();
    let (taking, fixed) = {
        let store = app.store();
        (store.breakers_taking(&takers), store.guard_breakers())
    };
    let told = |ids: BTreeSet<Id>| ids.iter().map(ToString::to_string).collect();
    Ok(Json(ControlList { taking: told(taking), fixed: told(fixed), orders: control.list(now_ms()) }))
}

/// `POST /api/v1/control`. That somebody has logged in is seen to before.
pub(crate) async fn order(
    State(app): State<Arc<App>>,
    Extension(Peer(from)): Extension<Peer>,
    request: Request,
) -> Result<Response, ApiFailure> {
    let control = offered(&app)?;
    let headers = request.headers();
    check_page(headers)?;
    let by = who(&app, headers, from)?;
    let body = web::small(request.into_body(), MAX_BYTES).await.ok_or_else(|| {
        let sentence = format!("an order has {MAX_BYTES} bytes at most, or this one did not arrive");
        ApiFailure::new(StatusCode::PAYLOAD_TOO_LARGE, sentence)
    })?;
    let wanted: ControlOrder =
        serde_json::from_slice(&body).map_err(|error| bad(format!("this is not an order: {error}")))?;
    let order = checked(&app, wanted, by)?;
    let taken = control.take(order, now_ms()).map_err(refused)?;
    Ok((StatusCode::ACCEPTED, Json(taken)).into_response())
}

/// Where control is not offered, there is nothing.
fn offered(app: &App) -> Result<&Control, ApiFailure> {
    app.control.as_ref().ok_or_else(|| {
        ApiFailure::new(
            StatusCode::NOT_FOUND,
            "no such path in the API: this dashboard runs without --allow-control",
        )
    })
}

/// Our own page alone may ask, by a script that it has from here.
fn check_page(headers: &HeaderMap) -> Result<(), ApiFailure> {
    let forbidden = |sentence: String| Err(ApiFailure::new(StatusCode::FORBIDDEN, sentence));
    if !comes_from_own_page(headers) {
        return forbidden("orders are taken from the page of this dashboard only".to_owned());
    }
    if headers.get(CONTROL_HEADER).is_none_or(|value| value != "1") {
        return forbidden(format!("an order needs the header {CONTROL_HEADER}: 1, which no form can send"));
    }
    let is_json = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().split(|byte| *byte == b';').next() == Some(b"application/json"));
    if !is_json {
        let sentence = "an order is JSON: application/json";
        return Err(ApiFailure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, sentence));
    }
    Ok(())
}

/// Who asks, as all who look and the application's telemetry see it.
fn who(app: &App, headers: &HeaderMap, from: IpAddr) -> Result<String, ApiFailure> {
    // The settings see to it that there is one.
    let rule = app.access.login().ok_or_else(|| {
        ApiFailure::new(StatusCode::UNAUTHORIZED, "orders are taken from who has logged in only")
    })?;
    let kind = if rule.visit(headers).is_some() { "token login" } else { "token of a script" };
    Ok(format!("{kind} ({})", network(from)))
}

fn checked(app: &App, wanted: ControlOrder, by: String) -> Result<Order, ApiFailure> {
    let reason: String = wanted.reason.trim().chars().filter(|character| !character.is_control()).collect();
    let length = reason.chars().count();
    if !(1..=MAX_WHY).contains(&length) {
        return Err(bad(format!("say why, in 1 to {MAX_WHY} characters; these are {length}")));
    }
    let lasts = match (wanted.action, wanted.for_s) {
        (ControlAction::Automatic, _) => Duration::ZERO,
        (_, for_s) => for_s.map_or(DEFAULT_HOLD, Duration::from_secs),
    };
    let max = MAX_HOLD.as_secs();
    if wanted.action != ControlAction::Automatic && !(1..=max).contains(&lasts.as_secs()) {
        return Err(bad(format!("a breaker is held for 1 to {max} seconds, not for {}", lasts.as_secs())));
    }
    let (to, name, was) = Id::parse(&wanted.breaker)
        .and_then(|id| app.store().breaker_names(id))
        .map(|([service, id, name], was)| (Instance { service, id }, name, was))
        .ok_or_else(|| {
            let sentence = "no breaker has this id; it went away, or has not reported for long";
            ApiFailure::new(StatusCode::NOT_FOUND, sentence)
        })?;
    if Id::parse(&wanted.breaker).is_some_and(|id| app.store().guard_breakers().contains(&id)) {
        let sentence = "this breaker shows a resource guard, which opens and closes by what the process uses; nobody can hold it";
        return Err(ApiFailure::new(StatusCode::CONFLICT, sentence));
    }
    let id = Secret::random(ID_BYTES).map_err(|error| {
        tracing::error!(%error, "no order can be made");
        ApiFailure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "this system has no random numbers to name an order with",
        )
    })?;
    Ok(Order {
        id: id.reveal().to_owned(),
        to,
        breaker: (wanted.breaker, name),
        was,
        action: wanted.action,
        lasts,
        by,
        reason,
    })
}

fn bad(sentence: String) -> ApiFailure {
    ApiFailure::new(StatusCode::BAD_REQUEST, sentence)
}

fn refused(why: Refused) -> ApiFailure {
    match why {
        Refused::Pace(wait) => {
            let seconds = wait.as_secs() + 1;
            let sentence = format!("too many orders came at once; try again in {seconds} s");
            ApiFailure::new(StatusCode::TOO_MANY_REQUESTS, sentence)
                .with(header::RETRY_AFTER, HeaderValue::from(seconds))
        }
        Refused::Full => {
            let sentence = "too many orders wait for this instance; try again in 10 s";
            ApiFailure::new(StatusCode::TOO_MANY_REQUESTS, sentence)
                .with(header::RETRY_AFTER, HeaderValue::from(10_u64))
        }
        Refused::Deaf => ApiFailure::new(
            StatusCode::CONFLICT,
            "this instance takes no orders: its application has not opted in, it sends through a Collector, or it is gone",
        ),
    }
}
