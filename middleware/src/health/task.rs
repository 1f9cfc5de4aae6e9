//! The task of a probe: one request after the other.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Weak;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use bytes::Buf;
use http::StatusCode;
use http_body::Body;
use poolscope_semconv::value::{ErrorType, ProbeOutcome};
use tokio::time::{Instant, sleep_until, timeout};
use tower_service::Service;

use super::builder::Expected;
use super::http::{Asked, ProbeRequest, ProbeResponse};
use super::probe::Told;
use crate::said::Said;
use crate::{Origin, caught, classify, current};

/// Most bytes of an answer that are read, so that its connection can be used again. A longer one is dropped.
pub(super) const MOST_READ: usize = 64 << 10;

type BoxError = Box<dyn Error + Send + Sync>;

/// How often and how is probed.
pub(super) struct Plan {
    pub(super) asked: Asked,
    pub(super) interval: Duration,
    pub(super) jitter: f64,
    pub(super) timeout: Duration,
    pub(super) slow_from: Option<Duration>,
    pub(super) expected: Expected,
}

/// Says that nobody probes any more, when the task ends that holds it.
pub(super) struct Ends(pub(super) Weak<Told>);

impl Drop for Ends {
    fn drop(&mut self) {
        if let Some(told) = self.0.upgrade() {
            let why = if thread::panicking() { "its task has panicked" } else { "its runtime has ended" };
            told.ends(why);
        }
    }
}

/// Probes until nobody wants to know any more.
pub(super) async fn probe_for_ever<S, R>(ends: Ends, plan: Plan, service: S)
where
    S: Service<R> + Clone + Send,
    S::Response: ProbeResponse<Body: Send> + Send,
    S::Error: Into<BoxError>,
    S::Future: Send,
    R: ProbeRequest + Send,
{
    loop {
        let started = Instant::now();
        let (outcome, how) = probe(&plan, caught(|| service.clone())).await;
        let Some(told) = ends.0.upgrade() else { return };
        told.record(outcome, started.elapsed(), how);
        drop(told);
        // Jitter makes it longer only: nothing may be sooner than configured.
        sleep_until(started + plan.interval.mul_f64(1.0 + plan.jitter * fastrand::f64())).await;
    }
}

/// One probe: how it ended, and that in words.
async fn probe<S, R>(plan: &Plan, service: Result<S, String>) -> (ProbeOutcome, String)
where
    S: Service<R> + Send,
    S::Response: ProbeResponse<Body: Send> + Send,
    S::Error: Into<BoxError>,
    S::Future: Send,
    R: ProbeRequest + Send,
{
    let service = match service {
        Ok(service) => service,
        Err(panic) => return (ProbeOutcome::Failure, panic),
    };
    let started = Instant::now();
    let request = Origin::named("health probe").scope(ask(&plan.asked, service));
    let mut answer = Box::pin(request);
    let ended = timeout(plan.timeout, catching(answer.as_mut())).await;
    let took = started.elapsed();
    // A destructor may panic like everything else of the client.
    let dropped = caught(|| match ended {
        Ok(_) => drop(answer),
        Err(_) => drop(current::drop_as(ErrorType::Timeout, || drop(answer))),
    });
    match ended {
        Ok(Ok(Ok(status))) => match dropped {
            Ok(()) => judge(plan, status, took),
            Err(panic) => (ProbeOutcome::Failure, panic),
        },
        Ok(Ok(Err(error))) => {
            (ProbeOutcome::Failure, caught(|| classify::chain(&*error)).unwrap_or_else(|panic| panic))
        }
        Ok(Err(panic)) => (ProbeOutcome::Failure, panic),
        Err(_) => {
            let panic = dropped.err().map(|panic| format!("; {panic}")).unwrap_or_default();
            (ProbeOutcome::Failure, format!("timeout after {}{panic}", Said(plan.timeout)))
        }
    }
}

fn judge(plan: &Plan, status: StatusCode, took: Duration) -> (ProbeOutcome, String) {
    let as_expected = caught(|| (plan.expected)(status));
    match as_expected {
        Ok(true) => {
            let is_slow = plan.slow_from.is_some_and(|from| took >= from);
            let outcome = if is_slow { ProbeOutcome::Slow } else { ProbeOutcome::Success };
            (outcome, format!("status {} after {}", status.as_u16(), Said(took)))
        }
        Ok(false) => (ProbeOutcome::Failure, format!("status {}", status.as_u16())),
        Err(panic) => (ProbeOutcome::Failure, panic),
    }
}

/// Sends a request and reads its answer to the end.
async fn ask<S, R>(asked: &Asked, mut service: S) -> Result<StatusCode, BoxError>
where
    S: Service<R>,
    S::Response: ProbeResponse,
    S::Error: Into<BoxError>,
    R: ProbeRequest,
{
    let request = R::make(asked)?;
    poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into)?;
    let response = service.call(request).await.map_err(Into::into)?;
    let (status, body) = response.split();
    let mut body = pin!(body);
    let mut read = 0;
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        read += frame.map_err(Into::into)?.data_ref().map_or(0, Buf::remaining);
        if read > MOST_READ {
            break;
        }
    }
    Ok(status)
}

/// The future, or what it panicked with.
async fn catching<F: Future>(mut future: Pin<&mut F>) -> Result<F::Output, String> {
    poll_fn(|cx| match caught(|| future.as_mut().poll(cx)) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

/// What a function gives, or what it panicked with. What has panicked is not asked again.
fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run))
        .map_err(|panic| format!("the client panicked: {}", caught::message(panic)))
}
