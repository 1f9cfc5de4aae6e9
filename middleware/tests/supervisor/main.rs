//! Connections that are kept alive, over real sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;
mod line;
mod losses;
#[cfg(feature = "tungstenite")]
mod websocket;

use std::time::Duration;

use poolscope::supervisor::{SupervisorReason, SupervisorState};
use poolscope::{Scope, SupervisorSnapshot};
use tokio::time::{Instant, sleep};

use self::line::{Server, connect};

/// Longer than anything here takes where it works.
const LONG: Duration = Duration::from_secs(10);

/// Waits until a snapshot is as it should be.
async fn until(scope: &Scope, what: &str, is_so: impl Fn(&SupervisorSnapshot) -> bool) -> SupervisorSnapshot {
    // By the real clock, since some tests have one that jumps.
    let began = std::time::Instant::now();
    loop {
        let seen = scope.snapshot().supervisors.into_iter().next().unwrap();
        if is_so(&seen) {
            return seen;
        }
        assert!(began.elapsed() < LONG, "{what}: {seen:#?}");
        sleep(Duration::from_millis(2)).await;
    }
}

fn changes(seen: &SupervisorSnapshot, reason: SupervisorReason) -> u64 {
    seen.changes.iter().filter(|(_, of, _)| *of == reason).map(|(_, _, count)| count).sum()
}

#[tokio::test]
async fn messages_go_both_ways_and_a_server_that_restarts_is_found_again() {
    let mut server = Server::echo().await;
    let scope = Scope::new();
    let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let line = scope
        .supervisor("prices")
        .backoff(Duration::from_millis(5), Duration::from_millis(50))
        .start(connect(server.address), move |message: String| {
            let heard = heard.clone();
            async move { heard.send(message) }
        })
        .unwrap();
    line.send("one".to_owned()).await.unwrap();
    assert_eq!(hears.recv().await.unwrap(), "one");
    assert_eq!(line.state(), SupervisorState::Connected);

    server.kill().await;
    let gone = until(&scope, "to miss the server", |seen| seen.connects > 2).await;
    assert_eq!(changes(&gone, SupervisorReason::PeerClosed), 1, "{gone:#?}");
    assert!(gone.last_error.as_ref().unwrap().contains("refused"), "{gone:#?}");
    // What is sent while nobody is there waits for the next connection.
    line.send("two".to_owned()).await.unwrap();
    server.again().await;
    assert_eq!(hears.recv().await.unwrap(), "two");

    let seen = line.snapshot();
    assert_eq!((seen.connect_time.count(), seen.duration.count()), (2, 1));
    assert_eq!(changes(&seen, SupervisorReason::Established), 2);
    assert_eq!(
        seen.connects,
        changes(&seen, SupervisorReason::Started) + changes(&seen, SupervisorReason::Retry)
    );
    assert_eq!(line.stop().await, SupervisorReason::Requested);
    assert_eq!(server.goodbyes().await, 1, "it closed in order");
}

#[tokio::test(start_paused = true)]
async fn waits_grow_and_attempts_come_to_an_end() {
    let scope = Scope::new();
    let attempts = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let made = std::sync::Arc::clone(&attempts);
    let line = scope
        .supervisor("prices")
        .backoff(Duration::from_secs(1), Duration::from_secs(5))
        .jitter(0.0)
        .max_attempts(6)
        .start(
            move || {
                made.lock().unwrap().push(Instant::now());
                async { Err::<line::Line, _>("no") }
            },
            async |_: String| {},
        )
        .unwrap();
    assert_eq!(line.ended().await, SupervisorReason::AttemptsExhausted);
    let attempts = attempts.lock().unwrap().clone();
    let waits: Vec<_> = attempts.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
    assert_eq!(waits, [1, 2, 4, 5, 5]);
    let seen = line.snapshot();
    assert_eq!((seen.state, seen.connects, seen.attempt), (SupervisorState::Stopped, 6, 6));
    assert_eq!((seen.delay.count(), seen.last_error.as_deref()), (5, Some("no")));
    assert!(line.send("late".to_owned()).await.is_err(), "nobody would send it");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_up_at_once_is_met_with_waits_that_grow_and_one_that_stays_is_not() {
    let scope = Scope::new();
    let (lives, mut live) = tokio::sync::mpsc::unbounded_channel::<Duration>();
    for secs in [0, 0, 0, 20, 0] {
        lives.send(Duration::from_secs(secs)).unwrap();
    }
    let connects = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let made = std::sync::Arc::clone(&connects);
    let line =
        scope.supervisor("prices").backoff(Duration::from_secs(1), Duration::from_secs(60)).jitter(0.0);
    let line = line
        .start(
            move || {
                made.lock().unwrap().push(Instant::now());
                let life = live.try_recv();
                async move { life.map(line::Brief::of) }
            },
            async |()| {},
        )
        .unwrap();
    until(&scope, "six connects", |seen| seen.connects == 6).await;
    drop(line);
    let connects = connects.lock().unwrap().clone();
    let waits: Vec<_> = connects.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
    // After the fourth connection, which was there for 20 s, it begins anew.
    assert_eq!(waits, [1, 2, 4, 21, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_is_open_holds_attempts_back() {
    let scope = Scope::new();
    let breakers = poolscope::breaker::BreakerLayer::builder(&scope)
        .consecutive_failures(2)
        .open_time(Duration::from_secs(30))
        .jitter(0.0)
        .build()
        .unwrap();
    let line = scope
        .supervisor("prices")
        .backoff(Duration::from_millis(10), Duration::from_millis(10))
        .breaker(&breakers, "wss://prices.example/feed".parse().unwrap())
        .start(async || Err::<line::Line, _>("refused"), async |_: String| {})
        .unwrap();
    let open = until(&scope, "the breaker to open", |seen| seen.state == SupervisorState::BreakerOpen).await;
    assert_eq!(open.connects, 2);
    assert!(open.last_error.as_ref().unwrap().contains("https://prices.example:443"), "{open:#?}");
    let next = open.next_attempt.unwrap();
    assert!(next > Duration::from_secs(29) && next <= Duration::from_secs(30), "{next:?}");
    sleep(Duration::from_secs(29)).await;
    assert_eq!(line.snapshot().connects, 2, "nothing is tried while it is open");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(line.snapshot().connects, 3, "one trial");
    let breaker = scope.snapshot().breakers.into_iter().next().unwrap();
    assert_eq!(breaker.name, "https://prices.example:443");
    assert_eq!(line.stop().await, SupervisorReason::Requested);
}
