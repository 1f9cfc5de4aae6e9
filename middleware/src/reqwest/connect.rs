//! [`ConnectLayer`]: sees the connects of a reqwest client.

use std::error::Error;
use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::Connection as HyperConnection;
use poolscope_semconv::value::{Certainty, CloseReason};
use tower_layer::Layer;
use tower_service::Service;

use super::closes;
use crate::clock::Instant;
use crate::connector::{Connecting, Connector};
use crate::current;
use crate::registry::{ClientScope, Protocol};

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
        Self { client: client.clone().observation(closes::observation()), http2_only: false }
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
        let connector = Arc::new(Connector::new(&self.client, self.http2_only));
        Connect { shared: Arc::new(Shared { inner, connector }) }
    }
}

/// A connector whose connects are seen. See the [module](super) for an example.
#[derive(Debug)]
pub struct Connect<S> {
    /// Shared, because reqwest clones its connector for each request, also when nothing connects. That it does so tells
    /// that it begins to send.
    shared: Arc<Shared<S>>,
}

#[derive(Debug)]
struct Shared<S> {
    inner: S,
    connector: Arc<Connector>,
}

impl<S> Clone for Connect<S> {
    fn clone(&self) -> Self {
        current::sent();
        Self { shared: Arc::clone(&self.shared) }
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
        let uri = uri_of(&request);
        let Shared { inner, connector } = &*self.shared;
        let mut inner = inner.clone();
        let pool = connector.pool_at(&uri.unwrap_or_default());
        closes::close_passed_over(&pool, Instant::now());
        let mut connecting = connector.start(pool);
        Box::pin(async move {
            let connect = async {
                poll_fn(|cx| inner.poll_ready(cx)).await?;
                inner.call(request).await
            };
            let mut connect = pin!(connect);
            match poll_fn(|cx| connecting.poll(|| connect.as_mut().poll(cx))).await {
                Ok(io) => {
                    opened(&mut connecting, &io);
                    Ok(io)
                }
                Err(error) => {
                    let error = error.into();
                    connecting.failed(error.as_ref());
                    Err(error)
                }
            }
        })
    }
}

fn opened(connecting: &mut Connecting, io: &impl HyperConnection) {
    let (ends, _) = connecting.connector().describe(io);
    // The kernel gives the same pair of addresses again only when the old connection is gone.
    if let Some(replaced) = connecting.pool().connection_between(ends) {
        replaced.close_because(CloseReason::ClientClosed, Certainty::Inferred, Instant::now());
    }
    let connection = connecting.opened(io);
    closes::watch(connecting.connector().scope(), &connection);
    if current::is_in_request() && connection.protocol() == Protocol::Http1 {
        // The request that waited for it takes it, even if it is dropped before its answer names the connection.
        connection.taken_unseen();
    }
    current::connected();
}

/// The URI of a connect. The request's type is sealed, but its `Debug` text names the URI, as `Unnameable(http://host/)`.
/// That is no promise of reqwest; if it ever changes, all connects are counted in one pool
/// without a name, which shows it.
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
        let uri: Uri = "https://example.com:8443/".parse().unwrap();
        assert_eq!(uri_of(&Unnameable(uri.clone())), Some(uri));
        assert_eq!(uri_of(&Some("no uri")), None);
    }
}
