//! Tests of pings, tasks, traffic and data of sessions, in a runtime.

use std::future::pending;
use std::sync::Arc;

use poolscope_semconv::value::PingOutcome;
use tokio::time::{Instant, sleep, timeout};

use super::tests::{PROMISED, SECOND, chat, check, heard};
use super::*;
use crate::{Event, Scope, TaskOwner};

#[tokio::test(start_paused = true)]
async fn who_does_not_answer_pings_ends_in_time_and_who_does_stays() {
    let pings = |builder: SessionsBuilder| builder.liveness(10 * SECOND, 2 * SECOND, 3).idle_timeout(None);
    let chats = pings(chat()).build().unwrap();
    let (alive, gone) = (Arc::new(chats.begin("alive").unwrap()), chats.begin("gone").unwrap());
    let answers = Arc::clone(&alive);
    tokio::spawn(async move {
        loop {
            answers.ping_due().await;
            sleep(SECOND).await;
            answers.pong();
        }
    });
    let began = Instant::now();
    let sends = async {
        loop {
            gone.ping_due().await;
        }
    };
    let reason = tokio::select! {
        reason = gone.ended() => reason,
        () = sends => unreachable!(),
    };
    assert_eq!(reason, SessionEnd::Unresponsive);
    // The interval and three pings, each of which is sent a sweep late at most.
    let took = began.elapsed();
    assert!((16 * SECOND..16 * SECOND + PROMISED).contains(&took), "{took:?}");
    assert_eq!(alive.told(), None);
    drop(gone);
    let seen = chats.snapshot();
    check(&seen);
    assert_eq!(seen.ended(SessionEnd::Unresponsive), 1);
    assert_eq!(seen.pings, [(PingOutcome::Answered, 1), (PingOutcome::Missed, 3)]);
    assert_eq!((seen.ping_time.count(), seen.ping_time.sum.round()), (1, 1.0));
}

#[tokio::test(start_paused = true)]
async fn a_holder_who_sends_no_ping_makes_nobody_unresponsive() {
    let chats = chat().liveness(SECOND, SECOND, 1).idle_timeout(60 * SECOND).build().unwrap();
    let session = chats.begin("busy").unwrap();
    sleep(50 * SECOND).await;
    assert_eq!(session.told(), None);
    // It is told at once, and the message that comes is the answer; one that came before it was sent was none.
    session.ping_due().await;
    session.received(3);
    assert_eq!(chats.snapshot().pings, [(PingOutcome::Answered, 1), (PingOutcome::Missed, 0)]);
    assert_eq!(chats.snapshot().ping_time.count(), 0, "what it took is not known");
    session.ping_due().await;
    assert_eq!(session.ended().await, SessionEnd::Unresponsive);
}

#[tokio::test(start_paused = true)]
async fn a_closure_that_fails_or_hangs_is_no_answer() {
    let chats = chat().liveness(SECOND, SECOND, 2).idle_timeout(None).build().unwrap();
    let (alive, fails, hangs) =
        (chats.begin("alive").unwrap(), chats.begin("fails").unwrap(), chats.begin("hangs").unwrap());
    alive.ping_by(async || Ok::<_, String>(()));
    fails.ping_by(async || Err("broken pipe"));
    hangs.ping_by(pending::<Result<(), String>>);
    assert_eq!(fails.ended().await, SessionEnd::Unresponsive);
    assert_eq!(hangs.ended().await, SessionEnd::Unresponsive);
    sleep(5 * SECOND).await;
    assert_eq!(alive.told(), None);
    let seen = chats.snapshot();
    assert_eq!((seen.pings[1], seen.traffic.errors), ((PingOutcome::Missed, 4), 2));
    assert_eq!(seen.sessions.iter().map(|row| row.tasks).collect::<Vec<_>>(), [1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_session_is_there_until_its_tasks_are_gone_and_they_end_with_it() {
    let scope = Scope::new();
    let events = heard(&scope);
    let chats = scope.sessions("chat").overdue_after(5 * SECOND).build().unwrap();
    assert!(scope.snapshot().tasks.is_empty(), "it has had no task");
    let session = chats.begin("a").unwrap();
    let waits = session.spawn("waits", pending::<()>());
    let slow = session.spawn_with("slow", |token| async move {
        token.cancelled().await;
        sleep(2 * SECOND).await;
        3
    });
    let seen = scope.snapshot();
    assert_eq!(
        (&*seen.tasks[0].name, seen.tasks[0].active, seen.sessions[0].sessions[0].tasks),
        ("chat", 2, 2)
    );
    assert_eq!(session.complete(), SessionEnd::Completed);
    assert!(waits.await.is_err());
    let seen = chats.snapshot();
    assert_eq!(
        (seen.active, seen.sessions[0].tasks, seen.sessions[0].ending),
        (1, 1, Some(SessionEnd::Completed))
    );
    assert_eq!(slow.await, Ok(3));
    let seen = chats.snapshot();
    check(&seen);
    assert_eq!((seen.active, seen.ended(SessionEnd::Completed)), (0, 1));

    // One whose task does not listen is overdue, and its task is aborted then.
    let session = chats.begin("b").unwrap();
    let deaf = session.spawn_with("deaf", |_| pending::<()>());
    tokio::task::yield_now().await;
    let dropped = Instant::now();
    drop(session);
    assert_eq!(deaf.await.unwrap_err().to_string(), "the task was aborted");
    let took = dropped.elapsed();
    assert!((5 * SECOND..5 * SECOND + PROMISED).contains(&took), "{took:?}");
    timeout(SECOND, chats.all_ended()).await.unwrap();
    let told: Vec<_> = events.try_iter().collect();
    let [Event::SessionOverdue(_), Event::TaskAborted(_), Event::SessionEnded(end)] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(end.reason, SessionEnd::Dropped);
    check(&chats.snapshot());
}

#[tokio::test(start_paused = true)]
async fn what_goes_through_is_counted_and_what_is_kept_is_bounded() {
    let chats = chat().max_data(150).idle_timeout(10 * SECOND).build().unwrap();
    let (first, second) = (chats.begin("a").unwrap(), chats.begin("b").unwrap());
    first.sent(10);
    first.sent(5);
    second.received(7);
    second.errored();
    first.set("user", "ann").unwrap();
    assert!(first.set("room", &"r".repeat(200)).is_err());
    assert_eq!((first.get("user").as_deref(), first.get("room")), (Some("ann"), None));
    let rows = chats.snapshot().sessions;
    assert_eq!((rows[0].traffic.messages_sent, rows[0].traffic.bytes_sent, rows[0].data_bytes), (2, 15, 71));
    assert_eq!((rows[1].traffic.messages_received, rows[1].traffic.errors), (1, 1));
    assert_eq!(first.unset("user").as_deref(), Some("ann"));
    // What is gone is still counted; sending is no activity of the other end, receiving is.
    drop(second);
    let total = chats.snapshot().traffic;
    assert_eq!((total.messages_sent, total.bytes_sent), (2, 15));
    assert_eq!((total.messages_received, total.bytes_received, total.errors), (1, 7, 1));
    sleep(8 * SECOND).await;
    first.sent(1);
    let third = chats.begin("c").unwrap();
    sleep(SECOND).await;
    third.received(1);
    assert_eq!(first.ended().await, SessionEnd::IdleTimeout);
    assert_eq!(third.told(), None);
}

/// What tells of a task that somebody looks for.
fn owner_of(owner: Option<&TaskOwner>) -> (&str, u64, &str) {
    let owner = owner.unwrap();
    (&owner.name, owner.id, &owner.key)
}

#[tokio::test(start_paused = true)]
async fn a_task_names_the_session_that_it_belongs_to_wherever_it_is_told() {
    let scope = Scope::new();
    let events = heard(&scope);
    // The group of its tasks has another name than its registry then.
    let _jobs = scope.tasks("chat");
    let chats = scope.sessions("chat").overdue_after(SECOND).build().unwrap();
    let (first, second) = (chats.begin("room 7").unwrap(), chats.begin("room 8").unwrap());
    assert!(first.spawn("breaks", async { panic!("expected") }).await.is_err());
    second.spawn_with("deaf", |_| pending::<()>());
    let seen = scope.snapshot();
    let group = seen.tasks.iter().find(|group| group.active > 0).unwrap();
    assert_eq!(&*group.name, "chat #2");
    assert_eq!(owner_of(group.tasks[0].owner.as_ref()), ("chat", 2, "room 8"));
    #[cfg(feature = "http")]
    assert_eq!(
        serde_json::to_value(&group.tasks[0]).unwrap()["owner"],
        serde_json::json!({ "name": "chat", "id": 2, "key": "room 8" })
    );
    let said = group.tasks[0].to_string();
    assert!(said.starts_with("deaf of ") && said.ends_with(", of session 2 (room 8) of chat"), "{said}");
    drop(second);
    timeout(2 * SECOND, async {
        while chats.active() > 1 {
            sleep(SECOND / 10).await;
        }
    })
    .await
    .unwrap();
    let ends: Vec<_> = events
        .try_iter()
        .filter_map(|event| match event {
            Event::TaskPanicked(end) | Event::TaskAborted(end) => Some((end.name.to_string(), end.owner)),
            _ => None,
        })
        .collect();
    let told: Vec<_> = ends.iter().map(|(name, owner)| (&**name, owner_of(owner.as_ref()))).collect();
    assert_eq!(told, [("breaks", ("chat", 1, "room 7")), ("deaf", ("chat", 2, "room 8"))]);
}

#[cfg(feature = "shutdown")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_tells_whose_tasks_are_left() {
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
    let scope = Scope::new();
    let chats = scope.sessions("chat").build().unwrap();
    let session = chats.begin("room 7").unwrap();
    let blocks = Arc::new(AtomicBool::new(true));
    let goes_on = Arc::clone(&blocks);
    let task = session.spawn("blocks", async move {
        while goes_on.load(SeqCst) {
            std::thread::sleep(SECOND / 1000);
        }
    });
    while scope.snapshot().tasks[0].tasks[0].age < SECOND / 50 {
        sleep(SECOND / 200).await;
    }
    let report = scope.shutdown(SECOND / 20).await;
    assert_eq!((report.tasks_left, report.left_tasks.len(), report.sessions_left), (1, 1, 1));
    assert_eq!(owner_of(report.left_tasks[0].owner.as_ref()), ("chat", 1, "room 7"));
    assert!(report.to_string().contains(", of session 1 (room 7) of chat is left"), "{report}");
    blocks.store(false, SeqCst);
    drop(task.await);
}

#[tokio::test]
async fn many_sessions_that_are_overdue_at_once_are_swept_in_time() {
    const MANY: usize = 5_000;
    let begin = std::time::Instant::now();
    let chats = chat().max_sessions(MANY).overdue_after(SECOND / 10).build().unwrap();
    let sessions: Vec<_> = (0..MANY).map(|_| chats.begin("a").unwrap()).collect();
    let tasks: Vec<_> =
        sessions.iter().map(|session| session.spawn_with("deaf", |_| pending::<()>())).collect();
    tokio::task::yield_now().await;
    drop(sessions);
    for task in tasks {
        assert!(task.await.is_err());
    }
    chats.all_ended().await;
    let seen = chats.snapshot();
    check(&seen);
    assert_eq!((seen.active, seen.ended(SessionEnd::Dropped)), (0, MANY as u64));
    let longest = seen.sweeps.quantile(1.0).unwrap();
    assert!(longest <= 0.5, "a sweep took {longest} s, all of it {:?}", begin.elapsed());
}
