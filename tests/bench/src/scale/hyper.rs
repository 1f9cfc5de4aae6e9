//! The clients over hyper-util's legacy client.

use anyhow::Result;
use bytes::Bytes;
use http::Uri;
use http_body_util::Empty;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::client::legacy::{Builder, Client};
use hyper_util::rt::TokioExecutor;

use super::Protected;
use super::burst::{self, Bursts};
use super::server::Server;
use super::tls::Trust;
use crate::hyper::{Hyper, connector};
use crate::load::Target;

/// The shared client and the one made for each request.
pub(super) fn clients(protected: Protected, server: &Server, trust: Option<&Trust>) -> Result<[Bursts; 2]> {
    let builder = Builder::new(TokioExecutor::new());
    let (shared, fresh) = (server.shared.parse()?, server.fresh.parse()?);
    Ok(match trust {
        None => [
            burst::of(Hyper {
                service: protected.hyper::<_, Empty<Bytes>>(&builder, connector()),
                uri: shared,
            }),
            burst::of(Fresh { connector, uri: fresh }),
        ],
        Some(trust) => {
            let service = protected.hyper::<_, Empty<Bytes>>(&builder, over_tls(trust));
            let trust = trust.clone();
            [
                burst::of(Hyper { service, uri: shared }),
                burst::of(Fresh { connector: move || over_tls(&trust), uri: fresh }),
            ]
        }
    })
}

fn over_tls(trust: &Trust) -> HttpsConnector<HttpConnector> {
    let mut tcp = connector();
    tcp.enforce_http(false);
    HttpsConnectorBuilder::new()
        .with_tls_config(trust.of_new_client())
        .https_only()
        .enable_http1()
        .wrap_connector(tcp)
}

/// Makes a client for each request.
#[derive(Debug, Clone)]
struct Fresh<F> {
    connector: F,
    uri: Uri,
}

impl<F, C> Target for Fresh<F>
where
    F: Fn() -> C + Clone + Send + Sync + 'static,
    C: Connect + Clone + Send + Sync + 'static,
{
    async fn request(&mut self) -> Result<()> {
        let service: Client<_, Empty<Bytes>> = Builder::new(TokioExecutor::new()).build((self.connector)());
        Hyper { service, uri: self.uri.clone() }.request().await
    }
}
