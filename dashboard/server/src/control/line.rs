//! The side of the applications: they ask by a header of an export, and are answered by one.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderValue;
use poolscope_semconv::protocol::control::{Answer, HEADER, Question};

use crate::app::App;
use crate::clock::now_ms;

/// Answers an export that asks for orders when there is one. It holds no turn of those who send meanwhile, and hears only who
/// may send: the export itself has to be taken first.
pub(crate) async fn answer(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let Some(control) = &app.control else { return next.run(request).await };
    let value = request.headers().get(HEADER).and_then(|value| value.to_str().ok());
    let Some(question) = value.and_then(Question::decode) else { return next.run(request).await };
    let mut response = next.run(request).await;
    if !is_taken(&response) {
        return response;
    }
    if let Some(command) = control.hear(&question, now_ms).await {
        let answer = Answer { number: question.number, command };
        if let Ok(value) = HeaderValue::try_from(answer.encode()) {
            response.headers_mut().insert(HEADER, value);
        }
    }
    response
}

/// True unless it is refused: over gRPC a refusal says so in its head, and a success in its trailers.
fn is_taken(response: &Response) -> bool {
    response.status().is_success() && !response.headers().contains_key(tonic::Status::GRPC_STATUS)
}
