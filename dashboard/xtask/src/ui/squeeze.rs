//! Makes smaller what wasm-bindgen wrote: names that nobody reads, code that nobody calls, and an order that packs badly.

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow, bail};

use super::alike;
use super::bundle::Files;
use super::compile::NAME;

/// What `wasm-streams` exports, which Leptos brings along; the UI makes no streams, and exports are never left out.
const UNUSED: [&str; 2] = ["intounderlying", "__wbg_intounderlying"];
/// How the JavaScript for them begins.
const UNUSED_JS: [&str; 3] =
    ["export class IntoUnderlying", "if (Symbol.dispose) IntoUnderlying", "const IntoUnderlying"];

/// Squeezes the module and its JavaScript.
pub(super) fn squeeze(files: &mut Files) -> Result<()> {
    let mut file = |name: String| files.remove(&name).with_context(|| format!("there is no {name}"));
    let (js, wasm) = (file(format!("{NAME}.js"))?, file(format!("{NAME}_bg.wasm"))?);
    let js = String::from_utf8(js).context("the JavaScript is not UTF-8")?;
    let mut config = walrus::ModuleConfig::new();
    config.generate_name_section(false).generate_producers_section(false);
    let mut module = config.parse(&wasm).map_err(|error| anyhow!("the module can't be read: {error:#}"))?;

    let is_unused = |export: &&walrus::Export| UNUSED.iter().any(|begin| export.name.starts_with(begin));
    let unused: Vec<_> = module.exports.iter().filter(is_unused).map(walrus::Export::id).collect();
    for export in unused {
        module.exports.delete(export);
    }
    walrus::passes::gc::run(&mut module);

    // `__wbg_setTimeout_0123456789abcdef`: the hash keeps versions of a crate apart while a program is linked.
    let mut short = BTreeMap::new();
    for import in module.imports.iter_mut().filter(|import| has_hash(&import.name)) {
        let next = format!("_{}", short.len());
        let name = short.entry(import.name.clone()).or_insert(next);
        import.name.clone_from(name);
    }
    let js = shortened(&js, &short)?;
    files.insert(format!("{NAME}.js"), js.into_bytes());
    files.insert(format!("{NAME}_bg.wasm"), alike::beside_each_other(&module.emit_wasm())?);
    Ok(())
}

fn has_hash(name: &str) -> bool {
    let hash = name.rsplit('_').next().unwrap_or_default();
    name.starts_with("__w") && hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The lines of JavaScript but those of [`UNUSED_JS`]: a statement ends where the next one begins, in the first column.
fn used(js: &str) -> impl Iterator<Item = &str> {
    js.lines().scan(false, |is_unused, line| {
        if !line.is_empty() && !line.starts_with([' ', '}']) {
            *is_unused = UNUSED_JS.iter().any(|begin| line.starts_with(begin));
        }
        Some(if *is_unused { "" } else { line })
    })
}

/// JavaScript with the short names, and without indentation and comments that have lines of their own.
fn shortened(js: &str, short: &BTreeMap<String, String>) -> Result<String> {
    let mut lines = Vec::new();
    let (mut in_comment, mut named) = (false, 0);
    for line in used(js).map(str::trim) {
        in_comment |= line.starts_with("/*");
        if !in_comment && !line.is_empty() && !line.starts_with("//") {
            // Each import is a member of the object that the module is given: `name: function(..) {`.
            match line.split_once(": ").and_then(|(name, rest)| Some((short.get(name)?, rest))) {
                Some((name, rest)) => {
                    named += 1;
                    lines.push(format!("{name}: {rest}"));
                }
                None => lines.push(line.to_owned()),
            }
        }
        in_comment &= !line.ends_with("*/");
    }
    if named != short.len() {
        bail!("the JavaScript has {named} of the {} imports; has its form changed?", short.len());
    }
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_get_short_names_and_comments_go() {
        assert!(has_hash("__wbg_now_0123456789abcdef") && has_hash("__wbindgen_cast_0000000000000001"));
        assert!(!has_hash("__wbindgen_malloc") && !has_hash("__wasm_split_load_events"));
        let short = BTreeMap::from([("__wbg_now_0123456789abcdef".to_owned(), "_0".to_owned())]);
        let js = "/* a\n * b */\nconst imports = {\n    // c\n    __wbg_now_0123456789abcdef: function() {\n                    return 'x: //'; /* d */\n    },\n};\n";
        let squeezed = shortened(js, &short).unwrap();
        assert_eq!(squeezed, "const imports = {\n_0: function() {\nreturn 'x: //'; /* d */\n},\n};\n");
        let unused = "export class IntoUnderlyingSink {\n\n    free() {\n    }\n}\nif (Symbol.dispose) IntoUnderlyingSink.a = 1;\n\
            const IntoUnderlyingSinkFinalization = (1)\n    ? 2\n    : 3;\n";
        assert_eq!(shortened(&format!("{unused}{js}{unused}"), &short).unwrap(), squeezed);
        let error = shortened("const imports = {};", &short).unwrap_err().to_string();
        assert!(error.contains("0 of the 1 imports"), "{error}");
    }
}
