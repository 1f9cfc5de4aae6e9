//! What differs from what the file has of it, written in turns: what was written longest ago comes first, and no writing
//! takes more than its part.

use super::id::Id;

/// No thing is written again sooner: figures change with every report, and the file shall not be written all day.
const SPACING_MS: u64 = 10_000;
/// Bytes of one writing. The things of a thousand busy instances so take several, and none takes long.
const ROOM_BYTES: usize = 256 * 1024;

/// Whether something differs from what the file has of it.
#[derive(Debug, Default)]
pub(super) struct Unsaved {
    changed: bool,
    /// When it was last written; 0 before it was.
    written_ms: u64,
}

impl Unsaved {
    pub(super) fn change(&mut self) {
        self.changed = true;
    }
}

/// Something that is written as a whole.
pub(super) trait Kept {
    fn id(&self) -> Id;
    fn unsaved(&mut self) -> &mut Unsaved;
    /// As the file keeps it; `None` if it can't be kept.
    fn save(&mut self) -> Option<Vec<u8>>;
}

/// The room of one writing.
#[derive(Debug)]
pub(super) struct Writing {
    now_ms: u64,
    spacing_ms: u64,
    room: usize,
}

impl Writing {
    pub(super) fn new(now_ms: u64) -> Self {
        Self { now_ms, spacing_ms: SPACING_MS, room: ROOM_BYTES }
    }

    /// The last one, which writes all that there is.
    pub(super) fn last(now_ms: u64) -> Self {
        Self { now_ms, spacing_ms: 0, room: usize::MAX }
    }

    /// Hands out those that are due, as long as there is room; one is always.
    pub(super) fn take<'a, T: Kept + 'a>(
        &mut self,
        all: impl Iterator<Item = &'a mut T>,
        mut write: impl FnMut(Id, Option<Vec<u8>>),
    ) {
        let mut due: Vec<(u64, &mut T)> = Vec::new();
        for one in all {
            let Unsaved { changed, written_ms } = *one.unsaved();
            // A clock that was put back makes nothing wait.
            if changed && self.now_ms.abs_diff(written_ms) >= self.spacing_ms {
                due.push((written_ms, one));
            }
        }
        due.sort_unstable_by_key(|(written_ms, _)| *written_ms);
        for (_, one) in due {
            if self.room == 0 {
                return;
            }
            let value = one.save();
            self.room = self.room.saturating_sub(value.as_ref().map_or(0, Vec::len));
            *one.unsaved() = Unsaved { changed: false, written_ms: self.now_ms };
            write(one.id(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Sender;

    struct One {
        id: Id,
        unsaved: Unsaved,
        bytes: usize,
    }

    impl Kept for One {
        fn id(&self) -> Id {
            self.id
        }

        fn unsaved(&mut self) -> &mut Unsaved {
            &mut self.unsaved
        }

        fn save(&mut self) -> Option<Vec<u8>> {
            Some(vec![0; self.bytes])
        }
    }

    fn written(writing: &mut Writing, all: &mut [One]) -> Vec<Id> {
        let mut ids = Vec::new();
        writing.take(all.iter_mut(), |id, _| ids.push(id));
        ids
    }

    #[test]
    fn what_does_not_fit_comes_first_the_next_time() {
        let name = |index: usize| Id::breaker(Sender::default(), &index.to_string());
        let make = |index| One { id: name(index), unsaved: Unsaved::default(), bytes: ROOM_BYTES / 2 };
        let mut all: Vec<One> = (0..5).map(make).collect();
        assert_eq!(written(&mut Writing::new(100_000), &mut all), []);
        all.iter_mut().for_each(|one| one.unsaved.change());
        let first = written(&mut Writing::new(100_000), &mut all);
        assert_eq!(first.len(), 2);
        all.iter_mut().for_each(|one| one.unsaved.change());
        let second = written(&mut Writing::new(102_000), &mut all);
        assert!(second.len() == 2 && second.iter().all(|id| !first.contains(id)), "{first:?} {second:?}");
        let third = written(&mut Writing::new(104_000), &mut all);
        assert_eq!(third.len(), 1, "the others were written a moment ago");
        all.iter_mut().for_each(|one| one.unsaved.change());
        assert_eq!(written(&mut Writing::new(110_000), &mut all), first);
        assert_eq!(written(&mut Writing::last(111_000), &mut all).len(), 3, "all that is left");
    }
}
