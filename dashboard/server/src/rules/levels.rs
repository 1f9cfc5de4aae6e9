//! The limits of the rules, as the user has set them.

use std::str::FromStr;

use poolscope_wire::{Figure, Level, Rule, RuleSetting, Severity, Unit};

/// One setting: `low_reuse=0.5`, with a second limit for what is bad `long_waits=0.2/2`, or `leak=off`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RuleArg {
    rule: Rule,
    level: Option<Level>,
}

impl FromStr for RuleArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) =
            text.split_once('=').ok_or("write it as NAME=LIMIT, NAME=LIMIT/BAD or NAME=off")?;
        let rule = Rule::parse(name.trim()).ok_or_else(|| unknown(name.trim()))?;
        let level = match value.trim() {
            "off" => None,
            "on" => Some(rule.default_level()),
            value => Some(level(rule, value)?),
        };
        Ok(Self { rule, level })
    }
}

fn level(rule: Rule, value: &str) -> Result<Level, String> {
    let key = rule.key();
    if rule.unit() == Unit::Fact {
        return Err(format!("{key} has no limit: it is on or off"));
    }
    let number = |text: &str| {
        let number: Result<f64, _> = text.trim().parse();
        let highest = if rule.unit() == Unit::Share { 1.0 } else { f64::MAX };
        number.ok().filter(|number| (0.0..=highest).contains(number)).ok_or_else(|| match rule.unit() {
            Unit::Share => format!("{key} wants a share from 0 to 1, not `{text}`"),
            Unit::Seconds => format!("{key} wants seconds, 0 or more, not `{text}`"),
            Unit::Count | Unit::Fact => format!("{key} wants a number, 0 or more, not `{text}`"),
        })
    };
    let (warn, bad) = match value.split_once('/') {
        Some((warn, bad)) => (number(warn)?, Some(number(bad)?)),
        None => {
            let warn = number(value)?;
            let Level { warn: usual, bad } = rule.default_level();
            // What is bad moves with what warns, and stays a share where it is one.
            let highest = if rule.unit() == Unit::Share { 1.0 } else { f64::MAX };
            let moved = |bad: f64| if usual > 0.0 { (bad / usual * warn).min(highest) } else { bad };
            (warn, bad.map(moved))
        }
    };
    if bad.is_some_and(|bad| if rule.is_below() { bad > warn } else { bad < warn }) {
        return Err(format!("what is bad for {key} lies on the wrong side of what it warns of"));
    }
    Ok(Level { warn, bad })
}

/// The name that was meant is the one that shares the longest beginning, or all of them are told.
fn unknown(name: &str) -> String {
    let shared = |rule: &&Rule| rule.key().bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
    match Rule::ALL.iter().max_by_key(shared).filter(|rule| shared(rule) >= 4) {
        Some(meant) => format!("there is no rule `{name}`: did you mean `{}`?", meant.key()),
        None => {
            let names: Vec<_> = Rule::ALL.iter().map(|rule| rule.key()).collect();
            format!("there is no rule `{name}`; there are {}", names.join(", "))
        }
    }
}

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Levels([Option<Level>; Rule::ALL.len()]);

/// The limits that hold if nobody sets others.
static DEFAULTS: Levels = Levels::defaults();

impl Default for &Levels {
    fn default() -> Self {
        &DEFAULTS
    }
}

impl Levels {
    const fn defaults() -> Self {
        let mut levels = [None; Rule::ALL.len()];
        let mut index = 0;
        while index < levels.len() {
            levels[index] = Some(Rule::ALL[index].default_level());
            index += 1;
        }
        Self(levels)
    }

    /// The defaults with what was set; the last setting of a rule holds.
    pub(crate) fn new(settings: &[RuleArg]) -> Self {
        let mut levels = Self::defaults();
        for setting in settings {
            levels.0[setting.rule as usize] = setting.level;
        }
        levels
    }

    /// The limits of a rule; `None` if it is off.
    pub(crate) fn get(&self, rule: Rule) -> Option<Level> {
        self.0[rule as usize]
    }

    /// Which limit a value has crossed, if any.
    pub(crate) fn judge(&self, rule: Rule, value: f64) -> Option<(Severity, Figure)> {
        let Level { warn, bad } = self.get(rule)?;
        let is_beyond = |limit: f64| if rule.is_below() { value < limit } else { value >= limit };
        let is_bad = bad.is_some_and(is_beyond);
        let (severity, limit) = if is_bad { (Severity::Bad, bad?) } else { (Severity::Warn, warn) };
        is_beyond(warn).then_some((severity, Figure { value, limit: Some(limit), unit: rule.unit() }))
    }

    /// Every rule with its limits.
    pub(crate) fn to_wire(&self) -> Vec<RuleSetting> {
        let setting = |rule: &Rule| RuleSetting {
            rule: *rule,
            title: rule.title().to_owned(),
            advice: rule.advice().to_owned(),
            unit: rule.unit(),
            level: self.get(*rule),
            is_set: self.get(*rule) != Some(rule.default_level()),
        };
        Rule::ALL.iter().map(setting).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> Levels {
        Levels::new(&[text.parse().unwrap()])
    }

    #[test]
    fn settings_are_read_and_what_is_bad_moves_along() {
        for (text, rule, expected) in [
            ("low_reuse=0.8", Rule::LowReuse, Some((0.8, None))),
            ("long_waits=0.2", Rule::LongWaits, Some((0.2, Some(2.0)))),
            ("long_waits = 0.2/0.4", Rule::LongWaits, Some((0.2, Some(0.4)))),
            ("retry_storm=0.6", Rule::RetryStorm, Some((0.6, Some(1.0)))),
            ("failed_connects=0.1", Rule::FailedConnects, Some((0.1, Some(0.5)))),
            ("leak=off", Rule::Leak, None),
            ("telemetry_estimated=on", Rule::TelemetryEstimated, Some((1.0, None))),
        ] {
            let level = set(text).get(rule);
            assert_eq!(level.map(|level| (level.warn, level.bad)), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_what_to_write() {
        let wrong = |text: &str| text.parse::<RuleArg>().unwrap_err();
        assert_eq!(wrong("low_reusee=1"), "there is no rule `low_reusee`: did you mean `low_reuse`?");
        assert!(wrong("x=1").starts_with("there is no rule `x`; there are exhausted, "));
        assert_eq!(wrong("low_reuse=50"), "low_reuse wants a share from 0 to 1, not `50`");
        assert_eq!(wrong("breaker_open=3"), "breaker_open has no limit: it is on or off");
        assert_eq!(wrong("leak"), "write it as NAME=LIMIT, NAME=LIMIT/BAD or NAME=off");
        assert_eq!(
            wrong("slow_dns=1/0.1"),
            "what is bad for slow_dns lies on the wrong side of what it warns of"
        );
        assert_eq!(wrong("leak=-1"), "leak wants a number, 0 or more, not `-1`");
        assert_eq!(wrong("long_waits=-1"), "long_waits wants seconds, 0 or more, not `-1`");
        assert!("long_waits=NaN".parse::<RuleArg>().is_err());
    }

    #[test]
    fn a_value_is_judged_from_the_side_that_is_bad() {
        let levels = set("low_reuse=0.5/0.1");
        let severity = |value| levels.judge(Rule::LowReuse, value).map(|(severity, _)| severity);
        assert_eq!(severity(0.5), None);
        assert_eq!(severity(0.4), Some(Severity::Warn));
        assert_eq!(severity(0.05), Some(Severity::Bad));
        assert_eq!(set("slow_tls=off").judge(Rule::SlowTls, 99.0), None);
        let waits = levels.judge(Rule::LongWaits, 1.0).unwrap();
        assert_eq!(waits, (Severity::Bad, Figure { value: 1.0, limit: Some(1.0), unit: Unit::Seconds }));
    }

    #[test]
    fn all_rules_are_listed_with_what_was_set() {
        let all = set("leak=off").to_wire();
        assert_eq!(all.len(), Rule::ALL.len());
        let set: Vec<_> = all.iter().filter(|one| one.is_set).map(|one| (one.rule, one.level)).collect();
        assert_eq!(set, [(Rule::Leak, None)]);
    }
}
