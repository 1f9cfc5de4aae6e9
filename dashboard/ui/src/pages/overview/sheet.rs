//! The list of pools as rows for other programs. Pure.

use poolscope_wire::PoolSummary;

use crate::{
    export::sheet::{Cell, Sheet},
    words,
};

/// What stands in a row.
type Column = (&'static str, fn(&PoolSummary) -> Cell);

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn count(count: Option<u32>) -> Cell {
    count.map(f64::from).into()
}

fn figure(figure: Option<f32>) -> Cell {
    figure.map(f64::from).into()
}

const COLUMNS: [Column; 23] = [
    ("pool", |pool| Cell::Text(words::pool_name(pool))),
    ("destination", |pool| Cell::Text(words::destination(pool))),
    ("service", |pool| text(&pool.service)),
    ("instance", |pool| text(&pool.instance)),
    ("severity", |pool| text(words::severity_key(pool.health.severity))),
    ("condition", |pool| text(&pool.health.sentence)),
    ("in use", |pool| count(pool.now.active)),
    ("idle", |pool| count(pool.now.idle)),
    ("upgraded", |pool| count(pool.now.upgraded)),
    ("limit", |pool| count(pool.now.limit.map(|limit| limit.max))),
    ("waiting", |pool| count(pool.now.pending)),
    ("wait p50 (s)", |pool| figure(pool.wait_p50_s)),
    ("wait p99 (s)", |pool| figure(pool.wait_p99_s)),
    ("use p50 (s)", |pool| figure(pool.now.use_p50_s)),
    ("use p99 (s)", |pool| figure(pool.now.use_p99_s)),
    ("request p50 (s)", |pool| figure(pool.now.duration_p50_s)),
    ("request p99 (s)", |pool| figure(pool.now.duration_p99_s)),
    ("reuse (0 to 1)", |pool| figure(pool.reuse)),
    ("requests (1/s)", |pool| figure(pool.now.requests_per_s)),
    ("errors (1/s)", |pool| figure(pool.now.errors_per_s)),
    ("breaker", |pool| {
        pool.breaker.as_ref().map_or(Cell::Missing, |(_, state)| text(words::breaker_key(*state)))
    }),
    ("estimated", |pool| text(if pool.is_estimated() { "yes" } else { "no" })),
    ("last reported", |pool| Cell::Moment(pool.last_seen_ms)),
];

/// The pools in their order. The figures are the newest, whatever time is looked at.
pub fn sheet<'a>(pools: impl Iterator<Item = &'a PoolSummary>, now: String) -> Sheet {
    Sheet {
        facts: vec![("figures_of", now)],
        columns: COLUMNS.map(|(name, _)| name.to_owned()).to_vec(),
        rows: pools.map(|pool| COLUMNS.iter().map(|(_, read)| read(pool)).collect()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use poolscope_wire::PoolPoint;

    use super::*;

    #[test]
    fn what_is_unknown_is_empty_and_no_zero() {
        let now = PoolPoint { active: Some(3), ..PoolPoint::default() };
        let pool =
            PoolSummary { client: "=shop".to_owned(), now, reuse: Some(0.5), ..PoolSummary::default() };
        let csv = sheet([&pool].into_iter(), "now".to_owned()).csv();
        let line = csv.lines().nth(1).unwrap();
        assert!(line.starts_with("'=shop,"), "{line}");
        assert!(line.contains(",3,,,,,,,,,,,0.5,,,,no,"), "{line}");
    }
}
