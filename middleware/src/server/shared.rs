//! [`Shared`]: the books of a server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use poolscope_semconv::metric;
use poolscope_semconv::value::{DisconnectPhase, ErrorType, RejectReason, ServerCloseReason};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::life::{Life, is};
use super::rules::Rules;
use super::sweep;
use crate::Scope;
use crate::event::{Event, ServerConnectionClosed, ServerRejecting};
use crate::registry::{Histogram, Rows, ServedResults};

mod ends;
mod figures;
mod look;

pub(super) use ends::Stage;

/// Most connections at a time that are being refused in words; those beyond are closed without.
const MOST_REFUSALS: usize = 64;

/// How often it is told that connections are turned away.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// What a server, its connections and its sweep share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(super) name: Arc<str>,
    pub(super) rules: Rules,
    pub(super) scope: Scope,
    pub(super) epoch: Instant,
    pub(super) stage: watch::Sender<Stage>,
    table: Mutex<Table>,
    /// Told whenever a connection is gone, or one that was refused.
    left: Notify,
    is_tls: AtomicBool,
    upgraded: AtomicU64,
    disconnected: [AtomicU64; DisconnectPhase::COUNT],
    duration: Histogram,
    per_connection: Histogram,
    handshakes: [OnceLock<Box<Histogram>>; HANDSHAKES.len()],
    pub(super) results: ServedResults,
    /// A bit for each method of which a request was seen in flight by somebody who looked.
    told_methods: AtomicU16,
    /// The kernel can be asked what clients have taken.
    pub(super) can_ask: AtomicBool,
    /// There is a task that sweeps.
    pub(super) is_swept: Arc<AtomicBool>,
    /// Has it sweep now.
    pub(super) sweep_now: Arc<Notify>,
}

/// How handshakes end.
const HANDSHAKES: [Option<ErrorType>; 3] = [None, Some(ErrorType::Tls), Some(ErrorType::Timeout)];

#[derive(Debug, Default)]
struct Table {
    /// In the order in which they were accepted.
    there: BTreeMap<u64, Arc<Life>>,
    refusals: usize,
    accepted: u64,
    accept_errors: u64,
    rejected: [u64; RejectReason::COUNT],
    /// Since that was last told, and when.
    untold: [u64; RejectReason::COUNT],
    told_at: [Option<Duration>; RejectReason::COUNT],
    closed: [u64; ServerCloseReason::COUNT],
    /// Of the connections that are closed.
    requests: u64,
    bytes: (u64, u64),
}

/// A connection in the books, until this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) shared: Arc<Shared>,
    pub(super) life: Arc<Life>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if thread::panicking() {
            self.life.panicked();
        }
        self.life.gone();
        self.shared.leave(&self.life);
    }
}

/// A connection that is being refused in words, until this is dropped.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) Arc<Shared>);

impl Drop for Refusal {
    fn drop(&mut self) {
        self.0.table().refusals -= 1;
        self.0.left.notify_waiters();
    }
}

impl Shared {
    pub(super) fn add(scope: &Scope, name: &str, rules: Rules) -> Arc<Self> {
        let shared = scope.server_board().add(name, |name| {
            let shared = Self {
                name,
                rules,
                scope: scope.clone(),
                epoch: Instant::now(),
                stage: watch::Sender::new(Stage::Open),
                table: Mutex::default(),
                left: Notify::new(),
                is_tls: AtomicBool::new(false),
                upgraded: AtomicU64::new(0),
                disconnected: Default::default(),
                duration: Histogram::new(&metric::SERVER_CONNECTION_DURATION),
                per_connection: Histogram::new(&metric::SERVER_CONNECTION_REQUESTS),
                handshakes: Default::default(),
                results: ServedResults::new(),
                told_methods: AtomicU16::new(0),
                can_ask: AtomicBool::new(false),
                is_swept: Arc::default(),
                sweep_now: Arc::default(),
            };
            shared.mirror(scope.mirrors().as_ref());
            shared
        });
        #[cfg(feature = "shutdown")]
        scope.end_server_at_end(&shared);
        shared
    }

    pub(super) fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `https` where TLS is ours.
    pub(super) fn scheme(&self) -> &'static str {
        if self.is_tls.load(Relaxed) { "https" } else { "http" }
    }

    /// Its handshakes count from now on.
    #[cfg(feature = "server-tls")]
    pub(super) fn speaks_tls(&self) {
        self.is_tls.store(true, Relaxed);
        for slot in &self.handshakes {
            slot.get_or_init(|| Box::new(Histogram::new(&metric::SERVER_TLS_HANDSHAKE_DURATION)));
        }
        self.mirror(self.scope.mirrors().as_ref());
    }

    #[cfg(feature = "server-tls")]
    pub(super) fn handshaken(&self, error: Option<ErrorType>, took: Duration) {
        let slot = HANDSHAKES.iter().position(|of| *of == error);
        if let Some(times) = slot.and_then(|slot| self.handshakes[slot].get()) {
            times.record(took);
        }
    }

    // --- who comes and goes

    /// A connection was accepted: takes it into the books, or says why not.
    pub(super) fn admit(
        self: &Arc<Self>,
        peer: Option<SocketAddr>,
        local: Option<SocketAddr>,
    ) -> Result<Held, RejectReason> {
        sweep::start(self);
        let max_age = self.rules.max_age.map(|age| age.mul_f64(0.9 + 0.2 * fastrand::f64()));
        let mut table = self.table();
        table.accepted += 1;
        if self.rules.max_connections.is_some_and(|max| table.there.len() >= max) {
            self.reject(table, RejectReason::MaxConnections);
            return Err(RejectReason::MaxConnections);
        }
        let local = local.filter(|_| self.can_ask.load(Relaxed));
        let life = Life::new(self.scope.next_id(), local, peer, self.epoch, self.now(), max_age);
        let life = Arc::new(life);
        table.there.insert(life.id, Arc::clone(&life));
        drop(table);
        // Accepted while it was closed.
        match *self.stage.borrow() {
            Stage::Open => {}
            Stage::Closed => {
                life.tell(ServerCloseReason::Shutdown);
            }
            Stage::Cut => life.cut(ServerCloseReason::ShutdownCut),
        }
        Ok(Held { shared: Arc::clone(self), life })
    }

    /// A connection was accepted and is turned away for another reason than the number of connections.
    #[cfg(feature = "server-tls")]
    pub(super) fn turn_away(&self, reason: RejectReason) {
        let mut table = self.table();
        table.accepted += 1;
        self.reject(table, reason);
    }

    fn reject(&self, mut table: MutexGuard<'_, Table>, reason: RejectReason) {
        let now = self.now();
        table.rejected[reason.index()] += 1;
        table.untold[reason.index()] += 1;
        if table.told_at[reason.index()].is_none_or(|at| at + TELL_EVERY <= now) {
            table.told_at[reason.index()] = Some(now);
            let rejected = std::mem::take(&mut table.untold[reason.index()]);
            drop(table);
            let limit = match reason {
                RejectReason::MaxConnections => self.rules.max_connections.unwrap_or_default(),
                RejectReason::MaxHandshakes => self.rules.max_handshakes,
            };
            let name = Arc::clone(&self.name);
            let event = ServerRejecting { name, reason, rejected, limit: limit as u64 };
            self.scope.events().emit(&Event::ServerRejecting(event));
        }
    }

    pub(super) fn could_not_accept(&self) {
        self.table().accept_errors += 1;
    }

    /// A place to refuse a connection in words, if there is one.
    pub(super) fn refuse(self: &Arc<Self>) -> Option<Refusal> {
        let mut table = self.table();
        if table.refusals >= MOST_REFUSALS {
            return None;
        }
        table.refusals += 1;
        drop(table);
        Some(Refusal(Arc::clone(self)))
    }

    fn leave(&self, life: &Life) {
        let (reason, open) = (life.reason(), self.now().saturating_sub(life.accepted));
        self.duration.record(open);
        self.per_connection.record_raw(life.requests());
        // Told before it is counted out: who waits until all are gone may send telemetry then, and end.
        if !is_usual(reason) {
            let (sent, received) = life.bytes();
            self.scope.events().emit(&Event::ServerConnectionClosed(ServerConnectionClosed {
                name: Arc::clone(&self.name),
                connection: life.id,
                peer: life.peer,
                reason,
                lifetime: open,
                requests: life.requests(),
                sent,
                received,
            }));
        }
        let mut table = self.table();
        table.there.remove(&life.id);
        table.closed[reason.index()] += 1;
        table.requests += life.requests();
        let (sent, received) = life.bytes();
        table.bytes = (table.bytes.0 + sent, table.bytes.1 + received);
        let is_empty = table.there.is_empty();
        drop(table);
        self.left.notify_waiters();
        if is_empty && *self.stage.borrow() != Stage::Open {
            // The sweep has no more to do.
            self.sweep_now.notify_one();
        }
    }

    pub(super) fn upgraded(&self, life: &Life) {
        if life.mark(is::UPGRADED) & is::UPGRADED == 0 {
            self.upgraded.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn disconnected(&self, phase: DisconnectPhase) {
        self.disconnected[phase.index()].fetch_add(1, Relaxed);
    }
}

/// True if a connection ended as most do: in order, by its client or after an answer.
fn is_usual(reason: ServerCloseReason) -> bool {
    use ServerCloseReason::{ClientClosed, ConnectionClose, UpgradeEnded};
    matches!(reason, ClientClosed | ConnectionClose | UpgradeEnded)
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Its task sees that it is gone.
        self.sweep_now.notify_one();
    }
}
