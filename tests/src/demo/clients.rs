//! The clients of the demo, built as a user would build them.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::{Client, Error as HyperError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use poolscope::breaker::BreakerLayer;
use poolscope::guard::ResourceGuard;
use poolscope::hyper::{ConnectLayer, RequestLayer, ResponseBody};
use poolscope::limit::LimitLayer;
use poolscope::otlp::Control;
use poolscope::reqwest::DnsResolver;
use poolscope::retry::RetryPolicy;
use poolscope::timeout::{Adaptive, TimeoutLayer};
use poolscope::{ClientScope, ConfigError, PhaseLayer, Scope, Stack};
use tower::retry::budget::TpsBudget;
use tower::util::BoxCloneService;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn};

/// A hyper client under protection.
pub(super) type HyperStack =
    BoxCloneService<Request<Empty<Bytes>>, Response<UnsyncBoxBody<Bytes, HyperBodyError>>, BoxError>;

type HyperBodyError = hyper::Error;

/// A reqwest client under protection.
pub(super) type ReqwestStack = BoxCloneService<reqwest::Request, reqwest::Response, BoxError>;

/// How long a name look-up of the demo takes, so that a new connection is something to wait for.
const LOOK_UP: Duration = Duration::from_millis(25);

/// A host whose look-up fails now and then.
const BADLY_NAMED: &str = "ads.internal";

/// How long a response may be left alone before it counts as leaked: short enough for a demo to show it.
const LEAK_THRESHOLD: Duration = Duration::from_secs(2);

/// Time for a whole call, with all of its attempts.
const CALL: Duration = Duration::from_secs(6);

/// Time to have a connection: new ones are made within a fraction of it.
const ACQUIRE: Duration = Duration::from_secs(1);

/// Time to the head of an answer; the slow upstream is slower in its bad times.
const HEADERS: Duration = Duration::from_millis(900);

/// A client whose breakers judge more than failures.
pub(super) const CHECKOUT: &str = "checkout";

/// From how long on one of its calls is slow.
const SLOW: Duration = Duration::from_millis(600);

/// Requests in flight to one destination of a client: enough but in the bad times of the slow one.
const PER_DESTINATION: u32 = 5;

/// Requests of a client in flight to all destinations together: enough nearly always.
const TOTAL: u32 = 8;

/// The clients that have breakers.
const GUARDED: [&str; 4] = [CHECKOUT, SEARCH, SHOP, SUGGEST];
pub(super) const SEARCH: &str = "search";
pub(super) const SHOP: &str = "shop";
pub(super) const SUGGEST: &str = "suggest";

/// The breakers of the demo's clients. They are there before the clients are, for who exports has to know which of them
/// may be held from a dashboard.
#[derive(Debug, Clone)]
pub struct Breakers(BTreeMap<&'static str, BreakerLayer>);

impl Breakers {
    /// One for each client: it opens and closes within the time that somebody looks at a demo.
    ///
    /// # Errors
    /// If a breaker can't be built.
    pub fn new(scope: &Scope) -> Result<Self, ConfigError> {
        let breaker = |name| {
            let breaker = BreakerLayer::builder(scope)
                .name(name)
                .window(40)
                .minimum_calls(20)
                .open_time(Duration::from_secs(3));
            let breaker = match name {
                CHECKOUT => breaker.slow_calls(SLOW, 0.8).connect_failure_ratio(0.3),
                _ => breaker,
            };
            Ok((name, breaker.build()?))
        };
        Ok(Self(GUARDED.into_iter().map(breaker).collect::<Result<_, ConfigError>>()?))
    }

    /// Lets a dashboard hold all of them.
    pub fn control(&self) -> Control {
        self.0.values().fold(Control::new(), |control, breaker| control.all(&breaker.handle()))
    }
}

/// A client of the demo, by its name and its protocol.
#[derive(Debug)]
pub(super) struct Named {
    client: ClientScope,
    name: &'static str,
    http2: bool,
    breaker: BreakerLayer,
}

/// A client, of which the scope knows when a connection is idle for too long and when a response is leaked.
pub(super) fn named(scope: &Scope, name: &'static str, http2: bool, breakers: &Breakers) -> Named {
    let client =
        scope.client(name).pool_idle_timeout(Duration::from_secs(8)).leak_threshold(Some(LEAK_THRESHOLD));
    Named { client, name, http2, breaker: breakers.0[name].clone() }
}

impl Named {
    fn scope(&self) -> &Scope {
        self.client.scope()
    }

    /// Retries, as many as a tenth of the calls pays for: an upstream that is down gets no more than that on top.
    fn retry(&self) -> Result<RetryPolicy, ConfigError> {
        let budget = TpsBudget::new(Duration::from_secs(10), 2, 0.1);
        RetryPolicy::builder(self.scope(), self.name).budget(budget).build()
    }

    fn limit(&self) -> Result<LimitLayer, ConfigError> {
        LimitLayer::builder(&self.client).per_destination(PER_DESTINATION).total(TOTAL).build()
    }

    /// The time to the head of an answer, which the HTTP/2 clients find out by themselves.
    fn headers(&self) -> Result<TimeoutLayer, ConfigError> {
        if !self.http2 {
            return TimeoutLayer::headers(self.scope(), HEADERS);
        }
        let adaptive = Adaptive::between(Duration::from_millis(20), HEADERS);
        TimeoutLayer::builder(self.scope(), "search headers").adaptive(adaptive).headers().build()
    }

    /// hyper-util's client, observed and not protected.
    pub(super) fn hyper(
        &self,
    ) -> impl Service<
        Request<Empty<Bytes>>,
        Response = Response<ResponseBody<Incoming>>,
        Error = HyperError,
        Future: Send,
    > + Clone
    + Send
    + 'static {
        let connect = ConnectLayer::new(&self.client);
        let connect = if self.http2 { connect.http2_only() } else { connect };
        let resolver = PhaseLayer::dns().layer(service_fn(|name: Name| look_up(name.as_str().to_owned())));
        let connector = ServiceBuilder::new()
            .layer(connect)
            .layer(PhaseLayer::tcp())
            .service(HttpConnector::new_with_resolver(resolver));
        let client_service = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(8))
            .http2_only(self.http2)
            .build(connector);
        RequestLayer::new(&self.client).layer(client_service)
    }

    /// A client of hyper-util under guard, timeouts, retry, breaker and limit.
    pub(super) fn protect_hyper(
        &self,
        guard: &ResourceGuard,
        observed: impl Service<
            Request<Empty<Bytes>>,
            Response = Response<ResponseBody<Incoming>>,
            Error = HyperError,
            Future: Send,
        > + Clone
        + Send
        + 'static,
    ) -> Result<HyperStack, ConfigError> {
        let stack = Stack::new(&self.client)
            .guard(guard.layer())
            .call_timeout(TimeoutLayer::new(self.scope(), "call", CALL)?)
            .retry(self.retry()?)
            .breaker(self.breaker.clone())
            .limit(self.limit()?)
            .attempt((TimeoutLayer::acquire(self.scope(), ACQUIRE)?, self.headers()?));
        let service = stack.layer(observed).map_response(|response| response.map(BodyExt::boxed_unsync));
        Ok(BoxCloneService::new(service.map_err(BoxError::from)))
    }

    /// reqwest's client, observed and protected in the same way.
    pub(super) fn reqwest(
        &self,
        guard: &ResourceGuard,
    ) -> Result<ReqwestStack, Box<dyn Error + Send + Sync>> {
        let connect = poolscope::reqwest::ConnectLayer::new(&self.client);
        let connect = if self.http2 { connect.http2_only() } else { connect };
        let mut builder = reqwest::Client::builder()
            .pool_idle_timeout(Duration::from_secs(8))
            .dns_resolver(DnsResolver::new(Arc::new(LookUp)))
            .connector_layer(connect);
        if self.http2 {
            builder = builder.http2_prior_knowledge();
        }
        let observed = poolscope::reqwest::RequestLayer::new(&self.client).layer(builder.build()?);
        let stack = Stack::new(&self.client)
            .guard(guard.layer())
            .call_timeout(TimeoutLayer::new(self.scope(), "call", CALL)?)
            .retry(self.retry()?)
            .breaker(self.breaker.clone())
            .limit(self.limit()?)
            .attempt((TimeoutLayer::acquire(self.scope(), ACQUIRE)?, self.headers()?));
        Ok(BoxCloneService::new(stack.layer(observed).map_err(BoxError::from)))
    }
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
