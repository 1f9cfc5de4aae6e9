//! Sessions that end in every way, one that stays although it was told to end, one for which there is no room, and one that
//! makes room for another.

use std::future::pending;
use std::time::Duration;

use poolscope::Scope;
use poolscope::session::store::SessionStore;
use poolscope::session::{Session, SessionEnd, Sessions};
use poolscope_tests::wait;

use super::World;

const SOON: Duration = Duration::from_millis(50);

pub(super) async fn run(world: &World) {
    let scope = Scope::new();
    let telemetry = world.export(&scope);
    ended_by_their_holder(&scope).await;
    ended_by_the_registry(&scope).await;
    who_does_not_answer(&scope).await;
    let _store = evicted(&scope);
    world.end(telemetry).await;
}

async fn ended_by_their_holder(scope: &Scope) {
    let rooms = scope.sessions("rooms").max_sessions(1).build().unwrap();
    let begin = || rooms.begin("one").unwrap();
    begin().complete();
    begin().fail("broken pipe");
    drop(begin());
    let session = begin();
    let panicked = tokio::spawn(async move {
        let _session: Session = session;
        panic!("expected: a handler that panics");
    });
    assert!(panicked.await.unwrap_err().is_panic());
    let last = begin();
    assert!(rooms.begin("two").is_err(), "there is room for one");
    rooms.close();
    last.ended().await;
}

async fn ended_by_the_registry(scope: &Scope) {
    let idle = scope.sessions("idle").idle_timeout(SOON).overdue_after(SOON).build().unwrap();
    let old = scope.sessions("old").idle_timeout(None).max_duration(SOON).build().unwrap();
    let session = old.begin("one").unwrap();
    session.ended().await;
    drop(session);
    let stays = idle.begin("one").unwrap();
    let overdue = async |sessions: &Sessions| sessions.snapshot().overdue;
    wait::until("the session to be overdue", async || overdue(&idle).await, |overdue| *overdue == 1).await;
    drop(stays);
    let deaf = idle.begin("one").unwrap().run(async |session| {
        let _session = session;
        pending::<()>().await;
    });
    assert_eq!(deaf.await.unwrap_err().reason, SessionEnd::IdleTimeout);
    late(scope).await;
}

/// The first ping is answered, the second one is not.
async fn who_does_not_answer(scope: &Scope) {
    let lively = scope.sessions("lively").liveness(SOON, Duration::from_millis(500), 1).build().unwrap();
    let session = lively.begin("one").unwrap();
    session.sent(5);
    session.received(3);
    session.errored();
    session.ping_due().await;
    session.pong();
    session.ping_due().await;
    assert_eq!(session.ended().await, SessionEnd::Unresponsive);
}

/// A store in which there is room for one.
fn evicted(scope: &Scope) -> SessionStore<()> {
    let store = scope.session_store("web").max_sessions(1).build().unwrap();
    for key in ["one", "two"] {
        store.create(key, ()).unwrap();
    }
    assert_eq!(store.snapshot().ended(SessionEnd::Evicted), 1);
    store
}

/// A sweep can't be in time while its runtime is blocked.
async fn late(scope: &Scope) {
    let late = scope.sessions("late").idle_timeout(SOON).build().unwrap();
    let blocked = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let session = late.begin("one").unwrap();
            tokio::task::yield_now().await;
            std::thread::sleep(Duration::from_millis(400));
            session.ended().await;
            late.snapshot().late_sweeps
        })
    });
    let late_sweeps = tokio::task::spawn_blocking(|| blocked.join().unwrap()).await.unwrap();
    assert!(late_sweeps > 0, "a blocked sweep was in time");
}
