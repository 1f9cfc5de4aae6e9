//! What spans say.

use std::borrow::Cow;

use poolscope_wire::{PhaseKind, SpanKind};

use super::{Destination, Sender};

/// A span.
#[derive(Debug)]
pub(crate) struct SpanRecord<'a> {
    pub(crate) sender: Sender<'a>,
    pub(crate) trace_id: u128,
    pub(crate) span_id: u64,
    /// The span above; 0 if it begins its trace.
    pub(crate) parent: u64,
    pub(crate) kind: SpanKind,
    pub(crate) name: &'a str,
    pub(crate) start_ns: u64,
    /// Never before the begin.
    pub(crate) end_ns: u64,
    pub(crate) failed: bool,
    /// Class of the failure, if it failed and tells it.
    pub(crate) error: Option<Cow<'a, str>>,
    pub(crate) error_text: &'a str,
    /// The part of a request or set-up that it stands for.
    pub(crate) part: Option<PhaseKind>,
    /// It is the set-up of a connection.
    pub(crate) is_setup: bool,
    /// A call that was turned away before it became a request.
    pub(crate) is_refusal: bool,
    /// It is a session, and lasts for as long as that.
    pub(crate) is_session: bool,
    /// A request by which a connection left HTTP: what it became lives on.
    pub(crate) is_upgrade: bool,
    pub(crate) call: Option<CallRecord<'a>>,
    pub(crate) destination: Option<Destination<'a>>,
    /// Name of the breaker that it names.
    pub(crate) breaker: Option<&'a str>,
    /// Address and port of the other side.
    pub(crate) peer: Option<(&'a str, Option<u16>)>,
    pub(crate) attributes: Vec<(&'a str, Cow<'a, str>)>,
    pub(crate) notes: Vec<NoteRecord<'a>>,
    /// Trace and span of each.
    pub(crate) links: Vec<(u128, u64)>,
    /// Attributes, notes and links beyond the bounds.
    pub(crate) dropped: usize,
}

/// What a span tells of a moment.
#[derive(Debug)]
pub(crate) struct NoteRecord<'a> {
    pub(crate) name: &'a str,
    pub(crate) time_ns: u64,
    pub(crate) attributes: Vec<(&'a str, Cow<'a, str>)>,
}

/// What a span tells as an HTTP request of a client. Times are in seconds, and finite.
#[derive(Debug)]
pub(crate) struct CallRecord<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: Cow<'a, str>,
    pub(crate) status_code: Option<u16>,
    pub(crate) resends: u32,
    pub(crate) connection: Option<u64>,
    pub(crate) acquire: Option<&'a str>,
    /// From its begin until it had a connection.
    pub(crate) wait_s: Option<f64>,
    /// Before its begin, for its turn under a limit.
    pub(crate) limit_s: Option<f64>,
    /// From its begin until the head of the answer was there.
    pub(crate) headers_s: Option<f64>,
    pub(crate) idle_s: Option<f64>,
    pub(crate) stale: bool,
}
