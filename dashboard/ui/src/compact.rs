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
    fn letters_of_all_scripts_have_a_lower_case() {
        assert_eq!(lower_case("Pool-ÄΣ Ж"), "pool-äς ж");
        assert_eq!(lower_case("API"), "api");
    }
}
