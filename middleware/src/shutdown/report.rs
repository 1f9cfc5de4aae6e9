//! [`ShutdownReport`], and the shutdown itself.

use std::fmt;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::groups::Groups;
use super::servers::Servers;
use super::sessions::Sessions;
use crate::registry::{HolderSnapshot, PoolSnapshot, TaskSnapshot};
use crate::said::Said;
use crate::{Scope, ScopeSnapshot};

/// How long requests have to give back what they hold after they were cut: as long as their tasks take to be run.
const CUT_SHOWS: Duration = Duration::from_millis(250);

/// How long the flush of telemetry may take.
const FLUSH_WITHIN: Duration = Duration::from_secs(5);

/// How often requests are looked at that only request layers see.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Most tasks that the words of a report name one by one.
const MOST_SAID: usize = 10;

/// What a shutdown did.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Requests of clients that were under way when it began.
    pub began_with: u64,
    /// Requests of clients that were cut: their caller was told so while this shutdown went on, also where another one of the same
    /// scope had the shorter deadline and cut them.
    pub cut: u64,
    /// Requests of clients that are still under way, since no layer could cut them, or since nobody has asked for more of their body:
    /// such a one is cut when somebody does. None of them is in `cut`.
    pub left: u64,
    /// What was known of those that were under way at the deadline of this shutdown, as far as request layers saw them; at
    /// most as many for each pool as the scope lists.
    pub cut_requests: Vec<CutRequest>,
    /// Idle connections that were asked to close: those over hyper. Others close when their client is dropped.
    pub closed_idle: usize,
    /// Sessions that were there when it began, and were told to end.
    pub sessions: u64,
    /// Handlers of sessions that were cut, at the deadline or when their session was overdue: those that `Session::run` runs.
    pub sessions_cut: u64,
    /// Sessions that are still there, since their holders have not let go of them.
    pub sessions_left: u64,
    /// Requests that servers worked on when it began.
    pub served: u64,
    /// Those of them that were cut with their connection.
    pub served_cut: u64,
    /// Those of them that are not over yet.
    pub served_left: u64,
    /// Connections of servers that were there when it began.
    pub connections: u64,
    /// Connections of servers that were cut at the deadline.
    pub connections_cut: u64,
    /// Connections of servers that are still there, since nobody polls them.
    pub connections_left: u64,
    /// Tasks of groups that were there when it began.
    pub tasks: u64,
    /// Tasks that were aborted at the deadline.
    pub tasks_aborted: u64,
    /// Tasks that are still there: they block their thread, so that nobody can abort them.
    pub tasks_left: u64,
    /// Those that are still there, with the session that each belongs to, at most 100.
    pub left_tasks: Vec<TaskSnapshot>,
    /// Connections of supervisors that were kept alive when it began, and were told to close.
    pub supervisors: u64,
    /// Those of them that are not closed yet.
    pub supervisors_left: u64,
    /// How long it took, without the flush of telemetry and the wait for breakers to be saved.
    pub took: Duration,
}

/// A request that was under way at the deadline of a shutdown.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CutRequest {
    /// Client that it was made with.
    pub client: String,
    /// Destination, as `scheme://host:port`.
    pub destination: String,
    /// The rest of what is known.
    pub request: HolderSnapshot,
}

impl ShutdownReport {
    /// True if every request, every connection of a server, every session and every task has ended by itself, and every
    /// supervisor has stopped.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let cut = self.cut + self.served_cut + self.connections_cut + self.sessions_cut + self.tasks_aborted;
        let left =
            self.left + self.served_left + self.connections_left + self.sessions_left + self.tasks_left;
        cut + left + self.supervisors_left == 0
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shut down in {}", Said(self.took))?;
        let of_requests = [
            ("clients", self.began_with, self.cut, self.left),
            ("servers", self.served, self.served_cut, self.served_left),
        ];
        for (of, began_with, cut, left) in of_requests {
            // Those of clients are told in any case: who looks for them must not take those of servers for all.
            if began_with > 0 || of == "clients" {
                let ended = began_with.saturating_sub(cut + left);
                let sign = if of == "clients" { ':' } else { ';' };
                write!(
                    f,
                    "{sign} of {began_with} requests of {of} {ended} ended, {cut} were cut, {left} are left"
                )?;
            }
        }
        if self.sessions > 0 {
            let Self { sessions, sessions_cut, sessions_left, .. } = self;
            write!(f, "; of {sessions} sessions {sessions_cut} were cut, {sessions_left} are left")?;
        }
        if self.connections > 0 {
            let Self { connections, connections_cut, connections_left, .. } = self;
            write!(
                f,
                "; of {connections} connections of servers {connections_cut} were cut, {connections_left} are left"
            )?;
        }
        if self.tasks > 0 {
            let Self { tasks, tasks_aborted, tasks_left, .. } = self;
            write!(f, "; of {tasks} tasks {tasks_aborted} were aborted, {tasks_left} are left")?;
            self.left_tasks.iter().take(MOST_SAID).try_for_each(|task| write!(f, "; {task} is left"))?;
        }
        if self.supervisors > 0 {
            let Self { supervisors, supervisors_left, .. } = self;
            write!(f, "; of {supervisors} supervised connections {supervisors_left} are left")?;
        }
        Ok(())
    }
}

/// Shuts a scope down, see [`Scope::shutdown`].
pub(crate) async fn run(scope: &Scope, deadline: Duration) -> ShutdownReport {
    let (state, began) = (scope.shutdown_state(), Instant::now());
    // Far off is never.
    let deadline = began.checked_add(deadline).unwrap_or_else(|| began + Duration::from_secs(365 * 86_400));
    let cut_before = state.cut_so_far();
    state.begin_end();
    let servers = Servers::of(scope);
    let connections = servers.close();
    let all_sessions = Sessions::of(scope);
    let handlers_cut_before = all_sessions.cut_so_far();
    let sessions = all_sessions.close();
    let groups = Groups::of(scope);
    let tasks = groups.active();
    let supervisors = scope.stop_supervisors();
    let under_way = || state.count().max(seen(&scope.snapshot()));
    let (began_with, served) = (under_way(), servers.requests());
    // What servers work on may have to ask others: their requests go on to be let through until it has ended.
    let _ = timeout_at(deadline, servers.ended()).await;
    state.close();
    let began_with = began_with.max(under_way());
    let all_ended = async {
        ended(scope, &servers, &all_sessions).await;
        // What is over by now may have needed them.
        groups.end().await;
    };
    let in_time = timeout_at(deadline, all_ended).await.is_ok();
    let (mut left, mut connections_cut, mut tasks_aborted, mut cut_requests) = (0, 0, 0, Vec::new());
    // Those too that have begun since.
    let mut served_at_deadline = 0;
    if !in_time {
        let snapshot = scope.snapshot();
        cut_requests = snapshot.pools.iter().flat_map(held).collect();
        served_at_deadline = servers.requests();
        connections_cut = servers.cut();
        state.cut();
        all_sessions.cut();
        tasks_aborted = groups.cut(CUT_SHOWS).await;
        // What is left after that, nobody can end.
        let _ = timeout(CUT_SHOWS, ended(scope, &servers, &all_sessions)).await;
        left = seen(&scope.snapshot()).max(state.count());
    }
    let cut = state.cut_so_far() - cut_before;
    let sessions_cut = all_sessions.cut_so_far().saturating_sub(handlers_cut_before);
    let (sessions_left, served_left) = (all_sessions.present(), servers.requests());
    let connections_left = servers.present();
    let supervisors_left = scope.running_supervisors();
    let closed_idle = scope.close_idle();
    let took = began.elapsed();
    #[cfg(feature = "breaker")]
    scope.finish_tasks().await;
    // What is not sent by then has no place to go to.
    let _ = timeout(FLUSH_WITHIN, scope.flush_telemetry()).await;
    let (tasks_left, left_tasks) = (groups.active(), groups.left());
    ShutdownReport {
        began_with,
        cut,
        left,
        cut_requests,
        closed_idle,
        sessions,
        sessions_cut,
        sessions_left,
        served: served.max(served_at_deadline),
        served_cut: served_at_deadline.saturating_sub(served_left),
        served_left,
        connections,
        // Those that nobody polls have not noticed.
        connections_cut: connections_cut.saturating_sub(connections_left),
        connections_left,
        tasks,
        tasks_aborted,
        tasks_left,
        left_tasks,
        supervisors,
        supervisors_left,
        took,
    }
}

/// Returns when no request is under way, and no session and no connection of a server is there.
async fn ended(scope: &Scope, servers: &Servers, sessions: &Sessions) {
    servers.ended().await;
    sessions.ended().await;
    scope.supervisors_stopped().await;
    scope.shutdown_state().ended().await;
    while seen(&scope.snapshot()) > 0 {
        sleep(LOOK_EVERY).await;
    }
}

/// Requests that request layers see.
fn seen(snapshot: &ScopeSnapshot) -> u64 {
    snapshot.pools.iter().map(|pool| pool.pending() + pool.in_flight()).sum()
}

fn held(pool: &PoolSnapshot) -> impl Iterator<Item = CutRequest> {
    let destination = format!("{}://{}:{}", pool.scheme, pool.host, pool.port);
    pool.held.iter().map(move |request| CutRequest {
        client: pool.client.clone(),
        destination: destination.clone(),
        request: request.clone(),
    })
}
