//! Whether the server serves: it does when all listeners are open and what is kept can be read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;

use crate::api::ApiFailure;
use crate::app::App;

const WITHOUT_FILE: &str = "ready; the history is not written to its file now, the page About tells why";

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
        // It serves without the file as well. Why it can't be used is for those to see who may look.
        let has_problem = app.store_file().as_ref().is_some_and(|file| file.problem.is_some());
        return if has_problem { WITHOUT_FILE } else { "ready" }.into_response();
    }
    let sentence = "the server starts or ends; its listeners do not all serve";
    ApiFailure::new(StatusCode::SERVICE_UNAVAILABLE, sentence).into_response()
}
