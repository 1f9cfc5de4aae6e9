//! Sessions: how many, how old, why they end, and which do not.

use super::board::Board;
use super::panel::{BAD, GOOD, Panel, QUIET};

const SESSIONS: &str = r#"job=~"$service", instance=~"$instance", poolscope_session_name=~"$session""#;

const BY: &str = "job, poolscope_session_name";

const NAME: &str = "{{job}} {{poolscope_session_name}}";

pub(super) fn board() -> Board {
    Board::new("poolscope-sessions", "Poolscope: sessions", "WebSockets, event streams and other long-lived things over connections.")
        .any("service", "Service", "label_values(poolscope_session_active, job)")
        .any("instance", "Instance", r#"label_values(poolscope_session_active{job=~"$service"}, instance)"#)
        .any("session", "Sessions", r#"label_values(poolscope_session_active{job=~"$service", instance=~"$instance"}, poolscope_session_name)"#)
        .select("SESSIONS", SESSIONS)
        .select("BY", BY)
        .select("ALERTED", r#"alertname=~"PoolscopeSession.+", job=~"$service""#)
        .row("Now", now())
        .row("Sessions", [table()])
        .row("Over time", over_time())
        .row("Cleaning up", cleaning())
}

fn now() -> [Panel; 5] {
    let none = &[(None, GOOD), (Some(1.0), BAD)][..];
    [
        Panel::stat("Sessions", "Sessions that are there now.", "short")
            .query("sum(poolscope_session_active{SESSIONS})", "")
            .steps(&[(None, QUIET)])
            .size(5, 4),
        Panel::stat("Started", "Sessions a second that began.", "cps")
            .query("sum(rate(poolscope_session_started_total{SESSIONS}[$__rate_interval]))", "")
            .steps(&[(None, QUIET)])
            .size(5, 4),
        Panel::stat(
            "Overdue",
            "Sessions that were told to end and are still there after the time that they had for it: leaks.",
            "short",
        )
        .query("sum(poolscope_session_overdue{SESSIONS})", "")
        .steps(none)
        .size(5, 4),
        Panel::stat("Oldest", "Age of the oldest session.", "s")
            .query("max(poolscope_session_oldest_age_seconds{SESSIONS})", "")
            .steps(&[(None, QUIET)])
            .size(5, 4),
        Panel::stat("Refused", "Sessions a second that could not begin.", "cps")
            .query("sum(rate(poolscope_session_refused_total{SESSIONS}[$__rate_interval]))", "")
            .steps(&[(None, GOOD), (Some(0.01), BAD)])
            .size(4, 4),
    ]
}

fn table() -> Panel {
    Panel::table("Sessions, worst first", "Each registry of sessions over all instances of its service.")
        .size(24, 8)
        .column("overdue", "short", "sum by (BY) (poolscope_session_overdue{SESSIONS})")
        .shaded(&[(None, "transparent"), (Some(1.0), BAD)])
        .column("now", "short", "sum by (BY) (poolscope_session_active{SESSIONS})")
        .column("limit", "short", "sum by (BY) (poolscope_session_limit{SESSIONS})")
        .column("oldest", "s", "max by (BY) (poolscope_session_oldest_age_seconds{SESSIONS})")
        .column("started", "cps", "sum by (BY) (rate(poolscope_session_started_total{SESSIONS}[$__rate_interval]))")
        .column("refused", "cps", "sum by (BY) (rate(poolscope_session_refused_total{SESSIONS}[$__rate_interval]))")
        .column("duration p50", "s", "histogram_quantile(0.5, sum by (BY, le) (rate(poolscope_session_duration_seconds_bucket{SESSIONS}[$__rate_interval])))")
        .worst_first("overdue")
}

fn over_time() -> [Panel; 6] {
    [
        Panel::series("Sessions", "Sessions that are there, and the most that may be.", "short")
            .query("sum by (BY) (poolscope_session_active{SESSIONS})", NAME)
            .query("sum by (BY) (poolscope_session_limit{SESSIONS})", "limit: {{poolscope_session_name}}")
            .dashed("/^limit/"),
        Panel::series("Begun and ended", "Sessions a second. Where more begin than end for hours, they grow without end.", "cps")
            .query("sum(rate(poolscope_session_started_total{SESSIONS}[$__rate_interval]))", "begun")
            .query("sum(rate(poolscope_session_ended_total{SESSIONS}[$__rate_interval]))", "ended"),
        Panel::series("Ended by reason", "Sessions a second, by the first reason that there was.", "cps")
            .query("sum by (poolscope_session_end_reason) (rate(poolscope_session_ended_total{SESSIONS}[$__rate_interval]))", "{{poolscope_session_end_reason}}").stacked(),
        Panel::series("Duration", "Of the sessions that ended.", "s").percentiles("poolscope_session_duration_seconds_bucket{SESSIONS}"),
        Panel::series("Oldest", "Age of the oldest session of each registry.", "s")
            .query("max by (BY) (poolscope_session_oldest_age_seconds{SESSIONS})", NAME),
        Panel::series("Refused", "Sessions a second that could not begin: there were too many, or the program shut down.", "cps")
            .query("sum by (BY) (rate(poolscope_session_refused_total{SESSIONS}[$__rate_interval]))", NAME),
    ]
}

fn cleaning() -> [Panel; 4] {
    [
        Panel::series(
            "Overdue",
            "Told to end, and still there after the time that they had for it.",
            "short",
        )
        .query("sum by (BY) (poolscope_session_overdue{SESSIONS})", NAME),
        Panel::series(
            "Handlers cut",
            "Handlers a second that did not end when their session was told to, and were cut.",
            "cps",
        )
        .query("sum by (BY) (rate(poolscope_session_handlers_cut_total{SESSIONS}[$__rate_interval]))", NAME),
        Panel::series("Sweeps", "How long it takes to find the sessions whose time is over.", "s")
            .percentiles("poolscope_session_sweep_duration_seconds_bucket{SESSIONS}"),
        Panel::series(
            "Late sweeps",
            "Sweeps a second by which a session ended more than 250 ms late.",
            "cps",
        )
        .query("sum by (BY) (rate(poolscope_session_late_sweeps_total{SESSIONS}[$__rate_interval]))", NAME),
    ]
}
