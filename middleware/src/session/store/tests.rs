//! Tests of the store, by the real clock, which is the one that the cache reads.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::*;
use crate::session::{Refused, SessionEnd};
use crate::{Event, Scope, SessionsSnapshot};

const PROMISED: Duration = Duration::from_millis(250);

fn web() -> SessionStoreBuilder<String> {
    Scope::new().session_store("web")
}

/// What holds at any moment.
fn check(seen: &SessionsSnapshot) {
    let ended: u64 = seen.ended.iter().map(|(_, count)| count).sum();
    assert_eq!(seen.started - ended, seen.active, "{seen:?}");
}

/// When the reason is counted, without anybody who uses the store.
async fn counted(store: &SessionStore<String>, reason: SessionEnd, count: u64) -> Instant {
    let asked = Instant::now();
    while store.snapshot().ended(reason) < count {
        assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", store.snapshot());
        sleep(Duration::from_millis(2)).await;
    }
    Instant::now()
}

#[tokio::test]
async fn what_is_kept_is_found_changed_and_removed_by_its_id_and_by_nothing_else() {
    let store = web().build().unwrap();
    let id = store.create("cart", "a".to_owned()).unwrap();
    let other = store.create("cart", "other".to_owned()).unwrap();
    assert_eq!((store.get(id.as_str()).unwrap().as_str(), store.get("a"), store.len()), ("a", None, 2));
    assert_eq!(store.update(id.as_str(), |value| format!("{value}b")).unwrap().as_str(), "ab");
    assert_eq!((store.get(id.as_str()).unwrap().as_str(), store.update("a", Clone::clone)), ("ab", None));
    assert_eq!(store.remove(id.as_str()).unwrap().as_str(), "ab");
    assert_eq!((store.get(id.as_str()), store.remove(id.as_str()), store.len()), (None, None, 1));
    assert_eq!(store.update(id.as_str(), Clone::clone), None);
    let seen = store.snapshot();
    check(&seen);
    assert_eq!((seen.ended(SessionEnd::Completed), seen.started, seen.active), (1, 2, 1));
    assert_eq!((&*seen.sessions[0].key, seen.sessions.len()), ("cart", 1));
    assert_eq!(store.get(other.as_str()).unwrap().as_str(), "other");
}

#[tokio::test]
async fn ids_are_long_and_never_told() {
    let scope = Scope::new();
    let (send, events) = mpsc::channel();
    let send = Mutex::new(send);
    scope.listen(move |event: &Event| drop(send.lock().unwrap().send(format!("{event:?}"))));
    let store = scope.session_store("web").build().unwrap();
    let ids: HashSet<_> = (0..1_000).map(|_| store.create("one", String::new()).unwrap()).collect();
    assert_eq!(ids.len(), 1_000);
    store.close();
    let told: Vec<_> = events.try_iter().collect();
    assert_eq!(told.len(), 1_000);
    let told = format!("{told:?} {store:?} {ids:?} {:?}", store.snapshot());
    for id in &ids {
        assert!(id.as_str().len() == 32 && id.as_str().bytes().all(|digit| digit.is_ascii_hexdigit()));
        assert!(!told.contains(id.as_str()));
    }
}

#[tokio::test]
async fn what_nobody_asks_for_ends_in_time_and_what_is_asked_for_stays() {
    let idle = Duration::from_millis(400);
    let store = web().idle_timeout(idle).build().unwrap();
    let (asked, left) =
        (store.create("asked", "a".into()).unwrap(), store.create("left", "b".into()).unwrap());
    let created = Instant::now();
    let (other, id) = (store.clone(), asked.clone());
    let asks = tokio::spawn(async move {
        loop {
            other.get(id.as_str()).expect("it is asked for");
            sleep(Duration::from_millis(50)).await;
        }
    });
    let took = counted(&store, SessionEnd::IdleTimeout, 1).await - created;
    assert!((idle..idle + PROMISED).contains(&took), "{took:?}");
    assert_eq!((store.get(left.as_str()), store.len()), (None, 1));
    sleep(idle).await;
    asks.abort();
    assert!(asks.await.unwrap_err().is_cancelled(), "it was there all along");
    counted(&store, SessionEnd::IdleTimeout, 2).await;
    let seen = store.snapshot();
    check(&seen);
    assert_eq!((seen.active, seen.late_sweeps), (0, 0));
    assert!(seen.sweeps.count() > 0);
}

#[tokio::test]
async fn nothing_is_there_for_longer_than_it_may_be_however_often_it_changes() {
    let max = Duration::from_millis(400);
    let store = web().idle_timeout(Duration::from_millis(300)).max_duration(max).build().unwrap();
    let id = store.create("busy", "a".into()).unwrap();
    let created = Instant::now();
    while store.update(id.as_str(), Clone::clone).is_some() {
        assert!(created.elapsed() < max, "it is still there");
        sleep(Duration::from_millis(5)).await;
    }
    assert!(created.elapsed() >= max);
    let took = counted(&store, SessionEnd::MaxDuration, 1).await - created;
    assert!(took < max + PROMISED, "{took:?}");
    check(&store.snapshot());
}

#[tokio::test]
async fn who_was_not_asked_for_for_the_longest_time_goes_when_there_are_too_many() {
    let store = web().max_sessions(3).build().unwrap();
    let ids: Vec<_> = ["a", "b", "c"].map(|value| store.create(value, value.into()).unwrap()).into();
    for _ in 0..5 {
        store.get(ids[0].as_str()).unwrap();
    }
    let last = store.create("d", "d".into()).unwrap();
    assert!(store.get(ids[1].as_str()).is_none());
    for id in [&ids[0], &ids[2], &last] {
        assert!(store.get(id.as_str()).is_some());
    }
    for _ in 0..200 {
        store.create("more", "x".into()).unwrap();
        assert!(store.len() <= 3);
    }
    let seen = store.snapshot();
    check(&seen);
    assert_eq!((seen.limit, seen.active, seen.ended(SessionEnd::Evicted), seen.refused), (3, 3, 201, 0));
}

#[tokio::test]
async fn bytes_are_bounded_and_what_grows_takes_the_room_of_others() {
    let store = web().max_sessions(10).max_bytes(1_000, String::len).build().unwrap();
    let ids: Vec<_> = (0..10).map(|_| store.create("small", "s".repeat(10)).unwrap()).collect();
    assert_eq!(store.len(), 10);
    store.update(ids[9].as_str(), |_| "l".repeat(800)).unwrap();
    assert_eq!((store.len(), store.get(ids[9].as_str()).map(|value| value.len())), (3, Some(800)));
    // Who would not have room alone is told so, and harms nobody.
    let refused = store.create("large", "l".repeat(2_000)).unwrap_err();
    assert_eq!(refused, Refused::TooLarge { name: "web".into() });
    assert_eq!(store.len(), 3);
    assert!(store.update(ids[9].as_str(), |_| "l".repeat(2_000)).is_none());
    assert_eq!((store.len(), store.get(ids[9].as_str())), (2, None));
    let seen = store.snapshot();
    check(&seen);
    assert_eq!((seen.active, seen.ended(SessionEnd::Evicted), seen.refused), (2, 8, 1));
}

#[tokio::test]
async fn closing_ends_all_and_lets_nobody_in() {
    let scope = Scope::new();
    let store = scope.session_store::<String>("web").build().unwrap();
    let id = store.create("a", "a".into()).unwrap();
    #[cfg(feature = "shutdown")]
    {
        let report = scope.shutdown(Duration::from_secs(5)).await;
        assert_eq!((report.sessions, report.sessions_left, report.is_clean()), (1, 0, true));
        assert!(report.took < Duration::from_secs(1), "{report:?}");
    }
    #[cfg(not(feature = "shutdown"))]
    assert_eq!(store.close(), 1);
    assert_eq!((store.get(id.as_str()), store.is_empty()), (None, true));
    assert_eq!(store.create("b", "b".into()).unwrap_err(), Refused::Shutdown { name: "web".into() });
    assert_eq!(scope.snapshot().sessions[0].ended(SessionEnd::Shutdown), 1);
}

#[tokio::test]
async fn memory_is_given_back_without_a_request_and_the_task_ends_with_the_store() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let scope = Scope::new();
    let store = scope.session_store("web").idle_timeout(Duration::from_millis(50)).build().unwrap();
    let held = Arc::new(());
    store.create("a", Arc::clone(&held)).unwrap();
    assert_eq!((Arc::strong_count(&held), tasks()), (2, before + 1));
    let asked = Instant::now();
    while Arc::strong_count(&held) > 1 {
        assert!(asked.elapsed() < Duration::from_secs(10));
        sleep(Duration::from_millis(5)).await;
    }
    drop(store);
    assert!(scope.snapshot().sessions.is_empty());
    while tasks() > before {
        assert!(asked.elapsed() < Duration::from_secs(10));
        sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn nothing_begins_where_nobody_could_end_it() {
    let store = web().build().unwrap();
    let refused = store.create("a", "a".into()).unwrap_err();
    assert_eq!(refused, Refused::NoRuntime { name: "web".into() });
    for (builder, words) in [
        (web().max_sessions(0), "at least 1 session of web"),
        (web().max_bytes(0, String::len), "at least 1 byte of sessions of web"),
        (web().idle_timeout(Duration::ZERO), "idle timeout of sessions of web"),
        (web().max_duration(Duration::MAX), "maximum duration of sessions of web"),
        (Scope::new().session_store(""), "it is empty"),
    ] {
        let error = builder.build().unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sessions_that_come_and_go_at_once_are_counted_right_all_along() {
    let store = web().idle_timeout(Duration::from_millis(20)).max_sessions(50).build().unwrap();
    let tasks: Vec<_> = (0..4)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut ids = Vec::new();
                for turn in 0..1_500 {
                    ids.push(store.create("a", turn.to_string()).unwrap());
                    let id = &ids[(turn * 7 + task) % ids.len()];
                    match turn % 4 {
                        0 => drop(store.remove(id.as_str())),
                        1 => drop(store.update(id.as_str(), |value| format!("{value}x"))),
                        _ => drop(store.get(id.as_str())),
                    }
                    if turn % 101 == 0 {
                        check(&store.snapshot());
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let asked = Instant::now();
    while !store.is_empty() {
        assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", store.snapshot());
        sleep(Duration::from_millis(5)).await;
    }
    let seen = store.snapshot();
    check(&seen);
    assert_eq!(seen.started, 6_000);
}
