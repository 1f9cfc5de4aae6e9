//! Many instances seen as one: histories, breakers, who vanished, and what is wrong. Pure.

use std::cmp::Reverse;

use poolscope_wire::{Breaker, BreakerState, Service, Severity, SparkPoint, Subject, Warning};

use super::{filter::is_of_instance, store::Store, table::Table};
use crate::{compact::sort_by, format, words};

/// Points of members are put together by so much time.
const STEP_MS: u64 = 2_000;

/// A member that reports more rarely than this has no point for the time between.
const MAX_STEPS: u64 = 10;

/// Histories of several pools as one: in each step of time, the sum of the newest that each had told by then.
#[must_use]
pub fn merge_history<'a>(members: impl Iterator<Item = &'a Vec<SparkPoint>>) -> Vec<SparkPoint> {
    // By step, in order.
    let mut steps: Vec<(u64, SparkPoint)> = Vec::new();
    for points in members {
        for (index, point) in points.iter().enumerate() {
            let step = point.at_ms / STEP_MS;
            let next = points.get(index + 1).map_or(step + 1, |next| next.at_ms / STEP_MS);
            // The last of a step stands for it, and for those up to the next report.
            for held in step..next.min(step + MAX_STEPS) {
                let place = steps.binary_search_by(|(step, _)| step.cmp(&held)).unwrap_or_else(|place| {
                    let sum = SparkPoint { at_ms: (held + 1) * STEP_MS, ..SparkPoint::default() };
                    steps.insert(place, (held, sum));
                    place
                });
                add(&mut steps[place].1, point);
            }
        }
    }
    // The newest step may still be growing, and the merged figures of now follow it.
    steps.pop();
    steps.into_iter().map(|(_, sum)| sum).collect()
}

fn add(sum: &mut SparkPoint, point: &SparkPoint) {
    let pairs = [
        (&mut sum.active, point.active),
        (&mut sum.idle, point.idle),
        (&mut sum.upgraded, point.upgraded),
        (&mut sum.pending, point.pending),
    ];
    for (sum, told) in pairs {
        if let Some(told) = told {
            *sum = Some(sum.unwrap_or(0).saturating_add(told));
        }
    }
}

/// Breakers of the same name on several instances of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct BreakerGroup {
    /// Service that has them.
    pub service: String,
    /// Their name.
    pub name: String,
    /// Ids, worst first; those that are silent last.
    pub ids: Vec<String>,
    /// How many are in each state, worst first, of those that report.
    pub states: Vec<(BreakerState, u64)>,
    /// How many are silent.
    pub silent: u64,
    /// The worst state in which one of those was last.
    pub left: Option<BreakerState>,
}

impl BreakerGroup {
    /// `open 3 / closed 5`.
    #[must_use]
    pub fn summary(&self) -> String {
        let states = words::breaker_states(self.states.iter().copied());
        match self.silent {
            0 => states,
            silent if states.is_empty() => format!("silent {silent}"),
            silent => format!("{states} / silent {silent}"),
        }
    }

    /// The worst state of those that report; of a group that is wholly silent, what was told last.
    #[must_use]
    pub fn worst(&self) -> BreakerState {
        self.states.first().map(|(state, _)| *state).or(self.left).unwrap_or_default()
    }

    /// What it is known by, in an address too: services may have breakers of the same name.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}\u{1f}{}", self.service, self.name)
    }
}

/// Breakers in their order, those of the same name on several instances together where the worst of them stands.
#[must_use]
pub fn breaker_groups(ordered: &[&Breaker]) -> Vec<BreakerGroup> {
    let mut groups: Vec<BreakerGroup> = Vec::new();
    // Where the group of a name is: a thousand breakers are not compared with a thousand groups each.
    let mut places: Table<usize> = Table::default();
    for breaker in ordered {
        let (service, name) = (breaker.service.clone(), breaker.name.clone());
        let new = BreakerGroup { service, name, ids: Vec::new(), states: Vec::new(), silent: 0, left: None };
        let key = new.key();
        let place = places.get(&key).copied().unwrap_or(groups.len());
        if place == groups.len() {
            places.insert(key, place);
            groups.push(new);
        }
        let group = &mut groups[place];
        group.ids.push(breaker.id.clone());
        if breaker.stale {
            group.silent += 1;
            let is_worse =
                |left: BreakerState| words::breaker_severity(breaker.state) > words::breaker_severity(left);
            if group.left.is_none_or(is_worse) {
                group.left = Some(breaker.state);
            }
        } else {
            match group.states.iter_mut().find(|(state, _)| *state == breaker.state) {
                Some((_, count)) => *count += 1,
                None => group.states.push((breaker.state, 1)),
            }
        }
    }
    for group in &mut groups {
        sort_by(&mut group.states, |(a, _), (b, _)| {
            words::breaker_severity(*b).cmp(&words::breaker_severity(*a))
        });
    }
    groups
}

/// Who has vanished, in a sentence; `None` if nobody has.
#[must_use]
pub fn vanished(services: &[Service], service: &str, now_ms: u64) -> Option<String> {
    let gone: Vec<_> = services
        .iter()
        .filter(|one| service.is_empty() || one.name == service)
        .flat_map(|one| one.instances.iter().filter(|instance| instance.vanished))
        .collect();
    let last = gone.iter().map(|instance| instance.last_seen_ms).max()?;
    let when = format::ago(now_ms, last);
    Some(match gone.len() {
        1 => format!("1 instance vanished, last heard {when}"),
        many => format!("{many} instances vanished, the last of them heard {when}"),
    })
}

/// Warnings of a service (empty for all) and of an instance (empty for all), worst first; notes last.
#[must_use]
pub fn warnings_of<'a>(store: &'a Store, service: &str, instance: &str) -> Vec<&'a Warning> {
    let mut all: Vec<&Warning> = store
        .warnings
        .values()
        .filter(|one| service.is_empty() || one.service == service)
        .filter(|one| is_of_instance(instance, &one.instance))
        .collect();
    sort_by(&mut all, |a, b| order(a).cmp(&order(b)));
    all
}

/// Worst first, what goes on before what is over, then in the order of the rules, which moves with no figure.
fn order(one: &Warning) -> (Reverse<Severity>, bool, poolscope_wire::Rule, &str, &str, &str) {
    (Reverse(one.severity), one.recovering, one.rule, &one.service, &one.name, &one.id)
}

/// Warnings about things, of each kind those with these ids, worst first.
#[must_use]
pub fn warnings_about<'a>(store: &'a Store, about: &[(Subject, Vec<String>)]) -> Vec<&'a Warning> {
    let is_meant =
        |one: &&Warning| about.iter().any(|(what, ids)| one.what == *what && ids.contains(&one.what_id));
    let mut all: Vec<&Warning> = store.warnings.values().filter(is_meant).collect();
    sort_by(&mut all, |a, b| order(a).cmp(&order(b)));
    all
}

/// What one rule finds wrong with several instances of the same thing.
#[derive(Debug, Clone, PartialEq)]
pub struct WarningRow {
    /// The worst of them.
    pub worst: Warning,
    /// On how many instances it is so.
    pub instances: usize,
}

/// Warnings that one rule has of the same thing on several instances become one row, at the place of the worst.
#[must_use]
pub fn merge_warnings(ordered: &[&Warning]) -> Vec<WarningRow> {
    let mut rows: Vec<(WarningRow, Vec<&str>)> = Vec::new();
    for one in ordered {
        let same = |(row, _): &&mut (WarningRow, _)| {
            let worst = &row.worst;
            (worst.rule, worst.what, worst.severity) == (one.rule, one.what, one.severity)
                && (&worst.service, &worst.name) == (&one.service, &one.name)
        };
        match rows.iter_mut().find(same) {
            Some((row, instances)) => {
                if !instances.contains(&one.instance.as_str()) {
                    instances.push(&one.instance);
                    row.instances += 1;
                }
            }
            None => {
                let row = WarningRow { worst: (*one).clone(), instances: 1 };
                rows.push((row, vec![one.instance.as_str()]));
            }
        }
    }
    rows.into_iter().map(|(row, _)| row).collect()
}

#[cfg(test)]
mod tests {
    use poolscope_wire::{Full, Instance, Rule};

    use super::*;

    fn breaker(id: &str, name: &str, state: BreakerState, stale: bool) -> Breaker {
        Breaker { id: id.to_owned(), name: name.to_owned(), state, stale, ..Breaker::default() }
    }

    #[test]
    fn breakers_merge_by_name_and_silent_ones_are_told_apart() {
        let all = [
            breaker("1", "pay", BreakerState::Open, false),
            breaker("2", "mail", BreakerState::HalfOpen, false),
            breaker("3", "pay", BreakerState::Closed, false),
            breaker("4", "pay", BreakerState::Closed, false),
            breaker("5", "pay", BreakerState::Open, true),
        ];
        let groups = breaker_groups(&all.iter().collect::<Vec<_>>());
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[0].ids, ["1", "3", "4", "5"]);
        assert_eq!(groups[0].summary(), "open 1 / closed 2 / silent 1");
        assert_eq!(groups[0].worst(), BreakerState::Open);
        assert_eq!(groups[1].summary(), "half open 1");
        let of_other = Breaker { service: "other".to_owned(), ..all[0].clone() };
        let groups = breaker_groups(&[&all[0], &of_other]);
        assert_ne!(groups[0].key(), groups[1].key());
    }

    #[test]
    fn histories_add_up_step_by_step_and_a_gap_is_a_gap() {
        let point = |at_ms, active| SparkPoint { at_ms, active: Some(active), ..SparkPoint::default() };
        let one = vec![point(2_000, 1), point(4_000, 2), point(6_000, 3)];
        // It reports every four seconds, so it holds over a step; and a silence is not filled for ever.
        let other = vec![point(2_500, 10), point(6_500, 20)];
        let merged = merge_history([&one, &other].into_iter());
        let told: Vec<_> = merged.iter().map(|point| (point.at_ms, point.active)).collect();
        assert_eq!(told, [(4_000, Some(11)), (6_000, Some(12))]);
        let silent = vec![point(2_000, 1), point(200_000, 1), point(202_000, 1)];
        assert_eq!(merge_history([&silent].into_iter()).len(), MAX_STEPS as usize + 1);
    }

    #[test]
    fn who_vanished_is_said() {
        let instance = |vanished, last_seen_ms| Instance { vanished, last_seen_ms, ..Instance::default() };
        let service = |name: &str, instances| Service { name: name.to_owned(), instances };
        let shop =
            service("shop", vec![instance(true, 10_000), instance(true, 50_000), instance(false, 99_000)]);
        let all = [shop, service("other", vec![instance(false, 99_000)])];
        let said = vanished(&all, "", 100_000).unwrap();
        assert_eq!(said, "2 instances vanished, the last of them heard 50 s ago");
        assert_eq!(vanished(&all, "other", 100_000), None);
    }

    #[test]
    fn warnings_come_worst_first_and_the_same_on_many_instances_is_one_row() {
        let warning = |id: &str, rule, severity, instance: &str| Warning {
            id: id.to_owned(),
            rule,
            severity,
            name: "pay".to_owned(),
            instance: instance.to_owned(),
            ..Warning::default()
        };
        let mut store = Store::default();
        store.apply_full(Full {
            warnings: vec![
                warning("1", Rule::TelemetryEstimated, Severity::Ok, "a"),
                warning("2", Rule::LowReuse, Severity::Warn, "a"),
                warning("3", Rule::Leak, Severity::Bad, "b"),
                warning("4", Rule::Leak, Severity::Bad, "a"),
                warning("5", Rule::Leak, Severity::Bad, "a"),
            ],
            ..Full::default()
        });
        let all = warnings_of(&store, "", "");
        assert_eq!(all.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["3", "4", "5", "2", "1"]);
        let rows = merge_warnings(&all);
        // A client has a pool for each destination: two of an instance are of one instance.
        assert_eq!(rows.iter().map(|row| row.instances).collect::<Vec<_>>(), [2, 1, 1]);
        assert_eq!(warnings_of(&store, "", "b").len(), 1);
    }

    #[test]
    fn what_guards_a_thing_and_the_thing_itself_are_in_one_order() {
        let warning = |id: &str, what, what_id: &str, severity, recovering| Warning {
            id: id.to_owned(),
            what,
            what_id: what_id.to_owned(),
            severity,
            recovering,
            ..Warning::default()
        };
        let mut store = Store::default();
        store.apply_full(Full {
            warnings: vec![
                warning("1", Subject::Pool, "pool", Severity::Warn, true),
                warning("2", Subject::Breaker, "guard", Severity::Bad, false),
                warning("3", Subject::Breaker, "pool", Severity::Bad, false),
                warning("4", Subject::Pool, "pool", Severity::Warn, false),
            ],
            ..Full::default()
        });
        let ids = |of: &[(Subject, &str)]| {
            let about: Vec<_> = of.iter().map(|(what, id)| (*what, vec![(*id).to_owned()])).collect();
            warnings_about(&store, &about).into_iter().map(|one| one.id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(ids(&[(Subject::Pool, "pool"), (Subject::Breaker, "guard")]), ["2", "4", "1"]);
        assert_eq!(ids(&[(Subject::Pool, "pool")]), ["4", "1"]);
    }
}
