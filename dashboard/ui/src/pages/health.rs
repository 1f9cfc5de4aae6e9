//! The server's own health, as a part of the About page: access, what came in, what was lost, and who looks.

use leptos::prelude::*;
use poolscope_wire::{Browser, Loss, Own, SignalFigures, path};

use crate::{derived::Derived, format, state::live::Live};

/// What is asked of whoever looks and sends, and the way out.
#[component]
pub fn Access(
    /// What the server tells of itself.
    own: Derived<Own>,
) -> impl IntoView {
    let fact = move |label: &'static str, read: fn(&Own) -> &'static str| {
        view! { <tr><th scope="row">{label}</th><td>{move || own.with(read)}</td></tr> }
    };
    let asks_for_login = Derived::new(move || own.with(|own| own.asks_for_login));
    let failed = Derived::new(move || own.with(|own| own.failed_reloads));
    view! {
        <table class="facts">
            <tbody>
                {fact("To look", |own| if own.asks_for_login { "a login" } else { "no login, whoever reaches the page" })}
                {fact("To send", |own| if own.asks_for_key { "a key" } else { "no key, whoever reaches the port" })}
                {fact("To hold breakers", |own| match own.offers_control {
                    true => "on: whoever has logged in may, where the application allows it",
                    false => "off: nothing here changes an application",
                })}
                {fact("On the way", |own| if own.has_tls { "TLS" } else { "readable: no TLS here" })}
            </tbody>
        </table>
        {move || {
            (failed.get() > 0)
                .then(|| view! {
                    <p class="is-warn">
                        "Certificates or keys changed and could not be used " {format::count(failed.get())}
                        "\u{d7}; what was in force stays. The log of the server says why."
                    </p>
                })
        }}
        {move || {
            asks_for_login
                .get()
                .then(|| view! {
                    // A form and no script: the answer is the page to log in.
                    <form method="post" action=path::LOGOUT>
                        <button class="button" data-testid="logout">"Log out"</button>
                    </form>
                })
        }}
    }
}

/// What came in, by signal.
#[component]
pub fn Signals(
    /// What the server tells of itself.
    own: Derived<Own>,
) -> impl IntoView {
    let row = |of: SignalFigures| {
        let figure = |value: u64, is_loss: bool| {
            let class = if is_loss && value > 0 { "number is-warn" } else { "number" };
            view! { <td class=class>{format::count(value)}</td> }
        };
        view! {
            <tr>
                <th scope="row">{items(&of.signal)}</th>
                {figure(of.requests, false)} {figure(of.items, false)} {figure(of.rejected, true)}
                {figure(of.refused, true)}
            </tr>
        }
    };
    view! {
        <table class="facts signals">
            <thead>
                <tr>
                    <th scope="col">"Signal"</th>
                    <th scope="col" class="number">"Requests taken"</th>
                    <th scope="col" class="number">"Items in them"</th>
                    <th scope="col" class="number">"Items rejected"</th>
                    <th scope="col" class="number">"Requests refused"</th>
                </tr>
            </thead>
            <tbody>{move || own.with(|own| own.signals.clone()).into_iter().map(row).collect_view()}</tbody>
        </table>
    }
}

/// What a signal is made of.
fn items(signal: &str) -> String {
    match signal {
        "metrics" => "metric points".to_owned(),
        "traces" => "spans".to_owned(),
        "logs" => "log records".to_owned(),
        other => other.to_owned(),
    }
}

/// What was refused or cut off, and why.
#[component]
pub fn Losses(
    /// What the server tells of itself.
    own: Derived<Own>,
) -> impl IntoView {
    let losses = Derived::new(move || own.with(|own| own.losses.clone()));
    let row = |loss: Loss| {
        view! { <tr><th scope="row">{loss.what}</th><td class="number">{format::count(loss.count)}</td></tr> }
    };
    view! {
        {move || losses.with(Vec::is_empty).then(|| view! { <p class="soft">"Nothing so far."</p> })}
        <table class="facts"><tbody>{move || losses.get().into_iter().map(row).collect_view()}</tbody></table>
    }
}

/// Who looks, and who of them lags.
#[component]
pub fn Browsers(
    /// What the server tells of itself.
    own: Derived<Own>,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let browsers = Derived::new(move || own.with(|own| own.browsers.clone()));
    let row = move |browser: Browser| {
        let since = browser.since_ms;
        let state = if browser.lags { "lags, gets the whole picture again" } else { "keeps up" };
        let class = if browser.lags { "is-warn" } else { "" };
        view! {
            <tr>
                <th scope="row">
                    {browser.network}
                    <span class="soft block">"since " {move || format::ago(live.now_ms(), since)}</span>
                </th>
                <td class=class>{state}</td>
                <td class="number">{format!("{} waiting", format::count(browser.queued))}</td>
                <td class="number">{format!("{} resyncs", format::count(browser.resyncs))}</td>
            </tr>
        }
    };
    view! { <table class="facts"><tbody>{move || browsers.get().into_iter().map(row).collect_view()}</tbody></table> }
}
