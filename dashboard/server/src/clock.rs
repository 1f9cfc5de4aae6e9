//! Time at the edge: everything inside takes `now` as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

/// Senders whose clock is off by more than this are put on the server's own time.
const MAX_SKEW_MS: u64 = 5_000;

const NANOS_PER_MS: u64 = 1_000_000;

/// Unix milliseconds now; 0 if the system's clock stands before 1970.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Place on the time axis of something that the sender dates `time_ns` and that came in at `now_ms`.
///
/// The sender's clock orders its reports best, unless it is missing or off: then its points would lie beside the axis
/// that the browser shows.
pub(crate) fn axis_ms(time_ns: u64, now_ms: u64) -> u64 {
    let sent_ms = time_ns / NANOS_PER_MS;
    if sent_ms.abs_diff(now_ms) <= MAX_SKEW_MS { sent_ms } else { now_ms }
}

/// A moment as people and spreadsheets read it, such as `2023-11-14T22:13:20.123Z`.
pub(crate) fn utc(at_ms: u64) -> String {
    let (days, ms) = (at_ms / 86_400_000, at_ms % 86_400_000);
    // Howard Hinnant's days to a civil date: years begin in March, so that the day of a leap year is the last.
    let since_era = days + 719_468;
    let (era, day) = (since_era / 146_097, since_era % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let date = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let (seconds, ms) = (ms / 1_000, ms % 1_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// Whether a place on the time axis, after one that lies later, tells that the server's own clock was put back. Reports
/// that are only late, or of senders whose clocks differ, lie closer.
pub(crate) fn is_put_back(at_ms: u64, before_ms: u64) -> bool {
    at_ms.saturating_add(2 * MAX_SKEW_MS) < before_ms
}

#[cfg(test)]
mod tests {
    use super::{axis_ms, utc};

    #[test]
    fn a_clock_that_is_right_is_kept_and_one_that_is_off_is_replaced() {
        let now = 1_000_000;
        assert_eq!(axis_ms(998_000_000_000, now), 998_000);
        assert_eq!(axis_ms(1_004_999_000_000, now), 1_004_999);
        assert_eq!(axis_ms(900_000_000_000, now), now);
        assert_eq!(axis_ms(0, now), now);
        assert_eq!(axis_ms(u64::MAX, now), now);
    }

    #[test]
    fn a_moment_is_written_as_a_date() {
        for (at_ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_735_689_599_000, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(utc(at_ms), text);
        }
    }
}
