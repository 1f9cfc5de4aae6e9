//! Hysteresis: what a rule finds gets worse at once and better only after a time of calm, so that nothing flickers.

use std::collections::BTreeMap;

use poolscope_wire::{Figure, Health, Rule, Severity, Subject, Warning};

use super::Finding;
use crate::words;

/// Calm before a severity drops.
const CALM_MS: u64 = 10_000;

/// What one rule found, and still holds.
#[derive(Debug, Clone)]
struct Held {
    severity: Severity,
    /// When the trouble began, however bad it was since.
    since_ms: u64,
    /// With the sentence: what is found now, or while it is calm, the worst that was.
    figure: Option<Figure>,
    sentence: String,
    /// Since when the rule finds less than the severity that is shown, and the worst that it found since.
    calm: Option<(u64, Severity)>,
}

impl Held {
    /// Looks again; false if it is over.
    fn update(&mut self, found: Option<&Finding>, now_ms: u64) -> bool {
        let severity = found.map_or(Severity::Ok, |finding| finding.severity);
        if severity >= self.severity {
            self.severity = severity;
            self.calm = None;
        } else {
            let (since_ms, worst) = self.calm.unwrap_or((now_ms, severity));
            // Where the clock was put back, the calm begins anew.
            let since_ms = since_ms.min(now_ms);
            let worst = worst.max(severity);
            self.calm = Some((since_ms, worst));
            if now_ms.saturating_sub(since_ms) >= CALM_MS {
                self.severity = worst;
                self.calm = (worst > severity).then_some((now_ms, severity));
            }
        }
        self.since_ms = self.since_ms.min(now_ms);
        // What is less bad is neither why it stands where it stands, nor true for longer than it is found.
        if self.calm.is_none()
            && let Some(finding) = found
        {
            self.figure = finding.figure;
            self.sentence.clone_from(&finding.sentence);
        }
        found.is_some() || self.severity > Severity::Ok
    }

    /// What is wrong, or while it is calm, what was.
    fn told(&self) -> String {
        if self.calm.is_some() { format!("was: {}", self.sentence) } else { self.sentence.clone() }
    }
}

/// Who the warnings of a condition are about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) what: Subject,
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    pub(crate) service: &'a str,
    pub(crate) instance: &'a str,
    pub(crate) link: &'a str,
}

impl About<'_> {
    /// A warning of a rule, of which the rest is known.
    pub(crate) fn warning(self, rule: Rule, health: Health, figure: Option<Figure>) -> Warning {
        Warning {
            id: format!("{}-{}", rule.key(), self.id),
            rule,
            severity: health.severity,
            figure,
            sentence: health.sentence,
            since_ms: health.since_ms,
            recovering: false,
            what: self.what,
            what_id: self.id.to_owned(),
            name: self.name.to_owned(),
            service: self.service.to_owned(),
            instance: self.instance.to_owned(),
            link: self.link.to_owned(),
        }
    }
}

/// The condition of something over time: what the rules found of it, of which the worst is how it is.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    held: BTreeMap<Rule, Held>,
    health: Health,
}

impl Condition {
    pub(crate) fn new(now_ms: u64) -> Self {
        Self { held: BTreeMap::new(), health: Health { since_ms: now_ms, ..Health::default() } }
    }

    /// Takes what the rules find now, each rule once; true if what is shown changed.
    pub(crate) fn update(
        &mut self,
        findings: &[Finding],
        fine: impl FnOnce() -> String,
        now_ms: u64,
    ) -> bool {
        let found = |rule: Rule| findings.iter().find(|finding| finding.rule == rule);
        self.held.retain(|rule, held| held.update(found(*rule), now_ms));
        for finding in findings {
            self.held.entry(finding.rule).or_insert_with(|| Held {
                severity: finding.severity,
                since_ms: now_ms,
                figure: finding.figure,
                sentence: finding.sentence.clone(),
                calm: None,
            });
        }
        let severity = self.held.values().map(|held| held.severity).max().unwrap_or_default();
        let sentence = self.sentence(severity, findings, fine);
        let changed = severity != self.health.severity || sentence != self.health.sentence;
        self.health.turn(severity, now_ms);
        self.health.sentence = sentence;
        changed
    }

    /// The worst that is held; where that is over, what is found now, or that nothing is.
    fn sentence(&self, severity: Severity, findings: &[Finding], fine: impl FnOnce() -> String) -> String {
        if severity == Severity::Ok {
            return fine();
        }
        let worst = |held: &&Held| held.severity == severity && held.calm.is_none();
        if let Some(held) = self.held.values().find(worst) {
            return held.sentence.clone();
        }
        let active = findings.iter().filter(|finding| finding.severity > Severity::Ok);
        // Of equals the last is taken, so they are asked from behind.
        match active.rev().max_by_key(|finding| finding.severity) {
            Some(finding) => format!("{}{}", Health::RECOVERING, finding.sentence),
            // What was wrong is over; why it still stands where it stands is told by it.
            None => {
                let ago = words::duration(CALM_MS as f64 / 1_000.0);
                format!("{}had trouble within the last {ago}, now {}", Health::RECOVERING, fine())
            }
        }
    }

    /// The condition as the browser gets it.
    pub(crate) fn health(&self) -> Health {
        self.health.clone()
    }

    /// True if there is a warning of it.
    pub(crate) fn finds_something(&self) -> bool {
        !self.held.is_empty()
    }

    /// What is held, as warnings.
    pub(crate) fn warnings<'a>(&'a self, about: About<'a>) -> impl Iterator<Item = Warning> + 'a {
        self.held.iter().map(move |(rule, held)| {
            let health = Health { severity: held.severity, sentence: held.told(), since_ms: held.since_ms };
            Warning { recovering: held.calm.is_some(), ..about.warning(*rule, health, held.figure) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Facts, check, fine};
    use poolscope_wire::BreakerState;

    fn look(condition: &mut Condition, state: Option<BreakerState>, now_ms: u64) -> Severity {
        let breaker = state.map(|state| ("pay".to_owned(), state));
        let facts = Facts { breaker: breaker.as_ref(), ..Facts::default() };
        condition.update(&check(&facts), || fine::sentence(&facts), now_ms);
        condition.health().severity
    }

    fn finding(rule: Rule, severity: Severity) -> Finding {
        Finding { rule, severity, figure: None, sentence: rule.key().to_owned() }
    }

    fn warnings(condition: &Condition) -> Vec<(Rule, Severity, bool)> {
        let about = About { what: Subject::Pool, id: "1", name: "", service: "", instance: "", link: "/" };
        condition.warnings(about).map(|one| (one.rule, one.severity, one.recovering)).collect()
    }

    #[test]
    fn it_gets_worse_at_once_and_better_after_calm() {
        let mut condition = Condition::new(0);
        assert_eq!(look(&mut condition, Some(BreakerState::Open), 1_000), Severity::Bad);
        assert_eq!(look(&mut condition, None, 2_000), Severity::Bad);
        assert!(condition.health().is_recovering());
        assert_eq!(warnings(&condition), [(Rule::BreakerOpen, Severity::Bad, true)]);
        assert_eq!(look(&mut condition, None, 11_999), Severity::Bad);
        assert_eq!(look(&mut condition, None, 12_000), Severity::Ok);
        assert_eq!(condition.health().since_ms, 12_000);
        assert!(!condition.health().sentence.contains("recovering"));
        assert_eq!(warnings(&condition), []);
    }

    #[test]
    fn a_clock_that_is_put_back_costs_one_more_calm_and_no_hour() {
        let mut condition = Condition::new(3_600_000);
        look(&mut condition, Some(BreakerState::Open), 3_601_000);
        look(&mut condition, None, 3_602_000);
        assert_eq!(look(&mut condition, None, 2_000), Severity::Bad);
        assert_eq!(condition.health().since_ms, 2_000);
        assert_eq!(look(&mut condition, None, 11_999), Severity::Bad);
        assert_eq!(look(&mut condition, None, 12_000), Severity::Ok);
    }

    #[test]
    fn a_relapse_starts_the_calm_anew() {
        let mut condition = Condition::new(0);
        look(&mut condition, Some(BreakerState::Open), 0);
        look(&mut condition, None, 1_000);
        look(&mut condition, Some(BreakerState::Open), 9_000);
        assert_eq!(look(&mut condition, None, 12_000), Severity::Bad);
        assert_eq!(look(&mut condition, None, 22_000), Severity::Ok);
    }

    #[test]
    fn it_drops_to_the_worst_of_the_calm_time() {
        let mut condition = Condition::new(0);
        look(&mut condition, Some(BreakerState::Open), 0);
        look(&mut condition, Some(BreakerState::HalfOpen), 1_000);
        look(&mut condition, None, 6_000);
        assert_eq!(look(&mut condition, None, 11_000), Severity::Warn);
        assert_eq!(look(&mut condition, None, 21_000), Severity::Ok);
    }

    #[test]
    fn what_is_over_is_told_as_what_was_from_when_the_trouble_began() {
        let mut condition = Condition::new(0);
        let mut told = |state, now_ms| {
            look(&mut condition, state, now_ms);
            let about =
                About { what: Subject::Breaker, id: "1", name: "", service: "", instance: "", link: "/" };
            let one = condition.warnings(about).next().unwrap();
            (one.severity, one.sentence, one.since_ms)
        };
        let open = "breaker open: calls are rejected";
        let half_open = "breaker half-open: trial calls decide whether it closes";
        let was = |severity, sentence| (severity, format!("was: {sentence}"), 1_000);
        let is = |severity, sentence: &str| (severity, sentence.to_owned(), 1_000);
        assert_eq!(told(Some(BreakerState::HalfOpen), 1_000), is(Severity::Warn, half_open));
        assert_eq!(told(Some(BreakerState::Open), 2_000), is(Severity::Bad, open), "worse, not another");
        assert_eq!(told(Some(BreakerState::HalfOpen), 3_000), was(Severity::Bad, open));
        assert_eq!(told(None, 4_000), was(Severity::Bad, open));
        assert_eq!(told(None, 13_000), was(Severity::Warn, open), "it is not half-open any more");
        assert_eq!(told(Some(BreakerState::HalfOpen), 14_000), is(Severity::Warn, half_open), "it is again");
        assert_eq!(told(None, 15_000), was(Severity::Warn, half_open));
    }

    #[test]
    fn what_was_never_well_in_between_is_so_since_it_began() {
        let mut condition = Condition::new(0);
        let mut since = |state, now_ms| (look(&mut condition, state, now_ms), condition.health().since_ms);
        assert_eq!(since(Some(BreakerState::HalfOpen), 1_000), (Severity::Warn, 1_000));
        assert_eq!(since(Some(BreakerState::Open), 2_000), (Severity::Bad, 1_000));
        since(Some(BreakerState::HalfOpen), 3_000);
        assert_eq!(since(Some(BreakerState::HalfOpen), 13_000), (Severity::Warn, 1_000));
        since(None, 14_000);
        assert_eq!(since(None, 24_000), (Severity::Ok, 24_000));
        assert_eq!(since(None, 25_000), (Severity::Ok, 24_000));
    }

    #[test]
    fn what_goes_on_less_bad_is_told_as_it_is() {
        let mut condition = Condition::new(0);
        look(&mut condition, Some(BreakerState::Open), 0);
        look(&mut condition, Some(BreakerState::HalfOpen), 1_000);
        look(&mut condition, Some(BreakerState::HalfOpen), 11_000);
        assert_eq!(warnings(&condition), [(Rule::BreakerOpen, Severity::Warn, false)]);
        assert!(condition.health().sentence.starts_with("breaker half-open"), "{:?}", condition.health());
    }

    #[test]
    fn each_rule_has_its_own_calm_and_the_worst_that_goes_on_is_told() {
        let mut condition = Condition::new(0);
        let fine = || "fine".to_owned();
        let (leak, waits) = (finding(Rule::Leak, Severity::Bad), finding(Rule::LongWaits, Severity::Bad));
        condition.update(&[leak, waits.clone()], fine, 1_000);
        assert_eq!(condition.health().sentence, "leak", "the first of equals");
        condition.update(&[waits], fine, 2_000);
        assert_eq!(condition.health().sentence, "long_waits", "what is over gives way to what goes on");
        let both = [(Rule::Leak, Severity::Bad, true), (Rule::LongWaits, Severity::Bad, false)];
        assert_eq!(warnings(&condition), both);
        condition.update(&[finding(Rule::LowReuse, Severity::Warn)], fine, 3_000);
        assert_eq!(condition.health().sentence, "recovering: low_reuse");
    }

    #[test]
    fn a_note_is_a_warning_that_leaves_the_pool_fine_and_goes_at_once() {
        let mut condition = Condition::new(0);
        let note = finding(Rule::TelemetryEstimated, Severity::Ok);
        condition.update(&[note], || "fine".to_owned(), 1_000);
        assert_eq!((condition.health().severity, &*condition.health().sentence), (Severity::Ok, "fine"));
        assert_eq!(warnings(&condition), [(Rule::TelemetryEstimated, Severity::Ok, false)]);
        condition.update(&[], || "fine".to_owned(), 2_000);
        assert_eq!(warnings(&condition), []);
    }
}
