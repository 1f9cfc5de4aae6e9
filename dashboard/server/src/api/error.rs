//! Answers that are no success.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use poolscope_wire::ApiError;

/// A status and one sentence.
#[derive(Debug)]
pub(crate) struct ApiFailure {
    status: StatusCode,
    sentence: String,
}

impl ApiFailure {
    pub(crate) fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self { status, sentence: sentence.into() }
    }
}

impl From<QueryRejection> for ApiFailure {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("the query can't be read: {}", rejection.body_text()))
    }
}

impl IntoResponse for ApiFailure {
    fn into_response(self) -> Response {
        (self.status, Json(ApiError { error: self.sentence })).into_response()
    }
}
