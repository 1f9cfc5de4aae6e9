//! In which zone moments are written: that of the browser, or UTC.

use std::sync::atomic::{AtomicBool, Ordering};

/// True while UTC is chosen. No signal: when it changes, the page is drawn anew.
static UTC: AtomicBool = AtomicBool::new(false);

/// Chooses UTC, or the zone of the browser.
pub fn choose_utc(utc: bool) {
    UTC.store(utc, Ordering::Relaxed);
}

/// Minutes that clocks of the chosen zone are ahead of UTC at a moment; summer and winter differ.
#[must_use]
pub fn offset_min(at_ms: u64) -> i32 {
    if UTC.load(Ordering::Relaxed) { 0 } else { local_offset_min(at_ms) }
}

/// The name of the chosen zone at a moment, such as `UTC` and `+05:30`.
#[must_use]
pub fn name(at_ms: u64) -> String {
    name_of(offset_min(at_ms))
}

/// The name of an offset.
#[must_use]
pub fn name_of(offset_min: i32) -> String {
    if offset_min == 0 {
        return "UTC".to_owned();
    }
    let sign = if offset_min < 0 { '-' } else { '+' };
    let minutes = offset_min.unsigned_abs();
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(target_arch = "wasm32")]
fn local_offset_min(at_ms: u64) -> i32 {
    // The browser tells how far UTC is ahead.
    -(js_sys::Date::new(&(at_ms as f64).into()).get_timezone_offset() as i32)
}

/// Outside of a browser there is nobody whose zone it could be.
#[cfg(not(target_arch = "wasm32"))]
fn local_offset_min(_: u64) -> i32 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_named_by_what_they_differ_from_utc() {
        assert_eq!(name_of(0), "UTC");
        assert_eq!(name_of(60), "+01:00");
        assert_eq!(name_of(-210), "-03:30");
    }
}
