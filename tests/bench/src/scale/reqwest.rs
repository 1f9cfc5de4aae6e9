//! The clients over reqwest.

use anyhow::Result;
use reqwest::{Client, ClientBuilder, Request, Response, Url};
use tower::{Service, ServiceExt as _};

use super::Protected;
use super::burst::{self, Bursts};
use super::server::Server;
use super::tls::Trust;
use crate::load::Target;
use crate::reqwest::{Reqwest, read};

/// The shared client and the one made for each request.
pub(super) fn clients(protected: Protected, server: &Server, trust: Option<&Trust>) -> Result<[Bursts; 2]> {
    // Once TLS is compiled into it, reqwest makes no client without settings of TLS.
    let trust = trust.map_or_else(Trust::nobody, |trust| Ok(trust.clone()))?;
    let service = protected.reqwest(builder(&trust))?;
    Ok([
        burst::of(Shared { service, url: server.shared.parse()? }),
        burst::of(Fresh { trust, url: server.fresh.parse()? }),
    ])
}

fn builder(trust: &Trust) -> ClientBuilder {
    // The proxy of the machine has no place on the loopback.
    Client::builder().no_proxy().tls_backend_preconfigured(trust.of_new_client())
}

/// A service around a client that all share.
#[derive(Debug, Clone)]
struct Shared<S> {
    service: S,
    url: Url,
}

impl<S> Target for Shared<S>
where
    S: Service<Request, Response = Response> + Clone + Send + 'static,
    S::Error: std::error::Error + Send + Sync + 'static,
    S::Future: Send,
{
    async fn request(&mut self) -> Result<()> {
        let request = Request::new(reqwest::Method::GET, self.url.clone());
        read(self.service.ready().await?.call(request).await?).await
    }
}

/// Makes a client for each request.
#[derive(Debug, Clone)]
struct Fresh {
    trust: Trust,
    url: Url,
}

impl Target for Fresh {
    async fn request(&mut self) -> Result<()> {
        let client = builder(&self.trust).build()?;
        Reqwest { client, url: self.url.clone() }.request().await
    }
}
