//! SVG path data of series. Coordinates are written as tenths of a pixel, without going through float formatting.

/// A place on the screen.
pub type Place = (f64, f64);

/// How far what stands alone is drawn to each side of its place: of no width it could not be seen.
const ALONE: f64 = 2.5;

/// A line through runs of places; between runs is a gap.
#[must_use]
pub fn line(runs: &[Vec<Place>]) -> String {
    let mut path = String::new();
    for run in runs {
        if let [(x, y)] = run.as_slice() {
            dash(&mut path, *x, *y);
            continue;
        }
        for (index, place) in run.iter().enumerate() {
            push(&mut path, if index == 0 { 'M' } else { 'L' }, *place);
        }
    }
    path
}

/// A line in steps: each value holds until the next.
#[must_use]
pub fn steps(runs: &[Vec<Place>]) -> String {
    let mut path = String::new();
    for run in runs {
        match run.as_slice() {
            [(x, y)] => dash(&mut path, *x, *y),
            run => push_steps(&mut path, run.iter().copied(), 'M'),
        }
    }
    path
}

/// The area between two stepped edges that share their x places.
#[must_use]
pub fn step_area(runs: &[Vec<(f64, f64, f64)>]) -> String {
    let mut path = String::new();
    // A run without places has nothing to close, and a path cannot begin with that.
    for run in runs.iter().filter(|run| !run.is_empty()) {
        if let [(x, low, high)] = run.as_slice() {
            push_block(&mut path, Block { left: x - ALONE, right: x + ALONE, foot: *low, top: *high });
            continue;
        }
        push_steps(&mut path, run.iter().map(|(x, low, _)| (*x, *low)), 'M');
        // Backwards the step comes before the value: first over, then up or down.
        let mut before: Option<f64> = None;
        for (x, _, high) in run.iter().rev() {
            if let Some(x_after) = before {
                push(&mut path, 'L', (x_after, *high));
            }
            push(&mut path, 'L', (*x, *high));
            before = Some(*x);
        }
        path.push('Z');
    }
    path
}

/// Upright blocks, each from `left` to `right` and from `foot` to `top`.
#[must_use]
pub fn blocks(blocks: impl IntoIterator<Item = Block>) -> String {
    let mut path = String::new();
    for block in blocks {
        push_block(&mut path, block);
    }
    path
}

/// One of [`blocks`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Block {
    /// Its left edge.
    pub left: f64,
    /// Its right edge.
    pub right: f64,
    /// Its lower edge.
    pub foot: f64,
    /// Its upper edge.
    pub top: f64,
}

/// A place that stands alone.
fn dash(path: &mut String, x: f64, y: f64) {
    push(path, 'M', (x - ALONE, y));
    push(path, 'L', (x + ALONE, y));
}

fn push_block(path: &mut String, Block { left, right, foot, top }: Block) {
    push(path, 'M', (left, foot));
    for (command, value) in [('H', right), ('V', top), ('H', left)] {
        path.push(command);
        push_tenths(path, value);
    }
    path.push('Z');
}

fn push_steps(path: &mut String, places: impl Iterator<Item = Place>, first: char) {
    let mut last: Option<f64> = None;
    for (x, y) in places {
        match last {
            None => push(path, first, (x, y)),
            Some(y_before) => {
                if y_before != y {
                    push(path, 'L', (x, y_before));
                }
                push(path, 'L', (x, y));
            }
        }
        last = Some(y);
    }
}

fn push(path: &mut String, command: char, (x, y): Place) {
    path.push(command);
    push_tenths(path, x);
    path.push(' ');
    push_tenths(path, y);
}

fn push_tenths(path: &mut String, value: f64) {
    // A cast of a float saturates, so no coordinate can overflow.
    let tenths = (value * 10.0).round() as i32;
    if tenths < 0 {
        path.push('-');
    }
    let mut digits = [0_u8; 12];
    let mut rest = tenths.unsigned_abs();
    let mut length = 0;
    while rest > 0 || length < 2 {
        digits[length] = b'0' + (rest % 10) as u8;
        rest /= 10;
        length += 1;
    }
    for index in (0..length).rev() {
        if index == 0 && digits[0] == b'0' {
            break;
        }
        if index == 0 {
            path.push('.');
        }
        path.push(char::from(digits[index]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_tenths() {
        let tenths = |value| {
            let mut text = String::new();
            push_tenths(&mut text, value);
            text
        };
        assert_eq!(tenths(0.0), "0");
        assert_eq!(tenths(0.26), "0.3");
        assert_eq!(tenths(-1.5), "-1.5");
        assert_eq!(tenths(120.0), "120");
        assert_eq!(tenths(f64::NAN), "0");
        assert_eq!(tenths(1e300), "214748364.7");
    }

    #[test]
    fn gaps_are_gaps() {
        let runs = [vec![(0.0, 1.0), (1.0, 2.0)], vec![(5.0, 1.0)]];
        assert_eq!(line(&runs), "M0 1L1 2M2.5 1L7.5 1");
    }

    #[test]
    fn steps_hold_until_the_next_value() {
        assert_eq!(steps(&[vec![(0.0, 1.0), (1.0, 1.0), (2.0, 3.0)]]), "M0 1L1 1L2 1L2 3");
    }

    #[test]
    fn an_area_closes_along_its_other_edge() {
        let run = vec![(0.0, 9.0, 5.0), (1.0, 9.0, 4.0)];
        assert_eq!(step_area(&[run]), "M0 9L1 9L1 4L1 5L0 5Z");
    }

    #[test]
    fn blocks_stand_beside_each_other() {
        let block = |left| Block { left, right: left + 2.0, foot: 9.0, top: 4.5 };
        assert_eq!(blocks([block(0.0), block(3.0)]), "M0 9H2V4.5H0ZM3 9H5V4.5H3Z");
    }

    #[test]
    fn a_run_without_places_is_no_area() {
        assert_eq!(step_area(&[vec![]]), "");
        assert_eq!(step_area(&[vec![], vec![(0.0, 9.0, 5.0), (1.0, 9.0, 5.0)]]), "M0 9L1 9L1 5L1 5L0 5Z");
    }

    #[test]
    fn what_stands_alone_is_wide_enough_to_be_seen() {
        let run = [vec![(10.0, 4.0)]];
        assert_eq!((line(&run), steps(&run)), ("M7.5 4L12.5 4".to_owned(), "M7.5 4L12.5 4".to_owned()));
        assert_eq!(step_area(&[vec![(10.0, 9.0, 4.0)]]), "M7.5 9H12.5V4H7.5Z");
    }
}
