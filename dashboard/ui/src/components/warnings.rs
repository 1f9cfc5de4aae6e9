//! Warnings in words: what is wrong, with what, since when, and what to do about it.

use leptos::prelude::*;
use poolscope_wire::{Severity, Subject, Warning};

use super::{each::each, shape::SeverityShape};
use crate::{
    derived::Derived,
    format,
    navigation::Navigation,
    state::{
        fleet::{WarningRow, merge_warnings, warnings_about},
        live::Live,
    },
    words,
};

/// Rows of warnings.
#[component]
pub fn Warnings(
    /// What is shown, in order.
    rows: Derived<Vec<WarningRow>>,
    /// Names what each is about, which one page of it need not.
    names: bool,
) -> impl IntoView {
    let ids = move || rows.with(|rows| rows.iter().map(|row| row.worst.id.clone()).collect());
    view! { <ul class="warnings">{each(ids, move |id| view! { <Row id rows names /> }.into_any())}</ul> }
}

/// One warning. Its words change while it lasts; what is open in it stays open.
#[component]
fn Row(id: String, rows: Derived<Vec<WarningRow>>, names: bool) -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let row = Derived::after(move |before: Option<&Option<WarningRow>>| {
        let found = rows.with(|rows| rows.iter().find(|row| row.worst.id == id).cloned());
        found.or_else(|| before.cloned().flatten())
    });
    let worst = move |read: fn(&WarningRow) -> String| {
        move || row.with(|row| row.as_ref().map(read).unwrap_or_default())
    };
    let severity =
        Derived::new(move || row.with(|row| row.as_ref().map(|row| row.worst.severity).unwrap_or_default()));
    let recovering =
        Derived::new(move || row.with(|row| row.as_ref().is_some_and(|row| row.worst.recovering)));
    let key = move || words::severity_key(severity.get());
    let href =
        move || row.with(|row| row.as_ref().map(|row| link(navigation, &row.worst, &[])).unwrap_or_default());
    let since = Derived::new(move || row.with(|row| row.as_ref().map_or(0, |row| row.worst.since_ms)));
    let lasting = move || {
        let since = since.get();
        (since > 0).then(|| format!(" for {}", format::span(live.now_ms().saturating_sub(since) / 1_000)))
    };
    view! {
        <li class=move || format!("warning v-{}", key()) class:is-recovering=move || recovering.get() data-testid="warning" data-severity=key
            data-rule=worst(|row| row.worst.rule.key().to_owned())>
            <SeverityShape severity />
            <div class="what">
                <b>{worst(|row| row.worst.rule.title().to_owned())}</b>
                {names.then(|| view! {
                    <a href=href data-stop dir="auto" class="two" title=worst(|row| row.worst.name.clone())>
                        {worst(|row| row.worst.name.clone())}
                    </a>
                    <span class="soft two" dir="auto">{worst(|row| place(&row.worst, row.instances))}</span>
                })}
            </div>
            <p class="say">
                {worst(|row| if row.worst.recovering { "recovering: ".to_owned() } else { String::new() })}
                {worst(|row| row.worst.sentence.clone())}
                <span class="soft" title=move || format::exact_time(since.get())>{lasting}</span>
            </p>
            <details class="why">
                <summary>"why"<span class="sr">{worst(|row| format!(": {}", row.worst.rule.title()))}</span></summary>
                <p>{worst(|row| row.worst.rule.advice().to_owned())}</p>
            </details>
        </li>
    }
}

/// The page of what a warning is about, with more in its query.
#[must_use]
pub fn link(navigation: Navigation, warning: &Warning, more: &[(&str, String)]) -> String {
    let mut query = more.to_vec();
    if matches!(warning.what, Subject::Protection | Subject::Session) {
        query.push(("show", warning.what_id.clone()));
    }
    navigation.link_to(&warning.link, &query)
}

/// Whose it is, of so many instances.
#[must_use]
pub fn place(worst: &Warning, instances: usize) -> String {
    match (worst.what, instances) {
        (_, many) if many > 1 => format!("{} \u{b7} {many} instances", worst.service),
        (Subject::Instance, _) => worst.instance.clone(),
        _ => [worst.service.as_str(), &worst.instance]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" \u{b7} "),
    }
}

/// What is wrong with a thing, on its own page or card; nothing if nothing is.
#[component]
pub fn WarningsAbout(
    /// What kind of thing it is.
    what: Subject,
    /// Its id, or those of several.
    ids: Derived<Vec<String>>,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let rows = Derived::new(move || {
        live.with_warnings(|store| ids.with(|ids| merge_warnings(&warnings_about(store, what, ids))))
    });
    view! {
        <Show when=move || rows.with(|rows| !rows.is_empty())>
            <div class="about-it" role="group" aria-label="Warnings"><Warnings rows names=false /></div>
        </Show>
    }
}

/// How many there are by severity: `2 bad, 3 worth a look, 4 notes`.
#[must_use]
pub fn counts(rows: &[WarningRow]) -> String {
    let of = |severity| rows.iter().filter(|row| row.worst.severity == severity).count() as u64;
    let parts = [
        (of(Severity::Bad), "bad", "bad"),
        (of(Severity::Warn), "worth a look", "worth a look"),
        (of(Severity::Ok), "note", "notes"),
    ];
    let told = parts.into_iter().filter(|(count, ..)| *count > 0);
    let parts: Vec<String> = told.map(|(count, one, many)| format::counted(count, one, many)).collect();
    parts.join(" \u{b7} ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_counted_in_words() {
        let row = |severity| WarningRow { worst: Warning { severity, ..Warning::default() }, instances: 1 };
        assert_eq!(counts(&[]), "");
        let rows = [row(Severity::Bad), row(Severity::Warn), row(Severity::Warn), row(Severity::Ok)];
        assert_eq!(counts(&rows), "1 bad \u{b7} 2 worth a look \u{b7} 1 note");
    }
}
