//! The cases of a server, which is asked by a client in its own process, on one thread, over connections in memory.
//!
//! The client is hyper's and the same in all cases, so what a case costs beyond the bare one is what is around the server.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, bail};
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use http_body_util::{Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use poolscope::Scope;
use poolscope::server::{Listen, set_route};
use tokio::io::DuplexStream;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tower::layer::util::Stack;
use tower::{Layer, Service, service_fn};
use tower_http::trace::TraceLayer;
use tower_otel::{metrics, trace};
use tracing::Level;

use crate::case::Case;
use crate::client::Watch;
use crate::hyper::read;
use crate::load::{self, Round, Target};
use crate::metrics::Metrics;
use crate::server::answer;
use crate::telemetry::current::Tracing;

/// Bytes that a connection holds in one direction: more than a request or an answer.
const BUFFER: usize = 8 * 1024;

/// The server's end of the connections.
struct InMemory(UnboundedReceiver<DuplexStream>);

impl Listen for InMemory {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> io::Result<(DuplexStream, ())> {
        self.0.recv().await.map(|io| (io, ())).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }

    fn peer((): &()) -> Option<SocketAddr> {
        None
    }
}

/// The client's end: opens a connection where none is free, and keeps all.
#[derive(Debug, Clone)]
struct Asking {
    connect: UnboundedSender<DuplexStream>,
    free: Arc<Mutex<Vec<SendRequest<Empty<Bytes>>>>>,
}

impl Asking {
    async fn connection(&self) -> Result<SendRequest<Empty<Bytes>>> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(mut connection) = free {
            connection.ready().await?;
            return Ok(connection);
        }
        let (ours, theirs) = tokio::io::duplex(BUFFER);
        self.connect.send(theirs)?;
        let (connection, driver) = http1::handshake(TokioIo::new(ours)).await?;
        tokio::spawn(driver);
        Ok(connection)
    }
}

impl Target for Asking {
    async fn request(&mut self) -> Result<()> {
        let mut connection = self.connection().await?;
        let mut request = Request::new(Empty::new());
        request.headers_mut().insert(HOST, HeaderValue::from_static("pay.example"));
        read(connection.send_request(request).await?).await?;
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(())
    }
}

/// Serves what comes as `axum::serve` does.
fn serve<S, R>(mut listener: InMemory, service: S)
where
    S: Service<Request<Incoming>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    R: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    tokio::spawn(async move {
        while let Ok((io, ())) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                let mut server = auto::Builder::new(TokioExecutor::new());
                server.http2().enable_connect_protocol();
                // What fails, the client tells.
                let _ = server.serve_connection_with_upgrades(TokioIo::new(io), service).await;
            });
        }
    });
}

/// Answers as the others do, and tells the route.
async fn routed<B>(request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    set_route("/");
    answer(request).await
}

/// Sets a case up; the server runs whenever the client does.
pub(crate) fn case(case: Case, concurrency: usize) -> Result<(Round, Watch)> {
    let (connect, incoming) = mpsc::unbounded_channel();
    let listener = InMemory(incoming);
    let (scope, plain) = (Scope::new(), service_fn(answer::<Incoming>));
    let watch = match case {
        Case::Bare => {
            serve(listener, plain);
            Watch::default()
        }
        Case::Full | Case::FullUnsampled | Case::FullSampled => {
            let mut watch = Watch::default();
            if case != Case::Full {
                let tracing = Tracing::new(case == Case::FullSampled);
                scope.set_tracer_provider(&tracing.provider);
                watch = watch.spans(move || tracing.flush());
            }
            let server = scope.server("bench").build()?;
            tokio::spawn(server.serve(server.listen(listener), service_fn(answer)));
            watch.served(scope)
        }
        Case::FullRoute => {
            let server = scope.server("bench").build()?;
            tokio::spawn(server.serve(server.listen(listener), service_fn(routed)));
            Watch::default().served(scope)
        }
        Case::TowerOtelTrace => {
            let tracing = Tracing::new(false).subscribe()?;
            serve(listener, trace::HttpLayer::server(Level::INFO).layer(plain));
            Watch::default().spans(move || tracing.flush())
        }
        Case::TowerOtelMetrics => {
            let metrics = Metrics::new();
            serve(listener, metrics::HttpLayer::server(&metrics.meter()).layer(plain));
            Watch::default().metrics(metrics)
        }
        Case::TowerOtelMetricsTrace => {
            let (metrics, tracing) = (Metrics::new(), Tracing::new(false).subscribe()?);
            let inner = metrics::HttpLayer::server(&metrics.meter());
            serve(listener, Stack::new(inner, trace::HttpLayer::server(Level::INFO)).layer(plain));
            Watch::default().metrics(metrics).spans(move || tracing.flush())
        }
        Case::TowerHttpTrace => {
            let tracing = Tracing::new(false).subscribe()?;
            serve(listener, TraceLayer::new_for_http().layer(plain));
            Watch::default().spans(move || tracing.flush())
        }
        Case::TowerHttpTraceNoSubscriber => {
            serve(listener, TraceLayer::new_for_http().layer(plain));
            Watch::default()
        }
        _ => bail!("{case} is no case of a server"),
    };
    Ok((load::rounds(Asking { connect, free: Arc::default() }, concurrency), watch))
}
