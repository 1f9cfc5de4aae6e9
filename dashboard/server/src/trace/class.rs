//! What a trace is kept as, and whose room it takes.

use poolscope_wire::TraceStatus;

use super::kept::{Span, Trace};
use crate::model::Sender;
use crate::spread::{Order, Owner};
use crate::store::Id;

/// What a trace is kept as: which share of the room it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Class {
    /// An event names it that somebody will look at, however it went.
    Named,
    Failed,
    Slow,
    /// Calls of it were turned away. An open breaker does that thousands of times, and one is like the other.
    Rejected,
    /// None of these, and it opened what lives on: a session, or a connection that left HTTP. Events will name it.
    Opened,
    /// None of these.
    #[default]
    Recent,
    /// The set-up of a connection, which is there for the requests that link to it.
    SetUp,
    /// A set-up that a request links to that failed or was slow.
    WantedSetUp,
}

impl Class {
    pub(super) const ALL: [Self; 8] = [
        Self::Named,
        Self::Failed,
        Self::Slow,
        Self::Rejected,
        Self::Opened,
        Self::Recent,
        Self::SetUp,
        Self::WantedSetUp,
    ];
    pub(super) const COUNT: usize = Self::ALL.len();
    /// Percent of the room of each, when all want more than there is. What one does not need, the others have.
    pub(super) const SHARES: [usize; Self::COUNT] = [25, 18, 15, 8, 8, 8, 8, 10];

    /// True if it is a trace that somebody will look at, and so at what it links to.
    pub(super) fn is_notable(self) -> bool {
        matches!(self, Self::Named | Self::Failed | Self::Slow)
    }

    pub(super) fn is_setup(self) -> bool {
        matches!(self, Self::SetUp | Self::WantedSetUp)
    }

    /// Who looks for what went wrong looks for a pool and a time; the others are there for their moment.
    pub(super) fn order(self) -> Order {
        match self {
            Self::Named | Self::Failed | Self::Slow | Self::Rejected => Order::Thinned,
            Self::Opened | Self::Recent | Self::SetUp | Self::WantedSetUp => Order::Oldest,
        }
    }
}

impl Trace {
    /// How it went, if from so many nanoseconds on it is slow.
    pub(super) fn status(&self, slow_ns: u64) -> TraceStatus {
        let mut failed = self.spans.iter().filter(|span| span.failed).peekable();
        if failed.peek().is_some() {
            // What is above a call that was turned away fails with it.
            let is_rejected = self.spans.iter().any(|span| span.is_refusal);
            let request_failed = failed.any(|span| span.call.is_some());
            return if is_rejected && !request_failed { TraceStatus::Rejected } else { TraceStatus::Failed };
        }
        if self.worked_ns() >= slow_ns { TraceStatus::Slow } else { TraceStatus::Good }
    }

    /// What it is kept as, if from so many nanoseconds on it is slow.
    pub(super) fn classify(&self, slow_ns: u64) -> Class {
        if self.is_setup() {
            return Class::SetUp;
        }
        if self.is_named {
            return Class::Named;
        }
        match self.status(slow_ns) {
            TraceStatus::Failed => Class::Failed,
            TraceStatus::Rejected => Class::Rejected,
            TraceStatus::Slow => Class::Slow,
            TraceStatus::Good if self.spans.iter().any(|span| span.is_session || span.is_upgrade) => {
                Class::Opened
            }
            TraceStatus::Good => Class::Recent,
        }
    }

    /// Whose room it takes: that of the pool or breaker that made it what it is, else of its service. Of several, the one
    /// that took longest.
    pub(super) fn kept_for(&self) -> Owner {
        let has_failed = |span: &Span| span.failed && !span.is_refusal;
        let any_failed = self.spans.iter().any(has_failed);
        let tells = |span: &&Span| match self.class {
            Class::Failed => has_failed(span),
            Class::Named => has_failed(span) || !any_failed,
            Class::Rejected => span.is_refusal,
            Class::Slow => true,
            Class::Opened | Class::Recent | Class::SetUp | Class::WantedSetUp => false,
        };
        if self.class.order() == Order::Oldest {
            return None;
        }
        let placed = self.spans.iter().filter(tells).filter(|span| span.place().is_some());
        let longest = placed.max_by_key(|span| span.duration_ns());
        let of_service = || {
            let (service, _) = self.senders.first()?;
            Some(Id::instance(Sender { service, ..Sender::default() }))
        };
        longest.and_then(Span::place).or_else(of_service)
    }
}
