//! [`ShutdownGuard`].

use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, RuntimeFlavor};

use super::report::ShutdownReport;
use crate::Scope;

/// Shuts a scope down when it is dropped, as at the end of `main` or while a panic unwinds.
///
/// In a runtime with several threads, requests have until the deadline, and dropping blocks its thread for as long. In one
/// with a single thread nothing could end while that one waits: there, and outside of a runtime, what is under way is cut at
/// once. So call [`Scope::shutdown`] where you can wait, and keep the guard for the ways out where you can't. What was cut or
/// left is told as a warning by `tracing`.
///
/// ```
/// use std::time::Duration;
/// use poolscope::{Scope, shutdown::ShutdownGuard};
///
/// # #[tokio::main]
/// # async fn main() {
/// let scope = Scope::new();
/// let _guard = ShutdownGuard::new(&scope, Duration::from_secs(10));
/// // The program.
/// # }
/// ```
#[derive(Debug)]
#[must_use = "the scope is shut down when the guard is dropped"]
pub struct ShutdownGuard {
    scope: Option<Scope>,
    deadline: Duration,
}

impl ShutdownGuard {
    /// A guard that gives requests so much time.
    pub fn new(scope: &Scope, deadline: Duration) -> Self {
        Self { scope: Some(scope.clone()), deadline }
    }

    /// Shuts the scope down now; see [`Scope::shutdown`].
    pub async fn shutdown(mut self) -> Option<ShutdownReport> {
        let scope = self.scope.take()?;
        Some(scope.shutdown(self.deadline).await)
    }
}

impl Drop for ShutdownGuard {
    fn drop(&mut self) {
        let Some(scope) = self.scope.take() else { return };
        let report = match Handle::try_current() {
            Ok(handle) if handle.runtime_flavor() == RuntimeFlavor::MultiThread => {
                let deadline = self.deadline;
                Some(tokio::task::block_in_place(|| handle.block_on(scope.shutdown(deadline))))
            }
            _ => cut_now(&scope),
        };
        if let Some(report) = report.filter(|report| !report.is_clean()) {
            tracing::warn!("{report}");
        }
    }
}

/// Shuts down on a thread of its own, which may wait where this one may not. `None` if there is none to be had.
fn cut_now(scope: &Scope) -> Option<ShutdownReport> {
    let runtime = Builder::new_current_thread().enable_time().build().ok()?;
    let scope = scope.clone();
    let run = move || runtime.block_on(scope.shutdown(Duration::ZERO));
    thread::Builder::new().name("poolscope-shutdown".to_owned()).spawn(run).ok()?.join().ok()
}
