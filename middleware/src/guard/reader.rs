//! [`Reader`]: what this process uses, as the kernel tells it.
//!
//! Whatever is read stays open: a process that is out of descriptors can still be asked.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use rustix::fs::{RawDir, SeekFrom, fstat, seek};
use rustix::process::{Resource, getrlimit};

use super::cgroup;

/// How long a limit of memory is taken to hold before it is read again.
const CGROUP_AGE: Duration = Duration::from_secs(10);

/// Files of the kernel, opened when they are first asked.
#[derive(Debug, Default)]
pub(super) struct Reader {
    descriptors: Option<File>,
    memory: Option<File>,
    memory_limit: Option<(Instant, Option<u64>)>,
}

impl Reader {
    /// Descriptors that are open, that of the reader included.
    pub(super) fn open_files(&mut self) -> Option<u64> {
        let directory = opened(&mut self.descriptors, "/proc/self/fd").ok()?;
        // Since Linux 6.2 its size is the count; before, it is 0.
        match fstat(&*directory).ok()?.st_size {
            size if size > 0 => u64::try_from(size).ok(),
            _ => entries(directory).ok(),
        }
    }

    /// How many descriptors may be open; `None` without a limit.
    pub(super) fn most_open_files(&self) -> Option<u64> {
        getrlimit(Resource::Nofile).current
    }

    /// Bytes of resident memory.
    pub(super) fn memory(&mut self) -> Option<u64> {
        let file = opened(&mut self.memory, "/proc/self/statm").ok()?;
        let mut text = [0; 128];
        let length = file.read_at(&mut text, 0).ok()?;
        let pages: u64 = std::str::from_utf8(&text[..length]).ok()?.split(' ').nth(1)?.parse().ok()?;
        Some(pages * rustix::param::page_size() as u64)
    }

    /// Bytes of memory that the process and its neighbours in the same group may use; `None` without a limit.
    pub(super) fn most_memory(&mut self, now: Instant) -> Option<u64> {
        match self.memory_limit {
            Some((read, limit)) if now.saturating_duration_since(read) < CGROUP_AGE => limit,
            // Where it can't be read because there is no descriptor left, the one that is known holds on.
            known => {
                let limit = cgroup::memory_limit().unwrap_or(known.and_then(|(_, limit)| limit));
                self.memory_limit = Some((now, limit));
                limit
            }
        }
    }
}

fn opened<'a>(slot: &'a mut Option<File>, path: &str) -> io::Result<&'a mut File> {
    match slot {
        Some(file) => Ok(file),
        None => Ok(slot.insert(File::open(path)?)),
    }
}

/// Entries of a directory, without the two that each has.
fn entries(directory: &File) -> io::Result<u64> {
    seek(directory, SeekFrom::Start(0))?;
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut entries = RawDir::new(directory, &mut buffer);
    let mut count = 0;
    while let Some(entry) = entries.next() {
        let name = entry?.file_name().to_bytes().first().copied();
        count += u64::from(name != Some(b'.'));
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_count_descriptors_agree_with_what_was_opened() {
        // Other tests of this process open files too: a moment is looked for at which they agree.
        let mut reader = Reader::default();
        let few: Vec<_> = (0..50).map(|_| File::open("/dev/null").unwrap()).collect();
        let agree = (0..1_000).any(|_| {
            let by_size = reader.open_files().unwrap();
            let by_entries = entries(reader.descriptors.as_ref().unwrap()).unwrap();
            // The list of the standard library has one of its own for the time.
            let listed = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64 - 1;
            by_size == by_entries && by_entries == listed && by_size > few.len() as u64
        });
        assert!(agree);
    }

    #[test]
    fn memory_is_what_the_kernel_says() {
        let mut reader = Reader::default();
        let before = reader.memory().unwrap();
        let block = vec![1_u8; 64 << 20];
        let after = reader.memory().unwrap();
        assert!(after >= before + (60 << 20), "{before} {after} {}", block.len());
        assert!(reader.most_open_files().is_some_and(|most| most > 0));
    }
}
