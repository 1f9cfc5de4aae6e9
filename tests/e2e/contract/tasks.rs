//! Tasks that end in every way.

use std::future::pending;
use std::time::Duration;

use poolscope::Scope;

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
    world.end(telemetry).await;
}
