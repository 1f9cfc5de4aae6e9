//! Instructions of one request, counted by valgrind's callgrind.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::program::Programs;
use crate::process::{self, say};
use crate::workspace::Workspace;

/// Requests of the short and the long run; their difference leaves the set-up out.
const REQUESTS: [u32; 2] = [1_600, 6_400];

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
    pub(super) fn count(&self, programs: &Programs, case: &[String]) -> Result<f64> {
        let [few, many] = REQUESTS;
        let (of_few, of_many) = (self.run(programs, case, few)?, self.run(programs, case, many)?);
        Ok((of_many - of_few) / f64::from(many - few))
    }

    fn run(&self, programs: &Programs, case: &[String], requests: u32) -> Result<f64> {
        // The arguments are pairs of a name and a value: the stack and the case name the file.
        let file = self.dir.join(format!("{}.{}.{requests}.out", case[1], case[3]));
        say(format!("callgrind: {} {}, {requests} requests", case[1], case[3]));
        let mut command = Command::new(&self.program);
        command.args(["--quiet", "--tool=callgrind"]);
        command.arg(format!("--callgrind-out-file={}", file.display()));
        command.arg(programs.client_path()).args(case).args(["--requests", &requests.to_string()]);
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
