//! [`ConnectLayer`]: observes a connector of hyper-util's client.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::Uri;
use hyper_util::client::legacy::connect::Connection as HyperConnection;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::io::ObservedIo;
use crate::connector::{Connecting, Connector};
use crate::registry::ClientScope;

/// Observes the connections that a connector makes. See the [module](super) for an example.
#[derive(Debug, Clone)]
pub struct ConnectLayer {
    client: ClientScope,
    http2_only: bool,
}

impl ConnectLayer {
    /// A layer that counts into the pools of a client.
    #[must_use]
    pub fn new(client: &ClientScope) -> Self {
        Self { client: client.clone(), http2_only: false }
    }

    /// Tells that the client speaks HTTP/2 without negotiation (`http2_only` of its builder). With TLS the protocol is
    /// learned from the handshake, and this is not needed.
    #[must_use]
    pub fn http2_only(mut self) -> Self {
        self.http2_only = true;
        self
    }
}

impl<S> Layer<S> for ConnectLayer {
    type Service = Connect<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Connect { inner, connector: Arc::new(Connector::new(&self.client, self.http2_only)) }
    }
}

/// A connector whose connections are observed. See the [module](super) for an example.
#[derive(Debug, Clone)]
pub struct Connect<S> {
    inner: S,
    connector: Arc<Connector>,
}

impl<S> Service<Uri> for Connect<S>
where
    S: Service<Uri>,
    S::Response: HyperConnection,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = ObservedIo<S::Response>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = ConnectFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.connector.start(self.connector.pool_at(&uri));
        let inner = connecting.poll(|| self.inner.call(uri));
        ConnectFuture { inner, connecting }
    }
}

pin_project! {
    /// Future of [`Connect`].
    #[derive(Debug)]
    pub struct ConnectFuture<F> {
        #[pin]
        inner: F,
        connecting: Connecting,
    }
}

impl<F, T, E> Future for ConnectFuture<F>
where
    F: Future<Output = Result<T, E>>,
    T: HyperConnection,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    type Output = Result<ObservedIo<T>, Box<dyn Error + Send + Sync>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.connecting.poll(|| this.inner.poll(cx)));
        match result.map_err(Into::into) {
            Ok(io) => {
                let connection = this.connecting.opened(&io);
                let scope = this.connecting.connector().scope().downgrade();
                Poll::Ready(Ok(ObservedIo::new(io, connection, scope)))
            }
            Err(error) => {
                this.connecting.failed(error.as_ref());
                Poll::Ready(Err(error))
            }
        }
    }
}
