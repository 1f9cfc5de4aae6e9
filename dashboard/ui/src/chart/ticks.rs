//! Round places on an axis.

/// Steps of a time axis in seconds: those that people count in.
const TIME_STEPS: [u64; 18] =
    [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400];

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
    /// Bytes of memory.
    Bytes,
}

/// Ticks of a value axis from zero on: the last is the top of the axis and at or above `max`.
///
/// There are one to five steps, each 1, 2 or 5 times a power of ten. Counts have whole steps.
#[must_use]
pub fn values(max: f64, unit: Unit) -> Vec<f64> {
    let floor = match unit {
        Unit::Count | Unit::Rate | Unit::Share | Unit::Bytes => 1.0,
        Unit::Seconds => 1e-6,
    };
    let max = if max.is_finite() { max.max(floor) } else { floor };
    let mut step = match unit {
        Unit::Share => 0.5,
        // A power of two, which is round in the units that bytes are told in.
        Unit::Bytes => (max / 4.0).log2().ceil().max(0.0).exp2(),
        Unit::Count | Unit::Rate | Unit::Seconds => nice_above(max / 4.0),
    };
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

/// Moments of a time axis that are round on the clock, at most `most` of them. `offset_min` tells how far the clock is
/// ahead of UTC at a moment.
#[must_use]
pub fn times(from_ms: u64, to_ms: u64, most: usize, offset_min: fn(u64) -> i32) -> Vec<u64> {
    let span = to_ms.saturating_sub(from_ms) / 1_000;
    let wanted = span / most.max(1) as u64;
    let step = TIME_STEPS.into_iter().find(|step| *step > wanted);
    let step = step.unwrap_or_else(|| (wanted / 86_400 + 1) * 86_400) * 1_000;
    let offset_ms = |at: u64| i64::from(offset_min(at)) * 60_000;
    let first = from_ms.saturating_add_signed(offset_ms(from_ms)) / step;
    (first..)
        // The clock may be changed within the axis: each place asks for its own offset.
        .map(|index| {
            (index * step)
                .saturating_add_signed(-offset_ms((index * step).saturating_add_signed(-offset_ms(from_ms))))
        })
        .skip_while(|at| *at < from_ms)
        .take_while(|at| *at <= to_ms)
        .collect()
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
        assert_eq!(times(1_000, 121_000, 4, |_| 0), [60_000, 120_000]);
        let ticks = times(1_795_232_652_345, 1_795_232_952_345, 6, |_| 0);
        assert!(ticks.len() <= 6 && ticks.iter().all(|at| at % 60_000 == 0), "{ticks:?}");
    }

    #[test]
    fn days_begin_where_the_clock_says_so() {
        let (from, to) = (1_795_132_800_000, 1_795_737_600_000);
        let days = times(from, to, 8, |_| 330);
        assert!(days.len() <= 8, "{days:?}");
        assert!(days.iter().all(|at| (at + 330 * 60_000).is_multiple_of(86_400_000)), "{days:?}");
        // The clock goes back by an hour in the middle.
        let changed = times(from, to, 8, |at| if at < 1_795_400_000_000 { 120 } else { 60 });
        assert_eq!(changed[1] - changed[0], 86_400_000);
        assert!(changed.windows(2).any(|pair| pair[1] - pair[0] == 90_000_000), "{changed:?}");
    }

    #[test]
    fn an_axis_of_any_length_has_few_times() {
        for width_s in [10_u64, 60, 600, 3_600, 86_400, 604_800, 2_678_400] {
            let ticks = times(1_795_232_652_345, 1_795_232_652_345 + width_s * 1_000, 6, |_| -300);
            assert!((1..=7).contains(&ticks.len()), "{width_s} {ticks:?}");
        }
    }
}
