//! Figures as text, and moments. Figures that are always known are said as the server says them.

pub use poolscope_wire::text::{bytes, count, duration, number, percent, span};

use crate::time::zone;

/// Shown where a figure is not known; a zero is shown as a zero.
pub const UNKNOWN: &str = "\u{2013}";

/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;

/// A whole number that may be unknown.
#[must_use]
pub fn count_or_unknown(value: Option<u32>) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), |value| count(u64::from(value)))
}

/// A total that may be unknown.
#[must_use]
pub fn total_or_unknown(value: Option<u64>) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), count)
}

/// A number that may be unknown.
#[must_use]
pub fn number_or_unknown(value: Option<f32>) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), |value| number(f64::from(value)))
}

/// A count with its noun, such as `1 pool` and `3 pools`.
#[must_use]
pub fn counted(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(value), if value == 1 { one } else { many })
}

/// A share that may be unknown.
#[must_use]
pub fn percent_or_unknown(share: Option<f32>) -> String {
    share.map_or_else(|| UNKNOWN.to_owned(), |share| percent(f64::from(share)))
}

/// A duration that may be unknown.
#[must_use]
pub fn duration_or_unknown(seconds: Option<f32>) -> String {
    seconds.map_or_else(|| UNKNOWN.to_owned(), |seconds| duration(f64::from(seconds)))
}

/// How long ago something was, in one unit.
#[must_use]
pub fn ago(now_ms: u64, at_ms: u64) -> String {
    let seconds = now_ms.saturating_sub(at_ms) / 1_000;
    match seconds {
        0..=1 => "just now".to_owned(),
        2..=119 => format!("{seconds} s ago"),
        120..=7_199 => format!("{} min ago", seconds / 60),
        7_200..=172_799 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

/// A moment moved so that its UTC reads as the clock of a zone does.
fn moved(at_ms: u64, offset_min: i32) -> u64 {
    at_ms.saturating_add_signed(i64::from(offset_min) * 60_000)
}

/// The moment as the clocks of the chosen zone show it.
fn zoned(at_ms: u64) -> u64 {
    moved(at_ms, zone::offset_min(at_ms))
}

fn clock(zoned_ms: u64) -> String {
    let seconds = zoned_ms / 1_000 % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// The day of a moment, such as `21 Nov`.
fn day(zoned_ms: u64) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, month, day) = civil(zoned_ms / DAY_MS);
    format!("{day} {}", MONTHS[(month - 1) as usize % 12])
}

/// The time of day, such as `03:44:12`.
#[must_use]
pub fn clock_time(at_ms: u64) -> String {
    clock(zoned(at_ms))
}

/// The time of day, with its day where that is not today.
#[must_use]
pub fn dated_time(at_ms: u64, now_ms: u64) -> String {
    let [at, now] = [at_ms, now_ms].map(zoned);
    if at / DAY_MS == now / DAY_MS { clock(at) } else { format!("{} {}", day(at), clock(at)) }
}

/// The label of a tick: its day at midnight, else the time of day, without seconds where it has none.
#[must_use]
pub fn tick_time(at_ms: u64) -> String {
    let zoned = zoned(at_ms);
    if zoned.is_multiple_of(DAY_MS) { day(zoned) } else { short_clock(zoned) }
}

fn short_clock(zoned_ms: u64) -> String {
    let mut text = clock(zoned_ms);
    if zoned_ms.is_multiple_of(60_000) {
        text.truncate(5);
    }
    text
}

/// A time from one moment to another, such as `14:00 \u{2013} 14:05`; with its days where they are not today's.
#[must_use]
pub fn span_between(from_ms: u64, to_ms: u64, now_ms: u64) -> String {
    // Nobody reads seconds of a long time.
    let whole = if to_ms.saturating_sub(from_ms) >= 3_600_000 { 60_000 } else { 1_000 };
    let [from, to] = [from_ms, to_ms].map(|at| zoned(at) / whole * whole);
    let [from_day, to_day, today] = [from, to, zoned(now_ms)].map(|at| at / DAY_MS);
    let text = |at: u64, dated: bool| {
        if dated { format!("{} {}", day(at), short_clock(at)) } else { short_clock(at) }
    };
    format!("{} \u{2013} {}", text(from, from_day != today), text(to, to_day != from_day))
}

/// The exact moment, such as `2026-11-21 03:44:12.345 UTC`: what a tooltip tells beside a relative time.
#[must_use]
pub fn exact_time(at_ms: u64) -> String {
    exact_in(at_ms, zone::offset_min(at_ms))
}

fn exact_in(at_ms: u64, offset_min: i32) -> String {
    let [date, time] = date_and_time(at_ms, offset_min);
    format!("{date} {time} {}", zone::name_of(offset_min))
}

/// The exact moment as programs read it, such as `2026-11-21T03:44:12.345Z`.
#[must_use]
pub fn iso_time(at_ms: u64) -> String {
    iso_in(at_ms, zone::offset_min(at_ms))
}

fn iso_in(at_ms: u64, offset_min: i32) -> String {
    let [date, time] = date_and_time(at_ms, offset_min);
    let zone = if offset_min == 0 { "Z".to_owned() } else { zone::name_of(offset_min) };
    format!("{date}T{time}{zone}")
}

/// A moment as a field for date and time has it, such as `2026-11-21T03:44:12`, in the chosen zone.
#[must_use]
pub fn field_time(at_ms: u64) -> String {
    let mut text = iso_time(at_ms);
    text.truncate(19);
    text
}

/// Reads [`field_time`]; seconds may be left out.
#[must_use]
pub fn parse_field_time(text: &str) -> Option<u64> {
    let zoned = parse_civil(text)?;
    // The offset is that of the moment, which is known only nearly before it is taken off.
    let nearly = moved(zoned, -zone::offset_min(zoned));
    Some(moved(zoned, -zone::offset_min(nearly)))
}

fn parse_civil(text: &str) -> Option<u64> {
    let (date, time) = text.split_once('T')?;
    let numbers = |text: &str, by: char| -> Option<Vec<u64>> {
        text.split(by).map(|part| part.split('.').next()?.parse().ok()).collect()
    };
    let (date, time) = (numbers(date, '-')?, numbers(time, ':')?);
    let ([year, month, day], [hour, minute, rest @ ..]) = (date.as_slice(), time.as_slice()) else {
        return None;
    };
    let is_date = (1970..10_000).contains(year) && (1..=12).contains(month) && (1..=31).contains(day);
    if !is_date || *hour > 23 || *minute > 59 {
        return None;
    }
    let seconds = rest.first().copied().unwrap_or(0).min(59);
    Some(days(*year, *month, *day)? * DAY_MS + ((hour * 60 + minute) * 60 + seconds) * 1_000)
}

/// The day of a calendar date, counted from 1970-01-01 (Howard Hinnant's `days_from_civil`).
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year % 400 * 365 + year % 400 / 4 - year % 400 / 100 + day_of_year;
    (year / 400 * 146_097 + day_of_era).checked_sub(719_468)
}

fn date_and_time(at_ms: u64, offset_min: i32) -> [String; 2] {
    let zoned = moved(at_ms, offset_min);
    let (year, month, day) = civil(zoned / DAY_MS);
    [format!("{year:04}-{month:02}-{day:02}"), format!("{}.{:03}", clock(zoned), at_ms % 1_000)]
}

/// The calendar date of a day counted from 1970-01-01 (Howard Hinnant's `civil_from_days`).
fn civil(day: u64) -> (u64, u64, u64) {
    let shifted = day + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_times_use_one_unit() {
        assert_eq!(ago(10_000, 9_500), "just now");
        assert_eq!(ago(10_000, 20_000), "just now", "a clock that is ahead is not an error");
        assert_eq!(ago(60_000, 0), "60 s ago");
        assert_eq!(ago(300_000, 0), "5 min ago");
        assert_eq!(ago(3 * DAY_MS, 0), "3 d ago");
    }

    #[test]
    fn exact_times_follow_the_calendar() {
        assert_eq!(exact_time(0), "1970-01-01 00:00:00.000 UTC");
        assert_eq!(exact_time(951_782_400_000), "2000-02-29 00:00:00.000 UTC");
        assert_eq!(exact_time(1_795_232_652_345), "2026-11-21 03:44:12.345 UTC");
        assert_eq!(tick_time(1_795_232_640_000), "03:44");
        assert_eq!(tick_time(1_795_232_655_000), "03:44:15");
        assert_eq!(tick_time(1_795_219_200_000), "21 Nov", "midnight is told by its day");
        assert_eq!(exact_in(1_795_232_652_345, 330), "2026-11-21 09:14:12.345 +05:30");
        assert_eq!(exact_in(1_795_232_652_345, -240), "2026-11-20 23:44:12.345 -04:00");
        assert_eq!(iso_in(1_795_232_652_345, 0), "2026-11-21T03:44:12.345Z");
        assert_eq!(iso_in(1_795_232_652_345, 60), "2026-11-21T04:44:12.345+01:00");
    }

    #[test]
    fn times_of_fields_survive_the_way_there_and_back() {
        for at in [0, 951_782_400_000, 1_795_232_652_000, 4_107_542_399_000] {
            assert_eq!(parse_field_time(&field_time(at)), Some(at));
        }
        assert_eq!(parse_field_time("2026-11-21T03:44"), Some(1_795_232_640_000));
        assert_eq!(parse_field_time("2026-11-21T03:44:12.345"), Some(1_795_232_652_000));
        for text in ["", "2026-11-21", "2026-13-01T00:00", "1969-01-01T00:00", "2026-11-21Tnoon", "x-y-zT1:2"]
        {
            assert_eq!(parse_field_time(text), None, "{text}");
        }
    }

    #[test]
    fn times_are_told_with_their_days_where_they_are_not_today() {
        let now = 1_795_232_652_345;
        let cases = [
            (now - 300_000, now, "03:39:12 \u{2013} 03:44:12"),
            (now - 7_200_000, now - 3_600_000, "01:44 \u{2013} 02:44"),
            (now - DAY_MS, now, "20 Nov 03:44 \u{2013} 21 Nov 03:44"),
            (now - DAY_MS, now - DAY_MS + 60_000, "20 Nov 03:44:12 \u{2013} 03:45:12"),
        ];
        for (from, to, text) in cases {
            assert_eq!(span_between(from, to, now), text);
        }
    }

    #[test]
    fn nouns_agree_with_their_counts() {
        assert_eq!(counted(1, "pool", "pools"), "1 pool");
        assert_eq!(counted(0, "pool", "pools"), "0 pools");
        assert_eq!(counted(1_200, "pool", "pools"), "1,200 pools");
    }
}
