//! What was measured of one case.

use crate::bench::spread::median;

/// One timed round, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    pub(super) wall: f64,
    /// `None` where the system does not tell it.
    pub(super) cpu: Option<f64>,
}

impl Round {
    /// The round of one of so many requests.
    pub(super) fn per(self, requests: u32) -> Self {
        let requests = f64::from(requests);
        Self { wall: self.wall / requests, cpu: self.cpu.map(|cpu| cpu / requests) }
    }

    /// Two threads ran at the same time for most of it.
    pub(super) fn is_parallel(&self) -> bool {
        self.cpu.is_some_and(|cpu| cpu > 1.5 * self.wall)
    }
}

/// Processor time of one case, in nanoseconds per request.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Cpu {
    /// Median of the rounds.
    pub(super) total: Option<f64>,
    /// Beyond the bare client's: median of the pairs.
    pub(super) added: Option<f64>,
}

impl Cpu {
    /// Compares each round with the bare client's round of the same turn.
    pub(super) fn new(rounds: &[Round], bare: &[Round], requests: u32) -> Self {
        let requests = f64::from(requests);
        let added =
            rounds.iter().zip(bare).filter_map(|(round, bare)| Some((round.cpu? - bare.cpu?) / requests));
        Self {
            total: median(rounds.iter().filter_map(|round| Some(round.cpu? / requests))),
            added: median(added),
        }
    }
}

/// The figures of one case; each is per request.
#[derive(Debug, Clone)]
pub(super) struct Figures {
    pub(super) stack: String,
    pub(super) case: String,
    pub(super) samples: usize,
    pub(super) cpu: Cpu,
    /// The same where two threads share what is around a service.
    pub(super) two_threads: Cpu,
    /// Throughput as a share of the bare client's: median of the pairs.
    pub(super) throughput: f64,
    /// Requests a second: median of the rounds.
    pub(super) per_second: f64,
    pub(super) instructions: Option<f64>,
    pub(super) allocations: Option<f64>,
}

impl Figures {
    /// Compares each round with the bare client's round of the same turn.
    pub(super) fn new(stack: &str, case: &str, rounds: &[Round], bare: &[Round], requests: u32) -> Self {
        let ratios = rounds.iter().zip(bare).map(|(round, bare)| bare.wall / round.wall);
        let per_second = rounds.iter().map(|round| f64::from(requests) / (round.wall / 1e9));
        Self {
            stack: stack.to_owned(),
            case: case.to_owned(),
            samples: rounds.len(),
            cpu: Cpu::new(rounds, bare, requests),
            two_threads: Cpu::default(),
            throughput: median(ratios).unwrap_or(f64::NAN),
            per_second: median(per_second).unwrap_or(f64::NAN),
            instructions: None,
            allocations: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_compared_in_pairs() {
        let round = |wall, cpu| Round { wall, cpu: Some(cpu) };
        // The machine became twice as slow in the second turn, for both.
        let bare = [round(1e9, 100.0), round(2e9, 200.0), round(1e9, 100.0)];
        let other = [round(1.25e9, 110.0), round(2.5e9, 220.0), round(1.25e9, 110.0)];
        let figures = Figures::new("stack", "case", &other, &bare, 10);
        assert_eq!(figures.cpu, Cpu { total: Some(11.0), added: Some(1.0) });
        assert_eq!((figures.throughput, figures.two_threads), (0.8, Cpu::default()));
        assert_eq!((figures.per_second, figures.samples), (8.0, 3));
    }

    #[test]
    fn a_round_is_parallel_when_two_threads_ran_for_most_of_it() {
        let round = |cpu| Round { wall: 1e9, cpu };
        assert!(round(Some(1.9e9)).is_parallel() && !round(Some(1.2e9)).is_parallel());
        assert!(!round(None).is_parallel());
    }
}
