//! How a supervisor ends: nothing of it is left, and what it was in the middle of has its time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use poolscope::Scope;
use poolscope::supervisor::{SupervisorReason, SupervisorState};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use super::line::{Line, Manner, Server, connect};
use super::until;

/// Waits until as many tasks are there as before.
async fn tasks_are(before: usize) {
    let began = Instant::now();
    while Handle::current().metrics().num_alive_tasks() > before {
        assert!(began.elapsed() < super::LONG, "{} tasks", Handle::current().metrics().num_alive_tasks());
        sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn one_that_is_dropped_closes_in_order_and_leaves_no_task() {
    let server = Server::echo().await;
    let scope = Scope::new();
    let before = Handle::current().metrics().num_alive_tasks();
    let line = scope.supervisor("prices").start(connect(server.address), async |_: String| {}).unwrap();
    until(&scope, "a connection", |seen| seen.state == SupervisorState::Connected).await;
    drop(line);
    assert_eq!(server.goodbyes().await, 1);
    tasks_are(before).await;
    assert!(scope.snapshot().supervisors.is_empty(), "it is shown no longer");
}

#[tokio::test]
async fn a_handler_that_is_at_work_has_its_time_and_no_more() {
    for (works_for, ends) in [(Duration::from_millis(100), true), (Duration::from_secs(60), false)] {
        let server = Server::echo().await;
        let (scope, done) = (Scope::new(), Arc::new(AtomicBool::new(false)));
        let is_done = Arc::clone(&done);
        let line = scope
            .supervisor("prices")
            .close_timeout(Duration::from_millis(400))
            .start(connect(server.address), move |_: String| {
                let is_done = Arc::clone(&is_done);
                async move {
                    sleep(works_for).await;
                    is_done.store(true, SeqCst);
                }
            })
            .unwrap();
        line.send("work".to_owned()).await.unwrap();
        sleep(Duration::from_millis(50)).await;
        let began = Instant::now();
        assert_eq!(line.stop().await, SupervisorReason::Requested);
        let took = began.elapsed();
        assert!(took < Duration::from_millis(900), "{took:?}");
        assert_eq!(done.load(SeqCst), ends);
    }
}

#[tokio::test]
async fn the_shutdown_of_the_scope_ends_it_wherever_it_is() {
    let before = Handle::current().metrics().num_alive_tasks();
    let (echo, silent) = (Server::echo().await, Server::with(Manner::Silent).await);
    let scope = Scope::new();
    let connected = scope.supervisor("a").start(connect(echo.address), async |_: String| {}).unwrap();
    let hangs = scope
        .supervisor("b")
        .start(async || std::future::pending::<Result<Line, &str>>().await, async |_: String| {});
    let waits = scope
        .supervisor("c")
        .backoff(Duration::from_secs(60), Duration::from_secs(60))
        .start(async || Err::<Line, _>("no"), async |_: String| {});
    let stuck = scope
        .supervisor("d")
        .close_timeout(Duration::from_millis(100))
        .start(connect(silent.address), async |_: String| {});
    let (hangs, waits, stuck) = (hangs.unwrap(), waits.unwrap(), stuck.unwrap());
    stuck.send("x".repeat(32 << 20)).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    let states: Vec<_> = scope.snapshot().supervisors.iter().map(|one| one.state).collect();
    use SupervisorState::{Connected, Connecting, Waiting};
    assert_eq!(states, [Connected, Connecting, Waiting, Connected]);

    let report = scope.shutdown(Duration::from_secs(5)).await;
    assert_eq!((report.supervisors, report.supervisors_left), (4, 0), "{report}");
    assert!(report.to_string().ends_with("; of 4 supervised connections 0 are left"), "{report}");
    for line in [&connected, &hangs, &waits, &stuck] {
        assert_eq!(line.ended().await, SupervisorReason::Shutdown);
    }
    assert_eq!(echo.goodbyes().await, 1);
    let late = scope.supervisor("late").start(connect(echo.address), async |_: String| {}).unwrap();
    assert_eq!(late.ended().await, SupervisorReason::Shutdown, "one that comes too late does nothing");
    drop((echo, silent));
    tasks_are(before).await;
}

#[test]
fn one_whose_runtime_ends_has_stopped() {
    let scope = Scope::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let line = runtime.block_on(async {
        let server = Server::echo().await;
        let line = scope.supervisor("prices").start(connect(server.address), async |_: String| {}).unwrap();
        until(&scope, "a connection", |seen| seen.state == SupervisorState::Connected).await;
        line
    });
    drop(runtime);
    assert_eq!(line.state(), SupervisorState::Stopped);
    let started = scope.supervisor("prices").start(connect(([127, 0, 0, 1], 1).into()), async |_: String| {});
    assert!(started.unwrap_err().to_string().contains("outside of a tokio runtime"));
}
