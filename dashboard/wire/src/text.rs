//! Figures as text: a unit always, three significant digits, durations as people say them. Server and browser say them
//! alike, since one sentence of the one often stands beside a figure of the other.

/// A number with three significant digits and no unit.
#[must_use]
pub fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 999.5 {
        let sign = if value < 0.0 { "-" } else { "" };
        format!("{sign}{}", count(size.round() as u64))
    } else if size >= 99.95 {
        fixed(value, 0)
    } else if size >= 9.995 {
        trimmed(value, 1)
    } else if size >= 0.005 {
        trimmed(value, 2)
    } else if size > 0.0 {
        "<0.01".to_owned()
    } else {
        "0".to_owned()
    }
}

/// A whole number, grouped by thousands, shortened from a million on.
#[must_use]
pub fn count(value: u64) -> String {
    if value >= 1_000_000_000 {
        return format!("{} G", trimmed(value as f64 / 1e9, 2));
    }
    if value >= 1_000_000 {
        return format!("{} M", trimmed(value as f64 / 1e6, 2));
    }
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + 2);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share as percent. What is not all never reads as `100 %`, what is not nothing never as `0 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent <= 0.0 {
        "0 %".to_owned()
    } else if share >= 1.0 {
        "100 %".to_owned()
    } else if percent > 99.9 {
        ">99.9 %".to_owned()
    } else if percent < 0.01 {
        "<0.01 %".to_owned()
    } else if percent >= 9.995 {
        format!("{} %", trimmed(percent, 1))
    } else {
        format!("{} %", trimmed(percent, 2))
    }
}

/// A duration as people say it, such as `340 µs`, `2.3 s` and `4 min 12 s`.
#[must_use]
pub fn duration(seconds: f64) -> String {
    if seconds <= 0.0 {
        "0 s".to_owned()
    } else if seconds < 0.000_999_5 {
        format!("{} \u{b5}s", number((seconds * 1e6).max(0.01)))
    } else if seconds < 0.999_5 {
        format!("{} ms", number(seconds * 1e3))
    } else if seconds < 59.95 {
        format!("{} s", number(seconds))
    } else {
        span(seconds.round() as u64)
    }
}

/// Whole seconds in the two greatest units that say something.
#[must_use]
pub fn span(seconds: u64) -> String {
    let (days, hours, minutes, rest) =
        (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    let pair = |great: u64, unit: &str, small: u64, small_unit: &str| {
        if small == 0 { format!("{great} {unit}") } else { format!("{great} {unit} {small} {small_unit}") }
    };
    if days > 0 {
        pair(days, "d", hours, "h")
    } else if hours > 0 {
        pair(hours, "h", minutes, "min")
    } else if minutes > 0 {
        pair(minutes, "min", rest, "s")
    } else {
        format!("{rest} s")
    }
}

/// Bytes in binary units.
#[must_use]
pub fn bytes(value: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut amount = value as f64;
    let mut unit = 0;
    while amount >= 999.5 && unit + 1 < UNITS.len() {
        amount /= 1_024.0;
        unit += 1;
    }
    format!("{} {}", number(amount), UNITS[unit])
}

/// A number with at most `places` decimals and no zeros at its end.
fn trimmed(value: f64, places: u32) -> String {
    let text = fixed(value, places);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A number of so many places. The standard library's way knows every float to its last digit, in 19 kB.
#[must_use]
pub fn fixed(value: f64, places: u32) -> String {
    let unit = 10_u64.pow(places);
    let parts = (value.abs() * unit as f64).round() as u64;
    let sign = if value < 0.0 && parts > 0 { "-" } else { "" };
    let whole = parts / unit;
    if places == 0 {
        return format!("{sign}{whole}");
    }
    // The one in front keeps the zeros.
    format!("{sign}{whole}.{}", &(unit + parts % unit).to_string()[1..])
}

/// Where requests go, as a URL; an IPv6 address stands in brackets. What is not known is left out.
#[must_use]
pub fn destination(scheme: &str, address: &str, port: u16) -> String {
    let (scheme, colon) = if scheme.is_empty() { ("", "") } else { (scheme, "://") };
    let is_bare = address.contains(':') && !address.starts_with('[');
    let (open, close) = if is_bare { ("[", "]") } else { ("", "") };
    let host = format!("{scheme}{colon}{open}{address}{close}");
    if port == 0 { host } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_say_them() {
        let cases = [
            (0.0, "0 s"),
            (0.000_000_4, "0.4 \u{b5}s"),
            (0.000_34, "340 \u{b5}s"),
            (0.000_999_9, "1 ms"),
            (0.012_34, "12.3 ms"),
            (0.31, "310 ms"),
            (0.999_9, "1 s"),
            (2.345, "2.35 s"),
            (25.8, "25.8 s"),
            (59.99, "1 min"),
            (252.0, "4 min 12 s"),
            (7_500.0, "2 h 5 min"),
            (266_400.0, "3 d 2 h"),
        ];
        for (seconds, text) in cases {
            assert_eq!(duration(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn numbers_have_three_significant_digits() {
        let cases = [
            (0.0, "0"),
            (0.001, "<0.01"),
            (0.25, "0.25"),
            (1.0, "1"),
            (9.999, "10"),
            (12.34, "12.3"),
            (99.97, "100"),
            (140.4, "140"),
            (1_204.3, "1,204"),
            (1_230_000.0, "1.23 M"),
            (-12.34, "-12.3"),
            (-999.4, "-999"),
            (-999.6, "-1,000"),
            (-1_230_000.0, "-1.23 M"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text, "{value}");
        }
    }

    #[test]
    fn percent_never_claims_all_or_nothing_falsely() {
        let cases = [
            (0.0, "0 %"),
            (0.000_01, "<0.01 %"),
            (0.005_2, "0.52 %"),
            (0.52, "52 %"),
            (0.984, "98.4 %"),
            (0.999_9, ">99.9 %"),
            (1.0, "100 %"),
        ];
        for (share, text) in cases {
            assert_eq!(percent(share), text, "{share}");
        }
    }

    #[test]
    fn numbers_are_as_the_standard_library_writes_them() {
        for value in [0.0, -0.0, 0.04, -0.04, 0.05001, 1.0, 9.999, 12.3456, -7.89, 99.95, 1234.5678, 1e9] {
            for places in 0..4 {
                let written = format!("{value:.*}", places as usize);
                let written = if written.trim_matches(['-', '0', '.']).is_empty() {
                    written.trim_start_matches('-').to_owned()
                } else {
                    written
                };
                assert_eq!(fixed(value, places), written, "{value} with {places}");
            }
        }
        assert_eq!(fixed(f64::NAN, 1), "0.0");
    }

    #[test]
    fn destinations_read_as_urls() {
        assert_eq!(destination("https", "pay.example", 443), "https://pay.example:443");
        assert_eq!(destination("https", "::1", 443), "https://[::1]:443");
        assert_eq!(destination("", "pay", 0), "pay");
    }

    #[test]
    fn counts_are_grouped_and_bytes_have_a_unit_that_fits() {
        assert_eq!(count(999), "999");
        assert_eq!(count(1_000), "1,000");
        assert_eq!(count(123_456), "123,456");
        for (number, text) in
            [(0, "0 B"), (1_536, "1.5 KiB"), (512 << 20, "512 MiB"), (1_000 << 20, "0.98 GiB")]
        {
            assert_eq!(bytes(number), text);
        }
    }
}
