//! `snapshot`: how the pools are right now, as text or as one document.

use std::fmt::Write as _;
use std::process::ExitCode;

use poolscope_wire::{
    Breaker, Full, PoolGroup, PoolSummary, ServerMessage, Sessions, Severity, Status, Warning, path,
};

use super::client::Client;
use super::picture::{Picture, Row, name, word};
use super::problem::Problem;
use super::text::{duration, fit, fit_right, number, percent, plain, width};
use super::{Snapshot, Target, print};

/// Version of the document of `--json`: it rises when something that was there is gone or means something else.
pub const SNAPSHOT_VERSION: u32 = 1;
/// Exit code where something is as bad as `--fail-on` says.
const AS_BAD: u8 = 2;
/// Most columns of a name.
const MAX_NAME: usize = 48;

/// From where on `--fail-on` fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Threshold {
    /// Worth a look, or worse.
    Warn,
    /// Requests suffer.
    Bad,
}

/// What `--json` prints. Its parts are those of the read API.
#[derive(Debug, serde::Serialize)]
struct Document<'a> {
    schema_version: u32,
    wire_version: u32,
    server_version: &'a str,
    url: &'a str,
    at_ms: u64,
    /// The worst of all that is below and reports.
    worst: Severity,
    pools: Vec<&'a PoolSummary>,
    groups: Vec<&'a PoolGroup>,
    breakers: Vec<&'a Breaker>,
    sessions: Vec<&'a Sessions>,
    warnings: Vec<&'a Warning>,
}

pub(super) async fn run(snapshot: &Snapshot) -> Result<ExitCode, Problem> {
    let client = snapshot.target.client()?;
    let (status, picture) = ask(&client, &snapshot.target).await?;
    let text = if snapshot.json {
        let document = Document {
            schema_version: SNAPSHOT_VERSION,
            wire_version: status.wire_version,
            server_version: &status.version,
            url: client.url(),
            at_ms: status.now_ms,
            worst: picture.worst(),
            pools: picture.pools.values().collect(),
            groups: picture.groups.values().collect(),
            breakers: picture.breakers(),
            sessions: picture.sessions.values().collect(),
            warnings: picture.warnings(),
        };
        serde_json::to_string_pretty(&document)? + "\n"
    } else {
        told(&picture)
    };
    print(&text)?;
    let fails = snapshot.fail_on.is_some_and(|limit| match limit {
        Threshold::Warn => picture.worst() >= Severity::Warn,
        Threshold::Bad => picture.worst() >= Severity::Bad,
    });
    Ok(if fails { ExitCode::from(AS_BAD) } else { ExitCode::SUCCESS })
}

async fn ask(client: &Client, target: &Target) -> Result<(Status, Picture), Problem> {
    let status = client.status().await?;
    target.find_service(client).await?;
    let full = Full {
        status: status.clone(),
        pools: client.get(path::POOLS).await?,
        groups: client.get(path::GROUPS).await?,
        breakers: client.get(path::BREAKERS).await?,
        sessions: client.get(path::SESSIONS).await?,
        warnings: client.get(path::WARNINGS).await?,
        ..Full::default()
    };
    let mut picture = Picture::default();
    picture.apply(ServerMessage::Full(full));
    picture.keep(|service| target.is_of_service(service));
    Ok((status, picture))
}

/// All as text.
fn told(picture: &Picture) -> String {
    let mut text = headline(picture) + "\n";
    let rows = picture.rows("");
    if rows.is_empty() {
        text += &format!("\n{}\n", picture.none_known());
    } else {
        let mut table = vec![COLUMNS.map(str::to_owned)];
        table.extend(rows.into_iter().map(cells));
        text += "\n";
        text += &aligned(&table);
    }
    section(&mut text, "Warnings", picture.warnings(), |warning| {
        let since = picture.now_ms.saturating_sub(warning.since_ms) as f64 / 1e3;
        let over = if warning.recovering { ", over and watched" } else { "" };
        let [service, name, sentence] =
            [&warning.service, &warning.name, &warning.sentence].map(|text| plain(text));
        let word = word(warning.severity, false);
        format!("{word:<5} {service}  {name}: {sentence} (for {}{over})", crate::words::duration(since))
    });
    section(&mut text, "Breakers", picture.breakers(), |breaker| {
        let [service, name, sentence] =
            [&breaker.service, &breaker.name, &breaker.sentence].map(|text| plain(text));
        let state = if breaker.stale { "gone" } else { breaker.state.word() };
        format!("{state:<13} {service}  {name}: {sentence}")
    });
    section(&mut text, "Sessions", picture.sessions.values().collect(), |sessions| {
        let health = &sessions.health;
        let [service, name, sentence] =
            [&sessions.service, &sessions.name, &health.sentence].map(|text| plain(text));
        format!("{:<5} {service}  {name}: {sentence}", word(health.severity, sessions.stale))
    });
    text
}

fn section<T>(text: &mut String, title: &str, items: Vec<T>, line: impl Fn(T) -> String) {
    if !items.is_empty() {
        // Writing to a string can't fail.
        let _ = write!(text, "\n{title}\n");
        for item in items {
            let _ = writeln!(text, "{}", line(item));
        }
    }
}

/// What needs somebody, and how much there is of all. Pools and warnings are told apart: a warning may be about something
/// else than a pool, and a pool have several.
pub(super) fn headline(picture: &Picture) -> String {
    let all = picture.headline();
    let needing = match (all.bad, all.warn) {
        (0, 0) if all.pools == all.gone => "nothing reports".to_owned(),
        (0, 0) => "all pools are fine".to_owned(),
        (bad, warn) => format!("{bad} bad and {warn} warn",),
    };
    let gone = if all.gone > 0 { format!(", {} gone", all.gone) } else { String::new() };
    format!(
        "{needing} of {}{gone} | warnings: {} bad and {} warn | {} open | {} | {} req/s | reuse {}",
        crate::words::count(all.pools, "pool"),
        all.bad_warnings,
        all.warn_warnings,
        crate::words::count(all.open_breakers, "breaker"),
        crate::words::count(all.leaked, "leak"),
        number(Some(all.requests_per_s)),
        percent(all.reuse),
    )
}

const COLUMNS: [&str; 10] =
    ["STATE", "SERVICE", "POOL", "OPEN", "ACTIVE", "WAITING", "REQ/S", "REUSE", "WAIT P99", "WHAT"];
/// Columns of figures, at the right.
const FIGURES: std::ops::Range<usize> = 3..9;

fn cells(row: Row<'_>) -> [String; 10] {
    let now = &row.pool.now;
    let of = |value: Option<u32>| number(value.map(f64::from));
    let tilde = if row.pool.is_estimated() { "~" } else { "" };
    [
        row.word().to_owned(),
        plain(&row.pool.service),
        name(row.pool),
        format!("{tilde}{}", number(row.open())),
        of(now.active),
        of(now.pending),
        number(now.requests_per_s.map(f64::from)),
        percent(row.pool.reuse.map(f64::from)),
        duration(row.pool.wait_p99_s.map(f64::from)),
        row.sentence(),
    ]
}

/// Cells under each other; the last column as long as it is.
fn aligned<const N: usize>(table: &[[String; N]]) -> String {
    let columns: Vec<usize> = (0..N)
        .map(|column| table.iter().map(|row| width(&row[column])).max().unwrap_or(0).min(MAX_NAME))
        .collect();
    let mut text = String::new();
    for row in table {
        for (column, cell) in row.iter().enumerate().take(N - 1) {
            let put = if FIGURES.contains(&column) { fit_right } else { fit };
            text += &put(cell, columns[column]);
            text += "  ";
        }
        text += &row[N - 1];
        text += "\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::picture::tests::{full, pool};

    #[test]
    fn the_worst_comes_first_with_its_sentence_and_columns_stand_under_each_other() {
        let mut hostile = pool("c", "evil\u{1b}[2J\u{202e}", Severity::Warn);
        hostile.health.sentence = "line\nbreak".to_owned();
        let mut picture = Picture::default();
        picture.apply(ServerMessage::Full(full(vec![
            pool("a", "fine", Severity::Ok),
            pool("b", "pay", Severity::Bad),
            hostile,
        ])));
        let text = told(&picture);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[0],
            "1 bad and 1 warn of 3 pools | warnings: 0 bad and 0 warn | 0 breakers open | 0 leaks | 30 req/s | reuse 50 %"
        );
        let states: Vec<_> = lines[3..6].iter().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(states, ["BAD", "warn", "ok"]);
        let what = lines[2].find("WHAT").unwrap();
        assert_eq!(&lines[3][what..], "pay is bad");
        assert_eq!(&lines[4][what..], "line break");
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
    }

    #[test]
    fn the_first_line_counts_what_makes_the_worst() {
        let of = |id: &str, severity| Warning { id: id.to_owned(), severity, ..Warning::default() };
        let warnings = vec![of("1", Severity::Bad), of("2", Severity::Warn), of("3", Severity::Ok)];
        let mut picture = Picture::default();
        picture.apply(ServerMessage::Full(Full { warnings, ..full(vec![pool("a", "a", Severity::Warn)]) }));
        assert_eq!(picture.worst(), Severity::Bad);
        let text = told(&picture);
        assert!(text.starts_with("0 bad and 1 warn of 1 pool | warnings: 1 bad and 1 warn | "), "{text}");
    }

    #[test]
    fn an_empty_dashboard_says_so() {
        let mut picture = Picture::default();
        picture.apply(ServerMessage::Full(Full::default()));
        assert!(told(&picture).contains("No pool is known"));
        assert!(told(&picture).starts_with("nothing reports of 0 pools"));
    }
}
