//! [`PhaseLayer`]: tells the parts of a connect apart: name look-up and transport.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::Uri;
use hyper_util::client::legacy::connect::dns::Name;
use pin_project_lite::pin_project;
use poolscope_semconv::value::ConnectPhase;
use tower_layer::Layer;
use tower_service::Service;

use crate::current;
use crate::registry::Attempt;

/// Times one part of a connect of hyper-util's client, around the service that does it: the resolver, or the connector
/// below TLS.
///
/// Put it inside of the connect layer's connector. In a connect that is not observed it does nothing.
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
///
/// # Proxies
///
/// The look-up is the proxy's: that of the destination is the proxy's own affair. A tunnel (`CONNECT`) is asked for after
/// the transport is there. What that takes is part of `tcp` with this layer around hyper-util's `Tunnel`; with the layer
/// inside of it, it is part of `tls`, or of no part where there is no TLS.
#[derive(Debug, Clone, Copy)]
pub struct PhaseLayer(ConnectPhase);

impl PhaseLayer {
    /// For a resolver.
    #[must_use]
    pub fn dns() -> Self {
        Self(ConnectPhase::Dns)
    }

    /// For a connector without TLS.
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

impl<S> PhaseService<S> {
    fn timed<F>(&self, attempt: Option<Arc<Attempt>>, inner: F) -> PhaseFuture<F> {
        PhaseFuture { inner, phase: self.phase, attempt }
    }
}

impl<S: Service<Name>> Service<Name> for PhaseService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = PhaseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let attempt = current::attempt();
        if let Some(attempt) = &attempt {
            attempt.ask(name.as_str());
        }
        let inner = self.inner.call(name);
        self.timed(attempt, inner)
    }
}

impl<S: Service<Uri>> Service<Uri> for PhaseService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = PhaseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let attempt = current::attempt();
        if let Some(attempt) = &attempt {
            attempt.begin(self.phase);
        }
        let inner = self.inner.call(uri);
        self.timed(attempt, inner)
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
    }
}

impl<F, T, E> Future for PhaseFuture<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx));
        if let Some(attempt) = this.attempt.as_ref().filter(|_| result.is_ok()) {
            attempt.end(*this.phase);
        }
        Poll::Ready(result)
    }
}
