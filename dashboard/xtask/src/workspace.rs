//! What cargo knows of this workspace.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process;

/// The workspace as `cargo metadata` tells it, without the dependencies from registries.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// Folder of the root manifest.
    pub(crate) root: PathBuf,
    /// Where cargo writes, unless told otherwise.
    pub(crate) target_dir: PathBuf,
    /// The members, in cargo's own form.
    pub(crate) packages: Vec<Value>,
}

impl Workspace {
    pub(crate) fn load() -> Result<Self> {
        let text = process::output(process::cargo().args(["metadata", "--format-version=1", "--no-deps"]))?;
        let mut metadata: Value = serde_json::from_str(&text).context("cargo metadata did not print JSON")?;
        let path = |key: &str| -> Result<PathBuf> {
            Ok(metadata[key].as_str().with_context(|| format!("cargo metadata has no {key}"))?.into())
        };
        let (root, target_dir) = (path("workspace_root")?, path("target_directory")?);
        let packages = match metadata["packages"].take() {
            Value::Array(packages) => packages,
            _ => anyhow::bail!("cargo metadata has no packages"),
        };
        Ok(Self { root, target_dir, packages })
    }

    pub(crate) fn ui_dir(&self) -> PathBuf {
        self.root.join("dashboard/ui")
    }

    /// A path as it is written in messages: from the root on, with `/`.
    pub(crate) fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().replace('\\', "/")
    }
}
