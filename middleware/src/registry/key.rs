//! Destination of a pool: scheme, host and port, as hyper's own pool keys it.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};

use http::uri::Authority;
use papaya::Equivalent;

/// Scheme of a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn parse(text: &str) -> Self {
        if text.eq_ignore_ascii_case("https") { Self::Https } else { Self::Http }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Owned key of a pool within its client.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Destination {
    pub(crate) scheme: Scheme,
    pub(crate) host: Box<str>,
    pub(crate) port: u16,
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme.as_str(), self.host, self.port)
    }
}

/// Borrowed key, so that looking a pool up allocates nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DestinationRef<'a> {
    scheme: Scheme,
    host: Cow<'a, str>,
    port: u16,
}

impl<'a> DestinationRef<'a> {
    /// Key of a host that may be in upper case; host names have no case.
    pub(crate) fn new(scheme: &str, host: &'a str, port: Option<u16>) -> Self {
        let host = if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(host.to_ascii_lowercase())
        } else {
            Cow::Borrowed(host)
        };
        Self { host, ..Self::lower_case(scheme, "", port) }
    }

    /// Key of a host that is known to be in lower case.
    pub(crate) fn lower_case(scheme: &str, host: &'a str, port: Option<u16>) -> Self {
        let scheme = Scheme::parse(scheme);
        let port = port.unwrap_or_else(|| scheme.default_port());
        Self { scheme, host: Cow::Borrowed(host), port }
    }

    /// Key of an absolute URI, or of the authority that a CONNECT names; `None` if it names no host.
    pub(crate) fn from_uri(uri: &'a http::Uri) -> Option<Self> {
        Some(Self::from_parts(uri.scheme_str(), uri.host()?, uri.port_u16()))
    }

    /// Without a scheme, hyper-util takes it from the port.
    fn from_parts(scheme: Option<&str>, host: &'a str, port: Option<u16>) -> Self {
        let implied = if port == Some(Scheme::Https.default_port()) { Scheme::Https } else { Scheme::Http };
        Self::new(scheme.unwrap_or(implied.as_str()), host, port)
    }

    pub(crate) fn to_owned(&self) -> Destination {
        Destination { scheme: self.scheme, host: self.host.as_ref().into(), port: self.port }
    }
}

/// A destination as a URI writes it, to know it again by a comparison of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WrittenUri {
    /// A URI without a scheme, as of a CONNECT, is like no other.
    is_https: Option<bool>,
    authority: Authority,
}

impl WrittenUri {
    /// `None` if the URI names no host, or a password, which is not to be kept.
    pub(crate) fn of(uri: &http::Uri) -> Option<Self> {
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
        Some(Self { is_https: is_https(uri), authority: authority.clone() })
    }

    /// One that tells its destination and is not kept to be compared with, so that it may hold a password as the URI does.
    #[cfg(feature = "timeout")]
    #[inline]
    pub(crate) fn to_tell(uri: &http::Uri) -> Option<Self> {
        Some(Self { is_https: is_https(uri), authority: uri.authority()?.clone() })
    }

    /// The destination itself.
    pub(crate) fn destination(&self) -> DestinationRef<'_> {
        let scheme = self.is_https.map(|is_https| if is_https { Scheme::Https } else { Scheme::Http });
        DestinationRef::from_parts(
            scheme.map(Scheme::as_str),
            self.authority.host(),
            self.authority.port_u16(),
        )
    }

    /// True if a URI writes it in the same way. If not, it may be the same destination all the same.
    #[inline]
    pub(crate) fn is(&self, uri: &http::Uri) -> bool {
        uri.authority().is_some_and(|authority| authority.as_str() == self.authority.as_str())
            && is_https(uri) == self.is_https
    }
}

#[inline]
fn is_https(uri: &http::Uri) -> Option<bool> {
    uri.scheme_str().map(|scheme| scheme == Scheme::Https.as_str())
}

impl Hash for Destination {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_parts(self.scheme, &self.host, self.port, state);
    }
}

impl Hash for DestinationRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_parts(self.scheme, &self.host, self.port, state);
    }
}

fn hash_parts<H: Hasher>(scheme: Scheme, host: &str, port: u16, state: &mut H) {
    host.hash(state);
    state.write_u32(u32::from(port) << 1 | u32::from(scheme == Scheme::Https));
}

impl Equivalent<Destination> for DestinationRef<'_> {
    fn equivalent(&self, key: &Destination) -> bool {
        self.port == key.port && self.scheme == key.scheme && self.host == key.host.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(uri: &str) -> Destination {
        DestinationRef::from_uri(&uri.parse().unwrap()).unwrap().to_owned()
    }

    #[test]
    fn default_ports_and_case_make_no_second_pool() {
        assert_eq!(key("https://Example.com/a"), key("https://example.com:443/b"));
        assert_ne!(key("https://example.com/"), key("http://example.com/"));
        assert_ne!(key("http://example.com:81/"), key("http://example.com/"));
    }

    #[test]
    fn the_authority_of_a_connect_is_the_pool_that_hyper_util_connects_for() {
        assert_eq!(key("example.com:443"), key("https://example.com/"));
        assert_eq!(key("example.com:8080"), key("http://example.com:8080/"));
    }

    #[test]
    fn a_uri_without_a_host_has_no_destination() {
        assert!(DestinationRef::from_uri(&"/path".parse().unwrap()).is_none());
    }

    #[test]
    fn a_written_destination_is_known_again_and_a_password_is_not_kept() {
        let uri = |text: &str| text.parse::<http::Uri>().unwrap();
        let written = WrittenUri::of(&uri("http://host.example:80/a")).unwrap();
        assert!(written.is(&uri("http://host.example:80/b")));
        assert_eq!(written.destination().to_owned().to_string(), "http://host.example:80");
        assert!(!written.is(&uri("https://host.example:80/a")) && !written.is(&uri("http://host.example/a")));
        assert_eq!(WrittenUri::of(&uri("http://user:secret@host.example/")), None);
    }
}
