//! How it goes with asking Prometheus, where the figures are from there.

use leptos::prelude::*;
use poolscope_wire::{PrometheusStatus, Status};

use crate::{derived::Derived, format, state::live::Live};

/// The line under the header while Prometheus can't be used or has nothing; `None` while all is well.
#[must_use]
pub fn trouble(status: &Status) -> Option<String> {
    let source = status.prometheus.as_ref()?;
    let Some(problem) = &source.problem else {
        // Nothing to see, and the reason for it.
        return source.notices.first().filter(|_| source.series == 0).cloned();
    };
    let since = source.problem_since_ms.map_or(0, |since| status.now_ms.saturating_sub(since) / 1_000);
    let since = format::span(since);
    Some(match source.answered_ms {
        Some(_) => format!("This is the picture of {since} ago: {problem}."),
        None => format!("There is no picture yet: {problem}."),
    })
}

/// A section of the about page; empty where the figures are sent.
#[component]
pub fn Source() -> impl IntoView {
    let live = expect_context::<Live>();
    let source = Derived::new(move || live.with_status(|store| store.status.prometheus.clone()));
    let fact =
        |label: &'static str, text: String| view! { <tr><th scope="row">{label}</th><td>{text}</td></tr> };
    let section = move |source: PrometheusStatus| {
        let failed = (source.failures > 0).then(|| format!(", {} failed", format::count(source.failures)));
        let asked = format!("{}{}", format::count(source.questions), failed.unwrap_or_default());
        let last = format!(
            "{} in {}, {} ms",
            format::counted(source.series, "series", "series"),
            format::bytes(source.bytes),
            source.took_ms
        );
        let newest = source.newest_ms;
        view! {
            <section data-testid="source">
                <h2>"Prometheus"</h2>
                {source.problem.map(|problem| view! { <p class="is-warn">{problem} "."</p> })}
                {source.notices.into_iter().map(|notice| view! { <p class="is-warn">{notice}</p> }).collect_view()}
                <table class="facts">
                    <tbody>
                        {fact("Asked at", source.url)}
                        {fact("Every", format::span(source.interval_s))}
                        {fact("Questions", asked)}
                        {fact("Last answer", last)}
                        <tr>
                            <th scope="row">"Newest sample"</th>
                            <td>{move || newest.map_or_else(|| "none".to_owned(), |at| format::ago(live.now_ms(), at))}</td>
                        </tr>
                    </tbody>
                </table>
            </section>
        }
    };
    move || source.get().map(section)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_tells_how_old_the_picture_is_and_why() {
        let source = PrometheusStatus {
            problem: Some("Prometheus answers 502: it is not well".to_owned()),
            problem_since_ms: Some(1_000),
            ..PrometheusStatus::default()
        };
        let status = |prometheus| Status { now_ms: 13_000, prometheus, ..Status::default() };
        let none_yet = trouble(&status(Some(source.clone()))).unwrap();
        assert_eq!(none_yet, "There is no picture yet: Prometheus answers 502: it is not well.");
        let old = trouble(&status(Some(PrometheusStatus { answered_ms: Some(900), ..source }))).unwrap();
        assert!(old.starts_with("This is the picture of 12 s ago: "), "{old}");
        assert_eq!(trouble(&status(Some(PrometheusStatus::default()))), None);
        assert_eq!(trouble(&status(None)), None);
        let notices = vec!["The clock is off.".to_owned()];
        let odd = PrometheusStatus { notices, ..PrometheusStatus::default() };
        assert_eq!(trouble(&status(Some(odd.clone()))).as_deref(), Some("The clock is off."));
        assert_eq!(
            trouble(&status(Some(PrometheusStatus { series: 7, ..odd }))),
            None,
            "that is for the about page"
        );
    }
}
