//! A map with a bound: when it is full, the entry that was silent for longest makes room.

use foldhash::HashMap;

use super::id::Id;

/// Something that was seen at a time.
pub(super) trait Seen {
    fn last_seen_ms(&self) -> u64;

    /// Silent for so long that only its history is kept; making room for it is nothing that somebody misses at once.
    fn is_hidden(&self) -> bool {
        false
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Capped<V> {
    map: HashMap<Id, V>,
    max: usize,
    hits: u64,
    hidden_hits: u64,
    /// The moment at which every entry had just been seen, so that none can make room at that moment.
    full_at_ms: Option<u64>,
}

impl<V: Seen> Capped<V> {
    pub(super) fn new(max: usize) -> Self {
        Self { map: HashMap::default(), max, hits: 0, hidden_hits: 0, full_at_ms: None }
    }

    /// The entry, made if it is new. `None` if there is no room: everything here was seen at this very moment, and
    /// throwing one out for the next would only make them take turns.
    pub(super) fn entry(
        &mut self,
        id: Id,
        now_ms: u64,
        make: impl FnOnce() -> V,
        evicted: impl FnOnce(V),
    ) -> Option<&mut V> {
        if !self.map.contains_key(&id) && self.map.len() >= self.max {
            let gone = self.evict(now_ms);
            let was_hidden = gone.as_ref().is_some_and(V::is_hidden);
            *(if was_hidden { &mut self.hidden_hits } else { &mut self.hits }) += 1;
            evicted(gone?);
        }
        Some(self.map.entry(id).or_insert_with(make))
    }

    fn evict(&mut self, now_ms: u64) -> Option<V> {
        if self.full_at_ms == Some(now_ms) {
            return None;
        }
        let stalest = self.map.iter().min_by_key(|(_, value)| value.last_seen_ms());
        match stalest.filter(|(_, value)| value.last_seen_ms() < now_ms).map(|(id, _)| *id) {
            Some(id) => self.map.remove(&id),
            None => {
                self.full_at_ms = Some(now_ms);
                None
            }
        }
    }

    pub(super) fn get(&self, id: Id) -> Option<&V> {
        self.map.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut V> {
        self.map.get_mut(&id)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.map.values()
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.map.values_mut()
    }

    /// Takes out what is not to be kept.
    pub(super) fn remove_where(&mut self, gone: impl Fn(&V) -> bool) -> Vec<V> {
        self.map.extract_if(|_, value| gone(value)).map(|(_, value)| value).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    pub(super) fn hits(&self) -> u64 {
        self.hits
    }

    /// How often something of which only the history was kept made room.
    pub(super) fn hidden_hits(&self) -> u64 {
        self.hidden_hits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Sender;

    struct At(u64);

    impl Seen for At {
        fn last_seen_ms(&self) -> u64 {
            self.0
        }
    }

    fn id(name: &str) -> Id {
        Id::breaker(Sender::default(), name)
    }

    #[test]
    fn the_stalest_makes_room() {
        let mut map = Capped::new(2);
        map.entry(id("old"), 1, || At(1), drop);
        map.entry(id("new"), 2, || At(2), drop);
        let mut evicted = None;
        assert!(map.entry(id("next"), 3, || At(3), |gone| evicted = Some(gone.0)).is_some());
        assert_eq!(evicted, Some(1));
        assert_eq!((map.len(), map.hits()), (2, 1));
    }

    #[test]
    fn what_was_seen_at_this_moment_is_not_thrown_out() {
        let mut map = Capped::new(1);
        map.entry(id("a"), 5, || At(5), drop);
        assert!(map.entry(id("b"), 5, || At(5), drop).is_none());
        assert!(map.entry(id("c"), 5, || At(5), drop).is_none());
        assert!(map.entry(id("d"), 6, || At(6), drop).is_some());
        assert_eq!(map.hits(), 3);
    }
}
