//! A real OTLP receiver, on a thread and in a runtime of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use poolscope_semconv::protocol::DASHBOARD_HEADER;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::codec::CompressionEncoding;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// How the receiver behaves.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Manner {
    /// Introduces itself as the dashboard.
    pub(crate) is_dashboard: bool,
    /// Says of every export of metrics that one point was refused.
    pub(crate) refuses_points: bool,
    /// Over HTTP, answers 503 and asks to be left alone for this many seconds.
    pub(crate) overloaded_for: Option<u64>,
}

/// What has arrived.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) metrics: Vec<(Instant, ExportMetricsServiceRequest)>,
    pub(crate) traces: Vec<ExportTraceServiceRequest>,
    pub(crate) logs: Vec<ExportLogsServiceRequest>,
    /// Headers of each request, of all signals.
    pub(crate) headers: Vec<HeaderMap>,
}

#[derive(Clone)]
struct Store {
    received: Arc<Mutex<Received>>,
    manner: Manner,
}

/// A running receiver; dropping it stops it.
pub(crate) struct Receiver {
    pub(crate) addr: SocketAddr,
    store: Store,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Receiver {
    pub(crate) fn grpc(manner: Manner) -> Self {
        Self::start(any_port(), manner, true)
    }

    /// At an address that was found free before.
    pub(crate) fn grpc_at(addr: SocketAddr, manner: Manner) -> Self {
        Self::start(addr, manner, true)
    }

    pub(crate) fn http(manner: Manner) -> Self {
        Self::start(any_port(), manner, false)
    }

    fn start(addr: SocketAddr, manner: Manner, grpc: bool) -> Self {
        let store = Store { received: Arc::default(), manner };
        let (ready, bound) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = store.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind(addr).await.unwrap();
                ready.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! {
                    () = serve(listener, served, grpc) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { addr: bound.recv().unwrap(), store, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub(crate) fn received(&self) -> MutexGuard<'_, Received> {
        self.store.received.lock().unwrap()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

pub(crate) fn any_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

async fn serve(listener: TcpListener, store: Store, grpc: bool) {
    if grpc {
        tonic::transport::Server::builder()
            .add_service(
                MetricsServiceServer::new(store.clone()).accept_compressed(CompressionEncoding::Gzip),
            )
            .add_service(TraceServiceServer::new(store.clone()).accept_compressed(CompressionEncoding::Gzip))
            .add_service(LogsServiceServer::new(store).accept_compressed(CompressionEncoding::Gzip))
            .serve_with_incoming(TcpIncoming::from(listener))
            .await
            .unwrap();
    } else {
        let app = Router::new().route("/v1/{signal}", axum::routing::post(over_http)).with_state(store);
        axum::serve(listener, app).await.unwrap();
    }
}

impl Store {
    fn metrics(&self, request: ExportMetricsServiceRequest) -> ExportMetricsServiceResponse {
        self.received.lock().unwrap().metrics.push((Instant::now(), request));
        let refused =
            ExportMetricsPartialSuccess { rejected_data_points: 1, error_message: "one too many".to_owned() };
        ExportMetricsServiceResponse { partial_success: self.manner.refuses_points.then_some(refused) }
    }

    fn heard(&self, headers: HeaderMap) {
        self.received.lock().unwrap().headers.push(headers);
    }

    fn answer<T>(&self, message: T) -> Result<Response<T>, Status> {
        let mut response = Response::new(message);
        if self.manner.is_dashboard {
            response.metadata_mut().insert(DASHBOARD_HEADER, "1".parse().unwrap());
        }
        Ok(response)
    }
}

#[tonic::async_trait]
impl MetricsService for Store {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        self.heard(metadata.into_headers());
        self.answer(self.metrics(message))
    }
}

#[tonic::async_trait]
impl TraceService for Store {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        self.heard(metadata.into_headers());
        self.received.lock().unwrap().traces.push(message);
        self.answer(ExportTraceServiceResponse::default())
    }
}

#[tonic::async_trait]
impl LogsService for Store {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        self.heard(metadata.into_headers());
        self.received.lock().unwrap().logs.push(message);
        self.answer(ExportLogsServiceResponse::default())
    }
}

async fn over_http(
    State(store): State<Store>,
    Path(signal): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut answer = HeaderMap::new();
    if store.manner.is_dashboard {
        answer.insert(DASHBOARD_HEADER, "1".parse().unwrap());
    }
    let gzip = headers.get("content-encoding").is_some_and(|encoding| encoding == "gzip");
    assert_eq!(headers["content-type"], "application/x-protobuf");
    store.heard(headers);
    let body = if gzip { inflate(&body) } else { body.to_vec() };
    let message = match signal.as_str() {
        "metrics" => store.metrics(Message::decode(&*body).unwrap()).encode_to_vec(),
        "traces" => {
            store.received.lock().unwrap().traces.push(Message::decode(&*body).unwrap());
            Vec::new()
        }
        "logs" => {
            store.received.lock().unwrap().logs.push(Message::decode(&*body).unwrap());
            Vec::new()
        }
        other => panic!("{other} is no signal"),
    };
    if let Some(secs) = store.manner.overloaded_for {
        answer.insert("retry-after", secs.into());
        return (StatusCode::SERVICE_UNAVAILABLE, answer, Vec::new());
    }
    (StatusCode::OK, answer, message)
}

fn inflate(body: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(body), &mut plain).unwrap();
    plain
}
