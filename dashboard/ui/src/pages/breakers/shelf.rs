//! Where cards find their breakers: among those of now, or among those of the time that is looked at that are gone.

use poolscope_wire::Breaker;

use super::{past::Past, then::in_time};
use crate::{derived::Derived, state::live::Live};

/// See the module. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub enum Shelf {
    /// They are there now.
    Now,
    /// They were there in the time that is looked at.
    Then(Derived<Vec<Breaker>>),
}

impl Shelf {
    /// Breakers by their ids.
    pub fn of(self, live: Live, ids: &[String]) -> Vec<Breaker> {
        match self {
            Self::Now => live
                .with_breakers(|store| ids.iter().filter_map(|id| store.breakers.get(id).cloned()).collect()),
            Self::Then(gone) => gone.with(|gone| {
                ids.iter().filter_map(|id| gone.iter().find(|one| one.id == *id).cloned()).collect()
            }),
        }
    }

    /// True of those that are gone.
    pub fn is_then(self) -> bool {
        matches!(self, Self::Then(_))
    }

    /// What is shown of a breaker: how it is, or how it was in the time that is looked at.
    pub fn shown(self, breaker: Derived<Breaker>, past: Derived<Past>) -> Derived<Breaker> {
        match self {
            Self::Now => breaker,
            Self::Then(_) => {
                Derived::new(move || breaker.with(|breaker| past.with(|past| in_time(breaker, past))))
            }
        }
    }

    /// The key of the address for the group that is taken apart.
    pub fn apart(self) -> &'static str {
        if self.is_then() { "apart_gone" } else { "apart" }
    }
}
