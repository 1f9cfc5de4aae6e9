//! Which time is looked at: the last so many minutes, or a time that stands still. Pure.

use crate::{format, route::Query};

/// The window of an address that names none.
pub const DEFAULT_WINDOW_MS: u64 = 300_000;

/// The shortest time that is looked at: below it, single reports are all there is.
pub const MIN_SPAN_MS: u64 = 10_000;

/// The longest: a month.
const MAX_SPAN_MS: u64 = 31 * 86_400_000;

/// The windows that are offered where history reaches as far.
const WINDOWS_MS: [u64; 11] = [
    60_000,
    120_000,
    DEFAULT_WINDOW_MS,
    900_000,
    1_800_000,
    3_600_000,
    10_800_000,
    21_600_000,
    43_200_000,
    86_400_000,
    604_800_000,
];

/// Milliseconds of the units in which a window is written.
const UNITS: [(char, u64); 4] = [('d', 86_400_000), ('h', 3_600_000), ('m', 60_000), ('s', 1_000)];

/// A time from one moment to another, in Unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First moment.
    pub from_ms: u64,
    /// Last moment.
    pub to_ms: u64,
}

impl Span {
    /// The time between two moments, in whichever order they are given.
    #[must_use]
    pub fn between(one_ms: u64, other_ms: u64) -> Self {
        Self { from_ms: one_ms.min(other_ms), to_ms: one_ms.max(other_ms) }
    }

    /// The time of a length that ends at a moment.
    #[must_use]
    pub fn ending_at(to_ms: u64, width_ms: u64) -> Self {
        Self { from_ms: to_ms.saturating_sub(width_ms), to_ms }
    }

    /// How long it is.
    #[must_use]
    pub fn width_ms(self) -> u64 {
        self.to_ms.saturating_sub(self.from_ms)
    }

    /// True if a moment is in it.
    #[must_use]
    pub fn contains(self, at_ms: u64) -> bool {
        (self.from_ms..=self.to_ms).contains(&at_ms)
    }

    /// The same length, so much earlier.
    #[must_use]
    pub fn earlier(self, by_ms: u64) -> Self {
        Self { from_ms: self.from_ms.saturating_sub(by_ms), to_ms: self.to_ms.saturating_sub(by_ms) }
    }

    /// The same, no shorter than what can be looked at.
    #[must_use]
    pub fn widened(self) -> Self {
        let lacking = MIN_SPAN_MS.saturating_sub(self.width_ms());
        Self { from_ms: self.from_ms.saturating_sub(lacking.div_ceil(2)), to_ms: self.to_ms + lacking / 2 }
    }

    /// How it stands in an address.
    #[must_use]
    pub fn to_text(self) -> String {
        format!("{}-{}", self.from_ms, self.to_ms)
    }

    /// Reads [`Span::to_text`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.split_once('-')?;
        Some(Self::between(from.parse().ok()?, to.parse().ok()?))
    }
}

/// Which time is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// The last so many milliseconds; it moves on.
    Live(u64),
    /// A time that stands still.
    Fixed(Span),
}

impl Default for Range {
    fn default() -> Self {
        Self::Live(DEFAULT_WINDOW_MS)
    }
}

impl Range {
    /// What an address asks for: `from` and `to`, or `window`. What can't be read is as if it were not there.
    #[must_use]
    pub fn of_query(query: &Query) -> Self {
        if let (Ok(from), Ok(to)) = (query.get("from").parse(), query.get("to").parse()) {
            return Self::Fixed(Span::between(from, to).widened());
        }
        parse_window(query.get("window")).map_or_else(Self::default, Self::Live)
    }

    /// How it stands in an address: values of `window`, `from` and `to`.
    #[must_use]
    pub fn to_query(self) -> [(&'static str, String); 3] {
        let (window, from, to) = match self {
            Self::Live(DEFAULT_WINDOW_MS) => (String::new(), String::new(), String::new()),
            Self::Live(window_ms) => (window_key(window_ms), String::new(), String::new()),
            Self::Fixed(span) => (String::new(), span.from_ms.to_string(), span.to_ms.to_string()),
        };
        [("window", window), ("from", from), ("to", to)]
    }

    /// True for a time that moves on.
    #[must_use]
    pub fn is_live(self) -> bool {
        matches!(self, Self::Live(_))
    }

    /// The time that is looked at, at a moment.
    #[must_use]
    pub fn span(self, now_ms: u64) -> Span {
        match self {
            Self::Live(window_ms) => Span::ending_at(now_ms, window_ms),
            Self::Fixed(span) => span,
        }
    }

    /// How long it is.
    #[must_use]
    pub fn width_ms(self) -> u64 {
        match self {
            Self::Live(window_ms) => window_ms,
            Self::Fixed(span) => span.width_ms(),
        }
    }

    /// Half of its length back.
    #[must_use]
    pub fn back(self, now_ms: u64) -> Self {
        Self::Fixed(self.span(now_ms).earlier((self.width_ms() / 2).max(1)))
    }

    /// Half of its length forward; live again where that reaches the present.
    #[must_use]
    pub fn forward(self, now_ms: u64) -> Self {
        let Self::Fixed(span) = self else { return self };
        let by = (span.width_ms() / 2).max(1);
        if span.to_ms + by >= now_ms {
            // A window is written in whole seconds.
            return Self::Live((span.width_ms() / 1_000).max(1) * 1_000);
        }
        Self::Fixed(Span { from_ms: span.from_ms + by, to_ms: span.to_ms + by })
    }

    /// Twice as long around the same middle, not past the present and not longer than `kept_ms` of history.
    #[must_use]
    pub fn zoomed_out(self, now_ms: u64, kept_ms: u64) -> Self {
        let width = (self.width_ms() * 2).min(kept_ms.max(self.width_ms())).min(MAX_SPAN_MS);
        match self {
            Self::Live(_) => Self::Live(width),
            Self::Fixed(span) => {
                let middle = span.from_ms + span.width_ms() / 2;
                let to_ms = (middle + width / 2).min(now_ms.max(span.to_ms));
                Self::Fixed(Span::ending_at(to_ms, width))
            }
        }
    }

    /// Its words at a moment, such as `last 5 min` and `14:00:00 – 14:05:00`.
    #[must_use]
    pub fn words(self, now_ms: u64) -> String {
        match self {
            Self::Live(window_ms) => format!("last {}", format::span(window_ms / 1_000)),
            Self::Fixed(span) => format::span_between(span.from_ms, span.to_ms, now_ms),
        }
    }
}

/// The windows that are offered where history reaches back `kept_ms`: what is looked at is among them.
#[must_use]
pub fn offered(kept_ms: u64, chosen: Range) -> Vec<u64> {
    // The default is offered even where less is kept: an address without a window has it.
    let mut offered: Vec<u64> =
        WINDOWS_MS.into_iter().filter(|window| *window <= kept_ms.max(DEFAULT_WINDOW_MS)).collect();
    if let Range::Live(window_ms) = chosen
        && let Err(place) = offered.binary_search(&window_ms)
    {
        offered.insert(place, window_ms);
    }
    offered
}

/// A window as it stands in an address, such as `15m`.
#[must_use]
pub fn window_key(window_ms: u64) -> String {
    let exact = UNITS.into_iter().find(|(_, unit)| window_ms >= *unit && window_ms.is_multiple_of(*unit));
    let (letter, unit) = exact.unwrap_or(UNITS[3]);
    format!("{}{letter}", window_ms / unit)
}

/// Reads [`window_key`].
#[must_use]
pub fn parse_window(text: &str) -> Option<u64> {
    let (letter, unit) = UNITS.into_iter().find(|(letter, _)| text.ends_with(*letter))?;
    let count: u64 = text.strip_suffix(letter)?.parse().ok()?;
    count.checked_mul(unit).map(|window| window.clamp(MIN_SPAN_MS, MAX_SPAN_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn fixed(from_ms: u64, to_ms: u64) -> Range {
        Range::Fixed(Span { from_ms, to_ms })
    }

    fn query_of(range: Range) -> Query {
        range.to_query().iter().fold(Query::default(), |query, (key, value)| query.with(key, value))
    }

    #[test]
    fn ranges_survive_the_way_there_and_back() {
        let ranges = [
            Range::default(),
            Range::Live(60_000),
            Range::Live(90_000),
            Range::Live(7 * 24 * HOUR),
            fixed(1_795_232_652_345, 1_795_232_952_345),
        ];
        for range in ranges {
            assert_eq!(Range::of_query(&Query::parse(&query_of(range).to_text())), range);
        }
        assert_eq!(query_of(Range::default()).to_text(), "", "an address without a window has the default");
        assert_eq!(query_of(Range::Live(HOUR)).to_text(), "?window=1h");
    }

    #[test]
    fn nonsense_in_an_address_is_as_if_it_were_not_there() {
        for text in [
            "?window=",
            "?window=soon",
            "?window=m",
            "?window=99999999999999999999d",
            "?from=5",
            "?to=x&from=1",
        ] {
            assert_eq!(Range::of_query(&Query::parse(text)), Range::default(), "{text}");
        }
        assert_eq!(Range::of_query(&Query::parse("?window=9999d")), Range::Live(MAX_SPAN_MS));
        assert_eq!(Range::of_query(&Query::parse("?window=0s")), Range::Live(MIN_SPAN_MS));
        let swapped = Range::of_query(&Query::parse("?from=90000&to=10000"));
        assert_eq!(swapped, fixed(10_000, 90_000));
        let moment = Range::of_query(&Query::parse("?from=100000&to=100000"));
        assert_eq!(moment, fixed(95_000, 105_000), "a moment is looked at with what is around it");
    }

    #[test]
    fn back_and_forward_go_by_half_and_end_in_the_present() {
        let now = 100 * HOUR;
        let back = Range::Live(HOUR).back(now);
        assert_eq!(back, fixed(now - 3 * HOUR / 2, now - HOUR / 2));
        let further = back.back(now);
        assert_eq!(further.forward(now), back);
        assert_eq!(back.forward(now), Range::Live(HOUR), "the present is live");
        assert_eq!(Range::Live(HOUR).forward(now), Range::Live(HOUR));
    }

    #[test]
    fn zooming_out_keeps_the_middle_the_present_and_the_bounds() {
        let now = 100 * HOUR;
        assert_eq!(fixed(10 * HOUR, 12 * HOUR).zoomed_out(now, now), fixed(9 * HOUR, 13 * HOUR));
        assert_eq!(fixed(98 * HOUR, now).zoomed_out(now, now), fixed(96 * HOUR, now), "not past the present");
        assert_eq!(Range::Live(HOUR).zoomed_out(now, now), Range::Live(2 * HOUR));
        assert_eq!(Range::Live(HOUR).zoomed_out(now, 3 * HOUR / 2), Range::Live(3 * HOUR / 2));
        assert_eq!(Range::Live(HOUR).zoomed_out(now, 60_000), Range::Live(HOUR), "never shorter");
    }

    #[test]
    fn windows_are_offered_as_far_as_history_reaches() {
        assert_eq!(offered(900_000, Range::default()), [60_000, 120_000, 300_000, 900_000]);
        assert_eq!(offered(0, Range::Live(HOUR)), [60_000, 120_000, 300_000, HOUR]);
        assert_eq!(offered(7 * 24 * HOUR, fixed(0, 1)).len(), WINDOWS_MS.len());
        assert_eq!(window_key(90_000), "90s");
        assert_eq!(window_key(86_400_000), "1d");
    }

    #[test]
    fn spans_survive_the_way_there_and_back() {
        let span = Span { from_ms: 5, to_ms: 9 };
        assert_eq!(Span::parse(&span.to_text()), Some(span));
        assert_eq!(Span::parse("9-5"), Some(span));
        assert_eq!(Span::parse("9"), None);
        assert_eq!(Span::parse("-9"), None);
    }
}
