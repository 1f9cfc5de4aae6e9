//! [`FileStore`].

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{BreakerStore, StoredBreaker, StoredState};
use crate::said::Said;

/// Age up to which a file is believed by default.
pub const DEFAULT_MAX_AGE: Duration = Duration::from_secs(10 * 60);

/// Version of the format; another one is not read.
const VERSION: u32 = 1;

/// Largest file that is read: some ten thousand breakers.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Keeps breakers in a file, as JSON. It is written beside the old one and put in its place, so that a program or a machine
/// that dies meanwhile leaves one of the two. One that is damaged is not used, and of one that is too old or from the future
/// only what is held by hand is, since that holds until it is reset; a warning says so.
///
/// ```no_run
/// use poolscope::{Scope, breaker::{BreakerLayer, FileStore}};
///
/// # fn main() -> Result<(), poolscope::ConfigError> {
/// let store = FileStore::new("/var/lib/shop/breakers.json");
/// let layer = BreakerLayer::builder(&Scope::new()).name("shop").store(store).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    max_age: Duration,
}

#[derive(Debug, Serialize, Deserialize)]
struct Document {
    version: u32,
    written: SystemTime,
    breakers: Vec<StoredBreaker>,
}

impl FileStore {
    /// A store in a file of this path, whose folder exists. Each layer has its own.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), max_age: DEFAULT_MAX_AGE }
    }

    /// Age up to which the file is believed about what is open: what was down so long ago says nothing about now. What is held
    /// by hand has no age. By default, this is [`DEFAULT_MAX_AGE`].
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?,
        };
        if bytes.len() as u64 > MAX_BYTES {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                format!("it is larger than {MAX_BYTES} bytes"),
            ));
        }
        Ok(Some(bytes))
    }

    fn believe(
        &self,
        bytes: &[u8],
        now: SystemTime,
    ) -> Result<Vec<StoredBreaker>, Box<dyn Error + Send + Sync>> {
        let document: Document = serde_json::from_slice(bytes)?;
        if document.version != VERSION {
            return Err(format!("its format is {}, and not {VERSION}", document.version).into());
        }
        let doubt = match now.duration_since(document.written) {
            Ok(age) if age <= self.max_age => return Ok(document.breakers),
            Ok(age) => format!("it is {} old, and believed for {}", Said(age), Said(self.max_age)),
            Err(_) => "it was written in the future".to_owned(),
        };
        tracing::warn!(
            "{}: only breakers that are held by hand are used, since {doubt}",
            self.path.display()
        );
        let is_held = |stored: &StoredBreaker| matches!(stored.state, StoredState::Forced(_));
        Ok(document.breakers.into_iter().filter(is_held).collect())
    }

    fn beside(&self) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        self.path.with_file_name(name)
    }
}

fn about(path: &Path, error: impl std::fmt::Display) -> Box<dyn Error + Send + Sync> {
    format!("{}: {error}", path.display()).into()
}

impl BreakerStore for FileStore {
    fn load(&self) -> Result<Vec<StoredBreaker>, Box<dyn Error + Send + Sync>> {
        let Some(bytes) = self.read().map_err(|error| about(&self.path, error))? else {
            return Ok(Vec::new());
        };
        self.believe(&bytes, SystemTime::now()).map_err(|error| about(&self.path, error))
    }

    fn save(&self, breakers: &[StoredBreaker]) -> Result<(), Box<dyn Error + Send + Sync>> {
        let document = Document { version: VERSION, written: SystemTime::now(), breakers: breakers.to_vec() };
        let bytes = serde_json::to_vec(&document)?;
        let beside = self.beside();
        let write = || {
            let mut file = File::create(&beside)?;
            file.write_all(&bytes)?;
            // Or the new name might be on the disk before what it names.
            file.sync_all()?;
            fs::rename(&beside, &self.path)
        };
        write().map_err(|error| about(&self.path, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::breaker::Force;

    /// A folder of its own, gone with it.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("poolscope-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn store(&self) -> FileStore {
            FileStore::new(self.0.join("breakers.json"))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn some() -> Vec<StoredBreaker> {
        let until = SystemTime::now() + Duration::from_secs(5);
        let open = StoredState::Open { until, reopened: 2 };
        [("http://pay.example:80", open), ("reports", StoredState::Forced(Force::Open))]
            .map(|(name, state)| StoredBreaker { name: name.to_owned(), state })
            .to_vec()
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = Folder::new("loaded");
        let store = folder.store();
        assert_eq!(store.load().unwrap(), [], "there is no file yet");
        store.save(&some()[..1]).unwrap();
        let breakers = some();
        store.save(&breakers).unwrap();
        assert_eq!(store.load().unwrap(), breakers);
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_is_damaged_or_of_another_format_is_refused_in_words_and_what_is_too_old_only_tells_what_is_held()
    {
        let folder = Folder::new("refused");
        let store = folder.store();
        let document =
            |version, written| serde_json::to_vec(&Document { version, written, breakers: some() }).unwrap();
        let now = SystemTime::now();
        let whole = document(VERSION, now);
        let cases = [
            (whole[..whole.len() / 2].to_vec(), "EOF"),
            (vec![0; 100], "expected value"),
            (document(2, now), "format is 2"),
            (vec![b' '; MAX_BYTES as usize + 1], "larger"),
        ];
        for (bytes, word) in cases {
            fs::write(&store.path, bytes).unwrap();
            let error = store.load().unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("breakers.json"), "{error}");
        }
        fs::write(&store.path, whole).unwrap();
        assert_eq!(store.load().unwrap().len(), 2);
        for written in [now - 2 * DEFAULT_MAX_AGE, now + DEFAULT_MAX_AGE] {
            fs::write(&store.path, document(VERSION, written)).unwrap();
            assert_eq!(store.load().unwrap(), some()[1..]);
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_that_names_it() {
        let store = FileStore::new("/no/such/folder/breakers.json");
        assert!(store.save(&some()).unwrap_err().to_string().contains("/no/such/folder/breakers.json"));
    }
}
