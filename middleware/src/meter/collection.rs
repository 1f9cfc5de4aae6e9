//! One snapshot for all callbacks of one collection.
//!
//! A reader collects on one thread, and asks each instrument once, in an order that nobody promises. So a callback that has
//! been asked since the snapshot of its thread was taken knows that a new collection has begun, and takes the next one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use opentelemetry::Context;
use poolscope_semconv::metric::{ALL, MetricKind};

use super::table::Table;
use crate::clock::Instant;
use crate::scope::ScopeRef;

/// No collection takes this long: what is older was left by one that did not ask all instruments.
const LONGEST: Duration = Duration::from_secs(10);

/// The collections that are under way, and where their numbers come from.
#[derive(Debug)]
pub(super) struct Collections {
    scope: ScopeRef,
    under_way: Mutex<Vec<Collection>>,
}

#[derive(Debug)]
struct Collection {
    thread: ThreadId,
    since: Instant,
    /// Instruments that have been asked, by their places in the contract.
    asked: Vec<bool>,
    table: Arc<Table>,
}

impl Collection {
    /// True if the instrument has not been asked in it. It has now.
    fn ask(&mut self, instrument: usize, now: Instant) -> bool {
        let is_young = now.saturating_duration_since(self.since) < LONGEST;
        let asked = self.asked.get_mut(instrument);
        is_young && asked.is_some_and(|asked| !std::mem::replace(asked, true))
    }

    fn is_over(&self) -> bool {
        self.asked.iter().all(|asked| *asked)
    }
}

impl Collections {
    pub(super) fn new(scope: ScopeRef) -> Self {
        Self { scope, under_way: Mutex::default() }
    }

    /// The numbers that an instrument is to tell now.
    pub(super) fn table(&self, instrument: usize) -> Arc<Table> {
        let (thread, now) = (thread::current().id(), Instant::now());
        let mut under_way = self.under_way();
        if let Some(index) = under_way.iter().position(|collection| collection.thread == thread) {
            let mut collection = under_way.swap_remove(index);
            if collection.ask(instrument, now) {
                let table = Arc::clone(&collection.table);
                if !collection.is_over() {
                    under_way.push(collection);
                }
                return table;
            }
        }
        under_way.retain(|collection| now.saturating_duration_since(collection.since) < LONGEST);
        // Sources of breakers are the program's code, and may take a while.
        drop(under_way);
        let table = Arc::new(self.read());
        // No histogram is asked.
        let asked = ALL.iter().map(|def| def.kind == MetricKind::Histogram).collect();
        let mut collection = Collection { thread, since: now, asked, table: Arc::clone(&table) };
        collection.ask(instrument, now);
        self.under_way().push(collection);
        table
    }

    /// The numbers of a snapshot; none if the scope is gone, or if a source of breakers panics, which must not end the
    /// reader.
    fn read(&self) -> Table {
        let Some(scope) = self.scope.upgrade() else { return Table::default() };
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        catch_unwind(AssertUnwindSafe(|| Table::of(&scope.snapshot()))).unwrap_or_default()
    }

    fn under_way(&self) -> MutexGuard<'_, Vec<Collection>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scope;

    fn instruments() -> Vec<usize> {
        (0..ALL.len()).filter(|index| ALL[*index].kind != MetricKind::Histogram).collect()
    }

    /// Asks all instruments in an order, and tells the table if it was one for all.
    fn collect(collections: &Collections, order: &[usize]) -> Option<Arc<Table>> {
        let tables: Vec<_> = order.iter().map(|instrument| collections.table(*instrument)).collect();
        tables.iter().all(|table| Arc::ptr_eq(table, &tables[0])).then(|| Arc::clone(&tables[0]))
    }

    #[test]
    fn each_collection_has_one_snapshot_of_its_own_in_whatever_order_it_asks() {
        let scope = Scope::new();
        let collections = Collections::new(scope.downgrade());
        let forth = instruments();
        let back: Vec<_> = forth.iter().rev().copied().collect();
        let mut seen = Vec::<Arc<Table>>::new();
        for order in [&forth, &forth, &back, &back, &forth] {
            let table = collect(&collections, order).expect("one snapshot for all instruments");
            assert!(seen.iter().all(|other| !Arc::ptr_eq(other, &table)), "each collection has a new one");
            seen.push(table);
        }
        assert!(collections.under_way().is_empty(), "nothing is kept between collections");
    }

    #[test]
    fn a_collection_that_leaves_instruments_out_leaves_the_next_one_alone() {
        let scope = Scope::new();
        let collections = Collections::new(scope.downgrade());
        let some: Vec<_> = instruments().into_iter().skip(5).collect();
        let first = collect(&collections, &some).unwrap();
        let second = collect(&collections, &some).unwrap();
        assert!(!Arc::ptr_eq(&first, &second));
    }

    #[test]
    fn readers_that_collect_at_once_don_t_disturb_each_other() {
        let scope = Scope::new();
        let collections = Collections::new(scope.downgrade());
        let order = instruments();
        thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    for _ in 0..50 {
                        assert!(collect(&collections, &order).is_some());
                    }
                });
            }
        });
        assert!(collections.under_way().is_empty());
    }
}
