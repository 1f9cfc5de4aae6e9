//! The cases over hyper-util's legacy client.

use std::error::Error;
use std::net::SocketAddr;
use std::pin::pin;

use anyhow::{Result, bail, ensure};
use bytes::{Buf, Bytes};
use http::{Request, Response, StatusCode, Uri};
use http_body::Body;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::client::legacy::{Builder, Client};
use hyper_util::rt::TokioExecutor;
use poolscope::Scope;
use poolscope::hyper::{ConnectLayer, RequestLayer};
use tower::{Layer, Service, ServiceExt as _};
use tower_http::trace::TraceLayer;
use tower_otel::{metrics, trace};
use tracing::Level;

use crate::case::Case;
use crate::client::Watch;
use crate::load::{self, Round, Target};
use crate::metrics::Metrics;
use crate::server::BODY;
use crate::telemetry::current::Tracing;

type BoxError = Box<dyn Error + Send + Sync>;

/// A client of hyper-util, and where it asks.
#[derive(Debug, Clone)]
pub(crate) struct Hyper<S> {
    pub(crate) service: S,
    pub(crate) uri: Uri,
}

impl<S, B> Target for Hyper<S>
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Error: Into<BoxError>> + Send,
    B::Data: Send,
{
    async fn request(&mut self) -> Result<()> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.uri.clone();
        let service = self.service.ready().await.map_err(boxed)?;
        read(service.call(request).await.map_err(boxed)?).await
    }
}

/// Reads the answer to its end.
pub(crate) async fn read<B: Body<Error: Into<BoxError>>>(response: Response<B>) -> Result<()> {
    ensure!(response.status() == StatusCode::OK, "the server answered with {}", response.status());
    let mut body = pin!(response.into_body());
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        read += frame.map_err(boxed)?.data_ref().map_or(0, Buf::remaining);
    }
    ensure!(read == BODY.len(), "the body has {read} bytes");
    Ok(())
}

fn boxed(error: impl Into<BoxError>) -> anyhow::Error {
    anyhow::Error::from_boxed(error.into())
}

/// How the client of a case is made.
struct Maker {
    uri: Uri,
    concurrency: usize,
    http2: bool,
}

impl Maker {
    fn client<C: Connect + Clone, B: Body<Data: Send> + Send>(&self, connector: C) -> Client<C, B> {
        Builder::new(TokioExecutor::new()).http2_only(self.http2).build(connector)
    }

    fn rounds<S>(&self, service: S) -> Round
    where
        Hyper<S>: Target,
    {
        load::rounds(Hyper { service, uri: self.uri.clone() }, self.concurrency)
    }

    fn layered<L>(&self, layer: L) -> Round
    where
        L: Layer<Client<HttpConnector, Empty<Bytes>>>,
        Hyper<L::Service>: Target,
    {
        self.rounds(layer.layer(self.client(connector())))
    }

    /// With the connect layer of a scope.
    fn connect_layer(&self, scope: &Scope) -> ConnectLayer {
        let layer = ConnectLayer::new(&scope.client("bench"));
        if self.http2 { layer.http2_only() } else { layer }
    }

    /// With both layers of a scope.
    fn full(&self, scope: &Scope) -> Round {
        let connector = self.connect_layer(scope).layer(connector());
        self.rounds(RequestLayer::new(&scope.client("bench")).layer(self.client(connector)))
    }
}

pub(crate) fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector
}

/// Sets a case up.
pub(crate) fn case(
    case: Case,
    http2: bool,
    server: SocketAddr,
    concurrency: usize,
) -> Result<(Round, Watch)> {
    let maker = Maker { uri: format!("http://{server}/").parse()?, concurrency, http2 };
    let scope = Scope::new();
    Ok(match case {
        Case::Bare => (maker.rounds(maker.client::<_, Empty<Bytes>>(connector())), Watch::default()),
        Case::Connector => {
            let connector = maker.connect_layer(&scope).layer(connector());
            (maker.rounds(maker.client::<_, Empty<Bytes>>(connector)), Watch::default().connections(scope))
        }
        Case::Full => (maker.full(&scope), Watch::default().requests(scope)),
        Case::FullUnsampled | Case::FullSampled => {
            let tracing = Tracing::new(case == Case::FullSampled);
            scope.set_tracer_provider(&tracing.provider);
            (maker.full(&scope), Watch::default().requests(scope).spans(move || tracing.flush()))
        }
        Case::TowerOtelTrace => {
            let tracing = Tracing::new(false).subscribe()?;
            let layer = trace::HttpLayer::client(Level::INFO);
            (maker.layered(layer), Watch::default().spans(move || tracing.flush()))
        }
        Case::TowerOtelMetrics => {
            let metrics = Metrics::new();
            let layer = metrics::HttpLayer::client(&metrics.meter());
            (maker.layered(layer), Watch::default().metrics(metrics))
        }
        Case::TowerOtelMetricsTrace => {
            let (metrics, tracing) = (Metrics::new(), Tracing::new(false).subscribe()?);
            let layer = tower::layer::util::Stack::new(
                metrics::HttpLayer::client(&metrics.meter()),
                trace::HttpLayer::client(Level::INFO),
            );
            (maker.layered(layer), Watch::default().metrics(metrics).spans(move || tracing.flush()))
        }
        Case::TowerHttpTrace => {
            let tracing = Tracing::new(false).subscribe()?;
            (maker.layered(TraceLayer::new_for_http()), Watch::default().spans(move || tracing.flush()))
        }
        Case::TowerHttpTraceNoSubscriber => (maker.layered(TraceLayer::new_for_http()), Watch::default()),
        _ => bail!("{case} is no case of hyper"),
    })
}
