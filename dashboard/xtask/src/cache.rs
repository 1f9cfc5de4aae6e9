//! The folder outside the clone where what is expensive to make is kept between runs and clones.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result};

/// `POOLSCOPE_CACHE`, else `XDG_CACHE_HOME/poolscope`, else `~/.cache/poolscope`; made if it is not there.
pub(crate) fn dir() -> Result<PathBuf> {
    let dir = path(|name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
        .context("no place for the cache: set POOLSCOPE_CACHE to a folder that can be written")?;
    std::fs::create_dir_all(&dir)
        .with_context(|| format!("cannot create the cache folder {}; set POOLSCOPE_CACHE", dir.display()))?;
    Ok(dir)
}

fn path(var: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    var("POOLSCOPE_CACHE")
        .or_else(|| var("XDG_CACHE_HOME").map(|dir| dir.join("poolscope")))
        .or_else(|| var("HOME").map(|dir| dir.join(".cache/poolscope")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_variable_wins_then_xdg_then_home() {
        let all = [("POOLSCOPE_CACHE", "/own"), ("XDG_CACHE_HOME", "/xdg"), ("HOME", "/me")];
        let with = |from: usize| {
            path(|name| {
                all[from..].iter().find(|(key, _)| *key == name).map(|(_, value)| PathBuf::from(value))
            })
        };
        assert_eq!(with(0), Some(PathBuf::from("/own")));
        assert_eq!(with(1), Some(PathBuf::from("/xdg/poolscope")));
        assert_eq!(with(2), Some(PathBuf::from("/me/.cache/poolscope")));
        assert_eq!(with(3), None);
    }
}
