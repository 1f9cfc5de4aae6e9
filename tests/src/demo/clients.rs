//! The clients of the demo, built as a user would build them.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use poolscope::breaker::{BreakerLayer, JudgedBody};
use poolscope::hyper::{ConnectLayer, RequestLayer, ResponseBody};
use poolscope::reqwest::DnsResolver;
use poolscope::retry::{RetryLayer, RetryPolicy};
use poolscope::timeout::TimeoutLayer;
use poolscope::{ClientScope, ConfigError, PhaseLayer, Scope};
use tower::util::BoxCloneService;
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt, service_fn};

/// A hyper client under protection.
pub(super) type HyperStack =
    BoxCloneService<Request<Empty<Bytes>>, Response<JudgedBody<ResponseBody<Incoming>>>, BoxError>;

/// A reqwest client under protection.
pub(super) type ReqwestStack = BoxCloneService<reqwest::Request, reqwest::Response, BoxError>;

/// How long a name look-up of the demo takes, so that a new connection is something to wait for.
const LOOK_UP: Duration = Duration::from_millis(25);

/// A host whose look-up fails now and then.
const BADLY_NAMED: &str = "ads.internal";

/// How long a response may be left alone before it counts as leaked: short enough for a demo to show it.
const LEAK_THRESHOLD: Duration = Duration::from_secs(2);

/// Time for one attempt; the slow upstream is slower in its bad times.
const ATTEMPT: Duration = Duration::from_millis(900);

/// A client whose breakers judge more than failures.
pub(super) const CHECKOUT: &str = "checkout";

/// From how long on one of its calls is slow.
const SLOW: Duration = Duration::from_millis(600);

fn client_scope(scope: &Scope, name: &str) -> ClientScope {
    scope.client(name).pool_idle_timeout(Duration::from_secs(8)).leak_threshold(Some(LEAK_THRESHOLD))
}

/// A breaker that opens and closes within the time that somebody looks at a demo.
fn breaker(scope: &Scope, client: &str) -> Result<BreakerLayer, ConfigError> {
    let breaker = BreakerLayer::builder(scope)
        .name(client)
        .window(40)
        .minimum_calls(20)
        .open_time(Duration::from_secs(3));
    let breaker = match client {
        CHECKOUT => breaker.slow_calls(SLOW, 0.8).connect_failure_ratio(0.3),
        _ => breaker,
    };
    breaker.build()
}

/// hyper-util's client, observed and under retry, breaker and timeout.
pub(super) fn hyper(scope: &Scope, name: &str, http2: bool) -> Result<HyperStack, ConfigError> {
    let client = client_scope(scope, name);
    let connect = ConnectLayer::new(&client);
    let connect = if http2 { connect.http2_only() } else { connect };
    let resolver = PhaseLayer::dns().layer(service_fn(|name: Name| look_up(name.as_str().to_owned())));
    let connector = ServiceBuilder::new()
        .layer(connect)
        .layer(PhaseLayer::tcp())
        .service(HttpConnector::new_with_resolver(resolver));
    let client_service = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(8))
        .http2_only(http2)
        .build(connector);
    let stack = ServiceBuilder::new()
        .layer(RetryLayer::new(RetryPolicy::new(scope, name)))
        .layer(breaker(scope, name)?)
        .layer(TimeoutLayer::new(scope, "attempt", ATTEMPT)?)
        .layer(RequestLayer::new(&client))
        .service(client_service);
    Ok(BoxCloneService::new(stack.map_err(BoxError::from)))
}

/// reqwest's client, observed and under retry, breaker and timeout.
pub(super) fn reqwest(
    scope: &Scope,
    name: &str,
    http2: bool,
) -> Result<ReqwestStack, Box<dyn Error + Send + Sync>> {
    let client = client_scope(scope, name);
    let connect = poolscope::reqwest::ConnectLayer::new(&client);
    let connect = if http2 { connect.http2_only() } else { connect };
    let mut builder = reqwest::Client::builder()
        .pool_idle_timeout(Duration::from_secs(8))
        .dns_resolver(DnsResolver::new(Arc::new(LookUp)))
        .connector_layer(connect);
    if http2 {
        builder = builder.http2_prior_knowledge();
    }
    let stack = ServiceBuilder::new()
        .layer(RetryLayer::new(RetryPolicy::new(scope, name)))
        .layer(breaker(scope, name)?)
        .layer(TimeoutLayer::new(scope, "attempt", ATTEMPT)?)
        .layer(poolscope::reqwest::RequestLayer::new(&client))
        .service(builder.build()?);
    Ok(BoxCloneService::new(stack.map_err(BoxError::from)))
}

/// Every name of the demo is this machine; finding it out takes a while, as it does elsewhere.
async fn look_up(name: String) -> io::Result<std::iter::Once<SocketAddr>> {
    tokio::time::sleep(LOOK_UP).await;
    if name == BADLY_NAMED && fastrand::u8(..100) < 4 {
        return Err(io::Error::other("the name server does not answer"));
    }
    Ok(std::iter::once(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))))
}

/// The same look-up for reqwest.
struct LookUp;

impl reqwest::dns::Resolve for LookUp {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(async move {
            let addresses: reqwest::dns::Addrs = Box::new(look_up(name.as_str().to_owned()).await?);
            Ok(addresses)
        })
    }
}
