//! [`Asks`]: asks the kernel whether clients take what is sent to them.
//!
//! What was handed to the kernel is out of sight: little that is sent to a client which is gone fits into its buffers, where nobody
//! would ever notice, and of one that reads slowly only the kernel sees that it does. `TCP_USER_TIMEOUT` does not tell the two
//! apart: it ends a connection whose client has had too little room for a whole segment for so long, however much it read.

use std::net::SocketAddr;
use std::time::Duration;

use poolscope_semconv::value::ServerCloseReason;
use tokio::task::yield_now;

#[cfg(not(target_os = "linux"))]
use self::elsewhere::{Asker, Said};
use super::life::Life;
use super::shared::Shared;
#[cfg(target_os = "linux")]
use crate::kernel::{Asker, Said};

/// How often it is asked in the time that a client has.
const TIMES: u32 = 4;

/// Least time for each connection that is asked about, so that asking, some 3 µs each, never takes more than 0.6 % of a core.
const EACH: Duration = Duration::from_micros(500);

/// Connections in a row before others have their turn.
const IN_A_ROW: usize = 64;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Asks {
    asker: Asker,
    timeout: Duration,
    every: Duration,
    next: Duration,
    /// Connections that the kernel did not know.
    unknown: u32,
    knows_some: bool,
}

/// So many connections that the kernel does not know, and none that it does, are of another network namespace: their listening
/// socket came from there. To look for each of them among all sockets would be costly.
const MOST_UNKNOWN: u32 = 16;

impl Asks {
    /// `None` where a client may take as long as it likes, or the kernel can't be asked.
    pub(super) fn of(shared: &Shared) -> Option<Self> {
        let timeout = shared.rules.write_timeout?;
        let every = (timeout / TIMES).max(shared.rules.sweep_interval);
        Some(Self {
            asker: Asker::open()?,
            timeout,
            every,
            next: Duration::ZERO,
            unknown: 0,
            knows_some: false,
        })
    }

    /// Asks if it is time to, and cuts connections whose client has taken nothing for too long. Tells when it is time again.
    pub(super) async fn ask(&mut self, shared: &Shared) -> Duration {
        let mut now = shared.now();
        if now < self.next {
            return self.next;
        }
        let open = shared.may_have_left();
        self.next = now + self.every.max(EACH * u32::try_from(open.len()).unwrap_or(u32::MAX));
        for (nth, (life, ends)) in open.iter().enumerate() {
            if nth % IN_A_ROW == IN_A_ROW - 1 {
                yield_now().await;
                now = shared.now();
            }
            if self.is_over() {
                break;
            }
            if let Some(since) = self.about(life, *ends, now) {
                if since + self.timeout <= now {
                    life.cut(ServerCloseReason::WriteTimeout);
                } else {
                    self.next = self.next.min(since + self.timeout);
                }
            }
        }
        self.next
    }

    /// True if it is of no use to ask.
    pub(super) fn is_over(&self) -> bool {
        !self.knows_some && self.unknown >= MOST_UNKNOWN
    }

    /// Since when a client has taken nothing of what is left for it.
    fn about(
        &mut self,
        life: &Life,
        (local, peer): (SocketAddr, SocketAddr),
        now: Duration,
    ) -> Option<Duration> {
        // Read first: what is sent after that may be left or not.
        let sent = life.bytes().0;
        match self.asker.ask(local, peer) {
            Said::Taken(taken) => {
                self.knows_some = true;
                life.taken(taken, sent, now)
            }
            Said::Unknown => {
                self.unknown = self.unknown.saturating_add(1);
                life.unknown();
                None
            }
            Said::Nothing => None,
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) mod elsewhere {
    use std::net::SocketAddr;

    /// See `kernel::Taken`.
    #[derive(Debug, Clone, Copy)]
    pub(in crate::server) struct Taken {
        pub(in crate::server) acknowledged: u64,
        pub(in crate::server) left: u32,
    }

    /// See `kernel::Said`.
    #[derive(Debug)]
    #[expect(dead_code, reason = "nobody says anything")]
    pub(super) enum Said {
        Taken(Taken),
        Unknown,
        Nothing,
    }

    /// There is none.
    #[derive(Debug)]
    pub(super) enum Asker {}

    impl Asker {
        pub(super) fn open() -> Option<Self> {
            None
        }

        pub(super) fn ask(&mut self, _: SocketAddr, _: SocketAddr) -> Said {
            match *self {}
        }
    }
}
