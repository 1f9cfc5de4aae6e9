//! A program together with everything it starts, ended as one.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{TICK, cannot_start};

/// How long a program may take to end when asked, before it is ended.
const GRACE: Duration = Duration::from_secs(5);

/// How much of a log is read for its last lines, and how many of them are told.
const LOG_END_BYTES: u64 = 16 * 1024;
const LOG_END_LINES: usize = 12;
/// Characters of a line that are shown.
const LOG_LINE_CHARS: usize = 160;

/// A running program; ended when dropped.
#[derive(Debug)]
pub(crate) struct Group {
    child: Child,
    status: Option<ExitStatus>,
    /// Where it writes, if that is not where this program does.
    log: Option<PathBuf>,
}

impl Group {
    /// Starts the program at the head of a process group of its own. A Ctrl-C in the terminal then reaches only this
    /// program, which passes it on: see [`Stop`].
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        Stop::listen()?;
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        let child = command.spawn().with_context(|| cannot_start(command))?;
        Ok(Self { child, status: None, log: None })
    }

    /// [`Group::start`] of a program that writes its log into a file.
    pub(crate) fn start_logging(command: &mut Command, path: PathBuf) -> Result<Self> {
        let log = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut group = Self::start(command.stdout(log.try_clone()?).stderr(log))?;
        group.log = Some(path);
        Ok(group)
    }

    /// Where it says why it failed: a part of a sentence, and the end of its log if it has one.
    pub(crate) fn says_why(&self) -> String {
        let Some(path) = &self.log else { return "what it wrote above says why".to_owned() };
        match last_lines(path) {
            Ok(lines) if lines.is_empty() => format!("its log is empty: {}", path.display()),
            Ok(lines) => format!("its log, {}, ends with\n{lines}", path.display()),
            Err(error) => format!("its log, {}, cannot be read: {error}", path.display()),
        }
    }

    /// The pipe to its stdout, if it was asked for and not taken yet.
    pub(crate) fn take_stdout(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    /// The pipe to its stdin, if it was asked for and not taken yet.
    pub(crate) fn take_stdin(&mut self) -> Option<std::process::ChildStdin> {
        self.child.stdin.take()
    }

    /// How it ended, if it has. Fails if the user wants everything to stop.
    pub(crate) fn status(&mut self) -> Result<Option<ExitStatus>> {
        if Stop::wanted() {
            anyhow::bail!("stopped");
        }
        self.poll()
    }

    fn poll(&mut self) -> Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.child.try_wait().context("cannot ask for the state of a child process")?;
        }
        Ok(self.status)
    }

    /// Asks it to end as Ctrl-C would, waits, and ends it if it does not.
    pub(crate) fn stop(&mut self) {
        self.signal(false);
        let deadline = Instant::now() + GRACE;
        while matches!(self.poll(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(TICK);
        }
        // Also when it has ended: what it had started may still be there.
        self.signal(true);
        if self.status.is_none() {
            self.status = self.child.wait().ok();
        }
    }

    #[cfg(unix)]
    fn signal(&self, kill: bool) {
        use nix::sys::signal::{Signal, killpg};
        let Ok(group) = i32::try_from(self.child.id()) else { return };
        // Fails when nobody is left in the group, which is what is wanted.
        let _ =
            killpg(nix::unistd::Pid::from_raw(group), if kill { Signal::SIGKILL } else { Signal::SIGINT });
    }

    #[cfg(not(unix))]
    fn signal(&mut self, _kill: bool) {
        let _ = self.child.kill();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.stop();
    }
}

fn last_lines(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let from = file.metadata()?.len().saturating_sub(LOG_END_BYTES);
    file.seek(SeekFrom::Start(from))?;
    let mut end = Vec::new();
    file.take(LOG_END_BYTES).read_to_end(&mut end)?;
    let end = String::from_utf8_lossy(&end);
    let lines: Vec<_> = end.lines().map(|line| format!("    {}", shortened(line))).collect();
    Ok(lines[lines.len().saturating_sub(LOG_END_LINES)..].join("\n"))
}

/// A line that is longer than two of a terminal would push away what was said before it; the log has the rest.
fn shortened(line: &str) -> String {
    match line.char_indices().nth(LOG_LINE_CHARS) {
        Some((end, _)) => format!("{} ...", &line[..end]),
        None => line.to_owned(),
    }
}

/// Whether the user, or the system, wants this program to end.
#[derive(Debug)]
pub(crate) struct Stop;

static WANTED: AtomicBool = AtomicBool::new(false);

impl Stop {
    /// From now on a signal does not end this program at once, but lets it end what it has started.
    pub(crate) fn listen() -> Result<()> {
        static LISTENING: OnceLock<()> = OnceLock::new();
        if LISTENING.set(()).is_ok() {
            ctrlc::set_handler(|| WANTED.store(true, Ordering::Relaxed))
                .context("cannot listen for Ctrl-C")?;
        }
        Ok(())
    }

    pub(crate) fn wanted() -> bool {
        WANTED.load(Ordering::Relaxed)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::process::Stdio;

    use super::*;

    #[test]
    fn why_a_program_failed_is_at_the_end_of_its_log() {
        let path = std::env::temp_dir().join(format!("xtask-group-{}.log", std::process::id()));
        let mut command = Command::new("sh");
        let mut group = Group::start_logging(
            command.args(["-c", "seq 1 50; printf %0500d 0; echo; echo no such option >&2"]),
            path.clone(),
        )
        .unwrap();
        while group.status().unwrap().is_none() {
            thread::sleep(TICK);
        }
        let why = group.says_why();
        std::fs::remove_file(&path).unwrap();
        assert!(why.contains(&path.display().to_string()) && why.ends_with("    no such option"), "{why}");
        assert_eq!(why.lines().count(), 1 + LOG_END_LINES, "{why}");
        assert!(why.lines().skip(1).all(|line| line.len() <= LOG_LINE_CHARS + 8), "{why}");
    }

    #[test]
    fn what_a_program_has_started_ends_with_it() {
        let script = "sleep 300 & echo $!; wait";
        let mut group = Group::start(Command::new("sh").args(["-c", script]).stdout(Stdio::piped())).unwrap();
        let mut line = String::new();
        BufReader::new(group.take_stdout().unwrap()).read_line(&mut line).unwrap();
        let grandchild = nix::unistd::Pid::from_raw(line.trim().parse().unwrap());
        assert!(nix::sys::signal::kill(grandchild, None).is_ok(), "the sleep runs");
        assert_eq!(group.status().unwrap(), None);

        drop(group);

        // The grandchild is reaped by whoever adopts orphans, which may take a moment or, in some containers, never
        // happen: then it stays a corpse, which the kernel calls Z, or X in its last moment. Its command line would not do: it
        // is empty for a moment also where a program takes the place of another.
        let runs = || {
            let stat = std::fs::read_to_string(format!("/proc/{grandchild}/stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        while runs() {
            assert!(Instant::now() < deadline, "the sleep still runs");
            thread::sleep(TICK);
        }
    }
}
