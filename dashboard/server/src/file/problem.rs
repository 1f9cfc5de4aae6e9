//! Why the file can't be used, in words, with what to do.

use std::io;
use std::path::Path;

use redb::{CommitError, DatabaseError, StorageError, TableError, TransactionError};

/// See the module.
#[derive(Debug)]
pub(super) enum Problem {
    /// Another process writes it.
    InUse,
    /// It was written by another version of the dashboard, or of the engine.
    OtherVersion(String),
    /// It is something else.
    Foreign,
    /// Its contents can't be right.
    Damaged(String),
    /// The system refused.
    Io(io::Error),
}

impl Problem {
    /// The sentence for the log and the About page.
    pub(super) fn sentence(&self, path: &Path) -> String {
        let path = path.display();
        let aside = "it is left as it is; move it away, or name another file with --store";
        match self {
            Self::InUse => format!("another process uses {path}; end it, or name another file with --store"),
            Self::OtherVersion(which) => format!("{path} was written by another version ({which}); {aside}"),
            Self::Foreign => format!("{path} is no file of Poolscope; {aside}"),
            Self::Damaged(what) => format!("{path} is damaged ({what}); {aside}"),
            Self::Io(error) if is_full(error) => {
                format!("there is no room for {path} ({error}); make room, or set a lower --store-max-mb")
            }
            Self::Io(error) => format!("{path} can't be read or written: {error}"),
        }
    }

    /// Whether it may work again later without anybody touching the file.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Io(_))
    }
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | FileTooLarge | QuotaExceeded)
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        // What the engine says to a file that does not begin as its own do.
        if error.kind() == io::ErrorKind::InvalidData { Self::Foreign } else { Self::Io(error) }
    }
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Io(error) => error.into(),
            StorageError::PreviousIo => Self::Io(io::Error::other("an earlier write failed")),
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl From<DatabaseError> for Problem {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => Self::InUse,
            DatabaseError::UpgradeRequired(version) => {
                Self::OtherVersion(format!("version {version} of the storage engine"))
            }
            DatabaseError::Storage(error) => error.into(),
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl From<TransactionError> for Problem {
    fn from(error: TransactionError) -> Self {
        match error {
            TransactionError::Storage(error) => error.into(),
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl From<TableError> for Problem {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Storage(error) => error.into(),
            TableError::TableDoesNotExist(_) => Self::Foreign,
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl From<CommitError> for Problem {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Storage(error) => error.into(),
            other => Self::Damaged(other.to_string()),
        }
    }
}
