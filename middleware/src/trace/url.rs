//! URLs without secrets.

/// Query keys whose values are never shown; the list of the OpenTelemetry semantic conventions for `url.full`.
const SECRET_KEYS: [&str; 7] = [
    "AWSAccessKeyId",
    "Signature",
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Goog-Signature",
    "sig",
];

/// What stands in the place of a secret, as the conventions ask.
const REDACTED: &str = "REDACTED";

/// The URL with credentials and signatures replaced, and without its fragment.
pub(super) fn redact(url: &str) -> String {
    let url = url.split('#').next().unwrap_or_default();
    let (rest, query) = url.split_once('?').map_or((url, None), |(rest, query)| (rest, Some(query)));
    let mut clean = String::with_capacity(url.len());
    match rest.split_once("://") {
        Some((scheme, after)) => {
            clean.push_str(scheme);
            clean.push_str("://");
            let authority_end = after.find('/').unwrap_or(after.len());
            let (authority, path) = after.split_at(authority_end);
            match authority.rsplit_once('@') {
                Some((user, host)) => {
                    clean.push_str(REDACTED);
                    if user.contains(':') {
                        clean.push(':');
                        clean.push_str(REDACTED);
                    }
                    clean.push('@');
                    clean.push_str(host);
                }
                None => clean.push_str(authority),
            }
            clean.push_str(path);
        }
        None => clean.push_str(rest),
    }
    for (index, pair) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
        clean.push(if index == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((key, _)) if SECRET_KEYS.contains(&key) => {
                clean.push_str(key);
                clean.push('=');
                clean.push_str(REDACTED);
            }
            _ => clean.push_str(pair),
        }
    }
    clean
}

/// A query without its values: what they say is the client's.
#[cfg(feature = "server")]
pub(super) fn without_values(query: &str) -> String {
    let mut clean = String::with_capacity(query.len());
    for (index, pair) in query.split('&').enumerate() {
        if index > 0 {
            clean.push('&');
        }
        match pair.split_once('=') {
            Some((key, value)) => {
                clean.push_str(key);
                clean.push('=');
                clean.push_str(if value.is_empty() { "" } else { REDACTED });
            }
            // It may be a value as well as a key.
            None if pair.is_empty() => {}
            None => clean.push_str(REDACTED),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::redact;

    #[cfg(feature = "server")]
    #[test]
    fn a_query_keeps_its_keys_and_no_value() {
        use super::without_values;
        assert_eq!(without_values("a=1&token=se=cret&b="), "a=REDACTED&token=REDACTED&b=");
        assert_eq!(without_values("se%20cret&&x"), "REDACTED&&REDACTED");
        assert_eq!(without_values(""), "");
    }

    #[test]
    fn secrets_are_replaced_and_the_rest_stays() {
        assert_eq!(
            redact("https://me:pw@h.example/p?a=1&sig=abc#frag"),
            "https://REDACTED:REDACTED@h.example/p?a=1&sig=REDACTED"
        );
        assert_eq!(redact("https://token@h.example"), "https://REDACTED@h.example");
        assert_eq!(redact("http://h:8080/p?q=a@b"), "http://h:8080/p?q=a@b");
        assert_eq!(redact("/only/a/path?x"), "/only/a/path?x");
        assert_eq!(redact(""), "");
    }
}
