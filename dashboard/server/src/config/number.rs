//! Numbers that a setting takes.

use std::fmt;
use std::num::IntErrorKind;

/// Why a text is no number that a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a whole number {} is wanted", Span(*.min, *.max))]
pub(crate) struct NumberError {
    min: u64,
    /// Where there is none but that of the machine, only who exceeds that is told.
    max: Option<u64>,
}

struct Span(u64, Option<u64>);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            None => write!(f, "of at least {}", self.0),
            Some(max) => write!(f, "from {} to {max}", self.0),
        }
    }
}

/// Reads a number from `MIN` to `MAX`.
pub(crate) fn within<const MIN: u64, const MAX: u64>(text: &str) -> Result<u64, NumberError> {
    let number = text.parse().ok().filter(|number| (MIN..=MAX).contains(number));
    number.ok_or(NumberError { min: MIN, max: Some(MAX) })
}

/// Reads a bound that has a most as well: more would bound nothing.
pub(crate) fn bound<const MIN: u64, const MAX: u64>(text: &str) -> Result<usize, NumberError> {
    let number = within::<MIN, MAX>(text)?;
    number.try_into().map_err(|_| NumberError { min: MIN, max: Some(usize::MAX as u64) })
}

/// Reads a bound: one that keeps or takes nothing at all would only break what it bounds.
pub(crate) fn at_least<const MIN: u64>(text: &str) -> Result<usize, NumberError> {
    match text.parse::<usize>() {
        Ok(number) if number as u64 >= MIN => Ok(number),
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => {
            Err(NumberError { min: MIN, max: Some(usize::MAX as u64) })
        }
        _ => Err(NumberError { min: MIN, max: None }),
    }
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
        for wrong in ["3", "-99999999999999999999", "x"] {
            let told = at_least::<4>(wrong).unwrap_err().to_string();
            assert_eq!(told, "a whole number of at least 4 is wanted", "{wrong}");
        }
    }

    #[test]
    fn what_is_too_large_is_told_with_the_most() {
        let told = at_least::<1>("99999999999999999999").unwrap_err().to_string();
        assert_eq!(told, format!("a whole number from 1 to {} is wanted", usize::MAX));
        assert_eq!(bound::<1, 60>("60"), Ok(60));
        for wrong in ["0", "61", "99999999999999999999"] {
            let told = bound::<1, 60>(wrong).unwrap_err().to_string();
            assert_eq!(told, "a whole number from 1 to 60 is wanted", "{wrong}");
        }
    }
}
