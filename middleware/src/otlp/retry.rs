//! Which answers are worth another attempt, and when it comes; the OTLP specification's rules. Pure.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};
use tonic::Code;

/// Wait before the second attempt, on average three quarters of it.
const FIRST: Duration = Duration::from_millis(200);
/// Longest wait that grows by itself, short enough that a receiver that comes back is found.
const LONGEST: Duration = Duration::from_secs(5);

/// Waits between the attempts of one export: each twice as long as the last, with jitter.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Backoff {
    /// The next wait, which is no shorter than what the receiver asked for. `random` is from 0 to 1.
    pub(super) fn next(&mut self, asked: Option<Duration>, random: f64) -> Duration {
        let own = self.next.mul_f64(0.5 + random / 2.0);
        // What was asked is the least, so its jitter goes upwards, and later waits grow from it.
        let asked = asked.unwrap_or_default();
        let wait = own.max(asked.saturating_add(asked.min(LONGEST).mul_f64(random / 10.0)));
        self.next = self.next.max(asked.min(LONGEST)).saturating_mul(2).min(LONGEST);
        wait
    }
}

/// True if a gRPC status may be gone at the next attempt. `has_retry_info` says that the receiver told when to come again.
pub(super) fn is_transient_status(code: Code, has_retry_info: bool) -> bool {
    match code {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => true,
        Code::ResourceExhausted => has_retry_info,
        _ => false,
    }
}

/// True if an HTTP status may be gone at the next attempt.
pub(super) fn is_transient_http(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

/// How long an HTTP receiver asks to wait.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse() {
        Ok(secs) => Some(Duration::from_secs(secs)),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let read = |value: &str| {
            retry_after(&HeaderMap::from_iter([(header::RETRY_AFTER, value.parse().unwrap())]), now)
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        let date = httpdate::fmt_http_date(now + Duration::from_secs(30));
        assert_eq!(read(&date), Some(Duration::from_secs(30)));
        assert_eq!(read(&httpdate::fmt_http_date(now - Duration::from_secs(30))), None);
        for nonsense in ["-1", "soon", "", "99999999999999999999999"] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn waits_grow_to_a_limit_and_differ() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..8).map(|_| backoff.next(None, 1.0).as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
        assert_eq!(Backoff::default().next(None, 0.0), FIRST / 2);
    }

    #[test]
    fn a_wait_that_is_asked_for_is_the_least() {
        let asked = Some(Duration::from_secs(2));
        for random in [0.0, 0.5, 1.0] {
            let mut backoff = Backoff::default();
            let wait = backoff.next(asked, random);
            assert!((2.0..=2.2).contains(&wait.as_secs_f64()), "{wait:?}");
            assert!(backoff.next(None, random) >= Duration::from_secs(2), "and the next grows from it");
        }
        assert!(Backoff::default().next(Some(Duration::MAX), 1.0) >= Duration::MAX - LONGEST);
    }

    #[test]
    fn the_specification_says_which_codes_are_worth_another_attempt() {
        use Code::*;
        let all = (0..=16).map(Code::from_i32);
        let transient: Vec<_> = all.clone().filter(|code| is_transient_status(*code, false)).collect();
        assert_eq!(transient, [Cancelled, DeadlineExceeded, Aborted, OutOfRange, Unavailable, DataLoss]);
        let told: Vec<_> = all.filter(|code| is_transient_status(*code, true)).collect();
        assert_eq!(told.len(), transient.len() + 1);
        assert!(told.contains(&ResourceExhausted));
        let statuses = (100..600).filter_map(|status| StatusCode::from_u16(status).ok());
        let transient: Vec<_> = statuses.filter(|status| is_transient_http(*status)).collect();
        assert_eq!(transient, [429, 502, 503, 504]);
    }
}
