//! What the tests of timeouts have in common.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Request;
use poolscope::event::TimeoutFired;
use poolscope::{Event, Scope, TimeoutSnapshot};
use poolscope_semconv::value::TimeoutOutcome;
use tokio::time::sleep;
use tower::{Service, service_fn};

pub(crate) const LIMIT: Duration = Duration::from_secs(2);

pub(crate) fn request() -> Request<()> {
    Request::get("http://Pay.example:8080/secret?key=1").body(()).unwrap()
}

/// The only timeout of a scope.
pub(crate) fn timeout(scope: &Scope) -> TimeoutSnapshot {
    let mut timeouts = scope.snapshot().timeouts;
    assert_eq!(timeouts.len(), 1);
    timeouts.remove(0)
}

pub(crate) fn counts(scope: &Scope) -> Vec<(TimeoutOutcome, u64)> {
    timeout(scope).calls
}

/// Keeps what fires.
pub(crate) fn fired(scope: &Scope) -> Arc<Mutex<Vec<TimeoutFired>>> {
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    scope.listen(move |event: &Event| {
        if let Event::TimeoutFired(fired) = event {
            heard.lock().unwrap().push(fired.clone());
        }
    });
    events
}

/// A service that answers with a value after a time.
pub(crate) fn answering<R, T: Clone + Send>(
    time: Duration,
    answer: T,
) -> impl Service<R, Response = T, Error = io::Error, Future: Send> + Clone {
    service_fn(move |_: R| {
        let answer = answer.clone();
        async move {
            sleep(time).await;
            Ok(answer)
        }
    })
}
