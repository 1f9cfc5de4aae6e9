//! Places labels beside the ends of their lines so that none covers another.

use crate::compact::sort_by;

/// Places for labels that want to be at `wanted`, at least `gap` apart and within `low..=high`, in the order given.
///
/// Labels keep the order of the places they want; if there is no room for all, they run over the high end.
#[must_use]
pub fn spread(wanted: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    sort_by(&mut order, |a, b| wanted[*a].total_cmp(&wanted[*b]));
    let mut places = vec![0.0; wanted.len()];
    let mut lowest = low;
    for index in &order {
        places[*index] = wanted[*index].max(lowest);
        lowest = places[*index] + gap;
    }
    let mut highest = high;
    for index in order.iter().rev() {
        places[*index] = places[*index].min(highest);
        highest = places[*index] - gap;
    }
    // Pushing back from the high end may have pushed below the low end: the low end wins.
    let mut lowest = low;
    for index in &order {
        places[*index] = places[*index].max(lowest);
        lowest = places[*index] + gap;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_with_room_stay_where_they_want_to_be() {
        assert_eq!(spread(&[50.0, 10.0], 12.0, 0.0, 100.0), [50.0, 10.0]);
    }

    #[test]
    fn labels_are_pushed_apart_and_stay_inside() {
        assert_eq!(spread(&[100.0, 100.0, 100.0], 12.0, 0.0, 100.0), [76.0, 88.0, 100.0]);
        assert_eq!(spread(&[0.0, 0.0], 12.0, 0.0, 100.0), [0.0, 12.0]);
    }

    #[test]
    fn without_room_the_low_end_wins() {
        assert_eq!(spread(&[0.0, 0.0, 0.0], 12.0, 0.0, 10.0), [0.0, 12.0, 24.0]);
    }
}
