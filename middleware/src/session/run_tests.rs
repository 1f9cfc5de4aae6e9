//! Tests of handlers that run under their session.

use std::future::pending;
use std::sync::Arc;

use tokio::time::{Instant, sleep, timeout};

use super::tests::{PROMISED, SECOND, chat, check, heard};
use super::*;
use crate::{Event, Scope};

#[tokio::test(start_paused = true)]
async fn a_handler_that_waits_for_something_else_is_cut_when_its_session_is_overdue() {
    let scope = Scope::new();
    let events = heard(&scope);
    let chats = scope.sessions("chat").idle_timeout(10 * SECOND).overdue_after(2 * SECOND).build().unwrap();
    let held = Arc::new(());
    let holds = Arc::clone(&held);
    let began = Instant::now();
    let handler = tokio::spawn(chats.begin("deaf").unwrap().run(|session| async move {
        let _held = (session, holds);
        pending::<()>().await;
    }));
    let cut = handler.await.unwrap().unwrap_err();
    assert_eq!(cut.reason, SessionEnd::IdleTimeout);
    assert_eq!(
        cut.to_string(),
        "the session was told to end (idle_timeout), and its handler was cut since it did not"
    );
    let took = began.elapsed();
    assert!((12 * SECOND..12 * SECOND + PROMISED).contains(&took), "{took:?}");
    assert_eq!(Arc::strong_count(&held), 1, "what it held is given back");
    let seen = chats.snapshot();
    check(&seen);
    assert_eq!((seen.active, seen.handlers_cut, seen.ended(SessionEnd::IdleTimeout)), (0, 1, 1));
    let told: Vec<_> = events.try_iter().collect();
    assert!(matches!(&told[..], [Event::SessionOverdue(_), Event::SessionEnded(_)]), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn one_that_is_woken_all_the_time_and_one_that_begins_too_late_are_cut_too() {
    let chats = chat().idle_timeout(SECOND).overdue_after(SECOND).build().unwrap();
    let busy = chats.begin("busy").unwrap().run(|session| async move {
        let _session = session;
        loop {
            sleep(SECOND / 100).await;
        }
    });
    let late = chats.begin("late").unwrap();
    assert!(timeout(5 * SECOND, busy).await.unwrap().is_err());
    assert_eq!(chats.snapshot().overdue, 1);
    let late = late.run(|session| async move { session.key().len() + pending::<usize>().await });
    assert_eq!(timeout(SECOND, late).await.unwrap().unwrap_err().reason, SessionEnd::IdleTimeout);
    assert_eq!((chats.active(), chats.snapshot().handlers_cut), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn one_that_ends_in_time_gives_what_it_came_to() {
    let chats = chat().idle_timeout(SECOND).overdue_after(SECOND).build().unwrap();
    let polite = chats.begin("polite").unwrap().run(|session| async move {
        let reason = session.ended().await;
        sleep(SECOND / 2).await;
        reason
    });
    assert_eq!(polite.await, Ok(SessionEnd::IdleTimeout));
    let quick = chats.begin("quick").unwrap().run(async |session| session.complete());
    assert_eq!(quick.await, Ok(SessionEnd::Completed));
    let seen = chats.snapshot();
    check(&seen);
    assert_eq!((seen.active, seen.handlers_cut, seen.ended(SessionEnd::Completed)), (0, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn each_other_way_out_counts_the_session_out_once() {
    let chats = chat().overdue_after(SECOND).build().unwrap();
    drop(chats.begin("never polled").unwrap().run(|session| async move { drop(session) }));
    let aborted =
        tokio::spawn(chats.begin("aborted").unwrap().run(|session| async move { session.ended().await }));
    tokio::task::yield_now().await;
    aborted.abort();
    assert!(aborted.await.unwrap_err().is_cancelled());
    let panics = tokio::spawn(chats.begin("panics").unwrap().run(|session| async move {
        session.touch();
        panic!("expected");
    }));
    assert!(panics.await.unwrap_err().is_panic());
    let seen = chats.snapshot();
    check(&seen);
    assert_eq!((seen.active, seen.ended(SessionEnd::Dropped), seen.ended(SessionEnd::Panicked)), (0, 2, 1));

    // The session is there until its handler is gone, and what goes on after it is cut.
    let goes_on = tokio::spawn(chats.begin("goes on").unwrap().run(|session| async move {
        session.complete();
        pending::<()>().await;
    }));
    tokio::task::yield_now().await;
    assert_eq!((chats.active(), chats.snapshot().sessions[0].ending), (1, Some(SessionEnd::Completed)));
    assert_eq!(goes_on.await.unwrap().unwrap_err().reason, SessionEnd::Completed);
    assert_eq!((chats.active(), chats.snapshot().handlers_cut), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn sessions_that_end_with_their_handlers_have_nobody_swept() {
    let chats = chat().idle_timeout(None).build().unwrap();
    let _stays = chats.begin("stays").unwrap();
    sleep(SECOND).await;
    let before = chats.snapshot().sweeps.count();
    for _ in 0..20 {
        assert!(chats.begin("quick").unwrap().run(async |session| drop(session)).await.is_ok());
        sleep(SECOND / 10).await;
    }
    assert_eq!(chats.snapshot().sweeps.count(), before);
}

#[cfg(feature = "shutdown")]
#[tokio::test(start_paused = true)]
async fn a_shutdown_cuts_handlers_at_its_deadline() {
    let scope = Scope::new();
    let chats = scope.sessions("chat").build().unwrap();
    let deaf = tokio::spawn(chats.begin("deaf").unwrap().run(|session| async move {
        let _session = session;
        pending::<()>().await;
    }));
    let polite = tokio::spawn(chats.begin("polite").unwrap().run(async |session| session.ended().await));
    let report = scope.shutdown(SECOND).await;
    assert_eq!((report.sessions, report.sessions_cut, report.sessions_left), (2, 1, 0));
    assert!(!report.is_clean() && report.took < 2 * SECOND, "{report:?}");
    assert!(report.to_string().ends_with("; of 2 sessions 1 were cut, 0 are left"), "{report}");
    assert_eq!(deaf.await.unwrap().unwrap_err().reason, SessionEnd::Shutdown);
    assert_eq!(polite.await.unwrap(), Ok(SessionEnd::Shutdown));
}
