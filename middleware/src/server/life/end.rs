//! Why a connection is to end, or has ended.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use poolscope_semconv::value::ServerCloseReason;

use super::{Life, is};

impl Life {
    /// Has it end for a reason, when its requests have ended; the first reason holds.
    pub(in crate::server) fn tell(&self, reason: ServerCloseReason) -> bool {
        let is_first = self.told.compare_exchange(0, place(reason), AcqRel, Acquire).is_ok();
        if is_first {
            self.told_at.store(self.now_nanos(), Release);
            self.wake();
        }
        is_first
    }

    /// Has it end now: for a reason that it was told, or for this one. A shutdown that has to cut takes the place of one that
    /// does not.
    pub(in crate::server) fn cut(&self, reason: ServerCloseReason) {
        if !self.tell(reason) && reason == ServerCloseReason::ShutdownCut {
            let shutdown = place(ServerCloseReason::Shutdown);
            let _ = self.told.compare_exchange(shutdown, place(reason), AcqRel, Acquire);
        }
        self.mark(is::CUT);
        self.wake();
    }

    fn wake(&self) {
        for waker in [&self.reads, &self.writes, &self.handler, &self.driver] {
            waker.wake();
        }
    }

    /// Why it is to end, if it is.
    pub(in crate::server) fn told(&self) -> Option<ServerCloseReason> {
        reason_at(self.told.load(Acquire))
    }

    /// Something was seen that ends it. The first holds.
    pub(in crate::server) fn see(&self, reason: ServerCloseReason) {
        let _ = self.seen.compare_exchange(0, place(reason), AcqRel, Acquire);
    }

    /// What was seen of its end.
    pub(in crate::server) fn seen(&self) -> Option<ServerCloseReason> {
        reason_at(self.seen.load(Acquire))
    }

    /// Why it has ended.
    pub(in crate::server) fn reason(&self) -> ServerCloseReason {
        use ServerCloseReason::{ConnectionClose, Dropped, Panicked, UpgradeEnded};
        if self.is_panicked.load(Relaxed) {
            return Panicked;
        }
        if let Some(reason) = self.told().or_else(|| self.seen()) {
            let is_usual = reason == ServerCloseReason::ClientClosed;
            return if is_usual && self.is(is::UPGRADED) { UpgradeEnded } else { reason };
        }
        match () {
            () if self.is(is::UPGRADED) => UpgradeEnded,
            () if self.is(is::LAST) && self.is(is::SHUT_DOWN) => ConnectionClose,
            () => Dropped,
        }
    }
}

fn place(reason: ServerCloseReason) -> u8 {
    reason.index() as u8 + 1
}

fn reason_at(place: u8) -> Option<ServerCloseReason> {
    ServerCloseReason::ALL.get(usize::from(place).checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use ServerCloseReason::*;

    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    fn life() -> Life {
        Life::new(1, None, None, Instant::now(), Duration::ZERO, None)
    }

    #[test]
    fn the_first_reason_holds_and_a_cut_of_the_shutdown_is_told() {
        let life = life();
        life.see(ClientReset);
        assert!(life.tell(MaxAge));
        assert!(!life.tell(Shutdown));
        life.cut(ShutdownCut);
        assert_eq!(life.reason(), MaxAge);
        let life = self::life();
        life.tell(Shutdown);
        life.cut(ShutdownCut);
        assert!(life.is(is::CUT));
        assert_eq!(life.reason(), ShutdownCut);
    }

    #[test]
    fn what_was_seen_is_told_where_nobody_had_a_reason() {
        for (marks, seen, reason) in [
            (0, None, Dropped),
            (is::SHUT_DOWN, None, Dropped),
            (is::SHUT_DOWN | is::LAST, None, ConnectionClose),
            (is::UPGRADED, None, UpgradeEnded),
            (is::UPGRADED, Some(ClientClosed), UpgradeEnded),
            (is::UPGRADED, Some(ClientReset), ClientReset),
            (is::LAST, Some(ClientClosed), ClientClosed),
        ] {
            let life = life();
            life.mark(marks);
            if let Some(seen) = seen {
                life.see(seen);
            }
            assert_eq!(life.reason(), reason, "{marks} {seen:?}");
        }
    }
}
