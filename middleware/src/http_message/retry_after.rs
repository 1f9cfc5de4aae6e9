//! `Retry-After` in both of its forms, as a time to wait from the moment of receipt.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue, header};

/// How long the peer asks to wait; `None` if it does not ask, or not in words of RFC 9110. Of several lines that can be read
/// the longest counts, as a proxy may have added one.
///
/// The wait may be too long by a part of a second, and is never too short. A date is measured against the `Date` of the
/// same response where it has one, so that a clock that differs from the peer's does no harm; both are cut to whole
/// seconds by the peer, the second one in our favour. A date in the past asks for no wait.
pub(crate) fn retry_after(headers: &HeaderMap, received: SystemTime) -> Option<Duration> {
    headers.get_all(header::RETRY_AFTER).iter().filter_map(|value| wait_of(value, headers, received)).max()
}

fn wait_of(value: &HeaderValue, headers: &HeaderMap, received: SystemTime) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Too many digits for a number is still a request to wait for very long.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let date = headers.get(header::DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    let wait = until.duration_since(date.unwrap_or(received)).unwrap_or_default();
    Some(whole_seconds(wait))
}

/// Rounds up to the precision of a date.
fn whole_seconds(wait: Duration) -> Duration {
    Duration::from_secs(wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECEIVED: &str = "Sat, 21 Nov 2026 10:00:00 GMT";

    fn wait(value: &str, date: Option<&str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, value.parse().unwrap());
        if let Some(date) = date {
            headers.insert(header::DATE, date.parse().unwrap());
        }
        let received = httpdate::parse_http_date(RECEIVED).unwrap() + Duration::from_millis(400);
        retry_after(&headers, received)
    }

    #[test]
    fn seconds_are_taken_as_they_are() {
        assert_eq!(wait("7", None), Some(Duration::from_secs(7)));
        assert_eq!(wait(" 0 ", None), Some(Duration::ZERO));
    }

    #[test]
    fn a_number_beyond_all_bounds_is_a_very_long_wait() {
        assert_eq!(wait("99999999999999999999999", None), Some(Duration::from_secs(u64::MAX)));
    }

    #[test]
    fn a_date_is_rounded_up_to_whole_seconds() {
        assert_eq!(wait("Sat, 21 Nov 2026 10:00:05 GMT", None), Some(Duration::from_secs(5)));
    }

    #[test]
    fn a_date_is_measured_by_the_clock_of_the_peer() {
        let wait = wait("Sat, 21 Nov 2026 08:00:05 GMT", Some("Sat, 21 Nov 2026 08:00:00 GMT"));
        assert_eq!(wait, Some(Duration::from_secs(5)));
    }

    #[test]
    fn a_date_in_the_past_asks_for_no_wait() {
        assert_eq!(wait("Sat, 21 Nov 2026 09:00:00 GMT", None), Some(Duration::ZERO));
    }

    #[test]
    fn of_several_lines_the_longest_that_can_be_read_counts() {
        let mut headers = HeaderMap::new();
        for line in ["soon", "2", "Sat, 21 Nov 2026 10:00:09 GMT", "7"] {
            headers.append(header::RETRY_AFTER, line.parse().unwrap());
        }
        let received = httpdate::parse_http_date(RECEIVED).unwrap();
        assert_eq!(retry_after(&headers, received), Some(Duration::from_secs(9)));
    }

    #[test]
    fn nonsense_asks_for_nothing() {
        for nonsense in ["soon", "-1", "1.5", ""] {
            assert_eq!(wait(nonsense, None), None, "{nonsense}");
        }
    }
}
