//! Parts of a connect that take long: names and TLS.

use poolscope_wire::Rule;

use super::{Facts, Finding, Slowness, window};
use crate::words;

/// Fewer connects say nothing about a percentile.
const MIN_CONNECTS: u64 = 3;

/// Names are resolved slowly.
pub(super) fn dns(facts: &Facts<'_>) -> Option<Finding> {
    rule(facts, Rule::SlowDns, facts.dns, "names took long to resolve", "lookup")
}

/// TLS handshakes are slow.
pub(super) fn tls(facts: &Facts<'_>) -> Option<Finding> {
    rule(facts, Rule::SlowTls, facts.tls, "TLS handshakes took long", "handshake")
}

fn rule(facts: &Facts<'_>, rule: Rule, of: Slowness, what: &str, noun: &str) -> Option<Finding> {
    let p95 = of.p95_s.filter(|_| of.count >= MIN_CONNECTS)?;
    Finding::judged(facts, rule, p95, || {
        let count = words::count(of.count, noun);
        format!("{what} {}: p95 {} of {count}", window(facts), words::duration(p95))
    })
}

#[cfg(test)]
mod tests {
    use poolscope_wire::Severity;

    use super::*;

    #[test]
    fn slow_parts_are_told_with_their_figure() {
        let facts = |p95_s, count| {
            let slow = Slowness { p95_s: Some(p95_s), count };
            Facts { dns: slow, tls: slow, seconds: 15.0, ..Facts::default() }
        };
        assert_eq!((dns(&facts(0.09, 9)), tls(&facts(0.2, 9))), (None, None));
        assert_eq!(dns(&facts(0.5, 2)), None, "too few to tell");
        let found = dns(&facts(0.31, 3)).unwrap();
        assert_eq!(found.sentence, "names took long to resolve in the last 15 s: p95 310 ms of 3 lookups");
        assert_eq!((found.rule, found.severity), (Rule::SlowDns, Severity::Warn));
        let found = tls(&facts(2.5, 4)).unwrap();
        assert_eq!(found.sentence, "TLS handshakes took long in the last 15 s: p95 2.5 s of 4 handshakes");
        assert_eq!((found.rule, found.severity), (Rule::SlowTls, Severity::Bad));
    }
}
