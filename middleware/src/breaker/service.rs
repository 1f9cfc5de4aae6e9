//! [`Breaker`].

use std::error::Error as StdError;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower_service::Service;

use super::circuits::Circuits;
use super::error::Error;
use super::future::ResponseFuture;
use super::permit::Permit;
use crate::http_message::{Asked, Bodied, Destined};

/// A service behind breakers. See the [module](super) for an example.
#[derive(Debug, Clone)]
pub struct Breaker<S> {
    inner: S,
    circuits: Arc<Circuits>,
}

impl<S> Breaker<S> {
    pub(super) fn new(inner: S, circuits: Arc<Circuits>) -> Self {
        Self { inner, circuits }
    }
}

impl<S, R> Service<R> for Breaker<S>
where
    S: Service<R>,
    S::Response: Bodied,
    S::Error: StdError + 'static,
    R: Destined,
{
    type Response = <S::Response as Bodied>::With<Permit>;
    type Error = Error<S::Error>;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // Whether a call is let through depends on its destination, which is not known here.
        self.inner.poll_ready(cx).map_err(Error::Inner)
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        let asked = Asked::new(&request);
        let permit = match self.circuits.pass(&asked) {
            Some(permit) => permit,
            None => match self.circuits.admit(&asked) {
                Ok(permit) => permit,
                Err(open) => {
                    self.circuits.trace(&open);
                    return ResponseFuture::rejected(open);
                }
            },
        };
        let started = self.circuits.start();
        ResponseFuture::called(self.inner.call(request), permit, started)
    }
}
