//! Durations in sentences of the library, which stand beside those of the dashboard: both say them alike.

use std::time::Duration;

use poolscope::event::TimeoutFired;
use poolscope_wire::text;

/// What the library says of a duration.
fn said(duration: Duration) -> String {
    let (name, limit, elapsed) = ("x".into(), duration, duration);
    let fired = TimeoutFired { name, limit, elapsed, destination: None, pool: None };
    fired.to_string().strip_prefix("timeout x fired after ").unwrap().to_owned()
}

#[test]
fn the_library_says_durations_as_the_dashboard_does() {
    // Four digits of each size, where roundings and units meet, from a tenth of a microsecond to a hundred days.
    let sizes = (0..14).map(|power| 10_u64.pow(power));
    let nanos = sizes.flat_map(|size| (1_000..10_000).step_by(5).map(move |digits| digits * size / 10));
    let edges = [0, 1, 999_499, 999_500, 999_501, 999_499_999, 999_500_000, 59_949_999_999, 59_950_000_000];
    let mut different = Vec::new();
    for nanos in nanos.chain(edges).filter(|nanos| *nanos < 86_400 * 100 * 1_000_000_000) {
        let duration = Duration::from_nanos(nanos);
        let shown = text::duration(duration.as_secs_f64());
        if said(duration) != shown {
            different.push((nanos, said(duration), shown));
        }
    }
    let first = different.iter().take(5).collect::<Vec<_>>();
    assert!(different.is_empty(), "{} differ, such as {first:?}", different.len());
}
