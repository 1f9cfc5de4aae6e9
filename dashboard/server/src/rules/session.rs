//! Sessions: who could not begin, how they end, and who stays.

use poolscope_semconv::value::SessionEnd;
use poolscope_wire::{Rule, Severity};

use super::protection::{by_share, share};
use super::{Finding, Levels};
use crate::words;

/// What the rules know about a registry of sessions. The counts are those of the last minute.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SessionFacts {
    pub(crate) active: u32,
    pub(crate) overdue: u32,
    pub(crate) refused: u64,
    /// Sessions that are gone, and why.
    pub(crate) ended: u64,
    pub(crate) by_error: u64,
    pub(crate) unresponsive: u64,
    pub(crate) panicked: u64,
    pub(crate) evicted: u64,
    pub(crate) missed_pings: u64,
    /// Handlers that did not end with their session.
    pub(crate) handlers_cut: u64,
    pub(crate) late_sweeps: u64,
    pub(crate) oldest_age_s: Option<f64>,
}

impl SessionFacts {
    /// Notes why sessions ended.
    pub(crate) fn end(&mut self, reason: &str, minute: u64) {
        self.ended = self.ended.saturating_add(minute);
        let of = match SessionEnd::parse(reason) {
            Some(SessionEnd::Error) => &mut self.by_error,
            Some(SessionEnd::Unresponsive) => &mut self.unresponsive,
            Some(SessionEnd::Panicked) => &mut self.panicked,
            Some(SessionEnd::Evicted) => &mut self.evicted,
            _ => return,
        };
        *of = of.saturating_add(minute);
    }

    /// Those that no one wanted to end like that.
    fn ended_badly(&self) -> u64 {
        self.by_error.saturating_add(self.unresponsive).saturating_add(self.panicked)
    }

    fn there(&self) -> String {
        match self.active {
            0 => "nobody is there".to_owned(),
            active => format!("{} there", words::count(u64::from(active), "session")),
        }
    }
}

/// What is wrong with a registry of sessions.
pub(crate) fn findings(facts: &SessionFacts, levels: &Levels) -> Vec<Finding> {
    let counted = |rule, count: u64, sentence: String| {
        let (severity, figure) = levels.judge(rule, count as f64).filter(|_| count > 0)?;
        Some(Finding { rule, severity, figure: Some(figure), sentence })
    };
    let there = facts.there();
    let refused = counted(
        Rule::SessionsRefused,
        facts.refused,
        format!("{} refused in the last minute; {there}", words::count(facts.refused, "session")),
    );
    let bad = facts.ended_badly();
    let (severity, figure) = by_share(Rule::SessionsFail, bad, facts.ended, levels);
    let fails = (severity > Severity::Ok).then(|| Finding {
        rule: Rule::SessionsFail,
        severity,
        figure,
        sentence: format!(
            "{} of {} ended badly in the last minute ({}): {}; {there}",
            words::grouped(bad),
            words::count(facts.ended, "session"),
            words::percent(share(bad, facts.ended)),
            ends(facts),
        ),
    });
    let who = match facts.overdue {
        1 => "1 session was told to end and is".to_owned(),
        many => format!("{many} sessions were told to end and are"),
    };
    let overdue = counted(
        Rule::SessionOverdue,
        u64::from(facts.overdue),
        format!("{who} still there after the time for it"),
    );
    let old = facts.oldest_age_s.and_then(|age_s| {
        let (severity, figure) = levels.judge(Rule::SessionsOld, age_s)?;
        let sentence = format!("the oldest session has been there for {}; {there}", words::duration(age_s));
        Some(Finding { rule: Rule::SessionsOld, severity, figure: Some(figure), sentence })
    });
    let panicked = counted(
        Rule::TasksPanic,
        facts.panicked,
        format!("{} panicked in the last minute; {there}", words::count(facts.panicked, "session")),
    );
    [refused, fails, overdue, old, panicked].into_iter().flatten().collect()
}

/// What is said where nothing is wrong; what happened and is not much is said too.
pub(crate) fn fine(facts: &SessionFacts) -> String {
    let bad = facts.ended_badly();
    let ended = (bad > 0).then(|| {
        let [bad, ended] = [bad, facts.ended].map(words::grouped);
        format!("{bad} of {ended} ended badly ({})", ends(facts))
    });
    let refused = (facts.refused > 0).then(|| format!("{} refused", words::grouped(facts.refused)));
    let evicted =
        (facts.evicted > 0).then(|| format!("{} made room for others", words::grouped(facts.evicted)));
    let missed = (facts.missed_pings > 0)
        .then(|| format!("{} without an answer", words::count(facts.missed_pings, "ping")));
    let cut =
        (facts.handlers_cut > 0).then(|| format!("{} cut", words::count(facts.handlers_cut, "handler")));
    let late = (facts.late_sweeps > 0).then(|| format!("{} late", words::count(facts.late_sweeps, "sweep")));
    let told: Vec<_> = [ended, refused, evicted, missed, cut, late].into_iter().flatten().collect();
    let there = facts.there();
    if told.is_empty() {
        return format!("fine: {there}");
    }
    format!("fine: {there}; in the last minute {}", told.join(", "))
}

/// Those that ended badly, by why.
fn ends(facts: &SessionFacts) -> String {
    let SessionFacts { by_error, unresponsive, panicked, .. } = *facts;
    let ends = [
        (by_error, "by an error"),
        (unresponsive, "for want of an answer to pings"),
        (panicked, "by a panic"),
    ];
    let ends = ends.into_iter().filter(|(count, _)| *count > 0);
    ends.map(|(count, how)| format!("{} {how}", words::grouped(count))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(facts: &SessionFacts) -> Vec<(Rule, Severity, String)> {
        let found = findings(facts, <&Levels>::default());
        found.into_iter().map(|one| (one.rule, one.severity, one.sentence)).collect()
    }

    fn facts(ends: &[(SessionEnd, u64)]) -> SessionFacts {
        let mut facts = SessionFacts { active: 12, ..SessionFacts::default() };
        ends.iter().for_each(|(reason, minute)| facts.end(reason.as_str(), *minute));
        facts
    }

    #[test]
    fn ends_by_error_and_without_an_answer_are_a_warning_where_they_are_many_and_said_where_they_are_few() {
        use SessionEnd::{Completed, Error, Unresponsive};
        let many = facts(&[(Completed, 110), (Error, 82), (Unresponsive, 8)]);
        let sentence = "90 of 200 sessions ended badly in the last minute (45 %): 82 by an error, \
                        8 for want of an answer to pings; 12 sessions there";
        assert_eq!(found(&many), [(Rule::SessionsFail, Severity::Warn, sentence.to_owned())]);
        let few = SessionFacts { missed_pings: 1, ..facts(&[(Completed, 197), (Error, 3)]) };
        assert_eq!(found(&few), []);
        let sentence = "fine: 12 sessions there; in the last minute 3 of 200 ended badly (3 by an error), 1 ping without an answer";
        assert_eq!(fine(&few), sentence);
    }

    #[test]
    fn clients_that_leave_or_are_silent_are_ordinary() {
        use SessionEnd::{Completed, Dropped, Evicted, IdleTimeout, MaxDuration, Shutdown};
        let ordinary =
            facts(&[(Completed, 1), (Dropped, 9), (IdleTimeout, 9), (MaxDuration, 9), (Shutdown, 9)]);
        assert_eq!((found(&ordinary), fine(&ordinary)), (vec![], "fine: 12 sessions there".to_owned()));
        let evicted = SessionFacts { handlers_cut: 1, late_sweeps: 2, ..facts(&[(Evicted, 4)]) };
        let sentence = "fine: 12 sessions there; in the last minute 4 made room for others, 1 handler cut, 2 sweeps late";
        assert_eq!((found(&evicted), fine(&evicted)), (vec![], sentence.to_owned()));
        assert_eq!(fine(&SessionFacts::default()), "fine: nobody is there");
    }

    #[test]
    fn one_panic_one_that_is_refused_one_that_does_not_end_and_one_that_is_too_old_is_enough() {
        let panicked = facts(&[(SessionEnd::Completed, 199), (SessionEnd::Panicked, 1)]);
        let sentence = "1 session panicked in the last minute; 12 sessions there";
        assert_eq!(found(&panicked), [(Rule::TasksPanic, Severity::Warn, sentence.to_owned())]);
        let refused = |refused| found(&SessionFacts { refused, ..SessionFacts::default() });
        let sentence = |count| format!("{count} refused in the last minute; nobody is there");
        assert_eq!(refused(1), [(Rule::SessionsRefused, Severity::Warn, sentence("1 session"))]);
        assert_eq!(refused(10), [(Rule::SessionsRefused, Severity::Bad, sentence("10 sessions"))]);
        let overdue = found(&SessionFacts { overdue: 2, ..SessionFacts::default() });
        let sentence = "2 sessions were told to end and are still there after the time for it";
        assert_eq!(overdue, [(Rule::SessionOverdue, Severity::Warn, sentence.to_owned())]);
        let old =
            |age| found(&SessionFacts { active: 1, oldest_age_s: Some(age), ..SessionFacts::default() });
        assert_eq!(old(86_399.0), []);
        assert_eq!(old(90_000.0)[0].0, Rule::SessionsOld);
    }

    #[test]
    fn a_rule_that_is_off_finds_nothing_and_what_happened_is_said_all_the_same() {
        let levels = Levels::new(&["sessions_fail=off".parse().unwrap()]);
        let facts = facts(&[(SessionEnd::Error, 82)]);
        assert_eq!(findings(&facts, &levels), []);
        assert_eq!(
            fine(&facts),
            "fine: 12 sessions there; in the last minute 82 of 82 ended badly (82 by an error)"
        );
    }
}
