//! The time that the whole dashboard looks at: window, steps, zoom, comparison and zone.

use leptos::{
    html::{Details, Input},
    prelude::*,
};

use crate::{
    derived::Derived,
    format,
    navigation::Navigation,
    state::live::Live,
    time::{
        Time,
        compare::Compare,
        range::{Range, Span, offered, parse_window, window_key},
        zone,
    },
};

/// The value of the choice that stands for a time that is in no list.
const FIXED: &str = "fixed";

/// The time of the dashboard.
#[component]
pub fn TimeBar() -> impl IntoView {
    let time = expect_context::<Time>();
    let is_live = Derived::new(move || time.range().is_live());
    let step = move |sign: &'static str, name: &'static str, testid: &'static str, by: fn(Time)| {
        view! {
            <button type="button" class="icon" data-testid=testid aria-label=name title=name on:click=move |_| by(time)>{sign}</button>
        }
    };
    view! {
        <div class="timebar" role="group" aria-label="Time">
            {step("\u{2039}", "Earlier by half", "time-back", |time| time.change(Range::back))}
            <Windows />
            {step("\u{203a}", "Later by half", "time-forward", |time| time.change(Range::forward))}
            {step("\u{2212}", "Zoom out: twice as long", "time-out", |time| {
                let kept_ms = untrack(|| time.kept_ms());
                time.change(|range, now_ms| range.zoomed_out(now_ms, kept_ms));
            })}
            <button type="button" class="button golive" data-testid="go-live" hidden=move || is_live.get()
                on:click=move |_| time.go(Range::default())>"Back to live"</button>
            <Exact />
            <Comparison />
            <Zone />
        </div>
    }
}

#[component]
fn Windows() -> impl IntoView {
    let live = expect_context::<Live>();
    let time = expect_context::<Time>();
    let kept_ms = Derived::new(move || time.kept_ms());
    let windows = Derived::new(move || offered(kept_ms.get(), time.range()));
    let still = Derived::new(move || {
        let range = time.range();
        (!range.is_live()).then(|| {
            // Which day is today may change while this is looked at; nothing else of it does.
            range.words(live.now_ms() / 60_000 * 60_000)
        })
    });
    let options = move || {
        let chosen = time.range();
        let window = |window_ms: u64| {
            let range = Range::Live(window_ms);
            view! { <option value=window_key(window_ms) prop:selected=range == chosen>{range.words(0)}</option> }
        };
        windows.get().into_iter().map(window).collect_view()
    };
    let choose = move |event| {
        if let Some(window_ms) = parse_window(&event_target_value(&event)) {
            time.go(Range::Live(window_ms));
        }
    };
    view! {
        <label>
            <span class="sr">"Time that is shown"</span>
            <select data-testid="time-range" on:change=choose>
                {options}
                {move || still.get().map(|words| view! { <option value=FIXED prop:selected=true>{words}</option> })}
            </select>
        </label>
    }
}

/// Fields for the ends of a time.
#[component]
fn Exact() -> impl IntoView {
    let time = expect_context::<Time>();
    let menu = NodeRef::<Details>::new();
    let (from, to) = (NodeRef::<Input>::new(), NodeRef::<Input>::new());
    // What is looked at when it is opened; a live time must not change what somebody is about to write.
    let fill = move |_| {
        let span = untrack(|| time.span());
        for (field, at_ms) in [(from, span.from_ms), (to, span.to_ms)] {
            if let Some(field) = field.get_untracked() {
                field.set_value(&format::field_time(at_ms));
            }
        }
    };
    let show = move |_| {
        let read = |field: NodeRef<Input>| format::parse_field_time(&field.get_untracked()?.value());
        let (Some(from_ms), Some(to_ms)) = (read(from), read(to)) else { return };
        if let Some(menu) = menu.get_untracked() {
            menu.set_open(false);
        }
        time.go(Range::Fixed(Span::between(from_ms, to_ms).widened()));
    };
    let field = move |name: &'static str, testid: &'static str, node: NodeRef<Input>| {
        view! { <label>{name} <input type="datetime-local" step="1" data-testid=testid node_ref=node /></label> }
    };
    view! {
        <details class="menu exact" node_ref=menu>
            <summary data-testid="time-exact" on:click=fill title="Show a time from one moment to another">"from \u{2013} to"</summary>
            <div>
                {field("from", "time-from", from)}
                {field("to", "time-to", to)}
                <button type="button" class="button" data-testid="time-show" on:click=show>"Show this time"</button>
            </div>
        </details>
    }
}

#[component]
fn Comparison() -> impl IntoView {
    let navigation = expect_context::<Navigation>();
    let time = expect_context::<Time>();
    let option = move |compare: Compare| {
        view! {
            <option value=compare.key() prop:selected=move || time.compare() == Some(compare)>{compare.words()}</option>
        }
    };
    view! {
        <label>
            <span class="sr">"Compare with"</span>
            <select data-testid="time-compare" title="An earlier time, drawn dashed"
                on:change=move |event| navigation.set_query("compare", &event_target_value(&event))>
                <option value="" prop:selected=move || time.compare().is_none()>"compare \u{2026}"</option>
                {Compare::ALL.map(option).collect_view()}
            </select>
        </label>
    }
}

#[component]
fn Zone() -> impl IntoView {
    let live = expect_context::<Live>();
    let time = expect_context::<Time>();
    let name = Derived::new(move || {
        let _ = time.utc();
        // The name of the zone of the browser changes twice a year.
        zone::name(live.now_ms() / 3_600_000 * 3_600_000)
    });
    view! {
        <button type="button" class="icon" data-testid="time-zone" title="Times in UTC, or in the zone of this browser"
            aria-pressed=move || if time.utc() { "true" } else { "false" } on:click=move |_| time.set_utc(!untrack(|| time.utc()))>
            <span class="sr">"Times in UTC, and not in the zone of this browser. They are now in: "</span>
            <span class="soft" aria-hidden="true" hidden=move || time.utc()>"local\u{a0}"</span> {move || name.get()}
        </button>
    }
}
