//! Addresses of the pages. Pure: the browser's history is in [`crate::navigation`].

/// A page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Route {
    /// Every pool.
    #[default]
    Overview,
    /// One pool, by id.
    Pool(String),
    /// Every breaker; one is marked, by id.
    Breakers(Option<String>),
    /// What protects calls beside breakers.
    Protection,
    /// Events.
    Events,
    /// Traces.
    Traces,
    /// One trace, by id.
    Trace(String),
    /// Sessions.
    Sessions,
    /// Services and their instances.
    Services,
    /// The server about itself.
    About,
    /// No page has this path.
    NotFound(String),
}

impl Route {
    /// The page of a path.
    #[must_use]
    pub fn parse(path: &str) -> Self {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match parts.as_slice() {
            [] => Self::Overview,
            ["pools", id] => Self::Pool(decode(id)),
            ["breakers"] => Self::Breakers(None),
            ["breakers", id] => Self::Breakers(Some(decode(id))),
            ["protection"] => Self::Protection,
            ["events"] => Self::Events,
            ["traces"] => Self::Traces,
            ["traces", id] => Self::Trace(decode(id)),
            ["sessions"] => Self::Sessions,
            ["services"] => Self::Services,
            ["about"] => Self::About,
            _ => Self::NotFound(path.to_owned()),
        }
    }

    /// The path of the page.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::Overview => "/".to_owned(),
            Self::Pool(id) => format!("/pools/{}", encode(id)),
            Self::Breakers(None) => "/breakers".to_owned(),
            Self::Breakers(Some(id)) => format!("/breakers/{}", encode(id)),
            Self::Protection => "/protection".to_owned(),
            Self::Events => "/events".to_owned(),
            Self::Traces => "/traces".to_owned(),
            Self::Trace(id) => format!("/traces/{}", encode(id)),
            Self::Sessions => "/sessions".to_owned(),
            Self::Services => "/services".to_owned(),
            Self::About => "/about".to_owned(),
            Self::NotFound(path) => path.clone(),
        }
    }
}

/// What follows the `?`: filters and settings of a page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Reads a query, with or without its `?`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let pairs = text
            .trim_start_matches('?')
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(key, value)| (decode(&key.replace('+', " ")), decode(&value.replace('+', " "))))
            .collect();
        Self { pairs }
    }

    /// The value of a key; empty if it is not there.
    #[must_use]
    pub fn get(&self, key: &str) -> &str {
        self.pairs.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value)
    }

    /// The same query with another value of a key; an empty value removes it.
    #[must_use]
    pub fn with(&self, key: &str, value: &str) -> Self {
        let mut pairs: Vec<_> = self.pairs.iter().filter(|(name, _)| name != key).cloned().collect();
        if !value.is_empty() {
            pairs.push((key.to_owned(), value.to_owned()));
        }
        Self { pairs }
    }

    /// The query with its `?`, or nothing if it is empty.
    #[must_use]
    pub fn to_text(&self) -> String {
        let pairs: Vec<String> =
            self.pairs.iter().map(|(key, value)| format!("{}={}", encode(key), encode(value))).collect();
        if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
    }
}

/// A page with its query.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// The page.
    pub route: Route,
    /// Its filters and settings.
    pub query: Query,
}

impl Address {
    /// The address of a path with a query.
    #[must_use]
    pub fn parse(path: &str, query: &str) -> Self {
        Self { route: Route::parse(path), query: Query::parse(query) }
    }

    /// Path and query.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{}{}", self.route.path(), self.query.to_text())
    }
}

/// Percent-encodes everything but the unreserved characters of RFC 3986.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Undoes percent-encoding; what is not valid stays as it is.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if bytes[at] == b'%' => {
                decoded.push(byte);
                at += 3;
            }
            _ => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_survive_the_way_there_and_back() {
        let routes = [
            Route::Overview,
            Route::Pool("a/b c?d".to_owned()),
            Route::Breakers(None),
            Route::Breakers(Some("x".to_owned())),
            Route::Protection,
            Route::Events,
            Route::Traces,
            Route::Trace("4bf9".to_owned()),
            Route::Sessions,
            Route::Services,
            Route::About,
            Route::NotFound("/no/such/page".to_owned()),
        ];
        for route in routes {
            assert_eq!(Route::parse(&route.path()), route);
        }
        assert_eq!(Route::parse("/events/"), Route::Events);
        assert_eq!(Route::parse("/pools"), Route::NotFound("/pools".to_owned()));
    }

    #[test]
    fn queries_survive_the_way_there_and_back() {
        let query = Query::default().with("q", "<b>&=\u{5e9} +").with("sort", "wait");
        assert_eq!(Query::parse(&query.to_text()), query);
        assert_eq!(query.get("q"), "<b>&=\u{5e9} +");
        assert_eq!(query.with("q", "").to_text(), "?sort=wait");
        assert_eq!(query.get("none"), "");
    }

    #[test]
    fn broken_encoding_stays_as_it_is() {
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%zz%2"), "%zz%2");
        assert_eq!(Query::parse("a+b=c+d").get("a b"), "c d");
    }
}
