//! What the standard library does too, in less code to download.

use std::cmp::Ordering;

/// Sorts; those that are equal keep their order. The standard library's sort costs 4 kB for each type and each order, this
/// one as much for all.
pub fn sort_by<T>(items: &mut Vec<T>, compare: impl Fn(&T, &T) -> Ordering) {
    let mut places: Vec<usize> = (0..items.len()).collect();
    sort_places(&mut places, &|a, b| compare(&items[a], &items[b]));
    let mut taken: Vec<Option<T>> = items.drain(..).map(Some).collect();
    items.extend(places.into_iter().filter_map(|place| taken[place].take()));
}

/// Not generic, which is the point.
fn sort_places(places: &mut [usize], compare: &dyn Fn(usize, usize) -> Ordering) {
    places.sort_by(|a, b| compare(*a, *b));
}

/// A number of so many places. The standard library's way knows every float to its last digit, in 19 kB.
#[must_use]
pub fn fixed(value: f64, places: u32) -> String {
    let unit = 10_u64.pow(places);
    let parts = (value.abs() * unit as f64).round() as u64;
    let sign = if value < 0.0 && parts > 0 { "-" } else { "" };
    let whole = parts / unit;
    if places == 0 {
        return format!("{sign}{whole}");
    }
    // The one in front keeps the zeros.
    format!("{sign}{whole}.{}", &(unit + parts % unit).to_string()[1..])
}

/// A text in lower case. The browser knows the letters of all scripts; here they are a table of 12 kB.
#[must_use]
pub fn lower_case(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    #[cfg(target_family = "wasm")]
    return js_sys::JsString::from(text).to_lower_case().into();
    #[cfg(not(target_family = "wasm"))]
    text.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_items_keep_their_order() {
        let mut items: Vec<_> = ["b1", "a1", "b2", "c1", "a2"].map(str::to_owned).into();
        sort_by(&mut items, |a, b| a[..1].cmp(&b[..1]));
        assert_eq!(items, ["a1", "a2", "b1", "b2", "c1"]);
    }

    #[test]
    fn numbers_are_as_the_standard_library_writes_them() {
        for value in [0.0, -0.0, 0.04, -0.04, 0.05001, 1.0, 9.999, 12.3456, -7.89, 99.95, 1234.5678, 1e9] {
            for places in 0..4 {
                let written = format!("{value:.*}", places as usize);
                let written = if written.trim_matches(['-', '0', '.']).is_empty() {
                    written.trim_start_matches('-').to_owned()
                } else {
                    written
                };
                assert_eq!(fixed(value, places), written, "{value} with {places}");
            }
        }
        assert_eq!(fixed(f64::NAN, 1), "0.0");
    }

    #[test]
    fn letters_of_all_scripts_have_a_lower_case() {
        assert_eq!(lower_case("Pool-ÄΣ Ж"), "pool-äς ж");
        assert_eq!(lower_case("API"), "api");
    }
}
