//! Supervised connections that are lost in every way.

use std::convert::Infallible;
use std::future::{pending, ready};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use poolscope::Scope;
use poolscope::breaker::BreakerLayer;
use poolscope::supervisor::{Link, Received, SupervisorBuilder, SupervisorReason, SupervisorState};
use poolscope_tests::wait;

use super::World;

const SOON: Duration = Duration::from_millis(20);

pub(super) async fn run(world: &World) {
    let scope = Scope::new();
    let telemetry = world.export(&scope);
    let supervisor = |name: &str| scope.supervisor(name).backoff(SOON, SOON);
    tokio::join!(
        lost(&scope, supervisor("failed").max_attempts(2), Does::Fail, SupervisorReason::Failed),
        lost(&scope, supervisor("closed"), Does::Close, SupervisorReason::PeerClosed),
        lost(&scope, supervisor("silent").silence_timeout(SOON), Does::Nothing, SupervisorReason::Silent),
        lost(
            &scope,
            supervisor("unread").message_timeout(SOON),
            Does::Block,
            SupervisorReason::MessageTimeout
        ),
        lost(
            &scope,
            supervisor("deaf").heartbeat(SOON, SOON, 2),
            Does::Nothing,
            SupervisorReason::Unresponsive
        ),
        lost(&scope, supervisor("fails"), Does::Say("fail"), SupervisorReason::HandlerFailed),
        lost(&scope, supervisor("panics"), Does::Say("panic"), SupervisorReason::HandlerPanicked),
        lost(
            &scope,
            supervisor("slow").handler_timeout(SOON),
            Does::Say("hang"),
            SupervisorReason::HandlerTimeout
        ),
        never_connected(&scope),
        rejected(&scope),
    );
    ended(&scope).await;
    world.end(telemetry).await;
}

/// What a connection does once it is there.
#[derive(Clone, Copy)]
enum Does {
    Nothing,
    Fail,
    Close,
    /// Takes no message.
    Block,
    Say(&'static str),
}

impl Link for Does {
    type Incoming = &'static str;
    type Outgoing = ();
    type Error = &'static str;

    async fn recv(&mut self) -> Option<Result<Received<&'static str>, &'static str>> {
        match self {
            Self::Nothing | Self::Block => pending().await,
            Self::Fail => Some(Err("connection reset")),
            Self::Close => None,
            Self::Say(message) => Some(Ok(Received::Message(message))),
        }
    }

    async fn send(&mut self, (): ()) -> Result<(), &'static str> {
        if matches!(self, Self::Block) {
            pending::<()>().await;
        }
        Ok(())
    }
}

async fn handle(message: &'static str) -> Result<(), &'static str> {
    match message {
        "fail" => Err("no such price"),
        "panic" => panic!("expected: a handler that panics"),
        _ => pending().await,
    }
}

/// Waits until something was told of a supervisor.
async fn until(scope: &Scope, name: &str, reason: SupervisorReason) {
    let told = async || {
        let snapshot = scope.snapshot();
        let of = snapshot.supervisors.into_iter().find(|of| of.name == name);
        of.is_some_and(|of| of.changes.iter().any(|(_, why, _)| *why == reason))
    };
    wait::until(&format!("{name} to be {reason}"), told, |told| *told).await;
}

async fn lost(scope: &Scope, supervisor: SupervisorBuilder, does: Does, reason: SupervisorReason) {
    let line = supervisor.start(move || ready(Ok::<_, Infallible>(does)), handle).unwrap();
    let name = line.snapshot().name;
    let _ = line.send(()).await;
    until(scope, &name, reason).await;
    if reason == SupervisorReason::Failed {
        assert_eq!(line.ended().await, SupervisorReason::AttemptsExhausted);
    }
    until(scope, &name, SupervisorReason::Retry).await;
}

async fn never_connected(scope: &Scope) {
    let attempts = AtomicU64::new(0);
    let connect = move || {
        let attempt = attempts.fetch_add(1, Relaxed);
        async move {
            match attempt {
                0 => Err("connection refused"),
                _ => pending::<Result<Does, _>>().await,
            }
        }
    };
    let line =
        scope.supervisor("unconnected").backoff(SOON, SOON).connect_timeout(SOON).start(connect, handle);
    until(scope, "unconnected", SupervisorReason::ConnectFailed).await;
    until(scope, "unconnected", SupervisorReason::ConnectTimeout).await;
    drop(line.unwrap());
}

async fn rejected(scope: &Scope) {
    let breakers = BreakerLayer::builder(scope).name("supervised").consecutive_failures(1).build().unwrap();
    let supervisor = scope.supervisor("rejected").backoff(SOON, SOON);
    let supervisor = supervisor.breaker(&breakers, "wss://prices.example/".parse().unwrap());
    let line = supervisor.start(async || Err::<Does, _>("connection refused"), handle).unwrap();
    until(scope, "rejected", SupervisorReason::BreakerRejected).await;
    assert_eq!(line.state(), SupervisorState::BreakerOpen);
    assert_eq!(line.stop().await, SupervisorReason::Requested);
}

/// By the program, by a drop, and with everything else.
async fn ended(scope: &Scope) {
    let start = |name: &str| {
        let supervisor = scope.supervisor(name);
        supervisor.start(async || Ok::<_, Infallible>(Does::Nothing), handle).unwrap()
    };
    let (requested, dropped, shut_down) = (start("requested"), start("dropped"), start("shut down"));
    until(scope, "shut down", SupervisorReason::Established).await;
    // Their metrics go with the next report.
    tokio::time::sleep(Duration::from_secs(1)).await;
    requested.stop().await;
    drop(dropped);
    scope.shutdown(Duration::from_secs(5)).await;
    assert_eq!(shut_down.ended().await, SupervisorReason::Shutdown);
}
