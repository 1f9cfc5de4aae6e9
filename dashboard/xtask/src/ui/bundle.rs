//! From loose parts to the files of a page, named by their content so that browsers may keep them for ever.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::compile::{LOADER, NAME};
use crate::digest;

/// The files of the page: their names, with `/` in them, and their content.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// Puts together what wasm-bindgen made, the parts with what loads them, and what lies in the UI folder: `index.html`,
/// `boot.js`, `style/`, `public/`.
pub(super) fn assemble(ui: &Path, mut bound: Files, mut parts: Files) -> Result<Files> {
    let (js, wasm) = (format!("{NAME}.js"), format!("{NAME}_bg.wasm"));
    let missing = |name: &str| format!("the build did not write {name}; has its naming changed?");
    let mut js_text = text(bound.remove(&js).with_context(|| missing(&js))?)?;
    let wasm = bound.remove(&wasm).with_context(|| missing(&wasm))?;
    let mut loader = text(parts.remove(LOADER).with_context(|| missing(LOADER))?)?;
    // What is left are snippets, which the JavaScript finds by the names they have.
    let mut files = bound;
    files.extend(read_tree(&ui.join("public"))?);

    let mut add = |stem: &str, extension: &str, content: Vec<u8>| {
        let name = format!("{stem}-{}.{extension}", digest::short(&content));
        files.insert(name.clone(), content);
        name
    };
    for (name, content) in parts {
        let stem = name.strip_suffix(".wasm").with_context(|| format!("{name} is no module"))?;
        let hashed = add(&format!("{PART}{stem}"), "wasm", content);
        loader = renamed(LOADER, &loader, ["URL(\"./", "\""], &name, &hashed)?;
    }
    // These two name each other, and so have one hash.
    let hash = digest::short(&[js_text.as_bytes(), loader.as_bytes()].concat());
    let (js_name, loader_name) = (format!("{NAME}-{hash}.js"), format!("{NAME}-loader-{hash}.js"));
    // Only where it is imported: the module knows what it imports by the name from before.
    let imported = ["from \"./", "\""];
    js_text = renamed(&js, &js_text, imported, LOADER, &loader_name)?;
    loader = renamed(LOADER, &loader, imported, &js, &js_name)?;
    let wasm = add(NAME, "wasm", wasm);
    let css = add(NAME, "css", stylesheet(&ui.join("style"))?);
    let boot = fill("boot.js", &read(&ui.join("boot.js"))?, &[("js", &js_name), ("wasm", &wasm)], &[])?;
    let boot = add("boot", "js", boot.into_bytes());
    let filled = [("css", &*css), ("boot", &boot)];
    // The page may name these too, to have them fetched early.
    let more = [("js", &*js_name), ("loader", &loader_name), ("wasm", &wasm)];
    let page = fill("index.html", &read(&ui.join("index.html"))?, &filled, &more)?;
    files.insert("index.html".into(), page.into_bytes());
    files.extend([(js_name, js_text.into_bytes()), (loader_name, loader.into_bytes())]);
    Ok(files)
}

/// True for what opening the dashboard does not fetch.
pub(super) fn comes_later(name: &str) -> bool {
    name.starts_with(PART)
}

/// A file that refers to another by a name, with the name that the other has got.
fn renamed(name: &str, text: &str, [before, after]: [&str; 2], from: &str, to: &str) -> Result<String> {
    let found = format!("{before}{from}{after}");
    if !text.contains(&found) {
        bail!("{name} has no {found}; has its form changed?");
    }
    Ok(text.replace(&found, &format!("{before}{to}{after}")))
}

fn text(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).context("the build wrote JavaScript that is not UTF-8")
}

/// How the names of files begin that are only fetched when they are needed.
const PART: &str = "part-";

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
    Ok(squeezed(std::str::from_utf8(&all).context("a style sheet is not UTF-8")?).into_bytes())
}

/// A style sheet without its comments, and without blanks where they say nothing.
fn squeezed(css: &str) -> String {
    let mut squeezed = String::with_capacity(css.len());
    let mut rest = css;
    while let Some(next) = rest.chars().next() {
        if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, after)| after);
        } else if matches!(next, '"' | '\'') {
            let end = rest[1..].find(next).map_or(rest.len(), |end| end + 2);
            squeezed.push_str(&rest[..end]);
            rest = &rest[end..];
        } else if next.is_ascii_whitespace() {
            rest = rest.trim_ascii_start();
            let says_nothing = squeezed.is_empty() || squeezed.ends_with(['{', '}', ';', ',', ' ']);
            if !says_nothing && !rest.starts_with(['{', '}', ';', ',']) {
                squeezed.push(' ');
            }
        } else {
            if next == '}' && squeezed.ends_with(';') {
                squeezed.pop();
            }
            squeezed.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    squeezed
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
    fn style_sheets_lose_what_says_nothing_and_nothing_else() {
        let css = "/* of\n rows */\n.pool > a:is(.p, .rate)::before ,\n b { content: \" { /* ; \"; width: calc(1px + 2px);\n}\n@media (max-width: 760px) { c { margin: 0 -4px } }\n";
        assert_eq!(
            squeezed(css),
            ".pool > a:is(.p,.rate)::before,b{content: \" { /* ; \";width: calc(1px + 2px)}@media (max-width: 760px){c{margin: 0 -4px}}"
        );
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
        let build = |wasm: &str, part: &str| {
            let file = |name: &str, text: &str| (name.to_owned(), text.as_bytes().to_vec());
            let js = r#"import * as a from "./poolscope-ui-parts.js" {"./poolscope-ui-parts.js": a}"#;
            let loader = r#"import { b } from "./poolscope-ui.js" new URL("./split_a.wasm""#;
            let bound = [
                file("poolscope-ui.js", js),
                file("poolscope-ui_bg.wasm", wasm),
                file("snippets/x/y.js", "s"),
            ];
            let parts = [file("poolscope-ui-parts.js", loader), file("split_a.wasm", part)];
            assemble(&ui, bound.into(), parts.into()).unwrap()
        };

        let files = build("one", "one");
        let other = build("two", "one");
        let other_part = build("one", "two");
        std::fs::remove_dir_all(&ui).unwrap();

        let names: Vec<_> = files.keys().map(String::as_str).collect();
        let find = |begin: &str, end: &str| {
            *names.iter().find(|name| name.starts_with(begin) && name.ends_with(end)).unwrap()
        };
        let content = |name: &str| String::from_utf8(files[name].clone()).unwrap();
        assert_eq!(content(find("poolscope-ui-", ".css")), "a{}b{}");
        assert!(
            names.contains(&"icon.svg") && names.contains(&"snippets/x/y.js") && !names.contains(&".hidden")
        );
        let page = content("index.html");
        let boot = page.split(' ').nth(1).unwrap();
        for part in content(boot).split(' ') {
            assert!(files.contains_key(part), "{part} of {names:?}");
        }
        let loader = find("poolscope-ui-loader-", ".js");
        let js = content(boot).split(' ').next().unwrap().to_owned();
        assert_eq!(
            content(&js),
            format!(r#"import * as a from "./{loader}" {{"./poolscope-ui-parts.js": a}}"#)
        );
        let part = find("part-split_a-", ".wasm");
        assert_eq!(content(loader), format!(r#"import {{ b }} from "./{js}" new URL("./{part}""#));
        assert!(comes_later(part) && !comes_later(loader) && !comes_later(&js));
        // New wasm: its name, the name of what loads it, and the page change.
        assert_ne!(files["index.html"], other["index.html"]);
        assert_ne!(files["index.html"], other_part["index.html"]);
    }
}
