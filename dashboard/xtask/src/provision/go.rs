//! Programs that Go builds from modules, kept in the cache under what they were made of.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache;
use crate::digest::Stamp;
use crate::process::{self, find_program};

/// Where Go's own archive is unpacked by its instructions, which is not on every search path.
const USUAL: &str = "/usr/local/go/bin/go";

/// The Go that builds.
#[derive(Debug)]
pub(crate) struct Go {
    program: PathBuf,
    version: String,
}

impl Go {
    /// Finds Go; it is not installed, since every system has its own way to a recent one.
    pub(crate) fn find(why: &str) -> Result<Self> {
        let usual = || Some(PathBuf::from(USUAL)).filter(|program| program.is_file());
        let program = find_program("go").or_else(usual).with_context(|| {
            format!("{why}: install Go 1.25 or later from https://go.dev/dl, and put it on the search path")
        })?;
        let version = process::output(Command::new(&program).arg("version"))?.trim().to_owned();
        Ok(Self { program, version })
    }

    /// A command of Go's that needs nothing but modules and says nothing of this machine in what it builds.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        // Programs without C run wherever this kernel does. A repository around the cache is none of theirs.
        command.env("CGO_ENABLED", "0").env("GOFLAGS", "-buildvcs=false -trimpath");
        command
    }

    /// The program in the cache that was made of these files by this Go, made first if it is not there.
    ///
    /// `build` gets an empty folder to work in, and the path at which the program has to be in the end.
    pub(crate) fn built(
        &self,
        name: &str,
        inputs: &[PathBuf],
        build: impl FnOnce(&Path, &Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let mut stamp = Stamp::default();
        stamp.add("go", self.version.as_bytes());
        for input in inputs {
            let file = input.file_name().unwrap_or_default().to_string_lossy();
            let content = fs::read(input).with_context(|| format!("cannot read {}", input.display()))?;
            stamp.add(&file, &content);
        }
        let program = cache::dir()?.join(format!("{name}-{}", stamp.finish()));
        if program.is_file() {
            return Ok(program);
        }
        let work = program.with_extension(format!("tmp-{}", std::process::id()));
        // What an earlier try may have left; that there is none is usual.
        let _ = fs::remove_dir_all(&work);
        fs::create_dir_all(&work).with_context(|| format!("cannot create {}", work.display()))?;
        let fresh = work.join("program");
        let result = build(&work, &fresh)
            .and_then(|()| fs::rename(&fresh, &program).context("the build left no program"));
        let _ = fs::remove_dir_all(&work);
        result.with_context(|| format!("{name} could not be built with {}", self.version))?;
        Ok(program)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// Anything that answers to `version` will do where nothing is compiled.
    fn some_go() -> Go {
        Go { program: "go".into(), version: format!("go of process {}", std::process::id()) }
    }

    #[test]
    fn a_program_is_built_once_for_each_content_of_its_files() {
        let go = some_go();
        let folder = std::env::temp_dir().join(format!("poolscope-go-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let input = folder.join("manifest");
        let build = |text: &str| {
            fs::write(&input, text).unwrap();
            let mut built = false;
            let program = go.built("xtask-go-test", std::slice::from_ref(&input), |work, program| {
                built = true;
                assert!(work.is_dir());
                Ok(fs::write(program, text)?)
            });
            (program.unwrap(), built)
        };
        let (first, built) = build("one");
        assert!(built);
        assert_eq!(build("one"), (first.clone(), false));
        let (second, built) = build("two");
        assert!(built && first != second);
        assert_eq!(fs::read_to_string(&second).unwrap(), "two");
        for file in [&first, &second] {
            fs::remove_file(file).unwrap();
        }

        let error = go.built("xtask-go-test", std::slice::from_ref(&input), |_, _| Ok(())).unwrap_err();
        assert!(format!("{error:#}").contains("left no program"), "{error:#}");
        fs::write(&input, "three").unwrap();
        let error = go.built("xtask-go-test", &[input], |_, _| anyhow::bail!("no network")).unwrap_err();
        assert!(format!("{error:#}").contains("no network"), "{error:#}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
