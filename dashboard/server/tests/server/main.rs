//! The server on real sockets.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, logs_service_client::LogsServiceClient,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse, metrics_service_client::MetricsServiceClient,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, trace_service_client::TraceServiceClient,
};
use poolscope_dashboard::{Config, Limits, Server};
use poolscope_semconv::{attr, event, metric, protocol::DASHBOARD_HEADER, value::BreakerState as Word};
use poolscope_wire::{
    ApiError, BreakerState, ConnectionLanes, Event, FigureHistory, PoolDetail, PoolGroup, PoolSummary, Rule,
    ServerMessage, Service, Sessions, Status, TraceDetail, TraceList, Warning, WarningLog, path,
};
use prost::Message as _;
use reqwest::{Client, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::Code;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;

mod hostile;
mod queries;
mod traces;

const PATIENCE: Duration = Duration::from_secs(10);

/// A running server that ends with the test.
struct Running {
    http: SocketAddr,
    grpc: SocketAddr,
    otlp: SocketAddr,
    client: Client,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), poolscope_dashboard::Error>>,
}

fn any_port() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

fn config() -> Config {
    Config {
        http_addr: any_port(),
        otlp_grpc_addr: any_port(),
        otlp_http_addr: any_port(),
        ..Config::default()
    }
}

fn client() -> Client {
    // The builder wants a provider of TLS, also where none is used; a second call changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new()
}

impl Running {
    async fn start(config: Config) -> Self {
        let server = Server::bind(config).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let (http, grpc, otlp) = (server.http_addr(), server.otlp_grpc_addr(), server.otlp_http_addr());
        let task = tokio::spawn(server.run(async { stopped.await.unwrap_or(()) }));
        Self { http, grpc, otlp, client: client(), stop: Some(stop), task }
    }

    async fn post(&self, path: &str, content_type: &str, encoding: Option<&str>, body: Vec<u8>) -> Response {
        let url = format!("http://{}{path}", self.otlp);
        let mut request = self.client.post(url).header("content-type", content_type).body(body);
        if let Some(encoding) = encoding {
            request = request.header("content-encoding", encoding);
        }
        request.send().await.unwrap()
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let url = format!("http://{}{path}", self.http);
        self.client.get(url).send().await.unwrap().json().await.unwrap()
    }

    async fn grpc(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.grpc)).unwrap().connect().await.unwrap()
    }

    /// Ends the server and asserts that it ends well and soon.
    async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.task).await.expect("the server ends").unwrap().unwrap();
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn text(key: &str, value: &str) -> Json {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn resource() -> Json {
    json!({ "attributes": [text(attr::SERVICE_NAME, "shop"), text(attr::SERVICE_INSTANCE_ID, "one")] })
}

/// A report of one pool with so many connections.
fn report(host: &str, active: u32) -> Json {
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos().to_string();
    let pool = [text(attr::SERVER_ADDRESS, host), text(attr::URL_SCHEME, "https")];
    let of_state = |state: &str, count: u32| {
        let mut attributes = pool.to_vec();
        attributes.push(text(attr::HTTP_CONNECTION_STATE, state));
        json!({ "attributes": attributes, "timeUnixNano": now, "asInt": count.to_string() })
    };
    json!({ "resourceMetrics": [{ "resource": resource(), "scopeMetrics": [{ "metrics": [{
        "name": metric::HTTP_CLIENT_OPEN_CONNECTIONS.name,
        "sum": { "aggregationTemporality": 2, "dataPoints": [of_state("active", active), of_state("idle", 1)] },
    }] }] }] })
}

fn request(host: &str, active: u32) -> ExportMetricsServiceRequest {
    serde_json::from_value(report(host, active)).unwrap()
}

fn transition() -> ExportLogsServiceRequest {
    let attributes = [
        text(attr::BREAKER_NAME, "pay:443"),
        text(attr::BREAKER_FROM, Word::Closed.as_str()),
        text(attr::BREAKER_TO, Word::Open.as_str()),
    ];
    serde_json::from_value(json!({ "resourceLogs": [{ "resource": resource(), "scopeLogs": [{ "logRecords": [
        { "eventName": event::BREAKER_TRANSITION, "attributes": attributes },
    ] }] }] }))
    .unwrap()
}

#[tokio::test]
async fn http_takes_protobuf_and_json_plain_and_gzip_and_answers_in_kind() {
    let server = Running::start(config()).await;
    let protobuf = |host| request(host, 3).encode_to_vec();
    let json = |host| serde_json::to_vec(&report(host, 3)).unwrap();
    for (content_type, encoding, body) in [
        ("application/x-protobuf", None, protobuf("a")),
        ("application/x-protobuf", Some("gzip"), gzip(&protobuf("b"))),
        ("application/json", None, json("c")),
        ("application/json", Some("gzip"), gzip(&json("d"))),
    ] {
        let answer = server.post("/v1/metrics", content_type, encoding, body).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], content_type);
        assert_eq!(answer.headers()[DASHBOARD_HEADER], env!("CARGO_PKG_VERSION"));
        let body = answer.bytes().await.unwrap();
        assert_eq!(&body[..], if content_type.ends_with("json") { &b"{}"[..] } else { b"" });
    }
    let pools: Vec<PoolSummary> = server.get(path::POOLS).await;
    let hosts: Vec<_> = pools.iter().map(|pool| (&*pool.address, pool.port, pool.now.active)).collect();
    let hosts_are = ["a", "b", "c", "d"].map(|host| (host, 443, Some(3)));
    assert_eq!(hosts, hosts_are);
    let detail: PoolDetail = server.get(&format!("{}/{}?seconds=60", path::POOLS, pools[0].id)).await;
    assert_eq!(detail.points.len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn connections_are_asked_for_by_time_order_and_kind() {
    let server = Running::start(config()).await;
    let json = "application/json";
    server.post("/v1/metrics", json, None, serde_json::to_vec(&report("pay", 1)).unwrap()).await;
    let rows =
        ["1 idle 0 60 5 9 3 10.0.0.7:443", "2 active 1 9 8 1 8 -", "<script>", "3 idle 0 1e999 1 1 1 -"];
    let values: Vec<_> = rows.iter().map(|row| json!({ "stringValue": row })).collect();
    let attributes = [
        text(attr::SERVER_ADDRESS, "pay"),
        text(attr::URL_SCHEME, "https"),
        text(attr::CLIENT_NAME, ""),
        json!({ "key": attr::POOL_OPEN, "value": { "intValue": "2" } }),
        json!({ "key": attr::POOL_CONNECTIONS, "value": { "arrayValue": { "values": values } } }),
    ];
    let logs = json!({ "resourceLogs": [{ "resource": resource(), "scopeLogs": [{ "logRecords": [
        { "eventName": event::POOL_SNAPSHOT, "attributes": attributes },
    ] }] }] });
    server.post("/v1/logs", json, None, serde_json::to_vec(&logs).unwrap()).await;

    let pools: Vec<PoolSummary> = server.get(path::POOLS).await;
    let url = format!("{}/{}/{}", path::POOLS, pools[0].id, path::CONNECTIONS);
    let lanes: ConnectionLanes = server.get(&url).await;
    let ids = |lanes: &ConnectionLanes| lanes.rows.iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!((lanes.told, lanes.open, lanes.dropped, ids(&lanes)), (true, Some(2), 2, vec![2, 1]));
    assert_eq!((lanes.rows[1].peer.as_str(), lanes.rows[1].requests), ("10.0.0.7:443", 9));
    let by_age: ConnectionLanes = server.get(&format!("{url}?sort=age&max_rows=1")).await;
    assert_eq!((ids(&by_age), by_age.counts.all), (vec![1], 2));
    let wasted: ConnectionLanes = server.get(&format!("{url}?only=wasted")).await;
    assert!(wasted.rows.is_empty());
    let before: ConnectionLanes = server.get(&format!("{url}?from_ms=1000&to_ms=2000")).await;
    assert!(before.rows.is_empty() && before.step_ms > 0);
    for (query, words) in [
        ("?sort=prettiest", "sort is `prettiest`; it must be worst, id, age, requests or share"),
        ("?from_ms=5&to_ms=5", "the range is empty"),
        ("?from_ms=-5", "from_ms is `-5`"),
        ("?rows=5", "`rows` is no parameter"),
    ] {
        let answer = server.client.get(format!("http://{}{url}{query}", server.http)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{query}");
        assert!(answer.text().await.unwrap().contains(words), "{query}");
    }
    let unknown = format!("http://{}{}/no-such-pool/{}", server.http, path::POOLS, path::CONNECTIONS);
    assert_eq!(server.client.get(unknown).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    let events: Vec<Event> = server.get(path::EVENTS).await;
    assert!(events.is_empty(), "what a pool is like is no event");
    server.stop().await;
}

#[tokio::test]
async fn points_that_find_no_room_are_a_partial_success_that_names_the_bound() {
    let limits = Limits { max_series: 1, ..Limits::default() };
    let server = Running::start(Config { limits, ..config() }).await;
    let body = serde_json::to_vec(&report("pay.example", 3)).unwrap();
    let answer = server.post("/v1/metrics", "application/json", None, body).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let answer: Json = answer.json().await.unwrap();
    let count: u64 = answer["partialSuccess"]["rejectedDataPoints"].as_str().unwrap().parse().unwrap();
    let sentence = answer["partialSuccess"]["errorMessage"].as_str().unwrap();
    assert!(count > 0 && sentence.contains("its bound is 1, which --max-series raises"), "{answer}");
    let status: Status = server.get(path::STATUS).await;
    assert_eq!((status.received.metric_points, status.received.rejected_items), (1, count));
    server.stop().await;
}

#[tokio::test]
async fn partial_success_counts_and_explains() {
    let server = Running::start(config()).await;
    let mut report = report("pay", 3);
    report["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["sum"]["dataPoints"][0]["asInt"] =
        json!(null);
    report["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["sum"]["dataPoints"][0]["asDouble"] =
        json!("NaN");
    let body = serde_json::to_vec(&report).unwrap();
    let answer: Json = server.post("/v1/metrics", "application/json", None, body).await.json().await.unwrap();
    assert_eq!(answer["partialSuccess"]["rejectedDataPoints"], "1");
    assert!(answer["partialSuccess"]["errorMessage"].as_str().unwrap().contains("open_connections"));

    let mut bad = request("pay", 3);
    bad.resource_metrics[0].scope_metrics[0].metrics[0].data = None;
    let answer = server.post("/v1/metrics", "application/x-protobuf", None, bad.encode_to_vec()).await;
    let answer = ExportMetricsServiceResponse::decode(answer.bytes().await.unwrap()).unwrap();
    assert_eq!(answer.partial_success.unwrap().rejected_data_points, 1);

    let status: Status = server.get(path::STATUS).await;
    assert_eq!((status.received.metric_points, status.received.rejected_items), (1, 2));
    server.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_refused_by_the_rules_of_otlp() {
    let mut config = config();
    config.limits.max_body_bytes = 100_000;
    config.limits.max_inflated_bytes = 1_000_000;
    let server = Running::start(config).await;
    let bomb = gzip(&vec![b' '; 50_000_000]);
    assert!(bomb.len() < 100_000);
    let (protobuf, json) = ("application/x-protobuf", "application/json");
    for (what, content_type, encoding, body, status, code) in [
        ("malformed protobuf", protobuf, None, b"\xff\xff\xff".to_vec(), 400, Code::InvalidArgument),
        ("malformed JSON", json, None, b"{nope".to_vec(), 400, Code::InvalidArgument),
        ("a list", json, None, b" []".to_vec(), 400, Code::InvalidArgument),
        ("a text", json, None, b"\"x\"".to_vec(), 400, Code::InvalidArgument),
        ("nothing", json, None, b"null".to_vec(), 400, Code::InvalidArgument),
        ("a number", json, None, b"5".to_vec(), 400, Code::InvalidArgument),
        ("malformed gzip", json, Some("gzip"), b"{}".to_vec(), 400, Code::InvalidArgument),
        ("a bomb", json, Some("gzip"), bomb, 413, Code::ResourceExhausted),
        ("too large", protobuf, None, vec![0; 5_000_000], 413, Code::ResourceExhausted),
        ("of a wrong type", "text/plain", None, b"{}".to_vec(), 415, Code::InvalidArgument),
        ("of a wrong encoding", json, Some("br"), b"{}".to_vec(), 415, Code::InvalidArgument),
    ] {
        let answer = server.post("/v1/metrics", content_type, encoding, body).await;
        assert_eq!(answer.status(), status, "{what}");
        assert!(answer.headers().contains_key(DASHBOARD_HEADER), "{what}");
        let is_protobuf = answer.headers()["content-type"] == protobuf;
        assert_eq!(is_protobuf, content_type == protobuf, "{what}");
        let body = answer.bytes().await.unwrap();
        let (found, message) = if is_protobuf {
            let status = RpcStatus::decode(body).unwrap();
            (status.code, status.message)
        } else {
            let status: Json = serde_json::from_slice(&body).unwrap();
            (status["code"].as_i64().unwrap() as i32, status["message"].as_str().unwrap().to_owned())
        };
        assert_eq!(found, code as i32, "{what}");
        assert!(message.contains(' '), "{what}: {message}");
    }
    let url = format!("http://{}/v1/metrics", server.otlp);
    let answer = server.client.get(url).send().await.unwrap();
    assert_eq!(
        (answer.status(), answer.headers()["allow"].to_str().unwrap()),
        (StatusCode::METHOD_NOT_ALLOWED, "POST")
    );
    let status: Status = server.get(path::STATUS).await;
    assert_eq!((status.received.requests, status.received.refused_requests), (0, 11));
    let hits = |name: &str| status.limits.iter().find(|limit| limit.name == name).unwrap().hits;
    assert_eq!((hits("bytes of a request"), hits("bytes of a request, inflated")), (1, 1));
    server.stop().await;
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

#[tokio::test]
async fn grpc_takes_gzip_and_says_that_a_dashboard_listens() {
    let server = Running::start(config()).await;
    let channel = server.grpc().await;
    let mut metrics = MetricsServiceClient::new(channel.clone()).send_compressed(CompressionEncoding::Gzip);
    let answer = metrics.export(request("pay", 3)).await.unwrap();
    assert_eq!(answer.metadata().get(DASHBOARD_HEADER).unwrap(), env!("CARGO_PKG_VERSION"));
    assert_eq!(answer.get_ref().partial_success, None);
    let mut bad = request("pay", 3);
    bad.resource_metrics[0].scope_metrics[0].metrics[0].data = None;
    let partial = metrics.export(bad).await.unwrap().into_inner().partial_success.unwrap();
    assert_eq!(partial.rejected_data_points, 1);

    LogsServiceClient::new(channel.clone()).export(transition()).await.unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let spans = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [
        { "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "name": "GET",
          "startTimeUnixNano": now.to_string(), "endTimeUnixNano": (now + 1).to_string() },
    ] }] }] });
    let spans: ExportTraceServiceRequest = serde_json::from_value(spans).unwrap();
    TraceServiceClient::new(channel).export(spans).await.unwrap();

    let pools: Vec<PoolSummary> = server.get(path::POOLS).await;
    assert_eq!(pools[0].breaker, Some(("pay:443".into(), BreakerState::Open)));
    let events: Vec<Event> = server.get(path::EVENTS).await;
    assert_eq!(events[0].text, "breaker pay:443 opened");
    let status: Status = server.get(path::STATUS).await;
    assert_eq!((status.received.spans, status.received.log_records), (1, 1));
    server.stop().await;
}

#[tokio::test]
async fn grpc_refuses_with_codes_that_are_not_sent_again() {
    let mut config = config();
    config.limits.max_inflated_bytes = 10_000;
    let server = Running::start(config).await;
    let channel = server.grpc().await;
    let mut large = request("pay", 3);
    large.resource_metrics[0].schema_url = "x".repeat(100_000);
    for encoding in [None, Some(CompressionEncoding::Gzip)] {
        let mut client = MetricsServiceClient::new(channel.clone());
        if let Some(encoding) = encoding {
            client = client.send_compressed(encoding);
        }
        let refused = client.export(large.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted, "{encoding:?}: {refused}");
        assert!(refused.metadata().get(DASHBOARD_HEADER).is_some());
    }
    let status: Status = server.get(path::STATUS).await;
    let inflated = status.limits.iter().find(|limit| limit.name == "bytes of a request, inflated").unwrap();
    assert_eq!(inflated.hits, 2);
    // A message of another shape under the path of metrics.
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static(
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    );
    let codec = tonic_prost::ProstCodec::<RpcStatus, RpcStatus>::default();
    let wrong = tonic::Request::new(RpcStatus { code: 5, message: "no such thing".into() });
    let refused = grpc.unary(wrong, path, codec).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    // The server still works.
    MetricsServiceClient::new(channel).export(request("pay", 3)).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn the_stream_begins_with_the_picture_and_goes_on_with_changes() {
    let server = Running::start(config()).await;
    MetricsServiceClient::new(server.grpc().await).export(request("pay", 3)).await.unwrap();
    let url = format!("http://{}{}", server.http, path::STREAM);
    let mut stream =
        Stream { response: server.client.get(url).send().await.unwrap(), rest: String::new(), searched: 0 };
    let ServerMessage::Full(full) = stream.next().await else { panic!("the picture comes first") };
    assert_eq!((full.pools.len(), full.lagged, full.status.streams), (1, false, 1));
    assert_eq!((&full.history[0].0, full.history[0].1.0.len()), (&full.pools[0].id, 1));
    assert_eq!(full.services[0].instances[0].pools, 1);

    let sent = std::time::Instant::now();
    LogsServiceClient::new(server.grpc().await).export(transition()).await.unwrap();
    loop {
        let ServerMessage::Update(update) = stream.next().await else { panic!("nobody lags") };
        if let Some(event) = update.events.first() {
            assert_eq!(event.kind, event::BREAKER_TRANSITION);
            assert_eq!(update.breakers[0].state, BreakerState::Open);
            assert_eq!(update.pools[0].breaker, Some(("pay:443".into(), BreakerState::Open)));
            break;
        }
    }
    assert!(sent.elapsed() < Duration::from_millis(500), "{:?}", sent.elapsed());
    // Silence is told as well, and every few seconds how the server is.
    let mut silent = 0;
    loop {
        let ServerMessage::Update(update) = stream.next().await else { panic!("nobody lags") };
        silent += 1;
        if update.status.is_some() {
            break;
        }
    }
    assert!(silent <= 6, "{silent} messages without a status");
    server.stop().await;
    assert!(stream.ends().await, "the stream ends with the server");
}

#[tokio::test]
async fn a_reader_that_lags_gets_the_whole_picture_again() {
    let server = Running::start(config()).await;
    let mut grpc = MetricsServiceClient::new(server.grpc().await);
    let url = format!("http://{}{}", server.http, path::STREAM);
    let mut stream =
        Stream { response: server.client.get(url).send().await.unwrap(), rest: String::new(), searched: 0 };
    assert!(matches!(stream.next().await, ServerMessage::Full(_)));
    // More than sockets and buffers hold, while nobody reads: pools that are new are told whole.
    for round in 0..16 {
        let pool = |n| request(&format!("{round}-{n}-{}", "x".repeat(400)), 1);
        let many: Vec<_> = (0..1_500).map(pool).collect();
        let many = ExportMetricsServiceRequest {
            resource_metrics: many.into_iter().flat_map(|one| one.resource_metrics).collect(),
        };
        grpc.export(many).await.unwrap();
        tokio::time::sleep(Duration::from_millis(210)).await;
    }
    loop {
        if let ServerMessage::Full(full) = stream.next().await {
            assert!(full.lagged);
            assert!(full.pools.len() >= 1_500, "{}", full.pools.len());
            break;
        }
    }
    drop(stream);
    server.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_one_sentence_that_names_address_and_flag() {
    let taken = std::net::TcpListener::bind(any_port()).unwrap();
    let address = taken.local_addr().unwrap();
    let error = Server::bind(Config { otlp_http_addr: address, ..config() }).await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "cannot listen on {address} for OTLP over HTTP: another program uses it; \
             choose another address with --otlp-http-addr"
        )
    );
    let program = std::process::Command::new(env!("CARGO_BIN_EXE_poolscope-dashboard"))
        .args(["--http-addr", &address.to_string()])
        .output()
        .unwrap();
    assert_eq!(program.status.code(), Some(1));
    let stderr = String::from_utf8(program.stderr).unwrap();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains(&address.to_string()) && stderr.contains("--http-addr"), "{stderr}");
}

/// Reads server-sent events.
struct Stream {
    response: Response,
    rest: String,
    searched: usize,
}

impl Stream {
    async fn next(&mut self) -> ServerMessage {
        loop {
            // What was searched before ends in at most half a separator.
            if let Some(found) = self.rest[self.searched..].find("\n\n") {
                let event = self.rest[..self.searched + found].strip_prefix("data: ").unwrap();
                let message = serde_json::from_str(event).unwrap();
                self.rest.drain(..self.searched + found + 2);
                self.searched = 0;
                return message;
            }
            self.searched = self.rest.len().saturating_sub(1);
            let chunk =
                tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("the stream goes on");
            self.rest.push_str(std::str::from_utf8(&chunk.unwrap().expect("the stream is open")).unwrap());
        }
    }

    async fn ends(&mut self) -> bool {
        let rest = async { while let Ok(Some(_)) = self.response.chunk().await {} };
        tokio::time::timeout(PATIENCE, rest).await.is_ok()
    }
}

/// Reports of an instance: a pool, and sessions of which some hang.
fn report_of(instance: &str, active: u32, overdue: u32) -> Json {
    let mut report = report("pay.example", active);
    report["resourceMetrics"][0]["resource"]["attributes"][1] = text(attr::SERVICE_INSTANCE_ID, instance);
    let point =
        |count: u32| json!({ "attributes": [text(attr::SESSION_NAME, "chat")], "asInt": count.to_string() });
    let sessions = [(&metric::SESSION_ACTIVE, 3), (&metric::SESSION_OVERDUE, overdue)];
    for (metric, count) in sessions {
        let sum = json!({ "name": metric.name, "sum": { "aggregationTemporality": 2, "dataPoints": [point(count)] } });
        report["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array_mut().unwrap().push(sum);
    }
    report
}

#[tokio::test]
async fn two_instances_are_one_pool_and_what_hangs_in_one_is_told() {
    let rule = vec!["session_overdue=2".parse().unwrap()];
    let server = Running::start(Config { rule, ..config() }).await;
    for (instance, active, overdue) in [("one", 3, 1), ("two", 4, 2)] {
        let body = serde_json::to_vec(&report_of(instance, active, overdue)).unwrap();
        assert_eq!(server.post("/v1/metrics", "application/json", None, body).await.status(), StatusCode::OK);
    }
    let groups: Vec<PoolGroup> = server.get(path::GROUPS).await;
    assert_eq!(groups.len(), 1);
    let group = &groups[0];
    assert_eq!((group.members.len(), group.current), (2, 2));
    assert_eq!((group.merged.now.active, group.merged.now.idle), (Some(7), Some(2)));
    assert_eq!(group.merged.health.sentence, "fine on all 2 instances");
    let sessions: Vec<Sessions> = server.get(path::SESSIONS).await;
    assert_eq!(sessions.iter().map(|one| one.now.active).collect::<Vec<_>>(), [3, 3]);
    // The limit that was set leaves the one alone, and not the other.
    let warnings: Vec<Warning> = server.get(path::WARNINGS).await;
    let told: Vec<_> = warnings.iter().map(|one| (one.rule, one.instance.as_str())).collect();
    assert_eq!(told, [(Rule::SessionOverdue, "two")]);
    // Both have a past, alone and together.
    let of_one = format!("{}/{}", path::SESSIONS, sessions[0].id);
    let one: FigureHistory = server.get(&of_one).await;
    assert_eq!((one.points.len(), one.instances, one.points[0].values[0]), (1, 1, Some(3.0)));
    let all: FigureHistory = server.get(&format!("{of_one}?instances=all")).await;
    assert_eq!((all.instances, all.points[0].values[0]), (2, Some(6.0)));
    let csv = server.client.get(format!("http://{}{of_one}?format=csv", server.http)).send().await.unwrap();
    let csv = csv.text().await.unwrap();
    assert!(csv.starts_with("time,at_ms,active,overdue,limit,") && csv.lines().count() == 2, "{csv}");
    for (wrong, status) in [
        (format!("{of_one}?instances=some"), StatusCode::BAD_REQUEST),
        (format!("{of_one}?from_ms=9&to_ms=9"), StatusCode::BAD_REQUEST),
        (format!("{}/none", path::PROTECTION), StatusCode::NOT_FOUND),
        (format!("{}?from_ms=9&to_ms=9", path::WARNING_LOG), StatusCode::BAD_REQUEST),
    ] {
        let answer = server.client.get(format!("http://{}{wrong}", server.http)).send().await.unwrap();
        assert_eq!(answer.status(), status, "{wrong}");
    }
    let told = async || -> WarningLog { server.get(path::WARNING_LOG).await };
    let is_noted = async {
        while told().await.warnings.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, is_noted).await.unwrap();
    let log = told().await;
    assert_eq!((log.warnings[0].warning.instance.as_str(), log.warnings[0].to_ms), ("two", None));
    let services: Vec<Service> = server.get(path::SERVICES).await;
    assert_eq!(
        services[0].instances.iter().map(|one| (one.pools, one.sessions)).collect::<Vec<_>>(),
        [(1, 1); 2]
    );
    server.stop().await;
}
