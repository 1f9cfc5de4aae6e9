//! What serves: servers, groups of tasks, queues and supervised connections.

use poolscope_semconv::value::SupervisorState;
use poolscope_wire::{Count, QueueFigures, ServerFigures, SupervisorFigures, TaskFigures};

use super::{Cell, share};
use crate::{format, words};

/// Reasons that a cell lists.
const MAX_LISTED: usize = 4;

pub(super) fn server(figures: &ServerFigures) -> Vec<Cell> {
    let requests = Cell {
        under: format!(
            "{} in flight, {} in all",
            format::count(u64::from(figures.in_flight)),
            format::count(figures.requests.total)
        ),
        ..Cell::count(figures.requests)
    };
    // One that could not be accepted was turned away by nobody, and did not get in either.
    let away = Count {
        minute: figures.rejected.minute.saturating_add(figures.accept_errors.minute),
        total: figures.rejected.total.saturating_add(figures.accept_errors.total),
    };
    let of_connections = |cell: Cell| if figures.has_connections { cell } else { unknown() };
    vec![
        of_connections(connections(figures)),
        of_connections(Cell::count(figures.accepted)),
        of_connections(Cell::loss(away, "is-bad")),
        of_connections(reasons(&figures.closes, words::server_close)),
        requests,
        Cell::loss(figures.failed, "is-bad"),
        of_connections(Cell::loss(figures.disconnected, "is-warn")),
        Cell::percentiles(figures.duration_s, format::duration),
    ]
}

fn unknown() -> Cell {
    Cell::new(format::UNKNOWN.to_owned(), String::new())
}

/// How many are open, of how many that may be.
fn connections(figures: &ServerFigures) -> Cell {
    let ServerFigures { idle, active, upgraded, queued, limit, .. } = *figures;
    let whole = |count: u32| format::count(u64::from(count));
    let open = idle.saturating_add(active).saturating_add(upgraded);
    let states = [(active, "active"), (idle, "idle"), (upgraded, "upgraded"), (queued, "not served yet")];
    let states = states.into_iter().filter(|(count, _)| *count > 0);
    let under: Vec<_> = states.map(|(count, what)| format!("{} {what}", whole(count))).collect();
    let main = limit.map_or_else(|| whole(open), |limit| format!("{} of {}", whole(open), whole(limit)));
    let bar = limit.map(|limit| {
        let class = if open >= limit { "c-warn" } else { "c-active" };
        (share(f64::from(open), f64::from(limit)), Vec::new(), class)
    });
    Cell { bar, ..Cell::new(main, under.join(", ")) }
}

/// Reasons with how often each was counted: of the last minute, and below of all the time.
fn reasons(counts: &[(String, Count)], say: fn(&str) -> String) -> Cell {
    let list = |read: fn(&Count) -> u64| {
        let listed = counts.iter().filter(|(_, count)| read(count) > 0).take(MAX_LISTED);
        let listed = listed.map(|(of, count)| format!("{} \u{d7}{}", say(of), format::count(read(count))));
        listed.collect::<Vec<_>>().join(", ")
    };
    let (minute, total) = (list(|count| count.minute), list(|count| count.total));
    let main = if minute.is_empty() { format::UNKNOWN.to_owned() } else { minute };
    let under = if total.is_empty() { String::new() } else { format!("in all {total}") };
    Cell { class: "wrap", ..Cell::new(main, under) }
}

pub(super) fn tasks(figures: &TaskFigures) -> Vec<Cell> {
    vec![
        Cell::new(format::count(u64::from(figures.active)), String::new()),
        Cell::count(figures.started),
        reasons(&figures.ends, words::spaced),
        Cell::loss(figures.panicked, "is-bad"),
        Cell::percentiles(figures.life_s, format::duration),
    ]
}

pub(super) fn queue(figures: QueueFigures) -> Vec<Cell> {
    let QueueFigures { length, limit, high_water, pushed, dropped, .. } = figures;
    let of_limit = |count: u64| share(count as f64, limit as f64);
    let class = if length >= limit { "c-warn" } else { "c-active" };
    let bar = (limit > 0).then(|| (of_limit(length), vec![of_limit(high_water)], class));
    let of = if limit > 0 { format!(" of {}", format::count(limit)) } else { String::new() };
    let held = format!("{}{of}", format::count(length));
    vec![
        Cell { bar, ..Cell::new(held, String::new()) },
        Cell::new(format::count(high_water), String::new()),
        Cell::count(pushed),
        Cell::loss(dropped, "is-warn"),
    ]
}

pub(super) fn supervisor(figures: &SupervisorFigures, now_ms: impl FnOnce() -> u64) -> Vec<Cell> {
    let class = match SupervisorState::parse(&figures.state) {
        Some(SupervisorState::Waiting | SupervisorState::BreakerOpen) => "is-warn",
        _ => "",
    };
    let state =
        if figures.state.is_empty() { format::UNKNOWN.to_owned() } else { words::spaced(&figures.state) };
    let since =
        figures.since_ms.map(|since| format!("for {}", format::span(now_ms().saturating_sub(since) / 1_000)));
    vec![
        Cell { class, ..Cell::new(state, since.unwrap_or_default()) },
        Cell::count(figures.connects),
        reasons(&figures.changes, words::spaced),
        Cell::loss(figures.lost, "is-warn"),
        Cell::percentiles(figures.life_s, format::duration),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(minute: u64) -> Count {
        Count { minute, total: 10 * minute }
    }

    #[test]
    fn a_server_tells_its_connections_by_state_and_how_they_closed() {
        let figures = ServerFigures {
            idle: 3,
            active: 1,
            limit: Some(4),
            has_connections: true,
            in_flight: 1,
            requests: minute(60),
            rejected: minute(2),
            accept_errors: minute(1),
            closes: vec![("idle_timeout".to_owned(), minute(5)), ("max_age".to_owned(), minute(0))],
            ..ServerFigures::default()
        };
        let cells = server(&figures);
        assert_eq!((&*cells[0].main, &*cells[0].under), ("4 of 4", "1 active, 3 idle"));
        assert_eq!(cells[0].bar.as_ref().map(|(share, _, class)| (*share, *class)), Some((1.0, "c-warn")));
        assert_eq!((&*cells[2].main, cells[2].class), ("3", "is-bad"));
        assert_eq!(
            (&*cells[3].main, &*cells[3].under),
            ("idle for too long \u{d7}5", "in all idle for too long \u{d7}50")
        );
        assert_eq!((&*cells[4].main, &*cells[4].under), ("60", "1 in flight, 600 in all"));
        // Of one that only tells of requests, nothing is said of connections.
        let other = server(&ServerFigures { has_connections: false, ..figures });
        assert_eq!(
            other[..4].iter().map(|cell| cell.main.as_str()).collect::<String>(),
            "\u{2013}".repeat(4)
        );
    }

    #[test]
    fn a_queue_has_a_mark_where_it_was_fullest() {
        let cells = queue(QueueFigures { length: 16, limit: 64, high_water: 48, ..QueueFigures::default() });
        assert_eq!(cells[0].bar, Some((0.25, vec![0.75], "c-active")));
        assert_eq!(queue(QueueFigures::default())[0].bar, None);
    }

    #[test]
    fn a_supervised_connection_says_what_it_does_and_since_when() {
        let figures = SupervisorFigures {
            state: "breaker_open".to_owned(),
            since_ms: Some(1_000),
            lost: minute(2),
            changes: vec![("connect_failed".to_owned(), minute(3))],
            ..SupervisorFigures::default()
        };
        let cells = supervisor(&figures, || 6_000);
        assert_eq!(
            (&*cells[0].main, &*cells[0].under, cells[0].class),
            ("breaker open", "for 5 s", "is-warn")
        );
        assert_eq!(cells[2].main, "connect failed \u{d7}3");
        assert_eq!((&*cells[3].main, &*cells[3].under, cells[3].class), ("2", "20 in all", "is-warn"));
    }
}
