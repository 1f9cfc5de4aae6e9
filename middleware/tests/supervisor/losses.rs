//! Every way in which a connection is lost, and what is told of it.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use poolscope::supervisor::{SupervisorBuilder, SupervisorReason, SupervisorState};
use poolscope::{Event, Scope};
use tokio::time::{Instant, sleep};

use super::line::{Line, Manner, Server, Slow, connect};
use super::{LONG, changes, until};

const SOON: Duration = Duration::from_millis(50);

fn supervisor(scope: &Scope) -> SupervisorBuilder {
    scope.supervisor("prices").backoff(Duration::from_millis(5), Duration::from_millis(20))
}

#[tokio::test]
async fn a_server_that_vanishes_without_a_word_is_missed_by_the_heartbeat() {
    let server = Server::with(Manner::Deaf).await;
    let scope = Scope::new();
    let beats = supervisor(&scope).heartbeat(SOON, SOON, 3);
    let began = Instant::now();
    let line = beats.start(connect(server.address), async |_: String| {}).unwrap();
    let seen = until(&scope, "to miss it", |seen| changes(seen, SupervisorReason::Unresponsive) > 0).await;
    let after = began.elapsed();
    // One interval, and three answers that did not come.
    assert!(after >= SOON * 4 && after < SOON * 4 + Duration::from_millis(250), "after {after:?}");
    assert_eq!(seen.last_error.as_deref(), Some("asked, it did not answer within 50 ms, 3 times in a row"));
    until(&scope, "to connect again", |seen| changes(seen, SupervisorReason::Established) > 1).await;
    drop(line);
}

#[tokio::test]
async fn a_server_that_answers_stays_however_little_is_said() {
    let server = Server::echo().await;
    let scope = Scope::new();
    let line = supervisor(&scope)
        .heartbeat(Duration::from_millis(10), SOON, 1)
        .silence_timeout(Duration::from_millis(200))
        .start(connect(server.address), async |_: String| {})
        .unwrap();
    sleep(Duration::from_millis(600)).await;
    let seen = line.snapshot();
    assert_eq!((seen.state, seen.connects), (SupervisorState::Connected, 1), "{seen:#?}");
    drop(line);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_has_read_yet_is_an_answer() {
    let scope = Scope::new();
    let line = supervisor(&scope)
        .heartbeat(SOON, SOON, 1)
        .message_timeout(LONG)
        .start(async || Ok::<_, Infallible>(Slow::default()), async |()| {})
        .unwrap();
    // What is ready at once is taken in no order, which must not count.
    for _ in 0..100 {
        line.send(()).await.unwrap();
    }
    let seen = until(&scope, "to send all", |seen| seen.sent + seen.lost == 100).await;
    assert_eq!((seen.lost, seen.connects), (0, 1), "{seen:#?}");
    drop(line);
}

#[tokio::test]
async fn silence_is_noticed_where_it_is_not_expected() {
    let server = Server::echo().await;
    let scope = Scope::new();
    let line = supervisor(&scope).silence_timeout(SOON).start(connect(server.address), async |_: String| {});
    let seen = until(&scope, "to notice", |seen| changes(seen, SupervisorReason::Silent) > 0).await;
    assert_eq!(seen.last_error.as_deref(), Some("nothing came for 50 ms"));
    drop(line.unwrap());
}

#[tokio::test]
async fn a_server_that_does_not_read_holds_no_message_up_for_ever() {
    let server = Server::with(Manner::Silent).await;
    let scope = Scope::new();
    let line = supervisor(&scope).message_timeout(SOON).start(connect(server.address), async |_: String| {});
    let line = line.unwrap();
    // More than the buffers of both ends hold.
    line.send("x".repeat(32 << 20)).await.unwrap();
    let seen = until(&scope, "to give up", |seen| changes(seen, SupervisorReason::MessageTimeout) > 0).await;
    assert_eq!(seen.last_error.as_deref(), Some("a message could not be sent within 50 ms"));
    // Nor a ping, where nobody has said how long a message may take.
    drop(line);
    let scope = Scope::new();
    let line =
        supervisor(&scope).heartbeat(SOON, SOON, 2).start(connect(server.address), async |_: String| {});
    let line = line.unwrap();
    line.send("x".repeat(32 << 20)).await.unwrap();
    until(&scope, "to give up too", |seen| changes(seen, SupervisorReason::MessageTimeout) > 0).await;
    drop(line);
}

#[tokio::test]
async fn a_handler_that_fails_panics_or_hangs_costs_the_connection_and_no_more() {
    let server = Server::echo().await;
    let scope = Scope::new();
    let done = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&done);
    let line = supervisor(&scope)
        .handler_timeout(SOON)
        .start(connect(server.address), move |message: String| {
            let count = Arc::clone(&count);
            async move {
                match message.as_str() {
                    "fail" => return Err("no such price"),
                    "panic" => panic!("expected: a handler that panics"),
                    "hang" => std::future::pending().await,
                    _ => count.fetch_add(1, SeqCst),
                };
                Ok(())
            }
        })
        .unwrap();
    for (message, reason, error) in [
        ("fail", SupervisorReason::HandlerFailed, "no such price"),
        ("panic", SupervisorReason::HandlerPanicked, "the handler panicked: expected: a handler that panics"),
        ("hang", SupervisorReason::HandlerTimeout, "the handler took longer than 50 ms"),
    ] {
        line.send(message.to_owned()).await.unwrap();
        let seen = until(&scope, message, |seen| changes(seen, reason) == 1).await;
        assert_eq!(seen.last_error.as_deref(), Some(error));
    }
    line.send("well".to_owned()).await.unwrap();
    let began = Instant::now();
    while done.load(SeqCst) == 0 && began.elapsed() < LONG {
        sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(done.load(SeqCst), 1);
    assert_eq!(server.goodbyes().await, 3, "the server was told each time");
}

#[tokio::test]
async fn a_connect_that_fails_panics_or_hangs_is_followed_by_another() {
    let scope = Scope::new();
    let server = Server::echo().await;
    let mut attempts = 0;
    let mut connect = connect(server.address);
    let line = supervisor(&scope)
        .connect_timeout(SOON)
        .start(
            move || {
                attempts += 1;
                let (attempt, connected) = (attempts, connect());
                async move {
                    match attempt {
                        1 => Err("no route".to_owned()),
                        2 => panic!("expected: a connect that panics"),
                        3 => std::future::pending().await,
                        _ => connected.await.map_err(|error| error.to_string()),
                    }
                }
            },
            async |_: String| {},
        )
        .unwrap();
    let seen = until(&scope, "a connection", |seen| seen.state == SupervisorState::Connected).await;
    let errors: Vec<_> = seen.history.iter().rev().filter_map(|change| change.error.as_deref()).collect();
    let expected =
        ["no route", "the connect panicked: expected: a connect that panics", "no connection within 50 ms"];
    assert_eq!(errors, expected);
    assert_eq!((changes(&seen, SupervisorReason::ConnectFailed), seen.attempt), (2, 4));
    drop(line);
}

#[tokio::test]
async fn a_message_whose_connection_is_lost_is_counted_and_those_behind_it_are_sent() {
    let server = Server::with(Manner::Silent).await;
    let scope = Scope::new();
    let line = supervisor(&scope).message_timeout(SOON).start(connect(server.address), async |_: String| {});
    let line = line.unwrap();
    line.send("x".repeat(32 << 20)).await.unwrap();
    for message in ["a", "b"] {
        line.try_send(message.to_owned()).unwrap();
    }
    let seen = until(&scope, "to send the others", |seen| seen.sent == 2).await;
    assert_eq!((seen.waiting, seen.lost, seen.connects), (0, 1, 2), "{seen:#?}");
    assert_eq!(line.stop().await, SupervisorReason::Requested);
}

#[tokio::test]
async fn what_is_left_when_a_supervisor_stops_is_counted_and_told() {
    let (scope, ends) = (Scope::new(), Arc::<Mutex<Vec<_>>>::default());
    let told = Arc::clone(&ends);
    scope.listen(move |event: &Event| {
        if let Event::SupervisorChanged(change) = event
            && change.to == SupervisorState::Stopped
        {
            told.lock().unwrap().push(change.error.clone());
        }
    });
    let start = || supervisor(&scope).start(async || Err::<Line, _>("refused"), async |_: String| {});
    for (messages, error) in [
        (0, None),
        (1, Some("1 message was not sent".to_owned())),
        (3, Some("3 messages were not sent".to_owned())),
    ] {
        let line = start().unwrap();
        for message in 0..messages {
            line.send(message.to_string()).await.unwrap();
        }
        let seen = line.snapshot();
        assert_eq!((seen.sent, seen.waiting, seen.lost), (0, messages, 0));
        line.close();
        line.ended().await;
        let seen = line.snapshot();
        assert_eq!((seen.sent, seen.waiting, seen.lost), (0, 0, messages));
        assert_eq!(ends.lock().unwrap().pop(), Some(error));
        drop(line);
    }
}
