//! Content hashes: for file names that change with the content, and for "has anything changed?".

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};

/// 16 hex digits of the SHA-256: enough to tell files apart, short enough for a file name.
pub(crate) fn short(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The hash of many named parts, where moving a byte from one part to the next changes it.
#[derive(Default)]
pub(crate) struct Stamp(Sha256);

impl Stamp {
    pub(crate) fn add(&mut self, name: &str, bytes: &[u8]) {
        for part in [name.as_bytes(), bytes] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
    }

    /// Adds a file, or every file below a folder but for those in `skip`, in the order of their names.
    pub(crate) fn add_path(&mut self, path: &Path, skip: &[&PathBuf]) -> Result<()> {
        let cannot_read = || format!("cannot read {}", path.display());
        if skip.iter().any(|skipped| *skipped == path) || !path.exists() {
            return Ok(());
        }
        if path.is_file() {
            self.add(&path.to_string_lossy(), &std::fs::read(path).with_context(cannot_read)?);
            return Ok(());
        }
        let entries = std::fs::read_dir(path).with_context(cannot_read)?;
        let mut children = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
        children.sort();
        children.iter().try_for_each(|child| self.add_path(child, skip))
    }

    pub(crate) fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_hash_is_the_start_of_sha256() {
        assert_eq!(short(b"abc"), "ba7816bf8f01cfea");
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let stamp = |parts: &[(&str, &str)]| {
            let mut stamp = Stamp::default();
            parts.iter().for_each(|(name, text)| stamp.add(name, text.as_bytes()));
            stamp.finish()
        };
        assert_ne!(stamp(&[("a", "bc")]), stamp(&[("ab", "c")]));
        assert_ne!(stamp(&[("a", "b"), ("c", "d")]), stamp(&[("c", "d"), ("a", "b")]));
    }
}
