//! The first thing that is read: how many pools need somebody, in words.

use leptos::prelude::*;
use poolscope_wire::Severity;

use crate::{
    components::shape::SeverityShape,
    derived::Derived,
    format,
    navigation::Navigation,
    route::Route,
    state::{filter::Headline, live::Live},
    time::Time,
    words,
};

/// The headline, and the figures of all pools together.
#[component]
pub fn Headlines() -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let time = expect_context::<Time>();
    let headline =
        Derived::new(move || live.with_figures(|store| Headline::of(store, &navigation.query("service"))));
    let figure = move |label: &'static str, read: fn(&Headline) -> String| {
        view! { <div><dd>{move || headline.with(read)}</dd><dt>{label}</dt></div> }
    };
    view! {
        <section class="headline" aria-label="Summary">
            <h1 data-testid="headline">
                <span class="sev" hidden=move || headline.with(|h| h.fine == 0 && h.worst() == Severity::Ok)>
                    <SeverityShape severity=Derived::new(move || headline.with(Headline::worst)) />
                </span>
                {move || if time.fixed().is_some() { "Now: " } else { "" }} {move || headline.with(sentence)}
            </h1>
            <div class="chips">
                <Chip severity=Severity::Bad count=Derived::new(move || headline.with(|h| h.bad)) />
                <Chip severity=Severity::Warn count=Derived::new(move || headline.with(|h| h.warn)) />
                <Chip severity=Severity::Ok count=Derived::new(move || headline.with(|h| h.fine)) />
                {move || {
                    let vanished = headline.with(|headline| headline.vanished);
                    (vanished > 0).then(|| view! {
                        <a class="chip plain" href=move || navigation.link(&Route::Services)
                            title="Nothing of them is counted as current">
                            {format!("{} not heard any more", format::counted(vanished, "pool is", "pools are"))}
                        </a>
                    })
                }}
                {move || {
                    let open = headline.with(|headline| headline.open_breakers);
                    (open > 0).then(|| view! {
                        <a class="chip" href=move || navigation.link(&Route::Breakers(None))>
                            {format!("{} open", format::counted(open, "breaker", "breakers"))}
                        </a>
                    })
                }}
            </div>
            <dl class="figures">
                {figure("req/s", |h| format::number(h.requests_per_s))}
                {figure("errors/s", |h| format::number(h.errors_per_s))}
                {figure("reused", |h| h.reuse.map_or_else(|| format::UNKNOWN.to_owned(), format::percent))}
                {figure("connections", |h| format::count(h.connections))}
                {figure("waiting", |h| h.waiting.map_or_else(|| format::UNKNOWN.to_owned(), format::count))}
            </dl>
        </section>
    }
}

/// What is said first: the worst that there is, and of what is as bad the pools first.
fn sentence(headline: &Headline) -> String {
    let Headline { bad, warn, fine, open_breakers, half_open_breakers, bad_others, warn_others, .. } =
        *headline;
    let told = [
        (bad, ["pool needs", "pools need"], "you"),
        (open_breakers, ["breaker is", "breakers are"], "open"),
        (bad_others, ["warning needs", "warnings need"], "you"),
        (warn, ["pool is", "pools are"], "worth a look"),
        (half_open_breakers, ["breaker is", "breakers are"], "half open"),
        (warn_others, ["warning is", "warnings are"], "worth a look"),
    ];
    match told.into_iter().find(|(count, ..)| *count > 0) {
        Some((count, [one, many], how)) => format!("{} {how}", format::counted(count, one, many)),
        None if fine == 0 => "No pool is heard any more".to_owned(),
        None if fine == 1 => "The one pool is fine".to_owned(),
        None => format!("All {} are fine", format::counted(fine, "pool", "pools")),
    }
}

/// A count of pools that filters by its severity.
#[component]
fn Chip(severity: Severity, count: Derived<u64>) -> impl IntoView {
    let navigation = expect_context::<Navigation>();
    let key = words::severity_key(severity);
    let chosen = move || navigation.query("severity") == key;
    let press = move |_| navigation.set_query("severity", if chosen() { "" } else { key });
    view! {
        <button type="button" class="chip" aria-pressed=move || if chosen() { "true" } else { "false" }
            title="Show only these" on:click=press hidden=move || count.get() == 0 && !chosen()>
            <SeverityShape severity />
            {move || format!("{} {}", format::count(count.get()), match (severity, count.get()) {
                (Severity::Bad, 1) => "needs you",
                (Severity::Bad, _) => "need you",
                _ => words::severity(severity),
            })}
        </button>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headline_says_the_worst() {
        let headline = |bad, warn, fine| Headline { bad, warn, fine, ..Headline::default() };
        assert_eq!(sentence(&headline(1, 2, 3)), "1 pool needs you");
        assert_eq!(sentence(&headline(0, 2, 3)), "2 pools are worth a look");
        assert_eq!(sentence(&headline(0, 0, 3)), "All 3 pools are fine");
        assert_eq!(sentence(&headline(0, 0, 1)), "The one pool is fine");
        assert_eq!(sentence(&headline(0, 0, 0)), "No pool is heard any more");
        let open = Headline { open_breakers: 1, ..headline(0, 0, 3) };
        assert_eq!(sentence(&open), "1 breaker is open");
        assert_eq!(sentence(&Headline { warn: 2, ..open }), "1 breaker is open", "worse than two to look at");
        let lost = Headline { bad_others: 2, ..headline(0, 1, 3) };
        assert_eq!((sentence(&lost), lost.worst()), ("2 warnings need you".to_owned(), Severity::Bad));
        assert_eq!(sentence(&Headline { warn_others: 1, ..headline(0, 0, 3) }), "1 warning is worth a look");
    }
}
