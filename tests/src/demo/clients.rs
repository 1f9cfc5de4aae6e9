//! The clients of the demo, built as a user would build them.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use poolscope::breaker::BreakerLayer;
use poolscope::hyper::{ConnectLayer, RequestLayer, ResponseBody};
use poolscope::retry::{RetryLayer, RetryPolicy};
use poolscope::timeout::TimeoutLayer;
use poolscope::{ConfigError, Scope};
use tower::util::BoxCloneService;
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};

/// A hyper client under protection.
pub(super) type HyperStack =
    BoxCloneService<Request<Empty<Bytes>>, Response<ResponseBody<Incoming>>, BoxError>;

/// A reqwest client under protection.
pub(super) type ReqwestStack = BoxCloneService<reqwest::Request, reqwest::Response, BoxError>;

/// How long a name look-up of the demo takes, so that a new connection is something to wait for.
const LOOK_UP: Duration = Duration::from_millis(25);

/// Time for one attempt; the slow upstream is slower in its bad times.
const ATTEMPT: Duration = Duration::from_millis(900);

/// A breaker that opens and closes within the time that somebody looks at a demo.
fn breaker(scope: &Scope, client: &str) -> Result<BreakerLayer, ConfigError> {
    BreakerLayer::builder(scope)
        .name(client)
        .window(40)
        .minimum_calls(20)
        .open_time(Duration::from_secs(3))
        .build()
}

/// hyper-util's client, observed and under retry, breaker and timeout.
pub(super) fn hyper(scope: &Scope, name: &str, http2: bool) -> Result<HyperStack, ConfigError> {
    let client = scope.client(name).pool_idle_timeout(Duration::from_secs(8));
    let connect = ConnectLayer::new(&client);
    let connect = if http2 { connect.http2_only() } else { connect };
    let connector =
        ServiceBuilder::new().layer(connect).service(HttpConnector::new_with_resolver(service_fn(look_up)));
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
    let client = scope.client(name).pool_idle_timeout(Duration::from_secs(8));
    let connect = poolscope::reqwest::ConnectLayer::new(&client);
    let connect = if http2 { connect.http2_only() } else { connect };
    let mut builder = reqwest::Client::builder()
        .pool_idle_timeout(Duration::from_secs(8))
        .dns_resolver(LookUp)
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
async fn look_up(_: Name) -> Result<std::iter::Once<SocketAddr>, std::io::Error> {
    tokio::time::sleep(LOOK_UP).await;
    Ok(std::iter::once(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))))
}

/// The same look-up for reqwest.
struct LookUp;

impl reqwest::dns::Resolve for LookUp {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(async {
            tokio::time::sleep(LOOK_UP).await;
            let addresses: reqwest::dns::Addrs =
                Box::new(std::iter::once(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
            Ok(addresses)
        })
    }
}
