//! Lanes: from what senders tell to what the browser gets.

use std::borrow::Cow;

use poolscope_semconv::event;
use poolscope_wire::{ConnectionLane, ConnectionLanes, LaneSegment, LaneState};

use super::*;

const T0: u64 = 1_700_000_000_000;

/// The lanes of one pool, and the room for them.
struct World {
    lanes: Lanes,
    budget: Budget,
}

fn world(limits: Limits) -> World {
    World { lanes: Lanes::default(), budget: Budget::new(&limits, 900_000) }
}

fn record<'a>(attributes: &[(&'a str, &'a str)], rows: &'a [String]) -> EventRecord<'a> {
    EventRecord {
        sender: crate::model::Sender::default(),
        name: event::POOL_SNAPSHOT,
        time_ns: 0,
        severity: 0,
        body: None,
        attributes: attributes.iter().map(|(key, value)| (*key, Cow::Borrowed(*value))).collect(),
        rows: rows.iter().map(String::as_str).collect(),
        dropped_attributes: 0,
        trace_id: &[7; 16],
    }
}

impl World {
    fn told(&mut self, at_s: u64, open: &str, rows: &[&str]) {
        let rows: Vec<_> = rows.iter().map(ToString::to_string).collect();
        self.lanes.snapshot(&record(&[(attr::POOL_OPEN, open)], &rows), T0 + at_s * 1_000, &mut self.budget);
    }

    fn closed(&mut self, at_s: u64, attributes: &[(&str, &str)]) {
        self.lanes.closed(&record(attributes, &[]), T0 + at_s * 1_000, 100, &mut self.budget);
    }

    fn all(&self, from_s: u64, to_s: u64) -> ConnectionLanes {
        self.lanes.to_wire(&query(from_s, to_s))
    }

    fn only(&self, from_s: u64, to_s: u64) -> ConnectionLane {
        let [row] = &self.all(from_s, to_s).rows[..] else { panic!("one row") };
        row.clone()
    }
}

fn query(from_s: u64, to_s: u64) -> LaneQuery {
    LaneQuery {
        from_ms: T0 + from_s * 1_000,
        to_ms: T0 + to_s * 1_000,
        after_ms: None,
        max_rows: 100,
        max_points: 10_000,
        sort: LaneSort::Worst,
        only: |_| true,
    }
}

fn stretch(length_ms: u64, state: LaneState, active_ms: u64, requests: u64) -> LaneSegment {
    LaneSegment { length_ms, state, active_ms, requests }
}

#[test]
fn what_is_between_two_rows_is_one_stretch_and_alike_ones_are_one() {
    let mut world = world(Limits::default());
    world.told(10, "1", &["7 idle 0 4 4 0 0 10.0.0.7:443"]);
    for at_s in 11..=20 {
        let age = at_s - 6;
        world.told(at_s, "1", &[&format!("7 idle 0 {age} {age} 0 0 10.0.0.7:443")]);
    }
    // Used twice for 150 ms each, in a second in which both looks saw it idle.
    world.told(21, "1", &["7 idle 0 15 0.2 2 0.3 10.0.0.7:443"]);
    // In use without a break.
    world.told(22, "1", &["7 active 1 16 1 3 1.3 10.0.0.7:443"]);
    world.told(23, "1", &["7 active 1 17 2 3 2.3 10.0.0.7:443"]);
    world.told(24, "1", &["7 upgraded 0 18 18 3 2.3 10.0.0.7:443"]);
    let row = world.only(0, 60);
    assert_eq!((row.opened_ms, row.start_ms, row.peer.as_str()), (T0 + 6_000, T0 + 6_000, "10.0.0.7:443"));
    assert_eq!(
        row.segments,
        [
            stretch(14_000, LaneState::Idle, 0, 0),
            stretch(1_000, LaneState::Active, 300, 2),
            stretch(2_000, LaneState::Active, 2_000, 1),
            stretch(1_000, LaneState::Upgraded, 0, 0),
        ]
    );
    assert_eq!((row.state, row.requests), (LaneState::Upgraded, 3));
    assert!((row.share.unwrap() - 2.3 / 18.0).abs() < 1e-3);
    assert_eq!((world.budget.used, world.lanes.cost()), (LANE_COST + 4, LANE_COST + 4));
    // A part of it: shares are told of what is in view.
    let part = world.only(20, 22);
    assert_eq!(
        part.segments,
        [stretch(1_000, LaneState::Active, 300, 2), stretch(1_000, LaneState::Active, 1_000, 1)]
    );
    assert_eq!(part.share, Some(0.65));
}

#[test]
fn a_lost_or_late_snapshot_loses_detail_and_no_use() {
    let mut world = world(Limits::default());
    world.told(10, "1", &["7 active 1 4 1 9 3 -"]);
    world.told(30, "1", &["7 idle 0 24 1 50 8 -"]);
    world.told(20, "1", &["7 idle 0 14 1 20 5 -"]);
    world.told(30, "1", &["7 idle 0 24 1 50 8 -"]);
    let row = world.only(0, 60);
    assert_eq!(
        row.segments,
        [stretch(4_000, LaneState::Active, 3_000, 9), stretch(20_000, LaneState::Active, 5_000, 41)]
    );
}

#[test]
fn a_use_that_is_told_late_is_drawn_where_it_was() {
    let mut world = world(Limits::default());
    for at_s in 1..=10 {
        world.told(at_s, "1", &[&format!("7 idle 0 {at_s} {at_s} 0 0 -")]);
    }
    // Only now it is known that a request has had it for 3.5 s.
    world.told(11, "1", &["7 idle 0 11 0.1 1 3.5 -"]);
    let row = world.only(0, 60);
    assert_eq!(
        row.segments,
        [stretch(7_500, LaneState::Idle, 0, 0), stretch(3_500, LaneState::Active, 3_500, 1)]
    );
}

#[test]
fn a_connection_that_no_snapshot_saw_is_drawn_by_its_close() {
    let mut world = world(Limits::default());
    world.told(10, "0", &[]);
    let close = [
        (attr::CONNECTION_ID, "8"),
        (attr::CONNECTION_LIFETIME, "0.4"),
        (attr::CONNECTION_REQUESTS, "3"),
        (attr::CONNECTION_ACTIVE_TIME, "0.1"),
        (attr::CLOSE_REASON, "peer_closed_idle"),
        (attr::CLOSE_CERTAINTY, "inferred"),
        (attr::NETWORK_PEER_ADDRESS, "::1"),
        (attr::NETWORK_PEER_PORT, "80"),
    ];
    world.closed(11, &close);
    world.closed(11, &close);
    let row = world.only(0, 60);
    assert_eq!(row.segments, [stretch(400, LaneState::Active, 100, 3)]);
    assert_eq!((row.state, row.peer.as_str(), row.wasted), (LaneState::Closed, "[::1]:80", false));
    let closed = row.closed.unwrap();
    assert_eq!(
        (closed.at_ms, closed.reason.as_str(), closed.inferred),
        (T0 + 11_000, "peer_closed_idle", true)
    );
    // A row of before that comes late does not open it again.
    world.told(11, "1", &["8 idle 0 0.4 0 3 0.1 -"]);
    assert!(world.only(0, 60).closed.is_some());
}

#[test]
fn leaks_and_wasted_connections_come_first_and_tell_who() {
    let mut world = world(Limits::default());
    let row = |id: u64, state: &str, since: u64| format!("{id} {state} 1 20 {since} 1 5 -");
    let rows = [row(1, "idle", 3), row(2, "active", 15), row(3, "active", 8), row(4, "idle", 1)];
    let rows: Vec<_> = rows.iter().map(String::as_str).collect();
    world.told(20, "4", &rows);
    let leak = [
        (attr::CONNECTION_ID, "3"),
        (attr::LEAK_HELD, "6"),
        (attr::LEAK_ORIGIN, "src/orders.rs:88"),
        (attr::HTTP_REQUEST_METHOD, "GET"),
    ];
    world.lanes.leaked(&record(&leak, &[]), T0 + 20_000, 100, &mut world.budget);
    world.lanes.leaked(&record(&leak, &[]), T0 + 20_000, 100, &mut world.budget);
    world.closed(
        21,
        &[
            (attr::CONNECTION_ID, "4"),
            (attr::CONNECTION_WASTED, "true"),
            (attr::CLOSE_REASON, "idle_timeout"),
        ],
    );
    let all = world.all(0, 60);
    assert_eq!(all.rows.iter().map(|row| row.id).collect::<Vec<_>>(), [3, 4, 2, 1]);
    let [leak] = &all.rows[0].leaks[..] else { panic!("one leak") };
    assert_eq!((leak.since_ms, leak.until_ms, leak.origin.as_str()), (T0 + 14_000, None, "src/orders.rs:88"));
    assert_eq!(leak.trace_id, "07".repeat(16));
    assert_eq!((all.counts.all, all.counts.leaked, all.counts.wasted, all.counts.closed), (4, 1, 1, 1));
    let wasted = world.lanes.to_wire(&LaneQuery { only: |lane| lane.wasted, ..query(0, 60) });
    assert_eq!((wasted.rows.len(), wasted.counts.all), (1, 4));

    let returned = [(attr::CONNECTION_ID, "3"), (attr::LEAK_HELD, "8.05")];
    world.lanes.returned(&record(&returned, &[]), T0 + 22_000, 100);
    assert_eq!(world.all(0, 60).rows[0].leaks[0].until_ms, Some(T0 + 22_000));
}

#[test]
fn who_begins_anew_and_whose_close_was_lost_leave_no_open_lane_behind() {
    let mut world = world(Limits::default());
    world.told(100, "2", &["1 idle 0 50 5 40 9 -", "2 idle 0 50 5 40 9 -"]);
    // The process has begun anew under its old name: another connection has the identity.
    world.told(120, "1", &["1 idle 0 2 1 1 0.1 -"]);
    let rows = world.all(0, 200).rows;
    assert_eq!(rows.len(), 2);
    let (one, two) =
        (rows.iter().find(|row| row.id == 1).unwrap(), rows.iter().find(|row| row.id == 2).unwrap());
    assert_eq!((one.opened_ms, one.requests), (T0 + 118_000, 1));
    assert_eq!(
        two.closed.as_ref().map(|closed| (closed.at_ms, closed.reason.as_str())),
        Some((T0 + 100_000, ""))
    );
    // All gone, by the count of the metrics.
    world.lanes.tick(T0 + 130_000, true, &mut world.budget);
    assert_eq!(world.all(0, 200).counts.closed, 2);
    // A snapshot with a part of the connections says nothing of the others.
    world.told(140, "50", &["3 idle 0 1 1 0 0 -"]);
    world.told(160, "50", &["4 idle 0 1 1 0 0 -"]);
    assert_eq!((world.all(0, 200).counts.closed, world.all(0, 200).open), (2, Some(50)));
    // What is older than the retention is forgotten.
    world.lanes.tick(T0 + 2_000_000, false, &mut world.budget);
    assert_eq!((world.lanes.len(), world.budget.used), (0, 0));
}

#[test]
fn memory_is_bounded_in_connections_and_in_stretches() {
    let limits = Limits { max_lanes: 10, max_lane_segments: 20, max_segments: 180, ..Limits::default() };
    let mut world = world(limits);
    // Of 30 connections there is room for 10, with 10 stretches each.
    let mut active = vec![0; 30];
    for at_s in 1..=500 {
        let rows: Vec<_> = (0..30)
            .map(|id: usize| {
                // A share that is never the one before.
                active[id] += (at_s as usize * 37 + id * 13) % 10 * 100;
                format!("{id} idle 0 {at_s} 0.1 {at_s} {:.1} -", active[id] as f64 / 1e3)
            })
            .collect();
        let rows: Vec<_> = rows.iter().map(String::as_str).collect();
        world.told(at_s, "30", &rows);
        assert!(world.lanes.len() <= 10);
        assert!(world.lanes.cost() <= 190, "{} at {at_s}", world.lanes.cost());
        assert!(world.lanes.longest() <= 21);
        assert!(world.budget.used >= world.lanes.cost(), "the count keeps up");
    }
    assert_eq!(world.lanes.dropped, 20 * 500);
    assert!(world.budget.coarsened.iter().sum::<u64>() > 0);
    for row in world.all(0, 500).rows {
        let (length, used): (u64, u64) =
            row.segments.iter().fold((0, 0), |sum, one| (sum.0 + one.length_ms, sum.1 + one.active_ms));
        let id = row.id as usize;
        assert_eq!((length, used), (500_000, active[id] as u64), "detail is lost, and no time");
    }
    // A closed one makes room.
    let kept = world.all(0, 500).rows[0].id.to_string();
    world.closed(501, &[(attr::CONNECTION_ID, &kept)]);
    world.told(502, "30", &["77 idle 0 1 1 0 0 -"]);
    assert!(world.all(0, 600).rows.iter().any(|row| row.id == 77));
}

#[test]
fn hostile_rows_are_dropped_and_change_nothing() {
    let mut world = world(Limits::default());
    let huge = format!("1 idle 0 {}", "9".repeat(10_000));
    world.told(
        10,
        "18446744073709551615",
        &["", "<script>", &huge, "1 idle", "7 active 1 1e9 1e9 18446744073709551615 1e9 x"],
    );
    assert_eq!(world.lanes.dropped, 4);
    let row = world.only(0, 60);
    assert_eq!((row.requests, row.peer.as_str()), (u64::MAX, "x"));
    world.told(11, "nonsense", &["7 active 1 1e9 1e9 1 1e9 x"]);
    world.closed(
        12,
        &[(attr::CONNECTION_ID, "7"), (attr::CONNECTION_LIFETIME, "-5"), (attr::CONNECTION_REQUESTS, "NaN")],
    );
    world.closed(12, &[(attr::CONNECTION_ID, "x")]);
    world.closed(12, &[]);
    world.lanes.leaked(
        &record(&[(attr::LEAK_HELD, "1e308"), (attr::CONNECTION_ID, "7")], &[]),
        T0,
        100,
        &mut world.budget,
    );
    assert_eq!(world.all(0, 60).rows.len(), 1);
}

#[test]
fn a_page_gets_only_what_it_does_not_have() {
    let mut world = world(Limits::default());
    let tell = |world: &mut World, at_s: u64| {
        let active: f64 = (0..at_s).map(|second| (second % 7) as f64 / 8.0).sum();
        world.told(at_s, "1", &[&format!("7 idle 0 {at_s} 0.1 {at_s} {active:.3} -")]);
    };
    (1..=50).for_each(|at_s| tell(&mut world, at_s));
    for max_points in [20, 10_000] {
        let query = LaneQuery { max_points, ..query(0, 200) };
        let mut had = world.lanes.to_wire(&query).rows.remove(0);
        assert!(had.segments.len() <= 20 || max_points > 20);
        let last_ms = had.start_ms + had.segments.iter().map(|one| one.length_ms).sum::<u64>();
        let first = world.lanes.dropped + 51 + if max_points > 20 { 20 } else { 0 };
        (first..first + 20).for_each(|at_s| tell(&mut world, at_s));
        let whole = world.lanes.to_wire(&query).rows.remove(0);
        let new = world.lanes.to_wire(&LaneQuery { after_ms: Some(last_ms), ..query }).rows.remove(0);
        assert!(new.segments.len() <= 22, "{}", new.segments.len());
        // What a page does with it.
        let mut end_ms = last_ms;
        while end_ms > new.start_ms {
            end_ms -= had.segments.pop().unwrap().length_ms;
        }
        assert_eq!(end_ms, new.start_ms);
        had.segments.extend(new.segments);
        assert_eq!(had.segments, whole.segments);
    }
}

#[test]
fn a_clock_that_is_put_back_stops_no_lane() {
    let mut world = world(Limits::default());
    world.told(3_700, "2", &["7 idle 0 3650 3650 0 0 10.0.0.7:443", "8 idle 0 50 50 0 0 10.0.0.8:443"]);
    world.lanes.rewind(T0 + 100_000);
    world.told(100, "2", &["7 active 1 50 0 1 0 10.0.0.7:443", "8 active 1 50 0 1 0 10.0.0.8:443"]);
    let rows = world.all(0, 200).rows;
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row.state == LaneState::Active), "{rows:#?}");
}
