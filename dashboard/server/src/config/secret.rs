//! Tokens and keys: never shown, and compared in the same time whatever is tried.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use subtle::ConstantTimeEq as _;

/// Shorter ones could be guessed.
const MIN_BYTES: usize = 16;
/// Longer ones are a mistake: a certificate or a whole file.
const MAX_BYTES: usize = 512;

/// A token or key that was given or made.
#[derive(Clone)]
pub struct Secret(Arc<str>);

/// Why a text is no token or key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// It could be guessed.
    #[error("it is shorter than 16 characters; `openssl rand -hex 16` makes a good one")]
    Short,
    /// It is something else.
    #[error("it is longer than 512 characters")]
    Long,
    /// It can't stand in a header.
    #[error("it holds spaces or characters that are not plain ASCII")]
    Characters,
}

impl Secret {
    /// Makes one of so many random bytes, written as hexadecimal digits.
    pub(crate) fn random(bytes: usize) -> Result<Self, getrandom::Error> {
        let mut random = vec![0; bytes];
        getrandom::fill(&mut random)?;
        let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
        let text: String = random.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
        Ok(Self(text.into()))
    }

    /// True if this is it; takes as long for any wrong one of the same length.
    pub(crate) fn is(&self, tried: &str) -> bool {
        self.0.as_bytes().ct_eq(tried.as_bytes()).into()
    }

    /// The text, for the one place that has to tell it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        let text = text.trim();
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SecretError::Characters);
        }
        match text.len() {
            ..MIN_BYTES => Err(SecretError::Short),
            MIN_BYTES..=MAX_BYTES => Ok(Self(text.into())),
            _ => Err(SecretError::Long),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// True if a value that can't be taken may hold a secret: all of it, or the user and query of a URL.
pub(super) fn holds_secret(arg: &clap::Arg, value: &str) -> bool {
    let is_url = arg.get_value_names().is_some_and(|names| names.iter().any(|name| name == "URL"));
    arg.is_hide_env_values_set() || is_url && value.contains(['@', '?'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_itself_is_it_and_it_never_shows() {
        let secret: Secret = " 0123456789abcdef\n".parse().unwrap();
        assert!(secret.is("0123456789abcdef"));
        for wrong in ["0123456789abcdeF", "0123456789abcde", "0123456789abcdef0", ""] {
            assert!(!secret.is(wrong), "{wrong}");
        }
        assert_eq!(format!("{secret:?}"), "***");
    }

    #[test]
    fn what_could_be_guessed_or_sent_by_no_header_is_refused() {
        assert_eq!("short".parse::<Secret>().unwrap_err(), SecretError::Short);
        assert_eq!("x".repeat(600).parse::<Secret>().unwrap_err(), SecretError::Long);
        assert_eq!("0123456789 abcdef".parse::<Secret>().unwrap_err(), SecretError::Characters);
        assert_eq!("0123456789äbcdef".parse::<Secret>().unwrap_err(), SecretError::Characters);
    }

    #[test]
    fn random_ones_differ_and_are_long_enough_to_be_given() {
        let (one, other) = (Secret::random(16).unwrap(), Secret::random(16).unwrap());
        assert!(!one.is(other.reveal()));
        assert!(one.reveal().len() == 32 && one.reveal().parse::<Secret>().is_ok());
    }
}
