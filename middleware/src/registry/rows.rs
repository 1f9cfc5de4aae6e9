//! [`Board`]: those who tell rows of a snapshot, for as long as they live.

use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Somebody with rows for a snapshot.
pub(crate) trait Rows<T>: Send + Sync {
    /// How it is called, like no other one that lives.
    fn name(&self) -> Arc<str>;

    /// Everything that it knows now. Called once per snapshot, never on a request's way.
    fn rows(&self) -> Vec<T>;
}

/// Who tells rows of one kind. It holds none of them.
pub(crate) struct Board<T>(Mutex<Vec<Weak<dyn Rows<T>>>>);

impl<T> Default for Board<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Board<T> {
    /// Makes somebody who is on the board from now on. The name is the wished one, with a number if that is taken.
    pub(crate) fn add<R: Rows<T> + 'static>(&self, wished: &str, make: impl FnOnce(Arc<str>) -> R) -> Arc<R> {
        let mut board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        board.retain(|known| known.strong_count() > 0);
        let taken: Vec<_> = board.iter().filter_map(Weak::upgrade).map(|known| known.name()).collect();
        let mut names = std::iter::once(wished.to_owned())
            .chain((2..=taken.len() + 1).map(|number| format!("{wished} #{number}")));
        let free = names.find(|name| taken.iter().all(|taken| **taken != **name));
        let free = free.unwrap_or_else(|| format!("{wished} #{}", taken.len() + 2));
        let made = Arc::new(make(free.into()));
        let known: Weak<R> = Arc::downgrade(&made);
        board.push(known);
        made
    }

    /// The rows of all, by the names of those who tell them. They are asked outside of the lock.
    pub(crate) fn rows(&self) -> Vec<T> {
        let board = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut all: Vec<_> = board.iter().filter_map(Weak::upgrade).collect();
        all.sort_by_key(|known| known.name());
        all.iter().flat_map(|known| known.rows()).collect()
    }
}

impl<T> std::fmt::Debug for Board<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Board").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
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
}
