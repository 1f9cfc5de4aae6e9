//! Numbers that a setting takes.

use std::fmt;

/// Why a text is no number that a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a whole number {} is wanted", Span(*.min, *.max))]
pub(crate) struct NumberError {
    min: u64,
    max: u64,
}

struct Span(u64, u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            u64::MAX => write!(f, "of at least {}", self.0),
            max => write!(f, "from {} to {max}", self.0),
        }
    }
}

/// Reads a number from `MIN` to `MAX`.
pub(crate) fn within<const MIN: u64, const MAX: u64>(text: &str) -> Result<u64, NumberError> {
    let number = text.parse().ok().filter(|number| (MIN..=MAX).contains(number));
    number.ok_or(NumberError { min: MIN, max: MAX })
}

/// Reads a bound: one that keeps or takes nothing at all would only break what it bounds.
pub(crate) fn at_least<const MIN: u64>(text: &str) -> Result<usize, NumberError> {
    let number = within::<MIN, { u64::MAX }>(text)?;
    number.try_into().map_err(|_| NumberError { min: MIN, max: usize::MAX as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_out_of_its_span_is_told_with_the_span() {
        assert_eq!(within::<1, 60>("60"), Ok(60));
        for wrong in ["0", "61", "-1", "1.5", "5 s", ""] {
            let told = within::<1, 60>(wrong).unwrap_err().to_string();
            assert_eq!(told, "a whole number from 1 to 60 is wanted", "{wrong}");
        }
        assert_eq!(at_least::<1>("1"), Ok(1));
        assert_eq!(at_least::<4>("3").unwrap_err().to_string(), "a whole number of at least 4 is wanted");
    }
}
