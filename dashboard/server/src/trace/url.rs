//! Where a trace is shown elsewhere, such as in Jaeger or Grafana.

use std::fmt::Write as _;
use std::str::FromStr;

use poolscope_wire::OutLink;

const PLACE: &str = "{trace_id}";

/// Template of an address that shows a trace: of http or https, with `{trace_id}` where the id goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceUrl {
    template: Box<str>,
    host: Box<str>,
}

/// Why a text is no template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TraceUrlError {
    /// A browser would take another scheme for a program to run.
    #[error("it must begin with http:// or https://, such as http://jaeger:16686/trace/{{trace_id}}")]
    Scheme,
    /// There is nowhere to go.
    #[error("it names no host, such as http://jaeger:16686/trace/{{trace_id}}")]
    Host,
    /// A name or a password would stand in every browser.
    #[error("it holds a name or password before the host; leave it out")]
    Credentials,
    /// It would always lead to the same place.
    #[error("it has no {{trace_id}} after its host, where the id of the trace goes")]
    Place,
    /// No address has these.
    #[error("it has a space, a quote or a character that can't be seen; write them in percent encoding")]
    Character,
}

impl FromStr for TraceUrl {
    type Err = TraceUrlError;

    fn from_str(text: &str) -> Result<Self, TraceUrlError> {
        let rest = ["http://", "https://"]
            .into_iter()
            .find_map(|scheme| {
                text.get(..scheme.len())
                    .filter(|s| s.eq_ignore_ascii_case(scheme))
                    .map(|_| &text[scheme.len()..])
            })
            .ok_or(TraceUrlError::Scheme)?;
        if text.contains(|c: char| c.is_whitespace() || c.is_control() || "\"'<>`\\".contains(c)) {
            return Err(TraceUrlError::Character);
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, after) = rest.split_at(end);
        if host.is_empty() || host.starts_with(':') {
            return Err(TraceUrlError::Host);
        }
        if host.contains('@') {
            return Err(TraceUrlError::Credentials);
        }
        if !after.contains(PLACE) || host.contains(PLACE) {
            return Err(TraceUrlError::Place);
        }
        Ok(Self { template: text.into(), host: host.into() })
    }
}

impl TraceUrl {
    /// The address of a trace.
    pub(super) fn of(&self, trace: u128) -> OutLink {
        let mut id = String::with_capacity(32);
        // Writing to a string does not fail.
        let _ = write!(id, "{trace:032x}");
        OutLink { host: self.host.to_string(), url: self.template.replace(PLACE, &id) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_leads_to_the_trace() {
        let url: TraceUrl = "https://grafana.example:3000/explore?trace={trace_id}&q=1".parse().unwrap();
        let link = url.of(0xabc);
        assert_eq!(link.host, "grafana.example:3000");
        let id = "00000000000000000000000000000abc";
        assert_eq!(link.url, format!("https://grafana.example:3000/explore?trace={id}&q=1"));
    }

    #[test]
    fn what_could_do_harm_or_leads_nowhere_is_refused_with_a_reason() {
        use TraceUrlError::{Character, Credentials, Host, Place, Scheme};
        for (text, why) in [
            ("javascript:alert('{trace_id}')", Scheme),
            ("jaeger:16686/trace/{trace_id}", Scheme),
            ("//jaeger/{trace_id}", Scheme),
            ("", Scheme),
            ("\u{fc}ber", Scheme),
            ("http:///trace/{trace_id}", Host),
            ("http://:80/{trace_id}", Host),
            ("http://me:secret@jaeger/{trace_id}", Credentials),
            ("http://jaeger/trace/", Place),
            ("http://{trace_id}/", Place),
            ("http://jaeger/a b/{trace_id}", Character),
            ("http://jaeger/\"><script>/{trace_id}", Character),
        ] {
            assert_eq!(text.parse::<TraceUrl>(), Err(why), "{text}");
        }
        assert!("HTTP://jaeger/{trace_id}".parse::<TraceUrl>().is_ok());
    }
}
