//! Histories against sums that are made the plain way.

use std::sync::Arc;

use poolscope_wire::{BreakerState, PoolPoint, StateSpan, Transition};
use proptest::prelude::*;

use super::*;
use crate::store::buckets::Buckets;
use crate::store::sample::{Gauges, Open, Sample};
use crate::store::told::Told;

const T0: u64 = 1_700_000_000_000;
const DAY: u64 = 24 * 3_600_000;
const OURS: Told =
    Told { ours: true, results: true, uses: true, creates: true, lives: true, waits: true, timeouts: true };

fn plan(retention_ms: u64) -> Plan {
    Plan { retention_ms, max_reports: 1_000 }
}

fn bounds() -> Arc<[f64]> {
    [0.001, 0.01, 0.1, 1.0, 10.0].into()
}

/// A report with so many active connections, idle ones, waits in one bucket, and requests.
#[derive(Debug, Clone, Copy)]
struct Told1 {
    /// Since the report before.
    gap_ms: u64,
    active: u32,
    idle: u32,
    pending: u32,
    requests: u64,
    bucket: usize,
    waits: u64,
    silence: bool,
}

fn report(at_ms: u64, told: Told1, bounds: &Arc<[f64]>) -> Step<PoolFigures> {
    let mut wait = Buckets::zeros(bounds.clone());
    *wait.count_mut(told.bucket).unwrap() = told.waits;
    let sample = Sample {
        at_ms,
        elapsed_s: told.gap_ms as f64 / 1e3,
        gauges: Gauges {
            open: Open {
                idle: Some(told.idle.into()),
                active: Some(told.active.into()),
                upgraded: Some(0.0),
            },
            pending: Some(told.pending.into()),
            ..Gauges::default()
        },
        requests: told.requests,
        wait,
        ..Sample::default()
    };
    Step::of_sample(&sample, OURS, told.silence)
}

fn steady(gap_ms: u64, requests: u64) -> Told1 {
    Told1 { gap_ms, active: 2, idle: 3, pending: 0, requests, bucket: 1, waits: requests, silence: false }
}

/// A history of reports in even distance, newest at `T0`.
fn even(gap_ms: u64, reports: u64, retention_ms: u64) -> History<PoolFigures> {
    let (mut history, bounds) = (History::new(&plan(retention_ms)), bounds());
    for back in (0..reports).rev() {
        history.report(report(T0 - back * gap_ms, steady(gap_ms, 10), &bounds), |_, _| {});
    }
    history
}

fn wanted(from_ms: u64, to_ms: u64, max_points: usize) -> Wanted {
    Wanted { since: Since::Moment(from_ms), to_ms: Some(to_ms), max_points }
}

fn points(history: &History<PoolFigures>, wanted: Wanted) -> Vec<PoolPoint> {
    history.select(wanted, T0).steps.iter().map(Step::<PoolFigures>::point).collect()
}

fn any_report() -> impl Strategy<Value = Told1> {
    let gap = prop_oneof![8 => 900_u64..1_100, 1 => 100_u64..900, 1 => 5_000_u64..700_000];
    (gap, 0_u32..50, 0_u32..50, 0_u32..20, 0_u64..1_000, 0_usize..6, 0_u64..100).prop_map(
        |(gap_ms, active, idle, pending, requests, bucket, waits)| Told1 {
            gap_ms,
            active,
            idle,
            pending,
            requests,
            bucket,
            waits,
            silence: gap_ms >= 5_000,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever tier an answer is made of, each of its points is what the reports of its time say.
    #[test]
    fn a_thinned_point_is_the_plain_sum_of_its_reports(
        told in prop::collection::vec(any_report(), 1..1_500),
        max_points in 1_usize..400,
        share in 0.0_f64..1.0,
    ) {
        let (mut history, bounds) = (History::new(&plan(DAY)), bounds());
        let mut reports = Vec::new();
        let mut at_ms = T0;
        for one in told {
            at_ms += one.gap_ms;
            let step = report(at_ms, one, &bounds);
            history.report(step.clone(), |_, _| {});
            reports.push((one, step));
        }
        let from_ms = T0 + ((at_ms - T0) as f64 * share) as u64;
        let part = history.select(wanted(from_ms, at_ms, max_points), at_ms);
        let silences = reports.iter().filter(|(one, step)| one.silence && step.at_ms > from_ms).count();
        prop_assert!(part.steps.len() <= max_points + silences);
        // Points divide the reports of the range among them; only those at its begin may reach before it.
        let mut rest = &reports[reports.partition_point(|(_, step)| step.at_ms < part.steps[0].first_ms)..];
        for step in &part.steps {
            let (mine, others) = rest.split_at(rest.partition_point(|(_, one)| one.at_ms <= step.at_ms));
            rest = others;
            let point = step.point();
            prop_assert_eq!(step.first_ms, mine[0].1.first_ms);
            prop_assert!(mine[1..].iter().all(|(one, _)| !one.silence), "a point spans a silence");
            prop_assert_eq!(point.active, mine.iter().map(|(one, _)| one.active).max());
            prop_assert_eq!(point.pending, mine.iter().map(|(one, _)| one.pending).max());
            prop_assert!(mine.iter().any(|(one, _)| (Some(one.active), Some(one.idle)) == (point.active, point.idle)));
            let seconds: f64 = mine.iter().map(|(one, _)| one.gap_ms as f64 / 1e3).sum();
            let requests: u64 = mine.iter().map(|(one, _)| one.requests).sum();
            let rate = f64::from(point.requests_per_s.unwrap());
            prop_assert!((rate - requests as f64 / seconds).abs() <= rate * 1e-4, "{rate} {requests} {seconds}");
            let mut waits = Buckets::zeros(bounds.clone());
            mine.iter().for_each(|(one, _)| *waits.count_mut(one.bucket).unwrap() += one.waits);
            prop_assert_eq!(point.wait_p99_s, waits.quantile(0.99).map(|wait| wait as f32));
        }
        prop_assert!(rest.is_empty());
        for (index, silence) in part.silences.iter().enumerate() {
            prop_assert!(silence.to_ms - silence.from_ms >= 5_000);
            prop_assert!(index == 0 || part.silences[index - 1].to_ms <= silence.from_ms);
        }
    }

    /// Bytes that are anything are read as nothing or as something, and never end the server.
    #[test]
    fn bytes_that_are_anything_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let bounds = [bounds()];
        let mut reader = Reader { bytes: &bytes, bounds: &bounds };
        let _ = Step::<PoolFigures>::read(7, &mut reader);
        let mut reader = Reader { bytes: &bytes, bounds: &bounds };
        let _ = Step::<BreakerFigures>::read(7, &mut reader);
    }
}

#[test]
fn a_short_range_is_as_reported_and_a_long_one_in_round_steps() {
    let history = even(1_000, 7_200, DAY);
    let part = history.select(wanted(T0 - 300_000, T0, 500), T0);
    assert_eq!((part.step_ms, part.steps.len()), (0, 301));
    let part = history.select(wanted(T0 - 300_000, T0, 100), T0);
    assert_eq!(part.step_ms, 5_000);
    let part = history.select(wanted(T0 - 7_000_000, T0, 500), T0);
    assert_eq!(part.step_ms, 20_000);
    assert!(part.steps.len() <= 500 && part.steps.len() > 340, "{}", part.steps.len());
    let all = history.select(wanted(0, T0, 1), T0);
    assert_eq!(all.steps.len(), 1);
    assert_eq!(all.steps[0].point().requests_per_s, Some(10.0));
}

#[test]
fn old_reports_get_coarser_and_then_go() {
    let history = even(10_000, 8_640 * 3, DAY);
    let oldest_ms = history.oldest_ms().unwrap();
    // A chunk of minutes goes as a whole.
    assert!((T0 - DAY - 65 * 60_000..=T0 - DAY).contains(&oldest_ms), "{}", T0 - oldest_ms);
    assert_eq!(history.select(wanted(T0 - 60_000, T0, 1_000), T0).step_ms, 0);
    assert_eq!(history.select(wanted(T0 - 3 * 3_600_000, T0, 2_000), T0).step_ms, 10_000);
    let day = history.select(wanted(T0 - DAY, T0, 10_000), T0);
    assert_eq!((day.step_ms, day.steps.len()), (60_000, 1_441));
    assert!(day.steps.iter().all(|step| step.point().requests_per_s == Some(1.0)));
}

#[test]
fn thirty_days_are_kept_in_ten_minutes() {
    let history = even(60_000, 31 * 1_440, 30 * DAY);
    let month = history.select(wanted(T0 - 30 * DAY, T0, 10_000), T0);
    assert_eq!((month.step_ms, month.steps.len()), (600_000, 4_321));
    assert!(history.bytes() < 700_000, "{} bytes", history.bytes());
}

#[test]
fn reports_that_come_too_fast_are_merged_and_not_lost() {
    let history = even(200, 10_000, 3_600_000);
    assert!(history.raw_steps() < 1_100);
    // The newest one is not put away yet, and none was old.
    assert_eq!(history.early_raw_steps(), 9_999 - history.raw_steps() as u64);
    let half_an_hour = points(&history, wanted(T0 - 1_800_000, T0, 1_000));
    assert_eq!(half_an_hour.len(), 181);
    assert_eq!(half_an_hour[5].requests_per_s, Some(50.0));
}

#[test]
fn the_tiers_shrink_together_when_memory_is_short() {
    let mut history = even(1_000, 50_000, DAY);
    let before = history.bytes();
    let gone = history.shrink(before / 2);
    assert!(history.bytes() <= before / 2 && history.bytes() > before / 3, "{before} {}", history.bytes());
    assert!(gone > 500, "{gone}");
    // What is kept is told, and a range that reaches further back is answered by the tier that does.
    let oldest_ms = history.oldest_ms().unwrap();
    let part = history.select(wanted(T0 - DAY, T0, 5_000), T0);
    assert_eq!(part.steps[0].first_ms, oldest_ms);
    assert!(history.select(wanted(T0 - 60_000, T0, 100), T0).step_ms == 0);
}

#[test]
fn a_clock_that_is_put_back_takes_what_is_to_come() {
    let mut history = even(1_000, 1_000, DAY);
    history.rewind(T0 - 500_500);
    assert_eq!(history.last_ms(), Some(T0 - 501_000));
    let bounds = bounds();
    for second in 0..100 {
        let at_ms = T0 - 500_000 + second * 1_000;
        history.report(report(at_ms, steady(1_000, 10), &bounds), |_, _| {});
    }
    let part = points(&history, wanted(T0 - 600_000, T0, 1_000));
    assert_eq!(part.len(), 200);
    assert!(part.windows(2).all(|pair| pair[0].at_ms < pair[1].at_ms));
}

#[test]
fn what_a_file_kept_is_the_same_history_again() {
    let (mut history, mut copy) = (History::new(&plan(DAY)), History::new(&plan(DAY)));
    let bounds = bounds();
    let mut kept: Vec<(usize, Step<PoolFigures>)> = Vec::new();
    for back in (0..30_000_u64).rev() {
        let one = Told1 { silence: back == 700, ..steady(1_000, back % 17) };
        let step = report(T0 - back * 1_000, one, &bounds);
        history.report(step, |tier, step| kept.push((tier, step.clone())));
    }
    kept.iter().for_each(|(tier, step)| copy.restore(*tier, step));
    let mut again = Vec::new();
    copy.restored(T0, |tier, _| again.push(tier));
    assert_eq!(again, Vec::<usize>::new(), "nothing that was written is written again");
    // The newest report was in no tier yet.
    let before = T0 - 1_000;
    for (range_ms, max_points) in
        [(60_000, 100), (800_000, 1_000), (800_000, 50), (9_000_000, 1_000), (DAY, 500)]
    {
        let range = wanted(before - range_ms, before, max_points);
        assert_eq!(points(&copy, range), points(&history, range), "{range_ms}");
        assert_eq!(copy.select(range, T0).silences, history.select(range, T0).silences);
    }
}

#[test]
fn steps_that_a_file_has_twice_or_of_a_clock_that_was_put_back_are_in_order() {
    let mut history = History::new(&plan(DAY));
    let bounds = bounds();
    let step = |second: u64, requests| report(T0 + second * 1_000, steady(1_000, requests), &bounds);
    (0..200).for_each(|second| history.restore(0, &step(second, 10)));
    // A writing that was repeated, and then one from before it.
    (150..200).for_each(|second| history.restore(0, &step(second, 10)));
    (100..120).for_each(|second| history.restore(0, &step(second, 20)));
    let part = points(&history, wanted(T0, T0 + 300_000, 1_000));
    assert_eq!(part.len(), 120);
    assert!(part.windows(2).all(|pair| pair[0].at_ms + 1_000 == pair[1].at_ms));
    assert_eq!((part[99].requests_per_s, part[100].requests_per_s), (Some(10.0), Some(20.0)));
}

#[test]
fn what_has_been_silent_for_long_is_as_exact_as_before() {
    let history = even(1_000, 600, DAY);
    let later = T0 + 6 * 3_600_000;
    let last = Wanted { since: Since::seconds(300), to_ms: None, max_points: 400 };
    let part = history.select(last, later);
    assert_eq!((part.step_ms, part.steps.len(), part.to_ms), (0, 301, later));
    let part = history.select(Wanted { max_points: 100, ..last }, later);
    assert_eq!(part.step_ms, 5_000);
    let after = history.select(wanted(T0 + 1, later, 100), later);
    assert!(after.steps.is_empty() && after.silences.is_empty());
}

#[test]
fn steps_are_small() {
    let history = even(1_000, 50_000, DAY);
    let steps = history.tiers.iter().map(Tier::steps).sum::<usize>();
    let per_step = history.bytes() / steps;
    assert!(per_step < 100, "{per_step} bytes a step");
}

fn change(at_ms: u64, from: BreakerState, to: BreakerState) -> Transition {
    Transition {
        at_ms,
        from,
        to,
        reason: String::new(),
        failure_ratio: None,
        slow_call_ratio: None,
        connect_failure_ratio: None,
        window_calls: None,
        forced: None,
    }
}

#[test]
fn states_change_when_they_did_and_a_silence_is_no_state() {
    use BreakerState::{Closed, HalfOpen, Open};
    let mut history = History::new(&plan(DAY));
    let figures =
        |state| BreakerFigures { state, shares: [Some(0.5), None, Some(0.25)], ..Default::default() };
    for (second, state) in [(0, Closed), (10, Open), (20, Closed), (300, Closed)] {
        let at_ms = T0 + second * 1_000;
        let (elapsed_ms, after_silence) = (if second == 0 { 0 } else { 10_000 }, second == 300);
        let step = Step { first_ms: at_ms, at_ms, elapsed_ms, after_silence, figures: figures(state) };
        history.report(step, |_, _| {});
    }
    let changes = [
        change(T0 + 4_000, Closed, Open),
        change(T0 + 14_000, Open, HalfOpen),
        change(T0 + 15_000, HalfOpen, Closed),
    ];
    let part = history.select(wanted(T0 - 5_000, T0 + 400_000, 1_000), T0);
    let span = |state, from: u64, to: u64| StateSpan { state, from_ms: T0 + from, to_ms: T0 + to };
    let exact = [
        span(Closed, 0, 4_000),
        span(Open, 4_000, 14_000),
        span(HalfOpen, 14_000, 15_000),
        span(Closed, 15_000, 20_000),
        span(Closed, 300_000, 300_000),
    ];
    assert_eq!(states(&part, changes.iter(), false), exact);
    // A range that begins between two reports, and ends before the one that follows a change.
    let part_of = history.select(wanted(T0 + 6_000, T0 + 14_500, 1_000), T0 + 400_000);
    let told = states(&part_of, changes.iter(), false);
    assert_eq!(told, [span(Open, 6_000, 14_000), span(HalfOpen, 14_000, 14_000)]);
    // Without the changes, which had to make room, the reports tell what they can.
    let told = states(&part, changes[2..].iter(), true);
    assert_eq!(told[..2], [span(Closed, 0, 0), span(Open, 0, 10_000)]);
    let point = part.steps[1].point();
    assert_eq!(
        (point.failure_ratio, point.slow_call_ratio, point.connect_failure_ratio),
        (Some(0.5), None, Some(0.25))
    );
}

/// The memory that the README tells, by retention; printed with `--nocapture`.
#[test]
fn the_memory_of_a_busy_pool_is_what_is_told() {
    let bounds: Arc<[f64]> = (0..14).map(|power| 0.000_1 * 2.5_f64.powi(power)).collect();
    let spread = |seed: u64| {
        let mut buckets = Buckets::zeros(bounds.clone());
        for bucket in 2..8 {
            *buckets.count_mut(bucket).unwrap() = (seed * 31 + bucket as u64 * 17) % 300;
        }
        buckets
    };
    // Every figure that a busy pool of ours has.
    let busy = |at_ms: u64, gap_ms: u64| {
        let seed = at_ms / gap_ms;
        let per_gap = gap_ms / 1_000;
        let sample = Sample {
            at_ms,
            elapsed_s: per_gap as f64,
            gauges: Gauges {
                open: Open { idle: Some(12.0), active: Some((seed % 40) as f64), upgraded: Some(0.0) },
                connecting: Some(1.0),
                leaked: Some(0.0),
                limit: Some(64.0),
                limited: 40.0,
                pending: Some(3.0),
                in_flight: Some(40.0),
                ..Gauges::default()
            },
            requests: 900 * per_gap,
            opened: 3 * per_gap,
            closed: Some(3 * per_gap),
            wasted: Some(0),
            reused: 880 * per_gap,
            served: 900 * per_gap,
            wait: spread(seed),
            held: spread(seed + 1),
            duration: spread(seed + 2),
            ..Sample::default()
        };
        Step::of_sample(&sample, OURS, false)
    };
    let pools: usize = std::env::var("POOLS").ok().and_then(|pools| pools.parse().ok()).unwrap_or(1);
    for (days, reports) in [(1_u64, 3_420_u64), (7, 4_428), (30, 7_740)] {
        let plan = plan(days * DAY);
        let mut histories = Vec::new();
        for _ in 0..pools {
            let mut history = History::new(&plan);
            for (index, (step_ms, keep_ms)) in tier::STEPS.into_iter().enumerate() {
                let gap_ms = step_ms.max(1_000);
                let keep_ms = keep_ms.min(plan.keep_ms()[index]);
                for back in (0..keep_ms / gap_ms).rev() {
                    history.restore(index, &busy(T0 - back * gap_ms, gap_ms));
                }
            }
            histories.push(history);
        }
        let bytes = histories[0].bytes();
        let steps: usize = histories[0].tiers.iter().map(Tier::steps).sum();
        assert_eq!(steps as u64, reports);
        let rss = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages = rss.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or_default();
        println!(
            "{days} days: {steps} steps, {bytes} bytes a pool; {pools} pools, resident {} MB",
            pages / 256
        );
        assert!(bytes < steps * 110, "{bytes} bytes for {steps} steps");
    }
}
