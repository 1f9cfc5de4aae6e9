//! Groups of tasks: what a program does beside its requests, with a name, counted, and ended together.
//!
//! [`Scope::tasks`](crate::Scope::tasks) makes a [`TaskGroup`]. What is spawned in it is listed in
//! [`ScopeSnapshot::tasks`](crate::ScopeSnapshot::tasks) with its name, its age and the place in the code where it was spawned.
//! The group
//!
//! - counts how tasks end: [`TaskOutcome`] has the ways, and each task ends in one of them, also when its runtime is gone,
//! - catches a panic, counts it and tells it as an [`Event::TaskPanicked`](crate::Event::TaskPanicked) with its words; the other
//!   tasks go on,
//! - ends all of them: [`TaskGroup::cancel_all`] tells them, waits, aborts those that are left at its deadline, and reports.
//!
//! A task of [`TaskGroup::spawn`] that is told to end is dropped where it waits. One that has something to finish is spawned by
//! [`TaskGroup::spawn_with`], which gives it the token to listen to. All are told when the last clone of the group is dropped.
//!
//! ```
//! use std::time::Duration;
//!
//! use poolscope::{Scope, task::TaskOutcome};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scope = Scope::new();
//! let tasks = scope.tasks("chat");
//!
//! let sum = tasks.spawn("sum", async { 1 + 2 });
//! assert_eq!(sum.await?, 3);
//!
//! let writer = tasks.spawn_with("writer", |token| async move {
//!     token.cancelled().await;
//!     "saved"
//! });
//! tasks.spawn("ticker", std::future::pending::<()>());
//! assert_eq!(scope.snapshot().tasks[0].active, 2);
//!
//! let report = tasks.cancel_all(Duration::from_secs(1)).await;
//! assert_eq!((report.ended, report.aborted, report.left), (2, 0, 0));
//! assert_eq!(writer.await?, "saved");
//! assert_eq!(tasks.snapshot().ended(TaskOutcome::Cancelled), 2);
//! # Ok(())
//! # }
//! ```
//!
//! # What it costs
//!
//! One lock and a few small allocations to spawn a task, and one lock at its end. A task that runs costs nothing but a look at
//! its token where it waits.
//!
//! # Shutdown
//!
//! `Scope::shutdown` (feature `shutdown`) tells the tasks of all groups to end after sessions and requests have, since those may
//! need them, aborts them at its deadline, and reports how many are left.

mod entry;
mod group;
mod handle;
mod report;
mod run;
mod shared;
#[cfg(test)]
mod tests;

pub(crate) use entry::{Cut, Place};
pub use group::TaskGroup;
pub use handle::{TaskError, TaskHandle};
pub use poolscope_semconv::value::TaskOutcome;
pub use report::CancelReport;
pub(crate) use shared::{Shared, Shown};
