//! One pool: who waits, which connections, why they close.

use super::board::Board;
use super::panel::{BAD, GOOD, Panel, QUIET, WARN};

const POOL: &str = r#"job="$service", instance=~"$instance", poolscope_client_name="$client", url_scheme="$scheme", server_address="$server", server_port="$port""#;

pub(super) fn board() -> Board {
    let of = |label: &str, more: &str| {
        format!("label_values(poolscope_connection_opened_total{{{more}}}, {label})")
    };
    let (service, client) = (r#"job="$service""#, r#"poolscope_client_name="$client""#);
    let scheme = r#"url_scheme="$scheme""#;
    let server = r#"server_address="$server""#;
    Board::new("poolscope-pool", "Poolscope: one pool", "All connections of one client to one destination.")
        .one("service", "Service", &of("job", ""))
        .any("instance", "Instance", &of("instance", service))
        .one("client", "Client", &of("poolscope_client_name", service))
        .one("scheme", "Scheme", &of("url_scheme", &format!("{service}, {client}")))
        .one("server", "Server", &of("server_address", &format!("{service}, {client}, {scheme}")))
        .one("port", "Port", &of("server_port", &format!("{service}, {client}, {scheme}, {server}")))
        .select("POOL", POOL)
        .select("ALERTED", r#"alertname=~"Poolscope.+", job="$service", server_address=~"$server|""#)
        .row("Now", now())
        .row("Requests", requests())
        .row("Connections", connections())
        .row("Setting up connections", setup())
        .row("Limit", limit())
}

fn now() -> [Panel; 8] {
    let quiet = &[(None, QUIET)][..];
    [
        Panel::stat("In use", "Connections with a request in flight.", "short")
            .query(r#"sum(http_client_open_connections{POOL, http_connection_state="active"})"#, "").steps(quiet),
        Panel::stat("Idle", "Open connections that no request uses.", "short")
            .query(r#"sum(http_client_open_connections{POOL, http_connection_state="idle"})"#, "").steps(quiet),
        Panel::stat("Connecting", "Connections that are being established.", "short")
            .query("sum(poolscope_connection_connecting{POOL})", "").steps(quiet),
        Panel::stat("Waiting", "Requests that have asked for a connection and do not have one yet.", "short")
            .query("sum(poolscope_connection_pending_requests{POOL})", "")
            .steps(&[(None, GOOD), (Some(1.0), WARN), (Some(20.0), BAD)]),
        Panel::stat("Wait p99", "One request in a hundred waits this long or longer.", "s")
            .query("histogram_quantile(0.99, sum by (le) (rate(poolscope_connection_wait_time_seconds_bucket{POOL}[$__rate_interval])))", "")
            .steps(&[(None, GOOD), (Some(0.1), WARN), (Some(1.0), BAD)]),
        Panel::stat("Reused", "Share of requests that found an open connection.", "percentunit")
            .query(r#"sum(rate(poolscope_connection_acquires_total{POOL, poolscope_acquire_outcome=~"reused|waited"}[$__rate_interval])) / sum(rate(poolscope_connection_acquires_total{POOL, poolscope_acquire_outcome=~"reused|new|waited"}[$__rate_interval]))"#, "")
            .steps(&[(None, BAD), (Some(0.5), WARN), (Some(0.8), GOOD)]),
        Panel::stat("Forgotten", "Connections that are held by responses whose body nobody reads or drops.", "short")
            .query("sum(poolscope_leak_active{POOL})", "").steps(&[(None, GOOD), (Some(1.0), BAD)]),
        Panel::stat("Errors", "Share of requests that failed.", "percentunit")
            .query(r#"(sum(rate(http_client_request_duration_seconds_count{POOL, error_type!=""}[$__rate_interval])) or vector(0)) / sum(rate(http_client_request_duration_seconds_count{POOL}[$__rate_interval]))"#, "")
            .steps(&[(None, GOOD), (Some(0.01), WARN), (Some(0.05), BAD)]),
    ]
}

fn requests() -> [Panel; 9] {
    [
        Panel::series("Acquires by outcome", "Requests a second that asked for a connection, by how that ended.", "reqps")
            .query("sum by (poolscope_acquire_outcome) (rate(poolscope_connection_acquires_total{POOL}[$__rate_interval]))", "{{poolscope_acquire_outcome}}").stacked(),
        Panel::series("Wait for a connection", "From asking for a connection to having one, also without a wait. The dots are requests: a click opens the trace.", "s")
            .percentiles("poolscope_connection_wait_time_seconds_bucket{POOL}"),
        Panel::heatmap("Waits", "How many requests waited how long.", "s", "sum by (le) (increase(poolscope_connection_wait_time_seconds_bucket{POOL}[$__rate_interval]))"),
        Panel::series("Waiting requests", "Requests without a connection yet, and those of them that wait for their turn under the limit.", "short")
            .query("sum(poolscope_connection_pending_requests{POOL})", "waiting")
            .query("sum(poolscope_limit_queued{POOL})", "at the limit"),
        Panel::series("Time to the head of an answer", "From the call to the response's headers, each attempt by itself. The dots are requests: a click opens the trace.", "s")
            .percentiles("http_client_request_duration_seconds_bucket{POOL}"),
        Panel::series("Use of a connection", "From having a connection to the end of the body. Long use with short answers is a body that is not read.", "s")
            .percentiles("poolscope_connection_use_time_seconds_bucket{POOL}"),
        Panel::series("Answers", "Answers a second by status.", "reqps")
            .query(r#"sum by (http_response_status_code) (rate(http_client_request_duration_seconds_count{POOL, http_response_status_code!=""}[$__rate_interval]))"#, "{{http_response_status_code}}").stacked(),
        Panel::series("Errors by kind", "Failed requests a second, by what failed; a status stands as its number.", "reqps")
            .query(r#"sum by (error_type) (rate(http_client_request_duration_seconds_count{POOL, error_type!=""}[$__rate_interval]))"#, "{{error_type}}").stacked(),
        Panel::series("In flight", "Requests in flight, and those of them that share a connection (HTTP/2).", "short")
            .query("sum(http_client_active_requests{POOL})", "requests")
            .query("sum(poolscope_stream_active{POOL})", "over HTTP/2"),
    ]
}

fn connections() -> [Panel; 9] {
    [
        Panel::series("Connections by state", "Connections of the instances that are chosen.", "short")
            .query("sum by (http_connection_state) (http_client_open_connections{POOL})", "{{http_connection_state}}")
            .query("sum(poolscope_connection_connecting{POOL})", "connecting").stacked(),
        Panel::series("Connections by instance", "Whether one instance is sick, or all are.", "short")
            .query("sum by (instance) (http_client_open_connections{POOL})", "{{instance}}"),
        Panel::series("Forgotten", "Connections that are held for too long now, and how many have been reported within a minute.", "short")
            .query("sum(poolscope_leak_active{POOL})", "held now")
            .query("sum(increase(poolscope_leak_suspected_total{POOL}[1m]))", "reported within a minute"),
        Panel::series("Closed by reason", "Connections a second that were closed.", "cps")
            .query("sum by (poolscope_connection_close_reason) (rate(poolscope_connection_closed_total{POOL}[$__rate_interval])) > 0", "{{poolscope_connection_close_reason}}").stacked(),
        Panel::series("In vain", "Connections a second that were closed unused or given up half way, and requests on a connection that the peer was closing.", "cps")
            .query("sum(rate(poolscope_connection_wasted_total{POOL}[$__rate_interval]))", "never used")
            .query("sum(rate(poolscope_connection_abandoned_total{POOL}[$__rate_interval]))", "given up while connecting")
            .query("sum(rate(poolscope_connection_stale_reuse_total{POOL}[$__rate_interval]))", "closing when used"),
        Panel::series("Requests that a connection served", "Of the connections that were closed. Few are a sign that they are closed too soon.", "short")
            .percentiles("poolscope_connection_requests_bucket{POOL}"),
        Panel::series("Age at its end", "How old connections were when they were closed.", "s")
            .percentiles("http_client_connection_duration_seconds_bucket{POOL}"),
        Panel::series("Idle before used again", "Near the server's own idle timeout, requests meet connections that are just closed.", "s")
            .percentiles("poolscope_connection_idle_time_seconds_bucket{POOL}"),
        Panel::series("Bytes", "Bytes a second below HTTP and above TLS.", "Bps")
            .query("sum by (network_io_direction) (rate(poolscope_connection_io_bytes_total{POOL}[$__rate_interval]))", "{{network_io_direction}}"),
    ]
}

fn setup() -> [Panel; 6] {
    [
        Panel::series("Opened and failed", "Connects a second, and the failed ones by error and by the part that failed.", "cps")
            .query("sum(rate(poolscope_connection_opened_total{POOL}[$__rate_interval]))", "opened")
            .query("sum by (error_type, poolscope_connection_phase) (rate(poolscope_connection_failed_total{POOL}[$__rate_interval]))", "failed: {{error_type}} {{poolscope_connection_phase}}"),
        Panel::series("Time to connect", "Name look-up, transport and TLS together.", "s")
            .percentiles("poolscope_connection_create_time_seconds_bucket{POOL}"),
        Panel::series("Parts of connecting, p99", "Name look-up, transport and TLS, as far as they can be told apart.", "s")
            .query("histogram_quantile(0.99, sum by (le, poolscope_connection_phase) (rate(poolscope_connection_phase_time_seconds_bucket{POOL}[$__rate_interval])))", "{{poolscope_connection_phase}}"),
        Panel::series("Queue for a connection", "Only requests that found no connection ready.", "s")
            .percentiles("http_client_request_time_in_queue_seconds_bucket{POOL}"),
        Panel::series("Round trip", "Shortest round trip of a connection in the minutes before it closed; where the kernel tells.", "s")
            .percentiles("poolscope_connection_rtt_seconds_bucket{POOL}"),
        Panel::series("Sent again", "TCP segments a second that were sent again, counted when a connection closes; where the kernel tells.", "cps")
            .query("sum(rate(poolscope_connection_retransmits_total{POOL}[$__rate_interval]))", "segments"),
    ]
}

fn limit() -> [Panel; 3] {
    [
        Panel::series("Places", "Requests in flight under the limit, and the most that it lets be, over the instances that are chosen.", "short")
            .query("sum(poolscope_limit_in_use{POOL})", "in use")
            .query("sum(poolscope_limit_queued{POOL})", "waiting")
            .query("sum(poolscope_limit_max{POOL})", "limit")
            .dashed("limit"),
        Panel::series("What came of asking", "Requests a second that asked for a place.", "reqps")
            .query("sum by (poolscope_limit_outcome) (rate(poolscope_limit_calls_total{POOL}[$__rate_interval]))", "{{poolscope_limit_outcome}}").stacked(),
        Panel::series("Wait for a place", "Only those who had to wait, also in vain; and how long the oldest waits now.", "s")
            .percentiles("poolscope_limit_wait_time_seconds_bucket{POOL}")
            .query("max(poolscope_limit_oldest_wait_seconds{POOL})", "oldest now"),
    ]
}
