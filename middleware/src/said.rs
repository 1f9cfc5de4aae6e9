//! What is said in words: a duration as people say it ([`Said`]), and no more of a text than may be told.

use std::fmt;
use std::time::Duration;

/// A duration in the words of the dashboard, where sentences of both stand beside each other: three significant digits, a
/// space and the unit, such as `340 µs`, `8.5 ms`, `2 s` and `4 min 12 s`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said(pub(crate) Duration);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        if seconds <= 0.0 {
            f.write_str("0 s")
        } else if seconds < 0.000_999_5 {
            write!(f, "{} \u{b5}s", number((seconds * 1e6).max(0.01)))
        } else if seconds < 0.999_5 {
            write!(f, "{} ms", number(seconds * 1e3))
        } else if seconds < 59.95 {
            write!(f, "{} s", number(seconds))
        } else {
            span(f, seconds.round() as u64)
        }
    }
}

/// The begin of a text that may have so many bytes, between two characters.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Three significant digits, and no zeros at the end.
fn number(value: f64) -> String {
    let places = match value {
        _ if value >= 99.95 => 0,
        _ if value >= 9.995 => 1,
        _ => 2,
    };
    // What lies halfway is rounded as the dashboard does it, and not by what the float is in its last digit.
    let unit = [1.0, 10.0, 100.0][places];
    let text = format!("{:.places$}", (value * unit).round() / unit);
    if places == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

/// Whole seconds in the two greatest units that say something.
fn span(f: &mut fmt::Formatter<'_>, seconds: u64) -> fmt::Result {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let great = units.iter().position(|(unit, _)| seconds >= *unit).unwrap_or(units.len() - 1);
    let (unit, name) = units[great];
    write!(f, "{} {name}", seconds / unit)?;
    if let Some((small, name)) = units.get(great + 1)
        && seconds % unit / small > 0
    {
        write!(f, " {} {name}", seconds % unit / small)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_said_as_the_dashboard_says_it() {
        for (seconds, text) in [
            (0.0, "0 s"),
            (0.000_34, "340 \u{b5}s"),
            (0.000_999_9, "1 ms"),
            (0.008_5, "8.5 ms"),
            (0.012_34, "12.3 ms"),
            (0.012_25, "12.3 ms"),
            (0.31, "310 ms"),
            (0.999_6, "1 s"),
            (2.0, "2 s"),
            (2.346, "2.35 s"),
            (59.96, "1 min"),
            (252.0, "4 min 12 s"),
            (3_600.0, "1 h"),
            (90_061.0, "1 d 1 h"),
        ] {
            assert_eq!(Said(Duration::from_secs_f64(seconds)).to_string(), text);
        }
    }
}
