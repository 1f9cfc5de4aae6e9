//! Listeners, and what answers on them.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app::App;
use crate::config::Config;
use crate::error::Error;
use crate::file::Keeper;
use crate::host::HostRule;
use crate::listener::BoundedListener;
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
    http: Bound,
    otlp_grpc: Bound,
    otlp_http: Bound,
    keeper: Option<Keeper>,
}

/// An open listener and what it is for.
#[derive(Debug)]
struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    purpose: &'static str,
}

impl Bound {
    async fn new(address: SocketAddr, purpose: &'static str, flag: &'static str) -> Result<Self, Error> {
        let bound = async {
            let listener = TcpListener::bind(address).await?;
            let address = listener.local_addr()?;
            Ok(Self { listener, address, purpose })
        };
        bound.await.map_err(|source| Error::Bind { address, purpose, flag, source })
    }

    async fn serve(self, router: Router, app: Arc<App>, end: watch::Receiver<bool>) -> Result<(), Error> {
        let listener = BoundedListener::new(self.listener, app.config.limits.max_connections);
        axum::serve(listener, router)
            .with_graceful_shutdown(ended(end))
            .await
            .map_err(|source| Error::Serve { purpose: self.purpose, source })
    }
}

impl Server {
    /// Opens the listeners, and reads the file of the history if there is one. A file that can't be used is no error: the
    /// server goes on without, and says so.
    ///
    /// # Errors
    /// If an address cannot be bound; the error names it and the flag that changes it.
    pub async fn bind(config: Config) -> Result<Self, Error> {
        let http = Bound::new(config.http_addr, HTTP, "--http-addr").await?;
        let otlp_grpc = Bound::new(config.otlp_grpc_addr, OTLP_GRPC, "--otlp-grpc-addr").await?;
        let otlp_http = Bound::new(config.otlp_http_addr, OTLP_HTTP, "--otlp-http-addr").await?;
        let url = |bound: &Bound| format!("http://{}", bound.address);
        let app = Arc::new(App::new(config, url(&otlp_grpc), url(&otlp_http)));
        let keeper = file::open(app.clone()).await;
        Ok(Self { app, http, otlp_grpc, otlp_http, keeper })
    }

    /// Where the browser finds the dashboard.
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

    /// Runs until `shutdown` is done, then lets requests in flight end.
    ///
    /// # Errors
    /// If a listener fails.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let (end, ending) = watch::channel(false);
        let app = self.app;
        let allowed = &app.config.allowed_host;
        let page = web::router(app.clone(), HostRule::new(self.http.address, allowed));
        let hosts = HostRule::new(self.otlp_http.address, allowed);
        let otlp_http = web::guarded(otlp::http_router(app.clone()), hosts);

        let mut tasks = JoinSet::new();
        tasks.spawn(self.otlp_grpc.serve(otlp::grpc_router(app.clone()), app.clone(), ending.clone()));
        tasks.spawn(self.otlp_http.serve(otlp_http, app.clone(), ending.clone()));
        tasks.spawn(self.http.serve(page, app.clone(), ending.clone()));
        if let Some(keeper) = self.keeper {
            let keeping = file::keep(app.clone(), keeper, ended(ending.clone()));
            tasks.spawn(async move {
                keeping.await;
                Ok(())
            });
        }
        let publisher = live::publish(app, ended(ending));
        tasks.spawn(async move {
            publisher.await;
            Ok(())
        });

        tokio::pin!(shutdown);
        let early = tokio::select! {
            () = &mut shutdown => None,
            ended = tasks.join_next() => ended,
        };
        // Fails only if every task has ended already.
        let _ = end.send(true);
        let rest = async {
            let mut result = Ok(());
            while let Some(ended) = tasks.join_next().await {
                result = result.and(flatten(ended));
            }
            result
        };
        let rest = tokio::time::timeout(GRACE, rest).await.unwrap_or(Ok(()));
        early.map_or(Ok(()), flatten).and(rest)
    }
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
