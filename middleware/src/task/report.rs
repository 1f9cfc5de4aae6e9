//! [`CancelReport`].

use std::fmt;
use std::time::Duration;

use crate::registry::TaskSnapshot;
use crate::said::Said;

/// What became of the tasks of a group that was told to end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CancelReport {
    /// Tasks that ended by themselves.
    pub ended: u64,
    /// Tasks that were aborted at the deadline.
    pub aborted: u64,
    /// Tasks that are still there: they block their thread, so that nobody can abort them.
    pub left: u64,
    /// Those that are left, at most 100.
    pub left_tasks: Vec<TaskSnapshot>,
    /// How long it took.
    pub took: Duration,
}

impl CancelReport {
    /// True if every task ended by itself.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.aborted == 0 && self.left == 0
    }
}

impl fmt::Display for CancelReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ended, aborted, left, took, .. } = self;
        let all = ended + aborted + left;
        write!(
            f,
            "of {all} tasks {ended} ended in {}, {aborted} were aborted, {left} are left",
            Said(*took)
        )?;
        self.left_tasks.iter().try_for_each(|task| write!(f, "; {task} is left"))
    }
}
