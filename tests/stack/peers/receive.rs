//! What we export is read by OpenTelemetry's own messages in Python, JavaScript and Go, and says what the scope says.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use poolscope::otlp::{Otlp, Protocol};
use poolscope::{Scope, ScopeSnapshot};
use poolscope_semconv::value::{AcquireOutcome, ConnectionState};
use poolscope_semconv::{SCOPE_NAME, attr, event, metric};
use poolscope_tests::demo::{Demo, Options, Pace};
use poolscope_tests::wait;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::Language;

/// How long the demo works.
const WORK: Duration = Duration::from_secs(4);

/// A peer that receives; dropping it ends it.
struct Receiver {
    grpc: u64,
    http: u64,
    read: Arc<Mutex<Read>>,
    _child: Child,
}

/// What a peer has read.
#[derive(Default)]
struct Read {
    /// The newest point of each series, by its metric and its attributes.
    series: BTreeMap<String, BTreeMap<String, Series>>,
    spans: Vec<Value>,
    records: Vec<Value>,
    /// Protocol and compression of each request.
    ways: BTreeSet<(String, String)>,
}

impl Read {
    fn take(&mut self, request: &Value) {
        let text = |key: &str| request[key].as_str().unwrap().to_owned();
        self.ways.insert((text("protocol"), text("compression")));
        match request["signal"].as_str().unwrap() {
            "metrics" => {
                for metric in items(request, "resourceMetrics", "scopeMetrics", "metrics") {
                    let name = metric["name"].as_str().unwrap().to_owned();
                    let (data, unit) = (data(metric), metric["unit"].as_str().unwrap_or_default());
                    for point in list(&data["dataPoints"]) {
                        let attributes = attributes(point);
                        let value =
                            ["asInt", "asDouble", "count"].iter().find_map(|key| number(&point[*key]));
                        let one = Series {
                            value: value.unwrap_or_default(),
                            unit: unit.to_owned(),
                            temporality: number(&data["aggregationTemporality"]),
                            attributes,
                        };
                        let key = format!("{:?}", one.attributes);
                        self.series.entry(name.clone()).or_default().insert(key, one);
                    }
                }
            }
            "traces" => self.spans.extend(items(request, "resourceSpans", "scopeSpans", "spans").cloned()),
            "logs" => self.records.extend(items(request, "resourceLogs", "scopeLogs", "logRecords").cloned()),
            other => panic!("{other} is no signal"),
        }
    }
}

impl Receiver {
    async fn start(language: Language) -> Self {
        let mut command = Command::from(language.command().unwrap());
        command.arg("receive").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next_line().await.unwrap().unwrap();
        let ports: Value = serde_json::from_str(&first).unwrap();
        let read = Arc::new(Mutex::new(Read::default()));
        let reader = Arc::clone(&read);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                reader.lock().unwrap().take(&serde_json::from_str(&line).unwrap());
            }
        });
        let port = |name: &str| ports[name].as_u64().unwrap();
        Self { grpc: port("grpc"), http: port("http"), read, _child: child }
    }

    fn read(&self) -> MutexGuard<'_, Read> {
        self.read.lock().unwrap()
    }

    /// The sum over the series of a metric for which something holds.
    fn sum(&self, name: &str, wanted: impl Fn(&BTreeMap<String, String>) -> bool) -> u64 {
        let read = self.read();
        let series = read.series.get(name).into_iter().flat_map(BTreeMap::values);
        series.filter(|one| wanted(&one.attributes)).map(|one| one.value as u64).sum()
    }
}

#[derive(Debug)]
struct Series {
    value: f64,
    unit: String,
    temporality: Option<f64>,
    attributes: BTreeMap<String, String>,
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The items of a request; every resource is the demo and every scope has our name.
fn items<'a>(
    request: &'a Value,
    resources: &'a str,
    scopes: &'a str,
    items: &'a str,
) -> impl Iterator<Item = &'a Value> {
    let resources = list(&request["request"][resources]).iter();
    let scopes = resources.flat_map(move |resource| {
        assert_eq!(attributes(&resource["resource"])[attr::SERVICE_NAME], "shop");
        list(&resource[scopes])
    });
    scopes.flat_map(move |scope| {
        assert_eq!(scope["scope"]["name"], SCOPE_NAME);
        list(&scope[items])
    })
}

fn data(metric: &Value) -> &Value {
    ["sum", "gauge", "histogram"].iter().map(|kind| &metric[*kind]).find(|data| !data.is_null()).unwrap()
}

/// Whole numbers of 64 bits are text in OTLP's JSON.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

fn attributes(of: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| {
        let value = value.as_object().and_then(|any| any.values().find(|value| !value.is_null()));
        value
            .map_or_else(String::new, |value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let one = |kv: &Value| (kv["key"].as_str().unwrap_or_default().to_owned(), text(&kv["value"]));
    list(&of["attributes"]).iter().map(one).collect()
}

fn is_at_rest(snapshot: &ScopeSnapshot) -> bool {
    snapshot.pools.iter().all(|pool| pool.pending() == 0 && pool.in_flight() == 0 && pool.connecting == 0)
}

/// Lets the demo work and export to a peer, and compares.
pub(super) async fn what_is_read_is_what_was_meant(language: Language, protocol: Protocol, gzip: bool) {
    let receiver = Receiver::start(language).await;
    let port = if matches!(protocol, Protocol::Grpc) { receiver.grpc } else { receiver.http };
    let scope = Scope::new();
    let compression =
        move |name: &str| (gzip && name == "OTEL_EXPORTER_OTLP_COMPRESSION").then(|| "gzip".to_owned());
    let telemetry = Otlp::new(&scope)
        .environment(compression)
        .service_name("shop")
        .endpoint(format!("http://127.0.0.1:{port}"))
        .protocol(protocol)
        .metrics_interval(Duration::from_secs(1))
        .start()
        .unwrap();
    let pace = Pace { well: Duration::from_secs(1), sick: Duration::from_secs(2) };
    let mut demo = Demo::start(&scope, Options { pace, workers: 2, ..Options::default() }).await.unwrap();
    tokio::time::sleep(WORK).await;
    demo.stop_calls().await;
    wait::until("the demo to rest", async || scope.snapshot(), is_at_rest).await;
    telemetry.flush();
    let acquired = |snapshot: &ScopeSnapshot| snapshot.pools.iter().map(|pool| pool.acquired).sum::<u64>();
    let got = || {
        receiver.sum(metric::CONNECTION_ACQUIRES.name, |of| {
            let outcome = AcquireOutcome::parse(&of[attr::ACQUIRE_OUTCOME]).unwrap();
            !matches!(outcome, AcquireOutcome::Failed | AcquireOutcome::Canceled)
        })
    };
    wait::until(
        "every acquire to be read",
        async || (got(), acquired(&scope.snapshot())),
        |(got, all)| got == all,
    )
    .await;
    assert!(got() > 50, "{}", got());
    agrees(&receiver, &scope).await;
    spans_and_events_are_read(&receiver).await;

    let is_grpc = matches!(protocol, Protocol::Grpc);
    let way = if is_grpc { "grpc" } else { "application/x-protobuf" };
    let compression = if gzip && !is_grpc { "gzip" } else { "" };
    assert_eq!(receiver.read().ways, BTreeSet::from([(way.to_owned(), compression.to_owned())]));
    telemetry.shutdown();
}

/// Each figure that the peer has read, against the scope. Connections may still close, so both are asked again.
async fn agrees(receiver: &Receiver, scope: &Scope) {
    let figures = async || {
        let mut pairs = Vec::new();
        for pool in scope.snapshot().pools {
            let port = pool.port.to_string();
            let is_of_pool = |of: &BTreeMap<String, String>| {
                of[attr::CLIENT_NAME] == *pool.client
                    && of[attr::SERVER_PORT] == port
                    && of[attr::SERVER_ADDRESS] == *pool.host
            };
            let read = |name| receiver.sum(name, is_of_pool);
            let idle = receiver.sum(metric::HTTP_CLIENT_OPEN_CONNECTIONS.name, |of| {
                is_of_pool(of) && of[attr::HTTP_CONNECTION_STATE] == ConnectionState::Idle.as_str()
            });
            pairs.push(("opened", read(metric::CONNECTION_OPENED.name), pool.opened));
            pairs.push(("closed", read(metric::CONNECTION_CLOSED.name), pool.closed_total()));
            pairs.push(("lives", read(metric::HTTP_CLIENT_CONNECTION_DURATION.name), pool.closed_total()));
            pairs.push(("uses", read(metric::CONNECTION_USE_TIME.name), pool.released));
            pairs.push(("waits", read(metric::CONNECTION_WAIT_TIME.name), pool.acquired));
            pairs.push(("idle", idle, pool.counts().idle));
        }
        pairs
    };
    let pairs = wait::until("the figures to agree", figures, |pairs| {
        !pairs.is_empty() && pairs.iter().all(|(_, read, meant)| read == meant)
    })
    .await;
    assert!(pairs.iter().filter(|(.., meant)| *meant > 0).count() > 10, "{pairs:?}");
    for (def, temporality) in [(metric::CONNECTION_OPENED, 2.0), (metric::CONNECTION_WAIT_TIME, 2.0)] {
        for one in receiver.read().series[def.name].values() {
            assert_eq!((&*one.unit, one.temporality), (def.unit, Some(temporality)), "{one:?}");
            assert!(def.required.iter().all(|key| one.attributes.contains_key(*key)), "{one:?}");
        }
    }
}

async fn spans_and_events_are_read(receiver: &Receiver) {
    wait::until("spans", async || receiver.read().spans.len(), |count| *count > 20).await;
    let is_closed = |record: &&Value| record["eventName"] == event::CONNECTION_CLOSED;
    let closed = async || receiver.read().records.iter().find(is_closed).cloned();
    let closed = wait::until("a close", closed, Option::is_some).await.unwrap();
    assert!(attributes(&closed).contains_key(attr::CLOSE_REASON), "{closed}");
    let read = receiver.read();
    let linked = |span: &&Value| span["name"] == "GET" && !list(&span["links"]).is_empty();
    let request = read.spans.iter().find(linked).unwrap();
    // CLIENT.
    assert_eq!(request["kind"], 3, "{request}");
    let of = attributes(request);
    assert!(of.contains_key(attr::SERVER_ADDRESS) && of.contains_key(attr::URL_FULL), "{request}");
}
