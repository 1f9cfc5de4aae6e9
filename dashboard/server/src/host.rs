//! Which hosts may be named by who asks.
//!
//! A page of another site can make its own name resolve to an address of this machine and then read what answers there.
//! The browser still says the page's name in `Host`, so only names that are known are answered. An address in digits
//! can't be made to lead elsewhere; on loopback those of loopback are enough.

use std::net::{IpAddr, SocketAddr};

use http::uri::Authority;
use http::{HeaderMap, Uri, header};

use crate::access::is_loopback;

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
            name.parse::<Authority>().map_or(name, |authority| authority.host().to_owned())
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
        name == "localhost"
            || address.is_ok_and(|ip| self.any_digits || ip.to_canonical().is_loopback())
            || self.allowed.contains(&name)
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
    fn on_loopback_only_names_of_loopback_are_allowed() {
        let rule = HostRule::new(([127, 0, 0, 1], 4320).into(), ["Box.example:1"]);
        for host in ["localhost", "LOCALHOST:4320", "127.0.0.1:9", "[::1]:4320", "box.example:1"] {
            assert!(allows(&rule, &[host], "/"), "{host}");
        }
        for host in
            ["evil.example", "localhost.evil.example", "10.0.0.1", "127.0.0.1.evil.example", "", "a b"]
        {
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
