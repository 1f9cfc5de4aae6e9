//! What has to be known of the lanes, or why there are none.

use leptos::prelude::*;
use poolscope_wire::{Observation, PoolKind, PoolSummary};

use super::{View, known::Known};
use crate::{derived::Derived, format, state::live::Live, time::Time};

const GONE: &str = "This pool is gone: its connections were kept one by one for as long as it reported.";

/// A connection that is opened has its lane within so many seconds.
const TOLD_WITHIN_S: f32 = 3.0;

/// What has to be known of the lanes, or why there are none.
#[component]
pub(super) fn Notes(id: String, view: View) -> impl IntoView {
    let live = expect_context::<Live>();
    let time = expect_context::<Time>();
    let entry = Derived::new(move || live.with_pool(&id, |entry| entry.summary.clone()));
    let is_filled = Derived::new(move || live.with_list(|store| store.filled));
    let notes = Derived::new(move || {
        if let Some(failure) = view.failure.get() {
            return vec![failure.to_string()];
        }
        let is_live = time.range().is_live();
        entry.with(|pool| {
            view.known.with(|known| match pool {
                Some(pool) => notes(pool, known, is_live),
                None if is_filled.get() && known.lanes.counts.all == 0 => vec![GONE.to_owned()],
                None => notes(&PoolSummary::default(), known, is_live),
            })
        })
    });
    move || {
        notes
            .get()
            .into_iter()
            .map(|note| view! { <p class="soft note" data-testid="lanes-note">{note}</p> })
            .collect_view()
    }
}

/// What has to be known of the lanes. Open connections are counted now: of a time that has passed that says nothing.
fn notes(pool: &PoolSummary, known: &Known, is_live: bool) -> Vec<String> {
    let lanes = &known.lanes;
    if !known.is_there() {
        return vec!["Reading the connections \u{2026}".to_owned()];
    }
    let is_foreign = pool.kind == PoolKind::Database || !pool.lacks.is_empty();
    if !lanes.told && lanes.counts.all == 0 {
        let why = if is_foreign {
            "The sender of this pool tells how many connections there are, and nothing of each. A hyper or reqwest client that \
             Poolscope's layers observe tells each of them."
        } else {
            "No connection was told one by one yet. A program does so by itself while it sends to this dashboard with \
             poolscope::otlp; behind a collector it has to be asked, by Otlp::pool_snapshots."
        };
        return vec![why.to_owned()];
    }
    let mut notes = Vec::new();
    if lanes.counts.all == 0 {
        notes.push("Of no connection it is known that it was open in this time.".to_owned());
    } else if lanes.rows.is_empty() {
        notes.push("No connection of this time is like that.".to_owned());
    }
    if !lanes.told {
        notes.push(
            "Only ends of connections are told, so that of each only how it was altogether is known."
                .to_owned(),
        );
    }
    let open_here = lanes.counts.all - lanes.counts.closed.min(lanes.counts.all);
    // Those that have just been opened are counted a moment before they are told.
    let just_opened = (pool.now.opened_per_s.unwrap_or_default() * TOLD_WITHIN_S).ceil() as u64;
    if let Some(open) = lanes.open.filter(|open| is_live && *open > open_here + just_opened) {
        notes.push(format!(
            "{} of {} open connections are told one by one: those that are held for long, and the oldest. \
             ScopeBuilder::max_listed_connections sets how many.",
            format::count(open_here),
            format::count(open)
        ));
    }
    if pool.observation == Observation::Estimated {
        notes.push(
            "~ Closes can't be seen here: a lane may be longer or shorter than its connection was."
                .to_owned(),
        );
    }
    if lanes.dropped > 0 {
        notes.push(format!(
            "For {} there was no room in this dashboard; --max-lanes sets how many it keeps of a pool.",
            format::counted(lanes.dropped, "connection", "connections")
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use poolscope_wire::{ConnectionLane, ConnectionLanes, Lack, LaneCounts, PoolPoint};

    use super::*;
    use crate::pages::pool::lanes::known::Question;

    fn known(lanes: ConnectionLanes) -> Known {
        let mut known = Known::default();
        known.take(Question::default(), None, lanes);
        known
    }

    #[test]
    fn who_shows_no_lanes_says_why_and_what_to_do() {
        let pool = PoolSummary::default();
        assert!(notes(&pool, &Known::default(), true)[0].starts_with("Reading"));
        let none = known(ConnectionLanes::default());
        assert!(notes(&pool, &none, true)[0].contains("Otlp::pool_snapshots"));
        let foreign = PoolSummary { lacks: vec![Lack::Reuse], ..PoolSummary::default() };
        assert!(notes(&foreign, &none, true)[0].contains("nothing of each"));
        let told = known(ConnectionLanes { told: true, ..ConnectionLanes::default() });
        assert_eq!(
            notes(&pool, &told, true),
            ["Of no connection it is known that it was open in this time."]
        );
        let counts = LaneCounts { all: 100, ..LaneCounts::default() };
        let many = ConnectionLanes {
            told: true,
            open: Some(240),
            counts,
            dropped: 3,
            rows: vec![ConnectionLane::default()],
            ..ConnectionLanes::default()
        };
        let estimated = PoolSummary { observation: Observation::Estimated, ..PoolSummary::default() };
        let many = known(many);
        let of_past = notes(&estimated, &many, false);
        assert!(of_past.iter().all(|note| !note.contains("open connections")), "{of_past:?}");
        let busy = PoolPoint { opened_per_s: Some(46.7), ..PoolPoint::default() };
        let of_busy = notes(&PoolSummary { now: busy, ..estimated.clone() }, &many, true);
        assert!(of_busy.iter().all(|note| !note.contains("open connections")), "140 are new: {of_busy:?}");
        let notes = notes(&estimated, &many, true);
        assert!(
            notes[0].starts_with("100 of 240 open connections")
                && notes[1].starts_with('~')
                && notes[2].contains("--max-lanes")
        );
    }
}
