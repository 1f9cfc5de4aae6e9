//! [`Senders`]: which task sends the requests of which HTTP/2 connection.
//!
//! hyper has one task for each HTTP/2 connection that takes the requests and sends them. Once one of its requests is known
//! to be the connection's, so are all others that the same task takes: those that waited for a connect too, of which
//! nobody else tells before their answers. What the task has taken before that is known waits here for it.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use papaya::HashMap;

use super::connection::Connection;
use super::request::Request;

/// Requests that may wait before the list is swept.
const LEAST_WAITING: usize = 32;

/// What a task is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Task(NonZeroU64);

impl Task {
    /// A task by a number that no other one has.
    pub(crate) fn new(number: u64) -> Self {
        Self(NonZeroU64::new(number).unwrap_or(NonZeroU64::MAX))
    }

    /// What [`Task::number`] gave.
    pub(super) fn of(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// As a number; 0 for none.
    pub(super) fn number(task: Option<Self>) -> u64 {
        task.map_or(0, |task| task.0.get())
    }
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Senders {
    /// Open connections; `None` for a task that sends the requests of several, as those of a program's own executor may.
    by_task: HashMap<Task, Option<Arc<Connection>>, foldhash::fast::RandomState>,
    /// Requests whose task is not known yet. Its lock is taken for these and by who makes their task known, so that none
    /// begins to wait for what was told a moment ago.
    waiting: Mutex<Vec<(Task, Weak<Request>)>>,
}

/// What is known of a task.
#[derive(Debug)]
pub(super) enum Sender {
    /// Nothing yet.
    Unknown,
    /// It sends the requests of several connections.
    OfSeveral,
    /// It sends the requests of one.
    Of(Arc<Connection>),
}

impl Senders {
    /// A task sends the requests of a connection: also those that are returned.
    #[must_use]
    pub(super) fn learn(&self, task: Task, connection: &Arc<Connection>) -> Vec<Arc<Request>> {
        let mut waiting = self.waiting();
        let by_task = self.by_task.pin();
        let is_its_only_one = match by_task.try_insert(task, Some(Arc::clone(connection))) {
            Ok(_) => true,
            Err(known) => known.current.as_ref().is_some_and(|known| Arc::ptr_eq(known, connection)),
        };
        if !is_its_only_one {
            by_task.insert(task, None);
        }
        let sent = waiting.extract_if(.., |(sent_by, _)| *sent_by == task);
        let sent: Vec<_> = sent.filter_map(|(_, request)| request.upgrade()).collect();
        if is_its_only_one { sent } else { Vec::new() }
    }

    /// What is known of a task. Takes no lock.
    #[inline]
    pub(super) fn sender(&self, task: Task) -> Sender {
        match self.by_task.pin().get(&task) {
            None => Sender::Unknown,
            Some(None) => Sender::OfSeveral,
            Some(Some(connection)) => Sender::Of(Arc::clone(connection)),
        }
    }

    /// The connection whose requests a task sends, if that is known. Takes no lock.
    pub(super) fn connection(&self, task: Task) -> Option<Arc<Connection>> {
        match self.sender(task) {
            Sender::Of(connection) => Some(connection),
            Sender::Unknown | Sender::OfSeveral => None,
        }
    }

    /// A request that a task has sent waits until it is known for which connection; that one is told if it is known now.
    pub(super) fn wait(&self, task: Task, request: &Arc<Request>) -> Option<Arc<Connection>> {
        let mut waiting = self.waiting();
        match self.sender(task) {
            Sender::Of(connection) => Some(connection),
            Sender::OfSeveral => None,
            Sender::Unknown => {
                // Who waits no longer is swept out only where the list would grow.
                if waiting.len() == waiting.capacity() {
                    waiting
                        .retain(|(_, request)| request.upgrade().is_some_and(|request| request.is_unbound()));
                    let len = waiting.len();
                    waiting.reserve(len + LEAST_WAITING);
                }
                waiting.push((task, Arc::downgrade(request)));
                None
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<(Task, Weak<Request>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn waiting_len(&self) -> usize {
        self.waiting().len()
    }

    /// A connection is closed, and its task sends nothing more.
    pub(super) fn forget(&self, task: Task, connection: &Connection) {
        let is_its = |known: &Option<Arc<Connection>>| {
            known.as_ref().is_some_and(|known| std::ptr::eq(Arc::as_ptr(known), connection))
        };
        let _ = self.by_task.pin().remove_if(&task, |_, known| is_its(known));
    }
}

#[cfg(test)]
mod tests {
    use poolscope_semconv::value::AcquireOutcome;

    use super::*;
    use crate::Scope;
    use crate::clock::Instant;
    use crate::registry::Protocol;
    use crate::registry::fixtures::{counts, open, request};
    use crate::registry::request::End;

    /// Being named, bound by its task, ended and closed race on four threads: it is bound once or not at all, and in the end
    /// nothing is left.
    #[test]
    fn naming_sending_end_and_close_may_race() {
        let scope = Scope::new();
        let caller = Task::new(u64::MAX);
        for round in 1..=2_000 {
            let connection = open(&scope, Protocol::Http2);
            // Nobody is the only one.
            let other = open(&scope, Protocol::Http2);
            let request = request(&scope);
            let task = Task::new(round);
            std::thread::scope(|threads| {
                threads.spawn(|| request.named(&connection, Some(caller)));
                threads.spawn(|| {
                    request.acquire(Instant::now());
                    let _ = request.bind_handed(|| Some(task)) || request.bind_sent(task);
                });
                threads.spawn(|| request.end(End::Dropped, Instant::now()));
                threads.spawn(|| connection.close(Instant::now()));
            });
            other.close(Instant::now());
            assert!(connection.requests() <= 1);
            assert_eq!(counts(&scope), (0, 0, 0, 0));
            assert!(request.pool().senders.connection(task).is_none(), "its connection is closed");
        }
        let pool = scope.snapshot().pools.remove(0);
        assert_eq!((pool.opened, pool.closed_total(), pool.streams), (4_000, 4_000, 0));
        assert_eq!(pool.acquires.iter().map(|(_, count)| count).sum::<u64>(), 2_000);
        assert_eq!(pool.acquired, pool.released);
    }

    /// A request that a task has sent of which nothing is known yet.
    fn sent(scope: &Scope, task: Task) -> Arc<Request> {
        let request = request(scope);
        request.acquire(Instant::now());
        assert!(!request.bind_handed(|| Some(task)) && !request.bind_sent(task));
        request
    }

    #[test]
    fn requests_that_were_sent_before_their_task_was_known_are_bound_when_it_is() {
        let scope = Scope::new();
        let [connection, other] = [(); 2].map(|()| open(&scope, Protocol::Http2));
        let [task, other_task] = [7, 8].map(Task::new);
        let [first, second, given_up] = [(); 3].map(|()| sent(&scope, task));
        let others = sent(&scope, other_task);
        given_up.end(End::Dropped, Instant::now());
        first.named(&connection, None);
        assert_eq!((connection.requests(), connection.is_active()), (2, true));
        assert!(second.is_bound() && !others.is_bound());
        assert_eq!(scope.snapshot().pools[0].streams, 3);
        connection.close(Instant::now());
        for request in [&first, &second] {
            request.end(End::Failed, Instant::now());
        }
        others.named(&other, None);
        others.end(End::Complete, Instant::now());
        assert_eq!((connection.requests(), other.requests()), (2, 1));
        let pool = scope.snapshot().pools.remove(0);
        let outcomes = [AcquireOutcome::New, AcquireOutcome::Reused].map(|outcome| pool.outcome(outcome));
        assert_eq!((outcomes, pool.streams, pool.released), ([2, 2], 0, 4));
    }

    /// The caller's thread names the connection after the acquire, and before the connection's has told its task.
    #[test]
    fn a_task_is_known_by_a_request_that_is_named_between_its_acquire_and_its_task() {
        let scope = Scope::new();
        let [connection, _other] = [(); 2].map(|()| open(&scope, Protocol::Http2));
        let task = Task::new(7);
        let before = sent(&scope, task);
        let named = request(&scope);
        named.acquire(Instant::now());
        named.named(&connection, Some(Task::new(1)));
        assert_eq!((connection.requests(), connection.has_sender()), (1, false));
        assert!(named.bind_sent(task));
        assert!(connection.has_sender() && before.is_bound());
        assert_eq!(connection.requests(), 2);
    }

    #[test]
    fn requests_over_http1_wait_for_no_task() {
        let scope = Scope::new();
        let [http1, http2] = Protocol::ALL.map(|protocol| open(&scope, protocol));
        let task = Task::new(7);
        let request = sent(&scope, task);
        assert!(http2.is_sent_by(task));
        assert!(!request.is_bound());
        request.bind(&http1);
        assert_eq!((http1.requests(), http2.requests()), (1, 0));
    }

    #[test]
    fn a_task_of_several_connections_binds_nothing_that_waits() {
        let scope = Scope::new();
        let [first, second] = [(); 2].map(|()| open(&scope, Protocol::Http2));
        let task = Task::new(7);
        assert!(first.is_sent_by(task) && second.is_sent_by(task));
        let request = sent(&scope, task);
        let _third = open(&scope, Protocol::Http2).is_sent_by(task);
        assert!(!request.is_bound());
    }

    /// Many requests are sent by a task, while one of them is named on another thread: each is bound, whatever the order.
    #[test]
    fn naming_one_request_while_its_task_sends_binds_them_all() {
        let scope = Scope::new();
        for round in 1..=2_000 {
            let connection = open(&scope, Protocol::Http2);
            let other = open(&scope, Protocol::Http2);
            let task = Task::new(round);
            let requests = [(); 4].map(|()| request(&scope));
            std::thread::scope(|threads| {
                threads.spawn(|| requests[1].named(&connection, Some(Task::new(u64::MAX))));
                threads.spawn(|| {
                    for request in &requests {
                        request.acquire(Instant::now());
                        let _ = request.bind_handed(|| Some(task)) || request.bind_sent(task);
                    }
                });
            });
            assert!(requests.iter().all(|request| request.is_bound()), "round {round}");
            assert_eq!(connection.requests(), 4);
            connection.close(Instant::now());
            other.close(Instant::now());
            for request in &requests {
                request.end(End::Failed, Instant::now());
            }
            assert_eq!(counts(&scope), (0, 0, 0, 0));
        }
    }

    #[test]
    fn those_who_wait_no_longer_are_swept_out() {
        let scope = Scope::new();
        let _open = open(&scope, Protocol::Http2);
        let waits = sent(&scope, Task::new(7));
        for _ in 0..1_000 {
            sent(&scope, Task::new(8)).end(End::Dropped, Instant::now());
        }
        let waiting = waits.pool().senders.waiting_len();
        assert!(waiting < 100, "{waiting}");
        let connection = open(&scope, Protocol::Http2);
        assert!(connection.is_sent_by(Task::new(7)) && waits.is_bound());
    }
}
