//! The client of the exporters over HTTP.

use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;

use super::error::OtlpSdkError;

/// reqwest, in the runtime of our thread: the SDK's threads have none, and would panic with a client that needs one. Which
/// client `opentelemetry-otlp` takes by itself hangs on its features, which another crate of the program may turn on.
#[derive(Debug)]
pub(super) struct Client {
    client: reqwest::Client,
    runtime: Handle,
}

impl Client {
    pub(super) fn new(runtime: &Handle, timeout: Duration) -> Result<Self, OtlpSdkError> {
        let client = reqwest::Client::builder().timeout(timeout).build().map_err(OtlpSdkError::Client)?;
        Ok(Self { client, runtime: runtime.clone() })
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        self.runtime.spawn(async move { client.send_bytes(request).await }).await?
    }
}
