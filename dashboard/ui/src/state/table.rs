//! Things by their ids, in the order of those.
//!
//! It does what a `BTreeMap` does of it, and finding an id is compiled once for all kinds of things: six maps cost 8 kB of
//! download. Thousands are found as fast, and come and go rarely.

use std::ops::Index;

/// Things by their ids.
#[derive(Debug, Clone, PartialEq)]
pub struct Table<T> {
    ids: Vec<String>,
    // In boxes, so that one that comes moves no more than a pointer of each that follows.
    things: Vec<Box<T>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { ids: Vec::new(), things: Vec::new() }
    }
}

/// Where an id is, or else belongs. Not generic, which is the point.
fn find(ids: &[String], id: &str) -> Result<usize, usize> {
    // What is put in comes in order most of the time.
    if ids.last().is_some_and(|last| last.as_str() < id) {
        return Err(ids.len());
    }
    ids.binary_search_by(|known| known.as_str().cmp(id))
}

impl<T> Table<T> {
    /// The thing of an id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&T> {
        find(&self.ids, id).ok().map(|place| &*self.things[place])
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        find(&self.ids, id).ok().map(|place| &mut *self.things[place])
    }

    /// True if there is a thing of this id.
    #[must_use]
    pub fn contains_key(&self, id: &str) -> bool {
        find(&self.ids, id).is_ok()
    }

    /// Puts a thing in the place of the one that has its id, or to the others.
    pub fn insert(&mut self, id: String, thing: T) {
        match find(&self.ids, &id) {
            Ok(place) => *self.things[place] = thing,
            Err(place) => {
                self.ids.insert(place, id);
                self.things.insert(place, Box::new(thing));
            }
        }
    }

    /// Takes the thing of an id away, and says whether there was one.
    pub fn remove(&mut self, id: &str) -> bool {
        let found = find(&self.ids, id);
        if let Ok(place) = found {
            self.ids.remove(place);
            self.things.remove(place);
        }
        found.is_ok()
    }

    /// The ids, in order.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.ids.iter()
    }

    /// The things, in the order of their ids.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.things.iter().map(|thing| &**thing)
    }

    /// The same, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.things.iter_mut().map(|thing| &mut **thing)
    }

    /// Both, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &T)> {
        self.ids.iter().zip(self.values())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

impl<T: Default> Table<T> {
    /// The thing of an id, which is made if there is none.
    pub fn of(&mut self, id: &str) -> &mut T {
        let place = match find(&self.ids, id) {
            Ok(place) => place,
            Err(place) => {
                self.ids.insert(place, id.to_owned());
                self.things.insert(place, Box::default());
                place
            }
        };
        &mut self.things[place]
    }
}

impl<T> FromIterator<(String, T)> for Table<T> {
    fn from_iter<I: IntoIterator<Item = (String, T)>>(all: I) -> Self {
        let mut table = Self::default();
        for (id, thing) in all {
            table.insert(id, thing);
        }
        table
    }
}

impl<T> Index<&str> for Table<T> {
    type Output = T;

    fn index(&self, id: &str) -> &T {
        self.get(id).expect("the id is in the table")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_found_by_their_ids_and_told_in_their_order() {
        let mut table: Table<u32> =
            [("b", 2), ("d", 4), ("a", 1)].map(|(id, it)| (id.to_owned(), it)).into_iter().collect();
        *table.of("c") += 3;
        *table.of("d") += 40;
        table.insert("b".to_owned(), 20);
        assert_eq!(table.iter().map(|(id, it)| format!("{id}{it}")).collect::<String>(), "a1b20c3d44");
        assert_eq!((table.get("c"), table.get("e"), table.len()), (Some(&3), None, 4));
        assert!(
            table.remove("a") && !table.remove("a") && !table.contains_key("a") && table.contains_key("b")
        );
        table.values_mut().for_each(|it| *it += 1);
        assert!(table.keys().eq(["b", "c", "d"]) && table.values().eq(&[21, 4, 45]) && !table.is_empty());
        assert_eq!(table["d"], 45);
    }
}
