//! Secrets of the settings: given as they are, or in a file that is read again when it changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::AccessError;
use crate::config::{self, Secret};

/// Keys that senders may use at once: the old and the new.
const MAX_KEYS: usize = 2;

// What the flags are called that give them, and with `-file` behind, those that name a file.
pub(super) const LOGIN_TOKEN: &str = "login-token";
pub(super) const SCRAPE_KEY: &str = "scrape-key";
const OTLP_KEY: &str = "otlp-api-key";

/// The one that is given, by its value or its file.
pub(super) fn one_of(
    name: &'static str,
    value: &Option<Secret>,
    file: &Option<PathBuf>,
) -> Result<Option<Secret>, AccessError> {
    match (value, file) {
        (Some(_), Some(_)) => Err(AccessError::Both(name)),
        (Some(secret), None) => Ok(Some(secret.clone())),
        (None, Some(file)) => one_in(name, file).map(Some),
        (None, None) => Ok(None),
    }
}

pub(super) fn keys(config: &config::Access) -> Result<Arc<[Secret]>, AccessError> {
    match (&config.otlp_api_key, &config.otlp_api_key_secondary, &config.otlp_api_key_file) {
        (None, Some(_), _) => Err(AccessError::SecondaryAlone),
        (Some(_), _, Some(_)) => Err(AccessError::Both(OTLP_KEY)),
        (None, None, Some(file)) => keys_in(file),
        (first, second, None) => Ok([first, second].into_iter().flatten().cloned().collect()),
    }
}

pub(super) fn keys_in(file: &Path) -> Result<Arc<[Secret]>, AccessError> {
    read(OTLP_KEY, file, MAX_KEYS).map(Into::into)
}

/// The secret in a file.
pub(super) fn one_in(name: &'static str, file: &Path) -> Result<Secret, AccessError> {
    let one = read(name, file, 1)?.into_iter().next();
    one.ok_or_else(|| AccessError::File { name, file: file.to_owned(), problem: "it is empty".to_owned() })
}

/// The secrets in a file, one a line.
fn read(name: &'static str, file: &Path, most: usize) -> Result<Vec<Secret>, AccessError> {
    let bad = |problem: String| AccessError::File { name, file: file.to_owned(), problem };
    let text = std::fs::read_to_string(file).map_err(|error| bad(error.to_string()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let secrets: Result<Vec<Secret>, _> = lines.map(str::parse).collect();
    let secrets = secrets.map_err(|error: config::SecretError| bad(error.to_string()))?;
    match secrets.len() {
        0 => Err(bad("it is empty".to_owned())),
        found if found > most => Err(bad(format!("it has {found} lines, of which {most} would be read"))),
        _ => Ok(secrets),
    }
}
