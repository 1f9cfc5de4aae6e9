//! A compiler that can build for the browser.
//!
//! Where rustup can reach its server this is one `rustup target add`. Where it cannot, Debian's `rustc-web` (kept recent
//! for Chromium and Firefox) does it with a standard library that is built once from Debian's own `rust-web-src`: std only
//! fits the compiler that made it, so Debian's std cannot serve rustup's compiler or the other way round.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::apt;
use crate::{cache, digest, process};

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Long enough for 20 MB over a slow line, short enough where the server is out of reach and rustup waits for ever.
const RUSTUP_LIMIT: Duration = Duration::from_secs(90);

/// Which compiler is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Choice {
    /// The toolchain that runs this command if it can, else Debian's.
    #[default]
    Auto,
    /// Only the toolchain that runs this command; the target is added by rustup.
    Rustup,
    /// Only Debian's rustc-web, with a standard library built from Debian's source.
    Debian,
}

/// A compiler with a standard library and a linker for the browser.
#[derive(Debug)]
pub(crate) struct Toolchain {
    /// What `rustc -vV` says: changes when the compiler does.
    pub(crate) identity: String,
    /// True if this is the toolchain that runs this command, which also has clippy.
    pub(crate) own: bool,
    cargo: PathBuf,
    sysroot: PathBuf,
    rustflags: Vec<String>,
    envs: Vec<(&'static str, OsString)>,
}

impl Toolchain {
    /// Its cargo, set up to build for the browser. No path of this machine gets into what it builds.
    pub(crate) fn cargo(&self, root: &Path) -> Command {
        let mut command = Command::new(&self.cargo);
        command.current_dir(root).envs(self.envs.iter().cloned());
        if !self.own {
            forget_rustup(&mut command);
        }
        let source = self.sysroot.join("lib/rustlib/src/rust");
        let mut flags = self.rustflags.clone();
        for (from, to) in [(root, "/src"), (&cargo_home(), "/cargo"), (&source, "/rustc/src")] {
            flags.push(format!("--remap-path-prefix={}={to}", from.display()));
        }
        // Leptos erases the types of components then, which makes the module a seventh smaller.
        flags.extend(["--cfg", "erase_components"].map(str::to_owned));
        // What splits the module has to know what refers to what.
        flags.push("-Clink-arg=--emit-relocs".to_owned());
        // The encoded form, because a path may have a space in it.
        command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f")).env_remove("RUSTFLAGS");
        command
    }
}

/// A compiler that is here already.
pub(crate) fn find(choice: Choice) -> Option<Toolchain> {
    let own = || (choice != Choice::Debian).then(own_toolchain).flatten();
    let debian = || (choice != Choice::Rustup).then(debian_toolchain).flatten();
    own().or_else(debian)
}

/// A compiler that is here or can be installed.
pub(crate) fn ensure(choice: Choice) -> Result<Toolchain> {
    if let Some(toolchain) = find(choice) {
        return Ok(toolchain);
    }
    let mut reasons = Vec::new();
    if choice != Choice::Debian {
        match add_by_rustup() {
            Ok(toolchain) => return Ok(toolchain),
            Err(error) => reasons.push(format!("{error:#}")),
        }
    }
    if choice != Choice::Rustup {
        match install_debian() {
            Ok(toolchain) => return Ok(toolchain),
            Err(error) => reasons.push(format!("{error:#}")),
        }
    }
    bail!(
        "this machine cannot build for the browser; run `rustup target add {TARGET}` and try again ({})",
        reasons.join("; ")
    )
}

fn add_by_rustup() -> Result<Toolchain> {
    process::say(format!("adding the target {TARGET} to this toolchain"));
    process::run_within(Command::new("rustup").args(["target", "add", TARGET]), RUSTUP_LIMIT)?;
    own_toolchain()
        .context("rustup added the target, but its standard library or a linker for it is not there")
}

fn own_toolchain() -> Option<Toolchain> {
    let rustc = || Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let identity = process::output(rustc().arg("-vV")).ok()?;
    let libdir = process::output(rustc().args(["--print=target-libdir", "--target", TARGET])).ok()?;
    let sysroot = PathBuf::from(process::output(rustc().arg("--print=sysroot")).ok()?.trim());
    if !has_std(Path::new(libdir.trim())) {
        return None;
    }
    let bundled = sysroot.join("lib/rustlib").join(field(&identity, "host")?).join("bin/rust-lld");
    let envs = if bundled.with_extension(std::env::consts::EXE_EXTENSION).is_file() {
        Vec::new()
    } else {
        vec![(LINKER, wasm_ld(&identity)?.into())]
    };
    let cargo = process::cargo().get_program().into();
    Some(Toolchain { identity, own: true, cargo, sysroot, rustflags: Vec::new(), envs })
}

const LINKER: &str = "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";

fn debian_toolchain() -> Option<Toolchain> {
    let identity = debian_identity().ok()?;
    let std = debian_std_dir(&identity).ok()?;
    if !has_std(&std_libdir(&std)) {
        return None;
    }
    Some(Toolchain {
        envs: vec![(LINKER, wasm_ld(&identity)?.into())],
        identity,
        own: false,
        cargo: DEBIAN_CARGO.into(),
        sysroot: "/usr".into(),
        rustflags: vec![format!("--sysroot={}", std.display())],
    })
}

fn install_debian() -> Result<Toolchain> {
    let why = "building the user interface for the browser needs a compiler with the wasm target";
    apt::install(&["rustc-web", "cargo-web", "rust-web-src"], why)?;
    let identity = debian_identity()?;
    if wasm_ld(&identity).is_none() {
        // The linker has to read what this compiler's LLVM writes.
        apt::install(&[&format!("lld-{}", llvm_major(&identity).unwrap_or("22"))], why)?;
    }
    build_debian_std(&identity)?;
    debian_toolchain().context("Debian's compiler was installed, but does not build for the browser")
}

/// Builds std for the browser into the cache, in half a minute; once for each version of the compiler.
fn build_debian_std(identity: &str) -> Result<()> {
    let done = debian_std_dir(identity)?;
    if has_std(&std_libdir(&done)) {
        return Ok(());
    }
    process::say("building the standard library for the browser (once, half a minute)");
    let work = done.with_extension(format!("tmp-{}", std::process::id()));
    let seed = work.join("seed");
    std::fs::create_dir_all(seed.join("src"))?;
    std::fs::write(seed.join("src/lib.rs"), "#![no_std]\n")?;
    std::fs::write(seed.join("Cargo.toml"), SEED_MANIFEST)?;
    let flags = [
        // cargo leaves the bitcode out otherwise, and fat LTO wants it.
        "-Cembed-bitcode=yes".into(),
        "--remap-path-prefix=/usr/lib/rustlib/src/rust=/rustc/src".into(),
        format!("--remap-path-prefix={}=/cargo", cargo_home().display()),
    ];
    let mut command = Command::new(DEBIAN_CARGO);
    forget_rustup(&mut command);
    command.current_dir(&seed).env("RUSTC_BOOTSTRAP", "1").env_remove("RUSTFLAGS");
    command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    command.args(["build", "--release", "--target", TARGET, "--target-dir", "target"]);
    command.args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"]);
    process::run(&mut command).context("the standard library for the browser could not be built")?;

    let libdir = std_libdir(&work);
    std::fs::create_dir_all(&libdir)?;
    for entry in std::fs::read_dir(seed.join("target").join(TARGET).join("release/deps"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".rlib") && !name.starts_with("libseed") {
            std::fs::copy(&path, libdir.join(name))?;
        }
    }
    std::fs::remove_dir_all(&seed)?;
    // Another clone may have been faster; its result is the same.
    if std::fs::rename(&work, &done).is_err() {
        std::fs::remove_dir_all(&work)?;
    }
    Ok(())
}

const SEED_MANIFEST: &str = r#"[package]
name = "seed"
version = "0.0.0"
edition = "2024"

[workspace]

[profile.release]
opt-level = "s"
panic = "abort"
codegen-units = 1
"#;

fn debian_identity() -> Result<String> {
    process::output(forget_rustup(&mut Command::new(DEBIAN_RUSTC)).arg("-vV"))
}

fn debian_std_dir(identity: &str) -> Result<PathBuf> {
    Ok(cache::dir()?.join(format!("wasm-std-{}", digest::short(identity.as_bytes()))))
}

fn std_libdir(sysroot: &Path) -> PathBuf {
    sysroot.join("lib/rustlib").join(TARGET).join("lib")
}

fn has_std(libdir: &Path) -> bool {
    let names = std::fs::read_dir(libdir).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.into_iter().any(|name| {
        let name = name.to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".rlib")
    })
}

fn wasm_ld(identity: &str) -> Option<PathBuf> {
    let versioned = format!("wasm-ld-{}", llvm_major(identity)?);
    process::find_program(&versioned).or_else(|| process::find_program("wasm-ld"))
}

fn llvm_major(identity: &str) -> Option<&str> {
    field(identity, "LLVM version")?.split('.').next()
}

/// One line of `rustc -vV`.
fn field<'a>(identity: &'a str, name: &str) -> Option<&'a str> {
    identity.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Debian's cargo has to find Debian's rustc, also when rustup's cargo started us.
fn forget_rustup(command: &mut Command) -> &mut Command {
    for name in ["RUSTUP_TOOLCHAIN", "RUSTC", "RUSTDOC", "RUSTC_WRAPPER", "CARGO", "LD_LIBRARY_PATH"] {
        command.env_remove(name);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::iter::once(PathBuf::from("/usr/bin")).chain(std::env::split_paths(&path));
    if let Ok(path) = std::env::join_paths(dirs) {
        command.env("PATH", path);
    }
    command
}

fn cargo_home() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo");
    std::env::var_os("CARGO_HOME").map_or_else(home, PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: &str =
        "rustc 1.96.0 (ac68faa20 2026-05-25)\nhost: x86_64-unknown-linux-gnu\nLLVM version: 22.1.8\n";

    #[test]
    fn the_linker_follows_the_compilers_llvm() {
        assert_eq!(field(IDENTITY, "host"), Some("x86_64-unknown-linux-gnu"));
        assert_eq!(llvm_major(IDENTITY), Some("22"));
        assert_eq!(llvm_major("rustc 1.96.0"), None);
    }
}
