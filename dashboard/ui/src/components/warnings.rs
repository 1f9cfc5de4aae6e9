//! Warnings in words: what is wrong, with what, since when, and what to do about it.

use leptos::prelude::*;
use poolscope_wire::{Severity, Subject, Warning};

use super::{
    cells::{self, Place, Put},
    each::each,
    shape,
};
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
    view! { <ul class="warnings">{each(ids, move |id| row(id, rows, names))}</ul> }
}

macro_rules! html {
    ($name:literal) => {
        concat!(
            r#"<svg data-cell="shape" viewBox="0 0 16 16" width="16" height="16" role="img"><path data-cell="shape-path"></path></svg>
<div class="what"><b data-cell="rule"></b>"#,
            $name,
            r#"</div>
<p class="say"><span data-cell="sentence"></span><span class="soft" data-cell="lasting"></span></p>
<details class="why"><summary>why<span class="sr" data-cell="why"></span></summary><p data-cell="advice"></p></details>"#
        )
    };
}

/// One warning without what it is about.
const HTML: &str = html!("");

/// One warning.
const HTML_WITH_NAME: &str = html!(
    r#"<a data-cell="name" data-stop dir="auto" class="two"></a><span data-cell="place" class="soft two" dir="auto"></span>"#
);

/// One warning. Its words change while it lasts; what is open in it stays open.
fn row(id: String, rows: Derived<Vec<WarningRow>>, names: bool) -> AnyView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    cells::row(if names { HTML_WITH_NAME } else { HTML }, move |put| {
        // One that is gone keeps its last words until its row is gone.
        let found = rows.with(|rows| rows.iter().find(|row| row.worst.id == id).cloned());
        if let Some(row) = found {
            let since_ms = row.worst.since_ms;
            let lasting_s = if since_ms > 0 { live.now_ms().saturating_sub(since_ms) / 1_000 } else { 0 };
            write(&row, lasting_s, put);
            put("lasting", Place::Attribute("title"), &format::exact_time(since_ms));
            if names {
                put("name", Place::Attribute("href"), &link(navigation, &row.worst, &[]));
                put("name", Place::Attribute("title"), &row.worst.name);
                put("name", Place::Text, &row.worst.name);
                put("place", Place::Text, &place(&row.worst, row.instances));
            }
        }
    })
}

/// Writes what is wrong, for how many seconds, and what to do about it.
fn write(row: &WarningRow, lasting_s: u64, put: Put<'_>) {
    use Place::{Attribute, Text};
    let WarningRow { worst, .. } = row;
    let key = words::severity_key(worst.severity);
    let recovering = if worst.recovering { " is-recovering" } else { "" };
    put("", Attribute("class"), &format!("warning v-{key}{recovering}"));
    put("", Attribute("data-testid"), "warning");
    put("", Attribute("data-severity"), key);
    put("", Attribute("data-rule"), worst.rule.key());
    put("shape", Attribute("class"), &format!("shape s-{key}"));
    put("shape", Attribute("aria-label"), words::severity(worst.severity));
    put("shape-path", Attribute("d"), shape::outline(worst.severity));
    put("rule", Text, worst.rule.title());
    let before = if worst.recovering { "recovering, " } else { "" };
    put("sentence", Text, &format!("{before}{}", worst.sentence));
    let lasting =
        if worst.since_ms > 0 { format!(" for {}", format::span(lasting_s)) } else { String::new() };
    put("lasting", Text, &lasting);
    put("why", Text, &format!(": {}", worst.rule.title()));
    put("advice", Text, worst.rule.advice());
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
        _ => words::place(&[&worst.service, &worst.instance]),
    }
}

/// What is wrong with a thing, on its own page or card; nothing if nothing is.
#[component]
pub fn WarningsAbout(
    /// The kind of the thing, and its id or those of several; more of them for what guards it.
    about: Derived<Vec<(Subject, Vec<String>)>>,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let rows = Derived::new(move || {
        live.with_warnings(|store| about.with(|about| merge_warnings(&warnings_about(store, about))))
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
    fn a_warning_says_what_for_how_long_and_that_it_recovers() {
        let worst = Warning {
            sentence: "was: 3 wait".to_owned(),
            since_ms: 1,
            recovering: true,
            ..Warning::default()
        };
        let row = WarningRow { worst, instances: 1 };
        let all = cells::written(HTML, |put| write(&row, 45, put));
        let said =
            |cell| all.iter().find(|one| (one.0, one.1) == (cell, Place::Text)).map(|one| one.2.as_str());
        let texts = ["sentence", "lasting"].map(said);
        assert_eq!(texts, [Some("recovering, was: 3 wait"), Some(" for 45 s")]);
    }

    #[test]
    fn warnings_are_counted_in_words() {
        let row = |severity| WarningRow { worst: Warning { severity, ..Warning::default() }, instances: 1 };
        assert_eq!(counts(&[]), "");
        let rows = [row(Severity::Bad), row(Severity::Warn), row(Severity::Warn), row(Severity::Ok)];
        assert_eq!(counts(&rows), "1 bad \u{b7} 2 worth a look \u{b7} 1 note");
    }
}
