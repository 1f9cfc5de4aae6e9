//! The line under the header that says why the picture is not moving, or not what the address asks for.

use leptos::prelude::*;

use crate::{
    components::source,
    derived::Derived,
    format,
    navigation::Navigation,
    pages::part,
    state::{connection::Connection, live::Live},
    time::{Time, zone},
};

/// Says that the picture is old, held, that the stream can't be read, or what of the address. Empty while all is well.
#[component]
pub fn Notice() -> impl IntoView {
    let live = expect_context::<Live>();
    let time = expect_context::<Time>();
    let navigation = expect_context::<Navigation>();
    let unread = part::use_unread(navigation);
    let text = Derived::new(move || {
        if let Some(trouble) = live.trouble.get() {
            return Some(format!("The live stream stopped: {trouble}."));
        }
        match live.connection() {
            connection @ (Connection::Lost | Connection::Stale) => {
                silence(connection, live.age_s().is_some(), live.unfetched.get()).map(ToOwned::to_owned)
            }
            _ if live.held() => Some("The picture is held. Press space to let it go on.".to_owned()),
            _ => live.with_status(|store| source::trouble(&store.status)),
        }
    });
    // Told aloud it would never end.
    let age = move || {
        let age_s = match live.connection() {
            Connection::Lost | Connection::Stale => live.age_s(),
            Connection::Connecting | Connection::Live => live.held_for_s(),
        };
        age_s.map(|age_s| view! { <span aria-hidden="true">{format!(" It is {} old.", format::span(age_s))}</span> })
    };
    // A time that stands still is what was asked for: it is said, and is nothing to worry about.
    let still = move || {
        let Some(span) = time.fixed() else { return unread.get().filter(|text| !text.is_empty()) };
        let words = format::span_between(span.from_ms, span.to_ms, live.now_ms());
        Some(format!(
            "This time stands still: {words} ({}), {}. {}",
            zone::name(span.to_ms),
            format::ago(live.now_ms(), span.to_ms),
            unread.get().unwrap_or_default()
        ))
    };
    view! {
        <div role="status">
            {move || text.get().map(|text| view! { <p class="notice" data-testid="notice">{text} {age}</p> })}
        </div>
        <div>
            {move || still().map(|text| view! {
                <section aria-label="What is shown" dir="auto"><p class="notice still" data-testid="still">{text}</p></section>
            })}
        </div>
    }
}

/// What is said while nothing comes; nothing where the page says so itself.
fn silence(connection: Connection, is_known: bool, is_unfetched: bool) -> Option<&'static str> {
    Some(match connection {
        _ if is_unfetched => return None,
        Connection::Lost if !is_known => "The server does not answer. The page keeps trying by itself.",
        Connection::Lost => "The server is lost. This is the last picture. The page keeps trying by itself.",
        _ => "Nothing has come from the server for a while. This is the last picture.",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_picture_is_spoken_only_where_there_is_one() {
        let (lost, stale) = (Connection::Lost, Connection::Stale);
        assert!(
            [lost, stale].into_iter().all(|one| silence(one, true, false).unwrap().contains("last picture"))
        );
        assert!(silence(lost, false, false).is_some_and(|text| !text.contains("picture")));
        assert_eq!(
            [silence(lost, true, true), silence(stale, true, true), silence(lost, false, true)],
            [None; 3]
        );
    }
}
