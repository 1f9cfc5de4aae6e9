//! The optional file, by which history survives a restart.
//!
//! One task writes what has changed every few seconds, off the path of what comes in, as one transaction: a crash at any
//! moment leaves the file as it was after one of them. Whatever is wrong with the file, the dashboard goes on without it
//! and says so.

mod database;
mod problem;
mod shelf;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use poolscope_wire::StoreFile;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use self::database::File;
use self::problem::Problem;
use crate::app::App;
use crate::clock::now_ms;
use crate::store::{Changes, Kind, Restore, Shelf, Store};
use crate::trace::Traces;

/// How much a crash can cost.
const WRITE_EVERY: Duration = Duration::from_secs(2);
/// How often a file that could not be written is tried again.
const RETRY_EVERY: Duration = Duration::from_secs(15);
/// How long the last writing may take when the server ends.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// The file while the server runs.
#[derive(Debug)]
pub(crate) struct Keeper {
    path: PathBuf,
    max_bytes: u64,
    file: Option<File>,
    /// What could not be written yet.
    unwritten: Option<Changes>,
    /// No sooner is a file tried again that could not be written.
    retry_at: Instant,
}

/// What takes back what a file holds.
struct Into<'a> {
    store: &'a mut Store,
    traces: &'a mut Traces,
}

impl Restore for Into<'_> {
    fn thing(&mut self, kind: Kind, id: u64, json: &[u8]) {
        self.store.restore_thing(kind, id, json);
    }

    fn event(&mut self, json: &[u8]) {
        self.store.restore_event(json);
    }

    fn steps(&mut self, tier: usize, bytes: &[u8]) {
        self.store.restore_steps(tier, bytes);
    }

    fn large(&mut self, shelf: Shelf, id: u128, json: &[u8]) {
        match shelf {
            Shelf::Lanes => self.store.restore_lanes(id, json),
            Shelf::Traces => self.traces.restore(id, json),
            Shelf::Warnings => self.store.restore_warning(id, json),
        }
    }
}

/// Opens the file that is configured, and takes back what it holds. `None` if there is none, or none that can be used.
pub(crate) async fn open(app: Arc<App>) -> Option<Keeper> {
    let path = app.config.store.clone()?;
    let max_bytes = app.config.store_max_mb.saturating_mul(1024 * 1024);
    let opened = {
        let (app, path) = (app.clone(), path.clone());
        tokio::task::spawn_blocking(move || {
            let file = File::open(&path, max_bytes)?;
            let (mut traces, mut store) = (app.traces(), app.store());
            let read = file.read(&mut Into { store: &mut store, traces: &mut traces });
            store.restored(now_ms());
            traces.restored(now_ms());
            read.map(|()| file)
        })
    };
    // A panic is told as a problem by the file itself.
    let opened = opened.await.unwrap_or_else(|error| Err(Problem::Damaged(error.to_string())));
    let mut keeper =
        Keeper { path, max_bytes, file: None, unwritten: None, retry_at: Instant::now() + RETRY_EVERY };
    let problem = match opened {
        Ok(file) => {
            keeper.file = Some(file);
            None
        }
        Err(problem) => Some(problem),
    };
    keeper.tell(&app, problem.as_ref(), None);
    if problem.is_some() {
        // What was read before it went wrong stays; nobody fetches what changes.
        drop_changes(&app);
        return None;
    }
    Some(keeper)
}

/// Writes until the server ends, and then once more.
pub(crate) async fn keep(app: Arc<App>, mut keeper: Keeper, end: impl Future<Output = ()>) {
    tokio::pin!(end);
    let mut tick = interval(WRITE_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = &mut end => break,
            _ = tick.tick() => keeper = keeper.round(&app).await,
        }
    }
    app.store().settle();
    app.traces().settle();
    if timeout(LAST_WRITE, keeper.round(&app)).await.is_err() {
        tracing::warn!("the last seconds were not written into the file: that took too long");
    }
}

impl Keeper {
    async fn round(self, app: &Arc<App>) -> Self {
        let blocking = app.clone();
        let (path, max_bytes) = (self.path.clone(), self.max_bytes);
        let written = tokio::task::spawn_blocking(move || self.write(&blocking)).await;
        // What panics is a fault of ours; the file is then tried again.
        written.unwrap_or_else(|_| Self {
            path,
            max_bytes,
            file: None,
            unwritten: None,
            retry_at: Instant::now() + RETRY_EVERY,
        })
    }

    fn write(mut self, app: &App) -> Self {
        if self.file.is_none() && Instant::now() < self.retry_at {
            return self;
        }
        let result = self.write_once(app);
        if result.is_err() {
            self.file = None;
            self.retry_at = Instant::now() + RETRY_EVERY;
        }
        let problem = result.err();
        if problem.as_ref().is_some_and(|problem| !problem.may_pass()) {
            drop_changes(app);
            self.retry_at = Instant::now() + Duration::from_secs(u32::MAX.into());
        }
        self.tell(app, problem.as_ref(), Some(now_ms()));
        self
    }

    fn write_once(&mut self, app: &App) -> Result<(), Problem> {
        let file = match &mut self.file {
            Some(file) => file,
            // After a write that failed the engine wants the file opened anew.
            none => none.insert(File::open(&self.path, self.max_bytes)?),
        };
        if self.unwritten.is_none() {
            let mut changes = app.store().take_changes(now_ms());
            let traces = app.traces().take_changes();
            changes.large.extend(traces.into_iter().map(|(id, trace)| (Shelf::Traces, id, trace)));
            self.unwritten = Some(changes).filter(|changes| !changes.is_empty());
        }
        if let Some(changes) = &self.unwritten {
            let begin = std::time::Instant::now();
            file.write(changes, now_ms())?;
            tracing::debug!(took = ?begin.elapsed(), things = changes.things.len(), "the file is written");
        }
        self.unwritten = None;
        Ok(())
    }

    /// Tells how it stands with the file, on the About page and, where that is new, in the log.
    fn tell(&self, app: &App, problem: Option<&Problem>, written_ms: Option<u64>) {
        let sentence = problem.map(|problem| {
            let sentence = problem.sentence(&self.path);
            format!("history is not kept in a file: {sentence}")
        });
        let mut state = app.store_file();
        let before = state.take();
        if let Some(sentence) = &sentence
            && before.as_ref().and_then(|before| before.problem.as_ref()) != Some(sentence)
        {
            tracing::warn!("{sentence}");
        }
        let written_before = before.and_then(|before| before.written_ms);
        *state = Some(StoreFile {
            path: show(&self.path),
            bytes: self.file.as_ref().map_or(0, File::bytes),
            max_bytes: self.max_bytes,
            written_ms: if sentence.is_none() { written_ms } else { written_before },
            problem: sentence,
        });
    }
}

/// Nobody will write what is gathered.
fn drop_changes(app: &App) {
    app.store().drop_changes();
    app.traces().drop_changes();
}

fn show(path: &Path) -> String {
    path.display().to_string()
}
