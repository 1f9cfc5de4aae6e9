//! [`Places`]: a request that a limit has let through.

use std::error::Error;
use std::sync::Arc;

use http::StatusCode;
use poolscope_semconv::value::ErrorType;

use crate::classify;
use crate::clock::Instant;
use crate::current;
use crate::http_message::{Answered, Watch};
use crate::registry::{Gate, Load, Pool};

/// A request that was let through. Its places are free again when this is dropped: at the end of its body, or wherever it
/// ends before.
#[derive(Debug)]
pub struct Places {
    pool: Arc<Pool>,
    total: Option<Total>,
    /// When it was let through; of a limit that finds itself, until the destination has told how it does.
    began: Option<Instant>,
}

/// A place under the limit of all requests of a client.
#[derive(Debug)]
struct Total(Arc<Gate>);

impl Drop for Total {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Places {
    /// Takes over a place at the gate of a pool.
    #[inline]
    pub(super) fn of_pool(pool: Arc<Pool>) -> Self {
        Self { pool, total: None, began: None }
    }

    /// Takes over a place at the gate of the client.
    #[inline]
    pub(super) fn add_total(&mut self, gate: &Arc<Gate>) {
        self.total = Some(Total(Arc::clone(gate)));
    }

    pub(super) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// The request is sent now.
    #[inline]
    pub(super) fn begin(&mut self) {
        let finds_itself = self.pool.limit().known().is_some_and(Gate::finds_itself);
        self.began = finds_itself.then(Instant::now);
    }

    /// The destination has answered, or the request has failed.
    #[inline]
    pub(super) fn answered<R: Answered, E: Error + 'static>(&mut self, result: &Result<R, E>) {
        if let Some(began) = self.began.take() {
            let load = match result {
                Ok(response) => load_of_status(response.status()),
                Err(error) => load_of_error(classify::error_type(error)),
            };
            self.sample(load, began);
        }
    }

    fn sample(&self, load: Option<Load>, began: Instant) {
        if let Some((load, gate)) = load.zip(self.pool.limit().known()) {
            gate.sample(load, began, Instant::now());
        }
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        // Dropped without an answer.
        if let Some(began) = self.began.take() {
            self.sample(load_of_error(current::drop_cause()), began);
        }
        if let Some(gate) = self.pool.limit().known() {
            gate.leave();
        }
    }
}

/// The body holds its places for as long as it is there.
impl Watch for Places {
    fn ended(self) {}

    fn failed(self, _: &(dyn Error + 'static)) {}
}

fn load_of_status(status: StatusCode) -> Option<Load> {
    Some(match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            Load::Overloaded
        }
        _ => Load::Fine,
    })
}

/// `None` of an error that says nothing about the destination.
fn load_of_error(error_type: ErrorType) -> Option<Load> {
    match error_type {
        ErrorType::Connect
        | ErrorType::Timeout
        | ErrorType::ConnectionReset
        | ErrorType::StreamReset
        | ErrorType::IncompleteMessage => Some(Load::Overloaded),
        ErrorType::Dns
        | ErrorType::Tls
        | ErrorType::Protocol
        | ErrorType::Redirect
        | ErrorType::Request
        | ErrorType::Body
        | ErrorType::BreakerOpen
        | ErrorType::LimitExceeded
        | ErrorType::Shutdown
        | ErrorType::ResourcesExhausted
        | ErrorType::Canceled
        | ErrorType::ClientDisconnected
        | ErrorType::Panic
        | ErrorType::Other => None,
    }
}
