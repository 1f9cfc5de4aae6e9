//! Folders of the cache that are made of files of the repository, each under what it was made of.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache;
use crate::digest::Stamp;
use crate::process;

/// A program that was named by the environment: it is taken as it is, and has to be there.
pub(crate) fn named(variable: &str) -> Result<Option<PathBuf>> {
    let Some(path) = std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from) else {
        return Ok(None);
    };
    anyhow::ensure!(path.is_file(), "{variable} names {}, which is no file", path.display());
    Ok(Some(path))
}

/// The folder in the cache that was made of these files for this program, made first if it is not there.
///
/// It is made beside its place and then moved there, so that a half of it is never found.
pub(crate) fn made(
    name: &str,
    program: &Path,
    inputs: &[&PathBuf],
    make: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let mut stamp = Stamp::default();
    stamp.add("program", program.as_os_str().as_encoded_bytes());
    stamp.add("version", process::output(Command::new(program).arg("--version"))?.trim().as_bytes());
    for input in inputs {
        let file = input.file_name().unwrap_or_default().to_string_lossy();
        stamp.add(&file, &fs::read(input).with_context(|| format!("cannot read {}", input.display()))?);
    }
    let folder = cache::dir()?.join(format!("{name}-{}", stamp.finish()));
    if folder.is_dir() {
        return Ok(folder);
    }
    let fresh = folder.with_extension(format!("tmp-{}", std::process::id()));
    // What an earlier try may have left; that there is none is usual.
    let _ = fs::remove_dir_all(&fresh);
    fs::create_dir_all(&fresh).with_context(|| format!("cannot create {}", fresh.display()))?;
    let result = make(&fresh).and_then(|()| match fs::rename(&fresh, &folder) {
        // Somebody else was as quick; theirs was made of the same.
        Err(_) if folder.is_dir() => Ok(()),
        moved => moved.with_context(|| format!("cannot put {} in its place", folder.display())),
    });
    let _ = fs::remove_dir_all(&fresh);
    result.with_context(|| format!("{name} could not be made"))?;
    Ok(folder)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::process::find_program;

    #[test]
    fn a_folder_is_made_once_for_each_content_of_its_files_and_never_by_half() {
        let folder = std::env::temp_dir().join(format!("poolscope-made-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let input = folder.join("requirements");
        let program = find_program("cargo").unwrap();
        let make = |text: &str, result: Result<()>| {
            fs::write(&input, format!("{} {text}", folder.display())).unwrap();
            let mut is_new = false;
            let made = made("xtask-made-test", &program, &[&input], |folder| {
                is_new = true;
                fs::write(folder.join("file"), text)?;
                result
            });
            (made, is_new)
        };
        let (first, is_new) = make("one", Ok(()));
        let first = first.unwrap();
        assert!(is_new);
        assert_eq!(fs::read_to_string(first.join("file")).unwrap(), "one");
        let (again, is_new) = make("one", Ok(()));
        assert_eq!((again.unwrap(), is_new), (first.clone(), false));
        let (failed, _) = make("two", Err(anyhow::anyhow!("no network")));
        assert!(format!("{:#}", failed.unwrap_err()).contains("no network"));
        let (second, is_new) = make("two", Ok(()));
        let second = second.unwrap();
        assert!(is_new && second != first);
        for folder in [&first, &second, &folder] {
            fs::remove_dir_all(folder).unwrap();
        }
    }
}
