//! What lives longer than a request: sessions, tasks, queues and supervised connections of a [`Scope`].

#[cfg(all(feature = "shutdown", any(feature = "supervisor", feature = "task")))]
use std::sync::{Arc, PoisonError, Weak};

#[cfg(all(feature = "supervisor", feature = "shutdown"))]
use poolscope_semconv::value::SupervisorReason;

use super::Scope;
use crate::registry::{Board, QueueSnapshot, SessionsSnapshot, SupervisorSnapshot, TasksSnapshot};

impl Scope {
    /// A registry of sessions with a name: see [`session`](crate::session).
    #[cfg(feature = "session")]
    pub fn sessions(&self, name: impl Into<String>) -> crate::session::SessionsBuilder {
        crate::session::SessionsBuilder::new(self, name.into())
    }

    /// A store of server-side sessions with a name: see [`session::store`](crate::session::store).
    #[cfg(feature = "session-store")]
    pub fn session_store<V: Send + Sync + 'static>(
        &self,
        name: impl Into<String>,
    ) -> crate::session::store::SessionStoreBuilder<V> {
        crate::session::store::SessionStoreBuilder::new(self, name.into())
    }

    /// A group of tasks with a name: see [`task`](crate::task). A second one of the same name gets a number.
    #[cfg(feature = "task")]
    #[must_use = "its tasks are told to end when the group is dropped"]
    pub fn tasks(&self, name: &str) -> crate::task::TaskGroup {
        crate::task::TaskGroup::new(self, name)
    }

    /// A queue with a name that holds so many items: see [`queue`](crate::queue). Any capacity can be had, since memory beyond
    /// 1 MiB is taken only as items come; 0 is taken as 1. A second one of the same name gets a number.
    #[cfg(feature = "queue")]
    pub fn queue<T: Send + 'static>(
        &self,
        name: &str,
        capacity: usize,
        policy: crate::queue::DropPolicy,
    ) -> (crate::queue::QueueSender<T>, crate::queue::QueueReceiver<T>) {
        crate::queue::new(self, name, capacity, policy)
    }

    /// Has the sessions of a registry told to end when the program does.
    #[cfg(all(feature = "session", feature = "shutdown"))]
    pub(crate) fn end_sessions_at_end(&self, sessions: &Arc<crate::session::Shared>) {
        let mut known = self.inner.open_sessions.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|sessions| sessions.strong_count() > 0);
        known.push(Arc::downgrade(sessions));
        drop(known);
        // The shutdown looks at those that are known after it has begun.
        if self.shutdown_state().has_begun() {
            sessions.close();
        }
    }

    /// Registries whose sessions are to end when the program does.
    #[cfg(all(feature = "session", feature = "shutdown"))]
    pub(crate) fn open_sessions(&self) -> Vec<Arc<crate::session::Shared>> {
        let known = self.inner.open_sessions.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().filter_map(Weak::upgrade).collect()
    }

    /// Has the tasks of a group told to end when the program does.
    #[cfg(all(feature = "task", feature = "shutdown"))]
    pub(crate) fn end_tasks_at_end(&self, group: &Arc<crate::task::Shared>) {
        let mut known = self.inner.open_groups.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|group| group.strong_count() > 0);
        known.push(Arc::downgrade(group));
    }

    /// Groups whose tasks are to end when the program does.
    #[cfg(all(feature = "task", feature = "shutdown"))]
    pub(crate) fn open_groups(&self) -> Vec<Arc<crate::task::Shared>> {
        let known = self.inner.open_groups.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().filter_map(Weak::upgrade).collect()
    }

    /// Bounded queues.
    #[cfg(feature = "queue")]
    pub(crate) fn queue_board(&self) -> &Board<QueueSnapshot> {
        &self.inner.queues
    }

    /// Groups of tasks.
    #[cfg(feature = "task")]
    pub(crate) fn task_board(&self) -> &Board<TasksSnapshot> {
        &self.inner.tasks_of_groups
    }

    /// Registries of sessions.
    #[cfg(feature = "session")]
    pub(crate) fn session_board(&self) -> &Board<SessionsSnapshot> {
        &self.inner.sessions
    }

    /// Keeps one connection of a client alive: see [`supervisor`](crate::supervisor).
    #[cfg(feature = "supervisor")]
    pub fn supervisor(&self, name: impl Into<String>) -> crate::supervisor::SupervisorBuilder {
        crate::supervisor::SupervisorBuilder::new(self, name.into())
    }

    /// Has a supervisor told to stop when the program does.
    #[cfg(all(feature = "supervisor", feature = "shutdown"))]
    pub(crate) fn end_supervisor_at_end(&self, supervisor: &Arc<crate::supervisor::Shared>) {
        let mut known = self.inner.supervised.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|supervisor| supervisor.strong_count() > 0);
        known.push(Arc::downgrade(supervisor));
        drop(known);
        // The shutdown looks at those that are known after it has begun.
        if self.shutdown_state().has_begun() {
            supervisor.stop(SupervisorReason::Shutdown);
        }
    }

    #[cfg(all(feature = "supervisor", feature = "shutdown"))]
    fn supervised(&self) -> Vec<Arc<crate::supervisor::Shared>> {
        let known = self.inner.supervised.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().filter_map(Weak::upgrade).filter(|supervisor| supervisor.is_running()).collect()
    }

    /// Tells all supervisors to stop; tells how many there are.
    #[cfg(feature = "shutdown")]
    pub(crate) fn stop_supervisors(&self) -> u64 {
        #[cfg(feature = "supervisor")]
        {
            let supervised = self.supervised();
            supervised.iter().for_each(|supervisor| supervisor.stop(SupervisorReason::Shutdown));
            supervised.len() as u64
        }
        #[cfg(not(feature = "supervisor"))]
        0
    }

    /// Supervisors that work on their connections.
    #[cfg(feature = "shutdown")]
    pub(crate) fn running_supervisors(&self) -> u64 {
        #[cfg(feature = "supervisor")]
        return self.supervised().len() as u64;
        #[cfg(not(feature = "supervisor"))]
        0
    }

    /// Returns when all supervisors have stopped.
    #[cfg(feature = "shutdown")]
    pub(crate) async fn supervisors_stopped(&self) {
        #[cfg(feature = "supervisor")]
        for supervisor in self.supervised() {
            supervisor.stopped().await;
        }
    }

    /// Connections that are kept alive.
    #[cfg(feature = "supervisor")]
    pub(crate) fn supervisor_board(&self) -> &Board<SupervisorSnapshot> {
        &self.inner.supervisors
    }
}
