//! [`Board`]: those who tell rows of a snapshot, for as long as they live.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::mirror::Mirroring;

/// Somebody with rows for a snapshot.
pub(crate) trait Rows<T>: Send + Sync {
    /// How it is called, like no other one that lives.
    fn name(&self) -> Arc<str>;

    /// Everything that it knows now. Called once per snapshot, never on a request's way.
    fn rows(&self) -> Vec<T>;

    /// Its histograms, if it has any, go to these mirrors besides from now on, or to none any more.
    fn mirror(&self, _: Mirroring<'_>) {}
}

/// Up to so many on a board, those that are gone are looked for whenever one is added.
const FEW: usize = 64;

/// Who tells rows of one kind. It holds none of them.
pub(crate) struct Board<T>(Mutex<Known<T>>);

struct Known<T> {
    rows: HashMap<Arc<str>, Weak<dyn Rows<T>>>,
    /// For each name that was wished: no smaller number of it is free, since those that are gone were last looked for.
    numbers: HashMap<String, usize>,
    /// So many are on the board when those that are gone are looked for again.
    look_at: usize,
}

impl<T> Default for Board<T> {
    fn default() -> Self {
        Self(Mutex::new(Known { rows: HashMap::new(), numbers: HashMap::new(), look_at: 0 }))
    }
}

impl<T> Known<T> {
    /// The name, with a number if it is taken. All in all linear in the number of names.
    fn free(&mut self, wished: &str) -> String {
        if self.rows.len() >= self.look_at {
            self.rows.retain(|_, known| known.strong_count() > 0);
            self.numbers.clear();
            let live = self.rows.len();
            self.look_at = if live < FEW { 0 } else { live * 2 };
        }
        let is_taken = |name: &str| self.rows.get(name).is_some_and(|known| known.strong_count() > 0);
        if !is_taken(wished) {
            return wished.to_owned();
        }
        let number = self.numbers.entry(wished.to_owned()).or_insert(2);
        loop {
            let name = format!("{wished} #{number}");
            *number += 1;
            if !is_taken(&name) {
                return name;
            }
        }
    }
}

impl<T> Board<T> {
    /// Makes somebody who is on the board from now on. The name is the wished one, with a number if that is taken.
    pub(crate) fn add<R: Rows<T> + 'static>(&self, wished: &str, make: impl FnOnce(Arc<str>) -> R) -> Arc<R> {
        let mut known = self.known();
        let name = Arc::<str>::from(known.free(wished));
        let made = Arc::new(make(Arc::clone(&name)));
        let weak: Weak<R> = Arc::downgrade(&made);
        known.rows.insert(name, weak);
        made
    }

    /// The rows of all, by the names of those who tell them. They are asked outside of the lock.
    pub(crate) fn rows(&self) -> Vec<T> {
        let mut all: Vec<_> = self.known().rows.values().filter_map(Weak::upgrade).collect();
        all.sort_by_key(|known| known.name());
        all.iter().flat_map(|known| known.rows()).collect()
    }

    /// Tells all of them who mirrors histograms from now on.
    pub(crate) fn mirror(&self, mirrors: Mirroring<'_>) {
        let all: Vec<_> = self.known().rows.values().filter_map(Weak::upgrade).collect();
        all.iter().for_each(|known| known.mirror(mirrors));
    }

    fn known(&self) -> MutexGuard<'_, Known<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> std::fmt::Debug for Board<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Board").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    struct One(Arc<str>);

    impl Rows<String> for One {
        fn name(&self) -> Arc<str> {
            Arc::clone(&self.0)
        }

        fn rows(&self) -> Vec<String> {
            vec![self.0.to_string()]
        }
    }

    #[test]
    fn no_two_that_live_have_one_name_and_those_that_are_gone_tell_nothing() {
        let board = Board::default();
        let first = board.add("a", One);
        let _second = board.add("a", One);
        let _third = board.add("b", One);
        assert_eq!(board.rows(), ["a", "a #2", "b"]);
        drop(first);
        assert_eq!(board.rows(), ["a #2", "b"]);
        let _fourth = board.add("a", One);
        let _fifth = board.add("a", One);
        assert_eq!(board.rows(), ["a", "a #2", "a #3", "b"]);
    }

    #[test]
    fn many_of_one_name_are_added_in_time_that_grows_with_their_number() {
        let board = Board::default();
        let mut many: Vec<_> = (0..30_000).map(|_| board.add("a", One)).collect();
        let names: HashSet<_> = board.rows().into_iter().collect();
        assert_eq!(names.len(), many.len());
        assert!(names.contains("a #30000"), "no number is left out");
        // The numbers of those that are gone are free again, sooner or later.
        many.truncate(3);
        let again = (0..60_000).map(|_| board.add("a", One).name()).find(|name| &**name == "a #4");
        assert!(again.is_some());
    }
}
