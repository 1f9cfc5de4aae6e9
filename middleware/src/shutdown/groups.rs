//! [`Groups`]: the tasks that are to end when the program does.

use std::time::Duration;

use crate::Scope;

/// The groups of tasks that a scope has when its shutdown begins, if there can be any.
pub(super) struct Groups {
    #[cfg(feature = "task")]
    groups: Vec<std::sync::Arc<crate::task::Shared>>,
}

#[cfg(feature = "task")]
impl Groups {
    pub(super) fn of(scope: &Scope) -> Self {
        Self { groups: scope.open_groups() }
    }

    /// Tasks that run.
    pub(super) fn active(&self) -> u64 {
        self.groups.iter().map(|group| group.active() as u64).sum()
    }

    /// Tells all tasks to end.
    pub(super) fn tell(&self) {
        self.groups.iter().for_each(|group| group.tell());
    }

    /// The same, and waits until they have.
    pub(super) async fn end(&self) {
        self.tell();
        self.ended().await;
    }

    async fn ended(&self) {
        for group in &self.groups {
            group.all_ended().await;
        }
    }

    /// Ends those that have not ended in time: they are told, if they were not yet, and aborted. Both may take so long until it
    /// shows. Tells how many were aborted.
    pub(super) async fn cut(&self, shows: Duration) -> u64 {
        let is_told = self.groups.iter().all(|group| group.token().is_cancelled());
        if !is_told {
            let _ = tokio::time::timeout(shows, self.end()).await;
        }
        let cut: Vec<_> = self.groups.iter().map(|group| group.cut_all()).collect();
        let _ = tokio::time::timeout(shows, self.ended()).await;
        cut.iter().map(crate::task::Cut::aborted).sum()
    }
}

#[cfg(not(feature = "task"))]
impl Groups {
    pub(super) fn of(_: &Scope) -> Self {
        Self {}
    }

    pub(super) fn active(&self) -> u64 {
        0
    }

    pub(super) fn tell(&self) {}

    pub(super) async fn end(&self) {}

    pub(super) async fn cut(&self, _: Duration) -> u64 {
        0
    }
}
