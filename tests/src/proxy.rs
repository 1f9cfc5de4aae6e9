//! A forward proxy: passes absolute-form requests on, and makes tunnels by CONNECT.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::upstream::{Counts, Options, Reply, Upstream, answer};

/// A running proxy; it keeps no connection to an origin longer than the request or tunnel needs.
#[derive(Debug)]
pub struct Proxy {
    server: Upstream,
    tunnels: Arc<AtomicU64>,
}

impl Proxy {
    /// Starts a proxy on a free port of the loopback.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn start() -> io::Result<Self> {
        let tunnels = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&tunnels);
        let client =
            Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(HttpConnector::new());
        let options = Options { http1_only: true, ..Options::default() };
        let server = Upstream::start(options, move |request: Request<Incoming>| {
            let (client, tunnels) = (client.clone(), Arc::clone(&counter));
            async move {
                if request.method() == Method::CONNECT {
                    tunnels.fetch_add(1, Relaxed);
                    tunnel(request).await
                } else {
                    forward(&client, request).await
                }
            }
        })
        .await?;
        Ok(Self { server, tunnels })
    }

    /// Address of the proxy.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// What the proxy counts of its clients' connections.
    #[must_use]
    pub fn counts(&self) -> &Arc<Counts> {
        self.server.counts()
    }

    /// Tunnels that were asked for.
    #[must_use]
    pub fn tunnels(&self) -> u64 {
        self.tunnels.load(Relaxed)
    }
}

async fn forward(client: &Client<HttpConnector, Incoming>, request: Request<Incoming>) -> Reply {
    match client.request(request).await {
        Ok(response) => Reply::Answer(response.map(|body| body.map_err(io::Error::other).boxed())),
        Err(_) => answer(StatusCode::BAD_GATEWAY, Bytes::new()),
    }
}

async fn tunnel(request: Request<Incoming>) -> Reply {
    let Some(origin) = request.uri().authority().map(ToString::to_string) else {
        return answer(StatusCode::BAD_REQUEST, Bytes::new());
    };
    let Ok(mut origin) = TcpStream::connect(origin).await else {
        return answer(StatusCode::BAD_GATEWAY, Bytes::new());
    };
    tokio::spawn(async move {
        if let Ok(client) = hyper::upgrade::on(request).await {
            // Either side may go away when it likes.
            let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut origin).await;
        }
    });
    answer(StatusCode::OK, Bytes::new())
}
