//! [`Destined`]: where a request goes.

use http::{HeaderMap, Method, Request, Uri};

use crate::registry::DestinationRef;
#[cfg(any(feature = "breaker", feature = "timeout"))]
use crate::registry::WrittenUri;

/// A request that can name its destination: `http::Request`, `http::Uri` (what connectors are called with) and
/// `reqwest::Request`. Sealed; other stacks turn their requests into one of these.
pub trait Destined: sealed::Sealed {
    #[doc(hidden)]
    fn target(&self) -> Target<'_>;

    /// Method and headers, if it is a whole request.
    #[doc(hidden)]
    fn head(&self) -> Option<(&Method, &HeaderMap)>;
}

/// Where a request goes, borrowed from it.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// Of `http`.
    Uri(&'a Uri),
    /// Of reqwest.
    #[cfg(feature = "reqwest")]
    Url(&'a reqwest::Url),
}

impl<'a> Target<'a> {
    /// Scheme, host and port; `None` if it names no host.
    pub(crate) fn destination(self) -> Option<DestinationRef<'a>> {
        match self {
            Self::Uri(uri) => DestinationRef::from_uri(uri),
            #[cfg(feature = "reqwest")]
            Self::Url(url) => Some(DestinationRef::new(url.scheme(), url.host_str()?, url.port())),
        }
    }

    /// The pool that requests to it belong to.
    #[cfg(feature = "limit")]
    pub(crate) fn pool(self, client: &crate::ClientScope) -> std::sync::Arc<crate::registry::Pool> {
        match self {
            Self::Uri(uri) => client.pool_at(uri),
            #[cfg(feature = "reqwest")]
            Self::Url(url) => client.pool(&crate::reqwest::destination(url)),
        }
    }

    /// The path, with no query.
    #[cfg(any(feature = "breaker", feature = "retry"))]
    pub(crate) fn path(self) -> &'a str {
        match self {
            Self::Uri(uri) => uri.path(),
            #[cfg(feature = "reqwest")]
            Self::Url(url) => url.path(),
        }
    }

    /// The host as it was written.
    #[cfg(any(feature = "breaker", feature = "retry"))]
    pub(crate) fn host(self) -> Option<&'a str> {
        match self {
            Self::Uri(uri) => uri.host(),
            #[cfg(feature = "reqwest")]
            Self::Url(url) => url.host_str(),
        }
    }

    /// The destination as it is written, to know it again at a glance.
    #[cfg(any(feature = "breaker", feature = "timeout"))]
    pub(crate) fn written(self) -> Option<Written> {
        Some(match self {
            Self::Uri(uri) => Written::Uri(WrittenUri::of(uri)?),
            #[cfg(feature = "reqwest")]
            Self::Url(url) => {
                Written::Url(url.scheme() == "https", url.host_str()?.into(), url.port_or_known_default()?)
            }
        })
    }

    /// Scheme, host and port as text, for events and errors.
    #[cfg(any(feature = "retry", feature = "timeout"))]
    pub(crate) fn text(self) -> Option<String> {
        self.destination().map(|destination| destination.to_owned().to_string())
    }
}

/// A destination as a request has written it.
#[cfg(any(feature = "breaker", feature = "timeout"))]
#[derive(Debug, Clone)]
pub(crate) enum Written {
    Uri(WrittenUri),
    #[cfg(feature = "reqwest")]
    Url(bool, Box<str>, u16),
}

#[cfg(feature = "breaker")]
impl Written {
    /// True if a target is written in the same way. If not, it may be the same destination all the same.
    #[inline]
    pub(crate) fn is(&self, target: Target<'_>) -> bool {
        match (self, target) {
            (Self::Uri(written), Target::Uri(uri)) => written.is(uri),
            #[cfg(feature = "reqwest")]
            (Self::Url(is_tls, host, port), Target::Url(url)) => {
                url.host_str() == Some(&**host)
                    && url.port_or_known_default() == Some(*port)
                    && (url.scheme() == "https") == *is_tls
            }
            #[cfg(feature = "reqwest")]
            _ => false,
        }
    }
}

#[cfg(feature = "timeout")]
impl Written {
    /// The destination itself.
    fn destination(&self) -> DestinationRef<'_> {
        match self {
            Self::Uri(written) => written.destination(),
            #[cfg(feature = "reqwest")]
            Self::Url(is_tls, host, port) => {
                DestinationRef::new(if *is_tls { "https" } else { "http" }, host, Some(*port))
            }
        }
    }
}

/// What a layer keeps of a target in case that it has to name it later. Kept for every call, so it makes no text: what a
/// `Uri` holds is shared, not copied.
#[cfg(feature = "timeout")]
#[derive(Debug, Clone)]
pub(crate) enum KeptTarget {
    Unknown,
    /// A request that names no host.
    Nowhere,
    Written(Written),
}

#[cfg(feature = "timeout")]
impl KeptTarget {
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::Unknown | Self::Nowhere => None,
            Self::Written(written) => Some(written.destination().to_owned().to_string()),
        }
    }
}

#[cfg(feature = "timeout")]
impl From<Target<'_>> for KeptTarget {
    #[inline]
    fn from(target: Target<'_>) -> Self {
        let written = match target {
            Target::Uri(uri) => WrittenUri::to_tell(uri).map(Written::Uri),
            #[cfg(feature = "reqwest")]
            Target::Url(_) => target.written(),
        };
        written.map_or(Self::Nowhere, Self::Written)
    }
}

impl<B> Destined for Request<B> {
    fn target(&self) -> Target<'_> {
        Target::Uri(self.uri())
    }

    fn head(&self) -> Option<(&Method, &HeaderMap)> {
        Some((self.method(), self.headers()))
    }
}

impl Destined for Uri {
    fn target(&self) -> Target<'_> {
        Target::Uri(self)
    }

    fn head(&self) -> Option<(&Method, &HeaderMap)> {
        None
    }
}

#[cfg(feature = "reqwest")]
impl Destined for reqwest::Request {
    fn target(&self) -> Target<'_> {
        Target::Url(self.url())
    }

    fn head(&self) -> Option<(&Method, &HeaderMap)> {
        Some((self.method(), self.headers()))
    }
}

pub(crate) mod sealed {
    /// Keeps the traits of this module to the types of HTTP stacks, so that methods can be added.
    pub trait Sealed {}

    impl<B> Sealed for http::Request<B> {}
    impl<B> Sealed for http::Response<B> {}
    impl Sealed for http::Uri {}
    #[cfg(feature = "reqwest")]
    impl Sealed for reqwest::Request {}
    #[cfg(feature = "reqwest")]
    impl Sealed for reqwest::Response {}
}
