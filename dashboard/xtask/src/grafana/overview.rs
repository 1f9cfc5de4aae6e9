//! All pools, worst first.

use super::board::Board;
use super::panel::{BAD, GOOD, Panel, QUIET, WARN};

/// What a query of this board is about: every variable may have several values.
const POOLS: &str =
    r#"job=~"$service", instance=~"$instance", poolscope_client_name=~"$client", server_address=~"$server""#;

/// What tells pools apart, over all instances of a service.
const BY: &str = "job, poolscope_client_name, url_scheme, server_address, server_port";

const POOL: &str = "{{poolscope_client_name}} {{server_address}}:{{server_port}}";

const TO_POOL: &str = "/d/poolscope-pool?${datasource:queryparam}&var-service=${__data.fields.service}&var-client=${__data.fields.client}&var-scheme=${__data.fields.scheme}&var-server=${__data.fields.server}&var-port=${__data.fields.port}&${__url_time_range}";

const TO_TRACES: &str = "/explore?schemaVersion=1&panes=%7B%22t%22%3A%7B%22datasource%22%3A%22poolscope-jaeger%22%2C%22queries%22%3A%5B%7B%22refId%22%3A%22A%22%2C%22queryType%22%3A%22search%22%2C%22service%22%3A%22${__data.fields.service}%22%7D%5D%2C%22range%22%3A%7B%22from%22%3A%22${__from}%22%2C%22to%22%3A%22${__to}%22%7D%7D%7D";

pub(super) fn board() -> Board {
    let of = |metric: &str, label: &str, more: &str| format!("label_values({metric}{{{more}}}, {label})");
    let opened = "poolscope_connection_opened_total";
    Board::new(
        "poolscope-overview",
        "Poolscope: pools",
        "Every HTTP connection pool of the fleet, the worst first.",
    )
    .any("service", "Service", &of(opened, "job", ""))
    .any("instance", "Instance", &of(opened, "instance", r#"job=~"$service""#))
    .any(
        "client",
        "Client",
        &of(opened, "poolscope_client_name", r#"job=~"$service", instance=~"$instance""#),
    )
    .any(
        "server",
        "Server",
        &of(
            opened,
            "server_address",
            r#"job=~"$service", instance=~"$instance", poolscope_client_name=~"$client""#,
        ),
    )
    .select("POOLS", POOLS)
    .select("PROCESS", r#"job=~"$service", instance=~"$instance""#)
    .select("ALERTED", r#"alertname=~"Poolscope.+", job=~"$service|""#)
    .select("BY", BY)
    .row("Now", now())
    .row("Pools", [pools()])
    .row("Load and waits", load())
    .row("Connections", connections())
    .row("What is not seen", unseen())
}

fn now() -> [Panel; 8] {
    let quiet = &[(None, QUIET)][..];
    let none = &[(None, GOOD), (Some(1.0), BAD)][..];
    [
        Panel::stat("Pools", "Pools of the services that are chosen: a client and a destination, over all instances.", "short")
            .query("count(group by (BY) (poolscope_connection_opened_total{POOLS}))", "").steps(quiet),
        Panel::stat("Requests", "Requests a second that had a connection.", "reqps")
            .query(r#"sum(rate(poolscope_connection_acquires_total{POOLS, poolscope_acquire_outcome=~"reused|new|waited"}[$__rate_interval]))"#, "").steps(quiet),
        Panel::stat("Reused", "Share of these requests that found an open connection. All others paid for a new one.", "percentunit")
            .query(r#"sum(rate(poolscope_connection_acquires_total{POOLS, poolscope_acquire_outcome=~"reused|waited"}[$__rate_interval])) / sum(rate(poolscope_connection_acquires_total{POOLS, poolscope_acquire_outcome=~"reused|new|waited"}[$__rate_interval]))"#, "")
            .steps(&[(None, BAD), (Some(0.5), WARN), (Some(0.8), GOOD)]),
        Panel::stat("Waiting", "Requests that have asked for a connection and do not have one yet.", "short")
            .query("sum(poolscope_connection_pending_requests{POOLS})", "")
            .steps(&[(None, GOOD), (Some(1.0), WARN), (Some(20.0), BAD)]),
        Panel::stat("Wait p99", "One request in a hundred waits this long or longer for its connection.", "s")
            .query("histogram_quantile(0.99, sum by (le) (rate(poolscope_connection_wait_time_seconds_bucket{POOLS}[$__rate_interval])))", "")
            .steps(&[(None, GOOD), (Some(0.1), WARN), (Some(1.0), BAD)]),
        Panel::stat("Forgotten", "Connections that are held by responses whose body nobody reads or drops.", "short")
            .query("sum(poolscope_leak_active{POOLS})", "").steps(none),
        Panel::stat("Breakers open", "Breakers that reject calls, or try only a few, counted once an instance.", "short")
            .query(r#"sum(poolscope_breaker_state{PROCESS, poolscope_breaker_state=~"open|half_open|forced_open"})"#, "").steps(none),
        Panel::stat("Connects failed", "Connects a second that failed.", "cps")
            .query("sum(rate(poolscope_connection_failed_total{POOLS}[$__rate_interval]))", "")
            .steps(&[(None, GOOD), (Some(0.01), WARN), (Some(1.0), BAD)]),
    ]
}

fn pools() -> Panel {
    let acquired =
        r#"poolscope_connection_acquires_total{POOLS, poolscope_acquire_outcome=~"reused|new|waited"}"#;
    let errors =
        r#"http_client_request_duration_seconds_count{POOLS, poolscope_client_name!="", error_type!=""}"#;
    let requests = r#"http_client_request_duration_seconds_count{POOLS, poolscope_client_name!=""}"#;
    let trouble = format!(
        "3 * (sum by (BY) (poolscope_leak_active{{POOLS}}) > bool 0) \
         + 2 * (sum by (BY) (poolscope_connection_pending_requests{{POOLS}}) > bool 0) \
         + 3 * ((sum by (BY) (rate({errors}[$__rate_interval])) / sum by (BY) (rate({requests}[$__rate_interval])) > bool 0.05) or 0 * sum by (BY) (poolscope_leak_active{{POOLS}})) \
         + ((sum by (BY) (rate({reused}[$__rate_interval])) / sum by (BY) (rate({acquired}[$__rate_interval])) < bool 0.5) or 0 * sum by (BY) (poolscope_leak_active{{POOLS}}))",
        reused = acquired.replace("reused|new|waited", "reused|waited"),
    );
    let open = |state: &str| {
        format!(
            r#"sum by (BY) (http_client_open_connections{{POOLS, poolscope_client_name!="", http_connection_state="{state}"}})"#
        )
    };
    Panel::table(
        "Pools, worst first",
        "Points of trouble: 3 for forgotten responses, 3 for more than 5 % of errors, 2 for requests that wait, 1 for less than half of connections reused. Over all instances; a click on the server opens the pool.",
    )
    .column("trouble", "short", &trouble)
    .shaded(&[(None, GOOD), (Some(1.0), WARN), (Some(3.0), BAD)])
    .column("waiting", "short", "sum by (BY) (poolscope_connection_pending_requests{POOLS})")
    .column("in use", "short", &open("active"))
    .column("idle", "short", &open("idle"))
    .column("limit", "short", "sum by (BY) (poolscope_limit_max{POOLS})")
    .column("requests", "reqps", &format!("sum by (BY) (rate({acquired}[$__rate_interval]))"))
    .column("reused", "percentunit", &format!(
        "sum by (BY) (rate({}[$__rate_interval])) / sum by (BY) (rate({acquired}[$__rate_interval]))",
        acquired.replace("reused|new|waited", "reused|waited"),
    ))
    .column("wait p99", "s", "histogram_quantile(0.99, sum by (BY, le) (rate(poolscope_connection_wait_time_seconds_bucket{POOLS}[$__rate_interval])))")
    .column("errors", "percentunit", &format!(
        "sum by (BY) (rate({errors}[$__rate_interval])) / sum by (BY) (rate({requests}[$__rate_interval]))"
    ))
    .column("connects failed", "cps", "sum by (BY) (rate(poolscope_connection_failed_total{POOLS}[$__rate_interval]))")
    .column("forgotten", "short", "sum by (BY) (poolscope_leak_active{POOLS})")
    .shaded(&[(None, "transparent"), (Some(1.0), BAD)])
    .worst_first("trouble")
    .link("server", "This pool", TO_POOL)
    .link("service", "Traces of this service", TO_TRACES)
}

fn load() -> [Panel; 6] {
    [
        Panel::series("Requests", "Requests a second that had a connection, by pool.", "reqps")
            .query(r#"sum by (BY) (rate(poolscope_connection_acquires_total{POOLS, poolscope_acquire_outcome=~"reused|new|waited"}[$__rate_interval]))"#, POOL),
        Panel::series("Waiting requests", "Requests without a connection yet, by pool.", "short")
            .query("sum by (BY) (poolscope_connection_pending_requests{POOLS})", POOL),
        Panel::series("Wait for a connection, p99", "One request in a hundred of a pool waits this long or longer.", "s")
            .query("histogram_quantile(0.99, sum by (BY, le) (rate(poolscope_connection_wait_time_seconds_bucket{POOLS}[$__rate_interval])))", POOL),
        Panel::series("Time to the head of an answer, p99", "From the call to the response's headers, each attempt by itself.", "s")
            .query(r#"histogram_quantile(0.99, sum by (BY, le) (rate(http_client_request_duration_seconds_bucket{POOLS, poolscope_client_name!=""}[$__rate_interval])))"#, POOL),
        Panel::series("Errors", "Share of requests that failed: no answer, or a status that counts as an error.", "percentunit")
            .query(r#"sum by (BY) (rate(http_client_request_duration_seconds_count{POOLS, poolscope_client_name!="", error_type!=""}[$__rate_interval])) / sum by (BY) (rate(http_client_request_duration_seconds_count{POOLS, poolscope_client_name!=""}[$__rate_interval]))"#, POOL),
        Panel::series("Errors by kind", "Failed requests a second, by what failed; a status stands as its number.", "reqps")
            .query(r#"sum by (error_type) (rate(http_client_request_duration_seconds_count{POOLS, poolscope_client_name!="", error_type!=""}[$__rate_interval]))"#, "{{error_type}}").stacked(),
    ]
}

fn connections() -> [Panel; 6] {
    [
        Panel::series("Connections by state", "Connections of all pools that are chosen.", "short")
            .query(r#"sum by (http_connection_state) (http_client_open_connections{POOLS, poolscope_client_name!=""})"#, "{{http_connection_state}}")
            .query("sum(poolscope_connection_connecting{POOLS})", "connecting").stacked(),
        Panel::series("Reused", "Share of requests that found an open connection, by pool.", "percentunit")
            .query(r#"sum by (BY) (rate(poolscope_connection_acquires_total{POOLS, poolscope_acquire_outcome=~"reused|waited"}[$__rate_interval])) / sum by (BY) (rate(poolscope_connection_acquires_total{POOLS, poolscope_acquire_outcome=~"reused|new|waited"}[$__rate_interval]))"#, POOL),
        Panel::series("Opened", "Connections a second that were established, by pool.", "cps")
            .query("sum by (BY) (rate(poolscope_connection_opened_total{POOLS}[$__rate_interval]))", POOL),
        Panel::series("Closed by reason", "Connections a second that were closed.", "cps")
            .query("sum by (poolscope_connection_close_reason) (rate(poolscope_connection_closed_total{POOLS}[$__rate_interval])) > 0", "{{poolscope_connection_close_reason}}").stacked(),
        Panel::series("Connects failed", "Connects a second that failed, by pool and error.", "cps")
            .query("sum by (BY, error_type) (rate(poolscope_connection_failed_total{POOLS}[$__rate_interval]))", "{{error_type}}: {{server_address}}"),
        Panel::series("In vain", "Connections a second that were closed unused or given up half way, and requests on a connection that the peer was closing.", "cps")
            .query("sum(rate(poolscope_connection_wasted_total{POOLS}[$__rate_interval]))", "never used")
            .query("sum(rate(poolscope_connection_abandoned_total{POOLS}[$__rate_interval]))", "given up while connecting")
            .query("sum(rate(poolscope_connection_stale_reuse_total{POOLS}[$__rate_interval]))", "closing when used"),
    ]
}

fn unseen() -> [Panel; 3] {
    [
        Panel::series("Open connections by instance", "An instance whose line ends sends nothing any more.", "short")
            .query(r#"sum by (job, instance) (http_client_open_connections{POOLS, poolscope_client_name!=""})"#, "{{job}} {{instance}}"),
        Panel::series("Telemetry dropped", "Items a second that were lost before they reached the Collector.", "cps")
            .query("sum by (job, poolscope_telemetry_signal) (rate(poolscope_telemetry_dropped_total{PROCESS}[$__rate_interval]))", "{{job}} {{poolscope_telemetry_signal}}"),
        Panel::series("Beyond the limit of pools", "Requests a second that were counted together, because there were more destinations than are told apart.", "reqps")
            .query("sum by (job, poolscope_client_name) (rate(poolscope_pool_overflow_total{PROCESS}[$__rate_interval]))", "{{job}} {{poolscope_client_name}}"),
    ]
}
