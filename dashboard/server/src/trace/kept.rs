//! One trace as it is kept: its spans, in the order in which they came, within bounds.

use poolscope_wire::{PhaseKind, SpanKind};
use serde::{Deserialize, Serialize};

use super::class::Class;
use crate::config::Limits;
use crate::model::{CallRecord, NoteRecord, SpanRecord};
use crate::spread::Owner;
use crate::store::{Id, SpanPlace};
use crate::words::{cut_lines, cut_name};

/// A trace may take this share of the bytes of all, so that one can't push out all others.
const SHARE_OF_BYTES: usize = 8;
/// Pools and breakers that a trace is found by.
const MAX_PLACES: usize = 16;

/// A text and its value.
pub(super) type Pair = (Box<str>, Box<str>);

/// An HTTP request of a client.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Call {
    pub(super) method: Box<str>,
    pub(super) url: Box<str>,
    pub(super) status_code: Option<u16>,
    pub(super) resends: u32,
    pub(super) connection: Option<u64>,
    pub(super) acquire: Option<Box<str>>,
    pub(super) wait_ns: Option<u64>,
    pub(super) limit_ns: u64,
    pub(super) headers_ns: Option<u64>,
    pub(super) idle_s: Option<f64>,
    pub(super) stale: bool,
}

/// What a span tells of a moment.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) name: Box<str>,
    pub(super) time_ns: u64,
    pub(super) attributes: Box<[Pair]>,
}

/// A span.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Span {
    pub(super) id: u64,
    pub(super) parent: u64,
    /// Place of its sender in the trace.
    pub(super) sender: usize,
    pub(super) kind: SpanKind,
    pub(super) name: Box<str>,
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    pub(super) failed: bool,
    pub(super) error: Option<Box<str>>,
    pub(super) error_text: Box<str>,
    pub(super) part: Option<PhaseKind>,
    pub(super) is_setup: bool,
    pub(super) is_refusal: bool,
    #[serde(default)]
    pub(super) is_session: bool,
    #[serde(default)]
    pub(super) is_upgrade: bool,
    pub(super) call: Option<Box<Call>>,
    pub(super) pool: Option<Id>,
    pub(super) breaker: Option<Id>,
    pub(super) peer: Option<Box<str>>,
    pub(super) attributes: Box<[Pair]>,
    pub(super) notes: Box<[Note]>,
    pub(super) links: Box<[(u128, u64)]>,
    pub(super) dropped: usize,
    #[serde(skip)]
    bytes: usize,
}

impl Span {
    pub(super) fn duration_ns(&self) -> u64 {
        self.end_ns - self.start_ns
    }

    /// The pool that it went through, or the breaker that it names.
    pub(super) fn place(&self) -> Option<Id> {
        self.pool.or(self.breaker)
    }

    /// Traces that it links to.
    pub(super) fn linked(&self) -> impl Iterator<Item = u128> {
        self.links.iter().map(|(trace, _)| *trace)
    }

    /// True if it is worth more than another one when there is no room for both.
    fn matters(&self) -> bool {
        self.parent == 0 || self.failed || self.kind != SpanKind::Internal || self.part.is_some()
    }

    fn count_bytes(&mut self) {
        let pairs = |pairs: &[Pair]| {
            pairs.iter().map(|(key, value)| size_of::<Pair>() + key.len() + value.len()).sum::<usize>()
        };
        let call = self.call.as_ref().map_or(0, |call| {
            size_of::<Call>()
                + call.method.len()
                + call.url.len()
                + call.acquire.as_ref().map_or(0, |text| text.len())
        });
        let notes: usize =
            self.notes.iter().map(|note| size_of::<Note>() + note.name.len() + pairs(&note.attributes)).sum();
        let texts = [self.error.as_deref(), Some(&self.error_text), Some(&self.name), self.peer.as_deref()];
        self.bytes = size_of::<Self>()
            + texts.into_iter().flatten().map(str::len).sum::<usize>()
            + call
            + notes
            + pairs(&self.attributes)
            + self.links.len() * size_of::<(u128, u64)>();
    }
}

/// What a span changed in its trace.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// The first span that is new; it and what follows.
    pub(super) came: usize,
    /// Those that made room for it, or that it was sent again for.
    pub(super) went: Vec<Span>,
    /// Spans for which there was no room.
    pub(super) lost: u64,
    /// Texts that were cut.
    pub(super) cuts: u64,
}

/// A trace.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Trace {
    pub(super) id: u128,
    pub(super) spans: Vec<Span>,
    /// Service and instance of each sender.
    pub(super) senders: Vec<(Box<str>, Box<str>)>,
    /// Pools that its requests went through.
    pub(super) pools: Vec<Id>,
    /// Breakers that its spans name.
    pub(super) breakers: Vec<Id>,
    pub(super) dropped_spans: u64,
    /// Earlier spans of it made room for other traces.
    pub(super) evicted_before: bool,
    /// An event names it that somebody will look at.
    #[serde(default)]
    pub(super) is_named: bool,
    pub(super) first_seen_ms: u64,
    pub(super) last_seen_ms: u64,
    /// Since when all of its class were here when the file got it.
    #[serde(default)]
    pub(super) whole_since_ms: u64,
    #[serde(skip)]
    pub(super) class: Class,
    /// Whose room it takes.
    #[serde(skip)]
    pub(super) owner: Owner,
    /// Rises with every span of any trace.
    #[serde(skip)]
    pub(super) order: u64,
    #[serde(skip)]
    pub(super) bytes: usize,
    /// The file has it, maybe as it was.
    #[serde(skip)]
    pub(super) is_saved: bool,
}

impl Trace {
    pub(super) fn new(id: u128, evicted_before: bool, now_ms: u64) -> Self {
        Self {
            id,
            spans: Vec::new(),
            senders: Vec::new(),
            pools: Vec::new(),
            breakers: Vec::new(),
            dropped_spans: 0,
            evicted_before,
            is_named: false,
            first_seen_ms: now_ms,
            last_seen_ms: now_ms,
            whole_since_ms: 0,
            class: Class::Recent,
            owner: None,
            order: 0,
            bytes: size_of::<Self>(),
            is_saved: false,
        }
    }

    /// Makes whole what a file kept, within the bounds of now; `None` if there can be no such trace.
    pub(super) fn restored(mut self, limits: &Limits) -> Option<Self> {
        let senders = self.senders.len();
        let is_right = |span: &Span| span.sender < senders && span.end_ns >= span.start_ns;
        self.dropped_spans += self.spans.extract_if(.., |span| !is_right(span)).count() as u64;
        let more = self.spans.len().saturating_sub(limits.max_trace_spans.max(1));
        self.spans.truncate(limits.max_trace_spans.max(1));
        self.dropped_spans = self.dropped_spans.saturating_add(more as u64);
        self.spans.iter_mut().for_each(Span::count_bytes);
        let senders = self.senders.iter().map(|(name, id)| size_of::<Pair>() + name.len() + id.len());
        let spans = self.spans.iter().map(|span| span.bytes);
        self.bytes = size_of::<Self>() + senders.chain(spans).sum::<usize>();
        self.is_saved = true;
        (!self.spans.is_empty()).then_some(self)
    }

    /// Takes a span; one that is there already is sent again, and the later one counts.
    pub(super) fn add(&mut self, record: &SpanRecord<'_>, place: SpanPlace, limits: &Limits) -> Change {
        let max_text = limits.max_text_bytes;
        let mut change = Change { came: self.spans.len(), ..Change::default() };
        let Some(sender) = self.sender(record, max_text) else {
            change.lost = 1;
            self.dropped_spans += 1;
            return change;
        };
        let span = span(record, place, sender, max_text, &mut change.cuts);
        for (known, new) in [(&mut self.pools, span.pool), (&mut self.breakers, span.breaker)] {
            if let Some(new) = new.filter(|new| known.len() < MAX_PLACES && !known.contains(new)) {
                known.push(new);
            }
        }
        let (max_spans, max_bytes) = (limits.max_trace_spans.max(1), limits.max_trace_bytes / SHARE_OF_BYTES);
        let old = self.spans.iter().position(|known| known.id == span.id);
        // The first span of a trace ends last, so it comes when there may be no room any more.
        let is_weak = |(_, known): &(usize, &Span)| span.matters() && !known.matters() && known.id != span.id;
        let weak = self.spans.iter().enumerate().filter(is_weak).map(|(at, _)| at);
        let mut goes = Vec::new();
        let (mut spans, mut bytes) = (self.spans.len() + 1, self.bytes + span.bytes);
        for at in old.into_iter().chain(weak) {
            if Some(at) != old && spans <= max_spans && bytes <= max_bytes {
                break;
            }
            (spans, bytes) = (spans - 1, bytes - self.spans[at].bytes);
            goes.push(at);
        }
        if spans > max_spans || bytes > max_bytes {
            // What is there already stays.
            goes.clear();
            change.lost = 1;
        } else {
            change.lost = (goes.len() - old.iter().len()) as u64;
        }
        self.dropped_spans += change.lost;
        goes.sort_unstable();
        change.went = goes.into_iter().rev().map(|at| self.spans.remove(at)).collect();
        change.came = self.spans.len();
        if spans <= max_spans && bytes <= max_bytes {
            self.bytes = bytes;
            self.spans.push(span);
        }
        change
    }

    /// Place of a sender, if there is room for it.
    fn sender(&mut self, record: &SpanRecord<'_>, max_text: usize) -> Option<usize> {
        let (service, instance) =
            (cut_name(record.sender.service, max_text), cut_name(record.sender.instance, max_text));
        let known = self.senders.iter().position(|(name, id)| *name == service && *id == instance);
        if known.is_none() {
            if self.senders.len() >= MAX_PLACES {
                return None;
            }
            self.bytes += size_of::<Pair>() + service.len() + instance.len();
            self.senders.push((service, instance));
        }
        Some(known.unwrap_or(self.senders.len() - 1))
    }

    /// The span that it begins with: one without a parent, the longest if there are several.
    pub(super) fn root(&self) -> Option<&Span> {
        self.spans.iter().filter(|span| span.parent == 0).max_by_key(|span| span.duration_ns())
    }

    /// What stands for it: the span that it begins with, or the earliest that is here.
    pub(super) fn top(&self) -> Option<&Span> {
        self.root().or_else(|| self.spans.iter().min_by_key(|span| span.start_ns))
    }

    /// How long it took, so that clocks that differ do not matter where its beginning is here.
    pub(super) fn duration_ns(&self) -> u64 {
        self.duration_of(|_| true)
    }

    /// The same without sessions: these last for as long as somebody is there, and nobody waits for them.
    pub(super) fn worked_ns(&self) -> u64 {
        self.duration_of(|span| !span.is_session)
    }

    fn duration_of(&self, counts: impl Fn(&Span) -> bool) -> u64 {
        let spans = || self.spans.iter().filter(|span| counts(span));
        if self.root().is_some() {
            return spans().map(Span::duration_ns).max().unwrap_or(0);
        }
        let start = spans().map(|span| span.start_ns).min().unwrap_or(0);
        let end = spans().map(|span| span.end_ns).max().unwrap_or(0);
        end - start
    }

    pub(super) fn is_setup(&self) -> bool {
        self.top().is_some_and(|span| span.is_setup || span.parent != 0 && span.part.is_some())
    }

    /// Traces that its spans link to.
    pub(super) fn links(&self) -> impl Iterator<Item = u128> {
        self.spans.iter().flat_map(Span::linked)
    }

    pub(super) fn span(&self, id: u64) -> Option<&Span> {
        self.spans.iter().find(|span| span.id == id)
    }

    pub(super) fn below(&self, id: u64) -> impl Iterator<Item = &Span> {
        self.spans.iter().filter(move |span| span.parent == id && span.id != id)
    }
}

fn span(record: &SpanRecord<'_>, place: SpanPlace, sender: usize, max_text: usize, cuts: &mut u64) -> Span {
    let mut text = |text: &str| -> Box<str> {
        *cuts += u64::from(text.len() > max_text);
        cut_lines(text, max_text)
    };
    let mut pairs = |attributes: &[(&str, std::borrow::Cow<'_, str>)]| -> Box<[Pair]> {
        attributes.iter().map(|(key, value)| (text(key), text(value))).collect()
    };
    let attributes = pairs(&record.attributes);
    let mut note = |note: &NoteRecord<'_>| Note {
        name: cut_name(note.name, max_text),
        time_ns: note.time_ns,
        attributes: pairs(&note.attributes),
    };
    let notes = record.notes.iter().map(&mut note).collect();
    *cuts += u64::from(record.name.len() > max_text);
    let peer = record.peer.map(|(address, port)| {
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let address = cut_name(address, max_text);
        if address.contains(':') {
            format!("[{address}]{port}").into()
        } else {
            format!("{address}{port}").into()
        }
    });
    let mut span = Span {
        id: record.span_id,
        parent: record.parent,
        sender,
        kind: record.kind,
        name: cut_name(record.name, max_text),
        start_ns: record.start_ns,
        end_ns: record.end_ns,
        failed: record.failed,
        error: record.error.as_ref().map(|error| cut_name(error, max_text)),
        error_text: cut_lines(record.error_text, max_text),
        part: record.part,
        is_setup: record.is_setup,
        is_refusal: record.is_refusal,
        is_session: record.is_session,
        is_upgrade: record.is_upgrade,
        call: record.call.as_ref().map(|record| Box::new(call(record, max_text))),
        pool: place.pool,
        breaker: place.breaker,
        peer,
        attributes,
        notes,
        links: record.links.clone().into(),
        dropped: record.dropped,
        bytes: 0,
    };
    span.count_bytes();
    span
}

fn call(record: &CallRecord<'_>, max_text: usize) -> Call {
    // Finite and below a week, see where it is decoded.
    let nanos = |seconds: f64| (seconds * 1e9) as u64;
    Call {
        method: cut_name(record.method, max_text),
        url: cut_name(&record.url, max_text),
        status_code: record.status_code,
        resends: record.resends,
        connection: record.connection,
        acquire: record.acquire.map(|outcome| cut_name(outcome, max_text)),
        wait_ns: record.wait_s.map(nanos),
        limit_ns: record.limit_s.map_or(0, nanos),
        headers_ns: record.headers_s.map(nanos),
        idle_s: record.idle_s,
        stale: record.stale,
    }
}
