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

#[cfg(test)]
mod tests {
    use super::axis_ms;

    #[test]
    fn a_clock_that_is_right_is_kept_and_one_that_is_off_is_replaced() {
        let now = 1_000_000;
        assert_eq!(axis_ms(998_000_000_000, now), 998_000);
        assert_eq!(axis_ms(1_004_999_000_000, now), 1_004_999);
        assert_eq!(axis_ms(900_000_000_000, now), now);
        assert_eq!(axis_ms(0, now), now);
        assert_eq!(axis_ms(u64::MAX, now), now);
    }
}
