//! The export of metrics: what is sent, how an answer is read, and when.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use flate2::{Compression, write::GzEncoder};
use http::{Request, header};
use opentelemetry_http::{Bytes, HttpClient};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use poolscope_semconv::value::Signal;
use prost::Message;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};
use tonic::codec::CompressionEncoding;
use tonic::codegen::InterceptedService;
use tonic::transport::Channel;
use tonic_types::StatusExt;

use super::config::{Config, Target};
use super::dropped::Dropped;
use super::error::OtlpError;
use super::metrics;
use super::pace::{Outcome, Receiver, pause_after};
use super::transport::{GrpcHeaders, HttpSender, Transport, is_dashboard, retry_after};
use crate::Scope;
use crate::registry::ExemplarFilter;

/// Asks the exporter for something beyond its routine; both answer when it is done or the deadline has come.
#[derive(Debug)]
pub(super) enum Command {
    /// Export now.
    Flush { deadline: Instant, done: std::sync::mpsc::Sender<()> },
    /// Export a last time, then serve the other signals until told that nobody needs the event loop any more.
    Finish { deadline: Instant, done: std::sync::mpsc::Sender<()>, released: oneshot::Receiver<()> },
}

/// Exports the metrics of a scope.
#[derive(Debug)]
pub(super) struct Exporter {
    scope: Scope,
    resource: Resource,
    dropped: Dropped,
    client: Client,
    endpoint: String,
    interval: Option<Duration>,
    exemplars: SentExemplars,
    /// Whether the last export was told to have failed, so that a lasting fault is told once.
    is_failing: AtomicBool,
}

impl Exporter {
    pub(super) fn new(
        scope: Scope,
        resource: Resource,
        dropped: Dropped,
        config: &Config,
    ) -> Result<Self, OtlpError> {
        Ok(Self {
            scope,
            resource,
            dropped,
            client: Client::new(&config.metrics)?,
            endpoint: config.metrics.endpoint.clone(),
            interval: config.interval,
            exemplars: SentExemplars::new(config.exemplars),
            is_failing: AtomicBool::new(false),
        })
    }

    /// Exports until it is told to finish.
    pub(super) async fn run(self, mut commands: mpsc::Receiver<Command>) {
        let mut due = Instant::now();
        loop {
            let command = tokio::select! {
                // An export that a command interrupts is not missed: the command's own says all of it again.
                command = commands.recv() => command,
                next = self.export_at(due) => {
                    due = next;
                    continue;
                }
            };
            match command {
                Some(Command::Flush { deadline, done }) => {
                    let _ = timeout_at(deadline, self.export()).await;
                    let _ = done.send(());
                }
                Some(Command::Finish { deadline, done, released }) => {
                    let _ = timeout_at(deadline, self.export()).await;
                    let _ = done.send(());
                    let _ = timeout_at(deadline, released).await;
                    return;
                }
                None => return,
            }
        }
    }

    /// Exports when it is due, and tells when it is due again.
    async fn export_at(&self, due: Instant) -> Instant {
        sleep_until(due).await;
        let started = Instant::now();
        started + pause_after(self.export().await, self.interval)
    }

    async fn export(&self) -> Outcome {
        let started = SystemTime::now();
        // Sources of breakers are the user's code; one that panics must not end the export.
        let snapshot = catch_unwind(AssertUnwindSafe(|| self.scope.snapshot()));
        let outcome = match snapshot {
            Ok(snapshot) => {
                let after = self.exemplars.until();
                self.send(metrics::requests(&snapshot, &self.dropped, &self.resource, after)).await
            }
            Err(_) => Outcome::default(),
        };
        if outcome.delivered {
            self.exemplars.sent(started);
        } else {
            self.dropped.add(Signal::Metrics, 1);
        }
        self.tell(outcome);
        outcome
    }

    /// Says once that metrics don't arrive, and once that they do again.
    fn tell(&self, outcome: Outcome) {
        let was_failing = self.is_failing.swap(!outcome.delivered, Relaxed);
        let endpoint = &self.endpoint;
        match (was_failing, outcome.delivered, outcome.receiver) {
            (true, true, _) => tracing::info!("metrics arrive at {endpoint} again"),
            (false, false, None) => tracing::warn!(
                "nothing answers at {endpoint}, so telemetry is dropped and counted; start a receiver there, or set \
                 OTEL_EXPORTER_OTLP_ENDPOINT to where one listens"
            ),
            (false, false, Some(_)) => tracing::warn!(
                "the receiver at {endpoint} refused metrics, so they are dropped and counted; its log says why"
            ),
            _ => {}
        }
    }

    /// Sends the requests one after the other, the rest only while the receiver wants more.
    async fn send(&self, requests: Vec<ExportMetricsServiceRequest>) -> Outcome {
        let mut delivered = true;
        let mut last = Outcome::default();
        for request in requests {
            last = self.client.send(request).await;
            delivered &= last.delivered;
            if last.receiver.is_none() || last.pause.is_some() {
                break;
            }
        }
        Outcome { delivered, ..last }
    }
}

/// Up to when exemplars were sent; each is sent once.
#[derive(Debug)]
struct SentExemplars {
    /// Nanoseconds since the Unix epoch.
    until: AtomicU64,
    is_off: bool,
}

impl SentExemplars {
    fn new(filter: ExemplarFilter) -> Self {
        Self { until: AtomicU64::new(0), is_off: filter == ExemplarFilter::Off }
    }

    fn until(&self) -> u64 {
        if self.is_off { u64::MAX } else { self.until.load(Relaxed) }
    }

    /// What was recorded before an export that began at this moment was in it.
    fn sent(&self, at: SystemTime) {
        self.until.store(metrics::nanos(at), Relaxed);
    }
}

/// Sends metrics to one receiver.
#[derive(Debug)]
enum Client {
    Grpc(MetricsServiceClient<InterceptedService<Channel, GrpcHeaders>>),
    Http { sender: HttpSender, endpoint: String, gzip: bool },
}

impl Client {
    fn new(target: &Target) -> Result<Self, OtlpError> {
        Ok(match Transport::new(target)? {
            Transport::Grpc { channel, headers } => {
                let client = MetricsServiceClient::with_interceptor(channel, headers);
                Self::Grpc(match target.gzip {
                    true => client.send_compressed(CompressionEncoding::Gzip),
                    false => client,
                })
            }
            Transport::Http(sender) => {
                Self::Http { sender, endpoint: target.endpoint.clone(), gzip: target.gzip }
            }
        })
    }

    async fn send(&self, request: ExportMetricsServiceRequest) -> Outcome {
        match self {
            Self::Grpc(client) => match client.clone().export(request).await {
                Ok(answer) => {
                    let is_dashboard = is_dashboard(answer.metadata().as_ref());
                    taken(answer.get_ref(), is_dashboard)
                }
                Err(status) => refused_by_grpc(&status),
            },
            Self::Http { sender, endpoint, gzip } => {
                let Some(request) = http_request(endpoint, *gzip, request.encode_to_vec()) else {
                    return Outcome::default();
                };
                let Ok(answer) = sender.send_bytes(request).await else { return Outcome::default() };
                let is_dashboard = is_dashboard(answer.headers());
                if answer.status().is_success() {
                    // What can't be read says nothing of a refusal.
                    let body = ExportMetricsServiceResponse::decode(answer.body().clone());
                    return taken(&body.unwrap_or_default(), is_dashboard);
                }
                Outcome {
                    delivered: false,
                    receiver: Some(Receiver::known(is_dashboard)),
                    pause: retry_after(answer.headers(), SystemTime::now()),
                }
            }
        }
    }
}

/// The receiver took the request, perhaps not all of it.
fn taken(answer: &ExportMetricsServiceResponse, is_dashboard: bool) -> Outcome {
    let refused = answer.partial_success.as_ref().is_some_and(|partial| partial.rejected_data_points > 0);
    Outcome { delivered: !refused, receiver: Some(Receiver::known(is_dashboard)), pause: None }
}

fn refused_by_grpc(status: &tonic::Status) -> Outcome {
    use tonic::Code;
    // tonic gives these itself when nobody answers; a status that the receiver sent has no error behind it.
    let unanswered = std::error::Error::source(status).is_some()
        || matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled);
    let is_dashboard = is_dashboard(status.metadata().as_ref());
    let details = status.get_error_details();
    Outcome {
        delivered: false,
        receiver: (is_dashboard || !unanswered).then(|| Receiver::known(is_dashboard)),
        pause: details.retry_info().and_then(|info| info.retry_delay),
    }
}

fn http_request(endpoint: &str, gzip: bool, body: Vec<u8>) -> Option<Request<Bytes>> {
    let request = Request::post(endpoint).header(header::CONTENT_TYPE, "application/x-protobuf");
    if !gzip {
        return request.body(body.into()).ok();
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    std::io::Write::write_all(&mut encoder, &body).ok()?;
    request.header(header::CONTENT_ENCODING, "gzip").body(encoder.finish().ok()?.into()).ok()
}
