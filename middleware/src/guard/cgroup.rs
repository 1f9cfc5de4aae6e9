//! The limit of memory that the control group of this process sets, of either version.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What a group without a limit of the first version says, but for the size of a page.
const UNLIMITED: u64 = 1 << 62;

/// The smallest limit of the group and those above it, in bytes; `None` without one.
///
/// # Errors
///
/// Its group can't be read.
pub(super) fn memory_limit() -> io::Result<Option<u64>> {
    limit_below(Path::new("/sys/fs/cgroup"), &fs::read_to_string("/proc/self/cgroup")?)
}

fn limit_below(root: &Path, groups: &str) -> io::Result<Option<u64>> {
    let mut smallest: Option<u64> = None;
    for (folder, path, file) in groups.lines().filter_map(|line| group(root, line)) {
        // In a container, the path may be one that only the host sees; the group of the container is the root then.
        let path = Path::new(path.trim_start_matches('/'));
        for group in path.ancestors() {
            let limit = match fs::read_to_string(folder.join(group).join(file)) {
                Ok(text) => text.trim().parse().ok().filter(|limit| *limit < UNLIMITED),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            smallest = [smallest, limit].into_iter().flatten().min();
        }
    }
    Ok(smallest)
}

/// Where the limit of memory of a line of `/proc/self/cgroup` stands: the root of its tree, the path in it, the file.
fn group<'a>(root: &Path, line: &'a str) -> Option<(PathBuf, &'a str, &'static str)> {
    let mut fields = line.splitn(3, ':');
    let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    if number == "0" {
        return Some((root.to_owned(), path, "memory.max"));
    }
    let is_memory = controllers.split(',').any(|controller| controller == "memory");
    is_memory.then(|| (root.join("memory"), path, "memory.limit_in_bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of groups with a limit each.
    fn tree(limits: &[(&str, &str)]) -> tempdir::Folder {
        let folder = tempdir::Folder::new();
        for (path, limit) in limits {
            let file = folder.path().join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, limit).unwrap();
        }
        folder
    }

    mod tempdir {
        use std::path::{Path, PathBuf};
        use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

        pub(super) struct Folder(PathBuf);

        impl Folder {
            pub(super) fn new() -> Self {
                static NEXT: AtomicU32 = AtomicU32::new(0);
                let name = format!("poolscope-cgroup-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
                let path = std::env::temp_dir().join(name);
                std::fs::create_dir_all(&path).unwrap();
                Self(path)
            }

            pub(super) fn path(&self) -> &Path {
                &self.0
            }
        }

        impl Drop for Folder {
            fn drop(&mut self) {
                let _ = std::fs::remove_dir_all(&self.0);
            }
        }
    }

    #[test]
    fn the_smallest_limit_up_to_the_root_holds() {
        let tree = tree(&[
            ("shop/memory.max", "1000\n"),
            ("shop/web/memory.max", "max\n"),
            ("shop/web/one/memory.max", "4000\n"),
        ]);
        let limit = |groups| limit_below(tree.path(), groups).unwrap();
        assert_eq!(limit("0::/shop/web/one\n"), Some(1000));
        assert_eq!(limit("0::/elsewhere\n"), None);
        assert_eq!(limit(""), None);
    }

    #[test]
    fn a_container_sees_its_own_group_as_the_root() {
        let second = tree(&[("memory.max", "2000")]);
        assert_eq!(limit_below(second.path(), "0::/\n").unwrap(), Some(2000));
        let first = tree(&[("memory/memory.limit_in_bytes", "3000")]);
        let groups = "4:memory:/docker/0fd5\n1:name=systemd:/docker/0fd5\n0::/\n";
        assert_eq!(limit_below(first.path(), groups).unwrap(), Some(3000));
    }

    #[test]
    fn a_group_of_the_first_version_without_a_limit_has_none() {
        let tree = tree(&[("memory/memory.limit_in_bytes", "9223372036854771712")]);
        assert_eq!(limit_below(tree.path(), "4:cpu,memory:/\n").unwrap(), None);
    }
}
