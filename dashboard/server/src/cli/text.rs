//! Text of strangers on a terminal, and text of a width.

use ratatui::style::Style;
use ratatui::text::Span;

/// What a figure that is not known is shown as.
pub(super) const UNKNOWN: &str = "-";

/// A text in one line that can't do anything to the terminal: escape sequences and control characters are gone, and
/// characters that turn the direction, hide or break lines are a question mark.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}'
                if rest
                    .next_if(|c| matches!(c, '[' | ']' | 'P' | '_' | '^' | 'X'))
                    .is_some_and(|c| c != '[') =>
            {
                // Up to the bell or the terminator; the terminator's second half is told by its escape.
                while rest.next_if(|c| !matches!(c, '\u{7}' | '\u{1b}' | '\u{9c}')).is_some() {}
                if rest.next() == Some('\u{1b}') {
                    rest.next_if_eq(&'\\');
                }
            }
            '\u{1b}' | '\u{9b}' => {
                while rest.next_if(|c| matches!(c, '0'..='?' | ' '..='/')).is_some() {}
                rest.next_if(|c| matches!(c, '@'..='~'));
            }
            '\n' | '\t' | '\r' => out.push(' '),
            c if c.is_control() => {}
            '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}' => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

/// Columns that a text takes.
pub(super) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// A text of so many columns exactly: cut with two dots, or filled with blanks.
pub(super) fn fit(text: &str, columns: usize) -> String {
    let mut out = cut(text, columns);
    out.extend(std::iter::repeat_n(' ', columns.saturating_sub(width(&out))));
    out
}

/// The same, at the right.
pub(super) fn fit_right(text: &str, columns: usize) -> String {
    let cut = cut(text, columns);
    format!("{}{cut}", " ".repeat(columns.saturating_sub(width(&cut))))
}

/// A text of so many columns at most, never through the middle of what is one character to the eye.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let dots = if columns > 4 { ".." } else { "" };
    let (mut out, mut used) = (String::new(), dots.len());
    for grapheme in Span::raw(text).styled_graphemes(Style::new()) {
        used += width(grapheme.symbol);
        if used > columns {
            break;
        }
        out.push_str(grapheme.symbol);
    }
    out + dots
}

/// A rate or count with three significant digits, or that it is not known.
pub(super) fn number(value: Option<f64>) -> String {
    match value {
        None => UNKNOWN.to_owned(),
        Some(value) if value.abs() >= 999_500.0 => format!("{}M", crate::words::number(value / 1e6)),
        Some(value) if value.abs() >= 9_999.5 => format!("{}k", crate::words::number(value / 1e3)),
        Some(value) => crate::words::number(value),
    }
}

/// A share, or that it is not known.
pub(super) fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), crate::words::percent)
}

/// Seconds, or that they are not known.
pub(super) fn duration(value: Option<f64>) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), crate::words::duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_do_nothing_to_the_terminal() {
        for (hostile, harmless) in [
            ("pay\u{1b}[31;1mred\u{1b}[0m", "payred"),
            ("\u{1b}]0;title\u{7}pay", "pay"),
            ("\u{1b}]8;;http://x\u{1b}\\pay", "pay"),
            ("\u{1b}Pq#0\u{1b}\\pay", "pay"),
            ("\u{1b}(0pay", "ay"),
            ("\u{9b}2Jpay\u{8}\u{0}", "pay"),
            ("pay\nday\t.", "pay day ."),
            ("\u{202e}yap\u{2066}\u{200f}\u{feff}", "?yap???"),
            ("\u{1b}", ""),
            ("\u{1b}]never ends", ""),
            ("gr\u{fc}n \u{1f600}", "gr\u{fc}n \u{1f600}"),
        ] {
            let shown = plain(hostile);
            assert!(!shown.chars().any(char::is_control), "{shown:?}");
            assert_eq!(shown, harmless, "{hostile:?}");
        }
    }

    #[test]
    fn a_text_has_the_columns_that_it_should() {
        for (text, columns, cut_to) in [
            ("checkout", 8, "checkout"),
            ("checkout", 7, "check.."),
            ("checkout", 3, "che"),
            ("\u{65e5}\u{672c}\u{8a9e}\u{65e5}", 7, "\u{65e5}\u{672c}.."),
            ("e\u{301}e\u{301}e\u{301}", 2, "e\u{301}e\u{301}"),
            ("x", 0, ""),
        ] {
            assert_eq!(cut(text, columns), cut_to);
            assert_eq!(width(&fit(text, columns)), columns);
            assert_eq!(width(&fit_right(text, columns)), columns);
        }
        assert_eq!((&*fit("a", 3), &*fit_right("a", 3)), ("a  ", "  a"));
    }

    #[test]
    fn figures_are_short_and_unknown_is_no_zero() {
        assert_eq!(number(None), "-");
        assert_eq!(number(Some(0.0)), "0");
        assert_eq!(number(Some(1_234.0)), "1,234");
        assert_eq!(number(Some(12_345.0)), "12.3k");
        assert_eq!(number(Some(12_345_678.0)), "12.3M");
        assert_eq!((&*percent(None), &*duration(Some(0.012))), ("-", "12 ms"));
    }
}
