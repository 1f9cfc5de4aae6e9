//! Listeners, and what answers on them.

use std::future::Future;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::middleware::from_fn_with_state;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::access::{Access, is_loopback};
use crate::app::App;
use crate::config::{Config, DEFAULT_STORE_MAX_MB};
use crate::conn::{Audience, Bound, Certificates, Patience, Places, Reload, Serving};
use crate::error::Error;
use crate::file::Keeper;
use crate::host::HostRule;
use crate::prometheus::Poller;
use crate::{file, live, otlp, web};

/// How long requests in flight may take when the server ends.
const GRACE: Duration = Duration::from_secs(3);

const HTTP: &str = "the dashboard";
const OTLP_GRPC: &str = "OTLP over gRPC";
const OTLP_HTTP: &str = "OTLP over HTTP";

/// A server whose listeners are open: connections are accepted by the system from the moment that it exists.
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    certificates: Option<Arc<Certificates>>,
    http: Bound,
    otlp_grpc: Bound,
    otlp_http: Bound,
    keeper: Option<Keeper>,
    /// Asks Prometheus, where that is the source.
    poller: Option<Poller>,
}

impl Server {
    /// Opens the listeners, and reads the files with certificates, tokens and keys, and that of the history if there is
    /// one. A file of the history that can't be used is no error: the server goes on without, and says so.
    ///
    /// # Errors
    /// If an address cannot be bound; the error names it and the flag that changes it. If a file cannot be used, or the
    /// rules of access cannot be meant so. If Prometheus is the source and its address is missing. If something is set of
    /// what is not asked for: Prometheus, or a file of the history.
    pub async fn bind(config: Config) -> Result<Self, Error> {
        if let Some(flag) = config.prometheus.unasked() {
            return Err(Error::PrometheusUnasked(flag));
        }
        if config.store.is_none() && config.store_max_mb != DEFAULT_STORE_MAX_MB {
            return Err(Error::NoStore);
        }
        let certificates = Certificates::new(&config.tls)?.map(Arc::new);
        let http = Bound::new(config.http_addr, HTTP, "--http-addr").await?;
        let otlp_grpc = Bound::new(config.otlp_grpc_addr, OTLP_GRPC, "--otlp-grpc-addr").await?;
        let otlp_http = Bound::new(config.otlp_http_addr, OTLP_HTTP, "--otlp-http-addr").await?;
        let access = Access::new(&config, http.address, [otlp_grpc.address, otlp_http.address])?;
        let scheme = scheme(certificates.is_some());
        let url = |bound: &Bound| format!("{scheme}://{}", reachable(bound.address));
        let limits = config.limits;
        let patience = Patience {
            header: Duration::from_secs(limits.header_timeout_s),
            idle: Duration::from_secs(limits.idle_timeout_s),
        };
        // On loopback all come from one address.
        let places = |bound: &Bound| {
            Arc::new(Places::new(limits.max_connections, !is_loopback(bound.address), patience))
        };
        let places =
            [(HTTP, places(&http)), (OTLP_GRPC, places(&otlp_grpc)), (OTLP_HTTP, places(&otlp_http))];
        let mut app = App::new(config, access, url(&otlp_grpc), url(&otlp_http));
        app.places = places.into();
        let app = Arc::new(app);
        let state = app.prometheus.clone();
        let poller = state.map(|state| Poller::new(app.clone(), state)).transpose()?;
        let keeper = file::open(app.clone()).await;
        Ok(Self { app, certificates, http, otlp_grpc, otlp_http, keeper, poller })
    }

    /// Where the dashboard listens for browsers.
    #[must_use]
    pub fn http_addr(&self) -> SocketAddr {
        self.http.address
    }

    /// Where OTLP over gRPC is taken.
    #[must_use]
    pub fn otlp_grpc_addr(&self) -> SocketAddr {
        self.otlp_grpc.address
    }

    /// Where OTLP over HTTP is taken.
    #[must_use]
    pub fn otlp_http_addr(&self) -> SocketAddr {
        self.otlp_http.address
    }

    /// Where the browser finds the dashboard.
    #[must_use]
    pub fn http_url(&self) -> String {
        match &self.app.access.public {
            Some(public) => public.url.clone(),
            None => self.url(self.http.address),
        }
    }

    /// The URL of OTLP over gRPC.
    #[must_use]
    pub fn otlp_grpc_url(&self) -> String {
        self.url(self.otlp_grpc.address)
    }

    /// The URL of OTLP over HTTP.
    #[must_use]
    pub fn otlp_http_url(&self) -> String {
        self.url(self.otlp_http.address)
    }

    fn url(&self, address: SocketAddr) -> String {
        format!("{}://{address}", scheme(self.certificates.is_some()))
    }

    /// The link that logs a browser in; `None` if nobody has to. It is as good as a password.
    #[must_use]
    pub fn login_link(&self) -> Option<String> {
        let rule = self.app.access.login()?;
        let page = match &self.app.access.public {
            Some(public) => public.url.clone(),
            None => self.url(reachable(self.http.address)),
        };
        Some(format!("{page}{}?t={}", poolscope_wire::path::LOGIN, rule.token()))
    }

    /// Sentences about what is open to others, for whoever starts the server.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.app.access.warnings
    }

    /// Asks this server, also while it runs, to read its certificates and key files again; `None` if it has none.
    #[must_use]
    pub fn reload(&self) -> Option<Reload> {
        self.app.files.reload()
    }

    /// Runs until `shutdown` is done, then lets requests in flight end.
    ///
    /// # Errors
    /// If a listener fails.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let (end, ending) = watch::channel(false);
        let Self { app, certificates, http, otlp_grpc, otlp_http, keeper, poller } = self;
        let access = &app.access;
        let public = access.public.as_ref().map(|public| &*public.host);
        let allowed = app.config.allowed_host.iter().map(String::as_str).chain(public);
        let page = web::router(app.clone(), HostRule::new(http.address, allowed.clone()));
        let hosts = HostRule::new(otlp_http.address, allowed);
        let over_http = web::guarded(otlp::http_router(app.clone()), app.clone(), hosts, Audience::Senders);
        let over_http = over_http.layer(from_fn_with_state(app.clone(), otlp::http_counted));

        let mut tasks = JoinSet::new();
        let serving = |index: usize, router, audience| Serving {
            router,
            places: app.places[index].1.clone(),
            certificates: certificates.clone().map(|certificates| (certificates, audience)),
            max_header_bytes: app.config.limits.max_header_bytes,
        };
        let over_grpc = serving(1, otlp::grpc_router(app.clone()), Audience::Senders);
        tasks.spawn(otlp_grpc.serve(over_grpc, ending.clone()));
        tasks.spawn(otlp_http.serve(serving(2, over_http, Audience::Senders), ending.clone()));
        tasks.spawn(http.serve(serving(0, page, Audience::Browsers), ending.clone()));
        if let Some(keeper) = keeper {
            tasks.spawn(infallible(file::keep(app.clone(), keeper, ended(ending.clone()))));
        }
        if let Some(poller) = poller {
            tasks.spawn(infallible(poller.run(ended(ending.clone()))));
        }
        tasks.spawn(infallible(live::publish(app.clone(), ended(ending.clone()))));
        tasks.spawn(infallible(watch_files(app.clone(), certificates, ended(ending))));
        app.ready.set(true);

        tokio::pin!(shutdown);
        let early = tokio::select! {
            () = &mut shutdown => None,
            ended = tasks.join_next() => ended,
        };
        app.ready.set(false);
        if let Some(control) = &app.control {
            control.end();
        }
        // Fails only if every task has ended already.
        let _ = end.send(true);
        let rest = tokio::time::timeout(GRACE, rest_of(tasks)).await.unwrap_or(Ok(()));
        early.map_or(Ok(()), flatten).and(rest)
    }
}

/// A task that has nothing to fail with.
async fn infallible(task: impl Future<Output = ()>) -> Result<(), Error> {
    task.await;
    Ok(())
}

/// Reads certificates, keys and tokens again whenever their files change.
async fn watch_files(
    app: Arc<App>,
    certificates: Option<Arc<Certificates>>,
    ended: impl Future<Output = ()>,
) {
    let read_again = || {
        // Both in any case: a certificate that can't be used must not keep a key in force that was taken back.
        let certificates = certificates.as_ref().map_or(Ok(()), |certificates| certificates.read_again());
        app.access.read_again()?;
        Ok::<_, Error>(certificates?)
    };
    tokio::select! {
        () = app.files.watch(read_again) => {}
        () = ended => {}
    }
}

/// Waits for tasks that are about to end.
async fn rest_of(mut tasks: JoinSet<Result<(), Error>>) -> Result<(), Error> {
    let mut result = Ok(());
    while let Some(ended) = tasks.join_next().await {
        result = result.and(flatten(ended));
    }
    result
}

fn scheme(has_tls: bool) -> &'static str {
    if has_tls { "https" } else { "http" }
}

/// An address that a browser of this machine can open: 0.0.0.0 is none.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let is_v4 = address.is_ipv4();
        address.set_ip(if is_v4 { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    address
}

/// A task that panicked is an error of the program, which is passed on as what it is.
fn flatten(ended: Result<Result<(), Error>, tokio::task::JoinError>) -> Result<(), Error> {
    match ended {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Ok(()),
    }
}

async fn ended(mut end: watch::Receiver<bool>) {
    // An error means that the server is gone, which is an end as well.
    let _ = end.wait_for(|end| *end).await;
}
