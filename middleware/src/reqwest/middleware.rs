//! [`RequestLayer`] as a middleware of `reqwest_middleware`.

use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next, Result};

use super::request::{RequestLayer, ResponseFuture, start};

/// Sees requests like the layer does. Put it last, so that it sees every attempt of a retry middleware before it.
///
/// ```
/// use poolscope::{Scope, reqwest::{ConnectLayer, RequestLayer}};
/// use reqwest_middleware::ClientBuilder;
///
/// # fn run() -> Result<(), reqwest::Error> {
/// let search = Scope::new().client("search");
/// let client = reqwest::Client::builder().connector_layer(ConnectLayer::new(&search)).build()?;
/// let client = ClientBuilder::new(client).with(RequestLayer::new(&search)).build();
/// # Ok(())
/// # }
/// ```
#[async_trait::async_trait]
impl Middleware for RequestLayer {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let client = self.client();
        let (request, lease) = start(client, request);
        ResponseFuture::new(next.run(request, extensions), lease, client).await
    }
}
