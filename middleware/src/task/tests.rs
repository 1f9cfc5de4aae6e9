//! Tests of groups in a runtime.

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::time::{sleep, timeout};

use super::*;
use crate::{Event, Scope, TasksSnapshot};

const SECOND: Duration = Duration::from_secs(1);

fn heard(scope: &Scope) -> mpsc::Receiver<Event> {
    let (send, receive) = mpsc::channel();
    let send = Mutex::new(send);
    scope.listen(move |event: &Event| drop(send.lock().unwrap().send(event.clone())));
    receive
}

/// What holds at any moment.
fn check(seen: &TasksSnapshot) {
    let ended: u64 = seen.ended.iter().map(|(_, count)| count).sum();
    assert_eq!(seen.started - ended, seen.active, "{seen:?}");
    assert_eq!(seen.duration.count(), ended, "{seen:?}");
}

fn ways(seen: &TasksSnapshot) -> [u64; 4] {
    check(seen);
    [TaskOutcome::Completed, TaskOutcome::Cancelled, TaskOutcome::Aborted, TaskOutcome::Panicked]
        .map(|outcome| seen.ended(outcome))
}

/// Panics when it is dropped.
struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("expected: in drop");
    }
}

#[tokio::test(start_paused = true)]
async fn each_way_out_is_counted_once_and_told_by_the_handle() {
    let scope = Scope::new();
    let events = heard(&scope);
    let tasks = scope.tasks("chat");
    assert_eq!(tasks.spawn("sum", async { 3 }).await, Ok(3));
    let cancelled = tasks.spawn("cancelled", pending::<()>());
    cancelled.cancel();
    assert_eq!(cancelled.await, Err(TaskError::Cancelled));
    let aborted = tasks.spawn_with("aborted", |_| pending::<()>());
    tokio::task::yield_now().await;
    aborted.abort();
    assert_eq!(aborted.await, Err(TaskError::Aborted));
    let panicked = tasks.spawn("panicked", async { panic!("expected: {}", 7) });
    assert_eq!(panicked.await, Err(TaskError::Panicked { message: "expected: 7".into() }));
    let in_drop = tasks.spawn("in drop", async {
        let _held = PanicsInDrop;
        pending::<()>().await;
    });
    tokio::task::yield_now().await;
    in_drop.cancel();
    assert_eq!(in_drop.await, Err(TaskError::Panicked { message: "expected: in drop".into() }));
    let aborted_in_drop = tasks.spawn_with("aborted in drop", async |_| {
        let _held = PanicsInDrop;
        pending::<()>().await;
    });
    tokio::task::yield_now().await;
    aborted_in_drop.abort();
    assert!(matches!(aborted_in_drop.await, Err(TaskError::Panicked { .. })));
    let polite = tasks.spawn_with("polite", |token| async move { token.cancelled().await });
    polite.cancel();
    assert_eq!(polite.await, Ok(()), "it ended by itself");

    let seen = tasks.snapshot();
    assert_eq!((ways(&seen), seen.active), ([1, 2, 1, 3], 0));
    let told: Vec<_> = events.try_iter().collect();
    assert_eq!(told.len(), 3, "{told:?}");
    for event in told {
        assert!(matches!(event, Event::TaskPanicked(end) if &*end.group == "chat"));
    }
    // The group is as good as before.
    assert_eq!(tasks.spawn("again", async { 4 }).await, Ok(4));
}

#[tokio::test(start_paused = true)]
async fn rows_tell_name_age_and_place_and_are_at_most_a_hundred() {
    let scope = Scope::new();
    let tasks = scope.tasks("chat");
    let line = line!() + 1;
    tasks.spawn("n".repeat(300), pending::<()>());
    sleep(SECOND).await;
    for _ in 0..120 {
        tasks.spawn("ticker", pending::<()>());
    }
    let seen = scope.snapshot().tasks.remove(0);
    assert_eq!((&*seen.name, seen.active, seen.tasks.len()), ("chat", 121, 100));
    let oldest = &seen.tasks[0];
    assert_eq!((oldest.id, oldest.age, oldest.name.len(), oldest.is_cancelled), (1, SECOND, 256, false));
    assert!(oldest.place.contains(&format!("tests.rs:{line}:")), "{}", oldest.place);
    assert_eq!(seen.tasks[99].id, 100);
}

#[tokio::test(start_paused = true)]
async fn cancelling_all_waits_aborts_at_the_deadline_and_reports() {
    let scope = Scope::new();
    let events = heard(&scope);
    let tasks = scope.tasks("chat");
    tasks.spawn("waits", pending::<()>());
    tasks.spawn_with("slow", |token| async move {
        token.cancelled().await;
        sleep(SECOND).await;
    });
    tasks.spawn_with("deaf", |_| pending::<()>());
    tokio::task::yield_now().await;
    let report = tasks.cancel_all(3 * SECOND).await;
    assert_eq!((report.ended, report.aborted, report.left, report.is_clean()), (2, 1, 0, false));
    assert!(report.took >= 3 * SECOND && report.took < 4 * SECOND, "{report:?}");
    assert_eq!(report.to_string(), "of 3 tasks 2 ended in 3 s, 1 were aborted, 0 are left");
    let told: Vec<_> = events.try_iter().collect();
    assert!(matches!(&told[..], [Event::TaskAborted(end)] if &*end.name == "deaf"), "{told:?}");
    // Whoever comes now ends before it begins.
    let late = tasks.spawn("late", async { unreachable!("it is not polled") as u8 });
    assert_eq!(late.await, Err(TaskError::Cancelled));
    assert!(tasks.cancel_all(SECOND).await.is_clean());
    assert_eq!(ways(&tasks.snapshot()), [0, 3, 1, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_blocks_its_thread_is_told_as_left() {
    let tasks = Scope::new().tasks("chat");
    let goes_on = Arc::new(AtomicBool::new(true));
    let blocks = Arc::clone(&goes_on);
    let task = tasks.spawn("blocks", async move {
        while blocks.load(SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        pending::<()>().await;
    });
    while tasks.snapshot().tasks[0].age < Duration::from_millis(20) {
        sleep(Duration::from_millis(5)).await;
    }
    let report = tasks.cancel_all(Duration::from_millis(50)).await;
    assert_eq!((report.ended, report.aborted, report.left), (0, 0, 1));
    assert_eq!(report.left_tasks[0].name, "blocks");
    goes_on.store(false, SeqCst);
    let end = timeout(10 * SECOND, task).await.unwrap();
    assert!(matches!(end, Err(TaskError::Aborted | TaskError::Cancelled)), "{end:?}");
    tasks.all_ended().await;
    check(&tasks.snapshot());
    assert_eq!(tasks.active(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_of_a_group_tells_its_tasks_and_its_figures_stay_until_they_end() {
    let scope = Scope::new();
    let alive = || Handle::current().metrics().num_alive_tasks();
    let before = alive();
    let (tasks, again) = (scope.tasks("chat"), scope.tasks("chat"));
    assert_eq!(again.name(), "chat #2");
    let (done, polite) = tokio::sync::oneshot::channel::<()>();
    let slow = tasks.spawn_with("slow", |token| async move {
        token.cancelled().await;
        let _ = polite.await;
    });
    let other = tasks.clone();
    drop((tasks, again));
    tokio::task::yield_now().await;
    assert!(!other.snapshot().tasks[0].is_cancelled);
    drop(other);
    let seen = scope.snapshot().tasks;
    assert_eq!((seen.len(), seen[0].tasks[0].is_cancelled), (1, true));
    drop(done);
    slow.await.unwrap();
    while alive() > before {
        tokio::task::yield_now().await;
    }
    assert!(scope.snapshot().tasks.is_empty());
}

#[test]
fn a_runtime_that_ends_ends_its_tasks_and_all_are_counted() {
    let tasks = Scope::new().tasks("chat");
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        tasks.spawn("waits", pending::<()>());
        tasks.spawn("panics", async {
            let _held = PanicsInDrop;
            pending::<()>().await;
        });
        tokio::task::yield_now().await;
        // Never polled.
        tasks.spawn("new", async {});
    });
    let handle = runtime.handle().clone();
    drop(runtime);
    let seen = tasks.snapshot();
    assert_eq!((ways(&seen), seen.active), ([0, 0, 2, 1], 0));
    let _entered = handle.enter();
    drop(tasks.spawn("too late", async {}));
    assert_eq!(ways(&tasks.snapshot()), [0, 0, 3, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tasks_that_begin_and_end_at_once_are_counted_right_all_along() {
    const EACH: u64 = 2_000;
    let tasks = Scope::new().tasks("chat");
    let spawners: Vec<_> = (0..4_u64)
        .map(|spawner| {
            let tasks = tasks.clone();
            tokio::spawn(async move {
                for turn in 0..EACH {
                    let task = tasks.spawn("one", async move {
                        if turn % 3 == 0 {
                            tokio::task::yield_now().await;
                        }
                    });
                    match (turn + spawner) % 5 {
                        0 => task.abort(),
                        1 => task.cancel(),
                        2 => drop(task.await),
                        _ => {}
                    }
                    if turn % 97 == 0 {
                        let seen = tasks.snapshot();
                        let ended: u64 = seen.ended.iter().map(|(_, count)| count).sum();
                        assert_eq!(seen.started - ended, seen.active, "{seen:?}");
                    }
                }
            })
        })
        .collect();
    for spawner in spawners {
        spawner.await.unwrap();
    }
    timeout(20 * SECOND, tasks.all_ended()).await.unwrap();
    let seen = tasks.snapshot();
    assert_eq!((ways(&seen).iter().sum::<u64>(), seen.active), (4 * EACH, 0));
}

#[cfg(feature = "shutdown")]
#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_tasks_last_and_aborts_those_that_stay() {
    let scope = Scope::new();
    let tasks = scope.tasks("chat");
    tasks.spawn("waits", pending::<()>());
    let polite = tasks.spawn_with("polite", |token| async move {
        token.cancelled().await;
        sleep(SECOND).await;
    });
    let report = scope.shutdown(3 * SECOND).await;
    assert!(report.is_clean() && report.took >= SECOND, "{report:?}");
    assert_eq!((report.tasks, report.tasks_aborted, report.tasks_left), (2, 0, 0));
    polite.await.unwrap();

    // One that is made while the scope shuts down is told at the deadline, and one that does not listen is aborted.
    let others = scope.tasks("others");
    let (in_turn, made) = (scope.clone(), scope.tasks("makes"));
    made.spawn_with("makes", |token| async move {
        token.cancelled().await;
        let late = in_turn.tasks("late");
        late.spawn("late", pending::<()>());
        late.all_ended().await;
    });
    others.spawn_with("deaf", |_| pending::<()>());
    tokio::task::yield_now().await;
    let report = scope.shutdown(3 * SECOND).await;
    assert_eq!((report.tasks, report.tasks_aborted, report.tasks_left, report.is_clean()), (2, 1, 0, false));
    assert!(report.to_string().ends_with("; of 2 tasks 1 were aborted, 0 are left"), "{report}");
}

/// Takes its time when it is told.
struct Slow;

impl Wake for Slow {
    fn wake(self: Arc<Self>) {
        std::thread::sleep(SECOND / 20);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_ends_while_others_are_told_is_in_the_report() {
    let group = Scope::new().tasks("jobs");
    let mut slow = Vec::new();
    // They are told one after the other, whichever is first.
    for _ in 0..3 {
        let waits = group.spawn_with("waits", |token| {
            slow.push(Box::pin(token.clone().cancelled_owned()));
            async move { token.cancelled().await }
        });
        drop(waits);
    }
    sleep(SECOND / 20).await;
    let waker = Waker::from(Arc::new(Slow));
    for told in &mut slow {
        assert!(told.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    let report = group.cancel_all(SECOND).await;
    assert_eq!((report.ended, report.is_clean()), (3, true), "{report}");
}
