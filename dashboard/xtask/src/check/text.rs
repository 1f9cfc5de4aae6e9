//! What may not stand in a committed file.

use anyhow::Result;

use super::Findings;
use super::files::{list, read_text};
use crate::workspace::Workspace;

/// Words that mark unfinished work. Spelled in two parts, so that this file may hold them.
const UNFINISHED: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];
/// Rust that marks unfinished work.
const UNFINISHED_RUST: [&str; 3] =
    [concat!("dbg", "!("), concat!("todo", "!("), concat!("unimplemented", "!(")];
/// How a path of somebody's machine begins.
const MACHINE_PATHS: [&str; 5] = [
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/wo", "rk/"),
    concat!("/tm", "p/w/"),
];
/// Namespaces whose names only the telemetry contract may spell.
const NAMESPACES: [&str; 2] = [concat!("\"pool", "scope."), concat!("\"http.", "client.")];
const CONTRACT: &str = "middleware/semconv/";

/// No unfinished work and no path of somebody's machine.
pub(super) fn words(workspace: &Workspace) -> Result<Findings> {
    each_line(workspace, |name, line| {
        let word = UNFINISHED.iter().find(|word| has_word(line, word)).copied();
        let rust =
            || UNFINISHED_RUST.iter().find(|word| name.ends_with(".rs") && line.contains(*word)).copied();
        if let Some(word) = word.or_else(rust) {
            return Some(format!("{word} marks unfinished work; finish it or take it out"));
        }
        let path = MACHINE_PATHS.iter().find(|path| has_path(line, path))?;
        Some(format!("a path of one machine ({path}...) does not exist on another"))
    })
}

/// Names of metrics and attributes are spelled once, in the telemetry contract.
pub(super) fn telemetry_names(workspace: &Workspace) -> Result<Findings> {
    let mut findings = Findings::new();
    for name in list(workspace)? {
        let is_test =
            name.split('/').any(|part| part == "tests" || part == "benches") || name.ends_with("/tests.rs");
        if !name.ends_with(".rs") || name.starts_with(CONTRACT) || is_test {
            continue;
        }
        let text = read_text(&workspace.root.join(&name))?.unwrap_or_default();
        findings.extend(spelled_names(&text).map(|line| {
            format!("{name}:{line}: a telemetry name is spelled here; take it from poolscope-semconv")
        }));
    }
    Ok(findings)
}

/// Numbers of the lines that spell a telemetry name in code that is no test.
fn spelled_names(text: &str) -> impl Iterator<Item = usize> {
    let code = text.lines().enumerate().take_while(|(_, line)| line.trim() != "#[cfg(test)]");
    let names = code.filter(|(_, line)| {
        !line.trim_start().starts_with("//") && NAMESPACES.iter().any(|namespace| line.contains(namespace))
    });
    names.map(|(index, _)| index + 1)
}

fn each_line(workspace: &Workspace, judge: impl Fn(&str, &str) -> Option<String>) -> Result<Findings> {
    let mut findings = Findings::new();
    for name in list(workspace)? {
        let Some(text) = read_text(&workspace.root.join(&name))? else { continue };
        for (index, line) in text.lines().enumerate() {
            findings.extend(judge(&name, line).map(|why| format!("{name}:{}: {why}", index + 1)));
        }
    }
    Ok(findings)
}

fn has_word(line: &str, word: &str) -> bool {
    let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        !joins(line[..at].chars().next_back()) && !joins(line[at + word.len()..].chars().next())
    })
}

/// True if an absolute path begins so: not in the middle of a longer path or of an address.
fn has_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        !line[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || "-_./}~$*".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_as_words() {
        let word = UNFINISHED[0];
        assert!(has_word(&format!("// {word}: later"), word));
        assert!(!has_word(&format!("MAS{word}N {word}S"), word));
    }

    #[test]
    fn paths_are_found_where_they_begin() {
        let home = MACHINE_PATHS[1];
        assert!(has_path(&format!("open(\"{home}me/x\")"), home));
        assert!(!has_path(&format!("https://example.org{home}x"), home));
        assert!(!has_path(&format!("$PREFIX{home}x"), home));
    }

    #[test]
    fn names_are_allowed_in_comments_and_tests() {
        let name = NAMESPACES[0];
        let text = format!("// {name}a\"\nlet x = {name}a\";\n#[cfg(test)]\nlet y = {name}a\";\n");
        assert_eq!(spelled_names(&text).collect::<Vec<_>>(), [2]);
    }
}
