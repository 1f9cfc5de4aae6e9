//! What the page of a group tells beside the figures that a pool has.

use leptos::prelude::*;
use poolscope_wire::BreakerState;

use super::detail::Loaded;
use crate::{derived::Derived, format, state::live::Live};

/// What a group has beside the figures of a pool.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GroupFacts {
    /// Instances.
    pub all: u64,
    /// Those that report.
    pub current: u64,
    /// How many of their breakers are in which state, worst first.
    pub breakers: Vec<(BreakerState, u64)>,
    /// True if there are no percentiles of all of them.
    pub unequal_buckets: bool,
}

impl GroupFacts {
    /// How many there are, in words.
    pub fn instances(&self) -> String {
        let all = format::counted(self.all, "instance", "instances");
        match self.all - self.current.min(self.all) {
            0 => format!("{all} together"),
            silent => format!("{all} together, {} of them silent", format::count(silent)),
        }
    }
}

/// What the stream tells of a group, or the history if it is none of the stream's any more; `None` for one pool.
pub fn use_group(
    live: Live,
    id: String,
    detail: RwSignal<Loaded>,
    members: Derived<Vec<String>>,
) -> Derived<Option<GroupFacts>> {
    let breakers = |states: &[(BreakerState, u32)]| -> Vec<_> {
        states.iter().map(|(state, count)| (*state, u64::from(*count))).collect()
    };
    Derived::new(move || {
        let all = members.with(Vec::len) as u64;
        if all == 0 {
            return None;
        }
        let told = live.with_figures(|store| {
            let group = &store.groups.get(&id)?.group;
            let (current, breakers) = (u64::from(group.current), breakers(&group.breakers));
            Some(GroupFacts { all, current, breakers, unequal_buckets: group.unequal_buckets })
        });
        let of_detail = || {
            let current = live.with_figures(|store| {
                // Before the first picture nobody is known to be silent.
                if !store.filled {
                    return all;
                }
                let known = members.with(|members| {
                    let known = members.iter().filter_map(|id| store.pools.get(id));
                    known.filter(|entry| !entry.summary.stale).count()
                });
                known as u64
            });
            detail.with(|loaded| {
                let detail = loaded.detail()?;
                let (breakers, unequal_buckets) = (breakers(&detail.breakers), detail.unequal_buckets);
                Some(GroupFacts { all, current, breakers, unequal_buckets })
            })
        };
        told.or_else(of_detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::message::Message;

    #[test]
    fn a_group_says_how_many_it_is_and_who_is_silent() {
        let facts = |all, current| GroupFacts { all, current, ..GroupFacts::default() };
        assert_eq!(facts(8, 8).instances(), "8 instances together");
        assert_eq!(facts(8, 5).instances(), "8 instances together, 3 of them silent");
    }

    #[test]
    fn before_the_first_picture_nobody_is_silent() {
        let owner = Owner::new();
        owner.set();
        let live = Live::new(1_000);
        let detail = RwSignal::new(Loaded::Ready(Box::default()));
        let members = Derived::from(vec!["a".to_owned(), "b".to_owned()]);
        let group = use_group(live, "g".to_owned(), detail, members);
        assert_eq!(group.get().map(|group| (group.all, group.current)), Some((2, 2)));
        live.receive(Message::Full(Box::default()), 2_000);
        assert_eq!(group.get().map(|group| group.current), Some(0));
    }
}
