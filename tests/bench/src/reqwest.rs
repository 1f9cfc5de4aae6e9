//! The cases over reqwest.

use std::net::SocketAddr;

use anyhow::{Result, bail, ensure};
use poolscope::Scope;
use poolscope::reqwest::{ConnectLayer, RequestLayer, RequestService};
use reqwest::{Client, ClientBuilder, Method, Request, Response, StatusCode, Url};
use reqwest_middleware::ClientWithMiddleware;
use reqwest_tracing::TracingMiddleware;
use tower::{Layer as _, Service as _, ServiceExt as _};

use crate::case::Case;
use crate::client::Watch;
use crate::load::{self, Round, Target};
use crate::server::BODY;
use crate::telemetry::{current, v0_32};

/// A reqwest client, and where it asks.
#[derive(Debug, Clone)]
pub(crate) struct Reqwest<C> {
    pub(crate) client: C,
    pub(crate) url: Url,
}

impl<C> Reqwest<C> {
    fn get(&self) -> Request {
        Request::new(Method::GET, self.url.clone())
    }
}

impl Target for Reqwest<Client> {
    async fn request(&mut self) -> Result<()> {
        read(self.client.execute(self.get()).await?).await
    }
}

impl Target for Reqwest<RequestService<Client>> {
    async fn request(&mut self) -> Result<()> {
        let request = self.get();
        read(self.client.ready().await?.call(request).await?).await
    }
}

impl Target for Reqwest<ClientWithMiddleware> {
    async fn request(&mut self) -> Result<()> {
        read(self.client.execute(self.get()).await?).await
    }
}

pub(crate) async fn read(response: Response) -> Result<()> {
    ensure!(response.status() == StatusCode::OK, "the server answered with {}", response.status());
    let body = response.bytes().await?;
    ensure!(body.len() == BODY.len(), "the body has {} bytes", body.len());
    Ok(())
}

/// Sets a case up.
pub(crate) fn case(case: Case, server: SocketAddr, concurrency: usize) -> Result<(Round, Watch)> {
    let url: Url = format!("http://{server}/").parse()?;
    let scope = Scope::new();
    // Once TLS is compiled into it, reqwest takes no client without a provider. It fails where there is one already.
    #[cfg(feature = "scale")]
    let _ = rustls::crypto::ring::default_provider().install_default();
    // The proxy of the machine has no place on the loopback.
    let bare = || ClientBuilder::new().no_proxy();
    let observed = |scope: &Scope| bare().connector_layer(ConnectLayer::new(&scope.client("bench"))).build();
    let full = |scope: &Scope| -> Result<Round> {
        let client = RequestLayer::new(&scope.client("bench")).layer(observed(scope)?);
        Ok(load::rounds(Reqwest { client, url: url.clone() }, concurrency))
    };
    Ok(match case {
        Case::Bare => (load::rounds(Reqwest { client: bare().build()?, url }, concurrency), Watch::default()),
        Case::Connector => {
            let client = observed(&scope)?;
            (load::rounds(Reqwest { client, url }, concurrency), Watch::default().connections(scope))
        }
        Case::Full => (full(&scope)?, Watch::default().requests(scope)),
        Case::FullUnsampled | Case::FullSampled => {
            let tracing = current::Tracing::new(case == Case::FullSampled);
            scope.set_tracer_provider(&tracing.provider);
            (full(&scope)?, Watch::default().requests(scope).spans(move || tracing.flush()))
        }
        Case::ReqwestMiddleware => {
            let client = ClientWithMiddleware::from(bare().build()?);
            (load::rounds(Reqwest { client, url }, concurrency), Watch::default())
        }
        Case::ReqwestTracing => {
            let tracing = v0_32::Tracing::new(false).subscribe()?;
            let client = reqwest_middleware::ClientBuilder::new(bare().build()?)
                .with(TracingMiddleware::default())
                .build();
            (
                load::rounds(Reqwest { client, url }, concurrency),
                Watch::default().spans(move || tracing.flush()),
            )
        }
        _ => bail!("{case} is a case of hyper"),
    })
}
