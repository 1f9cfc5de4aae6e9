//! Lists of `key=value` as `OTEL_*` variables carry them.

use super::error::OtlpError;

const ALLOWED: &str = "key=value pairs that commas separate, percent-encoded where needed";

/// The pairs of a list. An error names the key of the wrong pair and not its value, which may be a secret.
pub(super) fn pairs(name: &str, list: &str) -> Result<Vec<(String, String)>, OtlpError> {
    let mut pairs = Vec::new();
    for pair in list.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, raw) = (key.trim(), value.trim());
        let decoded = percent_decoded(raw).filter(|_| !key.is_empty() && pair.contains('='));
        let value = decoded.ok_or_else(|| OtlpError::setting(name, key, ALLOWED))?;
        pairs.push((key.to_owned(), value));
    }
    Ok(pairs)
}

/// The text without its percent encoding; `None` if that is broken or gives no UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                u8::try_from(high << 4 | low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_trimmed_and_decoded() {
        let pairs = pairs("X", " a = 1 ,, b=x%2Cy%20z,c=d=e,empty=").unwrap();
        let pairs: Vec<_> = pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("a", "1"), ("b", "x,y z"), ("c", "d=e"), ("empty", "")]);
    }

    #[test]
    fn a_wrong_pair_is_named_without_its_value() {
        for list in ["=v", "key", "a=%zz", "a=%2", "a=%", "a=%ff", "ok=1,a=secret%"] {
            let error = pairs("X", list).unwrap_err().to_string();
            assert!(error.starts_with("X is ") && error.contains(ALLOWED), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
