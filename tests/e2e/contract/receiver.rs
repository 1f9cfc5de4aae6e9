//! A real OTLP/gRPC receiver that keeps everything as it came.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use super::judge::Sent;

/// Longest message: a demo has more points than the 4 MiB that receivers take by default in one request.
const MAX_MESSAGE: usize = 64 << 20;

/// Everything that came.
#[derive(Debug, Default)]
pub(super) struct Received {
    pub(super) metrics: Vec<ExportMetricsServiceRequest>,
    pub(super) traces: Vec<ExportTraceServiceRequest>,
    pub(super) logs: Vec<ExportLogsServiceRequest>,
}

/// Where it comes.
#[derive(Clone, Default)]
pub(super) struct Receiver(Arc<Mutex<Received>>);

impl Receiver {
    /// Listens on a free port for as long as the runtime lives, and gives its URL.
    pub(super) async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let server = tonic::transport::Server::builder()
            .add_service(MetricsServiceServer::new(self.clone()).max_decoding_message_size(MAX_MESSAGE))
            .add_service(TraceServiceServer::new(self.clone()).max_decoding_message_size(MAX_MESSAGE))
            .add_service(LogsServiceServer::new(self.clone()).max_decoding_message_size(MAX_MESSAGE))
            .serve_with_incoming(TcpIncoming::from(listener));
        tokio::spawn(server);
        format!("http://{addr}")
    }

    /// What is in all that came until now.
    pub(super) fn read(&self) -> Sent {
        Sent::read(&self.received())
    }

    fn received(&self) -> MutexGuard<'_, Received> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl MetricsService for Receiver {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let mut response = Response::new(Default::default());
        super::control::play(request.metadata(), response.metadata_mut());
        self.received().metrics.push(request.into_inner());
        Ok(response)
    }
}

#[async_trait::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.received().traces.push(request.into_inner());
        Ok(Response::new(Default::default()))
    }
}

#[async_trait::async_trait]
impl LogsService for Receiver {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.received().logs.push(request.into_inner());
        Ok(Response::new(Default::default()))
    }
}
