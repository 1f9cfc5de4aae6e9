//! Why a chart of a pool is empty although the pool is reported: its sender does not tell this. Pure.

use poolscope_semconv::{accepted, metric};
use poolscope_wire::{Lack, PoolKind};

use super::{point::Point, series::Chart};

/// What the sender of a pool does not tell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Untold {
    /// What kind of pool it is, which decides about the names of its metrics.
    pub kind: PoolKind,
    /// What is lacking, as the page says it too.
    pub lacks: Vec<Lack>,
}

/// What of a sender's lacks empties a chart, and the metric that would fill it.
fn needed(chart: &str, kind: PoolKind) -> Option<(Lack, &'static str)> {
    let by_kind = |http: &'static str, database: &'static str| match kind {
        PoolKind::Http => http,
        PoolKind::Database => database,
    };
    Some(match chart {
        "connections" => (
            Lack::Connections,
            by_kind(metric::HTTP_CLIENT_OPEN_CONNECTIONS.name, accepted::DB_CONNECTION_COUNT.name),
        ),
        "waiting" => (
            Lack::Waiting,
            by_kind(metric::HTTP_CLIENT_ACTIVE_REQUESTS.name, accepted::DB_CONNECTION_PENDING_REQUESTS.name),
        ),
        "wait" => (
            Lack::WaitTimes,
            by_kind(metric::HTTP_CLIENT_REQUEST_TIME_IN_QUEUE.name, accepted::DB_CONNECTION_WAIT_TIME.name),
        ),
        "use" => {
            (Lack::UseTimes, by_kind(metric::CONNECTION_USE_TIME.name, accepted::DB_CONNECTION_USE_TIME.name))
        }
        "duration" => (Lack::Results, by_kind(metric::HTTP_CLIENT_REQUEST_DURATION.name, "")),
        "requests" => (
            Lack::Requests,
            by_kind(metric::HTTP_CLIENT_REQUEST_DURATION.name, accepted::DB_CONNECTION_USE_TIME.name),
        ),
        "connects" => (
            Lack::Opened,
            by_kind(metric::HTTP_CLIENT_CONNECTION_DURATION.name, accepted::DB_CONNECTION_CREATE_TIME.name),
        ),
        "reuse" => (Lack::Reuse, metric::CONNECTION_ACQUIRES.name),
        _ => return None,
    })
}

impl Untold {
    /// What a chart says that has no value in all of its points, in lines; nothing if its sender tells that.
    #[must_use]
    pub fn lines(&self, chart: &Chart, points: &[Point]) -> Vec<String> {
        let Some((lack, metric)) = needed(chart.id, self.kind) else { return Vec::new() };
        let has_value = |point: &Point| chart.series.iter().any(|series| (series.value)(point).is_some());
        if points.is_empty() || !self.lacks.contains(&lack) || points.iter().any(has_value) {
            return Vec::new();
        }
        let needs = if metric.is_empty() {
            "(pools of databases have none)".to_owned()
        } else {
            format!("(needs {metric})")
        };
        vec!["the sender doesn't tell this".to_owned(), needs]
    }
}

#[cfg(test)]
mod tests {
    use poolscope_wire::PoolPoint;

    use super::*;
    use crate::chart::series::CHARTS;

    #[test]
    fn every_chart_of_a_pool_says_what_it_needs() {
        for kind in [PoolKind::Http, PoolKind::Database] {
            assert!(CHARTS.iter().all(|chart| needed(chart.id, kind).is_some()));
        }
        assert_eq!(
            needed("sweeps", PoolKind::Http),
            None,
            "charts of other things have senders that tell all"
        );
    }

    #[test]
    fn an_empty_chart_says_why_and_one_with_a_value_does_not() {
        let [connections, waiting, wait] = [&CHARTS[0], &CHARTS[1], &CHARTS[2]];
        let point = PoolPoint { active: Some(0), pending: Some(2), ..PoolPoint::default() };
        let points = [Point::from(&point)];
        let untold = Untold { kind: PoolKind::Database, lacks: vec![Lack::Waiting, Lack::WaitTimes] };
        let lines = untold.lines(wait, &points);
        assert_eq!(lines, ["the sender doesn't tell this", "(needs db.client.connection.wait_time)"]);
        assert!(untold.lines(connections, &points).is_empty());
        assert!(untold.lines(waiting, &points).is_empty(), "a value is there");
        assert!(untold.lines(wait, &[]).is_empty(), "nothing at all was reported");
        assert!(Untold::default().lines(wait, &points).is_empty(), "one of ours tells all");
    }
}
