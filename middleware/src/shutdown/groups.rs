//! [`Groups`]: the tasks that are to end when the program does.

use std::time::Duration;

use crate::Scope;
use crate::registry::TaskSnapshot;

/// Most tasks that a report lists one by one; all of them are counted.
#[cfg(feature = "task")]
const MOST_LISTED: usize = 100;

/// The groups of tasks that a scope has, if there can be any; those too that are made while it shuts down.
pub(super) struct Groups<'a> {
    #[cfg_attr(not(feature = "task"), expect(dead_code, reason = "without tasks there is nobody to ask"))]
    scope: &'a Scope,
}

#[cfg(feature = "task")]
impl<'a> Groups<'a> {
    pub(super) fn of(scope: &'a Scope) -> Self {
        Self { scope }
    }

    /// Tasks that run.
    pub(super) fn active(&self) -> u64 {
        self.scope.open_groups().iter().map(|group| group.active() as u64).sum()
    }

    /// Those of them one by one, at most 100.
    pub(super) fn left(&self) -> Vec<TaskSnapshot> {
        self.scope.open_groups().iter().flat_map(|group| group.left()).take(MOST_LISTED).collect()
    }

    /// Tells all tasks to end.
    pub(super) fn tell(&self) {
        self.scope.open_groups().iter().for_each(|group| group.tell());
    }

    /// The same, and waits until they have.
    pub(super) async fn end(&self) {
        self.tell();
        self.ended().await;
    }

    async fn ended(&self) {
        for group in self.scope.open_groups() {
            group.all_ended().await;
        }
    }

    /// Ends those that have not ended in time: they are told, if they were not yet, and aborted. Both may take so long until it
    /// shows. Tells how many were aborted.
    pub(super) async fn cut(&self, shows: Duration) -> u64 {
        let is_told = self.scope.open_groups().iter().all(|group| group.token().is_cancelled());
        if !is_told {
            let _ = tokio::time::timeout(shows, self.end()).await;
        }
        let cut: Vec<_> = self.scope.open_groups().iter().map(|group| group.cut_all()).collect();
        let _ = tokio::time::timeout(shows, self.ended()).await;
        cut.iter().map(crate::task::Cut::aborted).sum()
    }
}

#[cfg(not(feature = "task"))]
impl<'a> Groups<'a> {
    pub(super) fn of(scope: &'a Scope) -> Self {
        Self { scope }
    }

    pub(super) fn active(&self) -> u64 {
        0
    }

    pub(super) fn left(&self) -> Vec<TaskSnapshot> {
        Vec::new()
    }

    pub(super) fn tell(&self) {}

    pub(super) async fn end(&self) {}

    pub(super) async fn cut(&self, _: Duration) -> u64 {
        0
    }
}
