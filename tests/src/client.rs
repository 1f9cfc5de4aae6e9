//! One face for every client that is observed: hyper-util's and reqwest's, over HTTP/1 and HTTP/2, with and without TLS.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use poolscope::limit::LimitLayer;
use poolscope::{ClientScope, Scope, hyper, reqwest as observed};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer, Service, ServiceExt};

use crate::tls::{self, Alpn};

/// Name of the client in its scope.
pub const NAME: &str = "test";

/// Body of a response, whichever client it comes from.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// Which client, which protocol, and over what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// hyper-util, HTTP/1.1.
    HyperH1,
    /// hyper-util, HTTP/2 by prior knowledge.
    HyperH2,
    /// hyper-util, HTTP/1.1 over TLS.
    HyperTlsH1,
    /// hyper-util, HTTP/2 negotiated over TLS.
    HyperTlsH2,
    /// reqwest, HTTP/1.1.
    ReqwestH1,
    /// reqwest, HTTP/2 by prior knowledge.
    ReqwestH2,
    /// reqwest, HTTP/1.1 over TLS.
    #[cfg(feature = "https")]
    ReqwestTlsH1,
    /// reqwest, HTTP/2 negotiated over TLS.
    #[cfg(feature = "https")]
    ReqwestTlsH2,
}

impl Kind {
    /// True for reqwest, whose connections can't be wrapped.
    #[must_use]
    pub fn is_reqwest(self) -> bool {
        match self {
            Self::HyperH1 | Self::HyperH2 | Self::HyperTlsH1 | Self::HyperTlsH2 => false,
            Self::ReqwestH1 | Self::ReqwestH2 => true,
            #[cfg(feature = "https")]
            Self::ReqwestTlsH1 | Self::ReqwestTlsH2 => true,
        }
    }

    /// True where requests share connections.
    #[must_use]
    pub fn is_http2(self) -> bool {
        match self {
            Self::HyperH2 | Self::HyperTlsH2 | Self::ReqwestH2 => true,
            Self::HyperH1 | Self::HyperTlsH1 | Self::ReqwestH1 => false,
            #[cfg(feature = "https")]
            Self::ReqwestTlsH1 => false,
            #[cfg(feature = "https")]
            Self::ReqwestTlsH2 => true,
        }
    }

    /// True over TLS.
    #[must_use]
    pub fn is_tls(self) -> bool {
        match self {
            Self::HyperTlsH1 | Self::HyperTlsH2 => true,
            Self::HyperH1 | Self::HyperH2 | Self::ReqwestH1 | Self::ReqwestH2 => false,
            #[cfg(feature = "https")]
            Self::ReqwestTlsH1 | Self::ReqwestTlsH2 => true,
        }
    }

    fn alpn(self) -> Alpn {
        if self.is_http2() { Alpn::Both } else { Alpn::Http1 }
    }

    /// HTTP/2 without negotiation.
    fn knows_http2(self) -> bool {
        self.is_http2() && !self.is_tls()
    }
}

/// What a client can be told.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings {
    /// How long idle connections are kept, when that is not the client's default.
    pub idle_timeout: Option<Duration>,
    /// A proxy for all requests. hyper-util's client tunnels all of them, reqwest only those to https.
    pub proxy: Option<SocketAddr>,
    /// Has reqwest's redirects told to the layers by its policy.
    pub redirects_told: bool,
    /// reqwest's own limit of time for a request, its body included.
    pub timeout: Option<Duration>,
}

/// An observed client; clones share its connections.
#[derive(Debug, Clone)]
pub struct Client {
    service: BoxCloneSyncService<Request<Bytes>, Response<Body>, BoxError>,
}

impl Client {
    /// A client whose pools are in a scope under [`NAME`].
    ///
    /// # Errors
    /// If the client can't be built.
    pub fn new(scope: &Scope, kind: Kind, settings: Settings) -> Result<Self, BoxError> {
        Self::make(scope, kind, settings, None)
    }

    /// A client under a limit of the client [`NAME`].
    ///
    /// # Errors
    /// If the client can't be built.
    pub fn limited(
        scope: &Scope,
        kind: Kind,
        settings: Settings,
        limit: &LimitLayer,
    ) -> Result<Self, BoxError> {
        Self::make(scope, kind, settings, Some(limit))
    }

    fn make(
        scope: &Scope,
        kind: Kind,
        settings: Settings,
        limit: Option<&LimitLayer>,
    ) -> Result<Self, BoxError> {
        let mut client = scope.client(NAME);
        if let Some(timeout) = settings.idle_timeout {
            client = client.pool_idle_timeout(timeout);
        }
        let service = if kind.is_reqwest() {
            of_reqwest(&client, kind, settings, limit)?
        } else {
            let tls = tls::client(kind.alpn())?;
            let mut http = HttpConnector::new();
            http.enforce_http(false);
            match settings.proxy {
                None => of_hyper(&client, kind, settings, HttpsConnector::from((http, tls)), limit),
                Some(proxy) => {
                    let proxy: Uri = format!("http://{proxy}").parse()?;
                    let connector = HttpsConnector::from((Tunnel::new(proxy, http), tls));
                    of_hyper(&client, kind, settings, connector, limit)
                }
            }
        };
        Ok(Self { service })
    }

    /// Sends a request and waits for the head of its response.
    ///
    /// # Errors
    /// What the client says.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, BoxError> {
        self.service.clone().oneshot(request).await
    }

    /// Sends a GET.
    ///
    /// # Errors
    /// What the client says, or if the URL is none.
    pub async fn get(&self, url: &str) -> Result<Response<Body>, BoxError> {
        self.send(Request::get(url).body(Bytes::new())?).await
    }

    /// Sends a GET and reads the body to its end.
    ///
    /// # Errors
    /// What the client says, or if the body ends too early.
    pub async fn read(&self, url: &str) -> Result<Bytes, BoxError> {
        Ok(self.get(url).await?.into_body().collect().await?.to_bytes())
    }
}

fn of_hyper<C>(
    client: &ClientScope,
    kind: Kind,
    settings: Settings,
    connector: C,
    limit: Option<&LimitLayer>,
) -> BoxCloneSyncService<Request<Bytes>, Response<Body>, BoxError>
where
    hyper::Connect<C>: legacy::connect::Connect + Clone + Send + Sync + 'static,
{
    let connect = hyper::ConnectLayer::new(client);
    let connect = if kind.knows_http2() { connect.http2_only() } else { connect };
    let mut builder = legacy::Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).http2_only(kind.knows_http2());
    if let Some(timeout) = settings.idle_timeout {
        builder.pool_idle_timeout(timeout);
    }
    let service = hyper::RequestLayer::new(client).layer(builder.build(connect.layer(connector)));
    let service = service.map_request(|request: Request<Bytes>| request.map(Full::new));
    match limit {
        Some(limit) => boxed(limit.layer(service)),
        None => boxed(service),
    }
}

/// A client whose types are those of [`Client`].
fn boxed<S, B, E>(service: S) -> BoxCloneSyncService<Request<Bytes>, Response<Body>, BoxError>
where
    S: Service<Request<Bytes>, Response = Response<B>, Error = E, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    E: Into<BoxError> + 'static,
{
    let boxed = |response: Response<B>| response.map(|body| body.map_err(Into::into).boxed_unsync());
    BoxCloneSyncService::new(service.map_response(boxed).map_err(Into::into))
}

fn of_reqwest(
    client: &ClientScope,
    kind: Kind,
    settings: Settings,
    limit: Option<&LimitLayer>,
) -> Result<BoxCloneSyncService<Request<Bytes>, Response<Body>, BoxError>, BoxError> {
    let connect = observed::ConnectLayer::new(client);
    let connect = if kind.knows_http2() { connect.http2_only() } else { connect };
    let mut builder = reqwest::Client::builder().connector_layer(connect);
    if let Some(timeout) = settings.timeout {
        builder = builder.timeout(timeout);
    }
    if settings.redirects_told {
        builder = builder.redirect(observed::redirects(reqwest::redirect::Policy::default()));
    }
    if kind.knows_http2() {
        builder = builder.http2_prior_knowledge();
    }
    #[cfg(feature = "https")]
    {
        builder = builder.tls_backend_preconfigured(tls::client(kind.alpn())?);
    }
    if let Some(timeout) = settings.idle_timeout {
        builder = builder.pool_idle_timeout(timeout);
    }
    builder = match settings.proxy {
        None => builder.no_proxy(),
        Some(proxy) => builder.proxy(reqwest::Proxy::all(format!("http://{proxy}"))?),
    };
    let service = observed::RequestLayer::new(client).layer(builder.build()?);
    Ok(match limit {
        Some(limit) => converted(limit.layer(service)),
        None => converted(service),
    })
}

/// A client of reqwest whose types are those of [`Client`].
fn converted<S>(service: S) -> BoxCloneSyncService<Request<Bytes>, Response<Body>, BoxError>
where
    S: Service<reqwest::Request, Response = reqwest::Response, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    BoxCloneSyncService::new(tower::service_fn(move |request: Request<Bytes>| {
        let mut service = service.clone();
        async move {
            let request = reqwest::Request::try_from(request.map(reqwest::Body::from))?;
            // A reqwest client is always ready.
            let response = service.call(request).await.map_err(Into::into)?;
            let response = Response::<reqwest::Body>::from(response);
            Ok(response.map(|body| body.map_err(BoxError::from).boxed_unsync()))
        }
    }))
}
