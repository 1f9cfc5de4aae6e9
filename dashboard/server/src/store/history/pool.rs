//! What a step holds of a pool.

use poolscope_wire::{PoolLimit, PoolPoint};

use super::codec::{Reader, Writer};
use super::step::{Figures, Step};
use crate::store::buckets::Buckets;
use crate::store::sample::{Sample, add, both};
use crate::store::told::Told;

/// Figures that are one number. One that the sender does not tell is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Numbers {
    idle: Option<u32>,
    active: Option<u32>,
    upgraded: Option<u32>,
    connecting: Option<u32>,
    leaked: Option<u32>,
    max_open: Option<u32>,
    idle_max: Option<u32>,
    idle_min: Option<u32>,
    pending: Option<u32>,
    in_flight: Option<u32>,
    requests: Option<u64>,
    errors: Option<u64>,
    opened: Option<u64>,
    closed: Option<u64>,
    timeouts: Option<u64>,
    wasted: Option<u64>,
}

impl Numbers {
    /// Most connections in use first, then most open.
    fn busy(&self) -> (Option<u32>, u32) {
        let open = [self.idle, self.active, self.upgraded];
        (self.active, open.into_iter().flatten().fold(0, u32::saturating_add))
    }

    /// All of them, in the order in which they are written: what holds at a moment, and what was counted.
    fn all(&mut self) -> ([&mut Option<u32>; 10], [&mut Option<u64>; 6]) {
        (
            [
                &mut self.idle,
                &mut self.active,
                &mut self.upgraded,
                &mut self.connecting,
                &mut self.leaked,
                &mut self.max_open,
                &mut self.idle_max,
                &mut self.idle_min,
                &mut self.pending,
                &mut self.in_flight,
            ],
            [
                &mut self.requests,
                &mut self.errors,
                &mut self.opened,
                &mut self.closed,
                &mut self.timeouts,
                &mut self.wasted,
            ],
        )
    }

    fn merge(&mut self, later: &Self) {
        // Connections by state add up to those that are open, so they stay of one moment: the busiest.
        if later.busy() >= self.busy() {
            (self.idle, self.active, self.upgraded) = (later.idle, later.active, later.upgraded);
        }
        self.connecting = self.connecting.max(later.connecting);
        self.leaked = self.leaked.max(later.leaked);
        self.pending = self.pending.max(later.pending);
        self.in_flight = self.in_flight.max(later.in_flight);
        self.max_open = later.max_open.or(self.max_open);
        self.idle_max = later.idle_max.or(self.idle_max);
        self.idle_min = later.idle_min.or(self.idle_min);
        self.requests = both(self.requests, later.requests);
        self.errors = both(self.errors, later.errors);
        self.opened = both(self.opened, later.opened);
        self.closed = both(self.closed, later.closed);
        self.timeouts = both(self.timeouts, later.timeouts);
        self.wasted = both(self.wasted, later.wasted);
    }
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::store) struct PoolFigures {
    numbers: Numbers,
    limit: Option<PoolLimit>,
    /// Acquires served by a connection that was open already.
    reused: u64,
    /// Acquires that got a connection.
    served: u64,
    wait: Buckets,
    held: Buckets,
    duration: Buckets,
}

impl PoolFigures {
    /// How long requests waited, connections were in use, and requests took.
    pub(in crate::store) fn spreads(&self) -> [&Buckets; 3] {
        [&self.wait, &self.held, &self.duration]
    }

    /// Acquires that were served by a connection that was open already, and all that got one.
    pub(in crate::store) fn reuse(&self) -> (u64, u64) {
        (self.reused, self.served)
    }

    pub(in crate::store) fn set_leaked(&mut self, leaked: Option<u32>) {
        self.numbers.leaked = leaked;
    }
}

impl Figures for PoolFigures {
    fn merge(&mut self, later: &Self) {
        self.numbers.merge(&later.numbers);
        self.limit = match (self.limit, later.limit) {
            (Some(a), Some(b)) => Some(PoolLimit {
                max: b.max,
                in_use: a.in_use.max(b.in_use),
                queued: a.queued.max(b.queued),
                oldest_wait_s: a.oldest_wait_s.max(b.oldest_wait_s),
            }),
            (a, b) => b.or(a),
        };
        add(&mut self.reused, later.reused);
        add(&mut self.served, later.served);
        self.wait.add(&later.wait);
        self.held.add(&later.held);
        self.duration.add(&later.duration);
    }

    fn write(&self, out: &mut Writer<'_>) {
        let histograms = [&self.wait, &self.held, &self.duration];
        let mut numbers = self.numbers;
        let (small, large) = numbers.all();
        let numbers = small.iter().map(|one| one.map(u64::from)).chain(large.iter().map(|one| **one));
        let numbers: Vec<Option<u64>> = numbers.collect();
        let is_told = numbers.iter().map(Option::is_some);
        let is_told = is_told.chain([self.limit.is_some(), self.served > 0]);
        let is_told = is_told.chain(histograms.iter().map(|one| one.count() > 0));
        let flags = is_told.enumerate().fold(0_u64, |flags, (bit, told)| flags | u64::from(told) << bit);
        out.number(flags);
        numbers.into_iter().flatten().for_each(|number| out.number(number));
        if let Some(limit) = self.limit {
            [limit.max, limit.in_use, limit.queued].into_iter().for_each(|one| out.number(u64::from(one)));
            out.float(limit.oldest_wait_s);
        }
        if self.served > 0 {
            out.number(self.reused);
            out.number(self.served);
        }
        histograms.into_iter().filter(|one| one.count() > 0).for_each(|one| out.buckets(one));
    }

    fn read(input: &mut Reader<'_>) -> Option<Self> {
        let mut figures = Self::default();
        let mut flags = input.number()?;
        let mut is_told = || {
            let told = flags & 1 == 1;
            flags >>= 1;
            told
        };
        let (small, large) = figures.numbers.all();
        for number in small {
            *number = if is_told() { Some(u32::try_from(input.number()?).ok()?) } else { None };
        }
        for number in large {
            *number = if is_told() { Some(input.number()?) } else { None };
        }
        if is_told() {
            let mut number = || u32::try_from(input.number()?).ok();
            let (max, in_use, queued) = (number()?, number()?, number()?);
            // A file may hold what was believed before.
            let oldest_wait_s =
                Some(input.float()?).filter(|seconds| seconds.is_finite()).unwrap_or_default();
            figures.limit = Some(PoolLimit { max, in_use, queued, oldest_wait_s });
        }
        if is_told() {
            (figures.reused, figures.served) = (input.number()?, input.number()?);
        }
        for histogram in [&mut figures.wait, &mut figures.held, &mut figures.duration] {
            if is_told() {
                *histogram = input.buckets()?;
            }
        }
        Some(figures)
    }
}

impl Step<PoolFigures> {
    /// What a report told.
    pub(in crate::store) fn of_sample(sample: &Sample, told: Told, after_silence: bool) -> Self {
        let whole = |gauge: Option<f64>| gauge.map(|count| count as u32);
        let gauges = &sample.gauges;
        Self {
            first_ms: sample.at_ms,
            at_ms: sample.at_ms,
            elapsed_ms: (sample.elapsed_s * 1e3).round() as u64,
            after_silence,
            figures: PoolFigures {
                numbers: Numbers {
                    idle: whole(gauges.open.idle),
                    active: whole(gauges.open.active),
                    upgraded: whole(gauges.open.upgraded),
                    connecting: whole(gauges.connecting),
                    leaked: whole(gauges.leaked),
                    max_open: whole(gauges.max),
                    idle_max: whole(gauges.idle_max),
                    idle_min: whole(gauges.idle_min),
                    pending: whole(gauges.pending),
                    in_flight: whole(gauges.in_flight),
                    requests: sample.requests(told),
                    errors: (told.results || told.ours).then_some(sample.errors),
                    opened: sample.opened(told),
                    closed: (told.lives || told.ours).then(|| sample.closed()),
                    timeouts: told.timeouts.then_some(sample.timeouts),
                    wasted: sample.wasted,
                },
                limit: gauges.limit.map(|max| PoolLimit {
                    max: max as u32,
                    in_use: gauges.limited as u32,
                    queued: gauges.queued as u32,
                    oldest_wait_s: gauges.oldest_wait_s as f32,
                }),
                reused: sample.reused,
                served: sample.served,
                wait: sample.wait().clone(),
                held: sample.held.clone(),
                duration: sample.duration.clone(),
            },
        }
    }

    /// The step as the browser gets it.
    pub(in crate::store) fn point(&self) -> PoolPoint {
        let of = &self.figures;
        let share = |buckets: &Buckets, share| buckets.quantile(share).map(|seconds| seconds as f32);
        PoolPoint {
            reuse: (of.served > 0).then(|| (of.reused as f64 / of.served as f64) as f32),
            wait_p50_s: share(&of.wait, 0.5),
            wait_p99_s: share(&of.wait, 0.99),
            use_p50_s: share(&of.held, 0.5),
            use_p99_s: share(&of.held, 0.99),
            duration_p50_s: share(&of.duration, 0.5),
            duration_p99_s: share(&of.duration, 0.99),
            ..self.numbers()
        }
    }

    /// The same with nothing that is a share of what was counted.
    pub(in crate::store) fn numbers(&self) -> PoolPoint {
        let (of, numbers) = (&self.figures, &self.figures.numbers);
        let rate = |count: Option<u64>| count.map(|count| self.rate(count));
        PoolPoint {
            at_ms: self.at_ms,
            idle: numbers.idle,
            active: numbers.active,
            upgraded: numbers.upgraded,
            connecting: numbers.connecting,
            leaked: numbers.leaked,
            limit: of.limit,
            max_open: numbers.max_open,
            idle_max: numbers.idle_max,
            idle_min: numbers.idle_min,
            pending: numbers.pending,
            in_flight: numbers.in_flight,
            requests_per_s: rate(numbers.requests),
            errors_per_s: rate(numbers.errors),
            opened_per_s: rate(numbers.opened),
            closed_per_s: rate(numbers.closed),
            timeouts_per_s: rate(numbers.timeouts),
            wasted_per_s: rate(numbers.wasted),
            ..PoolPoint::default()
        }
    }
}
