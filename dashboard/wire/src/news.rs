//! What changed of a pool that the reader knows, as small as it goes: a thousand pools change every second.

use serde::{Deserialize, Serialize, Serializer};

use crate::{Health, PoolLimit, PoolPoint, PoolSummary};

/// A number as it travels: whole if it is, else with the digits of an `f32`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(from = "f64")]
pub struct Number(f64);

/// Whole numbers below this are told apart by an `f64`.
const MOST: f64 = 9_007_199_254_740_992.0;

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self(if is_whole(value) { value } else { f64::from(value as f32) })
    }
}

fn is_whole(value: f64) -> bool {
    (0.0..MOST).contains(&value) && (value as u64) as f64 == value
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if is_whole(self.0) {
            serializer.serialize_u64(self.0 as u64)
        } else {
            serializer.serialize_f32(self.0 as f32)
        }
    }
}

/// The parts of [`PoolNews`] in the order in which they travel.
type Parts = (String, u64, Vec<Option<Number>>, Option<PoolLimit>, Option<Health>);

/// What changed of a pool, or of a group, since it was told last. Whatever else changes, the whole [`PoolSummary`] is told.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(from = "Parts", into = "Parts")]
pub struct PoolNews {
    /// Of which pool.
    pub id: String,
    /// Which of its figures changed: a bit for each, in the order of [`figures`].
    changed: u64,
    /// Those figures, in the same order.
    values: Vec<Option<Number>>,
    /// The limit of its requests, also if it did not change.
    limit: Option<PoolLimit>,
    /// Its condition, if that changed.
    health: Option<Health>,
}

impl From<Parts> for PoolNews {
    fn from((id, changed, values, limit, health): Parts) -> Self {
        Self { id, changed, values, limit, health }
    }
}

impl From<PoolNews> for Parts {
    fn from(news: PoolNews) -> Self {
        (news.id, news.changed, news.values, news.limit, news.health)
    }
}

/// The place of a figure.
enum Figure<'p> {
    Always(&'p mut u64),
    Count(&'p mut Option<u32>),
    Total(&'p mut Option<u64>),
    Part(&'p mut Option<f32>),
}

impl Figure<'_> {
    fn get(&self) -> Option<Number> {
        let value = match self {
            Self::Always(value) => Some(**value as f64),
            Self::Count(value) => value.map(f64::from),
            Self::Total(value) => value.map(|value| value as f64),
            Self::Part(value) => value.map(f64::from),
        };
        value.map(Number::from)
    }

    fn set(self, value: Option<Number>) {
        let value = value.map(|Number(value)| value);
        match self {
            Self::Always(place) => *place = value.unwrap_or_default() as u64,
            Self::Count(place) => *place = value.map(|value| value as u32),
            Self::Total(place) => *place = value.map(|value| value as u64),
            Self::Part(place) => *place = value.map(|value| value as f32),
        }
    }
}

/// The figures of a pool, in the order in which they travel.
fn figures(pool: &mut PoolSummary) -> [Figure<'_>; 32] {
    use Figure::{Always, Count, Part, Total};
    let PoolSummary {
        now,
        reuse,
        wait_p50_s,
        wait_p99_s,
        requests_total,
        opened_total,
        closed_total,
        failed_total,
        last_seen_ms,
        ..
    } = pool;
    let PoolPoint { at_ms, idle, active, upgraded, connecting, leaked, .. } = now;
    [
        Always(at_ms),
        Count(idle),
        Count(active),
        Count(upgraded),
        Count(connecting),
        Count(leaked),
        Count(&mut now.max_open),
        Count(&mut now.idle_max),
        Count(&mut now.idle_min),
        Count(&mut now.pending),
        Count(&mut now.in_flight),
        Part(&mut now.requests_per_s),
        Part(&mut now.errors_per_s),
        Part(&mut now.opened_per_s),
        Part(&mut now.closed_per_s),
        Part(&mut now.timeouts_per_s),
        Part(&mut now.wasted_per_s),
        Part(&mut now.reuse),
        Part(&mut now.wait_p50_s),
        Part(&mut now.wait_p99_s),
        Part(&mut now.use_p50_s),
        Part(&mut now.use_p99_s),
        Part(&mut now.duration_p50_s),
        Part(&mut now.duration_p99_s),
        Part(reuse),
        Part(wait_p50_s),
        Part(wait_p99_s),
        Total(requests_total),
        Total(opened_total),
        Total(closed_total),
        Total(failed_total),
        Always(last_seen_ms),
    ]
}

impl PoolNews {
    /// What makes `told` what the pool is `now`, and makes it so; `None` if more changed than can be told so: then `told` is
    /// not to be used any more.
    #[must_use]
    pub fn between(told: &mut PoolSummary, now: &mut PoolSummary) -> Option<Self> {
        let mut news = Self { id: now.id.clone(), limit: now.now.limit, ..Self::default() };
        for (bit, (told, now)) in figures(told).into_iter().zip(figures(now)).enumerate() {
            let value = now.get();
            if told.get() != value {
                news.changed |= 1 << bit;
                news.values.push(value);
            }
        }
        if told.health != now.health {
            news.health = Some(now.health.clone());
        }
        news.apply(told);
        (told == now).then_some(news)
    }

    /// Makes of a pool, as it was told before, what it is now.
    pub fn apply(&self, pool: &mut PoolSummary) {
        let mut values = self.values.iter();
        for (bit, figure) in figures(pool).into_iter().enumerate() {
            if self.changed >> bit & 1 == 1 {
                figure.set(values.next().copied().flatten());
            }
        }
        pool.now.limit = self.limit;
        if let Some(health) = &self.health {
            pool.health.clone_from(health);
        }
    }
}

/// What a sparkline shows of a moment of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SparkPoint {
    /// The moment.
    pub at_ms: u64,
    /// See [`PoolPoint::active`].
    pub active: Option<u32>,
    /// See [`PoolPoint::idle`].
    pub idle: Option<u32>,
    /// See [`PoolPoint::upgraded`].
    pub upgraded: Option<u32>,
    /// See [`PoolPoint::pending`].
    pub pending: Option<u32>,
    /// See [`PoolPoint::requests_per_s`].
    pub requests_per_s: Option<f32>,
}

impl From<&PoolPoint> for SparkPoint {
    fn from(point: &PoolPoint) -> Self {
        let PoolPoint { at_ms, active, idle, upgraded, pending, requests_per_s, .. } = *point;
        Self { at_ms, active, idle, upgraded, pending, requests_per_s }
    }
}

/// What a sparkline shows of a pool. It travels as one list: six numbers for each point, the first of them the milliseconds
/// since the point before.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Option<Number>>", into = "Vec<Option<Number>>")]
pub struct SparkLine(
    /// The points, oldest first.
    pub Vec<SparkPoint>,
);

impl From<Vec<Option<Number>>> for SparkLine {
    fn from(numbers: Vec<Option<Number>>) -> Self {
        let mut at_ms = 0_u64;
        let points = numbers.chunks_exact(6).map(|point| {
            let number = |index: usize| point[index].map(|Number(value)| value);
            let count = |index: usize| number(index).map(|count| count as u32);
            at_ms = at_ms.saturating_add(number(0).unwrap_or_default() as u64);
            SparkPoint {
                at_ms,
                active: count(1),
                idle: count(2),
                upgraded: count(3),
                pending: count(4),
                requests_per_s: number(5).map(|rate| rate as f32),
            }
        });
        Self(points.collect())
    }
}

impl From<SparkLine> for Vec<Option<Number>> {
    fn from(SparkLine(points): SparkLine) -> Self {
        let mut before_ms = 0;
        let mut numbers = Self::with_capacity(points.len() * 6);
        for point in points {
            let since_ms = point.at_ms.saturating_sub(before_ms);
            before_ms = point.at_ms;
            numbers.push(Some(Number::from(since_ms as f64)));
            let counts = [point.active, point.idle, point.upgraded, point.pending];
            numbers.extend(counts.map(|count| count.map(f64::from).map(Number::from)));
            numbers.push(point.requests_per_s.map(f64::from).map(Number::from));
        }
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> PoolSummary {
        let now = PoolPoint {
            at_ms: 1_732_255_755_123,
            active: Some(3),
            pending: None,
            wait_p99_s: Some(0.1),
            ..PoolPoint::default()
        };
        PoolSummary { id: "a".to_owned(), now, requests_total: Some(7), ..PoolSummary::default() }
    }

    #[test]
    fn news_are_what_changed_and_nothing_else() {
        let (mut told, mut now) = (pool(), pool());
        (now.now.active, now.now.pending, now.now.wait_p99_s) = (Some(4), Some(0), None);
        now.requests_total = Some(9);
        let mut known = told.clone();
        let news = PoolNews::between(&mut told, &mut now).unwrap();
        assert_eq!(told, now);
        let text = serde_json::to_string(&news).unwrap();
        assert_eq!(text, r#"["a",134742532,[4,0,null,9],null,null]"#);
        serde_json::from_str::<PoolNews>(&text).unwrap().apply(&mut known);
        assert_eq!(known, now);
    }

    #[test]
    fn every_figure_of_a_pool_comes_across() {
        let mut now = pool();
        for (index, figure) in figures(&mut now).into_iter().enumerate() {
            figure.set(Some(Number::from(100.0 + index as f64)));
        }
        now.now.reuse = Some(0.1);
        now.now.limit = Some(PoolLimit { max: 4, in_use: 2, queued: 1, oldest_wait_s: 0.3 });
        now.health.sentence = "2 requests wait".to_owned();
        let (mut told, mut known) = (pool(), pool());
        let news = PoolNews::between(&mut told, &mut now).unwrap();
        let text = serde_json::to_string(&news).unwrap();
        assert!(text.contains(",0.1,"), "{text}");
        serde_json::from_str::<PoolNews>(&text).unwrap().apply(&mut known);
        assert_eq!(known, now);
        // As many figures as there are numbers in what is written of a pool: one that is added has to be told too.
        let written = serde_json::to_value(&now).unwrap();
        let numbers = |value: &serde_json::Value| {
            value.as_object().into_iter().flatten().filter(|(_, value)| value.is_number()).count()
        };
        // The port is none, since it never changes.
        assert_eq!(numbers(&written) - 1 + numbers(&written["now"]), figures(&mut now).len());
    }

    #[test]
    fn what_is_no_figure_is_told_with_the_whole_pool() {
        let changes: [fn(&mut PoolSummary); 4] = [
            |pool| pool.stale = true,
            |pool| pool.protocols.push("2".to_owned()),
            |pool| pool.breaker = Some(("pay".to_owned(), crate::BreakerState::Open)),
            |pool| pool.observation = crate::Observation::Estimated,
        ];
        for change in changes {
            let (mut told, mut now) = (pool(), pool());
            change(&mut now);
            assert_eq!(PoolNews::between(&mut told, &mut now), None);
        }
    }

    #[test]
    fn a_sparkline_travels_as_one_list_of_numbers() {
        let point = |at_ms, active| SparkPoint {
            at_ms,
            active,
            pending: Some(2),
            requests_per_s: Some(0.1),
            ..SparkPoint::default()
        };
        let line = SparkLine(vec![point(5_000, Some(1)), point(6_000, None)]);
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(text, "[5000,1,null,null,2,0.1,1000,null,null,null,2,0.1]");
        assert_eq!(serde_json::from_str::<SparkLine>(&text).unwrap(), line);
    }
}
