//! Orders from the one side to the other, without sockets.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use poolscope_semconv::protocol::control::{Action, Done};
use poolscope_wire::{BreakerState, ControlAction, ControlState};
use tokio::time::{Instant, advance};

use super::orders::{Order, Refused};
use super::*;

fn shop(id: &str) -> Instance {
    Instance { service: "shop".to_owned(), id: id.to_owned() }
}

fn order(id: &str, to: &str, action: ControlAction) -> Order {
    Order {
        id: id.to_owned(),
        to: shop(to),
        breaker: (format!("{to}-id"), "http://pay.example:80".to_owned()),
        was: BreakerState::Closed,
        action,
        lasts: Duration::from_secs(60),
        by: "token login (this machine)".to_owned(),
        reason: "moved".to_owned(),
    }
}

fn question(from: &str, done: Option<(&str, Result<Duration, String>)>) -> Question {
    Question {
        service: "shop".to_owned(),
        instance: from.to_owned(),
        number: 1,
        wait: Duration::from_secs(5),
        done: done.map(|(id, result)| Done { id: id.to_owned(), result }),
        takes: None,
    }
}

fn states(control: &Control, now_ms: u64) -> Vec<(String, ControlState)> {
    control.list(now_ms).into_iter().rev().map(|order| (order.id, order.state)).collect()
}

#[tokio::test(start_paused = true)]
async fn an_order_reaches_who_waits_and_only_them() {
    let control = Control::default();
    let (a, b) = (question("a", None), question("b", None));
    let heard = async { tokio::join!(control.hear(&a, || 0), control.hear(&b, || 0)) };
    let asked = async {
        tokio::task::yield_now().await;
        let takers = control.takers();
        let takes = |instance| takers.takes("shop", instance, "http://pay.example:80");
        assert!(takes("a") && takes("b") && !takes("c"));
        control.take(order("1", "a", ControlAction::ForceOpen), 0).unwrap();
    };
    let begin = Instant::now();
    let ((to_a, to_b), ()) = tokio::join!(heard, asked);
    let command = to_a.unwrap().unwrap();
    assert_eq!(
        (&*command.id, &*command.breaker, command.action),
        ("1", "http://pay.example:80", Action::ForceOpen)
    );
    assert_eq!((to_b, begin.elapsed()), (Some(None), Duration::from_secs(5)));
}

#[tokio::test(start_paused = true)]
async fn breakers_that_are_not_offered_take_no_orders() {
    let control = Control::default();
    let takes = async |names: Option<&[&str]>| {
        let names = names.map(|names| names.iter().map(ToString::to_string).collect());
        control.hear(&Question { takes: names, ..question("a", None) }, || 0).await.unwrap();
        let takers = control.takers();
        ["pay", "search"].map(|name| takers.takes("shop", "a", name))
    };
    assert_eq!(takes(Some(&["search"])).await, [false, true]);
    assert_eq!(takes(Some(&[])).await, [false, false], "what was offered before is no more");
    assert_eq!(takes(None).await, [true, true], "it does not say");
    advance(Duration::from_secs(60)).await;
    assert!(!control.takers().takes("shop", "a", "pay"), "it asks no more");
}

#[tokio::test(start_paused = true)]
async fn an_order_is_handed_over_until_it_is_answered_and_answered_by_its_own_instance_alone() {
    let control = Control::default();
    let hear = async |from, done| control.hear(&question(from, done), || 1_000).await.unwrap().map(|c| c.id);
    tokio::join!(hear("a", None), async {
        tokio::task::yield_now().await;
        control.take(order("1", "a", ControlAction::ForceOpen), 1_000).unwrap();
        control.take(order("2", "a", ControlAction::ForceClosed), 1_000).unwrap();
    });
    assert_eq!(hear("a", None).await.as_deref(), Some("1"), "the answer was lost");
    hear("b", Some(("1", Ok(Duration::from_secs(60))))).await;
    assert_eq!(states(&control, 1_000)[0].1, ControlState::Asked, "it is not b's");
    advance(Duration::from_secs(1)).await;
    assert_eq!(hear("a", Some(("1", Ok(Duration::from_secs(60))))).await.as_deref(), Some("2"));
    assert_eq!(states(&control, 1_000)[0].1, ControlState::InForce);
    hear("a", Some(("2", Err("no".to_owned())))).await;
    let told = control.list(1_000);
    assert_eq!((told[0].state, told[0].sentence.as_deref()), (ControlState::Refused, Some("no")));
    assert_eq!((told[1].state, told[1].until_ms), (ControlState::InForce, Some(61_000)));
    assert_eq!(states(&control, 61_000)[0].1, ControlState::Over);
}

#[tokio::test(start_paused = true)]
async fn what_comes_after_replaces_what_was_in_force() {
    let control = Control::default();
    let hear = async |done| control.hear(&question("a", done), || 0).await.unwrap();
    tokio::join!(hear(None), async {
        tokio::task::yield_now().await;
        control.take(order("1", "a", ControlAction::ForceOpen), 0).unwrap();
        control.take(order("2", "a", ControlAction::Automatic), 0).unwrap();
    });
    hear(Some(("1", Ok(Duration::from_secs(60))))).await;
    hear(Some(("2", Ok(Duration::ZERO)))).await;
    let over = |id: &str| (id.to_owned(), ControlState::Over);
    assert_eq!(states(&control, 1), [over("1"), over("2")]);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_nobody_answers_is_withdrawn() {
    let control = Control::default();
    assert_eq!(
        control.take(order("0", "a", ControlAction::ForceOpen), 0).unwrap_err(),
        Refused::Deaf,
        "nobody listens"
    );
    control.hear(&question("a", None), || 0).await.unwrap();
    control.take(order("1", "a", ControlAction::ForceOpen), 0).unwrap();
    advance(PATIENCE).await;
    assert_eq!(states(&control, 0)[0].1, ControlState::Unanswered);
    assert_eq!(control.hear(&question("a", None), || 0).await, Some(None), "it comes too late");
    assert!(control.list(0)[0].sentence.as_ref().unwrap().contains("withdrawn"));
    // What it has done all the same is told when it says so.
    control.hear(&question("a", Some(("1", Ok(Duration::from_secs(60))))), || 0).await;
    assert_eq!(states(&control, 0)[0].1, ControlState::InForce);
}

/// What a subscriber of `tracing` wrote.
#[derive(Debug, Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_orders_at_once_the_last_wins_and_the_log_tells_both() {
    let written = Written::default();
    let writer = written.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let control = Control::default();
    let hear = async |done| control.hear(&question("a", done), || 0).await.unwrap();
    hear(None).await;
    control.take(order("1", "a", ControlAction::ForceOpen), 0).unwrap();
    control.take(order("2", "a", ControlAction::ForceClosed), 0).unwrap();
    hear(Some(("1", Ok(Duration::from_secs(60))))).await;
    hear(Some(("2", Ok(Duration::from_secs(60))))).await;
    let now = |id: &str, state| (id.to_owned(), state);
    assert_eq!(states(&control, 1), [now("1", ControlState::Over), now("2", ControlState::InForce)]);
    assert_eq!(states(&control, 60_000)[1], now("2", ControlState::Over), "no order is for ever");
    let log = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    let lines = |id: &str| {
        let id = format!("id=\"{id}\"");
        log.lines().filter(move |line| line.contains(&id)).map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let (first, second) = (lines("1"), lines("2"));
    for part in [
        "service=\"shop\"",
        "instance=\"a\"",
        "breaker=\"http://pay.example:80\"",
        "was=Closed",
        "action=ForceOpen",
        "seconds=60",
        "by=\"token login (this machine)\"",
        "reason=\"moved\"",
        "state=Asked",
    ] {
        assert!(first[0].contains(part), "{part}: {}", first[0]);
    }
    assert!(first[1].contains("state=InForce"), "{log}");
    assert!(first[2].contains("state=Over") && first[2].contains("another order came after it"), "{log}");
    assert_eq!((first.len(), second.len()), (3, 3), "{log}");
}

#[tokio::test(start_paused = true)]
async fn everything_is_bounded() {
    let control = Control::default();
    control.hear(&question("a", None), || 0).await.unwrap();
    let give = |n: usize| control.take(order(&n.to_string(), "a", ControlAction::ForceOpen), 0);
    (0..16).for_each(|n| drop(give(n).unwrap()));
    assert_eq!(give(16).unwrap_err(), Refused::Full);
    (0..43).for_each(|n| assert_eq!(give(n).unwrap_err(), Refused::Full));
    assert!(matches!(give(99), Err(Refused::Pace(_))));
    let waiting = question("b", None);
    let (one, two, three) = tokio::join!(
        control.hear(&waiting, || 0),
        control.hear(&waiting, || 0),
        control.hear(&waiting, || 0)
    );
    assert_eq!((one, two, three), (Some(None), Some(None), None));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_server_lets_all_go() {
    let control = Control::default();
    let begin = Instant::now();
    let waiting = question("a", None);
    tokio::join!(control.hear(&waiting, || 0), async {
        tokio::task::yield_now().await;
        control.end();
    });
    assert_eq!(begin.elapsed(), Duration::ZERO);
    assert_eq!(control.hear(&waiting, || 0).await, Some(None));
}
