//! What is shown where there is nothing: why, and what makes something appear.

use leptos::prelude::*;
use poolscope_wire::{Limit, Status};

use super::copy::CopyLines;
use crate::{
    derived::Derived,
    navigation::Navigation,
    state::{connection::Connection, live::Live},
};

/// A place with nothing to show.
#[component]
pub fn Empty(
    /// What is not there, in a few words.
    #[prop(into)]
    title: String,
    /// True where it is the whole page, which has no other title then.
    #[prop(optional)]
    alone: bool,
    /// Why, and what to do.
    children: Children,
) -> impl IntoView {
    let title =
        if alone { view! { <h1>{title}</h1> }.into_any() } else { view! { <h2>{title}</h2> }.into_any() };
    view! {
        <section class="empty" data-testid="empty-state">
            {title}
            {children()}
        </section>
    }
}

/// The lines that make an application send here.
#[must_use]
pub fn sender_lines(status: &Status) -> String {
    let otlp_http = &*status.otlp_http;
    let address = if otlp_http.is_empty() { "127.0.0.1:4318" } else { otlp_http };
    let endpoint =
        if address.contains("://") { address.to_owned() } else { format!("http://{}", reachable(address)) };
    let key = if status.own.asks_for_key {
        "\nexport OTEL_EXPORTER_OTLP_HEADERS=x-otlp-api-key=<the key>"
    } else {
        ""
    };
    format!(
        "export OTEL_SERVICE_NAME=my-service\n\
         export OTEL_EXPORTER_OTLP_ENDPOINT={endpoint}\n\
         export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf{key}"
    )
}

/// An address that takes from everywhere is nowhere to send to.
fn reachable(address: &str) -> String {
    for everywhere in ["0.0.0.0:", "[::]:"] {
        if let Some(port) = address.strip_prefix(everywhere) {
            return format!("127.0.0.1:{port}");
        }
    }
    address.to_owned()
}

/// There is no picture yet.
#[component]
pub fn Waiting(
    /// True where it is the whole page.
    #[prop(optional)]
    alone: bool,
) -> impl IntoView {
    let live = expect_context::<Live>();
    view! {
        {move || {
            if let Some(trouble) = live.trouble.get() {
                view! { <Empty title="The server sends no picture" alone><p>{trouble} "."</p></Empty> }.into_any()
            } else if live.connection() == Connection::Lost {
                view! {
                    <Empty title="The server does not answer" alone>
                        <p>"Is it running? Start it with " <code>"poolscope-dashboard"</code>
                            ". This page connects by itself as soon as it is there."</p>
                    </Empty>
                }
                .into_any()
            } else {
                view! { <p class="loading" role="status">"Waiting for the first picture \u{2026}"</p> }.into_any()
            }
        }}
    }
}

/// The service that is chosen has none of something that others may have.
#[component]
pub fn NoneOfService(
    /// What it has none of.
    what: &'static str,
) -> impl IntoView {
    let navigation = expect_context::<Navigation>();
    let title = move || format!("{} has no {what}", navigation.query("service"));
    view! {
        <section class="empty" data-testid="none-of-service">
            <h2 dir="auto">{title}</h2>
            <p>"Only what is of this service is shown."</p>
            <p><a class="button" href=move || navigation.link_with("service", "") data-stop data-testid="all-services">"Show all services"</a></p>
        </section>
    }
}

/// Nobody has sent anything yet.
#[component]
pub fn NoData(
    /// True where it is the whole page.
    #[prop(optional)]
    alone: bool,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let lines = Derived::new(move || live.with_status(|store| sender_lines(&store.status)));
    let requests = move || live.with_status(|store| store.status.received.requests);
    let forgotten = Derived::new(move || live.with_status(|store| has_history(&store.status)));
    let is_asked = Derived::new(move || live.with_status(|store| store.status.prometheus.is_some()));
    let knows = Derived::new(move || live.with_status(|store| knows_source(&store.status)));
    let asks = move || {
        let about = || view! { <a href="/about" data-stop>"About page"</a> };
        if !knows.get() {
            return view! {
                <Empty title="Nothing is known yet" alone>
                    <p>"The figures are those that Prometheus has, and there is no answer of it so far. They appear by themselves as soon as there is one."</p>
                    <p class="soft">"How it goes with asking is on the " {about()} "."</p>
                </Empty>
            }
            .into_any();
        }
        view! {
            <Empty title="No pools yet" alone>
                <p>"The figures are those that Prometheus has, and it has none of connection pools, or not where this dashboard may look."</p>
                <p class="soft">"A service tells them to a collector that Prometheus scrapes. How it goes with asking is on the "
                    {about()} "."</p>
            </Empty>
        }
        .into_any()
    };
    let takes = move || {
        let title = if forgotten.get() { "No pool reports now" } else { "No pools yet" };
        view! {
        <Empty title alone>
            <p>"Start a service with these lines in its environment, and its connection pools appear here within seconds."</p>
            <CopyLines text=lines />
            <p class="soft">
                {move || match requests() {
                    _ if forgotten.get() => "Pools were reported, and have been silent for so long that they left the list. Their history is kept: the overview of a time that has passed lists those that were there.".to_owned(),
                    0 => "Nothing has been received so far.".to_owned(),
                    1 => "One OTLP request has been received, and there was no pool in it.".to_owned(),
                    n => format!("{n} OTLP requests have been received, and there was no pool in them."),
                }}
                " To see it with made-up traffic: "
                <code>"cargo xtask demo"</code>
                "."
            </p>
        </Empty>
    }
    .into_any()
    };
    move || if is_asked.get() { asks() } else { takes() }
}

/// True if Prometheus answers, so that what it does not have can be said.
fn knows_source(status: &Status) -> bool {
    let source = status.prometheus.as_ref();
    source.is_some_and(|source| source.answered_ms.is_some() && source.problem.is_none())
}

/// True if there are pools that are silent for so long that no list has them.
fn has_history(status: &Status) -> bool {
    status.limits.iter().any(|limit| limit.name == Limit::SILENT_POOLS && limit.used > 0)
}

#[cfg(test)]
mod tests {
    use poolscope_wire::PrometheusStatus;

    use super::*;

    #[test]
    fn pools_that_left_the_list_are_not_denied() {
        let status =
            |used| Status { limits: vec![Limit::new(Limit::SILENT_POOLS, used, 9, 0)], ..Status::default() };
        assert!(has_history(&status(1)) && !has_history(&status(0)) && !has_history(&Status::default()));
    }

    #[test]
    fn of_a_source_that_does_not_answer_nothing_is_claimed() {
        let asked = |answered_ms, problem: Option<&str>| {
            let problem = problem.map(str::to_owned);
            let source = PrometheusStatus { answered_ms, problem, ..PrometheusStatus::default() };
            knows_source(&Status { prometheus: Some(source), ..Status::default() })
        };
        assert!(asked(Some(1), None));
        assert!(!asked(None, None) && !asked(None, Some("down")) && !asked(Some(1), Some("down")));
    }

    #[test]
    fn the_lines_name_an_address_that_can_be_reached() {
        let lines =
            |otlp_http: &str| sender_lines(&Status { otlp_http: otlp_http.to_owned(), ..Status::default() });
        assert!(lines("127.0.0.1:9999").contains("ENDPOINT=http://127.0.0.1:9999\n"));
        assert!(lines("0.0.0.0:4318").contains("ENDPOINT=http://127.0.0.1:4318\n"));
        assert!(lines("[::]:4318").contains("ENDPOINT=http://127.0.0.1:4318\n"));
        assert!(lines("https://otlp.example").contains("ENDPOINT=https://otlp.example\n"));
        assert_eq!(lines("").lines().count(), 3);
    }

    #[test]
    fn where_a_key_is_wanted_the_lines_say_where_it_goes() {
        let mut status = Status::default();
        status.own.asks_for_key = true;
        assert!(sender_lines(&status).ends_with("OTEL_EXPORTER_OTLP_HEADERS=x-otlp-api-key=<the key>"));
    }
}
