//! [`PhaseLayer`]: tells the parts of a connect apart: name look-up and transport.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use poolscope_semconv::value::ConnectPhase;
use tower_layer::Layer;
use tower_service::Service;

use crate::connector;
use crate::registry::Attempt;

/// Times one part of a connect, around the service that does it: the resolver, or the connector below TLS.
///
/// Put it inside of the connect layer's connector. Alone, or in a connect that is not observed, it does nothing.
///
/// ```
/// use hyper_util::client::legacy::connect::{HttpConnector, dns::GaiResolver};
/// use poolscope::{PhaseLayer, Scope, hyper::ConnectLayer};
/// use tower::Layer;
///
/// let client = Scope::new().client("payments");
/// let http = HttpConnector::new_with_resolver(PhaseLayer::dns().layer(GaiResolver::new()));
/// // With TLS, the TLS connector comes in between, and the rest of the time is TLS.
/// let connector = ConnectLayer::new(&client).layer(PhaseLayer::tcp().layer(http));
/// # let _ = connector;
/// ```
#[derive(Debug, Clone, Copy)]
pub struct PhaseLayer(ConnectPhase);

impl PhaseLayer {
    /// The service is a resolver.
    #[must_use]
    pub fn dns() -> Self {
        Self(ConnectPhase::Dns)
    }

    /// The service is a connector without TLS.
    #[must_use]
    pub fn tcp() -> Self {
        Self(ConnectPhase::Tcp)
    }
}

impl<S> Layer<S> for PhaseLayer {
    type Service = PhaseService<S>;

    fn layer(&self, inner: S) -> PhaseService<S> {
        PhaseService { inner, phase: self.0 }
    }
}

/// A resolver or connector whose calls are timed. See [`PhaseLayer`] for an example.
#[derive(Debug, Clone)]
pub struct PhaseService<S> {
    inner: S,
    phase: ConnectPhase,
}

impl<S, R> Service<R> for PhaseService<S>
where
    S: Service<R>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = PhaseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let inner = self.inner.call(request);
        PhaseFuture { inner, phase: self.phase, attempt: connector::begin(self.phase), is_begun: false }
    }
}

pin_project! {
    /// Future of [`PhaseService`].
    #[derive(Debug)]
    pub struct PhaseFuture<F> {
        #[pin]
        inner: F,
        phase: ConnectPhase,
        attempt: Option<Arc<Attempt>>,
        is_begun: bool,
    }
}

impl<F, T, E> Future for PhaseFuture<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // A future that was made outside of the connect's polls begins in the first of them.
        if this.attempt.is_none() && !std::mem::replace(this.is_begun, true) {
            *this.attempt = connector::begin(*this.phase);
        }
        let result = ready!(this.inner.poll(cx));
        if let Some(attempt) = this.attempt.as_ref().filter(|_| result.is_ok()) {
            attempt.end(*this.phase);
        }
        Poll::Ready(result)
    }
}
