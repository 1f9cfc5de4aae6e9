//! How much is taken of how much there is: limits and resources.

use poolscope_wire::{ClientLimitFigures, PoolLimit, ResourceFigures, Severity};

use super::{Cell, share};
use crate::format;

/// How much longer than the greatest limit the bar of a resource is, so that its mark is not its end.
const ROOM: f64 = 1.06;

fn full_class(in_use: u32, max: u32) -> &'static str {
    if in_use >= max { "c-warn" } else { "c-active" }
}

fn in_flight(in_use: u32, max: u32) -> Cell {
    let bar = Some((share(f64::from(in_use), f64::from(max)), Vec::new(), full_class(in_use, max)));
    let main = format!("{} of {}", format::count(u64::from(in_use)), format::count(u64::from(max)));
    Cell { bar, ..Cell::new(main, String::new()) }
}

fn waiting(queued: u32, under: String) -> Cell {
    let class = if queued > 0 { "is-warn" } else { "" };
    Cell { class, ..Cell::new(format::count(u64::from(queued)), under) }
}

pub(super) fn limit(figures: &ClientLimitFigures) -> Vec<Cell> {
    let ClientLimitFigures { max, in_use, queued, queue_max, most_in_use, most_queued } = *figures;
    let room = queue_max.map(|most| format!("of at most {}", format::count(u64::from(most))));
    vec![
        in_flight(in_use, max),
        waiting(queued, room.unwrap_or_default()),
        Cell::new(
            format!("{} in flight", format::count(u64::from(most_in_use))),
            format!("{} waiting", format::count(u64::from(most_queued))),
        ),
    ]
}

/// The figures of the limit of a pool.
#[must_use]
pub fn pool_limit(limit: PoolLimit) -> Vec<Cell> {
    let oldest = if limit.queued > 0 {
        format::duration(f64::from(limit.oldest_wait_s))
    } else {
        format::UNKNOWN.to_owned()
    };
    vec![
        in_flight(limit.in_use, limit.max),
        waiting(limit.queued, String::new()),
        Cell::new(oldest, String::new()),
    ]
}

/// The condition of the limit of a pool: the pool's own page says what comes of it.
#[must_use]
pub fn pool_limit_sentence(limit: PoolLimit) -> (Severity, String) {
    let in_flight = format!("{} of {} in flight", limit.in_use, limit.max);
    let waits = match limit.queued {
        0 if limit.in_use < limit.max => return (Severity::Ok, in_flight),
        0 => return (Severity::Warn, format!("limit reached: {in_flight}")),
        1 => "1 request waits".to_owned(),
        many => format!("{many} requests wait"),
    };
    // Where there is room, they wait for their turn among all requests of the client.
    let what = if limit.in_use < limit.max { "limit of the client reached" } else { "limit reached" };
    (Severity::Warn, format!("{what}: {in_flight}, {waits}"))
}

pub(super) fn resource(name: &str, figures: &ResourceFigures) -> Vec<Cell> {
    let amount = |value: u64| if name == "memory" { format::bytes(value) } else { format::count(value) };
    let or_unknown = |value: Option<u64>| value.map_or_else(|| format::UNKNOWN.to_owned(), amount);
    let or_none = |value: Option<u64>| value.map_or_else(|| "none".to_owned(), amount);
    let ResourceFigures { usage, peak, soft, hard, refused, .. } = *figures;
    let greatest = [usage, soft, hard].into_iter().flatten().max().unwrap_or(0) as f64 * ROOM;
    let reached = |limit: Option<u64>| limit.zip(usage).is_some_and(|(limit, usage)| usage >= limit);
    let class = match (reached(hard), reached(soft)) {
        (true, _) => "c-bad",
        (false, true) => "c-warn",
        (false, false) => "c-active",
    };
    let marks = [soft, hard].into_iter().flatten().map(|limit| share(limit as f64, greatest)).collect();
    let of_limit = usage
        .zip(hard.or(soft))
        .map(|(usage, limit)| format!("{} of the limit", format::percent(share(usage as f64, limit as f64))));
    // Without a limit there is nothing that a bar could be a share of.
    let bar =
        usage.filter(|_| soft.or(hard).is_some()).map(|usage| (share(usage as f64, greatest), marks, class));
    vec![
        Cell { bar, ..Cell::new(or_unknown(usage), of_limit.unwrap_or_default()) },
        Cell::new(or_unknown(peak), String::new()),
        Cell::new(or_none(soft), String::new()),
        Cell::new(or_none(hard), String::new()),
        Cell::loss(refused, "is-bad"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mains(cells: &[Cell]) -> Vec<&str> {
        cells.iter().map(|cell| cell.main.as_str()).collect()
    }

    #[test]
    fn a_resource_has_a_mark_for_each_limit_and_no_bar_without_one() {
        let mut figures = ResourceFigures { usage: Some(50), ..ResourceFigures::default() };
        assert_eq!(resource("open_files", &figures)[0].bar, None);
        (figures.soft, figures.hard) = (Some(80), Some(100));
        let cells = resource("open_files", &figures);
        let (filled, marks, class) = cells[0].bar.clone().unwrap();
        assert_eq!((marks.len(), class), (2, "c-active"));
        assert!(filled < marks[0] && marks[0] < marks[1] && marks[1] < 1.0, "{filled} {marks:?}");
        assert_eq!(cells[0].under, "50 % of the limit");
        figures.usage = Some(120);
        assert_eq!(resource("open_files", &figures)[0].bar.as_ref().unwrap().2, "c-bad");
        assert_eq!(resource("memory", &figures)[0].main, "120 B");
        let unknown = resource("memory", &ResourceFigures::default());
        assert_eq!(mains(&unknown)[..3], ["\u{2013}", "\u{2013}", "none"]);
    }

    #[test]
    fn a_pool_that_is_full_says_so() {
        let limit = |in_use, queued| PoolLimit { max: 20, in_use, queued, oldest_wait_s: 2.3 };
        assert_eq!(pool_limit_sentence(limit(3, 0)), (Severity::Ok, "3 of 20 in flight".to_owned()));
        assert_eq!(
            pool_limit_sentence(limit(20, 2)),
            (Severity::Warn, "limit reached: 20 of 20 in flight, 2 requests wait".to_owned())
        );
        assert_eq!(
            pool_limit_sentence(limit(3, 1)).1,
            "limit of the client reached: 3 of 20 in flight, 1 request waits"
        );
        assert_eq!(mains(&pool_limit(limit(20, 2))), ["20 of 20", "2", "2.3 s"]);
    }
}
