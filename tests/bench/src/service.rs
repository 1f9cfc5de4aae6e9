//! The cases over a service that answers at once: what a layer that protects requests costs by itself.
//!
//! Everything judges the same: a status from 500 on is a failure. Ours keeps one breaker and one limit for each destination
//! and looks them up by the request's URI; the peers have a single one, so they are spared that. Ours holds a place under the
//! limit to the body's end, tower's to the head of the answer.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::Empty;
use poolscope::Scope;
use poolscope::breaker::BreakerLayer;
use poolscope::limit::{DEFAULT_PER_DESTINATION, LimitLayer};
use poolscope::retry::{RetryLayer, RetryPolicy};
use poolscope::timeout::{Adaptive, TimeoutLayer};
use tower::limit::ConcurrencyLimit;
use tower::retry::Policy;
use tower::{BoxError, Layer, Service, ServiceExt as _};
use tower_resilience_circuitbreaker::CircuitBreakerLayer;

use crate::case::Case;
use crate::client::Watch;
use crate::failsafe::FailsafeLayer;
use crate::load::{self, Round, SharedRound, Target};

/// Calls that a window of a breaker holds: our default.
const WINDOW: usize = poolscope::breaker::DEFAULT_WINDOW;

/// Limit of the timeouts, which nothing here comes near.
const LIMIT: Duration = Duration::from_secs(2);

/// Answers at once.
#[derive(Debug, Clone, Copy)]
struct Answering(StatusCode);

impl Service<Request<()>> for Answering {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        black_box(request);
        let mut response = Response::new(Empty::new());
        *response.status_mut() = self.0;
        ready(Ok(response))
    }
}

/// A service, and what it is asked for.
#[derive(Debug, Clone)]
struct Asked<S> {
    service: S,
    uri: Uri,
}

impl<S, B> Target for Asked<S>
where
    S: Service<Request<()>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Error + Send + Sync + 'static,
    S::Future: Send,
{
    async fn request(&mut self) -> Result<()> {
        let mut request = Request::new(());
        *request.uri_mut() = self.uri.clone();
        let response = self.service.ready().await?.call(black_box(request)).await?;
        ensure!(response.status() == StatusCode::OK, "the service answered with {}", response.status());
        Ok(())
    }
}

/// How the rounds of a case are made.
pub(crate) struct Rounds {
    pub(crate) one_thread: Round,
    /// By two threads, whose services are clones.
    pub(crate) two_threads: SharedRound,
}

impl Rounds {
    fn of<S>(service: S) -> Self
    where
        Asked<S>: Target,
    {
        let asked = Asked { service, uri: Uri::from_static("http://pay.example/") };
        // Nothing waits, so there is nothing to gain from more than one at a time.
        Self { one_thread: load::rounds(asked.clone(), 1), two_threads: load::shared_rounds(asked) }
    }
}

/// Sets a case up.
pub(crate) fn case(case: Case) -> Result<(Rounds, Watch)> {
    let service = Answering(StatusCode::OK);
    Ok(match case {
        Case::Bare => (Rounds::of(service), Watch::default()),
        Case::Breaker => {
            let scope = Scope::new();
            (Rounds::of(BreakerLayer::new(&scope).layer(service)), Watch::default().breakers(scope))
        }
        Case::TowerResilienceBreaker => (Rounds::of(tower_resilience(service)?), Watch::default()),
        Case::FailsafeBreaker => (Rounds::of(FailsafeLayer::new().layer(service)), Watch::default()),
        Case::Timeout => {
            let layer = TimeoutLayer::new(&Scope::new(), "attempt", LIMIT)?;
            (Rounds::of(layer.layer(service)), Watch::default())
        }
        Case::AdaptiveTimeout => {
            let adaptive = Adaptive::between(Duration::from_millis(10), LIMIT);
            let layer = TimeoutLayer::builder(&Scope::new(), "attempt").adaptive(adaptive).build()?;
            (Rounds::of(layer.layer(service)), Watch::default())
        }
        Case::TowerTimeout => {
            // Its error is one in a box, and so none itself.
            let service = tower::timeout::Timeout::new(service, LIMIT).map_err(io::Error::other::<BoxError>);
            (Rounds::of(service), Watch::default())
        }
        Case::Retry => {
            let scope = Scope::new();
            let layer = RetryLayer::new(RetryPolicy::new(&scope, "bench"));
            (Rounds::of(layer.layer(service)), Watch::default().retries(scope))
        }
        Case::TowerRetry => {
            (Rounds::of(tower::retry::RetryLayer::new(Once).layer(service)), Watch::default())
        }
        Case::Limit => {
            let scope = Scope::new();
            let layer = LimitLayer::builder(&scope.client("bench")).build()?;
            (Rounds::of(layer.layer(service)), Watch::default().limits(scope))
        }
        Case::TowerLimit => {
            let service = ConcurrencyLimit::new(service, DEFAULT_PER_DESTINATION as usize);
            (Rounds::of(service), Watch::default())
        }
        Case::All => {
            let scope = Scope::new();
            let client = scope.client("bench");
            let stack = poolscope::Stack::new(&client)
                .retry(RetryPolicy::new(&scope, "bench"))
                .breaker(BreakerLayer::new(&scope))
                .limit(LimitLayer::builder(&client).build()?)
                .attempt(TimeoutLayer::new(&scope, "attempt", LIMIT)?);
            (Rounds::of(stack.layer(service)), Watch::default().breakers(scope))
        }
        _ => bail!("{case} is a case of an HTTP client"),
    })
}

/// A policy that does the least: it clones the request, and tries nothing again.
#[derive(Debug, Clone)]
struct Once;

impl<Res, E> Policy<Request<()>, Res, E> for Once {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request<()>, _: &mut Result<Res, E>) -> Option<Self::Future> {
        None
    }

    fn clone_request(&mut self, request: &Request<()>) -> Option<Request<()>> {
        Some(request.clone())
    }
}

/// The breaker of tower-resilience with its defaults, apart from what is judged.
fn tower_resilience<S>(
    service: S,
) -> Result<
    impl Service<Request<()>, Response = Response<Empty<Bytes>>, Error: Error + Send + Sync, Future: Send>
    + Clone
    + Send,
>
where
    S: Service<Request<()>, Response = Response<Empty<Bytes>>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
{
    let layer = CircuitBreakerLayer::builder()
        .sliding_window_size(WINDOW)
        .failure_classifier(|result: &Result<Response<Empty<Bytes>>, Infallible>| match result {
            Ok(response) => response.status().is_server_error(),
            Err(never) => match *never {},
        })
        .build()?;
    Ok(layer.layer(service))
}

#[cfg(test)]
mod tests {
    use poolscope::breaker::DEFAULT_MINIMUM_CALLS;

    use super::*;

    /// Calls that a service passes on, of those that fail.
    async fn passed<S, B>(mut service: S) -> usize
    where
        S: Service<Request<()>, Response = Response<B>>,
    {
        let mut passed = 0;
        for _ in 0..10 * WINDOW {
            let request = Request::get("http://pay.example/").body(()).unwrap();
            let Ok(service) = service.ready().await else { continue };
            passed += usize::from(service.call(request).await.is_ok());
        }
        passed
    }

    #[tokio::test]
    async fn every_breaker_is_there_and_opens() {
        let failing = Answering(StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(passed(failing).await, 10 * WINDOW);
        assert_eq!(passed(BreakerLayer::new(&Scope::new()).layer(failing)).await, DEFAULT_MINIMUM_CALLS);
        assert_eq!(passed(tower_resilience(failing).unwrap()).await, WINDOW);
        assert_eq!(passed(FailsafeLayer::new().layer(failing)).await, 5);
    }
}
