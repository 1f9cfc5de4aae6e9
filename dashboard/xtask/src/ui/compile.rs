//! From Rust to a wasm module and the JavaScript that loads it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

use super::bundle::{Files, read_tree};
use crate::process;
use crate::provision::wasm::{TARGET, Toolchain};
use crate::workspace::Workspace;

/// Name of the UI crate, and the stem of the files made from it.
pub(super) const NAME: &str = "poolscope-ui";

/// The linked module. Web builds have a target folder of their own: another compiler or other flags in the same one
/// would have every build throw away the work of the one before.
pub(super) fn module(workspace: &Workspace, toolchain: &Toolchain, dev: bool) -> Result<PathBuf> {
    let target_dir = workspace.target_dir.join("web");
    let (profile, folder) = if dev { ("dev", "debug") } else { ("web", "web") };
    let mut command = toolchain.cargo(&workspace.root);
    command.args(["build", "--package", NAME, "--bin", NAME, "--target", TARGET, "--profile", profile]);
    command.arg("--target-dir").arg(&target_dir);
    process::run(&mut command)?;
    Ok(target_dir.join(TARGET).join(folder).join(NAME).with_extension("wasm"))
}

/// What wasm-bindgen makes of the module: `poolscope-ui.js`, `poolscope-ui_bg.wasm` and snippets, if there are any.
pub(super) fn bind(module: &Path) -> Result<Files> {
    let out = module.with_extension("bound");
    if out.exists() {
        std::fs::remove_dir_all(&out).with_context(|| format!("cannot remove {}", out.display()))?;
    }
    let mut bindgen = Bindgen::new();
    bindgen.input_path(module).out_name(NAME).typescript(false);
    bindgen.remove_name_section(true).remove_producers_section(true);
    bindgen
        .web(true)
        .and_then(|bindgen| bindgen.generate(&out))
        .context("wasm-bindgen refused the module")?;
    read_tree(&out)
}
