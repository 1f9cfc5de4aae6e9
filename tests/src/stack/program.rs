//! A program that runs until it is dropped, with a folder of its own and a log that a failure shows.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use std::{env, io};

use rustix::process::{Pid, Signal, kill_process};

/// A cold start of the slowest of them on a busy machine.
const START: Duration = Duration::from_secs(60);
/// How long it may take to end when asked.
const GRACE: Duration = Duration::from_secs(10);
/// What of a log is shown.
const TAIL: usize = 4_000;
const LOG: &str = "program.log";

/// A running program; dropping it ends it.
#[derive(Debug)]
pub struct Program {
    name: &'static str,
    child: Child,
    folder: PathBuf,
}

impl Program {
    /// A new folder for a program to be started.
    ///
    /// # Errors
    /// If it can't be made.
    pub fn folder(name: &str) -> io::Result<PathBuf> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Relaxed);
        let folder = env::temp_dir().join(format!("poolscope-{name}-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Where a program is: what the variable names, or what is on the search path.
    ///
    /// # Errors
    /// If there is none; the error says how to get it.
    pub fn find(variable: &str, names: &[&str]) -> io::Result<PathBuf> {
        if let Some(program) = env::var_os(variable) {
            return Ok(program.into());
        }
        let path = env::var_os("PATH").unwrap_or_default();
        let files = env::split_paths(&path).flat_map(|dir| names.iter().map(move |name| dir.join(name)));
        files.into_iter().find(|file| file.is_file()).ok_or_else(|| {
            let names = names.join(" or ");
            let what =
                format!("no {names} on the path and no {variable}; `cargo xtask test --suite stack` gets it");
            io::Error::new(io::ErrorKind::NotFound, what)
        })
    }

    /// Starts it in its folder, which is removed in the end.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(name: &'static str, folder: PathBuf, command: &mut Command) -> io::Result<Self> {
        let log = File::create(folder.join(LOG))?;
        let child = command
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("{name} does not start: {error}")))?;
        Ok(Self { name, child, folder })
    }

    /// Waits until it is ready.
    ///
    /// # Errors
    /// If it ends or takes too long; the error has the end of its log.
    pub async fn ready(&mut self, mut is_ready: impl AsyncFnMut() -> bool) -> io::Result<()> {
        let deadline = Instant::now() + START;
        while !is_ready().await {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("{} ended ({status}): {}", self.name, self.log())));
            }
            if Instant::now() >= deadline {
                return Err(io::Error::other(format!("{} is not ready: {}", self.name, self.log())));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Its folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.folder
    }

    /// The end of what it wrote.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = fs::read(self.folder.join(LOG)).unwrap_or_default();
        String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(TAIL)..]).into_owned()
    }

    /// Ends it in order, which lets it pass on what it holds.
    pub fn stop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let deadline = Instant::now() + GRACE;
        if pid.is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok()) {
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        // That it has ended already is no harm.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            self.stop();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}
