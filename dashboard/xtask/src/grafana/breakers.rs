//! Breakers: which are open, why, and how near the others are to it.

use super::board::Board;
use super::panel::{BAD, GOOD, Panel, QUIET, WARN};

const BREAKERS: &str = r#"job=~"$service", instance=~"$instance", poolscope_breaker_name=~"$breaker""#;

const BY: &str = "job, poolscope_breaker_name";

const BREAKER: &str = "{{poolscope_breaker_name}}";

/// The states by the number that [`state`] gives them.
const STATES: &[(&str, &str)] = &[
    ("closed", GOOD),
    ("half open", WARN),
    ("open", BAD),
    ("held open", "purple"),
    ("held closed", QUIET),
    ("metrics only", "text"),
];

pub(super) fn board() -> Board {
    Board::new("poolscope-breakers", "Poolscope: breakers", "Circuit breakers over all instances, the worst first.")
        .any("service", "Service", "label_values(poolscope_breaker_state, job)")
        .any("instance", "Instance", r#"label_values(poolscope_breaker_state{job=~"$service"}, instance)"#)
        .any("breaker", "Breaker", r#"label_values(poolscope_breaker_state{job=~"$service", instance=~"$instance"}, poolscope_breaker_name)"#)
        .select("BREAKERS", BREAKERS)
        .select("BY", BY)
        .select("ALERTED", r#"alertname=~"PoolscopeBreaker.+", job=~"$service""#)
        .row("Now", now())
        .row("Breakers", [table(), timeline()])
        .row("What they judge by", judged())
        .row("What they do", done())
}

/// One number for the six series of a breaker, of which one is 1.
fn state(by: &str) -> String {
    let terms: Vec<_> = ["half_open", "open", "forced_open", "forced_closed", "metrics_only"]
        .iter()
        .zip(1..)
        .map(|(state, number)| {
            format!(r#"{number} * max by ({by}) (poolscope_breaker_state{{BREAKERS, poolscope_breaker_state="{state}"}})"#)
        })
        .collect();
    terms.join(" + ")
}

fn now() -> [Panel; 6] {
    let count = |state: &str| {
        format!(r#"sum(poolscope_breaker_state{{BREAKERS, poolscope_breaker_state=~"{state}"}})"#)
    };
    let none = &[(None, GOOD), (Some(1.0), BAD)][..];
    [
        Panel::stat("Open", "Breakers that reject calls, counted once an instance.", "short").query(&count("open"), "").steps(none).size(4, 4),
        Panel::stat("Half open", "Breakers that let a few calls try.", "short").query(&count("half_open"), "").steps(&[(None, GOOD), (Some(1.0), WARN)]).size(4, 4),
        Panel::stat("Held by hand", "Breakers that somebody holds open or closed.", "short").query(&count("forced_open|forced_closed"), "").steps(&[(None, GOOD), (Some(1.0), WARN)]).size(4, 4),
        Panel::stat("Closed", "Breakers that let calls pass.", "short").query(&count("closed"), "").steps(&[(None, QUIET)]).size(4, 4),
        Panel::stat("Rejected", "Calls a second that breakers did not let through.", "reqps")
            .query(r#"sum(rate(poolscope_breaker_calls_total{BREAKERS, poolscope_breaker_outcome="rejected"}[$__rate_interval]))"#, "")
            .steps(&[(None, GOOD), (Some(0.01), BAD)]).size(4, 4),
        Panel::stat("Changes", "Changes of state in the range of time that is shown.", "short")
            .query("sum(increase(poolscope_breaker_transitions_total{BREAKERS}[$__range]))", "").steps(&[(None, QUIET)]).size(4, 4),
    ]
}

fn table() -> Panel {
    let count = |state: &str| {
        format!(r#"sum by (BY) (poolscope_breaker_state{{BREAKERS, poolscope_breaker_state=~"{state}"}})"#)
    };
    Panel::table(
        "Breakers, worst first",
        "The worst state over all instances, and in how many it is open or closed. Shares are the largest of all instances, beside the share at which the breaker opens; empty below its minimum of calls.",
    )
    // The states are numbered by what is worse, but for those that somebody chose.
    .column("state", "none", &format!("max by (BY) ({})", state("BY, instance")))
    .named(STATES)
    .column("open", "short", &count("open|half_open|forced_open"))
    .shaded(&[(None, "transparent"), (Some(1.0), BAD)])
    .column("closed", "short", &count("closed|forced_closed|metrics_only"))
    .column("failed", "percentunit", "max by (BY) (poolscope_breaker_failure_ratio{BREAKERS})")
    .column("opens at", "percentunit", "min by (BY) (poolscope_breaker_failure_limit_ratio{BREAKERS})")
    .column("slow", "percentunit", "max by (BY) (poolscope_breaker_slow_call_ratio{BREAKERS})")
    .column("not connected", "percentunit", "max by (BY) (poolscope_breaker_connect_failure_ratio{BREAKERS})")
    .column("calls", "short", "sum by (BY) (poolscope_breaker_window_calls{BREAKERS})")
    .column("rejected", "reqps", r#"sum by (BY) (rate(poolscope_breaker_calls_total{BREAKERS, poolscope_breaker_outcome="rejected"}[$__rate_interval]))"#)
    .column("next try in", "s", "max by (BY) (poolscope_breaker_open_remaining_seconds{BREAKERS})")
    .worst_first("open")
    .link("breaker", "Only this breaker", "/d/poolscope-breakers?${datasource:queryparam}&var-service=${__data.fields.service}&var-breaker=${__data.fields.breaker}&${__url_time_range}")
}

fn timeline() -> Panel {
    Panel::timeline("States", "The state of each breaker of each instance.", STATES)
        .query(&state("BY, instance"), "{{poolscope_breaker_name}} {{instance}}")
}

fn judged() -> [Panel; 4] {
    let share = |title, description, name: &str| {
        Panel::series(title, description, "percentunit")
            .size(6, 8)
            .query(&format!("max by (BY) (poolscope_breaker_{name}_ratio{{BREAKERS}})"), BREAKER)
            .query(
                &format!("min by (BY) (poolscope_breaker_{name}_limit_ratio{{BREAKERS}})"),
                "opens at: {{poolscope_breaker_name}}",
            )
            .dashed("/^opens at/")
    };
    [
        share(
            "Failed calls",
            "Share of failed calls in the window, the largest of all instances, and the share at which the breaker opens.",
            "failure",
        ),
        share(
            "Slow calls",
            "Share of calls in the window that took too long; only where that is judged.",
            "slow_call",
        ),
        share(
            "Calls without a connection",
            "Share of calls in the window for which nothing could be connected.",
            "connect_failure",
        ),
        Panel::series(
            "Calls in the window",
            "A breaker does not judge fewer calls than its minimum.",
            "short",
        )
        .query("sum by (BY) (poolscope_breaker_window_calls{BREAKERS})", BREAKER)
        .size(6, 8),
    ]
}

fn done() -> [Panel; 4] {
    [
        Panel::series("Calls by outcome", "Calls a second that breakers let through or rejected.", "reqps")
            .query("sum by (poolscope_breaker_outcome) (rate(poolscope_breaker_calls_total{BREAKERS}[$__rate_interval]))", "{{poolscope_breaker_outcome}}").stacked().size(6, 8),
        Panel::series("Rejected calls", "Calls a second that a breaker did not let through.", "reqps")
            .query(r#"sum by (BY) (rate(poolscope_breaker_calls_total{BREAKERS, poolscope_breaker_outcome="rejected"}[$__rate_interval]))"#, BREAKER).size(6, 8),
        Panel::series("Changes by reason", "Changes of state within a minute, and why.", "short")
            .query("sum by (poolscope_breaker_name, poolscope_breaker_from, poolscope_breaker_to, poolscope_breaker_reason) (increase(poolscope_breaker_transitions_total{BREAKERS}[1m]))", "{{poolscope_breaker_name}}: {{poolscope_breaker_from}} to {{poolscope_breaker_to}}, {{poolscope_breaker_reason}}").size(6, 8),
        Panel::series("Time until the next try", "0 for a breaker that is not open.", "s")
            .query("max by (BY) (poolscope_breaker_open_remaining_seconds{BREAKERS})", BREAKER).size(6, 8),
    ]
}
