//! From Rust to a wasm module and the JavaScript that loads it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use wasm_bindgen_cli_support::Bindgen;
use wasm_split_cli_support::Options;

use super::alike;
use super::bundle::{Files, read_tree};
use super::squeeze;
use crate::process;
use crate::provision::wasm::{TARGET, Toolchain};
use crate::workspace::Workspace;

/// Name of the UI crate, and the stem of the files made from it.
pub(super) const NAME: &str = "poolscope-ui";
/// What loads the parts of the module.
pub(super) const LOADER: &str = "poolscope-ui-parts.js";

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

/// Takes the module apart where the UI marks it. Gives the module that is loaded first, and the files of the others: the
/// parts that are loaded when they are needed, and [`LOADER`], which loads them.
pub(super) fn split(module: &Path) -> Result<(PathBuf, Files)> {
    let input = std::fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    let folder = empty(module.with_extension("parts"))?;
    let first = module.with_extension("first.wasm");
    let mut options = Options::new(&input);
    options.output_dir = &folder;
    options.main_out_path = &first;
    let (loader, main) = (format!("./{LOADER}"), format!("./{NAME}.js"));
    options.link_name = &loader;
    options.main_module = &main;
    wasm_split_cli_support::transform(options)
        .map_err(|error| anyhow!("the module can't be split: {error:#}"))?;
    let mut parts = read_tree(&folder)?;
    for (name, content) in &mut parts {
        if name.ends_with(".wasm") {
            let nameless = without_names(content).with_context(|| format!("{name} is no module"))?;
            *content =
                alike::beside_each_other(&nameless).with_context(|| format!("{name} can't be sorted"))?;
        }
    }
    Ok((first, parts))
}

/// A module without the sections that only tell what things are called, and who made it. The linker writes them, and
/// wasm-bindgen, which takes them out of the first module, does not see the others.
fn without_names(module: &[u8]) -> Option<Vec<u8>> {
    let (magic, mut rest) = module.split_at_checked(8)?;
    let mut kept = magic.to_vec();
    while let Some((kind, after)) = rest.split_first() {
        let (length, content) = number(after)?;
        let section = rest.get(..rest.len() - content.len() + length)?;
        let content = content.get(..length)?;
        let name = number(content).and_then(|(length, name)| name.get(..length));
        if *kind != 0 || !matches!(name, Some(b"name" | b"producers")) {
            kept.extend_from_slice(section);
        }
        rest = &rest[section.len()..];
    }
    Some(kept)
}

/// A number of variable length (LEB128), and what follows it.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let end = bytes.iter().take(5).position(|byte| byte & 0x80 == 0)?;
    let (digits, rest) = bytes.split_at(end + 1);
    Some((digits.iter().rev().fold(0, |number, digit| number << 7 | usize::from(digit & 0x7f)), rest))
}

/// What wasm-bindgen makes of the first module: `poolscope-ui.js`, `poolscope-ui_bg.wasm` and snippets, if there are any.
pub(super) fn bind(module: &Path, dev: bool) -> Result<Files> {
    let out = empty(module.with_extension("bound"))?;
    let mut bindgen = Bindgen::new();
    bindgen.input_path(module).out_name(NAME).typescript(false);
    bindgen.remove_name_section(true).remove_producers_section(true);
    // The parts refer to what the first exports, by the names that the linker gave.
    bindgen.keep_lld_exports(true).demangle(false);
    bindgen
        .web(true)
        .and_then(|bindgen| bindgen.generate(&out))
        .context("wasm-bindgen refused the module")?;
    let mut files = read_tree(&out)?;
    if !dev {
        squeeze::squeeze(&mut files)?;
    }
    Ok(files)
}

/// A folder with nothing in it.
fn empty(folder: PathBuf) -> Result<PathBuf> {
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_out_of_a_module_and_nothing_else() {
        let section = |kind: u8, content: &[u8]| {
            let mut section = vec![kind, content.len() as u8 | 0x80, 0];
            section.extend_from_slice(content);
            section
        };
        let (magic, code) = (b"\0asm\x01\0\0\0", section(10, b"code"));
        let features = section(0, b"\x0ftarget_features...");
        let names = [section(0, b"\x04nameabc"), section(0, b"\x09producersabc")];
        let module =
            [magic.to_vec(), names[0].clone(), code.clone(), features.clone(), names[1].clone()].concat();
        assert_eq!(without_names(&module), Some([magic.to_vec(), code, features].concat()));
        assert_eq!(without_names(&module[..module.len() - 1]), None);
        assert_eq!(without_names(b"<html>"), None);
    }
}
