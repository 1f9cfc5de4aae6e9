//! The task that ends connections whose time is over.

use std::sync::atomic::{
    AtomicBool,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use super::asks::Asks;
use super::rules::What;
use super::shared::Shared;

/// Longest sleep where nothing is due.
const LONGEST_SLEEP: Duration = Duration::from_secs(60 * 60);

/// Starts the task, if there is none, in the runtime that is current here.
pub(super) fn start(shared: &Arc<Shared>) {
    if shared.is_swept.load(Acquire) {
        return;
    }
    // Sockets are accepted in a runtime.
    let Ok(runtime) = Handle::try_current() else { return };
    if !shared.is_swept.swap(true, AcqRel) {
        let ends = Ends(Arc::clone(&shared.is_swept));
        let asks = Asks::of(shared);
        shared.can_ask.store(asks.is_some(), Relaxed);
        runtime.spawn(sweep_for_ever(ends, Arc::downgrade(shared), asks));
    }
}

/// Says that nobody sweeps any more, when the task ends that holds it.
struct Ends(Arc<AtomicBool>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.store(false, Release);
    }
}

/// Sweeps until the server is gone, or has closed and is empty. It is not held in between.
async fn sweep_for_ever(_ends: Ends, server: Weak<Shared>, mut asks: Option<Asks>) {
    let Some(now) = server.upgrade().map(|shared| Arc::clone(&shared.sweep_now)) else { return };
    while let Some(shared) = server.upgrade() {
        let ask_at = match &mut asks {
            Some(asks) => Some(shared.epoch + asks.ask(&shared).await),
            None => None,
        };
        if asks.as_ref().is_some_and(Asks::is_over) {
            asks = None;
            shared.can_ask.store(false, Relaxed);
        }
        let Some(next) = sweep(&shared) else { return };
        let next = ask_at.map_or(next, |ask_at| next.min(ask_at));
        drop(shared);
        // Both are right: it is time, or somebody says so.
        let _ = timeout_at(next, now.notified()).await;
    }
}

/// One sweep. Tells when the next is due, if one is.
fn sweep(shared: &Shared) -> Option<Instant> {
    let found = shared.look();
    if found.is_over {
        return None;
    }
    for (life, what) in &found.due {
        match what {
            What::End(reason) => {
                life.tell(*reason);
            }
            What::Cut(reason) => life.cut(*reason),
        }
    }
    let now = shared.now();
    let next = found.next.unwrap_or(now + LONGEST_SLEEP).min(now + LONGEST_SLEEP);
    Some(shared.epoch + next.max(now + shared.rules.sweep_interval))
}

#[cfg(test)]
mod tests {
    use poolscope_semconv::value::ServerCloseReason;
    use tokio::time::advance;

    use super::*;
    use crate::Scope;
    use crate::server::life::is;

    #[tokio::test(start_paused = true)]
    async fn who_was_told_and_stays_is_swept_no_more_often_than_others() {
        const IDLE: Duration = Duration::from_secs(1);
        let options = Scope::new().server("api").idle_timeout(IDLE).drain_timeout(IDLE * 10);
        let shared = options.build().unwrap().shared;
        // The sweeps are those of the test.
        shared.is_swept.store(true, Relaxed);
        let held = shared.admit(None, None).unwrap();
        held.life.served();
        let begin = Instant::now();
        let sweep_at = async |since: Duration| {
            advance(begin + since - Instant::now()).await;
            sweep(&shared).unwrap() - Instant::now()
        };
        let interval = shared.rules.sweep_interval;
        assert_eq!(sweep_at(Duration::ZERO).await, IDLE);
        assert_eq!(sweep_at(IDLE).await, interval);
        assert_eq!(held.life.told(), Some(ServerCloseReason::IdleTimeout));
        // It stays: what else may come into being is looked for, and no more.
        assert_eq!(sweep_at(IDLE + interval).await, IDLE);
        assert_eq!(sweep_at(IDLE * 11).await, interval);
        assert!(held.life.is(is::CUT));
        // It stays all the same, as a program may that lets its task stand still.
        assert_eq!(sweep_at(IDLE * 11 + interval).await, IDLE);
        assert_eq!(sweep_at(IDLE * 99).await, IDLE);
    }
}
