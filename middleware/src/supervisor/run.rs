//! The task of a supervisor: one connection after the other.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use poolscope_semconv::value::{SupervisorReason, SupervisorState};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::builder::{Handled, Heartbeat};
use super::drive::{Drive, Lost};
use super::handle::Supervised;
use super::link::Link;
use super::shared::Shared;
use crate::Scope;
use crate::backoff::Backoff;
use crate::caught::{Caught, caught};
use crate::said::Said;

/// How a connection is kept alive.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) backoff: Backoff,
    pub(super) max_attempts: Option<u32>,
    pub(super) stable_after: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) close_timeout: Duration,
    pub(super) silence_timeout: Option<Duration>,
    pub(super) message_timeout: Option<Duration>,
    pub(super) handler_timeout: Option<Duration>,
    pub(super) heartbeat: Option<Heartbeat>,
    #[cfg(feature = "breaker")]
    pub(super) breaker: Option<(crate::breaker::BreakerLayer, http::Uri)>,
}

pub(super) fn start<L, E, H, C>(
    scope: &Scope,
    name: &str,
    plan: Plan,
    outbox: usize,
    runtime: &Handle,
    connect: impl FnMut() -> C + Send + 'static,
    handler: impl FnMut(L::Incoming) -> H + Send + 'static,
) -> Supervised<L::Outgoing>
where
    L: Link,
    C: Future<Output = Result<L, E>> + Send + 'static,
    E: fmt::Display + Send + 'static,
    H: Future<Output: Handled> + Send + 'static,
{
    let shared = Shared::add(scope, name, plan.max_attempts);
    #[cfg(feature = "shutdown")]
    scope.end_supervisor_at_end(&shared);
    let (sends, outbox) = mpsc::channel(outbox);
    let ends = Ends(Arc::clone(&shared));
    runtime.spawn(run(ends, plan, outbox, connect, handler));
    Supervised::new(shared, sends)
}

/// Says that nobody works on the connection any more, when the task ends that holds it.
struct Ends(Arc<Shared>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.end(SupervisorReason::Dropped);
    }
}

async fn run<L, E, H, C>(
    ends: Ends,
    plan: Plan,
    mut outbox: mpsc::Receiver<L::Outgoing>,
    mut connect: impl FnMut() -> C + Send,
    mut handler: impl FnMut(L::Incoming) -> H + Send,
) where
    L: Link,
    C: Future<Output = Result<L, E>> + Send,
    E: fmt::Display + Send,
    H: Future<Output: Handled> + Send,
{
    let shared = &*ends.0;
    let mut drive = Drive::new(&plan, shared, &mut outbox);
    let mut reason = SupervisorReason::Started;
    while shared.told().is_none() {
        #[cfg(feature = "breaker")]
        let permit = match admit(&plan, shared).await {
            Some(permit) => permit,
            None => break,
        };
        shared.go(SupervisorState::Connecting, reason, None, None);
        let began = Instant::now();
        let connected = tokio::select! {
            () = shared.stop.cancelled() => break,
            connected = timeout(plan.connect_timeout, caught(&mut connect)) => connected,
        };
        let lost = match connected {
            Ok(Caught::Done(Ok(link))) => {
                #[cfg(feature = "breaker")]
                judge(permit, crate::breaker::Verdict::Success);
                shared.connect_time.record(began.elapsed());
                shared.go(SupervisorState::Connected, SupervisorReason::Established, None, None);
                let established = Instant::now();
                let lost = drive.drive(link, &mut handler).await;
                shared.duration.record(established.elapsed());
                if established.elapsed() >= plan.stable_after {
                    shared.was_stable();
                }
                lost
            }
            failed => {
                #[cfg(feature = "breaker")]
                judge(permit, crate::breaker::Verdict::Failure);
                not_connected(failed, plan.connect_timeout)
            }
        };
        if shared.told().is_some() {
            break;
        }
        if plan.max_attempts.is_some_and(|most| shared.attempt() >= most) {
            shared.go(SupervisorState::Waiting, lost.reason, lost.error, None);
            shared.end(SupervisorReason::AttemptsExhausted);
            break;
        }
        let delay = plan.backoff.delay(shared.attempt().max(1), fastrand::f64());
        shared.go(SupervisorState::Waiting, lost.reason, lost.error, Some(delay));
        shared.delay.record(delay);
        tokio::select! {
            () = shared.stop.cancelled() => break,
            () = sleep(delay) => {}
        }
        reason = SupervisorReason::Retry;
    }
    shared.end(SupervisorReason::Dropped);
}

/// Why there is no connection.
fn not_connected<L, E: fmt::Display>(
    failed: Result<Caught<Result<L, E>>, tokio::time::error::Elapsed>,
    limit: Duration,
) -> Lost {
    let (reason, error) = match failed {
        Ok(Caught::Done(Ok(_))) => (SupervisorReason::ConnectFailed, None),
        Ok(Caught::Done(Err(error))) => (SupervisorReason::ConnectFailed, Some(error.to_string())),
        Ok(Caught::Panicked(panic)) => {
            (SupervisorReason::ConnectFailed, Some(format!("the connect panicked: {panic}")))
        }
        Err(_) => {
            let error = format!("no connection within {}", Said(limit));
            (SupervisorReason::ConnectTimeout, Some(error))
        }
    };
    Lost { reason, error }
}

/// Waits until the breaker lets an attempt through; `None` if it is to stop before.
#[cfg(feature = "breaker")]
async fn admit(plan: &Plan, shared: &Shared) -> Option<Option<crate::breaker::Permit>> {
    let Some((breakers, destination)) = &plan.breaker else { return Some(None) };
    loop {
        let open = match breakers.admit(destination) {
            Ok(permit) => return Some(Some(permit)),
            Err(open) => open,
        };
        let delay = open.retry_in.unwrap_or_default().max(plan.backoff.base);
        let error = Some(open.to_string());
        shared.go(SupervisorState::BreakerOpen, SupervisorReason::BreakerRejected, error, Some(delay));
        tokio::select! {
            () = shared.stop.cancelled() => return None,
            () = sleep(delay) => {}
        }
    }
}

#[cfg(feature = "breaker")]
fn judge(permit: Option<crate::breaker::Permit>, verdict: crate::breaker::Verdict) {
    if let Some(permit) = permit {
        permit.judged(verdict);
    }
}
