//! How closes of reqwest's connections are learned: from the kernel, or else from what requests show.

use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use poolscope_semconv::value::{Certainty, CloseReason, Observation};

use crate::Scope;
use crate::clock::Instant;
use crate::registry::{CloseCause, Connection, Ends, Pool, Protocol, Scheme, TcpFigures};
use crate::scope::ScopeRef;

#[cfg(target_os = "linux")]
use crate::kernel::{Ending, Gone, MOST_ASKED, Monitor, TcpInfo, WatchError, Watcher};

/// How closes are learned on this machine.
pub(super) fn observation() -> Observation {
    match kernel_refused() {
        None => Observation::Kernel,
        Some(_) => Observation::Estimated,
    }
}

/// Why the kernel can't be asked, if it can't. Warns about it once.
#[cfg(target_os = "linux")]
pub(crate) fn kernel_refused() -> Option<String> {
    static WARNING: std::sync::Once = std::sync::Once::new();
    let refused = Monitor::get().err()?.to_string();
    WARNING.call_once(|| {
        tracing::warn!(
            "the kernel does not tell of closed connections, so figures of reqwest pools are estimates: {refused}"
        );
    });
    Some(refused)
}

/// Why the kernel can't be asked: only Linux can.
#[cfg(not(target_os = "linux"))]
pub(crate) fn kernel_refused() -> Option<String> {
    Some("only Linux tells which connections are closed".to_owned())
}

/// How often the kernel lost messages about closed connections.
pub(crate) fn kernel_overflows() -> u64 {
    #[cfg(target_os = "linux")]
    return Monitor::get().map_or(0, Monitor::overflows);
    #[cfg(not(target_os = "linux"))]
    0
}

/// Learns of the close of a connection, from the kernel if it can be asked.
#[cfg(target_os = "linux")]
pub(super) fn watch(scope: &Scope, connection: &Arc<Connection>) {
    let ends = connection.ends();
    let (Ok(monitor), Some(local), Some(peer)) = (Monitor::get(), ends.local, ends.peer) else { return };
    let watch = Arc::new(CloseWatch { scope: scope.downgrade(), connection: Arc::downgrade(connection) });
    // Before the kernel is asked: it may tell of the close before it has answered.
    connection.watched_by(Arc::clone(&watch) as _);
    let watcher: Weak<dyn Watcher> = Arc::downgrade(&(Arc::clone(&watch) as Arc<dyn Watcher>));
    match monitor.watch(local, peer, watcher) {
        Ok(watched) => {
            if let Some(info) = watched.info {
                connection.greeted(info.bytes_sent);
                connection.tcp(figures(info));
            }
        }
        Err(WatchError::Gone(gone)) => watch.gone(gone),
        // The sweep of the model takes it for closed after the idle timeout.
        Err(WatchError::Failed(error)) => {
            tracing::debug!("the kernel was not asked about a connection: {error}");
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn watch(_: &Scope, _: &Arc<Connection>) {}

/// True if the kernel says that there is no connection between two addresses.
#[cfg(target_os = "linux")]
pub(super) fn is_gone(ends: Ends) -> bool {
    let (Ok(monitor), Some(local), Some(peer)) = (Monitor::get(), ends.local, ends.peer) else {
        return false;
    };
    let nobody: Weak<dyn Watcher> = Weak::<CloseWatch>::new();
    matches!(monitor.watch(local, peer, nobody), Err(WatchError::Gone(_)))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_gone(_: Ends) -> bool {
    false
}

/// How long ago something has come over each of these connections, as far as the kernel tells. Of a few dozen of them.
#[cfg(target_os = "linux")]
pub(super) fn quiet_for(connections: &[Arc<Connection>]) -> Vec<(&Arc<Connection>, Duration)> {
    let heard = told(connections).into_iter().filter_map(|(known, info)| Some((known, info?)));
    heard.filter(|(_, info)| info.bytes_received > 0).map(|(known, info)| (known, info.quiet)).collect()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn quiet_for(_: &[Arc<Connection>]) -> Vec<(&Arc<Connection>, Duration)> {
    Vec::new()
}

/// Leaves those of some connections that may have answered a request: not one that no request is known of and the kernel
/// knows of none either, nor one that is gone, unless nothing else is left. Asks about a few dozen of them.
#[cfg(target_os = "linux")]
pub(super) fn leave_answering(connections: &mut Vec<Arc<Connection>>) {
    let (mut silent, mut gone) = (HashSet::new(), HashSet::new());
    for (known, info) in told(connections.iter().filter(|known| known.requests() == 0)) {
        match info {
            Some(info) if info.bytes_received == 0 || known.is_silent_at(info.bytes_sent) => {
                silent.insert(known.id());
            }
            Some(_) => {}
            None => {
                gone.insert(known.id());
            }
        }
    }
    connections.retain(|known| !silent.contains(&known.id()));
    let is_there = |known: &Arc<Connection>| !known.is_gone() && !gone.contains(&known.id());
    if connections.iter().any(is_there) {
        connections.retain(is_there);
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn leave_answering(_: &mut Vec<Arc<Connection>>) {}

/// What the kernel knows of connections, up to [`MOST_ASKED`] of them.
#[cfg(target_os = "linux")]
fn told<'a>(
    connections: impl IntoIterator<Item = &'a Arc<Connection>>,
) -> Vec<(&'a Arc<Connection>, Option<TcpInfo>)> {
    let Ok(monitor) = Monitor::get() else { return Vec::new() };
    let (known, ends): (Vec<_>, Vec<_>) = connections
        .into_iter()
        .filter_map(|known| Some((known, known.ends().local.zip(known.ends().peer)?)))
        .take(MOST_ASKED)
        .unzip();
    known.into_iter().zip(monitor.ask(&ends)).collect()
}

/// Told by the kernel what becomes of a connection.
#[cfg(target_os = "linux")]
#[derive(Debug)]
struct CloseWatch {
    scope: ScopeRef,
    connection: Weak<Connection>,
}

#[cfg(target_os = "linux")]
impl Watcher for CloseWatch {
    fn gone(&self, gone: Gone) {
        let Some(connection) = self.connection.upgrade() else { return };
        if let Some(info) = gone.info {
            // The last round trip includes how long the other side sat on the end of the connection.
            let rtt = info.min_rtt.unwrap_or(info.rtt);
            connection.tcp(TcpFigures { rtt, ..figures(info) });
        }
        // Over TLS, both sides say a last word: the peer's finds our socket closed and is answered by a reset, after which
        // it looks as if the peer had been first, or as if the connection had been aborted.
        let is_tls = connection.pool().scheme() == Scheme::Https;
        match gone.ending {
            Some(Ending::Local) => connection.note(CloseCause::ShutDown),
            Some(Ending::Peer) if !is_tls => connection.note(CloseCause::PeerClosed),
            Some(Ending::Aborted) if !is_tls => connection.note(CloseCause::Aborted),
            _ => {}
        }
        // A request that was given up before its answer has told no connection; ours closes it then, which the kernel may
        // take for an abort.
        let is_ours = is_tls || !matches!(gone.ending, Some(Ending::Peer) | None);
        let is_free = connection.protocol() == Protocol::Http1 && connection.is_idle();
        if is_ours && is_free && !connection.has_idled(gone.at) && connection.pool().explains_close(gone.at) {
            connection.note(CloseCause::RequestDropped);
        }
        connection.gone();
        // Also a request that seems to wait still: its first poll, which finds an idle connection, may not have ended.
        let may_be_used = connection.is_active() || connection.pool().is_asked();
        match self.scope.upgrade() {
            // The kernel is quicker than the request, which is about to tell why.
            Some(scope) if may_be_used => scope.close_soon(connection),
            _ => connection.close(gone.at),
        }
    }

    fn seen(&self, info: TcpInfo, _: bool) {
        if let Some(connection) = self.connection.upgrade() {
            connection.tcp(figures(info));
        }
    }
}

#[cfg(target_os = "linux")]
fn figures(info: TcpInfo) -> TcpFigures {
    TcpFigures {
        rtt: info.rtt,
        retransmits: info.retransmits,
        sent: info.bytes_sent,
        received: info.bytes_received,
    }
}

/// Open connections of which nobody will tell that they are closed.
fn modelled(pool: &Pool) -> impl Iterator<Item = Arc<Connection>> {
    let open = if pool.observation() == Observation::Exact { Vec::new() } else { pool.open_connections() };
    open.into_iter().filter(|connection| connection.observation() == Observation::Estimated)
}

/// Closes the connections that the client must have closed by now, because they have been idle for too long.
pub(crate) fn close_expired(pool: &Pool, now: Instant) {
    for connection in modelled(pool) {
        if connection.is_idle() && connection.idle_for(now) >= pool.idle_timeout() {
            connection.close_because(CloseReason::IdleTimeout, Certainty::Inferred, now);
        }
    }
}

/// How long a connection must have been idle before a new connect is a sign that it is gone. hyper-util has a connection
/// back some moments after the caller has read the body to its end.
const BACK_IN_POOL: Duration = Duration::from_millis(100);

/// Closes the connections that are idle in the books although the client connects: it does so only when it has no idle
/// connection left. Mostly the server has closed them.
pub(super) fn close_passed_over(pool: &Pool, now: Instant) {
    for connection in modelled(pool) {
        if connection.is_idle() && connection.idle_for(now) >= BACK_IN_POOL {
            connection.close_because(CloseReason::PeerClosedIdle, Certainty::Inferred, now);
        }
    }
}
