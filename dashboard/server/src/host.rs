//! Which hosts may be named by who asks.
//!
//! A page of another site can make its own name resolve to an address of this machine and then read what answers there.
//! The browser still says the page's name in `Host`, so only names that are known are answered. An address in digits
//! can't be made to lead elsewhere; on loopback those of loopback are enough.

use std::net::{IpAddr, SocketAddr};

use http::uri::Authority;
use http::{HeaderMap, Uri, header};

use crate::access::is_loopback;

/// What `--allowed-host` takes: a name or an address, of which the port, if one stands there, does not matter.
pub(crate) fn named_host(text: &str) -> Result<String, HostError> {
    let name = text.trim();
    let refused = || HostError(host_in(name));
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || "-._:[]".contains(c)) {
        return Err(refused());
    }
    let authority: Authority = name.parse().map_err(|_| refused())?;
    match authority.host() {
        "" | "." => Err(refused()),
        _ => Ok(name.to_owned()),
    }
}

/// The host in a text that is more than one, such as a URL.
fn host_in(text: &str) -> Option<String> {
    let host = text.parse::<Uri>().ok()?.host()?.to_owned();
    (!host.is_empty() && !host.contains('*')).then_some(host)
}

/// Why a text is no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a host name is wanted, without scheme and path, such as {}",
    .0.as_deref().unwrap_or("dash.example.com")
)]
pub(crate) struct HostError(Option<String>);

/// A name as it is compared: a dot at its end says only that nothing is to be added to it.
fn without_root(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// The rule for one listener.
#[derive(Debug, Clone)]
pub(crate) struct HostRule {
    any_digits: bool,
    allowed: Vec<String>,
}

impl HostRule {
    /// The rule for a listener at an address, with more names that are allowed.
    pub(crate) fn new<'a>(address: SocketAddr, allowed: impl IntoIterator<Item = &'a str>) -> Self {
        let allowed = allowed.into_iter().map(|host| {
            let name = host.trim().to_ascii_lowercase();
            let name = name.parse::<Authority>().map_or(name, |authority| authority.host().to_owned());
            without_root(&name).to_owned()
        });
        Self { any_digits: !is_loopback(address), allowed: allowed.collect() }
    }

    /// True if a request may be answered: what it names as its host, in whichever way, is allowed.
    pub(crate) fn allows(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let mut in_headers = headers.get_all(header::HOST).iter();
        let in_header = in_headers.next();
        // Two of them would be a way to show one to a proxy and another to us.
        if in_headers.next().is_some() || (in_header.is_none() && uri.authority().is_none()) {
            return false;
        }
        let of_header = in_header.is_none_or(|host| host.to_str().is_ok_and(|host| self.allows_name(host)));
        // HTTP/2 names the host in the request's own URI, and a request to a proxy does.
        of_header && uri.authority().is_none_or(|authority| self.allows_name(authority.as_str()))
    }

    fn allows_name(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else { return false };
        let name = authority.host().to_ascii_lowercase();
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let name = without_root(&name);
        name == "localhost"
            || address.is_ok_and(|ip| self.any_digits || ip.to_canonical().is_loopback())
            || self.allowed.iter().any(|allowed| allowed == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn allows(rule: &HostRule, hosts: &[&str], uri: &str) -> bool {
        let headers = hosts.iter().map(|host| (header::HOST, HeaderValue::from_str(host).unwrap())).collect();
        rule.allows(&uri.parse().unwrap(), &headers)
    }

    #[test]
    fn a_url_is_no_host() {
        for host in ["box.example", "Box.example:1", "10.0.0.1", "[::1]", " box. "] {
            assert_eq!(named_host(host).as_deref(), Ok(host.trim()));
        }
        let told = named_host("http://box.example:1/page").unwrap_err().to_string();
        assert!(told.ends_with("without scheme and path, such as box.example"), "{told}");
        for wrong in ["", ".", "*", "*.example", "me@box", "box/page", "a b", "a,b", "a\"b"] {
            assert!(named_host(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn on_loopback_only_names_of_loopback_are_allowed() {
        let rule = HostRule::new(([127, 0, 0, 1], 4320).into(), ["Box.example:1"]);
        for host in [
            "localhost",
            "LOCALHOST:4320",
            "localhost.",
            "localhost.:4320",
            "127.0.0.1:9",
            "[::1]:4320",
            "box.example:1",
            "box.example.",
        ] {
            assert!(allows(&rule, &[host], "/"), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "localhost..",
            ".",
            "10.0.0.1",
            "127.0.0.1.evil.example",
            "",
            "a b",
        ] {
            assert!(!allows(&rule, &[host], "/"), "{host}");
        }
    }

    #[test]
    fn elsewhere_addresses_in_digits_are_and_names_have_to_be_listed() {
        let rule = HostRule::new(([0, 0, 0, 0], 4320).into(), ["box.example"]);
        for host in ["10.0.0.1:4320", "[2001:db8::1]", "localhost", "box.example"] {
            assert!(allows(&rule, &[host], "/"), "{host}");
        }
        for host in ["evil.example", "10.0.0.1.evil.example", "0x7f000001"] {
            assert!(!allows(&rule, &[host], "/"), "{host}");
        }
    }

    #[test]
    fn every_way_to_name_a_host_counts() {
        let rule = HostRule::new(([127, 0, 0, 1], 4320).into(), []);
        assert!(!allows(&rule, &[], "/") && allows(&rule, &[], "http://localhost:1/"));
        assert!(!allows(&rule, &["localhost", "evil.example"], "/"));
        assert!(!allows(&rule, &["localhost"], "http://evil.example/"));
        assert!(!allows(&rule, &["evil.example"], "http://localhost/"));
    }
}
