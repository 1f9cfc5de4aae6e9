//! Traces that events name: whoever reads such an event will ask for its trace, however well that went.
//!
//! An event of a session names the request that opened it, which went well long ago; that is why what is opened is kept
//! apart ([`Class::Opened`](super::class::Class::Opened)) until it is named. An event of a leak or a timeout may come before
//! any span of its trace, so its name is remembered.

use std::collections::{HashSet, VecDeque};

use super::Traces;

/// Names that are remembered of traces that are not here.
const MAX_NAMES: usize = 4_096;

/// Ids of traces that are not here, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Names {
    order: VecDeque<u128>,
    ids: HashSet<u128>,
}

impl Names {
    fn add(&mut self, id: u128) {
        if self.ids.insert(id) {
            self.order.push_back(id);
        }
        // Those that were taken out are in the order until then.
        while self.order.len() > MAX_NAMES
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }

    /// Forgets a name; true if it was remembered.
    pub(super) fn take(&mut self, id: u128) -> bool {
        self.ids.remove(&id)
    }
}

impl Traces {
    /// An event that somebody will look at names a trace, which is kept from now on, or from when it comes.
    pub(crate) fn name(&mut self, id: u128, now_ms: u64) {
        let Some(mut trace) = self.take_out(id) else { return self.names.add(id) };
        let was_notable = trace.class.is_notable();
        trace.is_named = true;
        trace.last_seen_ms = now_ms;
        let linked: Vec<u128> = trace.links().collect();
        self.put_back(trace, was_notable);
        linked.into_iter().for_each(|id| self.still_wanted(id, now_ms));
        self.make_room();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_names_are_remembered_and_each_once() {
        let mut names = Names::default();
        for id in 0..3 * MAX_NAMES as u128 {
            names.add(id);
            names.add(id);
        }
        let last = 3 * MAX_NAMES as u128;
        assert_eq!((names.ids.len(), names.order.len()), (MAX_NAMES, MAX_NAMES));
        assert!(names.take(last - 1) && !names.take(last - 1) && !names.take(0));
    }
}
