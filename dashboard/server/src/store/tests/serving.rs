//! Servers, tasks, queues and supervised connections: from their OTLP to the browser's types.

use poolscope_wire::{self as wire, ProtectionFigures, Rule, Severity, Status};
use serde_json::{Value as Json, json};

use super::foreign::{histogram, send, sum};
use super::*;

const SHOP: [(&str, &str); 1] = [("service.name", "shop")];

const API: (&str, &str) = ("poolscope.server.name", "api");

fn count(count: u64) -> Json {
    json!({ "asInt": count.to_string() })
}

/// The only one of its kind.
fn one(store: &mut Store, is_it: fn(&ProtectionFigures) -> bool) -> wire::Protection {
    let mut found =
        store.full(Status::default(), false).protection.into_iter().filter(|one| is_it(&one.figures));
    let one = found.next().unwrap();
    assert!(found.next().is_none());
    one
}

/// What a server tells that has counted so many times as much as in its first report.
fn server(second: u64, times: u64) -> Vec<Json> {
    let state = |state, value| {
        let of = [API, ("http.connection.state", state)];
        sum("poolscope.server.open_connections", second, &of, count(value))
    };
    let in_flight = |method: &str, requests| {
        let of = [API, ("http.request.method", method), ("url.scheme", "http")];
        sum("http.server.active_requests", second, &of, count(requests))
    };
    let rejected = [API, ("poolscope.server.reject_reason", "max_connections")];
    let left = |phase, count_of| {
        let of = [API, ("poolscope.server.disconnect_phase", phase)];
        sum("poolscope.server.request.disconnected", second, &of, count(count_of))
    };
    let closed = [API, ("poolscope.server.close_reason", "idle_timeout")];
    let requests = |route: &str, status: &str, done: u64| {
        let mut of = vec![API, ("http.route", route), ("http.response.status_code", status)];
        of.extend((status == "503").then_some(("error.type", status)));
        histogram("http.server.request.duration", "s", second, &of, &[0.5, 1.0], &[done, 0, 0])
    };
    vec![
        state("idle", 3),
        state("active", 2),
        state("upgraded", 1),
        sum("poolscope.server.connection.limit", second, &[API], count(6)),
        sum("poolscope.server.queued_connections", second, &[API], count(1)),
        sum("poolscope.server.connection.accepted", second, &[API], count(10 * times)),
        sum("poolscope.server.connection.rejected", second, &rejected, count(2 * times)),
        sum("poolscope.server.connection.closed", second, &closed, count(4 * times)),
        in_flight("GET", 1),
        in_flight("POST", 1),
        left("waiting", times),
        left("responding", 3 * times),
        requests("/orders", "200", 90 * times),
        requests("/carts", "503", 5 * times),
        requests("/orders", "503", 5 * times),
    ]
}

#[test]
fn a_server_adds_its_routes_up_and_warns_of_what_it_turns_away() {
    let mut store = store();
    for second in 1..=2 {
        send(&mut store, second, &SHOP, &server(second, second));
    }
    let api = one(&mut store, |figures| matches!(figures, ProtectionFigures::Server(_)));
    let ProtectionFigures::Server(figures) = &api.figures else { unreachable!() };
    assert_eq!((figures.idle, figures.active, figures.upgraded, figures.queued), (3, 2, 1, 1));
    assert_eq!((figures.limit, figures.in_flight), (Some(6), 2));
    assert_eq!((figures.requests.total, figures.failed.total), (200, 20));
    assert_eq!((figures.accepted.total, figures.rejected.total), (20, 4));
    assert_eq!((figures.disconnected.total, figures.left.total), (8, 2));
    assert_eq!(figures.closes[0].0, "idle_timeout");
    assert!(figures.duration_s.is_some_and(|spread| spread.p99 <= 0.5));
    assert_eq!(api.health.severity, Severity::Warn);
    assert!(
        api.health.sentence.contains("6 of 6 connections open, 1 not served yet"),
        "{}",
        api.health.sentence
    );
    let warning = store.warnings().into_iter().find(|warning| warning.link == "/sessions").unwrap();
    assert!([Rule::ServerRejects, Rule::ServerErrors].contains(&warning.rule));
}

#[test]
fn tasks_and_queues_are_told_with_what_went_wrong() {
    let mut store = store();
    for second in 1..=2 {
        let group = ("poolscope.task.group", "chat");
        let panicked = [group, ("poolscope.task.outcome", "panicked")];
        let queue = ("poolscope.queue.name", "outbox");
        let [oldest, newest] =
            ["oldest", "newest"].map(|which| [queue, ("poolscope.queue.drop_reason", which)]);
        let metrics = [
            sum("poolscope.task.active", second, &[group], count(3)),
            sum("poolscope.task.started", second, &[group], count(5 * second)),
            sum("poolscope.task.ended", second, &panicked, count(second)),
            sum("poolscope.queue.length", second, &[queue], count(7)),
            sum("poolscope.queue.limit", second, &[queue], count(64)),
            sum("poolscope.queue.drops", second, &oldest, count(9 * second)),
            sum("poolscope.queue.drops", second, &newest, count(2 * second)),
            sum("poolscope.queue.pushed", second, &[queue], count(18 * second)),
        ];
        send(&mut store, second, &SHOP, &metrics);
    }
    let chat = one(&mut store, |figures| matches!(figures, ProtectionFigures::Tasks(_)));
    let ProtectionFigures::Tasks(tasks) = &chat.figures else { unreachable!() };
    assert_eq!((tasks.active, tasks.started.total, tasks.panicked.total), (3, 10, 2));
    assert_eq!(chat.health.severity, Severity::Warn);
    let outbox = one(&mut store, |figures| matches!(figures, ProtectionFigures::Queue(_)));
    let ProtectionFigures::Queue(queue) = &outbox.figures else { unreachable!() };
    assert_eq!((queue.length, queue.limit, queue.dropped.total), (7, 64, 22));
    assert_eq!((queue.refused.total, queue.dropped.minute), (4, 22));
    assert!(outbox.health.sentence.starts_with("22 of 40 items dropped"), "{}", outbox.health.sentence);
    assert_eq!(outbox.health.severity, Severity::Warn);
}

#[test]
fn a_supervised_connection_that_came_back_between_two_reports_is_there_since_then() {
    let mut store = store();
    let name = ("poolscope.supervisor.name", "prices");
    let report = |store: &mut Store, second: u64, state: &str, established: u64| {
        let all = ["connecting", "connected", "waiting", "breaker_open", "closing", "stopped"];
        let mut metrics: Vec<_> = all
            .iter()
            .map(|one| {
                let of = [name, ("poolscope.supervisor.state", *one)];
                sum("poolscope.supervisor.state", second, &of, count(u64::from(*one == state)))
            })
            .collect();
        let of = [
            name,
            ("poolscope.supervisor.state", "connected"),
            ("poolscope.supervisor.reason", "established"),
        ];
        metrics.push(sum("poolscope.supervisor.transitions", second, &of, count(established)));
        metrics.push(sum("poolscope.supervisor.connects", second, &[name], count(established + 1)));
        metrics.push(sum("poolscope.supervisor.lost", second, &[name], count(0)));
        send(store, second, &SHOP, &metrics);
        let prices = one(store, |figures| matches!(figures, ProtectionFigures::Supervisor(_)));
        let ProtectionFigures::Supervisor(figures) = prices.figures else { unreachable!() };
        assert_eq!((figures.lost.total, figures.again), (0, established - 1));
        (figures.state, figures.since_ms.map(|since| (since - T0) / 1_000), prices.health.severity)
    };
    let connected = |since| ("connected".to_owned(), since, Severity::Ok);
    assert_eq!(report(&mut store, 1, "connected", 1), connected(None));
    assert_eq!(report(&mut store, 2, "connected", 1), connected(None));
    assert_eq!(report(&mut store, 3, "connected", 2), connected(Some(3)), "another one");
    assert_eq!(report(&mut store, 4, "waiting", 2), ("waiting".to_owned(), Some(4), Severity::Warn));
    assert_eq!(report(&mut store, 5, "waiting", 2).1, Some(4));
    assert_eq!(report(&mut store, 6, "connected", 6).2, Severity::Warn, "it comes and goes");
    let rules: Vec<_> = store.warnings().iter().map(|warning| warning.rule).collect();
    assert_eq!(rules, [Rule::SupervisorFlaps]);
}
