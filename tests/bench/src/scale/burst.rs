//! A burst: so many tasks begin at once, and each does its requests one after the other.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::load::Target;

/// Does a burst of so many tasks with so many requests each.
pub(super) type Bursts = Box<dyn Fn(usize, usize) -> Pin<Box<dyn Future<Output = Burst>>>>;

/// Bursts of one target, of which each task has a clone.
pub(super) fn of<T: Target>(target: T) -> Bursts {
    Box::new(move |tasks, each| {
        let target = target.clone();
        Box::pin(async move {
            let mut all = JoinSet::new();
            for _ in 0..tasks {
                all.spawn(alone(target.clone(), each));
            }
            let mut burst = Burst::default();
            while let Some(part) = all.join_next().await {
                match part {
                    Ok(part) => burst.add(part),
                    Err(error) => burst.fail(each, &error.into()),
                }
            }
            burst.times.sort();
            burst
        })
    })
}

async fn alone(mut target: impl Target, requests: usize) -> Burst {
    let mut burst = Burst::default();
    for _ in 0..requests {
        let began = Instant::now();
        match target.request().await {
            Ok(()) => burst.times.push(began.elapsed()),
            Err(error) => burst.fail(1, &error),
        }
    }
    burst
}

/// What became of the requests of a burst.
#[derive(Debug, Default)]
pub(super) struct Burst {
    /// Times from the moment at which a request was wished for to the end of its answer, in order.
    times: Vec<Duration>,
    pub(super) failed: usize,
    /// Why the first of them failed.
    pub(super) error: Option<String>,
}

impl Burst {
    fn add(&mut self, mut part: Self) {
        self.times.append(&mut part.times);
        self.failed += part.failed;
        self.error = self.error.take().or(part.error);
    }

    fn fail(&mut self, requests: usize, error: &anyhow::Error) {
        self.failed += requests;
        self.error.get_or_insert_with(|| format!("{error:#}"));
    }

    pub(super) fn done(&self) -> usize {
        self.times.len()
    }

    /// Mean time in nanoseconds.
    pub(super) fn mean(&self) -> f64 {
        self.times.iter().sum::<Duration>().as_nanos() as f64 / self.times.len() as f64
    }

    /// Time in nanoseconds that such a share of the requests took at most.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        let rank = (share * self.times.len() as f64).ceil() as usize;
        self.times.get(rank.saturating_sub(1)).map_or(f64::NAN, |time| time.as_nanos() as f64)
    }
}

/// The value in the middle; the upper one of two.
pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_by_mean_and_rank() {
        let times = (1..=200).map(Duration::from_nanos).collect();
        let burst = Burst { times, ..Burst::default() };
        assert_eq!((burst.mean(), burst.quantile(0.5), burst.quantile(0.99)), (100.5, 100.0, 198.0));
        assert!(Burst::default().quantile(0.5).is_nan() && Burst::default().mean().is_nan());
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
    }
}
