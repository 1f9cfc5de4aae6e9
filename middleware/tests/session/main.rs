//! Sessions over real sockets and real OTLP: what leaves the process is what has happened.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point::Value};
use poolscope::Scope;
use poolscope::otlp::{Otlp, Protocol};
use poolscope::session::{Session, SessionEnd, Sessions};
use poolscope_semconv::metric::MetricDef;
use poolscope_semconv::{attr, event, metric};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tonic::codec::CompressionEncoding;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

const PATIENCE: Duration = Duration::from_secs(20);

/// What has arrived.
#[derive(Clone, Default)]
struct Receiver {
    metrics: Arc<Mutex<Vec<ExportMetricsServiceRequest>>>,
    logs: Arc<Mutex<Vec<ExportLogsServiceRequest>>>,
}

#[tonic::async_trait]
impl MetricsService for Receiver {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.metrics.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Receiver {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.logs.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}

impl Receiver {
    async fn start() -> (Self, String) {
        let receiver = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let gzip = CompressionEncoding::Gzip;
        let server = tonic::transport::Server::builder()
            .add_service(MetricsServiceServer::new(receiver.clone()).accept_compressed(gzip))
            .add_service(LogsServiceServer::new(receiver.clone()).accept_compressed(gzip))
            .serve_with_incoming(TcpIncoming::from(listener));
        tokio::spawn(server);
        (receiver, url)
    }

    /// The last value of a metric of the one registry, with this attribute.
    fn last(&self, def: &MetricDef, with: Option<(&str, &str)>) -> Option<f64> {
        let requests = self.metrics.lock().unwrap();
        let metrics = requests.last()?.resource_metrics[0].scope_metrics[0].metrics.clone();
        let data = metrics.into_iter().find(|metric| metric.name == def.name)?.data?;
        let has = |attributes: &[KeyValue]| {
            let attributes = texts(attributes);
            assert_eq!(attributes[attr::SESSION_NAME], "chat");
            with.is_none_or(|(key, value)| attributes[key] == value)
        };
        let points = match data {
            Data::Sum(sum) => sum.data_points,
            Data::Gauge(gauge) => gauge.data_points,
            Data::Histogram(histogram) => return Some(histogram.data_points[0].count as f64),
            other => panic!("{other:?}"),
        };
        points.into_iter().find(|point| has(&point.attributes)).map(|point| match point.value.unwrap() {
            Value::AsInt(value) => value as f64,
            Value::AsDouble(value) => value,
        })
    }

    /// All events of a name.
    fn events(&self, name: &str) -> Vec<LogRecord> {
        let requests = self.logs.lock().unwrap();
        let records = requests
            .iter()
            .flat_map(|request| &request.resource_logs)
            .flat_map(|resource| &resource.scope_logs)
            .flat_map(|scope| &scope.log_records);
        records.filter(|record| record.event_name == name).cloned().collect()
    }
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |pair: &KeyValue| match pair.value.clone().unwrap().value.unwrap() {
        any_value::Value::StringValue(text) => text,
        any_value::Value::IntValue(number) => number.to_string(),
        any_value::Value::DoubleValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    attributes.iter().map(|pair| (pair.key.clone(), text(pair))).collect()
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let asked = Instant::now();
    while !holds() {
        assert!(asked.elapsed() < PATIENCE, "waited for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Echoes on each connection, in a session; tells on the wire that there is no room, or that it is over.
async fn serve(listener: TcpListener, chats: Sessions) {
    loop {
        let (stream, peer) = listener.accept().await.unwrap();
        match chats.begin(&peer.port().to_string()) {
            Ok(session) => drop(tokio::spawn(echo(stream, session))),
            Err(refused) => {
                let mut stream = stream;
                stream.write_all(refused.to_string().as_bytes()).await.unwrap();
            }
        }
    }
}

async fn echo(mut stream: TcpStream, session: Session) {
    let mut buffer = [0; 64];
    loop {
        let read = tokio::select! {
            reason = session.ended() => {
                let _ = stream.write_all(format!("over: {reason}").as_bytes()).await;
                return;
            }
            read = stream.read(&mut buffer) => read,
        };
        match read {
            Ok(0) => {
                session.complete();
                return;
            }
            Ok(read) if &buffer[..read] == b"deaf" => tokio::time::sleep(Duration::from_secs(4)).await,
            Ok(read) if &buffer[..read] == b"panic" => std::panic::resume_unwind(Box::new("asked to")),
            Ok(read) => {
                session.touch();
                stream.write_all(&buffer[..read]).await.unwrap();
            }
            Err(error) => {
                session.fail(error);
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_to_connections_is_what_arrives() {
    let (receiver, url) = Receiver::start().await;
    let scope = Scope::new();
    let otlp = Otlp::new(&scope).endpoint(&url).protocol(Protocol::Grpc);
    let telemetry = otlp.metrics_interval(Duration::from_millis(100)).start().unwrap();
    let chats = scope
        .sessions("chat")
        .idle_timeout(Duration::from_millis(1_500))
        .overdue_after(Duration::from_millis(200))
        .max_sessions(4)
        .build()
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(serve(listener, chats.clone()));

    let client = async || TcpStream::connect(address).await.unwrap();
    let begun = async |number: u64| {
        let started = || chats.snapshot().started == number;
        until("the session to begin", started).await;
    };
    // One that is told to end while its handler does something else, and one that waits in silence.
    let mut deaf = client().await;
    deaf.write_all(b"deaf").await.unwrap();
    begun(1).await;
    let mut silent = client().await;
    begun(2).await;
    let mut polite = client().await;
    begun(3).await;
    polite.write_all(b"hello").await.unwrap();
    let mut answer = [0; 5];
    polite.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"hello");
    // One that panics, and one too many beside the four.
    let mut panics = client().await;
    begun(4).await;
    let mut refused = String::new();
    client().await.read_to_string(&mut refused).await.unwrap();
    assert!(refused.starts_with("no more sessions of chat can begin: 4 of at most 4"), "{refused}");
    drop(polite);
    panics.write_all(b"panic").await.unwrap();
    let mut over = String::new();
    silent.read_to_string(&mut over).await.unwrap();
    assert_eq!(over, "over: idle_timeout");

    let last = |def, with| receiver.last(def, with);
    let is = |def: &'static MetricDef, value: f64| last(def, None) == Some(value);
    until("the overdue one to be told", || is(&metric::SESSION_OVERDUE, 1.0)).await;
    assert_eq!(
        (last(&metric::SESSION_ACTIVE, None), last(&metric::SESSION_LIMIT, None)),
        (Some(1.0), Some(4.0))
    );
    assert!(last(&metric::SESSION_OLDEST_AGE, None).unwrap() >= 0.5);
    until("the deaf one to go", || is(&metric::SESSION_ACTIVE, 0.0)).await;
    assert!(is(&metric::SESSION_OVERDUE, 0.0) && is(&metric::SESSION_OLDEST_AGE, 0.0));
    assert!(is(&metric::SESSION_STARTED, 4.0) && is(&metric::SESSION_REFUSED, 1.0));
    assert!(is(&metric::SESSION_DURATION, 4.0));
    let sweeps = last(&metric::SESSION_SWEEP_DURATION, None).unwrap();
    assert!(sweeps >= 2.0, "{sweeps}");
    for reason in SessionEnd::ALL {
        let expected = match reason {
            SessionEnd::IdleTimeout => 2.0,
            SessionEnd::Completed | SessionEnd::Panicked => 1.0,
            _ => 0.0,
        };
        let ended = last(&metric::SESSION_ENDED, Some((attr::SESSION_END_REASON, reason.as_str())));
        assert_eq!(ended, Some(expected), "{reason}");
    }

    until("the events", || receiver.events(event::SESSION_ENDED).len() == 3).await;
    let overdue = receiver.events(event::SESSION_OVERDUE);
    assert_eq!(overdue.len(), 1);
    let told = texts(&overdue[0].attributes);
    assert_eq!((&*told[attr::SESSION_NAME], &*told[attr::SESSION_ID]), ("chat", "1"));
    assert_eq!(told[attr::SESSION_KEY], deaf.local_addr().unwrap().port().to_string());
    assert_eq!(told[attr::SESSION_END_REASON], "idle_timeout");
    let reasons = receiver.events(event::SESSION_ENDED);
    let mut reasons: Vec<_> =
        reasons.iter().map(|record| texts(&record.attributes)[attr::SESSION_END_REASON].clone()).collect();
    reasons.sort();
    assert_eq!(reasons, ["idle_timeout", "idle_timeout", "panicked"]);

    // A registry that is gone is not exported any more.
    server.abort();
    assert!(server.await.unwrap_err().is_cancelled());
    drop(chats);
    until("nothing more of it", || last(&metric::SESSION_ACTIVE, None).is_none()).await;
    telemetry.shutdown();
}
