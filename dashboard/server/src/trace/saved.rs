//! What a file keeps of traces: each as a whole, and those first that somebody will look for.

use std::collections::HashSet;

use super::Traces;
use super::class::Class;
use super::kept::Trace;

/// Bytes of traces of one writing; what does not fit comes with the next.
const ROOM_BYTES: usize = 1024 * 1024;

/// Traces that differ from the file.
#[derive(Debug, Default)]
pub(super) struct Unsaved {
    changed: HashSet<u128>,
    /// Traces that the file has and that are gone.
    gone: Vec<u128>,
    /// The server ends, and all is written that there is.
    is_last: bool,
}

impl Unsaved {
    pub(super) fn change(&mut self, id: u128) {
        self.changed.insert(id);
    }

    pub(super) fn forget(&mut self, id: u128, is_saved: bool) {
        self.changed.remove(&id);
        self.gone.extend(is_saved.then_some(id));
    }
}

/// Which class is written first.
fn rank(class: Class) -> u8 {
    match class {
        Class::Failed => 0,
        Class::Named => 1,
        Class::Slow => 2,
        Class::WantedSetUp => 3,
        Class::Rejected => 4,
        Class::Opened => 5,
        Class::SetUp => 6,
        Class::Recent => 7,
    }
}

impl Traces {
    /// Hands out traces that changed, as many as one writing takes; `None` is gone.
    pub(crate) fn take_changes(&mut self) -> Vec<(u128, Option<Vec<u8>>)> {
        let Some(unsaved) = &mut self.unsaved else { return Vec::new() };
        let mut changes: Vec<_> =
            std::mem::take(&mut unsaved.gone).into_iter().map(|id| (id, None)).collect();
        let known = unsaved.changed.iter().filter_map(|id| self.traces.get(id));
        let mut due: Vec<_> = known.map(|trace| (rank(trace.class), trace.order, trace.id)).collect();
        due.sort_unstable();
        let mut room = if unsaved.is_last { usize::MAX } else { ROOM_BYTES };
        for (.., id) in due {
            if room == 0 {
                break;
            }
            unsaved.changed.remove(&id);
            let Some(trace) = self.traces.get_mut(&id) else { continue };
            trace.whole_since_ms = self.whole_since_ms[trace.class as usize];
            let value = serde_json::to_vec(trace).ok();
            room = room.saturating_sub(value.as_ref().map_or(0, Vec::len));
            trace.is_saved = value.is_some();
            changes.push((id, value));
        }
        changes
    }

    /// Takes back a trace that a file kept; they come in the order of their writing.
    pub(crate) fn restore(&mut self, id: u128, json: &[u8]) {
        let trace = serde_json::from_slice::<Trace>(json).ok();
        let trace = trace.filter(|trace| trace.id == id && !self.traces.contains_key(&id));
        let Some(mut trace) = trace.and_then(|trace| trace.restored(&self.limits)) else { return };
        self.any_spans = true;
        // What finds no room here is to leave the file too.
        self.unsaved.get_or_insert_default();
        trace.class = self.class_of(&trace);
        let since_ms = &mut self.whole_since_ms[trace.class as usize];
        *since_ms = (*since_ms).max(trace.whole_since_ms);
        let (links, seen_ms): (Vec<u128>, u64) = (trace.links().collect(), trace.last_seen_ms);
        if trace.class.is_notable() {
            links.iter().for_each(|linked| self.want(*linked));
        }
        self.put_in(trace);
        for linked in links {
            self.still_wanted(linked, seen_ms);
        }
        self.make_room();
    }

    /// All that the file held was handed in: from now on what changes is noted for it.
    pub(crate) fn restored(&mut self, now_ms: u64) {
        self.unsaved.get_or_insert_default().changed.clear();
        self.tick(now_ms);
    }

    /// Nobody will fetch what is noted.
    pub(crate) fn drop_changes(&mut self) {
        self.unsaved = None;
    }

    /// The server ends: the next changes are the last.
    pub(crate) fn settle(&mut self) {
        if let Some(unsaved) = &mut self.unsaved {
            unsaved.is_last = true;
        }
    }
}
