//! What was wrong in the time that is looked at: each warning from its begin to its end.

use leptos::prelude::*;
use poolscope_wire::{PastWarning, WarningLog, path};

use crate::{
    compact::sort_by,
    components::{
        each::each,
        loaded::{Loaded, use_loaded},
        save::sheet_menu,
        shape::SeverityShape,
        stretch::Stretch,
        warnings::{link, place},
    },
    derived::Derived,
    export::sheet::{Cell, Sheet},
    format,
    navigation::Navigation,
    route::Query,
    state::live::Live,
    time::{
        Time,
        range::{Range, Span},
    },
    words,
};

/// Rows that are shown before somebody asks for all.
const SHOWN: usize = 8;
/// The most that are asked for.
const MOST: usize = 500;
/// A link leads to at least so much time before and after a warning.
const AROUND_MS: u64 = 60_000;

/// What was wrong.
#[component]
pub fn Log() -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let time = expect_context::<Time>();
    let query = move |span: Span| {
        let text = |key| navigation.query(key);
        let of = [("service", text("service")), ("instance", text("instance"))];
        let of = of.into_iter().fold(Query::default(), |query, (key, value)| query.with(key, &value));
        of.with("from_ms", &span.from_ms.to_string()).with("to_ms", &span.to_ms.to_string())
    };
    let url = move || {
        let query = query(time.range().span(live.now_ms())).with("limit", &MOST.to_string());
        format!("{}{}", path::WARNING_LOG, query.to_text())
    };
    let key = Derived::new(move || query(time.range().span(0)).to_text());
    // What still lasts may end after the time that is looked at.
    let loaded: RwSignal<Loaded<WarningLog>> = use_loaded(live, key, url, || true);
    let log = Derived::new(move || {
        loaded.with(|loaded| loaded.ready().cloned().map(worst_first).unwrap_or_default())
    });
    let shows_all = move || navigation.query("log") == "all";
    let keys = move || {
        let most = if shows_all() { MOST } else { SHOWN };
        log.with(|log| log.warnings.iter().take(most).map(key_of).collect())
    };
    let hidden = Derived::new(move || log.with(|log| log.warnings.len().saturating_sub(SHOWN)) as u64);
    let says = move || {
        loaded.with(|loaded| match (loaded.ready(), loaded.failure()) {
            (Some(log), _) => said(log),
            (None, Some(failure)) => failure.to_string(),
            (None, None) => "reading \u{2026}".to_owned(),
        })
    };
    let label = move || match shows_all() {
        true => "show the worst alone".to_owned(),
        false => format!("show {} more", format::count(hidden.get())),
    };
    let name = move || {
        let span = time.span();
        vec!["warnings".to_owned(), format::iso_time(span.from_ms), format::iso_time(span.to_ms)]
    };
    view! {
        <section class="problems log" aria-label="What was wrong" data-testid="warning-log">
            <p class="bar-line">
                <b>"What was wrong"</b>
                <span class="soft" role="status" data-testid="log-says">{says}</span>
                <span class="grow"></span>
                <button type="button" class="quiet" on:click=move |_| navigation.set_query("log", if shows_all() { "" } else { "all" })
                    aria-expanded=move || if shows_all() { "true" } else { "false" } hidden=move || hidden.get() == 0>{label}</button>
                {sheet_menu("what was wrong", move || log.with(sheet), name)}
            </p>
            <ul class="warnings">{each(keys, move |key| view! { <Row key log /> }.into_any())}</ul>
        </section>
    }
}

/// Worst first; of equals the one that began last, as the server tells them.
fn worst_first(mut log: WarningLog) -> WarningLog {
    sort_by(&mut log.warnings, |a, b| b.warning.severity.cmp(&a.warning.severity));
    log
}

fn key_of(past: &PastWarning) -> String {
    format!("{} {}", past.warning.id, past.from_ms)
}

/// How many there were, and what is not known.
fn said(log: &WarningLog) -> String {
    let all = log.warnings.len() as u64 + log.more;
    let mut parts = vec![match all {
        0 => "nothing in this time".to_owned(),
        all => format::counted(all, "warning", "warnings"),
    }];
    if log.since_ms > log.from_ms {
        parts.push(format!("not known before {}", format::exact_time(log.since_ms)));
    }
    parts.join(" \u{b7} ")
}

#[component]
fn Row(key: String, log: Derived<WarningLog>) -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let past = Derived::after(move |before: Option<&PastWarning>| {
        let found = log.with(|log| log.warnings.iter().find(|past| key_of(past) == key).cloned());
        found.or_else(|| before.cloned()).unwrap_or_default()
    });
    let text = move |read: fn(&PastWarning) -> String| move || past.with(read);
    let severity = Derived::new(move || past.with(|past| past.warning.severity));
    let href = move || {
        past.with(|past| {
            let span = around(past, live.now_ms() / 1_000 * 1_000);
            link(navigation, &past.warning, &Range::Fixed(span).to_query())
        })
    };
    let lasted = move || past.with(|past| lasted(past, live.now_ms()));
    let of = Derived::new(move || {
        let now_ms = live.now_ms() / 1_000 * 1_000;
        past.with(|past| Span { from_ms: past.from_ms, to_ms: past.to_ms.unwrap_or(now_ms) })
    });
    view! {
        <li class=move || format!("warning v-{}", words::severity_key(severity.get())) data-testid="past-warning"
            data-rule=text(|past| past.warning.rule.key().to_owned())>
            <SeverityShape severity />
            <div class="what">
                <b>{text(|past| past.warning.rule.title().to_owned())}</b>
                <a href=href data-stop dir="auto" class="two" title=text(|past| past.warning.name.clone())>{text(|past| past.warning.name.clone())}</a>
                <span class="soft two" dir="auto">{text(|past| place(&past.warning, 1))}</span>
            </div>
            <p class="say">{text(|past| past.warning.sentence.clone())}</p>
            <div class="when">
                <span class="soft">{lasted}</span>
                <Stretch of />
            </div>
        </li>
    }
}

/// From when to when, for how long, and how often.
fn lasted(past: &PastWarning, now_ms: u64) -> String {
    let to_ms = past.to_ms.unwrap_or(now_ms);
    let long = format::span(to_ms.saturating_sub(past.from_ms) / 1_000);
    let when = match past.to_ms {
        Some(to_ms) => format::span_between(past.from_ms, to_ms, now_ms),
        None => format!("since {}", format::clock_time(past.from_ms)),
    };
    let times = if past.times > 1 { format!(", {} times", past.times) } else { String::new() };
    format!("{when} \u{b7} {long}{times}")
}

/// The time of a warning with some around it, so that what was before is seen.
fn around(past: &PastWarning, now_ms: u64) -> Span {
    let to_ms = past.to_ms.unwrap_or(now_ms).max(past.from_ms);
    let by_ms = ((to_ms - past.from_ms) / 4).max(AROUND_MS);
    Span { from_ms: past.from_ms.saturating_sub(by_ms), to_ms: (to_ms + by_ms).min(now_ms.max(to_ms)) }
}

fn sheet(log: &WarningLog) -> Sheet {
    let columns = ["from", "to", "severity", "rule", "name", "service", "instance", "sentence", "times"];
    let row = |past: &PastWarning| {
        let of = &past.warning;
        let text = |text: &str| Cell::Text(text.to_owned());
        vec![
            Cell::Moment(past.from_ms),
            past.to_ms.map_or(Cell::Missing, Cell::Moment),
            text(words::severity_key(of.severity)),
            text(of.rule.key()),
            text(&of.name),
            text(&of.service),
            text(&of.instance),
            text(&of.sentence),
            Cell::Number(f64::from(past.times)),
        ]
    };
    Sheet {
        facts: vec![("from", format::iso_time(log.from_ms)), ("to", format::iso_time(log.to_ms))],
        columns: columns.map(str::to_owned).to_vec(),
        rows: log.warnings.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use poolscope_wire::{Severity, Warning};

    use super::*;

    fn past(from_ms: u64, to_ms: Option<u64>) -> PastWarning {
        PastWarning { from_ms, to_ms, times: 3, warning: Warning::default() }
    }

    #[test]
    fn a_link_shows_what_was_before_and_after() {
        let span = around(&past(1_000_000, Some(1_400_000)), 9_000_000);
        assert_eq!(span, Span { from_ms: 900_000, to_ms: 1_500_000 });
        let short = around(&past(1_000_000, Some(1_001_000)), 1_005_000);
        assert_eq!(short, Span { from_ms: 940_000, to_ms: 1_005_000 }, "not past the present");
        let lasting = around(&past(1_000_000, None), 1_010_000);
        assert_eq!(lasting, Span { from_ms: 940_000, to_ms: 1_010_000 });
    }

    #[test]
    fn the_worst_is_first_and_of_equals_the_newest() {
        let past = |from_ms, severity| PastWarning {
            warning: Warning { severity, ..Warning::default() },
            ..past(from_ms, None)
        };
        let told = vec![
            past(9, Severity::Ok),
            past(7, Severity::Warn),
            past(5, Severity::Bad),
            past(3, Severity::Warn),
        ];
        let log = worst_first(WarningLog { warnings: told, ..WarningLog::default() });
        assert_eq!(log.warnings.iter().map(|past| past.from_ms).collect::<Vec<_>>(), [5, 7, 3, 9]);
    }

    #[test]
    fn it_says_how_many_and_what_is_not_known() {
        let log = WarningLog { from_ms: 5, to_ms: 9, since_ms: 1, ..WarningLog::default() };
        assert_eq!(said(&log), "nothing in this time");
        let log = WarningLog { warnings: vec![past(6, None)], more: 4, since_ms: 7, ..log };
        assert!(said(&log).starts_with("5 warnings \u{b7} not known before"), "{}", said(&log));
        assert_eq!(sheet(&log).rows[0].len(), sheet(&log).columns.len());
        assert!(lasted(&past(0, Some(65_000)), 90_000).ends_with("1 min 5 s, 3 times"));
    }
}
