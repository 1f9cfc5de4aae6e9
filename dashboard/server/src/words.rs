//! Words of sentences: figures as the browser says them, nouns that agree with their counts, texts of others made safe.

pub(crate) use poolscope_wire::text::count as grouped;
pub(crate) use poolscope_wire::text::{bytes, duration, number};

/// A name that is at least so like an unknown one was probably meant by it: of five letters one may be wrong.
const LIKENESS: f64 = 0.75;

/// A number with its noun, such as `1 request` or `1,200 requests`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{} {noun}s", grouped(number)) }
}

/// A share as the browser says it, but of two digits: a sentence must not be another one after every call.
pub(crate) fn percent(share: f64) -> String {
    let rounded = |places: f64| (share * 100.0 * places).round() / places / 100.0;
    poolscope_wire::text::percent(match share {
        0.009_95..0.099_5 => rounded(10.0),
        0.099_5..0.995 => rounded(1.0),
        _ => share,
    })
}

/// True for what is no character to read, but moves or hides others.
fn is_odd(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// A name of so many bytes at most, in which each character that is none, but moves or hides others, is replaced.
pub(crate) fn cut_name(text: &str, max_bytes: usize) -> Box<str> {
    tamed(text, max_bytes, |_| char::REPLACEMENT_CHARACTER)
}

/// A text of so many bytes at most, in one line, with the same replaced.
pub(crate) fn cut_text(text: &str, max_bytes: usize) -> Box<str> {
    tamed(text, max_bytes, |c| match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
        _ => char::REPLACEMENT_CHARACTER,
    })
}

/// The same in the lines that it has, such as those of a stack.
pub(crate) fn cut_lines(text: &str, max_bytes: usize) -> Box<str> {
    tamed(text, max_bytes, |c| if matches!(c, '\n' | '\t') { c } else { char::REPLACEMENT_CHARACTER })
}

fn tamed(text: &str, max_bytes: usize, tame: fn(char) -> char) -> Box<str> {
    let text = cut(text, max_bytes);
    if !text.contains(is_odd) {
        return text.into();
    }
    let tamed: String = text.chars().map(|c| if is_odd(c) { tame(c) } else { c }).collect();
    // What is put in its place is longer.
    cut(&tamed, max_bytes).into()
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

/// The name that was probably meant.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |known: &str| strsim::normalized_damerau_levenshtein(name, known);
    let best = names.map(|known| (likeness(known), known)).max_by(|one, other| one.0.total_cmp(&other.0));
    best.filter(|(likeness, _)| *likeness >= LIKENESS).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nouns_agree_with_their_counts() {
        assert_eq!((&*count(1, "request"), &*count(0, "request")), ("1 request", "0 requests"));
        assert_eq!(count(1_200, "request"), "1,200 requests");
    }

    #[test]
    fn a_percentage_has_two_digits_but_is_never_rounded_to_all_or_nothing() {
        for (share, text) in [
            (0.0, "0 %"),
            (0.000_02, "<0.01 %"),
            (0.004, "0.4 %"),
            (78.0 / 12_325.0, "0.63 %"),
            (0.009_96, "1 %"),
            (0.012_6, "1.3 %"),
            (0.05, "5 %"),
            (0.099_6, "10 %"),
            (0.104, "10 %"),
            (0.314, "31 %"),
            (0.984, "98 %"),
            (0.996, "99.6 %"),
            (0.9999, ">99.9 %"),
            (1.0, "100 %"),
        ] {
            assert_eq!(percent(share), text, "{share}");
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
        assert_eq!(&*cut_text("pay\u{202e}\n\u{0}x\t\u{2028}", 64), "pay\u{fffd} \u{fffd}x  ");
        assert_eq!(&*cut_lines("at\n\tpay\r\u{2066}", 64), "at\n\tpay\u{fffd}\u{fffd}");
        assert_eq!(&*cut_text("\u{0}\u{0}\u{0}", 4), "\u{fffd}", "it gets no longer by it");
        assert_eq!(&*cut_name("gr\u{fc}n \u{200f}\u{5d0}", 6), "gr\u{fc}n ");
    }
}
