//! Hysteresis: a condition gets worse at once and better only after a time of calm, so that tiles do not flicker.

use poolscope_wire::{Health, Severity};

use super::{Facts, check};
use crate::words;

/// Calm before the severity drops.
const CALM_MS: u64 = 10_000;

/// The condition of a pool over time.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    severity: Severity,
    sentence: String,
    since_ms: u64,
    /// Since when the rules find less than the severity that is shown, and the worst that they found since.
    calm: Option<(u64, Severity)>,
}

impl Condition {
    pub(crate) fn new(now_ms: u64) -> Self {
        Self { severity: Severity::Ok, sentence: String::new(), since_ms: now_ms, calm: None }
    }

    /// Looks again; true if what is shown changed.
    pub(crate) fn update(&mut self, facts: &Facts<'_>, now_ms: u64) -> bool {
        let finding = check(facts);
        let mut severity = self.severity;
        if finding.severity >= severity {
            severity = finding.severity;
            self.calm = None;
        } else {
            let (since_ms, worst) = self.calm.unwrap_or((now_ms, finding.severity));
            let worst = worst.max(finding.severity);
            self.calm = Some((since_ms, worst));
            if now_ms.saturating_sub(since_ms) >= CALM_MS {
                severity = worst;
                self.calm = (worst > finding.severity).then_some((now_ms, finding.severity));
            }
        }
        let sentence = match self.calm {
            // What was wrong is over; why the pool still stands where it stands is told by it.
            Some(_) if finding.severity == Severity::Ok => {
                let ago = words::duration(CALM_MS as f64 / 1_000.0);
                format!("recovering: had trouble within the last {ago}, now {}", finding.sentence)
            }
            Some(_) => format!("recovering: {}", finding.sentence),
            None => finding.sentence,
        };
        let changed = severity != self.severity || sentence != self.sentence;
        if severity != self.severity {
            self.severity = severity;
            self.since_ms = now_ms;
        }
        self.sentence = sentence;
        changed
    }

    /// The condition as the browser gets it.
    pub(crate) fn health(&self) -> Health {
        Health { severity: self.severity, sentence: self.sentence.clone(), since_ms: self.since_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poolscope_wire::BreakerState;

    fn look(condition: &mut Condition, state: Option<BreakerState>, now_ms: u64) -> Severity {
        let breaker = state.map(|state| ("pay".to_owned(), state));
        condition.update(&Facts { breaker: breaker.as_ref(), ..Facts::default() }, now_ms);
        condition.health().severity
    }

    #[test]
    fn it_gets_worse_at_once_and_better_after_calm() {
        let mut condition = Condition::new(0);
        assert_eq!(look(&mut condition, Some(BreakerState::Open), 1_000), Severity::Bad);
        assert_eq!(look(&mut condition, None, 2_000), Severity::Bad);
        assert!(condition.health().sentence.starts_with("recovering: "));
        assert_eq!(look(&mut condition, None, 11_999), Severity::Bad);
        assert_eq!(look(&mut condition, None, 12_000), Severity::Ok);
        assert_eq!(condition.health().since_ms, 12_000);
        assert!(!condition.health().sentence.contains("recovering"));
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
}
