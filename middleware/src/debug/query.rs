//! [`Query`]: what of the snapshot is asked for.

use std::borrow::Cow;

use crate::PoolSnapshot;

/// Keys that a query may have, as an error lists them.
const KNOWN: &str = "client, host and pretty";

/// Most unknown keys that an error names, and most characters of each: it is no place to echo a long query.
const NAMED_KEYS: usize = 8;
const NAMED_CHARS: usize = 64;

/// What is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query<'a> {
    /// Names of clients; all if there is none.
    clients: Vec<Cow<'a, str>>,
    /// Hosts; all if there is none.
    hosts: Vec<Cow<'a, str>>,
    pub(super) pretty: bool,
}

impl<'a> Query<'a> {
    /// Reads the query of a URI. An error is a sentence for whoever wrote it.
    pub(super) fn parse(text: &'a str) -> Result<Self, String> {
        let mut query = Self::default();
        let mut unknown = Vec::new();
        for (key, value) in form_urlencoded::parse(text.as_bytes()) {
            match &*key {
                "client" => query.clients.push(value),
                "host" => query.hosts.push(value),
                "pretty" => {
                    query.pretty = match &*value {
                        "" | "1" | "true" => true,
                        "0" | "false" => false,
                        _ => return Err("pretty is true or false, or stands alone".to_owned()),
                    }
                }
                _ => unknown.push(key),
            }
        }
        if unknown.is_empty() {
            return Ok(query);
        }
        let named: Vec<_> = unknown.iter().take(NAMED_KEYS).map(|key| quoted(key)).collect();
        let more = if unknown.len() > NAMED_KEYS { " and more" } else { "" };
        Err(format!("unknown in the query: {}{more}; known are {KNOWN}", named.join(", ")))
    }

    /// True if a pool is asked for.
    pub(super) fn wants(&self, pool: &PoolSnapshot) -> bool {
        let is_client = |name: &Cow<'_, str>| **name == pool.client;
        let is_host = |host: &Cow<'_, str>| bare(host).eq_ignore_ascii_case(bare(&pool.host));
        (self.clients.is_empty() || self.clients.iter().any(is_client))
            && (self.hosts.is_empty() || self.hosts.iter().any(is_host))
    }
}

/// A host without the brackets around an IPv6 address.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn quoted(key: &str) -> String {
    let cut = if key.chars().nth(NAMED_CHARS).is_some() { "..." } else { "" };
    let start: String = key.chars().take(NAMED_CHARS).collect();
    format!("\"{start}{cut}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_and_may_be_repeated() {
        let query = Query::parse("client=night+shift&client=caf%C3%A9&&host=%5B::1%5D&pretty").unwrap();
        assert_eq!(query.clients, ["night shift", "café"]);
        assert_eq!(query.hosts, ["[::1]"]);
        assert!(query.pretty);
        assert_eq!(Query::parse("").unwrap(), Query::default());
    }

    #[test]
    fn what_is_unknown_is_named_with_what_is_known() {
        assert_eq!(
            Query::parse("hots=a&host=b&=c").unwrap_err(),
            r#"unknown in the query: "hots", ""; known are client, host and pretty"#
        );
        assert!(Query::parse("pretty=maybe").is_err());
    }

    #[test]
    fn an_error_is_short_whatever_the_query_is() {
        let many: Vec<_> = (0..10_000).map(|number| format!("key{number}=1")).collect();
        for hostile in [many.join("&"), "ü%FF%00".repeat(10_000), "%".repeat(60_000)] {
            let error = Query::parse(&hostile).unwrap_err();
            assert!(error.len() < 2_000, "{} bytes", error.len());
        }
    }
}
