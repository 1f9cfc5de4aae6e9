//! Round places on an axis.

/// Steps of a time axis in seconds: those that people count in.
const TIME_STEPS: [u64; 13] = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600];

/// What the values of an axis are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Whole things, such as connections.
    Count,
    /// Things per second.
    Rate,
    /// Seconds.
    Seconds,
    /// A share from 0 to 1.
    Share,
}

/// Ticks of a value axis from zero on: the last is the top of the axis and at or above `max`.
///
/// There are one to five steps, each 1, 2 or 5 times a power of ten. Counts have whole steps.
#[must_use]
pub fn values(max: f64, unit: Unit) -> Vec<f64> {
    let floor = match unit {
        Unit::Count | Unit::Rate | Unit::Share => 1.0,
        Unit::Seconds => 1e-6,
    };
    let max = if max.is_finite() { max.max(floor) } else { floor };
    let mut step = if unit == Unit::Share { 0.5 } else { nice_above(max / 4.0) };
    if unit == Unit::Count {
        step = step.max(1.0);
    }
    let steps = (max / step - 1e-9).ceil().max(1.0) as usize;
    (0..=steps).map(|index| index as f64 * step).collect()
}

/// The least 1, 2 or 5 times a power of ten that is not below `value`.
fn nice_above(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let lead = value / power;
    let nice = [1.0, 2.0, 5.0].into_iter().find(|nice| lead <= nice + 1e-9).unwrap_or(10.0);
    nice * power
}

/// Moments of a time axis that are round on the clock, at most `most` of them.
#[must_use]
pub fn times(from_ms: u64, to_ms: u64, most: usize) -> Vec<u64> {
    let span = to_ms.saturating_sub(from_ms) / 1_000;
    let wanted = span / most.max(1) as u64;
    let step = TIME_STEPS.into_iter().find(|step| *step > wanted).unwrap_or(86_400) * 1_000;
    (from_ms.div_ceil(step)..=to_ms / step).map(|index| index * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_whole_steps_and_start_at_zero() {
        assert_eq!(values(0.0, Unit::Count), [0.0, 1.0]);
        assert_eq!(values(3.0, Unit::Count), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(values(20.0, Unit::Count), [0.0, 5.0, 10.0, 15.0, 20.0]);
        assert_eq!(values(21.0, Unit::Count), [0.0, 10.0, 20.0, 30.0]);
    }

    #[test]
    fn every_axis_reaches_its_maximum_in_few_steps() {
        for exponent in -50..80 {
            let max = 1.13 * 10_f64.powf(f64::from(exponent) / 10.0);
            let ticks = values(max, Unit::Seconds);
            assert!(*ticks.last().unwrap() >= max - 1e-9, "{max} {ticks:?}");
            assert!((2..=5).contains(&ticks.len()), "{max} {ticks:?}");
        }
        assert_eq!(values(f64::NAN, Unit::Rate).last(), Some(&1.0), "nonsense has an axis too");
    }

    #[test]
    fn times_are_round_on_the_clock() {
        assert_eq!(times(1_000, 121_000, 4), [60_000, 120_000]);
        let ticks = times(1_795_232_652_345, 1_795_232_952_345, 6);
        assert!(ticks.len() <= 6 && ticks.iter().all(|at| at % 60_000 == 0), "{ticks:?}");
    }
}
