//! What is really sent over OTLP is what the telemetry contract declares, in both directions.
//!
//! Each scenario runs with a scope and an export of its own; all go to one receiver. A new part of the contract needs a scenario
//! that provokes it: a file here with `pub(super) async fn run(world: &World)`, and a line in [`everything`].

mod breakers;
mod connects;
mod control;
mod demo;
mod judge;
mod queues;
mod receiver;
mod requests;
mod retries;
mod servers;
mod sessions;
mod supervisors;
mod tasks;
mod waits;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ::hyper::body::Incoming;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use poolscope::otlp::{Otlp, Telemetry};
use poolscope::{ClientScope, PhaseLayer, Scope, hyper};
use poolscope_tests::resolver::Resolver;
use tokio::net::TcpListener;
use tower::{Layer, Service};

use self::judge::{Sent, declared};
use self::receiver::Receiver;

/// What is declared and can't be provoked here, each with its reason.
const NOT_PROVOKED: &[(&str, &str)] = &[
    ("network.type is ipv6", "not every machine has it"),
    ("poolscope.observation is exact", "what is exact says nothing of it"),
    (
        "poolscope.observation is estimated",
        "only of a process that may not ask the kernel, which is one for itself",
    ),
];

/// Where scenarios send what they see.
struct World {
    url: String,
}

impl World {
    /// Exports a scope until the end of the scenario, which is [`World::end`].
    fn export(&self, scope: &Scope) -> Telemetry {
        let otlp = Otlp::new(scope).environment(|_| None).service_name("contract").endpoint(&self.url);
        let otlp = otlp.metrics_interval(Duration::from_millis(500));
        otlp.pool_snapshots(Duration::from_millis(100), 10).start().unwrap()
    }

    /// Sends what is left.
    async fn end(&self, telemetry: Telemetry) {
        tokio::task::spawn_blocking(|| telemetry.shutdown()).await.unwrap();
    }
}

/// A port that nobody listens on.
async fn nobody() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap()
}

/// hyper-util's client, observed, with a look-up that can be told apart.
fn hyper_client(
    client: &ClientScope,
) -> impl Service<
    Request<Full<Bytes>>,
    Response = Response<hyper::ResponseBody<Incoming>>,
    Error = legacy::Error,
    Future: Send,
> + Clone
+ use<> {
    let resolver = PhaseLayer::dns().layer(Resolver::slow(Duration::ZERO));
    let connector = hyper::ConnectLayer::new(client).layer(HttpConnector::new_with_resolver(resolver));
    let inner = legacy::Client::builder(TokioExecutor::new()).build(connector);
    hyper::RequestLayer::new(client).layer(inner)
}

/// Every scenario, side by side.
async fn everything(world: &World, receiver: &Receiver) {
    tokio::join!(
        demo::run(world, async || missing(&receiver.read()).is_empty()),
        waits::run(world),
        connects::run(world),
        requests::run(world),
        breakers::run(world),
        control::run(world),
        retries::run(world),
        servers::run(world),
        sessions::run(world),
        tasks::run(world),
        queues::run(world),
        supervisors::run(world)
    );
}

/// What is declared, could be provoked, and did not come.
fn missing(sent: &Sent) -> Vec<String> {
    let is_excused = |line: &String| NOT_PROVOKED.iter().any(|(excused, _)| excused == line);
    declared().difference(&sent.lines).filter(|line| !is_excused(line)).cloned().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_is_what_is_declared() {
    let receiver = Receiver::default();
    let url = receiver.start().await;
    everything(&World { url }, &receiver).await;

    let (sent, declared) = (receiver.read(), declared());
    let undeclared: Vec<_> = sent.lines.difference(&declared).collect();
    let missing = missing(&sent);
    assert!(
        sent.wrong.is_empty() && undeclared.is_empty() && missing.is_empty(),
        "sent otherwise than declared: {:#?}\nsent and not declared: {undeclared:#?}\ndeclared and never sent: {missing:#?}",
        sent.wrong
    );
    for (excused, reason) in NOT_PROVOKED {
        assert!(declared.contains(*excused), "{excused} is excused ({reason}) and not even declared");
    }
}
