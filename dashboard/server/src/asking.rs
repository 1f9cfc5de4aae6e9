//! How servers are asked over HTTP: with or without TLS, nothing followed, everything bounded.

use std::time::Duration;

use bytes::BytesMut;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;

/// A host that is away is given up sooner than a question that takes its time.
const CONNECT: Duration = Duration::from_secs(3);
/// Connections that are kept for the next question.
const MAX_IDLE: usize = 2;

/// A client over HTTP/1.1.
pub(crate) type Http<B> = Client<HttpsConnector<HttpConnector>, B>;

/// Makes a client.
pub(crate) fn client<B>(tls: ClientConfig) -> Http<B>
where
    B: Body + Send,
    B::Data: Send,
{
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(CONNECT));
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_max_idle_per_host(MAX_IDLE)
        .build(connector)
}

/// Why there is no whole body.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// The connection ended before.
    Broken(hyper::Error),
    /// It is longer than it may be.
    TooLarge,
}

/// Reads a body of at most so many bytes.
pub(crate) async fn body(mut body: Incoming, max_bytes: usize) -> Result<BytesMut, BodyError> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(BodyError::Broken)?.into_data() {
            bytes.extend_from_slice(&data);
        }
        if bytes.len() > max_bytes {
            return Err(BodyError::TooLarge);
        }
    }
    Ok(bytes)
}
