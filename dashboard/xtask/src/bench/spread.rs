//! How figures are spread.

/// The middle value; the mean of the two in the middle where there is none.
pub(super) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values = sorted(values);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some((lower + upper) / 2.0)
}

/// The value that a share of all values does not exceed.
pub(super) fn quantile(values: impl Iterator<Item = f64>, share: f64) -> Option<f64> {
    let values = sorted(values);
    let rank = (values.len() as f64 * share).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied()
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_two() {
        assert_eq!(median([4.0, 1.0, 3.0, 2.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let values = || (1..=100).rev().map(f64::from);
        assert_eq!(
            [0.5, 0.95, 0.99, 1.0].map(|share| quantile(values(), share)),
            [50.0, 95.0, 99.0, 100.0].map(Some)
        );
        assert_eq!(quantile([7.0].into_iter(), 0.5), Some(7.0));
        assert_eq!(quantile(std::iter::empty(), 0.5), None);
    }
}
