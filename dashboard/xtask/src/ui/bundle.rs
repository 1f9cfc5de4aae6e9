//! From loose parts to the files of a page, named by their content so that browsers may keep them for ever.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::compile::NAME;
use crate::digest;

/// The files of the page: their names, with `/` in them, and their content.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// Puts together what wasm-bindgen made and what lies in the UI folder: `index.html`, `boot.js`, `style/`, `public/`.
pub(super) fn assemble(ui: &Path, mut bound: Files) -> Result<Files> {
    let mut take = |name: String| {
        bound
            .remove(&name)
            .with_context(|| format!("wasm-bindgen did not write {name}; has its naming changed?"))
    };
    let (js, wasm) = (take(format!("{NAME}.js"))?, take(format!("{NAME}_bg.wasm"))?);
    // What is left are snippets, which the JavaScript finds by the names they have.
    let mut files = bound;
    files.extend(read_tree(&ui.join("public"))?);

    let mut add = |stem: &str, extension: &str, content: Vec<u8>| {
        let name = format!("{stem}-{}.{extension}", digest::short(&content));
        files.insert(name.clone(), content);
        name
    };
    let js = add(NAME, "js", js);
    let wasm = add(NAME, "wasm", wasm);
    let css = add(NAME, "css", stylesheet(&ui.join("style"))?);
    let boot = fill("boot.js", &read(&ui.join("boot.js"))?, &[("js", &js), ("wasm", &wasm)], &[])?;
    let boot = add("boot", "js", boot.into_bytes());
    let parts = [("css", &*css), ("boot", &boot)];
    // The page may name these too, to have them fetched early.
    let more = [("js", &*js), ("wasm", &wasm)];
    let page = fill("index.html", &read(&ui.join("index.html"))?, &parts, &more)?;
    files.insert("index.html".into(), page.into_bytes());
    Ok(files)
}

/// Every file below a folder; nothing if there is no such folder. Hidden files stay out.
pub(super) fn read_tree(dir: &Path) -> Result<Files> {
    let mut files = Files::new();
    if !dir.exists() {
        return Ok(files);
    }
    for entry in std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name =
            name.with_context(|| format!("{} has a name that is not UTF-8", path.display()))?.to_owned();
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            files.extend(
                read_tree(&path)?.into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)),
            );
        } else {
            files.insert(
                name,
                std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?,
            );
        }
    }
    Ok(files)
}

/// All style sheets as one, in the order of their names.
fn stylesheet(dir: &Path) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for (name, mut bytes) in read_tree(dir)? {
        if name.ends_with(".css") {
            all.append(&mut bytes);
            all.push(b'\n');
        }
    }
    if all.is_empty() {
        bail!("there is no style sheet in {}", dir.display());
    }
    Ok(all)
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Puts the values in: all of `parts` have to be asked for, those of `more` may be, and nothing else.
fn fill(name: &str, template: &str, parts: &[(&str, &str)], more: &[(&str, &str)]) -> Result<String> {
    let mut text = template.to_owned();
    for (key, value) in parts.iter().chain(more) {
        text = text.replace(&placeholder(key), value);
    }
    if let Some((key, _)) = parts.iter().find(|(key, _)| !template.contains(&placeholder(key))) {
        bail!("dashboard/ui/{name} has no {}", placeholder(key));
    }
    if let Some(rest) = text.split("{{").nth(1) {
        let key = rest.split("}}").next().unwrap_or_default();
        bail!("dashboard/ui/{name} asks for {}, which is nothing that is filled in", placeholder(key));
    }
    Ok(text)
}

fn placeholder(key: &str) -> String {
    format!("{{{{{key}}}}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled_and_checked() {
        let fill =
            |template| fill("index.html", template, &[("css", "a.css"), ("boot", "b.js")], &[("js", "c.js")]);
        assert_eq!(fill("{{css}} {{boot}} {{css}}").unwrap(), "a.css b.js a.css");
        assert_eq!(fill("{{css}} {{boot}} {{js}}").unwrap(), "a.css b.js c.js");
        let missing = fill("{{css}}").unwrap_err().to_string();
        assert!(missing.contains("has no {{boot}}"), "{missing}");
        let unknown = fill("{{css}} {{boot}} {{other}}").unwrap_err().to_string();
        assert!(unknown.contains("asks for {{other}}"), "{unknown}");
    }

    #[test]
    fn a_page_refers_to_its_parts_by_their_content() {
        let ui = std::env::temp_dir().join(format!("poolscope-bundle-{}", std::process::id()));
        let write = |name: &str, text: &str| {
            std::fs::create_dir_all(ui.join(name).parent().unwrap()).unwrap();
            std::fs::write(ui.join(name), text).unwrap();
        };
        write("index.html", "{{css}} {{boot}}");
        write("boot.js", "{{js}} {{wasm}}");
        write("style/b.css", "b{}");
        write("style/a.css", "a{}");
        write("public/icon.svg", "<svg/>");
        write("public/.hidden", "no");
        let bound = |wasm: &str| {
            let files = [("poolscope-ui.js", "js"), ("poolscope-ui_bg.wasm", wasm), ("snippets/x/y.js", "s")];
            files
                .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
                .into_iter()
                .collect::<Files>()
        };

        let files = assemble(&ui, bound("one")).unwrap();
        let other = assemble(&ui, bound("two")).unwrap();
        std::fs::remove_dir_all(&ui).unwrap();

        let names: Vec<_> = files.keys().map(String::as_str).collect();
        let css = names.iter().find(|name| name.ends_with(".css")).unwrap();
        assert_eq!(files[*css], b"a{}\nb{}\n");
        assert!(
            names.contains(&"icon.svg") && names.contains(&"snippets/x/y.js") && !names.contains(&".hidden")
        );
        let page = String::from_utf8(files["index.html"].clone()).unwrap();
        let boot = page.split(' ').nth(1).unwrap();
        for part in String::from_utf8(files[boot].clone()).unwrap().split(' ') {
            assert!(files.contains_key(part), "{part} of {names:?}");
        }
        // New wasm: its name, the name of what loads it, and the page change.
        assert_ne!(files["index.html"], other["index.html"]);
    }
}
