//! A table of large values that take a bounded part of the file: what was written longest ago makes room.

use std::collections::{BTreeMap, HashMap};

use redb::{ReadTransaction, ReadableTable as _, TableDefinition, WriteTransaction};

use super::database::room;
use super::problem::Problem;

/// When a value was written, before the value itself.
const ORDER_BYTES: usize = 8;

/// See the module.
#[derive(Debug)]
pub(super) struct Shelf {
    /// Name of the table.
    table: &'static str,
    /// Room of all values at most.
    max: u64,
    used: u64,
    /// What was written, oldest first, and the room that it takes.
    by_order: BTreeMap<u64, (u128, u64)>,
    orders: HashMap<u128, u64>,
}

impl Shelf {
    /// An empty one.
    pub(super) fn new(table: &'static str, max: u64) -> Self {
        Self { table, max, used: 0, by_order: BTreeMap::new(), orders: HashMap::new() }
    }

    fn table(&self) -> TableDefinition<'static, u128, &'static [u8]> {
        TableDefinition::new(self.table)
    }

    /// Makes the table.
    pub(super) fn create(&self, writer: &WriteTransaction) -> Result<(), Problem> {
        writer.open_table(self.table())?;
        Ok(())
    }

    /// Looks at what the file has.
    pub(super) fn look(&mut self, reader: &ReadTransaction) -> Result<(), Problem> {
        for entry in reader.open_table(self.table())?.iter()? {
            let (id, value) = entry?;
            let order = value.value().first_chunk().map_or(0, |order| u64::from_le_bytes(*order));
            self.note(id.value(), order, room(value.value()));
        }
        Ok(())
    }

    /// Hands out all values, oldest first.
    pub(super) fn read(
        &self,
        reader: &ReadTransaction,
        mut take: impl FnMut(u128, &[u8]),
    ) -> Result<(), Problem> {
        let table = reader.open_table(self.table())?;
        for (id, _) in self.by_order.values() {
            let value = table.get(id)?;
            let value = value.as_ref().and_then(|value| value.value().get(ORDER_BYTES..));
            value.into_iter().for_each(|value| take(*id, value));
        }
        Ok(())
    }

    /// Writes values; `None` takes one out. If the transaction fails, the file is looked at again.
    pub(super) fn write<'a>(
        &mut self,
        writer: &WriteTransaction,
        changes: impl Iterator<Item = (u128, Option<&'a [u8]>)>,
    ) -> Result<(), Problem> {
        let mut table = writer.open_table(self.table())?;
        for (id, value) in changes {
            let Some(value) = value else {
                if self.forget(id) {
                    table.remove(id)?;
                }
                continue;
            };
            let order = self.by_order.last_key_value().map_or(1, |(order, _)| order.saturating_add(1));
            let value = [&order.to_le_bytes(), value].concat();
            self.forget(id);
            if room(&value) > self.max {
                table.remove(id)?;
                continue;
            }
            table.insert(id, value.as_slice())?;
            self.note(id, order, room(&value));
            while self.used > self.max
                && let Some((_, (oldest, _))) = self.by_order.first_key_value()
            {
                let oldest = *oldest;
                self.forget(oldest);
                table.remove(oldest)?;
            }
        }
        Ok(())
    }

    fn note(&mut self, id: u128, order: u64, room: u64) {
        // Of two with one order, which only a file that was altered has, the later is another.
        let order = if self.by_order.contains_key(&order) {
            self.by_order.last_key_value().map_or(order, |(last, _)| last.saturating_add(1))
        } else {
            order
        };
        self.used += room;
        self.by_order.insert(order, (id, room));
        self.orders.insert(id, order);
    }

    /// True if it was there.
    fn forget(&mut self, id: u128) -> bool {
        let room = self.orders.remove(&id).and_then(|order| self.by_order.remove(&order));
        self.used -= room.map_or(0, |(_, room)| room);
        room.is_some()
    }
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;
    use redb::{Database, ReadableDatabase as _};

    use super::*;

    fn write(database: &Database, shelf: &mut Shelf, changes: &[(u128, Option<&[u8]>)]) {
        let writer = database.begin_write().unwrap();
        shelf.write(&writer, changes.iter().copied()).unwrap();
        writer.commit().unwrap();
    }

    fn ids(database: &Database, shelf: &Shelf) -> Vec<u128> {
        let mut ids = Vec::new();
        shelf.read(&database.begin_read().unwrap(), |id, value| ids.push((id, value.len()))).unwrap();
        ids.into_iter().map(|(id, _)| id).collect()
    }

    #[test]
    fn what_was_written_longest_ago_makes_room() {
        let database = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
        let mut shelf = Shelf::new("things", 10 * 4_096);
        let value = vec![7; 3_000];
        for id in 0..30 {
            write(&database, &mut shelf, &[(id, Some(&value))]);
            assert!(shelf.used <= shelf.max);
        }
        assert_eq!(ids(&database, &shelf), (20..30).collect::<Vec<_>>());
        // Written again it is the newest, and stays.
        write(&database, &mut shelf, &[(20, Some(&value)), (22, None), (99, None), (30, Some(&value))]);
        let left = [21, 23, 24, 25, 26, 27, 28, 29, 20, 30];
        assert_eq!(ids(&database, &shelf), left);
        // What is larger than all the room is not kept, and nothing makes room for it.
        write(&database, &mut shelf, &[(21, Some(&[1; 50_000]))]);
        assert_eq!(ids(&database, &shelf), left[1..]);
        // As it is after a restart, also with less room.
        let mut again = Shelf::new("things", 10 * 4_096);
        again.look(&database.begin_read().unwrap()).unwrap();
        assert_eq!((again.used, ids(&database, &again)), (shelf.used, left[1..].to_vec()));
        let mut smaller = Shelf::new("things", 5 * 4_096);
        smaller.look(&database.begin_read().unwrap()).unwrap();
        write(&database, &mut smaller, &[(40, Some(&value))]);
        assert_eq!(ids(&database, &smaller), [28, 29, 20, 30, 40]);
    }
}
