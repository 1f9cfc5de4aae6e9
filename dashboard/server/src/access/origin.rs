//! Which page a browser asks for. Browsers say so by `Sec-Fetch-*`, older ones by `Origin`; programs say nothing.

use http::uri::Authority;
use http::{HeaderMap, Method, Uri, header};

fn said<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// True for a request that a page of another site made: it could not read the answer, and must not use up what there is.
/// A link that somebody follows is none.
pub(crate) fn asks_from_elsewhere(method: &Method, headers: &HeaderMap) -> bool {
    let is_followed = *method == Method::GET && said(headers, "sec-fetch-mode") == Some("navigate");
    comes_from_elsewhere(headers) && !is_followed
}

/// True if what was clicked or what asks is a page of another site. A cookie that is strict is not sent then.
pub(crate) fn comes_from_elsewhere(headers: &HeaderMap) -> bool {
    matches!(said(headers, "sec-fetch-site"), Some("cross-site" | "same-site"))
}

/// True if it is our own page that asks, and a browser says so; a program that says nothing is none.
pub(crate) fn comes_from_own_page(headers: &HeaderMap) -> bool {
    let mut sites = headers.get_all("sec-fetch-site").iter().peekable();
    if sites.peek().is_some() {
        return sites.all(|site| site == "same-origin");
    }
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    origin.is_some_and(|origin| is_host(origin, headers))
}

/// Who asks to change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    /// Our own page, or a program.
    Here,
    /// A page of another site.
    Elsewhere,
    /// A page that does not tell, as those do that send no referrer.
    Hidden,
}

impl Asker {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        match (said(headers, "sec-fetch-site"), headers.get(header::ORIGIN)) {
            (Some("same-origin" | "none"), _) | (None, None) => Self::Here,
            (Some(_), _) => Self::Elsewhere,
            (None, Some(origin)) if origin == "null" => Self::Hidden,
            (None, Some(origin)) if origin.to_str().is_ok_and(|origin| is_host(origin, headers)) => {
                Self::Here
            }
            (None, Some(_)) => Self::Elsewhere,
        }
    }
}

fn is_host(origin: &str, headers: &HeaderMap) -> bool {
    let Ok(origin) = origin.parse::<Uri>() else { return false };
    let host = said(headers, "host").and_then(|host| host.parse::<Authority>().ok());
    matches!((origin.authority(), host), (Some(of_page), Some(host)) if *of_page == host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn our_own_page_and_programs_are_told_from_all_others() {
        for (pairs, asker) in [
            (&[("sec-fetch-site", "same-origin"), ("origin", "null")][..], Asker::Here),
            (&[("sec-fetch-site", "none")], Asker::Here),
            (&[("host", "box:4320")], Asker::Here),
            (&[("host", "box:4320"), ("origin", "http://box:4320")], Asker::Here),
            (&[("sec-fetch-site", "cross-site")], Asker::Elsewhere),
            (&[("sec-fetch-site", "same-site"), ("origin", "null")], Asker::Elsewhere),
            (&[("host", "box:4320"), ("origin", "http://box:4321")], Asker::Elsewhere),
            (&[("origin", "http://box:4320")], Asker::Elsewhere),
            (&[("host", "box:4320"), ("origin", "null")], Asker::Hidden),
        ] {
            assert_eq!(Asker::of(&headers(pairs)), asker, "{pairs:?}");
        }
    }

    #[test]
    fn an_order_comes_from_our_own_page_and_says_so() {
        for (pairs, is_own) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (&[("host", "box:4320"), ("origin", "http://box:4320")], true),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "same-site"), ("host", "box:4320"), ("origin", "http://box:4320")], false),
            (&[("host", "box:4320"), ("origin", "http://box:4321")], false),
            (&[("host", "box:4320"), ("origin", "null")], false),
            (&[("host", "box:4320")], false),
        ] {
            assert_eq!(comes_from_own_page(&headers(pairs)), is_own, "{pairs:?}");
        }
    }

    #[test]
    fn a_link_may_lead_here_and_a_foreign_script_may_not_ask() {
        let script = headers(&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")]);
        let link = headers(&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]);
        assert!(asks_from_elsewhere(&Method::GET, &script) && !asks_from_elsewhere(&Method::GET, &link));
        assert!(
            asks_from_elsewhere(&Method::POST, &link) && !asks_from_elsewhere(&Method::GET, &headers(&[]))
        );
    }
}
