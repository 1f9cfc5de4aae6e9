//! What is fetched when it is needed: the overview comes first, the code of the other pages when one of them is opened.

use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use leptos::prelude::*;
use poolscope_wire::{PoolDetail, PoolPoint, json};
use wasm_bindgen::JsCast;
use wasm_split_helpers::{SplitLoaderError, wasm_split};
use web_sys::Element;

use super::{
    about::About,
    breakers::Breakers,
    events::Events,
    not_found::NotFound,
    overview::{Overview, gone::Gone, log::Log, no_match::NoMatch, sheet::sheet},
    pool::Pool,
    protection::Protection,
    services::Services,
    sessions::SessionsPage,
    trace::Trace,
    traces::Traces,
};
use crate::{
    api, browser,
    components::{
        empty::{Empty, NoData},
        help::KeyTable,
    },
    derived::effect,
    export::{save_csv, save_json},
    format,
    navigation::Navigation,
    route::{Address, Route},
    state::live::Live,
    time::range::Span,
    unread,
};

type Made = Result<AnyView, SplitLoaderError>;
type Later<T> = Pin<Box<dyn Future<Output = T>>>;

/// What is shown somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A page.
    Page(Route),
    /// The keys and what they do.
    Keys,
    /// That nobody has sent anything yet, and what to do.
    NoData,
    /// That there are pools, and none that a search lets through.
    NoMatch,
    /// What was wrong in the time that is looked at.
    WarningLog,
    /// Pools of the time that is looked at that are gone.
    Gone,
}

/// Pieces whose code is fetched together.
struct Part {
    /// Fetches the code, unless it is here.
    load: fn() -> Later<Result<(), SplitLoaderError>>,
    /// Makes the view of a piece; at once if the code is here.
    make: fn(Piece) -> Later<Made>,
}

const HISTORY: Part = Part { load: || Box::pin(load_history()), make: |piece| Box::pin(history(piece)) };
const RECORDS: Part = Part { load: || Box::pin(load_records()), make: |piece| Box::pin(records(piece)) };
const OTHERS: Part = Part { load: || Box::pin(load_others()), make: |piece| Box::pin(others(piece)) };

/// The part that a piece is in; `None` for what comes with the first.
fn part_of(piece: &Piece) -> Option<&'static Part> {
    match piece {
        Piece::Page(Route::Overview | Route::NotFound(_)) => None,
        Piece::Page(Route::Pool(_) | Route::Breakers(_)) => Some(&HISTORY),
        Piece::Page(Route::Events | Route::Traces | Route::Trace(_)) | Piece::WarningLog | Piece::Gone => {
            Some(&RECORDS)
        }
        Piece::Page(Route::Protection | Route::Sessions | Route::Services | Route::About)
        | Piece::Keys
        | Piece::NoData
        | Piece::NoMatch => Some(&OTHERS),
    }
}

/// What was over time.
#[wasm_split(history, fallible, preload(load_history))]
fn history(piece: Piece) -> Made {
    Ok(match piece {
        Piece::Page(Route::Pool(id)) => view! { <Pool id /> }.into_any(),
        Piece::Page(Route::Breakers(marked)) => view! { <Breakers marked /> }.into_any(),
        other => first(other),
    })
}

/// What happened.
#[wasm_split(records, fallible, preload(load_records))]
fn records(piece: Piece) -> Made {
    Ok(match piece {
        Piece::Page(Route::Events) => Events().into_any(),
        Piece::WarningLog => Log().into_any(),
        Piece::Gone => Gone().into_any(),
        Piece::Page(Route::Traces) => Traces().into_any(),
        Piece::Page(Route::Trace(id)) => view! { <Trace id /> }.into_any(),
        other => first(other),
    })
}

/// What there is beside pools and breakers.
#[wasm_split(others, fallible, preload(load_others))]
fn others(piece: Piece) -> Made {
    Ok(match piece {
        Piece::Page(Route::Protection) => Protection().into_any(),
        Piece::Page(Route::Sessions) => SessionsPage().into_any(),
        Piece::Page(Route::Services) => Services().into_any(),
        Piece::Page(Route::About) => About().into_any(),
        Piece::Keys => KeyTable().into_any(),
        Piece::NoData => view! { <NoData alone=true /> }.into_any(),
        Piece::NoMatch => NoMatch().into_any(),
        other => first(other),
    })
}

/// Reads the points of a pool from an answer of the server.
#[wasm_split(seldom, fallible)]
fn points(answer: String) -> Result<Vec<PoolPoint>, SplitLoaderError> {
    Ok(json::read::<PoolDetail>(&answer).map(|detail| detail.points).unwrap_or_default())
}

/// The points of a pool over a time, when the code for that is here; none if there are none to be had.
pub async fn points_of(id: &str, span: Span, max_points: usize) -> Vec<PoolPoint> {
    match api::body(&api::pool_url(id, span, max_points)).await {
        Ok(answer) => points(answer).await.unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

/// Says what of an address can't be read; nothing if all of it can.
#[wasm_split(seldom, fallible)]
fn unread_of(address: String) -> Result<String, SplitLoaderError> {
    let (path, query) = address.split_once('?').unwrap_or((&address, ""));
    Ok(unread::sentence(&Address::parse(path, query)).unwrap_or_default())
}

/// What of the address can't be read, in a sentence, when the code for that is here; `None` before it was needed.
pub fn use_unread(navigation: Navigation) -> RwSignal<Option<String>> {
    let said = RwSignal::new(None);
    effect(move || {
        let address = navigation.text();
        // Most addresses have no query, and need no code for it. Once one had, all are asked about: each is answered after
        // those before it, which waited for the same code.
        if address.contains('?') || said.with_untracked(Option::is_some) {
            said.set(Some(String::new()));
            browser::spawn(async move { said.set(unread_of(address).await.ok()) });
        }
    });
    said
}

/// Hands over a list of pools as a file.
#[wasm_split(seldom, fallible)]
fn files(live: Live, ids: Vec<String>, kind: FileKind) -> Result<(), SplitLoaderError> {
    let now = format::iso_time(live.now_ms_untracked());
    let sheet = live.peek(|store| {
        let entry = |id: &String| store.entry(id).map(|entry| &entry.summary);
        sheet(ids.iter().filter_map(entry), now.clone())
    });
    let name = ["pools".to_owned(), now];
    match kind {
        FileKind::Csv => save_csv(&sheet, &name),
        FileKind::Json => save_json(&sheet, &name),
    }
    Ok(())
}

/// Holds the picture: a copy of all that is in it is code of its own.
#[wasm_split(seldom, fallible)]
fn hold(live: Live) -> Result<(), SplitLoaderError> {
    live.hold();
    Ok(())
}

/// Holds the picture, or lets it go on.
pub fn toggle_hold(live: Live) {
    if !live.let_go() {
        browser::spawn(async move {
            if hold(live).await.is_err() {
                live.trouble
                    .set(Some("The picture could not be held: the server does not answer.".to_owned()));
            }
        });
    }
}

/// What kind of file is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// Rows for a spreadsheet.
    Csv,
    /// Objects for a program.
    Json,
}

/// Hands over a list of pools as a file, when the code for that is here.
pub fn save_pools(live: Live, ids: Vec<String>, kind: FileKind) {
    browser::spawn(async move {
        if files(live, ids, kind).await.is_err() {
            live.trouble.set(Some("The file could not be made: the server does not answer.".to_owned()));
        }
    });
}

/// What comes with the first download.
fn first(piece: Piece) -> AnyView {
    match piece {
        Piece::Page(Route::NotFound(path)) => view! { <NotFound path /> }.into_any(),
        _ => Overview().into_any(),
    }
}

/// Shows a piece; until its part is here, that it is on its way.
#[must_use]
pub fn piece(piece: Piece) -> AnyView {
    let Some(part) = part_of(&piece) else { return first(piece) };
    let loaded = RwSignal::new(None);
    // A piece of a page leaves the rest of it to be seen.
    let unfetched = matches!(piece, Piece::Page(_)).then(|| expect_context::<Live>().unfetched);
    let fetch = move || {
        loaded.set(None);
        browser::spawn(async move {
            let is_here = (part.load)().await.is_ok();
            // What it was for may have been left by now.
            if loaded.try_set(Some(is_here)).is_none()
                && let Some(unfetched) = unfetched
            {
                unfetched.set(!is_here);
            }
        });
    };
    fetch();
    on_cleanup(move || {
        if let Some(unfetched) = unfetched {
            unfetched.set(false);
        }
    });
    (move || match loaded.get() {
        None => view! { <p class="loading" role="status">"Loading \u{2026}"</p> }.into_any(),
        Some(true) => at_once((part.make)(piece.clone())).into_any(),
        Some(false) => failed(fetch),
    })
    .into_any()
}

fn failed(again: impl Fn() + Send + 'static) -> AnyView {
    view! {
        <Empty title="This page could not be fetched">
            <p>"The server does not answer, or is another version than the page you have open."</p>
            <p>
                <button type="button" class="button" on:click=move |_| again()>"Try again"</button>
                " "
                <button type="button" class="button" on:click=move |_| browser::reload()>"Reload"</button>
            </p>
        </Empty>
    }
    .into_any()
}

/// Fetches the part behind a link when somebody points at it or comes to it by the keyboard, so that it is here by the time
/// that the link is followed. A failure shows then.
pub fn fetch_early() {
    for event in ["pointerover", "focusin"] {
        window_event_listener_untyped(event, |event| {
            let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
            let link = target.and_then(|target| target.closest("a[href^='/']").ok().flatten());
            let Some(address) = link.and_then(|link| link.get_attribute("href")) else { return };
            let path = address.split('?').next().unwrap_or_default();
            if let Some(part) = part_of(&Piece::Page(Route::parse(path))) {
                browser::spawn(async move { drop((part.load)().await) });
            }
        });
    }
}

/// The view of a piece whose part is here.
fn at_once(made: impl Future<Output = Made>) -> Option<AnyView> {
    match pin!(made).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(made) => made.ok(),
        Poll::Pending => None,
    }
}
