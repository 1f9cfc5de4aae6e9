//! The instances of a group, each as a row that leads to its own page; also those that no list of now has.

use leptos::prelude::*;
use poolscope_wire::{PoolSummary, Subject, path};

use crate::{
    components::{
        gone::{Gone, GoneSince, SHOWN, cut_short, said},
        gone_rows::{Row, gone_links},
        warnings::WarningsAbout,
    },
    derived::Derived,
    format,
    navigation::Navigation,
    pages::overview::List,
    route::Route,
    state::{
        live::Live,
        order::{PoolFilter, Sort},
    },
    time::Time,
    words,
};

use super::detail::{History, Loaded};

/// Ids of the pools of a group; empty for one pool.
pub fn use_members(live: Live, id: String, detail: RwSignal<Loaded>) -> Derived<Vec<String>> {
    Derived::new(move || {
        let told = live.with_list(|store| store.groups.get(&id).map(|group| group.group.members.clone()));
        // A group that has one instance left is none of the stream's any more.
        told.unwrap_or_else(|| {
            detail.with(|loaded| loaded.detail().map(|detail| detail.members.clone()).unwrap_or_default())
        })
    })
}

/// The pools of a group that are gone: those that the time that is looked at has, and members of which no more is known.
fn gone(then: &[PoolSummary], members: &[String], is_here: impl Fn(&str) -> bool) -> Vec<PoolSummary> {
    // The server counts those that are gone among the members only where none is here.
    let known = then.iter().filter(|pool| !is_here(&pool.id));
    let is_known = |id: &str| then.iter().any(|pool| pool.id == id);
    let unknown = members.iter().filter(|id| !is_here(id) && !is_known(id));
    let unknown = unknown.map(|id| PoolSummary { id: id.clone(), ..PoolSummary::default() });
    known.cloned().chain(unknown).collect()
}

/// True if a pool has what the pools of a group have in common.
fn is_of_group(pool: &PoolSummary, group: &PoolSummary) -> bool {
    let name =
        |pool: &PoolSummary| [&pool.service, &pool.client, &pool.scheme, &pool.address].map(String::clone);
    (pool.kind, pool.port) == (group.kind, group.port) && name(pool) == name(group)
}

fn row(pool: &PoolSummary) -> Row {
    let is_known = pool.last_seen_ms > 0;
    let name = match pool.instance.as_str() {
        "" if is_known => words::pool_name(pool),
        "" => pool.id.clone(),
        instance => instance.to_owned(),
    };
    let place = words::place(&[&words::destination(pool), &pool.service]);
    let place = if is_known { place } else { String::new() };
    Row { id: pool.id.clone(), name, place, last_seen_ms: pool.last_seen_ms }
}

/// How many there are; nothing while that is not known.
fn counted(here: usize, gone: usize) -> String {
    let instances = |count: usize| format::counted(count as u64, "instance", "instances");
    match (here, gone) {
        (0, 0) => String::new(),
        (here, 0) => instances(here),
        (0, gone) => format!("{}, gone since then", instances(gone)),
        (here, gone) => {
            format!("{} here now, {} gone since then", instances(here), format::count(gone as u64))
        }
    }
}

/// The instances.
#[component]
pub fn Instances(
    /// Ids of their pools.
    members: Derived<Vec<String>>,
    /// The history of the group.
    history: History,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let time = expect_context::<Time>();
    let ids = Derived::new(move || {
        let filter = PoolFilter { sort: Sort::from_key(&navigation.query("sort")), ..PoolFilter::default() };
        let read = |store: &_| members.with(|members| filter.order(store, members));
        match filter.sort {
            Sort::Worst | Sort::Name => live.with_list(read),
            _ => live.with_figures(read),
        }
    });
    let group = history.told(|detail| detail.summary.clone());
    let then = Gone::start(live, time, path::POOLS, move |then: &[PoolSummary]| {
        group.with(|group| then.iter().filter(|pool| is_of_group(pool, group)).cloned().collect())
    });
    let lost = Derived::new(move || {
        if then.is_loading() || !live.with_list(|store| store.filled) {
            return Vec::new();
        }
        let find = |then: &Vec<_>, members: &Vec<_>| {
            live.with_list(|store| gone(then, members, |id| store.entry(id).is_some()))
        };
        then.all.with(|then| members.with(|members| find(then, members)))
    });
    let (here, gone) = (move || ids.with(Vec::len), move || lost.with(Vec::len));
    let is_any_here = Derived::new(move || here() > 0);
    let count = Derived::new(move || counted(here(), gone()));
    let says = then.says(move || cut_short(said("instances", gone()), gone()));
    let rows = move || {
        let row = |pool: &PoolSummary| (row(pool), navigation.link(&Route::Pool(pool.id.clone())));
        gone_links(lost.with(|lost| lost.iter().take(SHOWN).map(row).collect()), "gone-instance")
    };
    view! {
        <section data-testid="group-instances">
            <div class="sectionhead">
                <h2>"Each instance"</h2>
                <span class="soft" data-testid="group-instances-count">{move || count.get()}</span>
                <span class="soft" hidden=move || time.fixed().is_none() || !is_any_here.get()>
                    "Words and order are those of now, the figures those of this time."
                </span>
            </div>
            <WarningsAbout about=Derived::new(move || vec![(Subject::Pool, members.get())]) />
            <Show when=move || is_any_here.get()><List ids by_instance=true /></Show>
            <GoneSince what="Instances" says>{rows}</GoneSince>
            <p class="soft">"Connections one by one are on the page of each instance."</p>
        </section>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(id: &str, instance: &str, client: &str) -> PoolSummary {
        let [id, instance, client] = [id, instance, client].map(str::to_owned);
        PoolSummary { id, instance, client, last_seen_ms: 1_000, ..PoolSummary::default() }
    }

    #[test]
    fn instances_that_are_gone_are_rows_whether_or_not_one_is_here() {
        let all = [pool("a", "one", "pay"), pool("b", "two", "pay"), pool("z", "one", "mail")];
        let group = pool("g-1", "", "pay");
        let then: Vec<_> = all.into_iter().filter(|pool| is_of_group(pool, &group)).collect();
        let names = |members: &[&str], here: &[&str]| {
            let members: Vec<String> = members.iter().map(|id| (*id).to_owned()).collect();
            let gone = gone(&then, &members, |id| here.contains(&id));
            gone.iter().map(|pool| row(pool).name).collect::<Vec<_>>()
        };
        assert_eq!(names(&["a", "b", "c"], &[]), ["one", "two", "c"], "one did not report in this time");
        assert_eq!(names(&["a"], &["a"]), ["two"], "the server told of those that are here alone");
        assert_eq!(names(&["a", "b"], &["a", "b"]), [""; 0]);
    }

    #[test]
    fn what_is_counted_is_true_of_who_is_here_and_who_is_gone() {
        assert_eq!(counted(0, 0), "", "it is not known yet");
        assert_eq!(counted(2, 0), "2 instances");
        assert_eq!(counted(0, 3), "3 instances, gone since then");
        assert_eq!(counted(1, 2), "1 instance here now, 2 gone since then");
    }
}
