//! [`Asked`]: a request as rules of the user see it.

use http::{HeaderMap, Method};

use super::{Destined, Target};

/// A request, as rules of yours see it: the one that chooses its breaker, or the one that tells whether it may be sent twice.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    target: Target<'a>,
    head: Option<(&'a Method, &'a HeaderMap)>,
}

impl<'a> Asked<'a> {
    pub(crate) fn new(request: &'a impl Destined) -> Self {
        Self { target: request.target(), head: request.head() }
    }

    pub(crate) fn target(&self) -> Target<'a> {
        self.target
    }

    /// Host that it goes to, as it was written; `None` if it names none.
    #[must_use]
    pub fn host(&self) -> Option<&'a str> {
        self.target.host()
    }

    /// Its path, without a query.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.target.path()
    }

    /// Its method; `None` under a connector, which is asked for a URI alone.
    #[must_use]
    pub fn method(&self) -> Option<&'a Method> {
        self.head.map(|(method, _)| method)
    }

    /// Its headers; `None` under a connector.
    #[must_use]
    pub fn headers(&self) -> Option<&'a HeaderMap> {
        self.head.map(|(_, headers)| headers)
    }
}
