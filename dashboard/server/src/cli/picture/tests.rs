use poolscope_wire::{Full, Health, PoolPoint, SparkLine, SparkPoint, Status, Update};

use super::*;

/// A pool of the service `shop` that is as bad as said.
pub(in crate::cli) fn pool(id: &str, address: &str, severity: Severity) -> PoolSummary {
    PoolSummary {
        id: id.to_owned(),
        service: "shop".to_owned(),
        address: address.to_owned(),
        port: 443,
        health: Health { severity, sentence: format!("{address} is bad"), since_ms: 0 },
        now: PoolPoint {
            at_ms: 100_000,
            idle: Some(1),
            active: Some(2),
            requests_per_s: Some(10.0),
            ..PoolPoint::default()
        },
        reuse: Some(0.5),
        ..PoolSummary::default()
    }
}

pub(in crate::cli) fn full(pools: Vec<PoolSummary>) -> Full {
    let history =
        pools.iter().map(|pool| (pool.id.clone(), SparkLine(vec![SparkPoint::from(&pool.now)]))).collect();
    Full { status: Status { now_ms: 100_000, ..Status::default() }, pools, history, ..Full::default() }
}

fn order(picture: &Picture) -> Vec<&str> {
    picture.rows("").iter().map(|row| &*row.pool.id).collect()
}

#[test]
fn of_a_source_that_does_not_answer_nothing_is_claimed() {
    let told = |prometheus| {
        let mut picture = Picture::default();
        let status = Status { prometheus, ..Status::default() };
        picture.apply(ServerMessage::Full(Full { status, ..Full::default() }));
        picture.none_known()
    };
    let source = |answered_ms, problem: Option<&str>| {
        let problem = problem.map(str::to_owned);
        Some(PrometheusStatus { answered_ms, problem, ..PrometheusStatus::default() })
    };
    assert!(told(None).starts_with("No pool is known: send OTLP"));
    assert_eq!(told(source(Some(1), Some("it is down"))), "Nothing is known of the pools: it is down.");
    assert!(told(source(None, None)).contains("no answer of Prometheus so far"));
    assert_eq!(told(source(Some(1), None)), "Prometheus has no pool.");
}

#[test]
fn the_picture_follows_the_stream() {
    let mut picture = Picture::default();
    picture.apply(ServerMessage::Full(full(vec![
        pool("a", "a", Severity::Ok),
        pool("b", "b", Severity::Warn),
        pool("c", "c", Severity::Bad),
    ])));
    assert_eq!(order(&picture), ["c", "b", "a"]);
    let mut worse = pool("a", "a", Severity::Bad);
    worse.now.at_ms = 101_000;
    worse.now.requests_per_s = Some(90.0);
    picture.apply(ServerMessage::Update(Update {
        now_ms: 101_000,
        pools: vec![worse],
        removed_pools: vec!["b".to_owned()],
        warnings: vec![Warning { id: "w".to_owned(), severity: Severity::Bad, ..Warning::default() }],
        ..Update::default()
    }));
    assert_eq!(order(&picture), ["a", "c"]);
    assert_eq!((picture.now_ms, picture.warnings().len()), (101_000, 1));
    let removed_warnings = vec!["w".to_owned()];
    picture.apply(ServerMessage::Update(Update { removed_warnings, ..Update::default() }));
    assert_eq!(picture.warnings().len(), 0);
    // The whole picture replaces what was there.
    picture.apply(ServerMessage::Full(Full { lagged: true, ..full(vec![pool("z", "z", Severity::Ok)]) }));
    assert_eq!(order(&picture), ["z"]);
}

#[test]
fn figures_move_no_row_and_what_is_gone_is_last() {
    let mut gone = pool("a", "a", Severity::Bad);
    gone.stale = true;
    let mut busy = pool("c", "c", Severity::Ok);
    busy.now.requests_per_s = Some(1e6);
    let mut picture = Picture::default();
    picture.apply(ServerMessage::Full(full(vec![gone, pool("b", "b", Severity::Ok), busy])));
    assert_eq!(order(&picture), ["b", "c", "a"]);
    assert_eq!(picture.worst(), Severity::Ok);
    let headline = picture.headline();
    assert_eq!((headline.gone, headline.bad), (1, 0));
    assert_eq!(picture.rows("GONE").len(), 1);
    assert_eq!(picture.rows("b:443").len(), 1);
}

#[test]
fn a_group_stands_for_its_members_and_its_trend_is_their_sum() {
    let mut full =
        full(vec![pool("a", "x", Severity::Bad), pool("b", "x", Severity::Ok), pool("c", "y", Severity::Ok)]);
    let members = vec!["a".to_owned(), "b".to_owned()];
    full.groups = vec![PoolGroup {
        merged: pool("g", "x", Severity::Bad),
        members,
        current: 2,
        bad: 1,
        ..PoolGroup::default()
    }];
    let mut picture = Picture::default();
    picture.apply(ServerMessage::Full(full));
    assert_eq!(order(&picture), ["g", "c"]);
    let row = picture.rows("")[0];
    assert_eq!(row.sentence(), "1 of 2 instances: x is bad");
    let trend = picture.trend(row, 13);
    assert_eq!((trend[12], trend[11]), (Some(20.0), None), "nothing is known of before the first report");
}
