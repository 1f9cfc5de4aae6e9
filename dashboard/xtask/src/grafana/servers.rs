//! What serves: servers with their connections and requests, tasks, queues and supervised connections.

use super::board::Board;
use super::panel::{BAD, GOOD, Panel, QUIET};

const SERVERS: &str = r#"job=~"$service", instance=~"$instance", poolscope_server_name=~"$server""#;

const OTHERS: &str = r#"job=~"$service", instance=~"$instance""#;

const BY: &str = "job, poolscope_server_name";

const NAME: &str = "{{job}} {{poolscope_server_name}}";

pub(super) fn board() -> Board {
    Board::new("poolscope-servers", "Poolscope: servers and tasks", "What a service accepts and does: connections and requests of its servers, tasks, queues and supervised connections.")
        .any("service", "Service", "label_values(poolscope_server_open_connections, job)")
        .any("instance", "Instance", r#"label_values(poolscope_server_open_connections{job=~"$service"}, instance)"#)
        .any("server", "Server", r#"label_values(poolscope_server_open_connections{job=~"$service", instance=~"$instance"}, poolscope_server_name)"#)
        .select("SERVERS", SERVERS)
        .select("OTHERS", OTHERS)
        .select("BY", BY)
        .select("ALERTED", r#"alertname=~"Poolscope(Server|Clients|Tasks|Queue|Supervisor).+", job=~"$service""#)
        .row("Now", now())
        .row("Servers", [table()])
        .row("Connections", connections())
        .row("Requests", requests())
        .row("Tasks and queues", tasks())
        .row("Supervised connections", supervised())
}

fn now() -> [Panel; 5] {
    [
        Panel::stat("Connections", "Connections of servers that are open.", "short")
            .query("sum(poolscope_server_open_connections{SERVERS})", "")
            .steps(&[(None, QUIET)])
            .size(5, 4),
        Panel::stat("Requests", "Requests a second that were answered.", "reqps")
            .query("sum(rate(http_server_request_duration_seconds_count{SERVERS}[$__rate_interval]))", "")
            .steps(&[(None, QUIET)])
            .size(5, 4),
        Panel::stat("Turned away", "Connections a second that were turned away.", "cps")
            .query("sum(rate(poolscope_server_connection_rejected_total{SERVERS}[$__rate_interval]))", "")
            .steps(&[(None, GOOD), (Some(0.01), BAD)])
            .size(5, 4),
        Panel::stat("Tasks", "Tasks of all groups that run.", "short")
            .query("sum(poolscope_task_active{OTHERS})", "")
            .steps(&[(None, QUIET)])
            .size(5, 4),
        Panel::stat("Panics", "Tasks a second that panicked.", "cps")
            .query(r#"sum(rate(poolscope_task_ended_total{OTHERS, poolscope_task_outcome="panicked"}[$__rate_interval])) or vector(0)"#, "")
            .steps(&[(None, GOOD), (Some(0.001), BAD)])
            .size(4, 4),
    ]
}

fn table() -> Panel {
    Panel::table("Servers, fullest first", "Each server over all instances of its service.")
        .size(24, 8)
        .column("open", "short", "sum by (BY) (poolscope_server_open_connections{SERVERS})")
        .column("limit", "short", "sum by (BY) (poolscope_server_connection_limit{SERVERS})")
        .column("not served yet", "short", "sum by (BY) (poolscope_server_queued_connections{SERVERS})")
        .column("accepted", "cps", "sum by (BY) (rate(poolscope_server_connection_accepted_total{SERVERS}[$__rate_interval]))")
        .column("turned away", "cps", "sum by (BY) (rate(poolscope_server_connection_rejected_total{SERVERS}[$__rate_interval]))")
        .shaded(&[(None, "transparent"), (Some(0.01), BAD)])
        .column("requests", "reqps", "sum by (BY) (rate(http_server_request_duration_seconds_count{SERVERS}[$__rate_interval]))")
        .column("in flight", "short", "sum by (BY) (http_server_active_requests{SERVERS})")
        .column("duration p99", "s", "histogram_quantile(0.99, sum by (BY, le) (rate(http_server_request_duration_seconds_bucket{SERVERS}[$__rate_interval])))")
        .worst_first("open")
}

fn connections() -> [Panel; 6] {
    [
        Panel::series("Connections by state", "Connections that are open.", "short")
            .query("sum by (http_connection_state) (poolscope_server_open_connections{SERVERS})", "{{http_connection_state}}")
            .stacked(),
        Panel::series("Accepted, turned away, closed", "Connections a second.", "cps")
            .query("sum(rate(poolscope_server_connection_accepted_total{SERVERS}[$__rate_interval]))", "accepted")
            .query("sum(rate(poolscope_server_connection_rejected_total{SERVERS}[$__rate_interval]))", "turned away")
            .query("sum(rate(poolscope_server_connection_closed_total{SERVERS}[$__rate_interval]))", "closed"),
        Panel::series("Closed by reason", "Connections a second.", "cps")
            .query("sum by (poolscope_server_close_reason) (rate(poolscope_server_connection_closed_total{SERVERS}[$__rate_interval]))", "{{poolscope_server_close_reason}}")
            .stacked(),
        Panel::series("Lifetime", "Of the connections that closed.", "s")
            .percentiles("poolscope_server_connection_duration_seconds_bucket{SERVERS}"),
        Panel::series("Upgraded", "Connections a second that left HTTP, for a WebSocket say.", "cps")
            .query("sum by (BY) (rate(poolscope_server_connection_upgraded_total{SERVERS}[$__rate_interval]))", NAME),
        Panel::series("Bytes", "Bytes a second, below HTTP.", "Bps")
            .query("sum by (network_io_direction) (rate(poolscope_server_connection_io_bytes_total{SERVERS}[$__rate_interval]))", "{{network_io_direction}}"),
    ]
}

fn requests() -> [Panel; 4] {
    [
        Panel::series("Requests by status", "Requests a second; those without a status had no answer.", "reqps")
            .query("sum by (http_response_status_code) (rate(http_server_request_duration_seconds_count{SERVERS}[$__rate_interval]))", "{{http_response_status_code}}")
            .stacked(),
        Panel::series("Requests by route", "Requests a second, of the ten busiest routes.", "reqps")
            .query("topk(10, sum by (http_route) (rate(http_server_request_duration_seconds_count{SERVERS}[$__rate_interval])))", "{{http_route}}"),
        Panel::series("Duration", "From the head of the request to that of the answer.", "s")
            .percentiles("http_server_request_duration_seconds_bucket{SERVERS}"),
        Panel::series("Client left early", "Requests a second that their client left before they had their whole answer.", "reqps")
            .query("sum by (poolscope_server_disconnect_phase) (rate(poolscope_server_request_disconnected_total{SERVERS}[$__rate_interval]))", "{{poolscope_server_disconnect_phase}}"),
    ]
}

fn tasks() -> [Panel; 4] {
    [
        Panel::series("Tasks", "Tasks that run, by group.", "short")
            .query("sum by (poolscope_task_group) (poolscope_task_active{OTHERS})", "{{poolscope_task_group}}"),
        Panel::series("Tasks ended", "Tasks a second, by how they ended.", "cps")
            .query("sum by (poolscope_task_outcome) (rate(poolscope_task_ended_total{OTHERS}[$__rate_interval]))", "{{poolscope_task_outcome}}"),
        Panel::series("Items in queues", "Items that wait, and the most that may.", "short")
            .query("sum by (poolscope_queue_name) (poolscope_queue_length{OTHERS})", "{{poolscope_queue_name}}")
            .query("sum by (poolscope_queue_name) (poolscope_queue_limit{OTHERS})", "limit: {{poolscope_queue_name}}")
            .dashed("/^limit/"),
        Panel::series("Items dropped", "Items a second that queues dropped, as they were made to.", "cps")
            .query("sum by (poolscope_queue_name, poolscope_queue_drop_reason) (rate(poolscope_queue_drops_total{OTHERS}[$__rate_interval]))", "{{poolscope_queue_name}} {{poolscope_queue_drop_reason}}"),
    ]
}

fn supervised() -> [Panel; 4] {
    [
        Panel::series("Connected", "1 while the connection is there.", "short")
            .query(r#"sum by (poolscope_supervisor_name) (poolscope_supervisor_state{OTHERS, poolscope_supervisor_state="connected"})"#, "{{poolscope_supervisor_name}}"),
        Panel::series("Attempts", "Attempts a second to connect.", "cps")
            .query("sum by (poolscope_supervisor_name) (rate(poolscope_supervisor_connects_total{OTHERS}[$__rate_interval]))", "{{poolscope_supervisor_name}}"),
        Panel::series("Changes", "Changes of state a second, by why.", "cps")
            .query("sum by (poolscope_supervisor_reason) (rate(poolscope_supervisor_transitions_total{OTHERS}[$__rate_interval]))", "{{poolscope_supervisor_reason}}"),
        Panel::series("Messages not sent", "Messages a second that were lost with their connection, or when it was stopped.", "cps")
            .query("sum by (poolscope_supervisor_name) (rate(poolscope_supervisor_lost_total{OTHERS}[$__rate_interval]))", "{{poolscope_supervisor_name}}"),
    ]
}
