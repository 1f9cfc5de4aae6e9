//! A program with few descriptors that sends many requests at once, with a resource guard or with one that only watches. It answers each line
//! of its input with a line of JSON: `look` with what has become of the requests, `request` with the result of one more.
#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use bytes::Bytes;
use poolscope::Scope;
use poolscope::guard::{Error, ResourceGuard};
use poolscope_tests::client::{Client, Kind, Settings};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;
use serde_json::json;
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

/// How long the client keeps idle connections.
const IDLE: Duration = Duration::from_millis(300);

/// What has become of the requests that have ended.
#[derive(Debug, Default, Serialize)]
struct Ended {
    answered: u64,
    refused: u64,
    /// The process was out of descriptors.
    emfile: u64,
    /// Any other error, in its words.
    failed: Vec<String>,
    /// What the first request that was refused was told.
    told: Option<String>,
}

/// Why a request was not answered.
enum Why {
    Refused(String),
    Failed(BoxError),
}

fn main() -> Result<()> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let [url, kind, guarded, descriptors, requests] = args.as_slice() else {
        bail!("usage: URL hyper|reqwest watched|guarded DESCRIPTORS REQUESTS");
    };
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(descriptors.parse()?), maximum })?;
    let kind = if kind == "reqwest" { Kind::ReqwestH1 } else { Kind::HyperH1 };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(flood(url, kind, guarded == "guarded", requests.parse()?))
}

async fn flood(url: &str, kind: Kind, is_guarded: bool, requests: u64) -> Result<()> {
    let scope = Scope::new();
    let settings = Settings { idle_timeout: Some(IDLE), ..Settings::default() };
    let client = Client::new(&scope, kind, settings).map_err(anyhow::Error::from_boxed)?;
    let read = service_fn(move |url: String| {
        let client = client.clone();
        async move { client.read(&url).await }
    });
    let ended = Arc::new(Mutex::new(Ended::default()));
    let guard = ResourceGuard::builder(&scope);
    if is_guarded {
        let guarded = guard.build()?.layer().layer(read);
        let told = guarded.map_err(|error| match error {
            Error::Exhausted(exhausted) => Why::Refused(exhausted.to_string()),
            Error::Inner(error) => Why::Failed(error),
        });
        serve(&scope, &ended, told, url, requests).await
    } else {
        let _watching = guard.open_files(None).build()?;
        serve(&scope, &ended, read.map_err(Why::Failed), url, requests).await
    }
}

/// Sends all requests at once, then does as its input says.
async fn serve<S>(
    scope: &Scope,
    ended: &Arc<Mutex<Ended>>,
    service: S,
    url: &str,
    requests: u64,
) -> Result<()>
where
    S: Service<String, Response = Bytes, Error = Why, Future: Send> + Clone + Send + 'static,
{
    for _ in 0..requests {
        let (service, url, ended) = (service.clone(), format!("{url}/held"), Arc::clone(ended));
        tokio::spawn(async move { count(&ended, service.oneshot(url).await) });
    }
    let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        io::stdin().lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    while let Some(line) = lines.recv().await {
        match line.as_str() {
            "look" => {
                let snapshot = scope.snapshot();
                let ended = &*ended.lock().unwrap_or_else(PoisonError::into_inner);
                println!("{}", json!({ "ended": ended, "snapshot": snapshot }));
            }
            "request" => {
                let answer = service.clone().oneshot(format!("{url}/quick")).await;
                println!("{}", json!(answer.is_ok()));
            }
            other => bail!("{other} is no command"),
        }
    }
    Ok(())
}

fn count(ended: &Mutex<Ended>, result: Result<Bytes, Why>) {
    let mut ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
    match result {
        Ok(_) => ended.answered += 1,
        Err(Why::Refused(told)) => {
            ended.refused += 1;
            ended.told.get_or_insert(told);
        }
        Err(Why::Failed(error)) if is_emfile(&*error) => ended.emfile += 1,
        Err(Why::Failed(error)) => ended.failed.push(format!("{error:?}")),
    }
}

fn is_emfile(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    let emfile = Some(rustix::io::Errno::MFILE.raw_os_error());
    causes.any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.raw_os_error() == emfile))
}
