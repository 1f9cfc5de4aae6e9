//! Breakers that are kept over a restart of the program.

use std::path::PathBuf;
use std::time::Instant;

use poolscope::breaker::{BreakerStore, FileStore, StoredBreaker, StoredState};
use tracing_subscriber::util::SubscriberInitExt;

use super::*;

/// A store in memory, that fails if it is to, and takes its time.
#[derive(Clone, Default)]
struct Memory {
    kept: Arc<Mutex<Vec<StoredBreaker>>>,
    fails: bool,
    takes: Duration,
}

impl BreakerStore for Memory {
    fn load(&self) -> Result<Vec<StoredBreaker>, Box<dyn std::error::Error + Send + Sync>> {
        if self.fails { Err("no such place".into()) } else { Ok(self.kept.lock().unwrap().clone()) }
    }

    fn save(&self, breakers: &[StoredBreaker]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        std::thread::sleep(self.takes);
        *self.kept.lock().unwrap() = breakers.to_vec();
        if self.fails { Err("no such place".into()) } else { Ok(()) }
    }
}

/// The saver is a thread of its own.
fn until(what: &str, is: impl Fn() -> bool) {
    let asked = Instant::now();
    while !is() {
        assert!(asked.elapsed() < Duration::from_secs(20), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

async fn trip(scope: &Scope, layer: &BreakerLayer, host: &str) {
    let (inner, mut server) = inner();
    open(&mut layer.layer(inner), &mut server, host).await;
    assert!(scope.snapshot().breakers.iter().any(|breaker| breaker.state == BreakerState::Open));
}

fn start(store: impl BreakerStore) -> (Scope, BreakerLayer) {
    let scope = Scope::new();
    let layer = builder(&scope).store(store).build().unwrap();
    (scope, layer)
}

#[tokio::test]
async fn a_program_that_starts_anew_begins_with_the_breakers_it_had() {
    let store = Memory::default();
    let (scope, layer) = start(store.clone());
    trip(&scope, &layer, "pay.example").await;
    let (inner, mut server) = inner();
    call(&mut layer.layer(inner), &mut server, "held.example", status(200)).await.unwrap();
    assert!(layer.handle().force("http://held.example:80", Force::Open));
    scope.shutdown(Duration::ZERO).await;
    assert_eq!(store.kept.lock().unwrap().len(), 2);
    drop(layer);

    let (scope, layer) = start(store.clone());
    let states = layer.handle().list().into_iter().map(|breaker| breaker.state).collect::<Vec<_>>();
    assert_eq!(states, [BreakerState::ForcedOpen, BreakerState::Open], "known before the first call");
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    scope.listen(move |event: &Event| heard.lock().unwrap().push(event.clone()));
    let (inner, mut server) = super::inner();
    let mut service = layer.layer(inner);
    let open = rejected(&mut service, "pay.example").await;
    assert!(open.retry_in.is_some_and(|wait| wait <= OPEN_TIME), "{open}");
    assert_eq!(rejected(&mut service, "held.example").await.state, BreakerState::ForcedOpen);
    call(&mut service, &mut server, "other.example", status(200)).await.unwrap();
    let reasons: Vec<_> = events
        .lock()
        .unwrap()
        .iter()
        .map(|event| match event {
            Event::BreakerTransition(change) => change.reason,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(reasons, [BreakerReason::Restored, BreakerReason::Manual]);
    assert_eq!(scope.snapshot().breakers.len(), 3, "each is there once");

    // What is closed again is not kept, and what nobody has asked for since is.
    layer.handle().reset(PAY);
    scope.shutdown(Duration::ZERO).await;
    assert_eq!(store.kept.lock().unwrap().len(), 1);
    drop((service, layer));
    let (_scope, layer) = start(store.clone());
    let (inner, mut server) = super::inner();
    let mut service = layer.layer(inner);
    super::open(&mut service, &mut server, "pay.example").await;
    until("both to be kept again", || store.kept.lock().unwrap().len() == 2);
}

#[tokio::test]
async fn a_store_that_fails_harms_nothing() {
    let store = Memory { fails: true, ..Memory::default() };
    let (scope, layer) = start(store.clone());
    trip(&scope, &layer, "pay.example").await;
    until("the first attempt", || store.kept.lock().unwrap().len() == 1);
    layer.handle().reset(PAY);
    until("another one after it", || store.kept.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_was_kept_can_be_moved_by_hand_before_the_first_call() {
    let held = StoredBreaker { name: PAY.to_owned(), state: StoredState::Forced(Force::Open) };
    let store = Memory { kept: Arc::new(Mutex::new(vec![held])), ..Memory::default() };
    let (scope, layer) = start(store.clone());
    assert!(layer.handle().force(PAY, Force::MetricsOnly));
    let (inner, mut server) = inner();
    let mut service = layer.layer(inner);
    call(&mut service, &mut server, "pay.example", status(200)).await.unwrap();
    assert_eq!(layer.handle().state(PAY), Some(BreakerState::MetricsOnly));
    scope.shutdown(Duration::ZERO).await;
    drop((service, layer));

    let (_scope, layer) = start(store.clone());
    assert!(layer.handle().reset(PAY));
    until("none to be kept", || store.kept.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_was_open_long_ago_is_forgotten() {
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(3_600);
    let stale = |name: &str| StoredBreaker {
        name: name.to_owned(),
        state: StoredState::Open { until: long_ago, reopened: 1 },
    };
    let kept = vec![stale(PAY), stale("http://old.example:80")];
    let store = Memory { kept: Arc::new(Mutex::new(kept)), ..Memory::default() };
    let (scope, layer) = start(store.clone());
    assert_eq!(layer.handle().list(), []);
    let (inner, mut server) = inner();
    call(&mut layer.layer(inner), &mut server, "pay.example", status(200)).await.unwrap();
    trip(&scope, &layer, "new.example").await;
    until("the new one alone to be kept", || {
        let kept = store.kept.lock().unwrap();
        kept.iter().map(|stored| &*stored.name).eq(["http://new.example:80"])
    });
}

#[tokio::test]
async fn a_shutdown_waits_until_what_has_changed_last_is_kept() {
    let store = Memory { takes: Duration::from_millis(50), ..Memory::default() };
    let (scope, layer) = start(store.clone());
    trip(&scope, &layer, "a.example").await;
    trip(&scope, &layer, "b.example").await;
    scope.shutdown(Duration::from_secs(1)).await;
    assert_eq!(store.kept.lock().unwrap().len(), 2);

    trip(&scope, &layer, "c.example").await;
    drop(layer);
    scope.shutdown(Duration::from_secs(1)).await;
    assert_eq!(store.kept.lock().unwrap().len(), 3, "of a layer that has gone meanwhile too");
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_a_store_that_has_panicked() {
    struct Panics;

    impl BreakerStore for Panics {
        fn load(&self) -> Result<Vec<StoredBreaker>, Box<dyn std::error::Error + Send + Sync>> {
            Ok(Vec::new())
        }

        fn save(&self, _: &[StoredBreaker]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            panic!("in a store")
        }
    }

    let (scope, layer) = start(Panics);
    trip(&scope, &layer, "a.example").await;
    let asked = Instant::now();
    scope.shutdown(Duration::from_secs(1)).await;
    trip(&scope, &layer, "b.example").await;
    scope.shutdown(Duration::from_secs(1)).await;
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
}

/// What is warned of while a layer starts.
fn warnings(store: FileStore) -> String {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let log = Log::default();
    let writer = log.clone();
    let heard = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).set_default();
    let _ = start(store);
    drop(heard);
    let bytes = log.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_warning_tells_of_a_file_that_is_damaged_or_old() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("warned-{}.json", std::process::id()));
    let store = || FileStore::new(&path);
    assert_eq!(warnings(store()), "", "no file is no reason to worry");
    store().save(&[]).unwrap();
    assert_eq!(warnings(store()), "");

    let old = warnings(store().max_age(Duration::ZERO));
    assert!(old.contains("WARN") && old.contains("only breakers that are held by hand are used"), "{old}");
    std::fs::write(&path, "{").unwrap();
    let damaged = warnings(store());
    assert!(damaged.contains("WARN") && damaged.contains("breakers begin closed"), "{damaged}");
    for warning in [old, damaged] {
        assert!(warning.contains(&*path.to_string_lossy()), "{warning}");
    }
    std::fs::remove_file(path).unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_restored_tries_when_its_time_is_over_and_opens_for_longer() {
    let until = std::time::SystemTime::now();
    let state = StoredState::Open { until, reopened: 1 };
    let kept = Arc::new(Mutex::new(vec![StoredBreaker { name: PAY.to_owned(), state }]));
    let (scope, layer) = start(Memory { kept, ..Memory::default() });
    let (inner, mut server) = inner();
    let mut service = layer.layer(inner);
    call(&mut service, &mut server, "pay.example", status(500)).await.unwrap();
    let breaker = &scope.snapshot().breakers[0];
    assert_eq!((breaker.state, breaker.open_remaining), (BreakerState::Open, 4 * OPEN_TIME));
}

#[tokio::test]
async fn a_file_keeps_them_and_a_damaged_one_is_not_used() {
    let file = |name: &str| {
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.json", std::process::id()))
    };
    // Not the same one: what was restored is kept again when its layer finds the time.
    let [path, damaged] = [file("kept"), file("damaged")];
    let (scope, layer) = start(FileStore::new(&path));
    trip(&scope, &layer, "pay.example").await;
    until("the file", || path.exists());
    std::fs::copy(&path, &damaged).unwrap();
    let (_scope, layer) = start(FileStore::new(&path));
    let (inner, _server) = inner();
    assert_eq!(rejected(&mut layer.layer(inner), "pay.example").await.state, BreakerState::Open);

    let text = std::fs::read_to_string(&damaged).unwrap();
    std::fs::write(&damaged, &text[..text.len() / 2]).unwrap();
    let (_scope, layer) = start(FileStore::new(&damaged));
    let (inner, mut server) = super::inner();
    call(&mut layer.layer(inner), &mut server, "pay.example", status(200)).await.unwrap();
    for path in [path, damaged] {
        std::fs::remove_file(path).unwrap();
    }
}
