//! Tasks that end in every way.

use std::future::pending;
use std::time::Duration;

use poolscope::Scope;
use poolscope::task::TaskOutcome;

use super::World;

pub(super) async fn run(world: &World) {
    let scope = Scope::new();
    let telemetry = world.export(&scope);
    let tasks = scope.tasks("jobs");
    tasks.spawn("done", async {}).await.unwrap();
    let panicked = tasks.spawn("panics", async { panic!("expected: a task that panics") });
    assert!(panicked.await.is_err());
    tasks.spawn("waits", pending::<()>());
    tasks.spawn_with("deaf", |_| pending::<()>());
    let report = tasks.cancel_all(Duration::from_millis(500)).await;
    assert_eq!((report.ended, report.aborted), (1, 1), "{report}");
    of_a_session(&scope).await;
    world.end(telemetry).await;
}

/// Those of a session say whose they are.
async fn of_a_session(scope: &Scope) {
    let rooms = scope.sessions("rooms").overdue_after(Duration::from_millis(50)).build().unwrap();
    let session = rooms.begin("one").unwrap();
    let panicked = session.spawn("panics", async { panic!("expected: a task that panics") });
    assert!(panicked.await.is_err());
    let aborted = session.spawn_with("deaf", |_| pending::<()>());
    drop(session);
    assert!(aborted.await.is_err());
    rooms.all_ended().await;
    let tasks = scope.snapshot().tasks;
    let group = tasks.iter().find(|group| group.name == "rooms").unwrap();
    assert_eq!((group.ended(TaskOutcome::Panicked), group.ended(TaskOutcome::Aborted)), (1, 1));
}
