//! What a decoded OTLP request means: plain data that borrows from the request, between decoding and the store.

mod event;
mod pool;
mod protection;
mod reading;
mod session;
mod span;

pub(crate) use self::event::EventRecord;
pub(crate) use self::pool::{Destination, PoolFigure, PoolKind, PoolReading};
pub(crate) use self::protection::{
    BreakerFigure, BreakerReading, Judged, ProtectionFigure, ProtectionKind, ProtectionReading,
};
pub(crate) use self::reading::{GREATEST, MAX_BUCKETS, Reading, Value, is_plausible_bound};
pub(crate) use self::session::{SessionFigure, SessionReading};
pub(crate) use self::span::{CallRecord, NoteRecord, SpanRecord};

/// Who sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sender<'a> {
    pub(crate) service: &'a str,
    pub(crate) instance: &'a str,
    pub(crate) language: &'a str,
    pub(crate) version: &'a str,
}

/// All that one resource says about pools, breakers and what else protects calls in one request.
#[derive(Debug, Default)]
pub(crate) struct Report<'a> {
    pub(crate) sender: Sender<'a>,
    pub(crate) pools: Vec<PoolReading<'a>>,
    pub(crate) breakers: Vec<BreakerReading<'a>>,
    pub(crate) protection: Vec<ProtectionReading<'a>>,
    pub(crate) sessions: Vec<SessionReading<'a>>,
    pub(crate) dropped: Vec<DroppedReading<'a>>,
}

/// How much of a signal a sender lost.
#[derive(Debug)]
pub(crate) struct DroppedReading<'a> {
    pub(crate) signal: &'a str,
    pub(crate) reading: Reading<'a>,
}

/// Items of a request that could not be taken, and why the first of them could not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rejected {
    pub(crate) count: u64,
    pub(crate) reason: Option<String>,
}

impl Rejected {
    /// Counts items; the reason is made only for the first.
    pub(crate) fn add(&mut self, count: usize, reason: impl FnOnce() -> String) {
        self.count += count as u64;
        self.reason.get_or_insert_with(reason);
    }

    /// Counts what else of the request could not be taken.
    pub(crate) fn append(&mut self, more: Self) {
        self.count += more.count;
        self.reason = self.reason.take().or(more.reason);
    }

    /// One sentence for the sender.
    pub(crate) fn sentence(&self) -> String {
        self.reason.as_ref().map_or_else(String::new, |reason| match self.count {
            1 => reason.clone(),
            count => format!("{reason} (the first of {count} that were rejected)"),
        })
    }
}
