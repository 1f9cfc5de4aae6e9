//! The table of sessions against a model that has nothing but a list.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use poolscope_semconv::value::SessionEnd;
use proptest::prelude::*;

use super::life::Life;
use super::pulse::Liveness;
use super::table::{NoRoom, Rules, Table};

/// Something that happens to a table.
#[derive(Debug, Clone, Copy)]
enum Step {
    Begin,
    Touch(usize),
    /// The holder ends it.
    Leave(usize, SessionEnd),
    Wait(u64),
    Look,
    /// The holder sends the ping that is due, if there is one.
    Ping(usize),
    /// Something comes from the other end.
    Hear(usize),
    Close,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let own = [SessionEnd::Completed, SessionEnd::Error, SessionEnd::Dropped, SessionEnd::Panicked];
    let step = prop_oneof![
        6 => Just(Step::Begin),
        4 => (0_usize..8).prop_map(Step::Touch),
        3 => (0_usize..8, prop::sample::select(own.to_vec())).prop_map(|(which, end)| Step::Leave(which, end)),
        6 => (1_u64..60).prop_map(Step::Wait),
        6 => Just(Step::Look),
        5 => (0_usize..8).prop_map(Step::Ping),
        3 => (0_usize..8).prop_map(Step::Hear),
        1 => Just(Step::Close),
    ];
    prop::collection::vec(step, 1..120)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[derive(Debug, Clone, Copy)]
struct One {
    began: u64,
    active: u64,
    told: Option<(SessionEnd, u64)>,
    is_overdue: bool,
    heard: u64,
    /// A ping that is due, and when it was sent.
    ping: Option<Option<u64>>,
    missed: u32,
}

#[derive(Debug, Default)]
struct Model {
    there: BTreeMap<u64, One>,
    started: u64,
    refused: u64,
    ended: BTreeMap<SessionEnd, u64>,
    is_closed: bool,
    missed: u64,
}

impl One {
    /// What a look does with its pings: when to look again, or when it was given up.
    fn pulse(&mut self, now: u64, (interval, timeout, failures): (u64, u64, u32)) -> Result<u64, u64> {
        match self.ping {
            None if self.heard + interval > now => return Ok(self.heard + interval),
            None => {}
            Some(None) => return Ok(now + timeout),
            Some(Some(sent)) if sent + timeout > now => return Ok(sent + timeout),
            Some(Some(sent)) => {
                self.missed += 1;
                if self.missed == failures {
                    return Err(sent + timeout);
                }
            }
        }
        self.ping = Some(None);
        Ok(now + timeout)
    }
}

impl Model {
    /// When a session is due, and why, with what its pings say.
    fn end(
        one: &mut One,
        now: u64,
        (idle, max): (Option<u64>, Option<u64>),
        liveness: Option<(u64, u64, u32)>,
        not_after: &mut impl FnMut(u64),
        missed: &mut u64,
    ) -> Option<(u64, SessionEnd)> {
        let due = Self::due(one, idle, max);
        let Some(rule) = liveness.filter(|_| due.is_none_or(|(at, _)| at > now)) else { return due };
        let before = one.missed;
        let seen = one.pulse(now, rule);
        *missed += u64::from(one.missed - before);
        match seen {
            Ok(at) => {
                not_after(at);
                due
            }
            Err(at) => Some((at, SessionEnd::Unresponsive)),
        }
    }

    /// When a session is due, and why.
    fn due(one: &One, idle: Option<u64>, max: Option<u64>) -> Option<(u64, SessionEnd)> {
        let idle = idle.map(|idle| (one.active + idle, SessionEnd::IdleTimeout));
        let max = max.map(|max| (one.began + max, SessionEnd::MaxDuration));
        match (idle, max) {
            // Of two at once, the idle time is told.
            (Some(idle), Some(max)) => Some(if max.0 < idle.0 { max } else { idle }),
            (idle, max) => idle.or(max),
        }
    }
}

proptest! {
    #[test]
    fn the_table_does_what_a_list_would(
        steps in steps(),
        idle in prop::option::of(1_u64..100),
        max in prop::option::of(1_u64..150),
        most in 1_usize..6,
        grace in 1_u64..80,
        liveness in prop::option::of((1_u64..60, 1_u64..40, 1_u32..4)),
    ) {
        let rules = Rules {
            idle_timeout: idle.map(millis),
            max_duration: max.map(millis),
            max_sessions: most,
            overdue_after: millis(grace),
            liveness: liveness.map(|(interval, timeout, failures)| Liveness {
                interval: millis(interval),
                timeout: millis(timeout),
                failures,
            }),
            max_data: 0,
        };
        let (mut table, mut model, mut now) = (Table::new(rules), Model::default(), 0_u64);
        let mut lives = BTreeMap::<u64, Arc<Life>>::new();
        let mut missed = 0;
        for step in steps {
            match step {
                Step::Begin => {
                    let begun = table.begin("key", millis(now));
                    if model.is_closed || model.there.len() >= most {
                        model.refused += 1;
                        let why = if model.is_closed { NoRoom::Closed } else { NoRoom::Full };
                        prop_assert_eq!(begun.unwrap_err(), why);
                    } else {
                        model.started += 1;
                        let one = One {
                            began: now,
                            active: now,
                            told: None,
                            is_overdue: false,
                            heard: now,
                            ping: None,
                            missed: 0,
                        };
                        model.there.insert(model.started, one);
                        let life = begun.unwrap();
                        prop_assert_eq!(life.id, model.started);
                        lives.insert(life.id, life);
                    }
                }
                Step::Touch(which) => {
                    if let Some((id, life)) = lives.iter().nth(which) {
                        life.touch(millis(now));
                        model.there.get_mut(id).unwrap().active = now;
                    }
                }
                Step::Leave(which, end) => {
                    if let Some(id) = lives.keys().nth(which).copied() {
                        let life = lives.remove(&id).unwrap();
                        life.tell(end, millis(now));
                        table.leave(&life, life.told().unwrap().reason);
                        let one = model.there.remove(&id).unwrap();
                        *model.ended.entry(one.told.map_or(end, |(reason, _)| reason)).or_default() += 1;
                    }
                }
                Step::Wait(time) => now += time,
                Step::Ping(which) => {
                    if let Some((id, life)) = lives.iter().nth(which) {
                        let one = model.there.get_mut(id).unwrap();
                        let is_due = one.ping == Some(None);
                        prop_assert_eq!(life.pulse.send(millis(now)), is_due);
                        if is_due {
                            one.ping = Some(Some(now));
                        }
                    }
                }
                Step::Hear(which) => {
                    if let Some((id, life)) = lives.iter().nth(which) {
                        let one = model.there.get_mut(id).unwrap();
                        let took = one.ping.flatten().map(|sent| millis(now - sent));
                        prop_assert_eq!(life.pulse.hear(millis(now)), took);
                        (one.heard, one.ping, one.missed) = (now, None, 0);
                    }
                }
                Step::Look => {
                    let found = table.look(millis(now));
                    let (mut due, mut overdue, mut next) = (Vec::new(), Vec::new(), None::<u64>);
                    let mut not_after = |at: u64| next = Some(next.map_or(at, |next| next.min(at)));
                    let first_ping = liveness.map(|rule| rule.0);
                    if !model.there.is_empty() {
                        idle.into_iter().chain(max).chain(first_ping).for_each(|limit| not_after(now + limit));
                    }
                    for (id, one) in &mut model.there {
                        match one.told {
                            Some((_, at)) if !one.is_overdue && at + grace <= now => {
                                one.is_overdue = true;
                                overdue.push(*id);
                            }
                            Some((_, at)) if !one.is_overdue => not_after(at + grace),
                            Some(_) => {}
                            None => match Model::end(one, now, (idle, max), liveness, &mut not_after, &mut model.missed) {
                                Some((at, reason)) if at <= now => {
                                    one.told = Some((reason, now));
                                    due.push((*id, reason, millis(at)));
                                    not_after(now + grace);
                                }
                                Some((at, _)) => not_after(at),
                                None => {}
                            },
                        }
                    }
                    let told: Vec<_> =
                        found.due.iter().map(|due| (due.life.id, due.reason, due.deadline)).collect();
                    prop_assert_eq!(told, due);
                    let late: Vec<_> = found.overdue.iter().map(|life| life.id).collect();
                    prop_assert_eq!(late, overdue);
                    prop_assert_eq!(found.next, next.map(millis));
                    missed += found.missed;
                    for due in found.due {
                        prop_assert!(due.life.tell(due.reason, millis(now)));
                    }
                }
                Step::Close => {
                    model.is_closed = true;
                    for life in table.close() {
                        life.tell(SessionEnd::Shutdown, millis(now));
                    }
                    for one in model.there.values_mut() {
                        one.told.get_or_insert((SessionEnd::Shutdown, now));
                    }
                }
            }
            prop_assert_eq!(missed, model.missed);
            prop_assert_eq!(table.len(), model.there.len());
            prop_assert_eq!((table.started, table.refused), (model.started, model.refused));
            let overdue = model.there.values().filter(|one| one.is_overdue).count();
            prop_assert_eq!(table.overdue, overdue as u64);
            for reason in SessionEnd::ALL {
                let ended = model.ended.get(reason).copied().unwrap_or_default();
                prop_assert_eq!(table.ended[reason.index()], ended);
            }
            prop_assert_eq!(table.started - table.ended.iter().sum::<u64>(), table.len() as u64);
            let oldest = model.there.values().next().map(|one| millis(now - one.began));
            prop_assert_eq!(table.oldest(millis(now)), oldest);
            prop_assert_eq!(table.rows(millis(now)).len(), model.there.len());
        }
    }
}

#[test]
fn a_snapshot_lists_those_first_that_should_be_gone_and_no_more_than_a_hundred() {
    let rules = Rules {
        idle_timeout: Some(millis(100)),
        max_duration: None,
        max_sessions: 1_000,
        overdue_after: millis(10),
        liveness: None,
        max_data: 0,
    };
    let mut table = Table::new(rules);
    let lives: Vec<_> = (0..200).map(|_| table.begin("key", Duration::ZERO).unwrap()).collect();
    for life in lives.iter().filter(|life| life.id != 150) {
        life.touch(millis(100));
    }
    for due in table.look(millis(100)).due {
        due.life.tell(due.reason, millis(100));
    }
    table.look(millis(110));
    let rows = table.rows(millis(120));
    assert_eq!(rows.len(), 100);
    assert_eq!((rows[0].id, rows[0].is_overdue, rows[0].ending), (150, true, Some(SessionEnd::IdleTimeout)));
    assert_eq!((rows[0].age, rows[0].idle), (millis(120), millis(120)));
    assert_eq!((rows[1].id, rows[1].is_overdue, rows[1].idle), (1, false, millis(20)));
    assert_eq!(rows[99].id, 99);
}

#[test]
fn those_that_are_overdue_and_have_tasks_are_found_at_each_look_from_the_first_on() {
    let rules = Rules {
        idle_timeout: None,
        max_duration: None,
        max_sessions: 10,
        overdue_after: millis(10),
        liveness: None,
        max_data: 0,
    };
    let mut table = Table::new(rules);
    let [idle, busy, told] = ["idle", "busy", "told"].map(|key| table.begin(key, Duration::ZERO).unwrap());
    for (life, tasks) in [(&idle, 0), (&busy, 2), (&told, 1)] {
        life.tasks.store(tasks, Relaxed);
    }
    assert!(table.look(millis(1)).working.is_empty());
    for life in [&idle, &busy] {
        life.tell(SessionEnd::Dropped, millis(1));
    }
    told.tell(SessionEnd::Dropped, millis(5));
    let mut working = |at: u64| {
        let found = table.look(millis(at));
        let overdue: Vec<_> = found.overdue.iter().map(|life| life.id).collect();
        let mut working: Vec<_> = found.working.into_iter().collect();
        working.sort_unstable();
        (overdue, working, found.next)
    };
    assert_eq!(working(11), (vec![1, 2], vec![2], Some(millis(15))));
    assert_eq!(working(15), (vec![3], vec![2, 3], Some(millis(25))));
    busy.tasks.store(0, Relaxed);
    assert_eq!(working(25), (vec![], vec![3], Some(millis(35))));
}
