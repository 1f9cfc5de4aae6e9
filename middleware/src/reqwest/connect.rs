//! [`ConnectLayer`]: sees the connects of a reqwest client.

use std::error::Error;
use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use http::Uri;
use hyper_util::client::legacy::connect::Connection as HyperConnection;
use poolscope_semconv::value::{Certainty, CloseReason, Observation};
use tower_layer::Layer;
use tower_service::Service;

use crate::registry::{ClientScope, DestinationRef, Ends, Pool};
use crate::{connected, current};

/// Sees the connects of a reqwest client; give it to `ClientBuilder::connector_layer`. See the [module](super) for an
/// example.
#[derive(Debug, Clone)]
pub struct ConnectLayer {
    client: ClientScope,
    http2_only: bool,
}

impl ConnectLayer {
    /// A layer that counts into the pools of a client.
    #[must_use]
    pub fn new(client: &ClientScope) -> Self {
        Self { client: client.clone().observation(Observation::Estimated), http2_only: false }
    }

    /// Tells that the client speaks HTTP/2 without negotiation (`http2_prior_knowledge` of its builder). With TLS the
    /// protocol is learned from the handshake, and this is not needed.
    #[must_use]
    pub fn http2_only(mut self) -> Self {
        self.http2_only = true;
        self
    }
}

impl<S> Layer<S> for ConnectLayer {
    type Service = Connect<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Connect { inner: Arc::new(inner), layer: self.clone() }
    }
}

/// A connector whose connects are seen. See the [module](super) for an example.
#[derive(Debug)]
pub struct Connect<S> {
    /// Shared, because reqwest clones its connector for each request, also when nothing connects.
    inner: Arc<S>,
    layer: ConnectLayer,
}

impl<S> Clone for Connect<S> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), layer: self.layer.clone() }
    }
}

impl<S, R> Service<R> for Connect<S>
where
    S: Service<R> + Clone + Send + Sync + 'static,
    S::Response: HyperConnection + Send,
    S::Error: Into<Box<dyn Error + Send + Sync>> + Send,
    S::Future: Send + 'static,
    R: Debug + Send + 'static,
{
    type Response = S::Response;
    type Error = Box<dyn Error + Send + Sync>;
    // A connect is rare and slow, so one more box costs nothing that can be measured.
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // The clone that is called is asked below.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        current::connect_started();
        let started = Instant::now();
        let uri = uri_of(&request);
        let mut inner = S::clone(&self.inner);
        let layer = self.layer.clone();
        super::close_passed_over(&layer.client.pool(&destination(&uri, Ends::default())), started);
        Box::pin(async move {
            let pool = |ends: Ends| layer.client.pool(&destination(&uri, ends));
            let result = match poll_fn(|cx| inner.poll_ready(cx)).await {
                Ok(()) => inner.call(request).await,
                Err(error) => Err(error),
            };
            match result {
                Ok(io) => {
                    layer.opened(&io, pool, started);
                    Ok(io)
                }
                Err(error) => {
                    let error = error.into();
                    pool(Ends::default()).connect_failed(error.as_ref());
                    Err(error)
                }
            }
        })
    }
}

impl ConnectLayer {
    fn opened(&self, io: &impl HyperConnection, pool: impl Fn(Ends) -> Arc<Pool>, started: Instant) {
        let (ends, protocol) = connected::describe(io, self.http2_only);
        let now = Instant::now();
        let pool = pool(ends);
        // The kernel gives the same pair of addresses again only when the old connection is gone.
        if let Some(replaced) = pool.connection_between(ends) {
            replaced.close_because(CloseReason::ClientClosed, Certainty::Inferred, now);
        }
        let took = now.saturating_duration_since(started);
        pool.opened(self.client.next_connection_id(), protocol, ends, took, now);
        current::connected();
    }
}

/// Destination of a connect; the peer's address when the text of the request could not be read.
fn destination(uri: &Option<Uri>, ends: Ends) -> DestinationRef<'_> {
    match uri.as_ref().and_then(DestinationRef::from_uri) {
        Some(destination) => destination,
        None => DestinationRef::from_peer(ends.peer),
    }
}

/// The URI of a connect. The request's type is sealed, but its `Debug` text names the URI, as `Unnameable(http://host/)`.
/// That is no promise of reqwest; if it ever changes, the peer's address takes its place.
fn uri_of(request: &impl Debug) -> Option<Uri> {
    let text = format!("{request:?}");
    let inside = text.split_once('(').map_or(text.as_str(), |(_, rest)| rest.trim_end_matches(')'));
    inside.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    #[expect(dead_code, reason = "only its text is read")]
    struct Unnameable(Uri);

    #[test]
    fn the_uri_is_read_from_the_text_of_the_sealed_request() {
        let request = Unnameable("https://example.com:8443/".parse().unwrap());
        let uri = uri_of(&request);
        let expected = DestinationRef::new("https", "example.com", Some(8443));
        assert_eq!(destination(&uri, Ends::default()), expected);
    }

    #[test]
    fn a_text_without_a_uri_falls_back_to_the_peer() {
        let ends = Ends { local: None, peer: Some("192.0.2.7:81".parse().unwrap()) };
        assert_eq!(
            destination(&uri_of(&Some("no uri")), ends),
            DestinationRef::new("http", "192.0.2.7", Some(81))
        );
    }
}
