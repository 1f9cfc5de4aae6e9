//! One row in full, and the help: lines of text.

use crate::cli::picture::{Picture, Row, name, word};
use crate::cli::text::{UNKNOWN, duration, number, percent, plain};

/// What the keys do.
pub(super) const HELP: &[&str] = &[
    "j k, arrows      next and previous; page up and down, g and G: far",
    "enter            details of the pool; esc goes back",
    "/                filter by name, service, state or words; esc clears it",
    "space            pause, and go on with the newest",
    "?                this help",
    "q, ctrl-c        end",
    "",
    "STATE  BAD: requests suffer. warn: worth a look. ok: nothing to do.",
    "       gone: not reported any more, how it is is not known.",
    "~      concluded, not seen.    -  not known, which is not 0.",
    "TREND  requests per second over the last two minutes.",
];

/// All that is known of a row.
pub(super) fn lines(picture: &Picture, row: Row<'_>) -> Vec<String> {
    let (pool, now) = (row.pool, &row.pool.now);
    let of = |value: Option<u32>| number(value.map(f64::from));
    let rate = |value: Option<f32>| number(value.map(f64::from));
    let time = |value: Option<f32>| duration(value.map(f64::from));
    let total = |value: Option<u64>| value.map_or_else(|| UNKNOWN.to_owned(), |value| value.to_string());
    let tilde = if pool.is_estimated() { "~" } else { "" };
    let since = picture.now_ms.saturating_sub(pool.health.since_ms) as f64 / 1e3;
    let mut lines = vec![
        name(pool),
        format!("{} for {}: {}", row.word(), crate::words::duration(since), row.sentence()),
        String::new(),
        format!("service      {} {}", plain(&pool.service), plain(&pool.instance)),
        format!("protocol     {} {}", plain(&pool.scheme), plain(&pool.protocols.join(", "))),
        format!(
            "connections  {tilde}{} idle, {} active, {} connecting, {} upgraded",
            of(now.idle),
            of(now.active),
            of(now.connecting),
            of(now.upgraded)
        ),
        format!(
            "requests     {} in flight, {} waiting, {} leaked",
            of(now.in_flight),
            of(now.pending),
            of(now.leaked)
        ),
        format!("per second   {} requests, {} errors", rate(now.requests_per_s), rate(now.errors_per_s)),
        format!(
            "             {} opened, {tilde}{} closed, {} wasted",
            rate(now.opened_per_s),
            rate(now.closed_per_s),
            rate(now.wasted_per_s)
        ),
        format!("reuse        {}", percent(pool.reuse.map(f64::from))),
        format!("wait         p50 {}, p99 {}", time(pool.wait_p50_s), time(pool.wait_p99_s)),
        format!("answer       p50 {}, p99 {}", time(now.duration_p50_s), time(now.duration_p99_s)),
        format!(
            "in total     {} requests, {} opened, {tilde}{} closed, {} failed connects",
            total(pool.requests_total),
            total(pool.opened_total),
            total(pool.closed_total),
            total(pool.failed_total)
        ),
    ];
    if let Some(limit) = now.limit {
        lines.push(format!("limit        {} of {} in use, {} queued", limit.in_use, limit.max, limit.queued));
    }
    if let Some((name, is)) = &pool.breaker {
        lines.push(format!("breaker      {} {}", plain(name), is.word()));
    }
    let members: Vec<_> = row.group.iter().flat_map(|group| &group.members).collect();
    if !members.is_empty() {
        lines.extend([String::new(), "Instances".to_owned()]);
        let known = members.iter().filter_map(|id| picture.pools.get(*id));
        lines.extend(known.map(|pool| {
            let word = word(pool.health.severity, pool.stale);
            format!("{word:<5} {}: {}", plain(&pool.instance), plain(&pool.health.sentence))
        }));
    }
    let is_about = |id: &String| *id == pool.id || members.contains(&id);
    let warnings = picture.warnings();
    let mut warnings = warnings.iter().filter(|warning| is_about(&warning.what_id)).peekable();
    if warnings.peek().is_some() {
        lines.extend([String::new(), "Warnings".to_owned()]);
    }
    lines.extend(warnings.map(|one| format!("{:<5} {}", word(one.severity, false), plain(&one.sentence))));
    lines
}
