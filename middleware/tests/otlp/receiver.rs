//! A real OTLP receiver, on a thread and in a runtime of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
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
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use poolscope_semconv::protocol::DASHBOARD_HEADER;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::codec::CompressionEncoding;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

pub(crate) use crate::manner::{Manner, Received, Reply, Retry};

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
            runtime.shutdown_background();
        });
        Self { addr: bound.recv().unwrap(), store, stop: Some(stop), thread: Some(thread) }
    }

    /// In the caller's own runtime, where it runs only while nothing blocks there.
    pub(crate) async fn here(manner: Manner, grpc: bool) -> Self {
        let store = Store { received: Arc::default(), manner };
        let listener = TcpListener::bind(any_port()).await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, store.clone(), grpc));
        Self { addr, store, stop: None, thread: None }
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

/// How a request that is not silent is answered.
enum Verdict {
    Taken(ExportMetricsPartialSuccess),
    Status(u16, tonic::Code, Retry),
    Huge,
    Json(&'static str),
}

impl Store {
    /// Notes an attempt and plays the next part of the script.
    async fn heard(&self, signal: &str, headers: HeaderMap, take: impl FnOnce(&mut Received)) -> Verdict {
        let reply = {
            let mut received = self.received.lock().unwrap();
            received.headers.push(headers);
            let attempts = received.attempts.entry(signal.to_owned()).or_default();
            attempts.push(Instant::now());
            self.manner.script.get(attempts.len() - 1).copied().unwrap_or(Reply::Fine)
        };
        if let Reply::Slow(millis) = reply {
            tokio::time::sleep(Duration::from_millis(millis)).await;
        }
        let is_taken = matches!(
            reply,
            Reply::Fine
                | Reply::Slow(_)
                | Reply::Partial(..)
                | Reply::Json(_)
                | Reply::Silent { taken: true }
        );
        if is_taken {
            take(&mut self.received.lock().unwrap());
        }
        match reply {
            Reply::Fine | Reply::Slow(_) => {
                let refuses = self.manner.refuses_points && signal == "metrics";
                Verdict::Taken(partial(i64::from(refuses), if refuses { "one too many" } else { "" }))
            }
            Reply::Partial(rejected, message) => Verdict::Taken(partial(rejected, message)),
            Reply::Status(status, code, retry) => Verdict::Status(status, code, retry),
            Reply::Huge => Verdict::Huge,
            Reply::Json(words) => Verdict::Json(words),
            Reply::Silent { .. } => std::future::pending().await,
        }
    }

    fn answer<T>(
        &self,
        verdict: Verdict,
        message: impl FnOnce(ExportMetricsPartialSuccess) -> T,
    ) -> Result<Response<T>, Status> {
        let mut response = Response::new(match verdict {
            Verdict::Taken(partial) => message(partial),
            Verdict::Json(_) => unreachable!("gRPC knows no JSON"),
            Verdict::Huge => message(partial(0, &"x".repeat(5 << 20))),
            Verdict::Status(_, code, retry) => {
                let delay = match retry {
                    Retry::Untold => return Err(Status::new(code, "as the script says")),
                    Retry::In(secs) | Retry::At(secs) => Duration::from_secs(secs),
                };
                let details = ErrorDetails::with_retry_info(Some(delay));
                return Err(Status::with_error_details(code, "as the script says", details));
            }
        });
        if self.manner.is_dashboard {
            response.metadata_mut().insert(DASHBOARD_HEADER, "1".parse().unwrap());
        }
        Ok(response)
    }
}

fn partial(rejected: i64, message: &str) -> ExportMetricsPartialSuccess {
    ExportMetricsPartialSuccess { rejected_data_points: rejected, error_message: message.to_owned() }
}

/// The field is there only when it says something, as the specification wants.
fn said(partial: ExportMetricsPartialSuccess) -> Option<ExportMetricsPartialSuccess> {
    (partial != ExportMetricsPartialSuccess::default()).then_some(partial)
}

#[tonic::async_trait]
impl MetricsService for Store {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        let take = |received: &mut Received| received.metrics.push((Instant::now(), message));
        let verdict = self.heard("metrics", metadata.into_headers(), take).await;
        self.answer(verdict, |partial| ExportMetricsServiceResponse { partial_success: said(partial) })
    }
}

#[tonic::async_trait]
impl TraceService for Store {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        let take = |received: &mut Received| received.traces.push(message);
        let verdict = self.heard("traces", metadata.into_headers(), take).await;
        self.answer(verdict, |partial| ExportTraceServiceResponse {
            partial_success: said(partial).map(|partial| ExportTracePartialSuccess {
                rejected_spans: partial.rejected_data_points,
                error_message: partial.error_message,
            }),
        })
    }
}

#[tonic::async_trait]
impl LogsService for Store {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        let take = |received: &mut Received| received.logs.push(message);
        let verdict = self.heard("logs", metadata.into_headers(), take).await;
        self.answer(verdict, |partial| ExportLogsServiceResponse {
            partial_success: said(partial).map(|partial| ExportLogsPartialSuccess {
                rejected_log_records: partial.rejected_data_points,
                error_message: partial.error_message,
            }),
        })
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
    let body = if gzip { inflate(&body) } else { body.to_vec() };
    let take = |received: &mut Received| match signal.as_str() {
        "metrics" => received.metrics.push((Instant::now(), Message::decode(&*body).unwrap())),
        "traces" => received.traces.push(Message::decode(&*body).unwrap()),
        "logs" => received.logs.push(Message::decode(&*body).unwrap()),
        other => panic!("{other} is no signal"),
    };
    let verdict = store.heard(&signal, headers, take).await;
    if let Some(secs) = store.manner.overloaded_for {
        answer.insert("retry-after", secs.into());
        return (StatusCode::SERVICE_UNAVAILABLE, answer, Vec::new());
    }
    match verdict {
        Verdict::Taken(partial) => {
            let message = ExportMetricsServiceResponse { partial_success: said(partial) };
            (StatusCode::OK, answer, message.encode_to_vec())
        }
        Verdict::Json(words) => {
            answer.insert("content-type", "application/json; charset=utf-8".parse().unwrap());
            (StatusCode::OK, answer, words.into())
        }
        Verdict::Huge => (StatusCode::OK, answer, vec![b'x'; 5 << 20]),
        Verdict::Status(status, _, retry) => {
            match retry {
                Retry::Untold => {}
                Retry::In(secs) => {
                    answer.insert("retry-after", secs.into());
                }
                Retry::At(secs) => {
                    let time = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(secs));
                    answer.insert("retry-after", time.parse().unwrap());
                }
            }
            (StatusCode::from_u16(status).unwrap(), answer, Vec::new())
        }
    }
}

fn inflate(body: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(body), &mut plain).unwrap();
    plain
}
