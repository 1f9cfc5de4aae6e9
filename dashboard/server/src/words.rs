//! Figures as people say them: three significant digits, and a unit that fits.

/// A duration, such as `340 us`, `2.3 s` or `4 min`.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 0.000_999_5 => format!("{} us", digits(s * 1e6)),
        s if s < 0.999_5 => format!("{} ms", digits(s * 1e3)),
        s if s < 120.0 => format!("{} s", digits(s)),
        s if s < 7_200.0 => format!("{} min", digits(s / 60.0)),
        s => format!("{} h", digits(s / 3_600.0)),
    }
}

/// A share from 0 to 1, such as `31 %`.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    // All but all is not all, and all but nothing is not nothing.
    match percent {
        p if p > 99.5 && p < 100.0 => format!("{} %", digits(p.min(99.9))),
        p if p >= 1.0 || p == 0.0 => format!("{p:.0} %"),
        p if p >= 0.1 => format!("{} %", digits(p)),
        _ => "under 0.1 %".to_owned(),
    }
}

/// Bytes in binary units.
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut amount, mut unit) = (number as f64, 0);
    while amount >= 999.5 && unit + 1 < UNITS.len() {
        amount /= 1_024.0;
        unit += 1;
    }
    format!("{} {}", digits(amount), UNITS[unit])
}

/// A number with its noun, such as `1 request` or `12 requests`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Three significant digits without zeros at the end.
pub(crate) fn digits(value: f64) -> String {
    let places = match value.abs() {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    let text = format!("{value:.places$}");
    if places == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

/// A name of so many bytes at most, in which each character that is none, but moves or hides others, is replaced.
pub(crate) fn cut_name(text: &str, max_bytes: usize) -> Box<str> {
    let is_odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
    };
    let cut = cut(text, max_bytes);
    if cut.contains(is_odd) { cut.replace(is_odd, "\u{fffd}").into() } else { cut.into() }
}

/// How many of these have to be cut.
pub(crate) fn too_long(texts: &[&str], max_bytes: usize) -> u64 {
    texts.iter().filter(|text| text.len() > max_bytes).count() as u64
}

/// Cuts a text to so many bytes, at the border of a character.
pub(crate) fn cut(text: &str, max_bytes: usize) -> &str {
    if text.len() <= max_bytes {
        return text;
    }
    let end = (0..=max_bytes).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}

/// True if a text has another one in it, whatever the case of ASCII letters. It does not allocate: it is asked for every
/// text of everything that is searched.
pub(crate) fn contains(text: &str, wanted: &str) -> bool {
    text.as_bytes().windows(wanted.len().max(1)).any(|part| part.eq_ignore_ascii_case(wanted.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_that_fits() {
        for (seconds, text) in [
            (0.0, "0 us"),
            (0.000_34, "340 us"),
            (0.000_999_9, "1 ms"),
            (0.012_34, "12.3 ms"),
            (0.999_9, "1 s"),
            (2.3, "2.3 s"),
            (119.0, "119 s"),
            (240.0, "4 min"),
            (9_000.0, "2.5 h"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn a_percentage_is_never_rounded_to_all_or_nothing() {
        for (share, text) in [
            (0.0, "0 %"),
            (0.0002, "under 0.1 %"),
            (0.005, "0.5 %"),
            (0.314, "31 %"),
            (0.9999, "99.9 %"),
            (1.0, "100 %"),
        ] {
            assert_eq!(percent(share), text);
        }
    }

    #[test]
    fn bytes_have_a_unit_that_fits() {
        for (number, text) in
            [(0, "0 B"), (1_536, "1.5 KiB"), (512 << 20, "512 MiB"), (1_000 << 20, "0.98 GiB")]
        {
            assert_eq!(bytes(number), text);
        }
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        assert_eq!(cut("gr\u{fc}n", 3), "gr");
        assert_eq!(cut("gr\u{fc}n", 4), "gr\u{fc}");
        assert_eq!(cut("", 0), "");
    }

    #[test]
    fn a_name_can_not_garble_what_stands_beside_it() {
        assert_eq!(&*cut_name("pay\u{202e}\n\u{7}x", 64), "pay\u{fffd}\u{fffd}\u{fffd}x");
        assert_eq!(&*cut_name("gr\u{fc}n \u{200f}\u{5d0}", 6), "gr\u{fc}n ");
    }
}
