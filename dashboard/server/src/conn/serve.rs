//! A listener at work: accepts, shakes hands, and lets hyper serve what the rules allow.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};
use tower_service::Service as _;

use super::body::{Answer, Sent};
use super::io::{Io, Stream};
use super::places::{Placed, Places};
use super::tls::{Audience, Certificates};
use crate::error::Error;

/// How long a connection of HTTP/2 may take to say that it ends.
const GOODBYE: Duration = Duration::from_millis(500);
/// After an error of the system, as when all files are open.
const PAUSE: Duration = Duration::from_millis(100);
/// What hyper may hold of a head: heads beyond our own limit are still answered with a sentence up to here.
const MIN_BUFFER: usize = 64 * 1024;
/// Requests at once on one connection of HTTP/2.
const MAX_CONCURRENT: u32 = 128;

/// The address of who asks, among the extensions of its requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// An open listener and what it is for.
#[derive(Debug)]
pub(crate) struct Bound {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
    purpose: &'static str,
}

/// How a listener serves.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) router: Router,
    pub(crate) places: Arc<Places>,
    pub(crate) certificates: Option<(Arc<Certificates>, Audience)>,
    pub(crate) max_header_bytes: usize,
}

impl Bound {
    pub(crate) async fn new(
        address: SocketAddr,
        purpose: &'static str,
        flag: &'static str,
    ) -> Result<Self, Error> {
        let bound = async {
            let listener = TcpListener::bind(address).await?;
            let address = listener.local_addr()?;
            Ok(Self { listener, address, purpose })
        };
        bound.await.map_err(|source| Error::Bind { address, purpose, flag, source })
    }

    /// Serves until the end is rung, then until all requests have ended.
    pub(crate) async fn serve(self, serving: Serving, mut end: watch::Receiver<bool>) -> Result<(), Error> {
        let Self { listener, purpose, .. } = self;
        let Serving { router, places, certificates, max_header_bytes } = serving;
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().max_buf_size(MIN_BUFFER.max(max_header_bytes.saturating_mul(2)));
        builder.http2().max_concurrent_streams(MAX_CONCURRENT);
        builder.http2().max_header_list_size(u32::try_from(max_header_bytes).unwrap_or(u32::MAX));
        let builder = Arc::new(builder);
        let mut connections = JoinSet::new();
        let mut sweep = interval(places.sweep_every());
        'all: loop {
            let mut accepting = pin!(accept(&listener, &places));
            let accepted = loop {
                tokio::select! {
                    accepted = &mut accepting => break accepted,
                    _ = sweep.tick() => {
                        places.sweep();
                        // What has ended is forgotten.
                        while connections.try_join_next().is_some() {}
                    }
                    () = ended(&mut end) => break 'all,
                }
            };
            let (stream, peer, placed) = match accepted {
                Ok(Some(accepted)) => accepted,
                Ok(None) => continue,
                Err(error) if is_of_connection(&error) => continue,
                Err(error) => {
                    tracing::warn!(%error, purpose, "cannot accept a connection");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let tls = certificates.as_ref().map(|(certificates, audience)| certificates.acceptor(*audience));
            let service = Service { router: router.clone(), placed: placed.clone(), peer: Peer(peer.ip()) };
            connections.spawn(connection(stream, tls, service, builder.clone(), end.clone()));
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
        Ok(())
    }
}

/// Accepts when there is room, and finds a place; `None` if the address has its share already. Others wait in the
/// system's queue.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Places>,
) -> io::Result<Option<(TcpStream, SocketAddr, Arc<Placed>)>> {
    places.room().await;
    let (stream, peer) = listener.accept().await?;
    Ok(places.find(peer.ip()).await.map(|placed| (stream, peer, Arc::new(placed))))
}

/// Done when the end is rung, or nobody is left to ring it.
async fn ended(end: &mut watch::Receiver<bool>) {
    let _ = end.wait_for(|end| *end).await;
}

/// True for errors of one peer, which say nothing about the listener.
fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn connection(
    stream: TcpStream,
    tls: Option<tokio_rustls::TlsAcceptor>,
    service: Service,
    builder: Arc<Builder<TokioExecutor>>,
    mut end: watch::Receiver<bool>,
) {
    // Small answers leave at once.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot turn off delays of a connection");
    }
    let placed = service.placed.clone();
    let stream = match tls {
        None => Stream::Plain(stream),
        Some(acceptor) => {
            let shaken = tokio::select! {
                shaken = acceptor.accept(stream) => shaken,
                () = placed.cut() => return,
                () = ended(&mut end) => return,
            };
            match shaken {
                Ok(stream) => Stream::Tls(Box::new(stream)),
                Err(error) => {
                    placed.no_handshake();
                    tracing::debug!(%error, "a connection came to no TLS");
                    return;
                }
            }
        }
    };
    let io = TokioIo::new(Io { stream, placed: placed.clone() });
    let mut serving = pin!(builder.serve_connection(io, service));
    tokio::select! {
        _ = serving.as_mut() => return,
        () = placed.cut() => {
            // HTTP/2 tells its peer, so that no request is lost on the way; what never asked just goes.
            if placed.is_http2() {
                serving.as_mut().graceful_shutdown();
                let _ = timeout(GOODBYE, serving).await;
            }
            return;
        }
        () = ended(&mut end) => serving.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        _ = serving => {}
        () = placed.cut() => {}
    }
}

/// The router, for one connection.
struct Service {
    router: Router,
    placed: Arc<Placed>,
    peer: Peer,
}

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let in_flight = Arc::new(self.placed.begin(request.version() < Version::HTTP_2));
        let mut request = request.map(|body| Body::new(Sent::new(body, in_flight.clone())));
        request.extensions_mut().insert(self.peer);
        let answer = self.router.clone().call(request);
        Box::pin(async move { Ok(answer.await?.map(|body| Answer::new(body, in_flight))) })
    }
}
