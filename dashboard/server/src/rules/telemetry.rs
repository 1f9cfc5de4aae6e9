//! What the telemetry itself is like: lost on its way, or concluded and not seen; and who tells nothing any more.

use poolscope_wire::{Rule, Severity};

use super::{Facts, Finding, Levels};
use crate::words;

/// Closes are concluded. A note: nothing is wrong with the pool.
pub(super) fn estimated(facts: &Facts<'_>) -> Option<Finding> {
    facts.levels.get(Rule::TelemetryEstimated).filter(|_| facts.estimated)?;
    let sentence = "closes can't be seen here: what is open, idle and closed is concluded".to_owned();
    Some(Finding { rule: Rule::TelemetryEstimated, severity: Severity::Ok, figure: None, sentence })
}

/// What the rules know about an instance.
#[derive(Debug, Clone, Default)]
pub(crate) struct InstanceFacts {
    /// It should have reported by now.
    pub(crate) vanished: bool,
    /// How often it reports.
    pub(crate) interval_s: f64,
    /// Items that it lost in the last minute, by signal.
    pub(crate) dropped: Vec<(String, u64)>,
}

/// What is wrong with an instance.
pub(crate) fn instance_findings(facts: &InstanceFacts, levels: &Levels) -> Vec<Finding> {
    let lost = facts.dropped.iter().fold(0, |sum: u64, (_, count)| sum.saturating_add(*count));
    let dropped = levels.judge(Rule::TelemetryDropped, lost as f64).filter(|_| lost > 0);
    let dropped = dropped.map(|(severity, figure)| {
        let parts: Vec<_> = facts
            .dropped
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(signal, count)| format!("{count} {signal}"))
            .collect();
        let what = parts.join(" and ");
        let sentence = format!("{what} were lost in the last minute before they came here");
        Finding { rule: Rule::TelemetryDropped, severity, figure: Some(figure), sentence }
    });
    let is_told = facts.vanished && levels.get(Rule::InstanceVanished).is_some();
    // A note: instances come and go, and only people know which of them should be there.
    let vanished = is_told.then(|| Finding {
        rule: Rule::InstanceVanished,
        severity: Severity::Ok,
        figure: None,
        sentence: format!("it reported every {} and does not any more", words::duration(facts.interval_s)),
    });
    dropped.into_iter().chain(vanished).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_told_by_signal() {
        let dropped = [("spans", 37), ("metrics", 0), ("events", 2)];
        let dropped = dropped.map(|(signal, count)| (signal.to_owned(), count)).to_vec();
        let facts = InstanceFacts { dropped, ..InstanceFacts::default() };
        let found = instance_findings(&facts, <&Levels>::default());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].severity, Severity::Warn);
        assert_eq!(
            found[0].sentence,
            "37 spans and 2 events were lost in the last minute before they came here"
        );
        let none = InstanceFacts::default();
        assert_eq!(instance_findings(&none, <&Levels>::default()), []);
        let quiet = Levels::new(&["telemetry_dropped=40".parse().unwrap()]);
        assert_eq!(instance_findings(&facts, &quiet), []);
    }

    #[test]
    fn who_vanished_is_a_note_that_can_be_turned_off() {
        let facts = InstanceFacts { vanished: true, interval_s: 1.0, ..InstanceFacts::default() };
        let found = instance_findings(&facts, <&Levels>::default());
        assert_eq!(
            (found[0].severity, &*found[0].sentence),
            (Severity::Ok, "it reported every 1 s and does not any more")
        );
        assert_eq!(instance_findings(&facts, &Levels::new(&["instance_vanished=off".parse().unwrap()])), []);
    }

    #[test]
    fn estimates_are_told() {
        assert_eq!(estimated(&Facts::default()), None);
        let found = estimated(&Facts { estimated: true, ..Facts::default() }).unwrap();
        assert_eq!((found.rule, found.severity), (Rule::TelemetryEstimated, Severity::Ok));
    }
}
