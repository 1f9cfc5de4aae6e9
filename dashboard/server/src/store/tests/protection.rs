//! What protects calls beside breakers: reports in, figures of the last minute and totals out.

use poolscope_semconv::value::HealthState;
use poolscope_wire::{Count, Protection, ProtectionFigures};

use super::*;
use crate::model::ProtectionFigure as Figure;

/// Makes the readings of one report.
struct Maker {
    at_ms: u64,
    readings: Vec<ProtectionReading<'static>>,
}

fn report(at_ms: u64) -> Maker {
    Maker { at_ms, readings: Vec::new() }
}

impl Maker {
    fn push(
        mut self,
        name: &'static str,
        figure: Figure,
        label: &'static str,
        value: Value<'static>,
    ) -> Self {
        let hash =
            |text: &str| text.bytes().fold(0, |hash: u64, byte| hash.wrapping_mul(31) + u64::from(byte));
        let series = hash(name) ^ hash(label).rotate_left(20) ^ (figure as u64) << 50;
        let ns = 1_000_000;
        let reading = Reading { series, start_ns: (T0 - 3_600_000) * ns, time_ns: self.at_ms * ns, value };
        self.readings.push(ProtectionReading { name, guard: "", figure, label: label.into(), reading });
        self
    }

    fn number(self, name: &'static str, figure: Figure, label: &'static str, value: f64) -> Self {
        self.push(name, figure, label, Value::Number { value, delta: false })
    }

    fn spread(self, name: &'static str, figure: Figure, counts: [u64; 5]) -> Self {
        let value = Value::Histogram { bounds: BOUNDS.into(), counts: counts.to_vec().into(), delta: false };
        self.push(name, figure, "", value)
    }

    fn send(self, store: &mut Store) {
        let report = Report { sender: sender(), protection: self.readings, ..Report::default() };
        store.take_metrics(&[report], self.at_ms);
    }
}

fn one(store: &Store, name: &str) -> Protection {
    let found = store.protection().into_iter().find(|one| one.name == name);
    found.unwrap_or_else(|| panic!("{name} is not there"))
}

macro_rules! figures {
    ($store:expr, $name:expr, $kind:ident) => {
        match one($store, $name).figures {
            ProtectionFigures::$kind(figures) => figures,
            other => panic!("{other:?}"),
        }
    };
}

fn retries(at_ms: u64, calls: f64, saved: f64, cause: f64) -> Maker {
    report(at_ms)
        .number("pay", Figure::RetryCalls, "first_try", calls)
        .number("pay", Figure::RetryCalls, "after_retry", saved)
        .number("pay", Figure::RetryAttempts, "503", cause)
        .number("pay", Figure::RetryResults, "200", calls + saved)
        .number("pay", Figure::RetryResults, "timeout", 0.0)
}

#[test]
fn what_protects_has_a_past() {
    let mut store = store();
    for n in 0..30_u32 {
        let at_ms = T0 + u64::from(n) * 1_000;
        let n = f64::from(n);
        retries(at_ms, 10.0 * n, 2.0 * n, 3.0 * n)
            .number("all", Figure::LimitMax, "", 20.0)
            .number("all", Figure::LimitInUse, "", if n == 7.0 { 20.0 } else { 5.0 })
            .number("all", Figure::LimitQueued, "", 0.0)
            .number("slow", Figure::TimeoutLimit, "", 0.25)
            .number("slow", Figure::TimeoutCalls, "completed", 4.0 * n)
            .number("slow", Figure::TimeoutCalls, "fired", n)
            .spread("slow", Figure::TimeoutUsed, [n as u64, 0, n as u64, 0, 0])
            .send(&mut store);
    }
    let figures = |name: &str, max_points| {
        let id = Id::parse(&one(&store, name).id).unwrap();
        let wanted = Wanted { since: Since::Moment(T0), to_ms: Some(T0 + 29_000), max_points };
        store.protection_figures(id, false, wanted, T0 + 29_000).unwrap().answer()
    };
    let pay = figures("pay", 100);
    assert_eq!(pay.names[..3], ["calls_per_s", "after_retry_per_s", "exhausted_per_s"]);
    assert_eq!(pay.points.len(), 30);
    assert_eq!(pay.points[9].values[..2], [Some(12.0), Some(2.0)]);
    assert_eq!(pay.points[9].values[5], Some(3.0), "attempts beyond the first");
    let all = figures("all", 5);
    assert!(all.points.len() <= 6, "{}", all.points.len());
    let most = all.points.iter().filter_map(|point| point.values[0]).fold(0.0, f32::max);
    assert_eq!((most, all.points[0].values[2]), (20.0, Some(20.0)), "a peak is not smoothed away");
    let slow = figures("slow", 100);
    let last = &slow.points[20].values;
    assert_eq!(last[..4], [Some(0.25), Some(0.25), Some(5.0), Some(1.0)]);
    assert!(last[4].is_some() && last[5] > last[4]);
}

#[test]
fn a_minute_is_told_beside_the_total() {
    let mut store = store();
    retries(T0, 1_000.0, 50.0, 60.0).send(&mut store);
    let first = figures!(&store, "pay", Retry);
    assert_eq!(first.calls, Count { minute: 0, total: 1_050 }, "what was before we looked is no news");
    retries(T0 + 1_000, 1_010.0, 54.0, 65.0)
        .spread("pay", Figure::RetryDelay, [0, 4, 0, 0, 0])
        .send(&mut store);
    let figures = figures!(&store, "pay", Retry);
    assert_eq!(figures.calls, Count { minute: 14, total: 1_064 });
    assert_eq!(figures.needed(), Count { minute: 4, total: 54 });
    assert_eq!(figures.causes, [("503".to_owned(), Count { minute: 5, total: 65 })]);
    assert_eq!(figures.results, [("200".to_owned(), Count { minute: 14, total: 1_064 })]);
    assert!(figures.wait_s.is_some_and(|wait| wait.p50 > 0.001 && wait.p99 <= 0.1), "{figures:?}");
    assert!(one(&store, "pay").health.sentence.contains("4 of 14 calls needed a retry"));

    retries(T0 + 90_000, 1_010.0, 54.0, 65.0).send(&mut store);
    let figures = figures!(&store, "pay", Retry);
    assert_eq!(figures.calls, Count { minute: 0, total: 1_064 });
    assert_eq!(figures.wait_s, None, "nobody waited in this minute");
}

#[test]
fn limits_of_a_timeout_go_with_the_destinations_that_are_reported() {
    let mut store = store();
    let name = "headers";
    report(T0)
        .number(name, Figure::TimeoutLimit, "http://a:80", 0.2)
        .number(name, Figure::TimeoutLimit, "http://b:80", 0.4)
        .send(&mut store);
    let limits = |store: &Store| {
        let limits = figures!(store, name, Timeout).limits;
        limits.into_iter().map(|limit| limit.destination).collect::<Vec<_>>()
    };
    assert_eq!(limits(&store), ["http://b:80", "http://a:80"]);
    report(T0 + 1_000).number(name, Figure::TimeoutLimit, "http://a:80", 0.3).send(&mut store);
    assert_eq!(limits(&store), ["http://a:80"]);
}

#[test]
fn a_limit_remembers_for_a_minute_that_it_was_reached() {
    let mut store = store();
    let at = |at_ms, in_use, queued| {
        report(at_ms)
            .number("shop", Figure::LimitMax, "", 4.0)
            .number("shop", Figure::LimitInUse, "", in_use)
            .number("shop", Figure::LimitQueued, "", queued)
    };
    at(T0, 4.0, 2.0).send(&mut store);
    assert_eq!(one(&store, "shop").health.severity, Severity::Warn);
    at(T0 + 1_000, 1.0, 0.0).send(&mut store);
    assert_eq!(one(&store, "shop").health.severity, Severity::Warn, "it may be full again at once");
    store.tick(T0 + 11_000);
    assert_eq!(one(&store, "shop").health.severity, Severity::Ok);
    at(T0 + 20_000, 1.0, 0.0).send(&mut store);
    let figures = figures!(&store, "shop", Limit);
    assert_eq!((figures.in_use, figures.most_in_use, figures.most_queued), (1, 4, 2));
    assert_eq!(figures.queue_max, None, "it was not told");
    at(T0 + 120_000, 1.0, 0.0).send(&mut store);
    assert_eq!(figures!(&store, "shop", Limit).most_in_use, 1);
}

#[test]
fn a_probe_has_its_state_from_reports_and_its_reason_from_events() {
    let mut store = store();
    let states = |at_ms, state: HealthState| {
        HealthState::ALL.iter().fold(report(at_ms), |report, one| {
            report.number(
                "http://pay:80",
                Figure::ProbeState,
                one.as_str(),
                f64::from(u8::from(*one == state)),
            )
        })
    };
    let changed = |at_ms: u64, state: HealthState, reason: &'static str| EventRecord {
        sender: sender(),
        name: event::HEALTH_CHANGED,
        time_ns: at_ms * 1_000_000,
        severity: 9,
        body: None,
        attributes: vec![
            (attr::HEALTH_NAME, "http://pay:80".into()),
            (attr::HEALTH_STATE, state.as_str().into()),
            (attr::HEALTH_REASON, reason.into()),
        ],
        rows: Vec::new(),
        dropped_attributes: 0,
        trace_id: &[],
    };
    store.take_events(&[changed(T0 - 1_000, HealthState::Failing, "x")], T0 - 1_000);
    assert!(store.protection().is_empty(), "an event alone makes no probe");
    states(T0, HealthState::Healthy).send(&mut store);
    assert_eq!(figures!(&store, "http://pay:80", Probe).since_ms, None);

    store.take_events(&[changed(T0 + 500, HealthState::Failing, "3 of 3 probes failed")], T0 + 500);
    let probe = one(&store, "http://pay:80");
    assert_eq!(probe.health.sentence, "failing: 3 of 3 probes failed");
    assert_eq!(probe.health.severity, Severity::Bad);
    // A report that is older than the event changes nothing; the next one agrees with it.
    states(T0 + 400, HealthState::Healthy).send(&mut store);
    states(T0 + 1_000, HealthState::Failing).send(&mut store);
    let figures = figures!(&store, "http://pay:80", Probe);
    assert_eq!((figures.state.as_str(), figures.since_ms), ("failing", Some(T0 + 500)));
    // A change whose event is lost is seen by its effect, and the old reason is not told any more.
    states(T0 + 30_000, HealthState::Healthy).send(&mut store);
    let figures = figures!(&store, "http://pay:80", Probe);
    assert_eq!((figures.state.as_str(), figures.since_ms), ("healthy", Some(T0 + 30_000)));
    assert!(!one(&store, "http://pay:80").health.sentence.contains("3 of 3"));
}

#[test]
fn a_silent_series_makes_room_and_counts_on_when_it_is_back() {
    let limits = Limits { max_series: 3, ..Limits::default() };
    let mut store = Store::new(&Config { limits, ..Config::default() });
    let send = |store: &mut Store, second: u64, cause: &'static str, count: f64| {
        let report = report(T0 + second * 1_000).number("pay", Figure::RetryCalls, "first_try", 50.0);
        report.number("pay", Figure::RetryAttempts, cause, count).send(store);
    };
    let causes = |store: &Store| {
        let causes = figures!(store, "pay", Retry).causes;
        let mut causes: Vec<_> = causes.into_iter().map(|(cause, count)| (cause, count.total)).collect();
        causes.sort();
        causes
    };
    let total = |cause: &str, total: u64| (cause.to_owned(), total);
    send(&mut store, 0, "502", 10.0);
    send(&mut store, 1, "502", 20.0);
    send(&mut store, 2, "503", 1.0);
    // The first is in no report for two of them; it goes, and what it counted stays.
    send(&mut store, 3, "504", 2.0);
    assert_eq!(causes(&store), [total("502", 20), total("503", 1), total("504", 2)]);
    let hits = |store: &Store| {
        let mut limits = store.limits().into_iter();
        limits.find(|limit| limit.name == "series of other protection").map(|limit| (limit.used, limit.hits))
    };
    assert_eq!(hits(&store), Some((3, 1)));
    // Back with the same start it counts on.
    send(&mut store, 4, "504", 2.0);
    send(&mut store, 5, "502", 21.0);
    assert_eq!(causes(&store), [total("502", 21), total("503", 1), total("504", 2)]);
    assert_eq!(hits(&store), Some((3, 2)));
    // Whoever comes in each report stays.
    assert_eq!(figures!(&store, "pay", Retry).calls.total, 50);
}

#[test]
fn what_was_counted_in_a_silence_is_not_of_the_last_minute() {
    let mut store = store();
    for second in 0..5 {
        retries(T0 + second * 1_000, 100.0 + second as f64, 0.0, 7.0).send(&mut store);
    }
    retries(T0 + 3_600_000, 9_000.0, 0.0, 2_000.0).send(&mut store);
    let figures = figures!(&store, "pay", Retry);
    assert_eq!((figures.calls.minute, figures.calls.total), (0, 9_000));
    assert_eq!(figures.causes, [("503".to_owned(), Count { minute: 0, total: 2_000 })]);
    retries(T0 + 3_601_000, 9_004.0, 0.0, 2_001.0).send(&mut store);
    assert_eq!(figures!(&store, "pay", Retry).calls.minute, 4);
}

#[test]
fn what_finds_no_room_is_told_with_its_bound_and_flag() {
    let limits = Limits { max_protection: 1, max_series: 1, ..Limits::default() };
    let mut store = Store::new(&Config { limits, ..Config::default() });
    let mut told = |maker: Maker| {
        let report = Report { sender: sender(), protection: maker.readings, ..Report::default() };
        let no_room = store.take_metrics(&[report], T0);
        (no_room.count, no_room.reason.unwrap_or_default())
    };
    assert_eq!(told(report(T0).number("pay", Figure::RetryCalls, "first_try", 1.0)), (0, String::new()));
    let (count, sentence) = told(report(T0).number("pay", Figure::RetryCalls, "exhausted", 1.0));
    assert_eq!(
        (count, sentence.ends_with("its bound is 1, which --max-series raises")),
        (1, true),
        "{sentence}"
    );
    let (count, sentence) = told(report(T0).number("other", Figure::RetryCalls, "first_try", 1.0));
    assert!(count == 1 && sentence.contains("other protection") && sentence.contains("--max-protection"));
}

#[test]
fn memory_is_bounded_and_the_silent_goes() {
    let limits = Limits { max_protection: 2, max_series: 2, max_text_bytes: 4, ..Limits::default() };
    let mut store = Store::new(&Config { limits, forget_after_s: 60, ..Config::default() });
    for (second, name) in ["first", "second", "third"].into_iter().enumerate() {
        let report = report(T0 + second as u64 * 1_000);
        let report = report.number(name, Figure::RetryCalls, "first_try", 1.0);
        let report = report.number(name, Figure::RetryAttempts, "503", 1.0);
        report.number(name, Figure::RetryAttempts, "timeout", 1.0).send(&mut store);
    }
    let names: Vec<_> = store.protection().into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["seco", "thir"]);
    let of = |name: &str| store.limits().into_iter().find(|limit| limit.name == name).unwrap();
    assert_eq!((of("other protection").used, of("other protection").hits), (2, 1));
    assert_eq!(of("series of other protection").hits, 3, "one series of each found no room");

    assert_eq!(store.update(T0).protection.len(), 2);
    assert!(!store.has_news());
    store.tick(T0 + 30_000);
    assert!(store.protection().iter().all(|one| !one.stale), "one report tells no rhythm");
    store.tick(T0 + 70_000);
    assert_eq!(store.update(T0).removed_protection.len(), 2);
    assert!(store.protection().is_empty());
}
