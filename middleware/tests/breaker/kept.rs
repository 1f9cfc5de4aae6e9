//! Breakers that are kept over a restart of the program.

use std::path::PathBuf;
use std::time::Instant;

use poolscope::breaker::{BreakerStore, FileStore, StoredBreaker, StoredState};

use super::*;

/// A store in memory, that fails if it is to.
#[derive(Clone, Default)]
struct Memory {
    kept: Arc<Mutex<Vec<StoredBreaker>>>,
    fails: bool,
}

impl BreakerStore for Memory {
    fn load(&self) -> Result<Vec<StoredBreaker>, Box<dyn std::error::Error + Send + Sync>> {
        if self.fails { Err("no such place".into()) } else { Ok(self.kept.lock().unwrap().clone()) }
    }

    fn save(&self, breakers: &[StoredBreaker]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
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
    until("both to be kept", || store.kept.lock().unwrap().len() == 2);
    drop(layer);

    let (scope, layer) = start(store.clone());
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

    // What is closed again is not kept, and what nobody has asked for since is.
    layer.handle().reset(PAY);
    until("one to be left", || store.kept.lock().unwrap().len() == 1);
    drop((service, layer));
    let (_scope, layer) = start(store.clone());
    let (inner, mut server) = super::inner();
    let mut service = layer.layer(inner);
    super::open(&mut service, &mut server, "pay.example").await;
    until("both to be kept again", || store.kept.lock().unwrap().len() == 2);
}

#[tokio::test]
async fn a_store_that_fails_harms_nothing() {
    let (scope, layer) = start(Memory { fails: true, ..Memory::default() });
    trip(&scope, &layer, "pay.example").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_restored_tries_when_its_time_is_over_and_opens_for_longer() {
    let until = std::time::SystemTime::now();
    let state = StoredState::Open { until, reopened: 1 };
    let kept = Arc::new(Mutex::new(vec![StoredBreaker { name: PAY.to_owned(), state }]));
    let (scope, layer) = start(Memory { kept, fails: false });
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
