//! A program that uses `tracing` and tracing-opentelemetry, with the spans of its requests in the same traces.
//!
//! ```text
//! cargo run -p poolscope --features full --example tracing_opentelemetry           # prints the spans
//! cargo run -p poolscope --features full --example tracing_opentelemetry -- otlp   # sends them, as OTEL_* say
//! ```
#![expect(clippy::print_stdout, reason = "the example shows what it made")]

use std::error::Error;

use axum::routing::get;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use poolscope::otlp::Otlp;
use poolscope::tracing::TracingEvents;
use poolscope::{ClientScope, Scope};
use tower::{Layer, Service, ServiceExt};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

type BoxError = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let scope = Scope::new();
    let is_sent = std::env::args().nth(1).as_deref() == Some("otlp");
    // Either the provider of the export, or one that the program has already.
    let telemetry = if is_sent { Some(Otlp::new(&scope).start()?) } else { None };
    let provider = match &telemetry {
        Some(telemetry) => telemetry.tracer_provider().clone(),
        None => {
            let provider = SdkTracerProvider::builder().with_simple_exporter(Print).build();
            opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
            scope.set_tracer_provider(&provider);
            provider
        }
    };
    // With DEBUG, h2 would make spans for its connections, below the request that happened to open them.
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("example"));
    tracing_subscriber::registry()
        .with(spans.with_filter(EnvFilter::new("info")))
        .with(tracing_subscriber::fmt::layer().with_filter(EnvFilter::new("info,poolscope=debug")))
        .init();
    scope.listen(TracingEvents);

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    tokio::spawn(
        axum::serve(listener, axum::Router::new().route("/", get(|| async { "hello" }))).into_future(),
    );

    order(&scope.client("orders"), &url).await?;
    pay(&scope.client("payments"), &url).await?;
    if let Some(telemetry) = telemetry {
        telemetry.shutdown();
    }
    Ok(())
}

/// Its span is the parent of the request's.
#[tracing::instrument(skip_all)]
async fn order(client: &ClientScope, url: &str) -> Result<(), BoxError> {
    use poolscope::reqwest::{ConnectLayer, RequestLayer};
    let connect = ConnectLayer::new(client);
    let mut service =
        RequestLayer::new(client).layer(reqwest::Client::builder().connector_layer(connect).build()?);
    let request = reqwest::Request::new(reqwest::Method::GET, url.parse()?);
    let answer = service.ready().await?.call(request).await?.text().await?;
    tracing::info!(answer, "ordered");
    Ok(())
}

#[tracing::instrument(skip_all)]
async fn pay(client: &ClientScope, url: &str) -> Result<(), BoxError> {
    use poolscope::hyper::{ConnectLayer, RequestLayer};
    let connector = ConnectLayer::new(client).layer(HttpConnector::new());
    let mut service = RequestLayer::new(client).layer(Client::builder(TokioExecutor::new()).build(connector));
    let request = http::Request::get(url).body(Empty::<bytes::Bytes>::new())?;
    let answer = service.ready().await?.call(request).await?.into_body().collect().await?.to_bytes();
    tracing::info!(?answer, "paid");
    Ok(())
}

/// Prints each span as it ends.
#[derive(Debug)]
struct Print;

impl SpanExporter for Print {
    async fn export(&self, spans: Vec<SpanData>) -> OTelSdkResult {
        for span in spans {
            let took = span.end_time.duration_since(span.start_time).unwrap_or_default();
            let (trace, id) = (span.span_context.trace_id(), span.span_context.span_id());
            println!("trace {trace}  span {id} below {}  {:?}  {}", span.parent_span_id, took, span.name);
            for link in &span.links.links {
                println!("    links to {}", link.span_context.span_id());
            }
        }
        Ok(())
    }
}
