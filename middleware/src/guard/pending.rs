//! [`Pending`]: calls that have lately begun, and may take a descriptor that nobody sees yet.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::resource::Calls;

/// Where the number of a turn stands in its word, above two counts of 24 bits: more calls than can begin in a turn.
const TURN: u32 = 48;
const BEGUN: u32 = 24;
const COUNT: u64 = (1 << BEGUN) - 1;

/// Calls of the last two turns; those that are older are forgotten, since they have long taken what they need.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Number of the turn, calls that have begun in it, those of them without an answer.
    turns: [AtomicU64; 2],
    current: AtomicU64,
}

impl Pending {
    /// A call begins; gives the number of its turn.
    pub(super) fn enter(&self) -> u64 {
        let turn = self.current.load(Relaxed);
        self.word(turn).fetch_add(1 << BEGUN | 1, Relaxed) >> TURN
    }

    /// A call has its answer, or was dropped.
    pub(super) fn leave(&self, turn: u64) {
        // Nothing is taken from a word that has begun anew.
        let left = |word: u64| (word >> TURN == turn && word & COUNT > 0).then(|| word - 1);
        let _ = self.word(turn).fetch_update(Relaxed, Relaxed, left);
    }

    /// A new turn begins. Called by one thread at a time.
    pub(super) fn turn(&self) {
        let next = (self.current.load(Relaxed) + 1) & 0xffff;
        self.word(next).store(next << TURN, Relaxed);
        self.current.store(next, Relaxed);
    }

    /// The calls of the last two turns.
    pub(super) fn calls(&self) -> Calls {
        let words = self.turns.each_ref().map(|word| word.load(Relaxed));
        Calls {
            begun: words.iter().map(|word| word >> BEGUN & COUNT).sum(),
            pending: words.iter().map(|word| word & COUNT).sum(),
            ..Calls::default()
        }
    }

    fn word(&self, turn: u64) -> &AtomicU64 {
        &self.turns[(turn & 1) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Begun and pending.
    fn counts(pending: &Pending) -> (u64, u64) {
        let calls = pending.calls();
        (calls.begun, calls.pending)
    }

    #[test]
    fn calls_are_forgotten_after_two_turns_and_leave_only_their_own() {
        let pending = Pending::default();
        let first = pending.enter();
        pending.turn();
        let second = pending.enter();
        assert_eq!(counts(&pending), (2, 2));
        pending.turn();
        assert_eq!(counts(&pending), (1, 1), "the first one is old");
        let third = pending.enter();
        pending.leave(first);
        assert_eq!(counts(&pending), (2, 2), "it was in another turn");
        pending.leave(second);
        pending.leave(third);
        assert_eq!(counts(&pending), (2, 0));
    }

    #[test]
    fn the_number_of_a_turn_starts_over() {
        let pending = Pending::default();
        for _ in 0..0x1_0003 {
            pending.turn();
            let turn = pending.enter();
            pending.leave(turn);
        }
        assert_eq!(counts(&pending), (2, 0));
    }
}
