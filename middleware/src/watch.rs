//! [`Watch`]: the thread of a scope that looks after its pools: for leaks, and for closes that are told a moment later.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Instant;
use crate::registry::Connection;
use crate::scope::ScopeRef;

/// Longest time that the thread sleeps; also how long it lives on after its scope.
pub(crate) const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// How long a request that is under way has to tell how it ended when its connection is gone.
const GRACE: Duration = Duration::from_millis(100);

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Watch {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_started: bool,
    /// There is a pool that was not looked after yet.
    is_called: bool,
    /// Connections that are gone, and when they are closed in the books at the latest. In the order of time.
    closing: Vec<(Instant, Arc<Connection>)>,
}

impl Watch {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the thread once. It ends by itself when the scope is gone.
    pub(crate) fn start(self: &Arc<Self>, scope: ScopeRef) {
        let mut state = self.state();
        if state.is_started {
            return;
        }
        // Where no thread can be had, the program has worse problems than leaks that nobody sees; the next pool tries again.
        let watch = Arc::clone(self);
        let thread = std::thread::Builder::new().name("poolscope".into());
        state.is_started = thread.spawn(move || watch.run(&scope)).is_ok();
    }

    /// Has the thread look after a pool that is new.
    pub(crate) fn call(&self) {
        self.state().is_called = true;
        self.wake.notify_one();
    }

    /// Closes a connection when its requests are over, at the latest after a moment.
    pub(crate) fn close_soon(&self, connection: Arc<Connection>) {
        self.state().closing.push((Instant::now() + GRACE, connection));
        self.wake.notify_one();
    }

    /// Closes what is due and sleeps until the next is, or for `most`, or until it is called.
    fn sleep(&self, most: Duration) {
        let until = Instant::now() + most;
        loop {
            let mut state = self.state();
            let now = Instant::now();
            let due = state.closing.partition_point(|(at, _)| *at <= now);
            let closing: Vec<_> = state.closing.drain(..due).collect();
            if closing.is_empty() {
                let next = state.closing.first().map_or(until, |(at, _)| until.min(*at));
                if next <= now || std::mem::take(&mut state.is_called) {
                    return;
                }
                let _unused = self.wake.wait_timeout(state, next.saturating_duration_since(now));
                continue;
            }
            drop(state);
            closing.iter().for_each(|(_, connection)| connection.close(now));
        }
    }

    fn run(&self, scope: &ScopeRef) {
        let look_after = || scope.upgrade().map(|scope| scope.look_after(Instant::now()));
        // The scope is not held while the thread sleeps.
        while let Some(interval) = look_after() {
            self.sleep(interval);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scope;
    use crate::registry::DestinationRef;

    #[test]
    fn the_thread_ends_after_its_scope() {
        let scope = Scope::new();
        let watch = scope.watch();
        scope.start_watch();
        assert!(watch.upgrade().unwrap().state().is_started);
        // A pool that somebody still has keeps neither the scope nor the thread.
        let _pool = scope.client("test").pool(&DestinationRef::new("http", "host", None));
        drop(scope);
        let ended = Instant::now();
        while watch.strong_count() > 0 {
            assert!(ended.elapsed() < 10 * LONGEST_SLEEP, "the thread goes on");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn a_new_pool_wakes_the_thread() {
        let watch = Watch::default();
        let far = Duration::from_secs(60);
        let asked = Instant::now();
        watch.call();
        watch.sleep(far);
        std::thread::scope(|threads| {
            threads.spawn(|| watch.sleep(far));
            threads.spawn(|| watch.call());
        });
        assert!(asked.elapsed() < far);
    }
}
