//! The history of a registry of sessions or of something that protects, and what its figures are; of several instances
//! together, too.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use poolscope_wire::{FigureHistory, FigurePoint};

use super::buckets::Buckets;
use super::history::{
    COUNTS, Figures as _, GAUGES, History, InSlot, PlainFigures, Plan, Selection, Since, Step, Wanted,
    by_slot,
};
use super::reports::{Begun, Reports};
use super::sample::add;
use crate::model::ProtectionKind;

/// The newest reports are those of so long.
const NEWEST_MS: u64 = 15 * 60_000;
/// Instances whose histories are put together at most: more would hold up for long whoever reports meanwhile.
const MAX_TOGETHER: usize = 100;

/// What the figures are, each with its name in an answer.
#[derive(Debug)]
pub(super) struct Layout {
    gauges: &'static [&'static str],
    counts: &'static [&'static str],
    /// Of the histogram: its median and its 99th percentile.
    spread: &'static [&'static str],
    /// What a gauge is divided by.
    scale: f64,
}

pub(super) const SESSIONS: Layout = Layout {
    gauges: &["active", "overdue", "limit"],
    counts: &[
        "started_per_s",
        "refused_per_s",
        "completed_per_s",
        "error_per_s",
        "idle_timeout_per_s",
        "max_duration_per_s",
        "shutdown_per_s",
        "dropped_per_s",
        "panicked_per_s",
        "late_sweeps_per_s",
        // Where there are files already, what comes new stands behind what they have.
        "unresponsive_per_s",
        "evicted_per_s",
    ],
    spread: &["life_p50_s", "life_p99_s"],
    scale: 1.0,
};

/// Limits of timeouts are kept in microseconds.
pub(super) const PER_SECOND: f64 = 1e6;

/// The figures of something that protects.
pub(super) fn layout_of(kind: ProtectionKind) -> &'static Layout {
    match kind {
        ProtectionKind::Retry => &Layout {
            gauges: &[],
            counts: &[
                "calls_per_s",
                "after_retry_per_s",
                "exhausted_per_s",
                "budget_refused_per_s",
                "not_replayable_per_s",
                "attempts_per_s",
            ],
            spread: &["wait_p50_s", "wait_p99_s"],
            scale: 1.0,
        },
        ProtectionKind::Timeout => &Layout {
            gauges: &["longest_limit_s", "shortest_limit_s"],
            counts: &["calls_per_s", "fired_per_s"],
            spread: &["used_p50", "used_p99"],
            scale: PER_SECOND,
        },
        ProtectionKind::Limit => &Layout {
            gauges: &["in_use", "queued", "max", "queue_max"],
            counts: &[],
            spread: &[],
            scale: 1.0,
        },
        ProtectionKind::Probe => &Layout {
            gauges: &[],
            counts: &["succeeded_per_s", "slow_per_s", "failed_per_s"],
            spread: &["duration_p50_s", "duration_p99_s"],
            scale: 1.0,
        },
        ProtectionKind::Resource => &Layout {
            gauges: &["usage", "peak", "soft_limit", "hard_limit"],
            counts: &["refused_per_s"],
            spread: &[],
            scale: 1.0,
        },
        ProtectionKind::Server => &Layout {
            gauges: &["active", "queued", "idle", "upgraded"],
            counts: &[
                "requests_per_s",
                "failed_per_s",
                "disconnected_per_s",
                "accepted_per_s",
                "rejected_per_s",
                "closed_per_s",
            ],
            spread: &["duration_p50_s", "duration_p99_s"],
            scale: 1.0,
        },
        ProtectionKind::Tasks => &Layout {
            gauges: &["active"],
            counts: &[
                "started_per_s",
                "completed_per_s",
                "cancelled_per_s",
                "aborted_per_s",
                "panicked_per_s",
            ],
            spread: &["life_p50_s", "life_p99_s"],
            scale: 1.0,
        },
        ProtectionKind::Queue => &Layout {
            gauges: &["length", "high_water", "limit"],
            counts: &["pushed_per_s", "dropped_per_s"],
            spread: &[],
            scale: 1.0,
        },
        ProtectionKind::Supervisor => &Layout {
            gauges: &["connected"],
            counts: &["connects_per_s", "established_per_s", "lost_per_s"],
            spread: &["life_p50_s", "life_p99_s"],
            scale: 1.0,
        },
    }
}

/// The history of one thing while its reports come.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) history: History<PlainFigures>,
    /// Counted in the report that is taken.
    counts: [u64; COUNTS],
    spread: Buckets,
    is_next: bool,
}

impl Course {
    pub(super) fn new(plan: &Plan) -> Self {
        let (counts, spread) = ([0; COUNTS], Buckets::default());
        Self { history: History::new(plan), counts, spread, is_next: false }
    }

    /// A report begins.
    pub(super) fn begin(&mut self, begun: Begun, at_ms: u64) {
        if begun.is_put_back {
            self.history.rewind(at_ms);
        }
        self.is_next = begun.is_next;
    }

    /// It counted something.
    pub(super) fn count(&mut self, place: usize, count: u64) {
        if let Some(sum) = self.counts.get_mut(place) {
            add(sum, count);
        }
    }

    /// It spread something.
    pub(super) fn spread(&mut self, spread: &Buckets) {
        self.spread.add(spread);
    }

    /// It ends, with what holds now.
    pub(super) fn finish(
        &mut self,
        reports: &Reports,
        gauges: [Option<u64>; GAUGES],
        packed: impl FnMut(usize, &Step<PlainFigures>),
    ) {
        let (counts, spread) = (std::mem::take(&mut self.counts), std::mem::take(&mut self.spread));
        let figures = PlainFigures { gauges, counts, spread };
        if !self.is_next {
            if let Some(newest) = self.history.newest_mut() {
                newest.figures.merge(&figures);
            }
            return;
        }
        let (at_ms, before_ms) = (reports.newest_ms(), self.history.last_ms());
        let step = Step {
            first_ms: at_ms,
            at_ms,
            elapsed_ms: before_ms.map_or(0, |before_ms| at_ms.saturating_sub(before_ms)),
            after_silence: reports.is_after_silence(),
            figures,
        };
        self.history.report(step, packed);
    }
}

impl Course {
    /// Its history was taken back from a file; tells the moment of the newest report.
    pub(super) fn restored(&mut self, now_ms: u64, packed: impl FnMut(usize, &Step<PlainFigures>)) -> u64 {
        self.history.restored(now_ms, packed);
        self.history.last_ms().unwrap_or_default()
    }

    /// The newest reports, so many at most, oldest first.
    pub(super) fn newest(&self, count: usize, now_ms: u64) -> Vec<Step<PlainFigures>> {
        let to_ms = self.history.last_ms();
        let wanted = Wanted { since: Since::Last(NEWEST_MS), to_ms, max_points: usize::MAX };
        let mut steps = self.history.select(wanted, now_ms).steps;
        steps.drain(..steps.len().saturating_sub(count));
        steps
    }
}

/// Figures of a moment: gauges, rates, and a histogram.
#[derive(Debug, Clone, Default)]
struct Moment {
    gauges: [Option<u64>; GAUGES],
    rates: [f32; COUNTS],
    spread: Buckets,
}

impl Moment {
    fn of(step: &Step<PlainFigures>) -> Self {
        Self { gauges: step.figures.gauges, rates: step.rates(), spread: step.figures.spread.clone() }
    }

    /// Adds another instance at the same moment.
    fn add(&mut self, other: &Self) {
        for (gauge, other) in self.gauges.iter_mut().zip(other.gauges) {
            *gauge = match (*gauge, other) {
                (Some(one), Some(other)) => Some(one.saturating_add(other)),
                (one, other) => one.or(other),
            };
        }
        self.rates.iter_mut().zip(other.rates).for_each(|(rate, other)| *rate += other);
        self.spread.add(&other.spread);
    }

    fn point(&self, at_ms: u64, layout: &Layout) -> FigurePoint {
        let gauges = self.gauges.iter().take(layout.gauges.len());
        let gauges = gauges.map(|gauge| gauge.map(|gauge| (gauge as f64 / layout.scale) as f32));
        let rates = self.rates.iter().take(layout.counts.len()).map(|rate| Some(*rate));
        let shares = [0.5, 0.99].into_iter().take(layout.spread.len());
        let shares = shares.map(|share| self.spread.quantile(share).map(|value| value as f32));
        FigurePoint { at_ms, values: gauges.chain(rates).chain(shares).collect() }
    }
}

/// The history of one thing, or of several instances of it together, as it is read from the store: to make an answer of it
/// needs no store any more.
#[derive(Debug)]
pub(crate) struct Read {
    layout: &'static Layout,
    interval_ms: u64,
    oldest_ms: Option<u64>,
    from_ms: u64,
    to_ms: u64,
    /// One for each instance.
    parts: Vec<Selection<PlainFigures>>,
    left_out: usize,
}

/// Reads the history of one thing, each with its interval, and of others like it: of too many those that reported last.
pub(super) fn read<'a>(
    one: (&'a Course, u64),
    mut others: Vec<(&'a Course, u64)>,
    layout: &'static Layout,
    wanted: Wanted,
    now_ms: u64,
) -> Read {
    others.sort_by_key(|(course, _)| Reverse(course.history.last_ms()));
    let left_out = others.len().saturating_sub(MAX_TOGETHER - 1);
    others.truncate(MAX_TOGETHER - 1);
    others.push(one);
    let all = others;
    let newest_ms = all.iter().filter_map(|(course, _)| course.history.last_ms()).max();
    let (from_ms, to_ms) = wanted.range(newest_ms, now_ms);
    let wanted = Wanted { since: Since::Moment(from_ms), to_ms: Some(to_ms), ..wanted };
    Read {
        layout,
        interval_ms: all.iter().map(|(_, interval_ms)| *interval_ms).max().unwrap_or(0),
        oldest_ms: all.iter().filter_map(|(course, _)| course.history.oldest_ms()).min(),
        from_ms,
        to_ms,
        parts: all.iter().map(|(course, _)| course.history.select(wanted, now_ms)).collect(),
        left_out,
    }
}

impl Read {
    /// The answer.
    pub(crate) fn answer(self) -> FigureHistory {
        let Self { layout, interval_ms, oldest_ms, from_ms, to_ms, parts, left_out } = self;
        let names = layout.gauges.iter().chain(layout.counts).chain(layout.spread);
        let mut answer = FigureHistory {
            interval_ms,
            instances: parts.len() as u64,
            left_out: left_out as u64,
            names: names.map(|name| (*name).to_owned()).collect(),
            ..FigureHistory::default()
        };
        if let [part] = parts.as_slice() {
            answer.range = part.range(interval_ms, oldest_ms);
            answer.points =
                part.steps.iter().map(|step| Moment::of(step).point(step.at_ms, layout)).collect();
            return answer;
        }
        let step_ms = parts.iter().map(|part| part.step_ms).max().unwrap_or(0);
        let step_ms = step_ms.max(interval_ms.div_ceil(1_000) * 1_000);
        answer.range =
            Selection::<PlainFigures> { from_ms, to_ms, step_ms, steps: Vec::new(), silences: Vec::new() }
                .range(interval_ms, oldest_ms);
        let moments = together(&parts, step_ms).into_iter();
        answer.points =
            moments.map(|(slot, moment)| moment.point(((slot + 1) * step_ms).min(to_ms), layout)).collect();
        answer
    }
}

/// The sums of several instances in slots of time.
fn together(parts: &[Selection<PlainFigures>], slot_ms: u64) -> BTreeMap<u64, Moment> {
    let newest = parts.iter().filter_map(|part| part.steps.last()).map(|step| step.at_ms / slot_ms).max();
    let mut sums: BTreeMap<u64, Moment> = BTreeMap::new();
    for part in parts {
        by_slot(&part.steps, slot_ms, newest.unwrap_or_default(), |slot, step| {
            let moment = match step {
                InSlot::Told(step) => Moment::of(step),
                InSlot::Held(step) => Moment { spread: Buckets::default(), ..Moment::of(step) },
            };
            sums.entry(slot).or_default().add(&moment);
        });
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::reports::Reports;

    const T0: u64 = 1_700_000_000_000;

    fn plan() -> Plan {
        Plan { retention_ms: 24 * 3_600_000, max_reports: 1_000 }
    }

    /// Reports each second from `begin` to `end`, each with so many there and one that began.
    fn course(begin: u64, end: u64, active: u64) -> Course {
        let (mut course, mut reports) = (Course::new(&plan()), Reports::default());
        for second in begin..end {
            let at_ms = T0 + second * 1_000;
            course.begin(reports.begin(at_ms, at_ms).unwrap(), at_ms);
            course.count(0, 1);
            let mut life = Buckets::zeros([1.0, 10.0].into());
            *life.count_mut(1).unwrap() = 1;
            course.spread(&life);
            reports.end();
            course.finish(&reports, [Some(active), Some(second % 2), Some(100), None], |_, _| {});
        }
        course
    }

    fn wanted(from: u64, to: u64, max_points: usize) -> Wanted {
        Wanted { since: Since::Moment(T0 + from * 1_000), to_ms: Some(T0 + to * 1_000), max_points }
    }

    fn answer(all: &[&Course], wanted: Wanted, now_ms: u64) -> FigureHistory {
        let others = all[1..].iter().map(|course| (*course, 1_000)).collect();
        read((all[0], 1_000), others, &SESSIONS, wanted, now_ms).answer()
    }

    #[test]
    fn of_too_many_instances_those_are_left_out_that_reported_longest_ago() {
        let silent: Vec<_> = (0..30).map(|_| course(0, 10, 1_000)).collect();
        let there: Vec<_> = (0..99).map(|_| course(0, 20, 1)).collect();
        let asked = course(0, 5, 7);
        let all: Vec<_> = [&asked].into_iter().chain(&silent).chain(&there).collect();
        let answer = answer(&all, wanted(0, 20, 1_000), T0 + 20_000);
        assert_eq!((answer.instances, answer.left_out), (100, 30));
        assert_eq!(answer.points[2].values[0], Some(99.0 + 7.0), "the one that is asked for is there");
    }

    #[test]
    fn figures_have_their_names_and_units() {
        let one = course(0, 60, 7);
        let answer = answer(&[&one], wanted(0, 60, 100), T0 + 60_000);
        assert_eq!((answer.points.len(), answer.instances), (60, 1));
        let last = answer.points.last().unwrap();
        assert_eq!(last.values.len(), answer.names.len());
        let of = |name: &str| last.values[answer.names.iter().position(|one| one == name).unwrap()];
        assert_eq!((of("active"), of("overdue"), of("limit")), (Some(7.0), Some(1.0), Some(100.0)));
        assert_eq!((of("started_per_s"), of("refused_per_s")), (Some(1.0), Some(0.0)));
        assert!(of("life_p50_s").is_some_and(|life| (1.0..10.0).contains(&life)));
        for kind in [
            ProtectionKind::Retry,
            ProtectionKind::Timeout,
            ProtectionKind::Limit,
            ProtectionKind::Probe,
            ProtectionKind::Resource,
            ProtectionKind::Server,
            ProtectionKind::Tasks,
            ProtectionKind::Queue,
            ProtectionKind::Supervisor,
        ] {
            let layout = layout_of(kind);
            assert!(layout.gauges.len() <= GAUGES && layout.counts.len() <= COUNTS);
            assert!([0, 2].contains(&layout.spread.len()));
        }
    }

    #[test]
    fn a_coarse_step_has_the_greatest_gauge_and_the_mean_rate() {
        let one = course(0, 3_600, 7);
        let answer = answer(&[&one], wanted(0, 3_600, 60), T0 + 3_600_000);
        assert!(answer.points.len() <= 61, "{}", answer.points.len());
        let middle = &answer.points[30];
        assert_eq!((middle.values[0], middle.values[1]), (Some(7.0), Some(1.0)));
        assert!(middle.values[3].is_some_and(|rate| (rate - 1.0).abs() < 0.01), "{middle:?}");
    }

    #[test]
    fn instances_add_up_where_both_are_known() {
        let (old, new) = (course(0, 60, 3), course(30, 90, 4));
        let answer = answer(&[&old, &new], wanted(0, 90, 1_000), T0 + 90_000);
        let at = |second: u64| {
            let point = answer.points.iter().find(|point| point.at_ms == T0 + (second + 1) * 1_000);
            point.map(|point| (point.values[0].unwrap(), point.values[3].unwrap()))
        };
        assert_eq!(at(10), Some((3.0, 1.0)));
        assert_eq!(at(45), Some((7.0, 2.0)));
        assert_eq!(at(80), Some((4.0, 1.0)));
        assert_eq!(at(61), Some((7.0, 2.0)), "it may only be late");
        assert_eq!((answer.instances, answer.range.step_ms), (2, 1_000));
    }

    #[test]
    fn a_silence_is_a_gap_and_a_clock_put_back_leaves_no_future() {
        let (mut course, mut reports) = (Course::new(&plan()), Reports::default());
        let mut report = |at_ms: u64| {
            course.begin(reports.begin(at_ms, at_ms).unwrap(), at_ms);
            reports.end();
            course.finish(&reports, [Some(1), None, None, None], |_, _| {});
        };
        (0..5).for_each(|second| report(T0 + second * 1_000));
        report(T0 + 60_000);
        let of = |course: &Course| answer(&[course], wanted(0, 100, 1_000), T0 + 100_000);
        report(T0 + 61_000);
        let silences = of(&course).range.silences;
        assert_eq!(
            silences.iter().map(|one| (one.from_ms - T0, one.to_ms - T0)).collect::<Vec<_>>(),
            [(4_000, 60_000)]
        );
        let mut report = |at_ms: u64| {
            course.begin(reports.begin(at_ms, at_ms).unwrap(), at_ms);
            reports.end();
            course.finish(&reports, [Some(1), None, None, None], |_, _| {});
        };
        report(T0 - 7_200_000);
        assert_eq!(course.history.last_ms(), Some(T0 - 7_200_000));
    }

    /// What the README tells of memory.
    #[test]
    fn a_day_takes_as_much_as_is_told() {
        for (every_ms, most) in [(1_000, 120_000), (10_000, 90_000)] {
            let (mut course, mut reports) = (Course::new(&plan()), Reports::default());
            let bounds: std::sync::Arc<[f64]> = (0..20).map(f64::from).collect::<Vec<_>>().into();
            for step in 0..86_400_000 / every_ms {
                let at_ms = T0 + step * every_ms;
                course.begin(reports.begin(at_ms, at_ms).unwrap(), at_ms);
                course.count(0, 3 + step % 5);
                course.count(2, 2 + step % 7);
                let mut life = Buckets::zeros(bounds.clone());
                *life.count_mut(5 + (step % 4) as usize).unwrap() = 3;
                course.spread(&life);
                reports.end();
                course.finish(&reports, [Some(100 + step % 50), Some(0), Some(500), None], |_, _| {});
            }
            let bytes = course.history.bytes();
            assert!((20_000..most).contains(&bytes), "{bytes}");
            assert!(course.history.shrink(10_000) > 0 && course.history.bytes() <= 10_000);
        }
    }
}
