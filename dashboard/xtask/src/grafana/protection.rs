//! Retries, timeouts, limits, the guard of resources and health probes.

use super::board::Board;
use super::panel::{BAD, GOOD, Panel, WARN};

const PROCESS: &str = r#"job=~"$service", instance=~"$instance""#;

/// The states by the number that the query of the timeline gives them.
const HEALTH: &[(&str, &str)] =
    &[("healthy", GOOD), ("degraded", WARN), ("failing", BAD), ("not probed yet", "text")];

pub(super) fn board() -> Board {
    Board::new(
        "poolscope-protection",
        "Poolscope: protection",
        "Retries, timeouts, limits, resources and health probes.",
    )
    .any("service", "Service", "label_values(poolscope_connection_opened_total, job)")
    .any(
        "instance",
        "Instance",
        r#"label_values(poolscope_connection_opened_total{job=~"$service"}, instance)"#,
    )
    .select("PROCESS", PROCESS)
    .select("ALERTED", r#"alertname=~"Poolscope(Retry|Timeouts|Limit|Guard|Probe).+", job=~"$service""#)
    .row("Retries", retries())
    .row("Timeouts", timeouts())
    .row("Limits", limits())
    .row("Resources", resources())
    .row("Health", health())
}

fn retries() -> [Panel; 6] {
    [
        Panel::series("Attempts beyond the first, for each call", "What retries add to the load of a destination.", "percentunit")
            .query("(sum by (job, poolscope_retry_name) (rate(poolscope_retry_attempts_total{PROCESS}[$__rate_interval])) or 0 * sum by (job, poolscope_retry_name) (rate(poolscope_retry_calls_total{PROCESS}[$__rate_interval]))) / sum by (job, poolscope_retry_name) (rate(poolscope_retry_calls_total{PROCESS}[$__rate_interval]))", "{{job}} {{poolscope_retry_name}}"),
        Panel::series("Calls by outcome", "How calls under a retry policy ended, a second.", "reqps")
            .query("sum by (poolscope_retry_outcome) (rate(poolscope_retry_calls_total{PROCESS}[$__rate_interval]))", "{{poolscope_retry_outcome}}").stacked(),
        Panel::series("Attempts by reason", "What caused the attempts beyond the first, a second.", "reqps")
            .query("sum by (poolscope_retry_reason) (rate(poolscope_retry_attempts_total{PROCESS}[$__rate_interval]))", "{{poolscope_retry_reason}}").stacked(),
        Panel::series("Refused by the budget", "Share of calls whose retry was due and not paid for.", "percentunit")
            .query(r#"sum by (job, poolscope_retry_name) (rate(poolscope_retry_calls_total{PROCESS, poolscope_retry_outcome="budget_refused"}[$__rate_interval])) / sum by (job, poolscope_retry_name) (rate(poolscope_retry_calls_total{PROCESS}[$__rate_interval]))"#, "{{job}} {{poolscope_retry_name}}"),
        Panel::series("What callers see", "Results of calls a second, whatever was tried again before.", "reqps")
            .query("sum by (http_response_status_code, error_type) (rate(poolscope_retry_results_total{PROCESS}[$__rate_interval]))", "{{http_response_status_code}}{{error_type}}").stacked(),
        Panel::series("Wait before a retry", "Time that a call waited before it was tried again.", "s")
            .percentiles("poolscope_retry_delay_seconds_bucket{PROCESS}"),
    ]
}

fn timeouts() -> [Panel; 3] {
    [
        Panel::series("Fired", "Share of calls that ran into a timeout, by its name.", "percentunit")
            .query(r#"sum by (job, poolscope_timeout_name) (rate(poolscope_timeout_calls_total{PROCESS, poolscope_timeout_outcome="fired"}[$__rate_interval])) / sum by (job, poolscope_timeout_name) (rate(poolscope_timeout_calls_total{PROCESS}[$__rate_interval]))"#, "{{job}} {{poolscope_timeout_name}}"),
        Panel::series("Share of the limit used, p99", "How near calls come to a timeout. Far below it the timeout protects from nothing.", "percentunit")
            .query("histogram_quantile(0.99, sum by (job, poolscope_timeout_name, le) (rate(poolscope_timeout_budget_used_bucket{PROCESS}[$__rate_interval])))", "{{job}} {{poolscope_timeout_name}}"),
        Panel::series("Limit", "A timeout that adapts has one for each destination.", "s")
            .query("max by (job, poolscope_timeout_name, server_address) (poolscope_timeout_limit_seconds{PROCESS})", "{{job}} {{poolscope_timeout_name}} {{server_address}}"),
    ]
}

fn limits() -> [Panel; 4] {
    let limit = "{{poolscope_client_name}} {{server_address}}";
    [
        Panel::series("Places in use", "Share of places that are taken. Without a server it is the limit of a client over all destinations.", "percentunit")
            .query("sum by (job, poolscope_client_name, server_address, server_port) (poolscope_limit_in_use{PROCESS}) / sum by (job, poolscope_client_name, server_address, server_port) (poolscope_limit_max{PROCESS})", limit).size(6, 8),
        Panel::series("Waiting for a place", "Requests that wait for their turn, and the most that may.", "short")
            .query("sum by (job, poolscope_client_name, server_address, server_port) (poolscope_limit_queued{PROCESS})", limit)
            .query("sum by (job, poolscope_client_name, server_address, server_port) (poolscope_limit_queue_max{PROCESS})", "most: {{poolscope_client_name}} {{server_address}}")
            .dashed("/^most/").size(6, 8),
        Panel::series("What came of asking", "Requests a second that asked for a place.", "reqps")
            .query("sum by (poolscope_limit_outcome) (rate(poolscope_limit_calls_total{PROCESS}[$__rate_interval]))", "{{poolscope_limit_outcome}}").stacked().size(6, 8),
        Panel::series("Oldest wait", "How long the oldest of those has waited who wait now.", "s")
            .query("max by (job, poolscope_client_name, server_address) (poolscope_limit_oldest_wait_seconds{PROCESS})", limit).size(6, 8),
    ]
}

fn resources() -> [Panel; 3] {
    [
        Panel::series("Used", "How much of a resource the process uses, and from where on it warns and refuses. Memory has a panel of its own.", "short")
            .query(r#"max by (job, instance, poolscope_resource_name) (poolscope_resource_usage{PROCESS, poolscope_resource_name!="memory"})"#, "{{poolscope_resource_name}} {{instance}}")
            .query(r#"min by (job, poolscope_resource_name, poolscope_resource_limit_kind) (poolscope_resource_limit{PROCESS, poolscope_resource_name!="memory"})"#, "{{poolscope_resource_limit_kind}} limit of {{poolscope_resource_name}}")
            .dashed("/limit of/"),
        Panel::series("Memory used", "Bytes of memory of the process.", "bytes")
            .query(r#"max by (job, instance) (poolscope_resource_usage{PROCESS, poolscope_resource_name="memory"})"#, "{{job}} {{instance}}"),
        Panel::series("Refused requests", "Requests a second that were refused because a resource was used up.", "reqps")
            .query("sum by (job, poolscope_resource_name) (rate(poolscope_resource_refused_total{PROCESS}[$__rate_interval]))", "{{job}} {{poolscope_resource_name}}"),
    ]
}

fn health() -> [Panel; 4] {
    let state = |number: u32, state: &str| {
        format!(
            r#"{number} * max by (job, instance, poolscope_health_name) (poolscope_health_state{{PROCESS, poolscope_health_state="{state}"}})"#
        )
    };
    let states = [state(1, "degraded"), state(2, "failing"), state(3, "unknown")].join(" + ");
    [
        Panel::timeline("Destinations", "What probes say of each destination.", HEALTH).query(&states, "{{poolscope_health_name}} {{instance}}"),
        Panel::series("Probes", "Probes a second by outcome.", "cps")
            .query("sum by (poolscope_health_name, poolscope_health_outcome) (rate(poolscope_health_probes_total{PROCESS}[$__rate_interval]))", "{{poolscope_health_name}} {{poolscope_health_outcome}}"),
        Panel::series("Duration of probes", "Those too that ran into their timeout.", "s")
            .percentiles("poolscope_health_probe_duration_seconds_bucket{PROCESS}"),
        Panel::series("Last probe", "Time since the last probe; a line that rises is one that nobody probes any more.", "s")
            .query("max by (job, instance, poolscope_health_name) (poolscope_health_probe_age_seconds{PROCESS})", "{{poolscope_health_name}} {{instance}}"),
    ]
}
