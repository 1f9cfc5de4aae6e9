//! [`Monitor`]: tells watchers when their connections are gone.

mod worker;

use crate::clock::Instant;
use std::collections::HashMap;
use std::error::Error;
use std::fmt::{self, Debug, Display, Formatter};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::{self, Thread};

use rustix::fd::OwnedFd;
use rustix::io::Errno;

use self::worker::Worker;
use super::diag::{ANY_COOKIE, Socket};
use super::ending::{Fate, Gone};
use super::events::Events;
use super::lookups::{Answer, BATCH, Lookups};
use super::probe::{self, Refused};
use super::tcp_info::TcpInfo;

/// Most connections in one question of [`Monitor::ask`].
pub(crate) const MOST_ASKED: usize = BATCH;

/// Is told about a connection, on the monitor's thread, which tells nobody else meanwhile: to be kept short. No lock is
/// held. A panic ends nothing but the call.
pub(crate) trait Watcher: Send + Sync {
    /// The connection is gone. Told once, and nothing after it.
    fn gone(&self, gone: Gone);

    /// What the kernel counted so far on the open connection, every few seconds. `peer_closed`: the other side has closed,
    /// and this process has not yet.
    fn seen(&self, info: TcpInfo, peer_closed: bool) {
        let _ = (info, peer_closed);
    }
}

/// A connection that is watched now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watched {
    /// Names the socket; no other one gets the same until the machine restarts.
    pub(crate) cookie: u64,
    /// Its counters now.
    pub(crate) info: Option<TcpInfo>,
}

/// A connection can't be watched. Its watcher will not be told anything.
#[derive(Debug)]
pub(crate) enum WatchError {
    /// It is gone already.
    Gone(Gone),
    /// The kernel did not answer.
    Failed(io::Error),
}

impl Display for WatchError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(_) => f.write_str("the connection is gone already"),
            Self::Failed(error) => write!(f, "the kernel does not tell about the connection: {error}"),
        }
    }
}

impl Error for WatchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Gone(_) => None,
            Self::Failed(error) => Some(error),
        }
    }
}

impl From<Errno> for WatchError {
    fn from(error: Errno) -> Self {
        Self::Failed(error.into())
    }
}

/// Knows when watched connections are gone: from the kernel's messages, and by asking from time to time, which also finds
/// what the messages missed. One thread, three file descriptors, memory for as many connections as are watched.
///
/// While nothing is watched the thread sleeps, and the kernel has nobody to send messages to.
#[derive(Debug)]
pub(crate) struct Monitor {
    state: Mutex<State>,
    events: Events,
    overflows: AtomicU64,
    thread: OnceLock<Thread>,
}

/// A socket is looked up and registered under one lock, and a message is matched under the same: so a message about a
/// socket that was alive when it was looked up finds it registered.
#[derive(Debug)]
struct State {
    lookups: Lookups,
    /// By cookie.
    watched: HashMap<u64, Arc<Entry>>,
    /// True while the thread sleeps because nothing is watched.
    resting: bool,
}

struct Entry {
    socket: Socket,
    /// Usually one; two layers may watch the same connection.
    watchers: Vec<Weak<dyn Watcher>>,
}

impl Debug for Entry {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("socket", &self.socket).field("watchers", &self.watchers.len()).finish()
    }
}

impl Monitor {
    /// The monitor of this process. The first call starts it, after a question about a socket of its own, which takes less
    /// than a millisecond.
    ///
    /// # Errors
    /// When the kernel refuses; what it said the first time is remembered.
    pub(crate) fn get() -> Result<&'static Self, &'static Refused> {
        static MONITOR: OnceLock<Result<Arc<Monitor>, Refused>> = OnceLock::new();
        MONITOR.get_or_init(|| Self::start(probe::open)).as_deref()
    }

    /// Starts a monitor on sockets that `open` opens.
    pub(super) fn start(open: impl Fn() -> Result<OwnedFd, Errno>) -> Result<Arc<Self>, Refused> {
        let probe::Sockets { events, lookups, lookups_of_thread } = probe::sockets(open)?;
        let monitor = Arc::new(Self {
            state: Mutex::new(State { lookups, watched: HashMap::new(), resting: true }),
            events,
            overflows: AtomicU64::new(0),
            thread: OnceLock::new(),
        });
        let worker = Worker::new(monitor.clone(), lookups_of_thread);
        let handle = thread::Builder::new()
            .name("poolscope-kernel".to_owned())
            .spawn(|| worker.run())
            .map_err(|error| Refused::new("a thread", error))?;
        monitor.thread.get_or_init(|| handle.thread().clone());
        Ok(monitor)
    }

    /// Watches the connection with these addresses until it is gone or the watcher is dropped. The addresses as the socket
    /// has them: an IPv4 connection of an IPv6 socket has v4-mapped ones. Takes some 4 us, and for a connection that is not found at once, from 0.1 ms to some ms by the sockets of
    /// the host.
    ///
    /// # Errors
    /// When the connection is gone already, or the kernel does not answer. The watcher is told nothing then.
    pub(crate) fn watch(
        &self,
        local: SocketAddr,
        peer: SocketAddr,
        watcher: Weak<dyn Watcher>,
    ) -> Result<Watched, WatchError> {
        let mut state = self.state();
        if state.resting {
            // Before the lookup, so that no message about what it finds can be missed.
            self.events.subscribe()?;
            state.resting = false;
            if let Some(thread) = self.thread.get() {
                thread.unpark();
            }
        }
        let report = match state.lookups.find(local, peer)?.fate(Instant::now()) {
            Fate::Open(report) => report,
            Fate::Gone(gone) => return Err(WatchError::Gone(gone)),
            Fate::Unknown(error) => return Err(error.into()),
        };
        let cookie = report.socket.cookie;
        let mut watchers =
            state.watched.remove(&cookie).map_or_else(Vec::new, |entry| entry.watchers.clone());
        watchers.push(watcher);
        state.watched.insert(cookie, Arc::new(Entry { socket: report.socket, watchers }));
        Ok(Watched { cookie, info: report.info })
    }

    /// What the kernel has counted until now on the connections with these addresses, up to [`MOST_ASKED`] of them; `None`
    /// for one that it does not find at once. Takes some 3 us for each.
    pub(crate) fn ask(&self, connections: &[(SocketAddr, SocketAddr)]) -> Vec<Option<TcpInfo>> {
        let socket = |&(local, peer)| Socket { local, peer, interface: 0, cookie: ANY_COOKIE };
        let sockets: Vec<_> = connections.iter().take(MOST_ASKED).map(socket).collect();
        let answers = self.state().lookups.ask_all(&sockets).unwrap_or_default();
        let info = |answer| match answer {
            Answer::Found(report) => report.info,
            Answer::Missing | Answer::Failed(_) => None,
        };
        answers.into_iter().map(info).collect()
    }

    /// How often the kernel said that it had lost messages, because they came faster than they were read. What they would
    /// have told was learned by asking instead, a little later and without the last counters.
    pub(crate) fn overflows(&self) -> u64 {
        self.overflows.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(super) fn is_resting(&self) -> bool {
        self.state().resting
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
