//! Answers that are no success.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use poolscope_wire::ApiError;

/// Seconds after which who was turned away for want of room may find some.
const TRY_AGAIN_S: u16 = 5;

/// A status and one sentence.
#[derive(Debug)]
pub(crate) struct ApiFailure {
    status: StatusCode,
    sentence: String,
    header: Option<(HeaderName, HeaderValue)>,
}

impl ApiFailure {
    pub(crate) fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self { status, sentence: sentence.into(), header: None }
    }

    /// There is no room for another one now.
    pub(crate) fn busy(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, sentence).with(header::RETRY_AFTER, TRY_AGAIN_S.into())
    }

    /// What it says.
    #[cfg(test)]
    pub(super) fn sentence(&self) -> &str {
        &self.sentence
    }

    /// The same with a header.
    pub(crate) fn with(self, name: HeaderName, value: HeaderValue) -> Self {
        Self { header: Some((name, value)), ..self }
    }
}

impl IntoResponse for ApiFailure {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(ApiError { error: self.sentence })).into_response();
        response.headers_mut().extend(self.header);
        response
    }
}
