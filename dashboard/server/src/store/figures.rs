//! Histories of what has a few figures: registries of sessions, and what protects.

use super::capped::{Capped, Seen};
use super::course::{self, Course, Layout};
use super::id::Id;
use super::protection::Protection;
use super::session::Session;
use super::{FigureRead, Store, Wanted};

/// Something with such a history.
trait Charted: Seen {
    /// Its history, and how often it is told, in milliseconds.
    fn course(&self) -> (&Course, u64);

    /// What its figures are.
    fn layout(&self) -> &'static Layout;

    /// True if it is the same on another instance, or itself.
    fn is_like(&self, other: &Self) -> bool;
}

impl Charted for Protection {
    fn course(&self) -> (&Course, u64) {
        (&self.course, self.reports.interval_ms())
    }

    fn layout(&self) -> &'static Layout {
        course::layout_of(self.kind)
    }

    fn is_like(&self, other: &Self) -> bool {
        let names = (&self.service, &self.name, &self.guard) == (&other.service, &other.name, &other.guard);
        self.kind == other.kind && names
    }
}

impl Charted for Session {
    fn course(&self) -> (&Course, u64) {
        (&self.course, self.reports.interval_ms())
    }

    fn layout(&self) -> &'static Layout {
        &course::SESSIONS
    }

    fn is_like(&self, other: &Self) -> bool {
        (&self.service, &self.name) == (&other.service, &other.name)
    }
}

/// The history of one of them, or of its like on all instances of the service.
fn read<T: Charted>(
    all: &Capped<T>,
    id: Id,
    everywhere: bool,
    wanted: Wanted,
    now_ms: u64,
) -> Option<FigureRead> {
    let one = all.get(id)?;
    let is_other = |other: &&T| everywhere && !std::ptr::eq(*other, one) && one.is_like(other);
    let others = all.values().filter(is_other).map(T::course).collect();
    Some(course::read(one.course(), others, one.layout(), wanted, now_ms))
}

impl Store {
    /// The history of something that protects, or of its like on all instances of the service.
    pub(crate) fn protection_figures(
        &self,
        id: Id,
        everywhere: bool,
        wanted: Wanted,
        now_ms: u64,
    ) -> Option<FigureRead> {
        read(&self.protection, id, everywhere, wanted, now_ms)
    }

    /// The history of a registry of sessions, or of those of its name on all instances of the service.
    pub(crate) fn session_figures(
        &self,
        id: Id,
        everywhere: bool,
        wanted: Wanted,
        now_ms: u64,
    ) -> Option<FigureRead> {
        read(&self.sessions, id, everywhere, wanted, now_ms)
    }
}
