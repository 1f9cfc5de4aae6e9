//! [`Traffic`]: what went through a session.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::registry::SessionTraffic;

/// What went through a session. It is the session's own, so that nobody waits for a number that others write too.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    messages_sent: AtomicU64,
    messages_received: AtomicU64,
    bytes_sent: AtomicU64,
    bytes_received: AtomicU64,
    errors: AtomicU64,
}

impl Traffic {
    pub(super) fn sent(&self, bytes: u64) {
        self.messages_sent.fetch_add(1, Relaxed);
        self.bytes_sent.fetch_add(bytes, Relaxed);
    }

    pub(super) fn received(&self, bytes: u64) {
        self.messages_received.fetch_add(1, Relaxed);
        self.bytes_received.fetch_add(bytes, Relaxed);
    }

    pub(super) fn errored(&self) {
        self.errors.fetch_add(1, Relaxed);
    }

    pub(super) fn snapshot(&self) -> SessionTraffic {
        SessionTraffic {
            messages_sent: self.messages_sent.load(Relaxed),
            messages_received: self.messages_received.load(Relaxed),
            bytes_sent: self.bytes_sent.load(Relaxed),
            bytes_received: self.bytes_received.load(Relaxed),
            errors: self.errors.load(Relaxed),
        }
    }
}
