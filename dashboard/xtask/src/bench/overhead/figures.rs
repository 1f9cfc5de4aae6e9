//! What was measured of one case.

/// One timed round, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    pub(super) wall: f64,
    /// `None` where the system does not tell it.
    pub(super) cpu: Option<f64>,
}

/// The figures of one case; each is per request.
#[derive(Debug, Clone)]
pub(super) struct Figures {
    pub(super) stack: String,
    pub(super) case: String,
    pub(super) samples: usize,
    /// Processor time in nanoseconds: median of the rounds.
    pub(super) cpu: Option<f64>,
    /// Processor time beyond the bare client's: median of the pairs.
    pub(super) cpu_added: Option<f64>,
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
        let requests = f64::from(requests);
        let pairs = || rounds.iter().zip(bare);
        let cpu_added = pairs().filter_map(|(round, bare)| Some((round.cpu? - bare.cpu?) / requests));
        Self {
            stack: stack.to_owned(),
            case: case.to_owned(),
            samples: rounds.len(),
            cpu: median(rounds.iter().filter_map(|round| Some(round.cpu? / requests))),
            cpu_added: median(cpu_added),
            throughput: median(pairs().map(|(round, bare)| bare.wall / round.wall)).unwrap_or(f64::NAN),
            per_second: median(rounds.iter().map(|round| requests / (round.wall / 1e9))).unwrap_or(f64::NAN),
            instructions: None,
            allocations: None,
        }
    }
}

/// The middle value; the mean of the two in the middle where there is none.
pub(super) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some((lower + upper) / 2.0)
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
        assert_eq!((figures.throughput, figures.cpu_added, figures.cpu), (0.8, Some(1.0), Some(11.0)));
        assert_eq!((figures.per_second, figures.samples), (8.0, 3));
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_two() {
        assert_eq!(median([4.0, 1.0, 3.0, 2.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
    }
}
