//! Tests of the registry in a runtime.

use std::future::pending;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::*;
use crate::event::EndOfSession;
use crate::{Event, Scope, SessionsSnapshot};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const PROMISED: Duration = Duration::from_millis(250);

pub(super) fn chat() -> SessionsBuilder {
    Scope::new().sessions("chat")
}

pub(super) fn heard(scope: &Scope) -> mpsc::Receiver<Event> {
    let (send, receive) = mpsc::channel();
    let send = Mutex::new(send);
    scope.listen(move |event: &Event| drop(send.lock().unwrap().send(event.clone())));
    receive
}

/// What holds at any moment.
pub(super) fn check(seen: &SessionsSnapshot) {
    let ended: u64 = seen.ended.iter().map(|(_, count)| count).sum();
    assert_eq!(seen.started - ended, seen.active, "{seen:?}");
    assert!(seen.overdue <= seen.active && seen.active <= seen.limit, "{seen:?}");
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_touched_stays_and_one_that_is_not_ends() {
    let chats = chat().idle_timeout(10 * SECOND).build().unwrap();
    let (alive, idle) = (chats.begin("alive").unwrap(), chats.begin("idle").unwrap());
    let began = Instant::now();
    for _ in 0..4 {
        sleep(3 * SECOND).await;
        alive.touch();
    }
    assert_eq!(idle.ended().await, SessionEnd::IdleTimeout);
    assert_eq!(began.elapsed(), 12 * SECOND);
    assert_eq!(alive.told(), None);
    assert_eq!(alive.ended().await, SessionEnd::IdleTimeout);
    let took = began.elapsed();
    assert!((22 * SECOND..22 * SECOND + PROMISED).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn no_session_lasts_longer_than_it_may_whatever_happens_in_it() {
    let chats = chat().idle_timeout(SECOND).max_duration(5 * SECOND).build().unwrap();
    let session = chats.begin("busy").unwrap();
    let began = Instant::now();
    let busy = async {
        loop {
            sleep(SECOND / 2).await;
            session.touch();
        }
    };
    let reason = tokio::select! {
        reason = session.ended() => reason,
        () = busy => unreachable!(),
    };
    assert_eq!(reason, SessionEnd::MaxDuration);
    let took = began.elapsed();
    assert!((5 * SECOND..5 * SECOND + PROMISED).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn each_way_out_is_counted_once_and_leaves_nothing_behind() {
    let scope = Scope::new();
    let events = heard(&scope);
    let chats = scope.sessions("chat").build().unwrap();
    assert_eq!(chats.begin("done").unwrap().complete(), SessionEnd::Completed);
    assert_eq!(chats.begin("broken").unwrap().fail("e".repeat(300)), SessionEnd::Error);
    drop(chats.begin("dropped").unwrap());
    let session = chats.begin("panicked").unwrap();
    let panics = tokio::spawn(async move {
        session.touch();
        panic!("a handler that panics");
    });
    assert!(panics.await.unwrap_err().is_panic());
    let session = chats.begin("aborted").unwrap();
    let aborted = tokio::spawn(async move { session.ended().await });
    tokio::task::yield_now().await;
    aborted.abort();
    assert!(aborted.await.unwrap_err().is_cancelled());

    let seen = chats.snapshot();
    check(&seen);
    assert_eq!((seen.active, seen.started, seen.overdue, seen.oldest), (0, 5, 0, None));
    assert_eq!(seen.duration.count(), 5);
    for (reason, count) in &seen.ended {
        let expected = match reason {
            SessionEnd::Completed | SessionEnd::Error | SessionEnd::Panicked => 1,
            SessionEnd::Dropped => 2,
            _ => 0,
        };
        assert_eq!(*count, expected, "{reason}");
    }
    let told: Vec<EndOfSession> = events.try_iter().map(ended).collect();
    let reasons: Vec<_> = told.iter().map(|end| (&*end.key, end.reason)).collect();
    let expected = [
        ("broken", SessionEnd::Error),
        ("dropped", SessionEnd::Dropped),
        ("panicked", SessionEnd::Panicked),
        ("aborted", SessionEnd::Dropped),
    ];
    assert_eq!(reasons, expected, "one that was completed is not worth an event");
    assert_eq!(told[0].error.as_ref().map(String::len), Some(256));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_begins_when_its_session_is_overdue_is_aborted_too() {
    let chats = chat().overdue_after(SECOND / 5).build().unwrap();
    let session = chats.begin("busy").unwrap();
    chats.close();
    sleep(SECOND).await;
    assert_eq!(chats.snapshot().overdue, 1);
    let deaf = session.spawn_with("deaf", |_| pending::<()>());
    drop(session);
    timeout(SECOND, chats.all_ended()).await.unwrap();
    assert!(deaf.await.is_err());
}

#[cfg(feature = "trace")]
#[tokio::test]
async fn an_end_is_in_the_trace_that_the_session_was_begun_in() {
    use opentelemetry::Context;
    use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};

    let scope = Scope::new();
    let events = heard(&scope);
    let chats = scope.sessions("chat").build().unwrap();
    let request =
        SpanContext::new(TraceId::from(7), SpanId::from(3), TraceFlags::SAMPLED, true, TraceState::NONE);
    let inside = Context::new().with_remote_span_context(request).attach();
    let opened = chats.begin("opened by a request").unwrap();
    drop(inside);
    drop(opened);
    drop(chats.begin("opened by nobody").unwrap());
    let told: Vec<_> = events.try_iter().map(ended).map(|end| (end.trace_id, end.span_id)).collect();
    assert_eq!(told, [(Some(7), Some(3)), (None, None)]);
}

fn ended(event: Event) -> EndOfSession {
    match event {
        Event::SessionEnded(end) => end,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_runtime_that_ends_ends_its_sessions_and_the_next_one_sweeps_again() {
    let chats = chat().idle_timeout(SECOND / 50).build().unwrap();
    let first = runtime();
    let kept = first.block_on(async {
        let session = chats.begin("in a task").unwrap();
        tokio::spawn(async move {
            session.touch();
            pending::<()>().await;
        });
        tokio::task::yield_now().await;
        chats.begin("kept").unwrap()
    });
    drop(first);
    let seen = chats.snapshot();
    assert_eq!((seen.active, seen.ended(SessionEnd::Dropped)), (1, 1));
    assert_eq!(kept.told(), None, "nobody sweeps");
    let refused = chats.begin("nowhere").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "no session of chat can begin here: outside of a tokio runtime, nothing can look after it"
    );
    runtime().block_on(async {
        let _other = chats.begin("other").unwrap();
        assert_eq!(timeout(10 * SECOND, kept.ended()).await.unwrap(), SessionEnd::IdleTimeout);
    });
    drop(kept);
    let seen = chats.snapshot();
    check(&seen);
    assert_eq!((seen.active, seen.refused), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn tasks_of_a_session_end_with_it_and_cannot_end_it() {
    let chats = chat().build().unwrap();
    let session = chats.begin("a").unwrap();
    let (own, other) = (session.token(), session.token());
    own.cancel();
    assert!(own.is_cancelled() && !other.is_cancelled());
    assert_eq!(session.told(), None);
    let task = tokio::spawn(other.cancelled_owned());
    session.complete();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_too_much_is_refused_until_there_is_room_again() {
    let chats = chat().max_sessions(2).build().unwrap();
    let (first, _second) = (chats.begin("1").unwrap(), chats.begin("2").unwrap());
    let refused = chats.begin("3").unwrap_err();
    assert_eq!(refused, Refused::Full { name: "chat".into(), max: 2, overdue: 0 });
    assert_eq!(
        refused.to_string(),
        "no more sessions of chat can begin: 2 of at most 2 are there, 0 of them overdue"
    );
    first.complete();
    let third = chats.begin("3").unwrap();
    assert_eq!((third.id(), third.key()), (3, "3"));
    let seen = chats.snapshot();
    check(&seen);
    assert_eq!((seen.active, seen.started, seen.refused), (2, 3, 1));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_go_when_told_is_reported_once_and_counts_until_he_goes() {
    let scope = Scope::new();
    let events = heard(&scope);
    let chats = scope.sessions("chat").idle_timeout(10 * SECOND).overdue_after(5 * SECOND).build().unwrap();
    let deaf = chats.begin("deaf").unwrap();
    sleep(14 * SECOND).await;
    assert_eq!((deaf.told(), chats.snapshot().overdue), (Some(SessionEnd::IdleTimeout), 0));
    sleep(2 * SECOND).await;
    let seen = chats.snapshot();
    assert_eq!((seen.active, seen.overdue, seen.ended(SessionEnd::IdleTimeout)), (1, 1, 0));
    assert!(seen.sessions[0].is_overdue);
    sleep(100 * SECOND).await;
    let told: Vec<_> = events.try_iter().collect();
    assert!(matches!(&told[..], [Event::SessionOverdue(end)] if &*end.key == "deaf"), "{told:?}");
    assert_eq!(deaf.complete(), SessionEnd::IdleTimeout, "the first reason holds");
    let seen = chats.snapshot();
    check(&seen);
    assert_eq!((seen.active, seen.overdue, seen.ended(SessionEnd::IdleTimeout)), (0, 0, 1));
    let end = ended(events.try_recv().unwrap());
    assert!(end.ending > 105 * SECOND && end.duration == end.idle, "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn closing_tells_all_lets_nobody_in_and_can_be_waited_for() {
    let chats = chat().idle_timeout(None).overdue_after(SECOND).build().unwrap();
    let (polite, deaf) = (chats.begin("polite").unwrap(), chats.begin("deaf").unwrap());
    let polite = tokio::spawn(async move { polite.ended().await });
    sleep(SECOND).await;
    assert_eq!(chats.close(), 2);
    assert_eq!(polite.await.unwrap(), SessionEnd::Shutdown);
    assert_eq!(chats.begin("late").unwrap_err(), Refused::Shutdown { name: "chat".into() });
    assert!(timeout(2 * SECOND, chats.all_ended()).await.is_err());
    assert_eq!(chats.snapshot().overdue, 1);
    let all_ended = tokio::spawn({
        let chats = chats.clone();
        async move { chats.all_ended().await }
    });
    tokio::task::yield_now().await;
    drop(deaf);
    all_ended.await.unwrap();
    assert_eq!(chats.snapshot().ended(SessionEnd::Shutdown), 2);
}

#[tokio::test]
async fn the_sweep_ends_with_the_registry_and_its_last_session() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let scope = Scope::new();
    let before = tasks();
    let chats = scope.sessions("chat").idle_timeout(None).build().unwrap();
    let again = scope.sessions("chat").build().unwrap();
    assert_eq!(tasks(), before, "without a session there is nothing to sweep");
    let session = chats.begin("a").unwrap();
    drop((chats.begin("b").unwrap(), again));
    drop(chats);
    assert_eq!(tasks(), before + 1);
    assert_eq!(scope.snapshot().sessions[0].active, 1, "its session is still there");
    drop(session);
    assert!(scope.snapshot().sessions.is_empty());
    timeout(10 * SECOND, async {
        while tasks() > before {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_sweep_that_comes_late_is_counted() {
    let chats = chat().idle_timeout(Duration::from_millis(20)).build().unwrap();
    let session = chats.begin("a").unwrap();
    // The sweep begins to wait.
    tokio::task::yield_now().await;
    std::thread::sleep(Duration::from_millis(400));
    session.ended().await;
    while chats.snapshot().late_sweeps == 0 {
        tokio::task::yield_now().await;
    }
    let sweeps = chats.snapshot().sweeps.count();
    assert!(sweeps >= 2, "{sweeps}");
}

/// How late each of them was told.
async fn lateness(chats: &Sessions, idle: Duration, active: &[u64]) -> Vec<Duration> {
    let mut tasks = JoinSet::new();
    let start = Instant::now();
    for (index, millis) in active.iter().enumerate() {
        let (chats, last) = (chats.clone(), start + Duration::from_millis(*millis));
        tasks.spawn(async move {
            // Each begins in its own time, is touched now and then, and is left alone from then on.
            sleep_until(start + Duration::from_millis(index as u64 % 7 * 10)).await;
            let session = chats.begin("a").unwrap();
            let mut touched = Instant::now();
            while touched < last {
                sleep(Duration::from_millis(9)).await;
                if session.told().is_some() {
                    // This task was not run for so long.
                    break;
                }
                touched = Instant::now();
                session.touch();
            }
            let reason = session.ended().await;
            assert_eq!(reason, SessionEnd::IdleTimeout);
            // Not before its time, but for the moment between the two readings of the clock.
            let waited = touched.elapsed();
            assert!(waited + Duration::from_millis(1) >= idle, "{waited:?}");
            waited.saturating_sub(idle)
        });
    }
    tasks.join_all().await
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn a_session_is_told_within_a_quarter_of_a_second_of_its_deadline(
        idle in 1_u64..2_000,
        interval in 1_u64..=200,
        active in prop::collection::vec(0_u64..3_000, 1..40),
    ) {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (idle, interval) = (Duration::from_millis(idle), Duration::from_millis(interval));
        let late = runtime.block_on(async {
            // Touched more often than that.
            let idle = idle.max(Duration::from_millis(20));
            let chats = chat().idle_timeout(idle).sweep_interval(interval).build().unwrap();
            lateness(&chats, idle, &active).await
        });
        let most = late.into_iter().max().unwrap();
        prop_assert!(most <= interval + Duration::from_millis(2), "{most:?} for {interval:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_told_in_time_by_the_real_clock_too() {
    let idle = Duration::from_millis(200);
    let chats = chat().idle_timeout(idle).build().unwrap();
    let active: Vec<_> = (0..200).map(|index| 2 * index).collect();
    let mut late = lateness(&chats, idle, &active).await;
    late.sort();
    let (median, most) = (late[late.len() / 2], late[late.len() - 1]);
    assert!(most < PROMISED, "median {median:?}, most {most:?}");
    assert_eq!(chats.active(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sessions_that_begin_and_end_at_once_are_counted_right_all_along() {
    const TASKS: u64 = 8;
    const EACH: u64 = 2_000;
    let idle = Duration::from_millis(2);
    let chats = chat()
        .idle_timeout(idle)
        .max_duration(Duration::from_millis(4))
        .overdue_after(Duration::from_millis(1))
        .sweep_interval(Duration::from_millis(1))
        .max_sessions(6)
        .build()
        .unwrap();
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let chats = chats.clone();
        tasks.spawn(async move {
            let (mut begun, mut refused) = (0, 0);
            for turn in 0..EACH {
                let Ok(session) = chats.begin("a") else {
                    refused += 1;
                    tokio::task::yield_now().await;
                    continue;
                };
                begun += 1;
                match (turn + task) % 50 {
                    0 => drop(session.ended().await),
                    // Around the deadline, and after it.
                    1 => sleep(idle).await,
                    2 => sleep(4 * idle).await,
                    3..20 => drop(session.complete()),
                    20..30 => drop(session.fail("broken")),
                    _ => session.touch(),
                }
                if turn % 97 == 0 {
                    check(&chats.snapshot());
                }
            }
            (begun, refused)
        });
    }
    let totals = tasks.join_all().await.into_iter().reduce(|a, b| (a.0 + b.0, a.1 + b.1)).unwrap();
    let seen = chats.snapshot();
    check(&seen);
    assert_eq!((seen.started, seen.refused), totals);
    assert_eq!(totals.0 + totals.1, TASKS * EACH);
    assert_eq!((seen.active, seen.overdue), (0, 0));
    for reason in [SessionEnd::Completed, SessionEnd::Dropped, SessionEnd::IdleTimeout, SessionEnd::Error] {
        assert!(seen.ended(reason) > 0, "{reason}: {seen:?}");
    }
}

#[test]
fn two_registries_of_one_name_are_two() {
    let scope = Scope::new();
    let (_first, _second) =
        (scope.sessions("chat").build().unwrap(), scope.sessions("chat").build().unwrap());
    let names: Vec<_> = scope.snapshot().sessions.into_iter().map(|seen| seen.name).collect();
    assert_eq!(names, ["chat", "chat #2"]);
}

#[cfg(feature = "shutdown")]
#[tokio::test(start_paused = true)]
async fn a_shutdown_tells_sessions_waits_for_them_and_reports_those_that_stay() {
    let scope = Scope::new();
    let chats = scope.sessions("chat").build().unwrap();
    let (polite, deaf) = (chats.begin("polite").unwrap(), chats.begin("deaf").unwrap());
    tokio::spawn(async move {
        polite.ended().await;
        sleep(SECOND).await;
    });
    let report = scope.shutdown(3 * SECOND).await;
    assert_eq!((report.sessions, report.sessions_left, report.is_clean()), (2, 1, false));
    assert!(report.to_string().ends_with("; of 2 sessions 0 were cut, 1 are left"), "{report}");
    assert!(report.took >= 3 * SECOND, "{report:?}");
    // What comes later is told at once.
    let late = scope.sessions("late").build().unwrap();
    assert_eq!(late.begin("a").unwrap_err(), Refused::Shutdown { name: "late".into() });
    drop(deaf);
    let report = scope.shutdown(3 * SECOND).await;
    assert!(report.is_clean() && report.took < SECOND, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_registry_in_which_nobody_is_does_nothing_and_wakes_when_somebody_comes() {
    let chats = chat().idle_timeout(SECOND).liveness(SECOND, SECOND, 1).build().unwrap();
    drop(chats.begin("first").unwrap());
    sleep(5 * SECOND).await;
    let swept = chats.snapshot().sweeps.count();
    sleep(1_000 * SECOND).await;
    assert_eq!(chats.snapshot().sweeps.count(), swept);
    let session = chats.begin("second").unwrap();
    let began = Instant::now();
    assert_eq!(session.ended().await, SessionEnd::IdleTimeout);
    assert!((SECOND..SECOND + PROMISED).contains(&began.elapsed()), "{:?}", began.elapsed());
}
