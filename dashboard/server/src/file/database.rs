//! The file itself: its tables, its version and its bound.

use std::fs::OpenOptions;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use redb::{Builder, Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, WriteTransaction};

use super::problem::Problem;
use super::shelf::Shelf;
use crate::store::{self, Changes, Kind, Restore, TIERS};

/// Version of what the tables hold. One that is read by no older dashboard is the next.
const FORMAT: u64 = 3;
/// The oldest version that is made this one when it is opened: all since have fewer tables.
const OLDEST_FORMAT: u64 = 1;
/// Of the file, so much may be steps, traces, connections and past warnings; the rest is for everything else, and for what the engine
/// keeps until the next writing is done.
const STEPS_SHARE: f64 = 0.5;
const TRACES_SHARE: f64 = 0.125;
const LANES_SHARE: f64 = 0.0625;
const WARNINGS_SHARE: f64 = 0.03125;
/// How often the file is written anew at most, which costs much.
const COMPACT_EVERY: Duration = Duration::from_secs(600);
/// Memory that the engine keeps pages in.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

/// Facts about the file, by name.
const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("poolscope");
const FORMAT_KEY: &str = "format";
/// Steps by tier and time of writing. What is written together is read together, and goes together.
const STEPS: TableDefinition<'_, (u8, u64), &[u8]> = TableDefinition::new("steps");
const EVENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");

/// What is kept of each thing as a whole, by its id.
fn things(kind: Kind) -> TableDefinition<'static, u64, &'static [u8]> {
    TableDefinition::new(match kind {
        Kind::Pool => "pools",
        Kind::Breaker => "breakers",
        Kind::Protection => "protection",
        Kind::Session => "sessions",
        Kind::Instance => "instances",
    })
}

/// A file that is open, and locked against others.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    database: Database,
    max_bytes: u64,
    /// Room that the steps of each tier take.
    sizes: [u64; TIERS],
    /// When steps were last written; later ones come after, whatever the clock does.
    last_ms: u64,
    lanes: Shelf,
    traces: Shelf,
    warnings: Shelf,
    /// No sooner is it written anew to make it smaller.
    compact_at: Instant,
}

impl File {
    /// Opens a file, or makes it if there is none. Nothing of a file that can't be used is changed.
    pub(super) fn open(path: &Path, max_bytes: u64) -> Result<Self, Problem> {
        guarded(|| {
            create_private(path)?;
            let mut builder = Builder::new();
            // A file that was altered by others is told, and not trusted.
            let database =
                builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true).create(path)?;
            let compact_at = Instant::now();
            let share = |share: f64| (usable(max_bytes) as f64 * share) as u64;
            let mut file = Self {
                path: path.to_owned(),
                database,
                max_bytes,
                sizes: [0; TIERS],
                last_ms: 0,
                lanes: Shelf::new("lanes", share(LANES_SHARE)),
                traces: Shelf::new("traces", share(TRACES_SHARE)),
                warnings: Shelf::new("warnings", share(WARNINGS_SHARE)),
                compact_at,
            };
            file.check()?;
            Ok(file)
        })
    }

    /// Looks whether the file is ours and of this version; an empty one becomes so.
    fn check(&mut self) -> Result<(), Problem> {
        let reader = self.database.begin_read()?;
        if reader.list_tables()?.next().is_none() {
            return self.create();
        }
        let format = reader.open_table(ABOUT)?.get(FORMAT_KEY)?.map(|format| format.value());
        drop(reader);
        match format {
            Some(FORMAT) => {}
            Some(OLDEST_FORMAT..FORMAT) => {
                self.create()?;
                tracing::info!(
                    "{} was written by an earlier version and is now of this one, with its history",
                    self.path.display()
                );
            }
            Some(other) => {
                return Err(Problem::OtherVersion(format!("format {other}, and this one has {FORMAT}")));
            }
            None => return Err(Problem::Foreign),
        }
        let reader = self.database.begin_read()?;
        self.lanes.look(&reader)?;
        self.traces.look(&reader)?;
        self.warnings.look(&reader)?;
        for entry in reader.open_table(STEPS)?.iter()? {
            let (key, steps) = entry?;
            let (tier, at_ms) = key.value();
            self.last_ms = self.last_ms.max(at_ms);
            if let Some(size) = self.sizes.get_mut(usize::from(tier)) {
                *size += room(steps.value());
            }
        }
        Ok(())
    }

    /// Makes the tables that are not there yet; the file is then of this version.
    fn create(&self) -> Result<(), Problem> {
        let writer = self.database.begin_write()?;
        writer.open_table(ABOUT)?.insert(FORMAT_KEY, FORMAT)?;
        writer.open_table(STEPS)?;
        writer.open_table(EVENTS)?;
        for kind in Kind::ALL {
            writer.open_table(things(kind))?;
        }
        self.lanes.create(&writer)?;
        self.traces.create(&writer)?;
        self.warnings.create(&writer)?;
        Ok(writer.commit()?)
    }

    /// Hands out all that the file holds.
    pub(super) fn read(&self, into: &mut dyn Restore) -> Result<(), Problem> {
        guarded(|| {
            let reader = self.database.begin_read()?;
            for kind in Kind::ALL {
                for entry in reader.open_table(things(kind))?.iter()? {
                    let (id, thing) = entry?;
                    into.thing(kind, id.value(), thing.value());
                }
            }
            for entry in reader.open_table(EVENTS)?.iter()? {
                let (_, event) = entry?;
                into.event(event.value());
            }
            for entry in reader.open_table(STEPS)?.iter()? {
                let (key, steps) = entry?;
                into.steps(usize::from(key.value().0), steps.value());
            }
            self.lanes.read(&reader, |id, lanes| into.large(store::Shelf::Lanes, id, lanes))?;
            self.traces.read(&reader, |id, trace| into.large(store::Shelf::Traces, id, trace))?;
            self.warnings.read(&reader, |number, past| into.large(store::Shelf::Warnings, number, past))
        })
    }

    /// Writes what has changed, all of it or nothing.
    pub(super) fn write(&mut self, changes: &Changes, now_ms: u64) -> Result<(), Problem> {
        guarded(|| {
            let (mut sizes, mut last_ms) = (self.sizes, self.last_ms);
            let writer = self.database.begin_write()?;
            for kind in Kind::ALL {
                let of_kind = changes.things.iter().filter(|(of, ..)| *of == kind);
                replace(&writer, things(kind), of_kind.map(|(_, id, value)| (*id, value.as_deref())))?;
            }
            replace(&writer, EVENTS, changes.events.iter().map(|(id, value)| (*id, value.as_deref())))?;
            let on = |shelf| {
                let on_it = changes.large.iter().filter(move |(on, ..)| *on == shelf);
                on_it.map(|(_, id, value)| (*id, value.as_deref()))
            };
            self.lanes.write(&writer, on(store::Shelf::Lanes))?;
            self.traces.write(&writer, on(store::Shelf::Traces))?;
            self.warnings.write(&writer, on(store::Shelf::Warnings))?;
            {
                let mut table = writer.open_table(STEPS)?;
                for (tier, pieces) in changes.steps.iter().enumerate() {
                    for piece in pieces {
                        last_ms = now_ms.max(last_ms + 1);
                        table.insert((tier as u8, last_ms), piece.as_slice())?;
                        sizes[tier] += room(piece);
                    }
                }
                for (tier, keep_ms) in changes.keep_ms.into_iter().enumerate() {
                    let oldest_ms = now_ms.saturating_sub(keep_ms);
                    table.retain_in((tier as u8, 0)..(tier as u8, oldest_ms), |_, steps| {
                        sizes[tier] = sizes[tier].saturating_sub(room(steps));
                        false
                    })?;
                }
                let most = (usable(self.max_bytes) as f64 * STEPS_SHARE) as u64;
                while sizes.iter().sum::<u64>() > most {
                    // As in memory: the tier that takes most gives its oldest.
                    let largest = (0..TIERS).max_by_key(|tier| sizes[*tier]).unwrap_or_default();
                    let oldest = {
                        let mut all = table.range((largest as u8, 0)..=(largest as u8, u64::MAX))?;
                        let oldest = all.next().transpose()?;
                        oldest.map(|(key, steps)| (key.value(), room(steps.value())))
                    };
                    let Some((key, size)) = oldest else { break };
                    table.remove(key)?;
                    sizes[largest] = sizes[largest].saturating_sub(size);
                }
            }
            writer.commit()?;
            (self.sizes, self.last_ms) = (sizes, last_ms);
            if self.bytes() > self.max_bytes + self.max_bytes / 50 && Instant::now() >= self.compact_at {
                self.compact_at = Instant::now() + COMPACT_EVERY;
                // It stays as it is if it can't be made smaller now.
                let compacted = self.database.compact();
                tracing::debug!(?compacted, "the file was larger than its bound");
            }
            Ok(())
        })
    }

    /// Its size.
    pub(super) fn bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |file| file.len())
    }
}

/// The engine doubles its file, and what it keeps about it takes up to two in a hundred more.
fn usable(max_bytes: u64) -> u64 {
    1 << max_bytes.max(1).ilog2()
}

/// What a value takes: a large one has pages of its own, a power of two together, small ones share theirs.
pub(super) fn room(value: &[u8]) -> u64 {
    const PAGE: u64 = 4_096;
    let bytes = value.len() as u64 + 64;
    if bytes > PAGE / 2 { bytes.next_power_of_two().max(PAGE) } else { bytes * 3 / 2 }
}

/// Puts what is new in the place of what was, and takes out what is gone.
fn replace<'a>(
    writer: &WriteTransaction,
    table: TableDefinition<'_, u64, &[u8]>,
    changes: impl Iterator<Item = (u64, Option<&'a [u8]>)>,
) -> Result<(), Problem> {
    let mut table = writer.open_table(table)?;
    for (id, value) in changes {
        match value {
            Some(value) => table.insert(id, value)?,
            None => table.remove(id)?,
        };
    }
    Ok(())
}

/// Makes the file if there is none, readable for its owner alone: it tells of services and destinations.
fn create_private(path: &Path) -> Result<(), Problem> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(Problem::Io(error)),
    }
}

/// The engine may panic over a file that makes no sense; for the dashboard that is a file that can't be used.
fn guarded<T>(work: impl FnOnce() -> Result<T, Problem>) -> Result<T, Problem> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Problem::Damaged("the storage engine can't go on with it".to_owned())))
}
