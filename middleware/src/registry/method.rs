//! [`KnownMethod`]: the method of a request in one byte.

use http::Method;
use poolscope_semconv::value::{METHOD_OTHER, METHODS};

/// Which of the methods that the conventions know; all others are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KnownMethod(u8);

impl KnownMethod {
    const OTHER: u8 = METHODS.len() as u8;
    /// How many there are.
    #[cfg(feature = "server")]
    pub(crate) const COUNT: usize = METHODS.len() + 1;

    /// Told by the method's own enum, which needs no comparison of texts.
    #[inline]
    pub(crate) fn of(method: &Method) -> Self {
        Self(match *method {
            Method::GET => 0,
            Method::POST => 1,
            Method::PUT => 2,
            Method::DELETE => 3,
            Method::HEAD => 4,
            Method::OPTIONS => 5,
            Method::PATCH => 6,
            Method::CONNECT => 7,
            Method::TRACE => 8,
            Method::QUERY => 9,
            _ => Self::OTHER,
        })
    }

    /// Its name; `None` for the others.
    pub(crate) fn name(self) -> Option<&'static str> {
        METHODS.get(usize::from(self.0)).copied()
    }

    pub(crate) fn as_str(self) -> &'static str {
        self.name().unwrap_or(METHOD_OTHER)
    }

    /// All of them, by their [index](Self::index).
    #[cfg(feature = "server")]
    pub(crate) fn all() -> impl Iterator<Item = Self> + Clone {
        (0..=Self::OTHER).map(Self)
    }

    #[cfg(feature = "server")]
    #[inline]
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    /// A number below 16, to be packed.
    #[inline]
    pub(super) fn bits(self) -> u8 {
        self.0
    }

    pub(super) fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_of_the_conventions_is_known_by_its_name() {
        for name in METHODS {
            let method = Method::from_bytes(name.as_bytes()).unwrap();
            assert_eq!(KnownMethod::of(&method).as_str(), *name);
        }
        let brew = KnownMethod::of(&Method::from_bytes(b"BREW").unwrap());
        assert_eq!(brew.as_str(), METHOD_OTHER);
        assert!(brew.bits() < 16);
        assert_eq!(KnownMethod::from_bits(brew.bits()), brew);
    }
}
