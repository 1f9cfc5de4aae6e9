//! The demo service: a shop that calls its upstreams, some calls at a time.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use poolscope::guard::ResourceGuard;
use poolscope::health::HealthProbe;
use poolscope::{Origin, Scope};
use tokio::task::JoinSet;
use tower::{BoxError, Service, ServiceExt};
use tracing::Instrument;

use super::chats::Chats;
use super::clients::{self, Breakers, HyperStack, ReqwestStack};
use super::feeds::Feeds;
use super::upstreams::{Pace, Upstreams, WHOLE_CATALOG};

/// How long the careless job rests after it has read its response.
const RESTS: Duration = Duration::from_secs(20);

/// How often the failing upstream is asked how it is, and from how long on its answer is slow.
const PROBES: Duration = Duration::from_secs(1);
const SLOW: Duration = Duration::from_millis(250);

/// How the demo behaves.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How long the sick upstreams are well and ill.
    pub pace: Pace,
    /// Workers for each upstream, each with one call at a time.
    pub workers: u32,
    /// How long the careless job leaves its response alone.
    pub held: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { pace: Pace::default(), workers: 6, held: Duration::from_secs(7) }
    }
}

/// A running demo; dropping it stops its calls and upstreams.
pub struct Demo {
    upstreams: Arc<Upstreams>,
    workers: JoinSet<()>,
    /// Of the upstream that fails now and then.
    probe: Option<HealthProbe>,
    feeds: Feeds,
    chats: Chats,
}

impl Demo {
    /// Starts upstreams, clients and calls. Everything is counted into the scope.
    ///
    /// # Errors
    /// If a port can't be bound or a client can't be built.
    pub async fn start(scope: &Scope, options: Options) -> Result<Self, BoxError> {
        Self::start_with(scope, options, &Breakers::new(scope)?).await
    }

    /// The same with these breakers.
    ///
    /// # Errors
    /// As [`Demo::start`].
    pub async fn start_with(scope: &Scope, options: Options, breakers: &Breakers) -> Result<Self, BoxError> {
        let upstreams = Arc::new(Upstreams::start(options.pace).await?);
        Self::start_at(scope, options, upstreams, breakers).await
    }

    /// Starts another instance of the service, which calls the same upstreams.
    ///
    /// # Errors
    /// As [`Demo::start`].
    pub async fn start_another(&self, scope: &Scope, options: Options) -> Result<Self, BoxError> {
        Self::start_at(scope, options, Arc::clone(&self.upstreams), &Breakers::new(scope)?).await
    }

    async fn start_at(
        scope: &Scope,
        options: Options,
        upstreams: Arc<Upstreams>,
        breakers: &Breakers,
    ) -> Result<Self, BoxError> {
        let guard = ResourceGuard::builder(scope).build()?;
        let checkout = clients::named(scope, clients::CHECKOUT, false, breakers);
        let observed = checkout.hyper();
        let inventory = url("inventory", upstreams.inventory.addr());
        let probe = HealthProbe::builder(scope, inventory)
            .interval(PROBES)
            .slow_from(SLOW)
            .spawn(observed.clone())?;
        let checkout = checkout.protect_hyper(&guard, observed)?;
        let search = clients::named(scope, clients::SEARCH, true, breakers);
        let search = search.protect_hyper(&guard, search.hyper())?;
        let shop = clients::named(scope, clients::SHOP, false, breakers).reqwest(&guard)?;
        let suggest = clients::named(scope, clients::SUGGEST, true, breakers).reqwest(&guard)?;

        let mut workers = JoinSet::new();
        let at = |name: &str, upstream: &crate::upstream::Upstream| url(name, upstream.addr());
        for _ in 0..options.workers {
            workers.spawn(work(Caller::Hyper(checkout.clone()), at("payments", &upstreams.payments)));
            workers.spawn(work(Caller::Hyper(checkout.clone()), at("inventory", &upstreams.inventory)));
            workers.spawn(work(Caller::Hyper(search.clone()), at("search", &upstreams.search)));
            workers.spawn(work(Caller::Reqwest(shop.clone()), at("catalog", &upstreams.catalog)));
            workers.spawn(work(Caller::Reqwest(shop.clone()), at("ads", &upstreams.ads)));
            workers.spawn(work(Caller::Reqwest(shop.clone()), at("legacy", &upstreams.legacy)));
            workers.spawn(work(Caller::Reqwest(suggest.clone()), at("search", &upstreams.search)));
        }
        let whole = format!("{}{WHOLE_CATALOG}", at("catalog", &upstreams.catalog).trim_end_matches('/'));
        workers.spawn(leave_alone(shop, whole, options.held));
        let feeds = Feeds::start(scope).await?;
        let chats = Chats::start(scope).await?;
        Ok(Self { upstreams, workers, probe: Some(probe), feeds, chats })
    }

    /// The upstreams, with their own counts.
    #[must_use]
    pub fn upstreams(&self) -> &Upstreams {
        &self.upstreams
    }

    /// Stops the calls, the probes, the feeds and the chat; connections and upstreams stay.
    pub async fn stop_calls(&mut self) {
        self.probe = None;
        self.feeds.stop().await;
        self.chats.stop().await;
        self.workers.shutdown().await;
    }
}

impl fmt::Debug for Demo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Demo").field("upstreams", &self.upstreams).finish_non_exhaustive()
    }
}

fn url(name: &str, addr: SocketAddr) -> String {
    format!("http://{name}.internal:{}/", addr.port())
}

/// A client of either kind.
enum Caller {
    Hyper(HyperStack),
    Reqwest(ReqwestStack),
}

/// One worker: calls, pauses, and does now and then what careless callers do.
async fn work(mut caller: Caller, url: String) {
    loop {
        let span = tracing::info_span!("visit", url = %url);
        // Errors are the point of the demo: the layers count them.
        let _ = match fastrand::u8(..100) {
            0..2 => tokio::time::timeout(Duration::from_millis(8), caller.call(&url, true))
                .instrument(span)
                .await
                .ok(),
            2..4 => Some(caller.call(&url, false).instrument(span).await),
            _ => Some(caller.call(&url, true).instrument(span).await),
        };
        tokio::time::sleep(Duration::from_millis(fastrand::u64(20..160))).await;
    }
}

/// A job that has its response and does something else before it reads it, again and again.
async fn leave_alone(mut stack: ReqwestStack, url: String, held: Duration) {
    loop {
        let span = tracing::info_span!("report", url = %url);
        // A call that fails leaves nothing to forget, and the layers count it.
        let _ = forget(&mut stack, &url, held).instrument(span).await;
        tokio::time::sleep(RESTS).await;
    }
}

async fn forget(stack: &mut ReqwestStack, url: &str, held: Duration) -> Result<(), BoxError> {
    let request = reqwest::Request::new(reqwest::Method::GET, url.parse()?);
    // A call starts the request at once, so it is made inside.
    let response = Origin::here().scope(async { stack.ready().await?.call(request).await }).await?;
    tokio::time::sleep(held).await;
    response.bytes().await?;
    Ok(())
}

impl Caller {
    /// Calls the URL; reads the body, or drops it.
    async fn call(&mut self, url: &str, read: bool) -> Result<(), BoxError> {
        match self {
            Self::Hyper(stack) => {
                let request = Request::get(url).body(Empty::<Bytes>::new())?;
                let response = stack.ready().await?.call(request).await?;
                if read {
                    response.into_body().collect().await?;
                }
            }
            Self::Reqwest(stack) => {
                let request = reqwest::Request::new(reqwest::Method::GET, url.parse()?);
                let response = stack.ready().await?.call(request).await?;
                if read {
                    response.bytes().await?;
                }
            }
        }
        Ok(())
    }
}
