//! Whether the server serves: it does when all listeners are open and what is kept can be read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;

use crate::api::ApiFailure;
use crate::app::App;

/// Set while the server serves.
#[derive(Debug, Default)]
pub(crate) struct Ready(AtomicBool);

impl Ready {
    pub(crate) fn set(&self, is_ready: bool) {
        self.0.store(is_ready, Relaxed);
    }
}

/// `GET /readyz`.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response {
    if app.ready.0.load(Relaxed) {
        return "ready".into_response();
    }
    let sentence = "the server starts or ends; its listeners do not all serve";
    ApiFailure::new(StatusCode::SERVICE_UNAVAILABLE, sentence).into_response()
}
