//! How a pool is, in words: as bad as the worst of what its page tells.

use leptos::prelude::*;
use poolscope_wire::{Health, PoolSummary, Severity, Subject, Warning};

use super::group::GroupFacts;
use crate::{
    components::{
        shape::{BreakerBadge, SeverityShape},
        warnings::WarningsAbout,
    },
    derived::Derived,
    format,
    navigation::Navigation,
    route::Route,
    state::{fleet::warnings_about, live::Live},
    words,
};

/// What is said first of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Told {
    severity: Severity,
    recovering: bool,
    sentence: String,
    since_ms: u64,
    /// How the pool itself is, where its breaker is worse.
    itself: Option<String>,
}

impl Told {
    /// The condition of the pool, or the worst of the warnings that stand below it if that is worse.
    fn of(health: &Health, worst: Option<&Warning>) -> Self {
        let recovering = health.is_recovering();
        let itself = Self {
            severity: health.severity,
            recovering,
            sentence: health.sentence.clone(),
            since_ms: health.since_ms,
            itself: None,
        };
        let is_worse = |one: &&Warning| (one.severity, !one.recovering) > (health.severity, !recovering);
        match worst.filter(is_worse) {
            Some(worst) => Self {
                severity: worst.severity,
                recovering: worst.recovering,
                sentence: format!("{}: {}", worst.rule.title(), worst.sentence),
                since_ms: worst.since_ms,
                itself: Some(itself.sentence),
            },
            None => itself,
        }
    }
}

/// The condition of a pool or of a group, with its breaker, above what is wrong with them.
#[component]
pub fn Verdict(
    /// The pool.
    pool: Derived<PoolSummary>,
    /// What a group has beside; `None` for one pool.
    group: Derived<Option<GroupFacts>>,
    /// Of a group, ids of its pools.
    members: Derived<Vec<String>>,
) -> impl IntoView {
    let live = expect_context::<Live>();
    // What is wrong with the instances of a group stands above their rows.
    let own = Derived::new(move || pool.with(|pool| vec![pool.id.clone()]));
    let about = Derived::new(move || {
        let ids = members.with(|members| if members.is_empty() { own.get() } else { members.clone() });
        vec![
            (Subject::Pool, own.get()),
            (Subject::Breaker, live.with_breakers(|store| store.guards_of(&ids))),
        ]
    });
    let told = Derived::new(move || {
        live.with_warnings(|store| {
            let worst = about.with(|about| warnings_about(store, about).first().copied());
            pool.with(|pool| Told::of(&pool.health, worst))
        })
    });
    let class = move || {
        let calmer = if told.with(|told| told.recovering) { " is-recovering" } else { "" };
        format!("verdict v-{}{calmer}", words::severity_key(told.with(|told| told.severity)))
    };
    let silent_since = Derived::new(move || pool.with(|pool| pool.stale.then_some(pool.last_seen_ms)));
    let since = move || {
        let since_ms = told.with(|told| told.since_ms);
        let long = for_long(since_ms, silent_since.get(), live.now_ms())?;
        Some(view! { <span class="soft" title=format::exact_time(since_ms)>{long}</span> })
    };
    let gone_quiet = move || {
        let ago = format::ago(live.now_ms(), silent_since.get()?);
        Some(view! { <span class="is-warn">{format!("last reported {ago}")}</span> })
    };
    view! {
        <p class=class class:is-stale=move || silent_since.get().is_some()>
            <SeverityShape severity=Derived::new(move || told.with(|told| told.severity)) />
            <strong data-testid="pool-sentence">{move || told.with(|told| told.sentence.clone())}</strong>
            {since}
            {gone_quiet}
            <Guard pool group />
            {move || told.with(|told| told.itself.clone()).map(|itself| view! {
                <span class="block" data-testid="pool-itself">{format!("The pool itself: {itself}")}</span>
            })}
        </p>
        <WarningsAbout about />
    }
}

/// For how long it has been so, in words; `None` where nobody knows: that is also how it is while it is silent.
fn for_long(since_ms: u64, silent_since_ms: Option<u64>, now_ms: u64) -> Option<String> {
    let until_ms = silent_since_ms.unwrap_or(now_ms);
    let is_known = since_ms > 0 && silent_since_ms.is_none_or(|until_ms| since_ms < until_ms);
    is_known.then(|| format!("for {}", format::span(until_ms.saturating_sub(since_ms) / 1_000)))
}

/// The breaker of a pool, or how many of a group's are in which state.
#[component]
fn Guard(pool: Derived<PoolSummary>, group: Derived<Option<GroupFacts>>) -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let breaker = Derived::new(move || pool.with(|pool| pool.breaker.clone()));
    let link = Derived::new(move || {
        let guard = pool.with(|pool| live.with_breakers(|store| store.guard_of(&pool.id).cloned()));
        navigation.link(&Route::Breakers(guard))
    });
    let states = move || {
        let told = group.with(|group| Some(words::breaker_states(group.as_ref()?.breakers.iter().copied())));
        told.map(|states| view! { <span class="states" data-testid="group-breakers">{states}</span> })
    };
    let name = move || if group.with(Option::is_some) { "breakers " } else { "breaker " };
    move || {
        breaker.get().map(|(_, state)| {
            view! { <a class="badgelink" href=move || link.get()>{name} <BreakerBadge state /> {states}</a> }
        })
    }
}

#[cfg(test)]
mod tests {
    use poolscope_wire::Rule;

    use super::*;

    #[test]
    fn how_long_is_told_until_the_last_report() {
        assert_eq!(for_long(1_000, None, 6_000).as_deref(), Some("for 5 s"));
        assert_eq!(for_long(1_000, Some(4_000), 60_000).as_deref(), Some("for 3 s"));
        assert_eq!(for_long(4_000, Some(4_000), 60_000), None, "it is so because nothing is known");
        assert_eq!(for_long(0, None, 6_000), None);
    }

    #[test]
    fn it_is_as_bad_as_the_worst_below_it() {
        let health =
            |severity, sentence: &str| Health { severity, sentence: sentence.to_owned(), since_ms: 7 };
        let flapping = |severity, recovering| Warning {
            rule: Rule::BreakerFlapping,
            severity,
            recovering,
            sentence: "opened 8 times".to_owned(),
            since_ms: 3,
            ..Warning::default()
        };
        let calm = format!("{}now fine: 3 idle", Health::RECOVERING);
        let of = |health: &Health, warning: &Warning| {
            let told = Told::of(health, Some(warning));
            (told.severity, told.recovering, told.since_ms, told.itself.is_some())
        };
        let (warn, bad) = (Severity::Warn, Severity::Bad);
        assert_eq!(of(&health(Severity::Ok, "fine: 3 idle"), &flapping(bad, false)), (bad, false, 3, true));
        assert_eq!(
            of(&health(bad, &calm), &flapping(bad, false)),
            (bad, false, 3, true),
            "what lasts is worse"
        );
        assert_eq!(of(&health(bad, &calm), &flapping(bad, true)), (bad, true, 7, false));
        assert_eq!(
            of(&health(bad, "3 wait"), &flapping(bad, false)),
            (bad, false, 7, false),
            "its own goes first"
        );
        assert_eq!(of(&health(warn, "slow"), &flapping(warn, true)), (warn, false, 7, false));
        let told = Told::of(&health(Severity::Ok, "fine: 3 idle"), Some(&flapping(bad, false)));
        assert_eq!(told.sentence, "Breaker flapping: opened 8 times");
        assert_eq!(Told::of(&health(warn, "slow"), None).sentence, "slow");
    }
}
