//! Which hosts may be named by who asks.
//!
//! A page of another site can make its own name resolve to 127.0.0.1 and then read a server that only listens there.
//! The browser still says the page's name in `Host`, so on loopback only names of loopback are answered.

use std::net::{IpAddr, SocketAddr};

use http::uri::Authority;

/// The rule for one listener.
#[derive(Debug, Clone)]
pub(crate) struct HostRule {
    checked: bool,
    allowed: Vec<String>,
}

impl HostRule {
    /// The rule for a listener at an address; elsewhere than on loopback any name may lead to it.
    pub(crate) fn new(address: SocketAddr, allowed: &[String]) -> Self {
        let allowed = allowed.iter().map(|host| host.trim().to_ascii_lowercase()).collect();
        Self { checked: address.ip().is_loopback(), allowed }
    }

    /// True if a request that names this host may be answered.
    pub(crate) fn allows(&self, host: Option<&str>) -> bool {
        if !self.checked {
            return true;
        }
        let Some(authority) = host.and_then(|host| host.parse::<Authority>().ok()) else { return false };
        let name = authority.host().to_ascii_lowercase();
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        name == "localhost" || address.is_ok_and(|ip| ip.is_loopback()) || self.allowed.contains(&name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_loopback_only_names_of_loopback_are_allowed() {
        let rule = HostRule::new(([127, 0, 0, 1], 4320).into(), &["Box.example".to_owned()]);
        for host in ["localhost", "LOCALHOST:4320", "127.0.0.1:9", "[::1]:4320", "box.example:1"] {
            assert!(rule.allows(Some(host)), "{host}");
        }
        for host in
            ["evil.example", "localhost.evil.example", "10.0.0.1", "127.0.0.1.evil.example", "", "a b"]
        {
            assert!(!rule.allows(Some(host)), "{host}");
        }
        assert!(!rule.allows(None));
    }

    #[test]
    fn elsewhere_every_name_is() {
        assert!(HostRule::new(([0, 0, 0, 0], 4320).into(), &[]).allows(Some("box.example")));
    }
}
