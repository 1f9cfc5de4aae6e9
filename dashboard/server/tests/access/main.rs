//! Who may look and who may send, on real sockets: each rule is tried and broken.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod cli;
mod connections;
mod control;
mod health;
mod hosts;
mod keys;
mod login;
mod program;
mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use poolscope_dashboard::{Config, Error, Reload, Server};
use poolscope_wire::{Status, path};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(20);
const TOKEN: &str = "0123456789abcdef-the-token";

/// A running server that ends with the test.
struct Running {
    http: SocketAddr,
    grpc: SocketAddr,
    otlp: SocketAddr,
    link: Option<String>,
    reload: Option<Reload>,
    client: Client,
    _stop: oneshot::Sender<()>,
    _task: JoinHandle<Result<(), Error>>,
}

/// A configuration on free ports of loopback.
fn config(change: impl FnOnce(&mut Config)) -> Config {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let mut config = Config { http_addr: any, otlp_grpc_addr: any, otlp_http_addr: any, ..Config::default() };
    change(&mut config);
    config
}

/// A client that follows nothing and keeps nothing.
fn client() -> Client {
    // The builder wants a provider of TLS, also where none is used; a second call changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().redirect(Policy::none()).timeout(PATIENCE);
    // A server that closes what is idle after a second would meet requests halfway.
    client.pool_max_idle_per_host(0).build().unwrap()
}

impl Running {
    async fn start(config: Config) -> Self {
        let server = Server::bind(config).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let (http, grpc, otlp) = (server.http_addr(), server.otlp_grpc_addr(), server.otlp_http_addr());
        let (link, reload) = (server.login_link(), server.reload());
        // Also when the test has ended without saying so.
        let task = tokio::spawn(server.run(async { stopped.await.unwrap_or(()) }));
        Self { http, grpc, otlp, link, reload, client: client(), _stop: stop, _task: task }
    }

    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::start(config(change)).await
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://127.0.0.1:{}{path}", self.http.port()))
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.ask(Method::GET, path)
    }

    async fn status(&self) -> Status {
        self.get(path::STATUS).bearer_auth(TOKEN).send().await.unwrap().json().await.unwrap()
    }

    /// Has it read its files again.
    fn read_again(&self) {
        self.reload.as_ref().unwrap().now();
    }

    /// Sends nothing of a kind by OTLP over HTTP.
    fn post(&self, path: &str) -> RequestBuilder {
        let url = format!("http://127.0.0.1:{}{path}", self.otlp.port());
        self.client.post(url).header("content-type", "application/json").body("{}")
    }
}

/// A file of its own for a test.
fn file(name: &str, text: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("poolscope-access-{}-{name}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path
}

/// Waits until something holds.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let tried = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, tried).await.unwrap_or_else(|_| panic!("never: {what}"));
}
