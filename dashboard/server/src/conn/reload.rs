//! Files that are read again when they change: certificates are renewed and keys rotated without a restart.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::interval;

/// How often files are looked at. Asking the system for a file's time costs microseconds.
const EVERY: Duration = Duration::from_secs(2);

/// Asks a running server to read its certificates and key files again.
#[derive(Debug, Clone)]
pub struct Reload(Arc<Notify>);

impl Reload {
    /// Asks. A file that can't be used leaves what is in force, and is told in the log and on the About page.
    pub fn now(&self) {
        self.0.notify_one();
    }
}

/// The files and how reading them again went.
#[derive(Debug)]
pub(crate) struct Files {
    paths: Vec<PathBuf>,
    asked: Arc<Notify>,
    read: AtomicU64,
    failed: AtomicU64,
}

/// What tells that a file has changed.
type Stamp = Option<(SystemTime, u64)>;

impl Files {
    pub(crate) fn new(paths: Vec<PathBuf>) -> Self {
        Self { paths, asked: Arc::default(), read: AtomicU64::new(0), failed: AtomicU64::new(0) }
    }

    pub(crate) fn reload(&self) -> Option<Reload> {
        (!self.paths.is_empty()).then(|| Reload(self.asked.clone()))
    }

    /// How often files were read again, and how often that failed.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.read.load(Relaxed), self.failed.load(Relaxed))
    }

    /// Calls `read` whenever a file has changed, or somebody asks.
    pub(crate) async fn watch<E: std::fmt::Display>(&self, read: impl Fn() -> Result<(), E>) {
        let mut known = self.stamps();
        let mut ticks = interval(EVERY);
        loop {
            let was_asked = tokio::select! {
                () = self.asked.notified() => true,
                _ = ticks.tick() => false,
            };
            let stamps = self.stamps();
            if !was_asked && stamps == known {
                continue;
            }
            known = stamps;
            match read() {
                Ok(()) => {
                    self.read.fetch_add(1, Relaxed);
                    tracing::info!("certificates and keys were read again");
                }
                Err(error) => {
                    self.failed.fetch_add(1, Relaxed);
                    tracing::warn!("what was in force stays: {error}");
                }
            }
        }
    }

    fn stamps(&self) -> Vec<Stamp> {
        let stamp = |path: &PathBuf| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        self.paths.iter().map(stamp).collect()
    }
}
