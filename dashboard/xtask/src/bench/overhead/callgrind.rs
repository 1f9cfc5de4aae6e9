//! Instructions of one request, counted by valgrind's callgrind.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::program::{Programs, Subject};
use crate::bench::spread::median;
use crate::process::{self, say};
use crate::workspace::Workspace;

/// Requests of the short and the long run; their difference leaves the set-up out.
const REQUESTS: [u32; 2] = [1_600, 6_400];
/// How requests fall together differs from run to run, by half a percent of the instructions.
const RUNS: usize = 3;

/// Counts, and keeps what callgrind has written.
pub(super) struct Callgrind {
    program: PathBuf,
    dir: PathBuf,
}

impl Callgrind {
    pub(super) fn new(program: PathBuf, workspace: &Workspace) -> Result<Self> {
        let dir = workspace.target_dir.join("bench/callgrind");
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        say(format!("callgrind writes to {}; callgrind_annotate reads it", dir.display()));
        Ok(Self { program, dir })
    }

    /// Instructions per request of the whole client process.
    pub(super) fn count(&self, programs: &Programs, subject: Subject<'_>) -> Result<f64> {
        say(format!("callgrind: {} {}", subject.stack, subject.case));
        let [few, many] = REQUESTS;
        let mut counts = Vec::new();
        for _ in 0..RUNS {
            let (of_few, of_many) = (self.run(programs, subject, few)?, self.run(programs, subject, many)?);
            counts.push((of_many - of_few) / f64::from(many - few));
        }
        median(counts.into_iter()).context("callgrind was not run")
    }

    fn run(&self, programs: &Programs, subject: Subject<'_>, requests: u32) -> Result<f64> {
        let file = self.dir.join(format!("{}.{}.{requests}.out", subject.stack, subject.case));
        let mut command = Command::new(&self.program);
        command.args(["--quiet", "--tool=callgrind"]);
        command.arg(format!("--callgrind-out-file={}", file.display()));
        command
            .arg(programs.client_path())
            .args(subject.arguments())
            .args(["--requests", &requests.to_string()]);
        process::output(&mut command)?;
        read_total(&file)
    }
}

fn read_total(file: &Path) -> Result<f64> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    total(&text).with_context(|| format!("callgrind wrote no total to {}", file.display()))
}

/// All instructions of a run, from the last line that sums them up.
fn total(text: &str) -> Option<f64> {
    text.lines().rev().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_where_there_is_one() {
        assert_eq!(total("events: Ir\nfn=(1)\n3 7\n\ntotals: 133742137\n"), Some(133_742_137.0));
        assert_eq!(total("events: Ir\n"), None);
    }
}
