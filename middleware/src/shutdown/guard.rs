//! [`ShutdownGuard`].

use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, RuntimeFlavor};

use super::groups::Groups;
use super::report::ShutdownReport;
use super::servers::Servers;
use super::sessions::Sessions;
use crate::Scope;

/// Shuts a scope down when it is dropped, as at the end of `main` or while a panic unwinds.
///
/// In a runtime with several threads, requests have until the deadline, and dropping blocks its thread for as long; the
/// other threads go on. In one with a single thread, or on its only worker, nothing could end while that one waits: there,
/// and outside of a runtime, what is under way is cut at once. So call [`Scope::shutdown`] where you can wait, and keep the
/// guard for the ways out where you can't. What was cut or left is told as a warning by `tracing`.
///
/// The thread that is blocked may have tasks that no other can run: all of a `LocalSet`, and on a worker the one task that
/// was woken last. Their requests can't end in time, and the report of the guard counts them as left. Best is a guard at the
/// end of `main`, whose thread is no worker.
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
        match shut_down(&scope, self.deadline, others_go_on()) {
            Some(report) if report.is_clean() => {}
            Some(report) => tracing::warn!("{report}"),
            None => {
                // No thread is to be had to wait on.
                let servers = Servers::of(&scope);
                servers.close();
                scope.shutdown_state().close();
                let sessions = Sessions::of(&scope);
                sessions.close();
                servers.cut();
                Groups::of(&scope).tell();
                scope.stop_supervisors();
                scope.shutdown_state().cut();
                sessions.cut();
            }
        }
    }
}

/// The runtime, if requests may end in it while this thread is blocked.
fn others_go_on() -> Option<Handle> {
    let handle = Handle::try_current().ok()?;
    // Tasks run on workers; what `block_on` runs is no task.
    let is_only_worker = handle.metrics().num_workers() == 1 && tokio::task::try_id().is_some();
    Some(handle).filter(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread && !is_only_worker)
}

/// Shuts down on a thread and a runtime of its own, since neither may be waited for where this is called: the current
/// runtime may have no time, and blocking in it is refused by a panic, which would end the process while another one
/// unwinds. Cuts at once if no others go on. `None` if no thread is to be had.
fn shut_down(scope: &Scope, deadline: Duration, others: Option<Handle>) -> Option<ShutdownReport> {
    let scope = scope.clone();
    let run = move || {
        // Made here, since where no thread is to be had it could not be dropped without a panic.
        let runtime = Builder::new_current_thread().enable_time().build().ok()?;
        let deadline = if others.is_some() { deadline } else { Duration::ZERO };
        if let Some(others) = others {
            // The worker that is blocked may be the one that waited for sockets and timers. A task from outside wakes another
            // one, which waits for them when it finds no more to do.
            others.spawn(async {});
        }
        let report = runtime.block_on(scope.shutdown(deadline));
        // A flush that takes too long is not waited for.
        runtime.shutdown_background();
        Some(report)
    };
    thread::Builder::new().name("poolscope-shutdown".to_owned()).spawn(run).ok()?.join().ok()?
}
