//! How OTLP leaves: a gRPC channel or an HTTP client of our own, in our own event loop.
//!
//! The SDK's exporters of spans and events run on threads of the SDK and reach the event loop through the channel or
//! [`HttpSender`], so nothing depends on where the application runs its own. None of it is ever wrapped by our layers.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Request, Response, header};
use opentelemetry_http::{Bytes, HttpClient, HttpError};
use opentelemetry_otlp::{Compression, WithExportConfig, WithHttpConfig, WithTonicConfig};
use poolscope_semconv::protocol::DASHBOARD_HEADER;
use tokio::runtime::Handle;
use tonic::metadata::MetadataMap;
use tonic::service::Interceptor;
use tonic::transport::{Channel, Endpoint};

use super::config::{Protocol, Target};
use super::error::OtlpError;

/// A way to one receiver. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) enum Transport {
    Grpc { channel: Channel, headers: GrpcHeaders },
    Http(HttpSender),
}

impl Transport {
    /// Prepares a way to the target; nothing is connected yet. Must be called inside of the event loop's context, where
    /// the gRPC channel puts its worker.
    pub(super) fn new(target: &Target) -> Result<Self, OtlpError> {
        match target.protocol {
            Protocol::Grpc => {
                let endpoint = Endpoint::from_shared(target.endpoint.clone())
                    .map_err(|error| target.refused(&error))?
                    .timeout(target.timeout)
                    .connect_timeout(target.timeout);
                #[cfg(feature = "otlp-tls")]
                let endpoint = if target.endpoint.starts_with("https:") {
                    let tls = tonic::transport::ClientTlsConfig::new().with_native_roots();
                    endpoint.tls_config(tls).map_err(|error| target.refused(&error))?
                } else {
                    endpoint
                };
                let headers = GrpcHeaders(MetadataMap::from_headers(target.headers.clone()));
                Ok(Self::Grpc { channel: endpoint.connect_lazy(), headers })
            }
            Protocol::HttpProtobuf => {
                let client = ::reqwest::Client::builder()
                    .timeout(target.timeout)
                    .build()
                    .map_err(|error| target.refused(&error))?;
                let runtime = Handle::current();
                Ok(Self::Http(HttpSender { client, headers: target.headers.clone(), runtime }))
            }
        }
    }
}

/// Points an exporter of the SDK at a target over a gRPC channel.
pub(super) fn over_grpc<B>(builder: B, target: &Target, channel: Channel, headers: GrpcHeaders) -> B
where
    B: WithExportConfig + WithTonicConfig,
{
    let builder = builder.with_channel(channel).with_interceptor(headers).with_timeout(target.timeout);
    if target.gzip { builder.with_compression(Compression::Gzip) } else { builder }
}

/// Points an exporter of the SDK at a target over HTTP.
pub(super) fn over_http<B>(builder: B, target: &Target, sender: HttpSender) -> B
where
    B: WithExportConfig + WithHttpConfig,
{
    let builder = builder
        .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
        .with_endpoint(&target.endpoint)
        .with_http_client(sender)
        .with_timeout(target.timeout);
    if target.gzip { builder.with_compression(Compression::Gzip) } else { builder }
}

/// Adds our headers to gRPC requests. They replace what opentelemetry-otlp takes from the process's environment by
/// itself, so that the builder wins.
#[derive(Debug, Clone)]
pub(super) struct GrpcHeaders(MetadataMap);

impl Interceptor for GrpcHeaders {
    fn call(&mut self, request: tonic::Request<()>) -> Result<tonic::Request<()>, tonic::Status> {
        let (mut metadata, extensions, ()) = request.into_parts();
        let mut headers = std::mem::take(&mut metadata).into_headers();
        headers.extend(self.0.clone().into_headers());
        Ok(tonic::Request::from_parts(MetadataMap::from_headers(headers), extensions, ()))
    }
}

/// Sends HTTP requests in the event loop, whatever thread asks for it.
#[derive(Debug, Clone)]
pub(super) struct HttpSender {
    client: ::reqwest::Client,
    headers: HeaderMap,
    runtime: Handle,
}

impl HttpClient for HttpSender {
    fn send_bytes<'sender, 'future>(
        &'sender self,
        mut request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'future>>
    where
        'sender: 'future,
        Self: 'future,
    {
        let client = self.client.clone();
        // As for gRPC, ours replace what is there; `extend` would keep both.
        for (name, value) in &self.headers {
            request.headers_mut().insert(name, value.clone());
        }
        let answer = self.runtime.spawn(async move { client.send_bytes(request).await });
        Box::pin(async move { answer.await? })
    }
}

/// True if an answer comes from the dashboard, which wants to be fed every second.
pub(super) fn is_dashboard(headers: &HeaderMap) -> bool {
    headers.contains_key(DASHBOARD_HEADER)
}

/// How long an HTTP receiver asks to wait.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse() {
        Ok(secs) => Some(Duration::from_secs(secs)),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let read = |value: &str| {
            retry_after(&HeaderMap::from_iter([(header::RETRY_AFTER, value.parse().unwrap())]), now)
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        let date = httpdate::fmt_http_date(now + Duration::from_secs(30));
        assert_eq!(read(&date), Some(Duration::from_secs(30)));
        assert_eq!(read(&httpdate::fmt_http_date(now - Duration::from_secs(30))), None);
        for nonsense in ["-1", "soon", "", "99999999999999999999999"] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn our_grpc_headers_replace_those_that_are_there() {
        let ours = HeaderMap::from_iter([("key".parse().unwrap(), "builder".parse().unwrap())]);
        let mut request = tonic::Request::new(());
        request.metadata_mut().append("key", "env".parse().unwrap());
        request.metadata_mut().append("other", "stays".parse().unwrap());
        let request = GrpcHeaders(MetadataMap::from_headers(ours)).call(request).unwrap();
        assert_eq!(request.metadata().get_all("key").iter().collect::<Vec<_>>(), ["builder"]);
        assert_eq!(request.metadata().get("other").unwrap(), "stays");
    }
}
