//! The server about itself: what it received, what it dropped, and how to send to it.

use leptos::prelude::*;
use poolscope_wire::{Limit, RuleSetting, Status, StoreFile, Unit, path};

use super::health::{Access, Browsers, Losses, Signals};
use crate::{
    components::{
        bar::Bar,
        copy::CopyLines,
        empty::{Waiting, sender_lines},
        help::KeyTable,
        loaded::{Loaded, use_loaded},
        source::Source,
    },
    derived::Derived,
    format,
    state::live::Live,
};

/// From this share on a limit is worth a look.
const NEARLY_FULL: f64 = 0.8;

/// The about page. Before the first picture nothing of the server is known.
#[component]
pub fn About() -> impl IntoView {
    let live = expect_context::<Live>();
    let is_filled = Derived::new(move || live.with_list(|store| store.filled));
    view! {
        <div class="pagehead"><h1>"About this server"</h1></div>
        {move || match is_filled.get() {
            true => view! { <Told /> }.into_any(),
            false => view! { <Waiting /> }.into_any(),
        }}
    }
}

/// What the server tells about itself.
#[component]
fn Told() -> impl IntoView {
    let live = expect_context::<Live>();
    let status = Derived::new(move || live.with_status(|store| store.status.clone()));
    let lines = Derived::new(move || status.with(sender_lines));
    let own = Derived::new(move || status.with(|status| status.own.clone()));
    let fact = move |label: &'static str, read: fn(&Status) -> String| {
        view! { <tr><th scope="row">{label}</th><td>{move || status.with(read)}</td></tr> }
    };
    let running =
        move || format::span(live.now_ms().saturating_sub(status.with(|status| status.started_ms)) / 1_000);
    view! {
        <div class="columns">
            <section>
                <h2>"Server"</h2>
                <table class="facts">
                    <tbody>
                        {fact("Poolscope", |status| status.version.clone())}
                        <tr>
                            <th scope="row">"Running for"</th>
                            <td title=move || format::exact_time(status.with(|status| status.started_ms))>{running}</td>
                        </tr>
                        {fact("Takes OTLP over gRPC at", |status| status.otlp_grpc.clone())}
                        {fact("Takes OTLP over HTTP at", |status| status.otlp_http.clone())}
                        {fact("Keeps history in", store_file)}
                        {fact("Memory", |status| status.own.memory_bytes.map_or("not known here".to_owned(), format::bytes))}
                        {fact("Browsers that watch", |status| format::count(status.streams))}
                        <tr>
                            <th scope="row">"Full pictures because this browser was too slow"</th>
                            <td>{move || format::count(live.lagged.get())}</td>
                        </tr>
                    </tbody>
                </table>
            </section>
            <Source />
            <section>
                <h2>"Received"</h2>
                <Signals own />
            </section>
            <section>
                <h2>"Refused and cut off"</h2>
                <Losses own />
            </section>
            <section data-testid="access">
                <h2>"Access"</h2>
                <Access own />
            </section>
            <section>
                <h2>"Who looks"</h2>
                <Browsers own />
            </section>
            <section>
                <h2>"Limits"</h2>
                <p class="soft">"Memory is bounded. What does not fit is dropped, the oldest first, or refused, and counted here."</p>
                <Limits limits=Derived::new(move || status.with(|status| status.limits.clone())) />
            </section>
            <section>
                <h2>"Send data here"</h2>
                <p>"Any OpenTelemetry sender works. In the environment of a service:"</p>
                <CopyLines text=lines />
            </section>
            <section>
                <h2>"Rules"</h2>
                <p class="soft">"What is looked at, and from where on it is told. A limit is set by "
                    <code>"--rule low_reuse=0.4"</code>", with what is bad by "<code>"--rule long_waits=0.2/2"</code>
                    "; "<code>"--rule leak=off"</code>" turns a rule off."</p>
                <Rules />
            </section>
            <section>
                <h2>"Keyboard"</h2>
                <KeyTable />
            </section>
        </div>
    }
}

/// The file of the history, or why there is none.
fn store_file(status: &Status) -> String {
    match &status.store_file {
        None => "memory alone; --store FILE keeps it over restarts".to_owned(),
        Some(StoreFile { problem: Some(problem), .. }) => problem.clone(),
        Some(file) => {
            let (used, max) = (format::bytes(file.bytes), format::bytes(file.max_bytes));
            format!("{}, {used} of {max}", file.path)
        }
    }
}

#[component]
fn Limits(limits: Derived<Vec<Limit>>) -> impl IntoView {
    let row = |limit: Limit| {
        let share = if limit.max == 0 { 0.0 } else { limit.used as f64 / limit.max as f64 };
        let class = if share >= NEARLY_FULL { "c-warn" } else { "c-soft" };
        let fill = fill(&limit);
        let hits = (limit.hits > 0).then(
            || view! { <span class="is-warn">{format!("{}\u{d7} reached", format::count(limit.hits))}</span> },
        );
        view! {
            <tr>
                <th scope="row">{limit.name}</th>
                <td class="wide"><Bar share=share class=class /></td>
                <td class="number">{fill}</td>
                <td class="number">{hits}</td>
            </tr>
        }
    };
    view! { <table class="facts limits"><tbody>{move || limits.get().into_iter().map(row).collect_view()}</tbody></table> }
}

/// How full a limit is. What bounds each single thing is not used up.
fn fill(limit: &Limit) -> String {
    let figure = if limit.is_bytes { format::bytes } else { format::count };
    match limit.used {
        0 => format!("at most {}", figure(limit.max)),
        used => format!("{} of {}", figure(used), figure(limit.max)),
    }
}

/// What is looked at, and from where on it is told.
#[component]
fn Rules() -> impl IntoView {
    let live = expect_context::<Live>();
    let address = || path::RULES.to_owned();
    // They are those that the server was started with.
    let rules: RwSignal<Loaded<Vec<RuleSetting>>> = use_loaded(live, address().into(), address, || false);
    let row = |rule: RuleSetting| {
        let set = rule.is_set.then(|| view! { <span class="under">"set here"</span> });
        view! {
            <tr data-testid="rule-row" data-rule=rule.rule.key()>
                <th scope="row">{rule.title.clone()} <span class="block mono">{rule.rule.key()}</span></th>
                <td>{level(&rule)} {set}</td>
                <td class="why"><details><summary>"why"<span class="sr">{format!(": {}", rule.title)}</span></summary>{rule.advice}</details></td>
            </tr>
        }
    };
    view! {
        {move || rules.with(|rules| match (rules.ready(), rules.failure()) {
            (Some(rules), _) => {
                let rows = rules.iter().cloned().map(row).collect_view();
                view! { <table class="facts rules"><tbody>{rows}</tbody></table> }.into_any()
            }
            (None, Some(failure)) => view! { <p class="is-warn" role="status">{failure.to_string()}</p> }.into_any(),
            (None, None) => view! { <p class="soft">"Reading the rules \u{2026}"</p> }.into_any(),
        })}
    }
}

/// From where on a rule warns, in words.
fn level(rule: &RuleSetting) -> String {
    let Some(level) = rule.level else { return "off".to_owned() };
    let figure = |value: f64| match rule.unit {
        Unit::Share => format::percent(value),
        Unit::Seconds => format::duration(value),
        Unit::Count | Unit::Fact => format::number(value),
    };
    if rule.unit == Unit::Fact {
        return "on".to_owned();
    }
    let side = match (rule.rule.is_below(), level.warn > 0.0) {
        (true, _) => format!("below {}", figure(level.warn)),
        (false, true) => format!("from {}", figure(level.warn)),
        (false, false) => "any".to_owned(),
    };
    level.bad.map_or_else(|| side.clone(), |bad| format!("{side}, bad from {}", figure(bad)))
}

#[cfg(test)]
mod tests {
    use poolscope_wire::{Level, Rule};

    use super::*;

    #[test]
    fn how_full_a_limit_is_has_its_unit() {
        assert_eq!(fill(&Limit::new("pools", 3, 2_000, 0)), "3 of 2,000");
        assert_eq!(fill(&Limit::of_bytes("bytes of history", 5 << 20, 512 << 20, 0)), "5 MiB of 512 MiB");
        assert_eq!(fill(&Limit::of_bytes("bytes of a text", 0, 512, 0)), "at most 512 B");
    }

    #[test]
    fn limits_are_told_in_their_unit() {
        let rule = |rule: Rule, level: Option<Level>| {
            let unit = rule.unit();
            let (title, advice) = (String::new(), String::new());
            super::level(&RuleSetting { rule, title, advice, unit, level, is_set: false })
        };
        let usual = |one: Rule| rule(one, Some(one.default_level()));
        assert_eq!(usual(Rule::LowReuse), "below 50 %");
        assert_eq!(usual(Rule::LongWaits), "from 100 ms, bad from 1 s");
        assert_eq!(usual(Rule::FailedConnects), "any, bad from 50 %");
        assert_eq!(usual(Rule::StaleRace), "from 3");
        assert_eq!(usual(Rule::Probe), "on");
        assert_eq!(rule(Rule::Leak, None), "off");
    }
}
