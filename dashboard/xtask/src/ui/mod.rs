//! `cargo xtask ui`: the browser part, built into `dashboard/ui/dist`.

mod alike;
mod bundle;
mod compile;
mod compress;
mod squeeze;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use self::bundle::Files;
use crate::digest::Stamp;
use crate::process::say;
use crate::provision::wasm;
use crate::workspace::Workspace;

/// The most bytes that opening the dashboard may download, packed by brotli, which moves by some 200 for nothing: with 90 bytes
/// fewer to pack, there were 211 more.
const BUDGET: usize = 188_000;

/// Builds the browser UI into dashboard/ui/dist, from where the dashboard server takes it.
///
/// Installs, if missing: the wasm32-unknown-unknown target by rustup; where rustup cannot reach its server, on Debian as
/// root, the packages rustc-web, cargo-web, rust-web-src and lld, and a standard library built from them into the cache
/// (POOLSCOPE_CACHE, else XDG_CACHE_HOME/poolscope, else ~/.cache/poolscope). wasm-bindgen is a part of this program.
/// Nothing is done when nothing has changed since the last build. Fails when what opening the dashboard downloads is larger
/// than it may be.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct Args {
    /// Builds without optimising: quick to rebuild, large, not for measuring
    #[arg(long)]
    dev: bool,
    /// Builds even if nothing has changed
    #[arg(long)]
    force: bool,
    /// The compiler to use
    #[arg(long, value_enum, default_value_t)]
    toolchain: wasm::Choice,
}

/// Builds, unless the result is there already; prints the sizes.
pub(crate) fn run(workspace: &Workspace, args: Args) -> Result<()> {
    let started = Instant::now();
    let dist = dist_dir(workspace);
    let toolchain = wasm::ensure(args.toolchain)?;
    let stamp = stamp(workspace, &toolchain, args)?;
    let stamp_file = dist.join(".stamp");
    if !args.force && std::fs::read_to_string(&stamp_file).is_ok_and(|last| last == stamp) {
        say(format!("the UI in {} is up to date", workspace.relative(&dist)));
        return Ok(());
    }

    let module = compile::module(workspace, &toolchain, args.dev)?;
    let (first, parts) = compile::split(&module)?;
    let bound = compile::bind(&first, args.dev)?;
    let mut files = bundle::assemble(&workspace.ui_dir(), bound, parts)?;
    if !args.dev {
        let sizes = compress::add_variants(&mut files)?;
        println!("{}", sizes.table);
        within_budget(sizes.first)?;
    }
    files.insert(".stamp".into(), stamp.into_bytes());
    replace(&dist, &files)?;
    say(format!("the UI is in {} ({:.1} s)", workspace.relative(&dist), started.elapsed().as_secs_f64()));
    Ok(())
}

/// What opening the dashboard may cost.
fn within_budget(first: usize) -> Result<()> {
    if first > BUDGET {
        bail!(
            "opening the dashboard downloads {first} bytes, and may {BUDGET}: what is not needed there belongs into a part \
             (dashboard/ui/README.md)"
        );
    }
    Ok(())
}

fn dist_dir(workspace: &Workspace) -> PathBuf {
    workspace.ui_dir().join("dist")
}

/// Everything that the result depends on.
fn stamp(workspace: &Workspace, toolchain: &wasm::Toolchain, args: Args) -> Result<String> {
    let mut stamp = Stamp::default();
    stamp.add("toolchain", toolchain.identity.as_bytes());
    stamp.add("dev", &[u8::from(args.dev)]);
    let dist = dist_dir(workspace);
    let outputs = [&dist, &dist.with_extension("new"), &dist.with_extension("old")];
    for input in ["Cargo.toml", "Cargo.lock", "dashboard/ui", "dashboard/wire", "dashboard/xtask/src"] {
        stamp.add_path(&workspace.root.join(input), &outputs)?;
    }
    Ok(stamp.finish())
}

/// Puts the files in the place of what was there, as one step: whoever reads the folder never sees half a build.
fn replace(dist: &Path, files: &Files) -> Result<()> {
    let fresh = dist.with_extension("new");
    let old = dist.with_extension("old");
    for leftover in [&fresh, &old] {
        if leftover.exists() {
            std::fs::remove_dir_all(leftover)
                .with_context(|| format!("cannot remove {}", leftover.display()))?;
        }
    }
    for (name, bytes) in files {
        let path = fresh.join(name);
        let write = || {
            std::fs::create_dir_all(path.parent().unwrap_or(&fresh))?;
            std::fs::write(&path, bytes)
        };
        write().with_context(|| format!("cannot write {}", path.display()))?;
    }
    if dist.exists() {
        std::fs::rename(dist, &old).with_context(|| format!("cannot move {} away", dist.display()))?;
    }
    std::fs::rename(&fresh, dist).with_context(|| format!("cannot put the new UI at {}", dist.display()))?;
    if old.exists() {
        std::fs::remove_dir_all(&old).with_context(|| format!("cannot remove {}", old.display()))?;
    }
    Ok(())
}
