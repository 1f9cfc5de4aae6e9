//! Embeds the browser UI, or a page that tells how to build it.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const PLACEHOLDER: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>poolscope</title>\n\
    <p>This server was built without its browser UI: run <code>cargo xtask ui</code> and build it again. \
    The API answers at <a href=\"/api/v1/status\">/api/v1/status</a>.</p>\n</html>\n";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-env-changed=POOLSCOPE_UI_DIST");
    println!("cargo::rerun-if-changed=build.rs");
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let dist = match env::var_os("POOLSCOPE_UI_DIST") {
        Some(dist) => PathBuf::from(dist),
        None => manifest.join("../ui/dist"),
    };
    // Cargo looks at all files below a folder, and at a folder that does not exist it looks each time.
    println!("cargo::rerun-if-changed={}", dist.display());

    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let mut files = Vec::new();
    if dist.join("index.html").is_file() {
        collect(&dist, "", &mut files)?;
    } else {
        println!("cargo::warning=no browser UI in {}; `cargo xtask ui` builds it", dist.display());
        let page = out.join("placeholder.html");
        fs::write(&page, PLACEHOLDER)?;
        files.push(("index.html".to_owned(), page));
    }
    files.sort();
    fs::write(out.join("assets.rs"), generate(&files)?)
}

/// All files below a folder, hidden ones left out, by their path in the URL.
fn collect(dir: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let path = fs::canonicalize(entry.path())?;
        if path.is_dir() {
            collect(&path, &format!("{prefix}{name}/"), files)?;
        } else {
            files.push((format!("{prefix}{name}"), path));
        }
    }
    Ok(())
}

/// The list as Rust; `x.br` and `x.gz` are variants of `x`.
fn generate(files: &[(String, PathBuf)]) -> io::Result<String> {
    let find = |name: &str| files.iter().find(|(path, _)| path == name).map(|(_, file)| file);
    let include = |file: &PathBuf| format!("include_bytes!({:?})", file.display().to_string());
    let variant =
        |name: String| find(&name).map_or("None".to_owned(), |file| format!("Some({})", include(file)));
    let mut code = String::from("static ASSETS: &[Asset] = &[\n");
    for (path, file) in files {
        let original = path.strip_suffix(".br").or_else(|| path.strip_suffix(".gz"));
        if original.is_some_and(|original| find(original).is_some()) {
            continue;
        }
        let mut hasher = DefaultHasher::new();
        hasher.write(&fs::read(file)?);
        let etag = format!("\"{:016x}\"", hasher.finish());
        writeln!(
            code,
            "    Asset {{ path: {path:?}, etag: {etag:?}, content: {}, brotli: {}, gzip: {} }},",
            include(file),
            variant(format!("{path}.br")),
            variant(format!("{path}.gz")),
        )
        .map_err(io::Error::other)?;
    }
    code.push_str("];\n");
    Ok(code)
}
