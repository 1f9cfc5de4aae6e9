//! [`TaskGroup`].

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::entry::Place;
use super::handle::TaskHandle;
use super::report::CancelReport;
use super::shared::{Shared, Shown};
use crate::Scope;
use crate::registry::TasksSnapshot;

/// Tasks that are counted, and end together. Cheap to clone; clones are one. See the [module](super) for an example.
///
/// When the last clone is dropped, its tasks are told to end. Its figures are there until the last of them has.
#[derive(Debug, Clone)]
pub struct TaskGroup {
    held: Arc<Held>,
}

/// What is there as long as somebody holds the group.
#[derive(Debug)]
struct Held {
    shared: Arc<Shared>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shared.tell();
    }
}

impl TaskGroup {
    pub(crate) fn new(scope: &Scope, name: &str) -> Self {
        Self { held: Arc::new(Held { shared: Shared::add(scope, name, Shown::Always) }) }
    }

    /// Its name; a second group of the same name in a scope has got a number.
    #[must_use]
    pub fn name(&self) -> &str {
        self.held.shared.name()
    }

    /// Runs a future as a task of the group, in the runtime that is current here. When it is told to end, it is dropped where
    /// it waits. It goes on if its handle is dropped.
    ///
    /// Several tasks may have the same name, of which the first 256 bytes are kept. In a group that was told to end, a task ends
    /// before it begins.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[track_caller]
    pub fn spawn<F>(&self, name: impl Into<Cow<'static, str>>, future: F) -> TaskHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let shared = &self.held.shared;
        shared.spawn(Place::here(name), shared.token().child_token(), (), future)
    }

    /// The same for a task that ends by itself when it is told to: it is given the token that tells it, and is aborted only by
    /// the deadline of [`cancel_all`](Self::cancel_all) or of a shutdown.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[track_caller]
    pub fn spawn_with<F>(
        &self,
        name: impl Into<Cow<'static, str>>,
        task: impl FnOnce(CancellationToken) -> F,
    ) -> TaskHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let shared = &self.held.shared;
        shared.spawn_with(Place::here(name), shared.token().child_token(), (), task)
    }

    /// Tasks that run now.
    #[must_use]
    pub fn active(&self) -> usize {
        self.held.shared.active()
    }

    /// Tells all tasks to end, and those that begin later too. Waits for none of them.
    pub fn cancel(&self) {
        self.held.shared.tell();
    }

    /// Returns when no task runs any more. Others may begin after that, unless the group was told to end.
    pub async fn all_ended(&self) {
        self.held.shared.all_ended().await;
    }

    /// Tells all tasks to end, waits for them until the deadline, aborts those that are left, and reports. Those that begin
    /// meanwhile end too.
    ///
    /// A task can be aborted only where it waits: one that blocks its thread is reported as left, 250 ms after the deadline.
    /// A task of the group must not wait for this, since it would wait for itself.
    ///
    /// Needs a tokio runtime with its time driver on.
    pub async fn cancel_all(&self, deadline: Duration) -> CancelReport {
        self.held.shared.cancel_all(deadline).await
    }

    /// Everything that is known of the tasks; the same is in the snapshots of the scope.
    #[must_use]
    pub fn snapshot(&self) -> TasksSnapshot {
        self.held.shared.snapshot()
    }
}
