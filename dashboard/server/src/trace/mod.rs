//! Traces in bounded memory: what is slow or failed stays longest.
//!
//! Spans come in any order, and from several services; each joins its trace. When there is no room, the class of traces
//! that takes most of what is its own gives up, so that a flood of quick good traces only pushes out quick good traces.
//! What failed, was slow or was turned away is spread over pools and breakers, and thinned instead of cut off: one pool
//! that fails all the time pushes out neither what failed elsewhere nor its own past. What an event names is kept like that
//! too, however it went, and has a share of its own. What opened a session or a WebSocket is kept apart from other good traces, since its events come
//! much later. The set-ups of connections, which are traces of their own, stay while requests link to them, and longest
//! where one that failed or was slow does.

mod class;
mod clock;
mod kept;
mod named;
mod phases;
mod query;
mod refusal;
mod saved;
mod url;
mod view;

#[cfg(test)]
mod tests;

pub(crate) use query::{Sort, TraceFilter, Wanted, parse_trace_id};
pub use url::TraceUrl;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};

use poolscope_wire::Limit;

use self::class::Class;
use self::kept::{Span, Trace};
use self::named::Names;
use self::saved::Unsaved;
use crate::config::{Config, Limits};
use crate::model::SpanRecord;
use crate::spread::{Entry as Place, Scarce, Spread};
use crate::store::SpanPlace;

/// Spans of a request by their trace, each with what it belongs to.
pub(crate) type ByTrace<'r, 'a> = Vec<(u128, Vec<(&'r SpanRecord<'a>, SpanPlace)>)>;

/// Puts the spans of a request together by trace, in the order in which they came.
pub(crate) fn by_trace<'r, 'a>(spans: &'r [SpanRecord<'a>], places: &[SpanPlace]) -> ByTrace<'r, 'a> {
    let mut groups: ByTrace<'r, 'a> = Vec::new();
    let mut known: HashMap<u128, usize> = HashMap::new();
    for (span, place) in spans.iter().zip(places) {
        let at = *known.entry(span.trace_id).or_insert_with(|| {
            groups.push((span.trace_id, Vec::new()));
            groups.len() - 1
        });
        groups[at].1.push((span, *place));
    }
    groups
}

/// Ids of traces that are gone, of which it is remembered that they were here.
const MAX_GONE: usize = 20_000;

/// See the module.
#[derive(Debug)]
pub(crate) struct Traces {
    limits: Limits,
    slow_ns: u64,
    retention_ms: u64,
    traces: HashMap<u128, Trace>,
    /// The traces of each class, by their order.
    lanes: [Spread<u128>; Class::COUNT],
    /// Since when all of each class are here; 0 if none has made room.
    whole_since_ms: [u64; Class::COUNT],
    next_order: u64,
    /// How often traces that failed or were slow link to another.
    wanted: HashMap<u128, usize>,
    /// Traces that events name and that have not come.
    names: Names,
    gone: VecDeque<u128>,
    gone_ids: HashSet<u128>,
    any_spans: bool,
    /// What differs from the file; `None` while there is none.
    unsaved: Option<Unsaved>,
    /// Traces that made room for others, and those of them that did for their bytes.
    evicted: u64,
    evicted_for_bytes: u64,
    dropped_spans: u64,
    dropped_attributes: u64,
    cuts: u64,
}

impl Traces {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            limits: config.limits,
            slow_ns: config.slow_trace_ms.saturating_mul(1_000_000),
            retention_ms: u64::try_from(config.retention().as_millis()).unwrap_or(u64::MAX),
            traces: HashMap::new(),
            lanes: Class::ALL.map(|class| Spread::new(class.order())),
            whole_since_ms: [0; Class::COUNT],
            next_order: 1,
            wanted: HashMap::new(),
            names: Names::default(),
            gone: VecDeque::new(),
            gone_ids: HashSet::new(),
            any_spans: false,
            unsaved: None,
            evicted: 0,
            evicted_for_bytes: 0,
            dropped_spans: 0,
            dropped_attributes: 0,
            cuts: 0,
        }
    }

    /// Takes spans of one trace, each with what it belongs to.
    pub(crate) fn take(&mut self, id: u128, spans: &[(&SpanRecord<'_>, SpanPlace)], now_ms: u64) {
        self.any_spans = true;
        let known = self.take_out(id);
        let was_notable = known.as_ref().is_some_and(|trace| trace.class.is_notable());
        let mut trace = known.unwrap_or_else(|| Trace::new(id, self.gone_ids.contains(&id), now_ms));
        for (span, place) in spans {
            self.dropped_attributes += span.dropped as u64;
            let change = trace.add(span, *place, &self.limits);
            self.dropped_spans += change.lost;
            self.cuts += change.cuts;
            if was_notable {
                change.went.iter().flat_map(Span::linked).for_each(|linked| self.want_less(linked));
                trace.spans[change.came..].iter().flat_map(Span::linked).for_each(|id| self.want(id));
            }
        }
        if !trace.spans.is_empty() {
            trace.is_named |= self.names.take(id);
            trace.last_seen_ms = now_ms;
            self.put_back(trace, was_notable);
        }
        for (linked, _) in spans.iter().flat_map(|(span, _)| &span.links) {
            self.still_wanted(*linked, now_ms);
        }
        self.make_room();
    }

    /// One link more of a trace that failed or was slow.
    fn want(&mut self, id: u128) {
        *self.wanted.entry(id).or_insert(0) += 1;
    }

    fn want_less(&mut self, id: u128) {
        if let Entry::Occupied(mut times) = self.wanted.entry(id) {
            *times.get_mut() -= 1;
            if *times.get() == 0 {
                times.remove();
            }
        }
    }

    fn class_of(&self, trace: &Trace) -> Class {
        match trace.classify(self.slow_ns) {
            Class::SetUp if self.wanted.contains_key(&trace.id) => Class::WantedSetUp,
            class => class,
        }
    }

    /// Takes a trace out, of which its links stay counted: it comes in again.
    fn take_out(&mut self, id: u128) -> Option<Trace> {
        let trace = self.traces.remove(&id)?;
        self.lanes[trace.class as usize].remove(trace.owner, trace.order);
        Some(trace)
    }

    /// Puts a trace in that may be of another class than it was.
    fn put_back(&mut self, mut trace: Trace, was_notable: bool) {
        trace.class = self.class_of(&trace);
        match (was_notable, trace.class.is_notable()) {
            (false, true) => trace.links().for_each(|linked| self.want(linked)),
            (true, false) => trace.links().for_each(|linked| self.want_less(linked)),
            _ => {}
        }
        self.put_in(trace);
    }

    /// Puts a trace in as the newest of its class.
    fn put_in(&mut self, mut trace: Trace) {
        trace.order = self.next_order;
        self.next_order += 1;
        trace.owner = trace.kept_for();
        let place = Place { at_ms: trace.last_seen_ms, bytes: trace.bytes, value: trace.id };
        self.lanes[trace.class as usize].push(trace.owner, trace.order, place);
        if let Some(unsaved) = &mut self.unsaved {
            unsaved.change(trace.id);
        }
        self.traces.insert(trace.id, trace);
    }

    /// A request links to the set-up of its connection, which so stays.
    fn still_wanted(&mut self, id: u128, now_ms: u64) {
        if self.traces.get(&id).is_some_and(|trace| trace.class.is_setup())
            && let Some(mut trace) = self.take_out(id)
        {
            trace.last_seen_ms = now_ms;
            if self.wanted.contains_key(&id) {
                trace.class = Class::WantedSetUp;
            }
            self.put_in(trace);
        }
    }

    fn make_room(&mut self) {
        loop {
            let is_many = self.traces.len() > self.limits.max_traces;
            if !is_many && self.bytes() <= self.limits.max_trace_bytes {
                return;
            }
            // How much of what is its own a class takes; multiplied out, all by the same.
            let taken = |class: &usize| {
                let lane = &self.lanes[*class];
                let used = if is_many { lane.len() } else { lane.bytes() };
                used as u128 * 100 / Class::SHARES[*class] as u128
            };
            let Some(fullest) = (0..Class::COUNT).max_by_key(taken) else { return };
            let scarce = if is_many { Scarce::Places } else { Scarce::Bytes };
            let Some(id) = self.lanes[fullest].next_to_go(scarce) else { return };
            if let Some(began_ms) = self.traces.get(&id).map(|trace| self.at_ms(trace).0) {
                let since_ms = &mut self.whole_since_ms[fullest];
                *since_ms = (*since_ms).max(began_ms.saturating_add(1));
            }
            self.forget(id);
            self.evicted += 1;
            self.evicted_for_bytes += u64::from(!is_many);
        }
    }

    fn forget(&mut self, id: u128) {
        let trace = self.take_out(id);
        if let Some(unsaved) = &mut self.unsaved {
            unsaved.forget(id, trace.as_ref().is_some_and(|trace| trace.is_saved));
        }
        if let Some(trace) = trace.filter(|trace| trace.class.is_notable()) {
            trace.links().for_each(|linked| self.want_less(linked));
        }
        if self.gone_ids.insert(id) {
            self.gone.push_back(id);
        }
        if self.gone.len() > MAX_GONE
            && let Some(oldest) = self.gone.pop_front()
        {
            self.gone_ids.remove(&oldest);
        }
    }

    /// Forgets what was silent for longer than the retention.
    pub(crate) fn tick(&mut self, now_ms: u64) {
        let oldest_ms = now_ms.saturating_sub(self.retention_ms);
        let old: Vec<u128> = self.lanes.iter().flat_map(|lane| lane.older_than(oldest_ms)).collect();
        old.into_iter().for_each(|id| self.forget(id));
    }

    fn bytes(&self) -> usize {
        self.lanes.iter().map(Spread::bytes).sum()
    }

    /// True if a trace was here and is not any more.
    pub(crate) fn was_here(&self, id: u128) -> bool {
        self.gone_ids.contains(&id)
    }

    /// The bounds and how full they are.
    pub(crate) fn limits(&self) -> Vec<Limit> {
        let limit =
            |name: &str, used: usize, max: usize, hits| Limit::new(name, used as u64, max as u64, hits);
        let bytes =
            |name: &str, used: usize, max: usize, hits| Limit::of_bytes(name, used as u64, max as u64, hits);
        let limits = &self.limits;
        let spans = self.traces.values().map(|trace| trace.spans.len()).max().unwrap_or(0);
        let evicted = self.evicted - self.evicted_for_bytes;
        vec![
            limit("traces", self.traces.len(), limits.max_traces, evicted),
            bytes("bytes of traces", self.bytes(), limits.max_trace_bytes, self.evicted_for_bytes),
            limit("spans of a trace", spans, limits.max_trace_spans, self.dropped_spans),
            limit("attributes of a span", 0, limits.max_event_attributes, self.dropped_attributes),
            bytes("bytes of a span's text", 0, limits.max_text_bytes, self.cuts),
        ]
    }
}
