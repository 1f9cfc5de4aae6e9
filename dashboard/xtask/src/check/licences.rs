//! Under which licences the dependencies are: all of them may be used in any program.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Findings;
use crate::process;
use crate::workspace::Workspace;

/// Licences that ask for no more than to be named.
const ALLOWED: [&str; 12] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

/// Crates that are used in spite of their licence, because they are part of nothing that is handed on.
const TESTS_ONLY: [&str; 1] = [
    // Drives the browser: comes with fantoccini.
    "webdriver",
];

/// Looks at every dependency of every crate, with all features, on every platform.
pub(super) fn dependencies(workspace: &Workspace) -> Result<Findings> {
    let mut command = process::cargo();
    command.current_dir(&workspace.root).args(["metadata", "--format-version=1", "--all-features"]);
    let metadata: Value =
        serde_json::from_str(&process::output(&mut command)?).context("cargo metadata did not print JSON")?;
    let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;

    let mut refused = BTreeMap::<String, Vec<String>>::new();
    for package in packages {
        let licence = package["license"].as_str().unwrap_or("no licence that is told");
        let name = package["name"].as_str().unwrap_or_default();
        if !allows(licence) && !TESTS_ONLY.contains(&name) {
            refused.entry(licence.to_owned()).or_default().push(name.to_owned());
        }
    }
    let sentence = |(licence, names): (String, Vec<String>)| {
        format!("{} is under {licence}, which is not on the list; use something else", names.join(", "))
    };
    Ok(refused.into_iter().map(sentence).collect())
}

/// True if the expression can be met by allowed licences: one of those with OR between them, all of those with AND.
fn allows(expression: &str) -> bool {
    // "MIT/Apache-2.0" is how OR was written once.
    let expression = expression.replace('/', " OR ");
    let mut tokens = Tokens(&expression);
    any(&mut tokens) && tokens.peek().is_none()
}

struct Tokens<'a>(&'a str);

impl<'a> Tokens<'a> {
    fn peek(&self) -> Option<&'a str> {
        let rest = self.0.trim_start();
        if rest.is_empty() {
            return None;
        }
        let single = rest.starts_with(['(', ')']);
        let end = if single { 1 } else { rest.find([' ', '(', ')']).unwrap_or(rest.len()) };
        Some(&rest[..end])
    }

    fn next(&mut self) -> Option<&'a str> {
        let token = self.peek()?;
        self.0 = &self.0.trim_start()[token.len()..];
        Some(token)
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.peek() == Some(word);
        if found {
            self.next();
        }
        found
    }
}

fn any(tokens: &mut Tokens<'_>) -> bool {
    let mut allowed = all(tokens);
    while tokens.take("OR") {
        allowed |= all(tokens);
    }
    allowed
}

fn all(tokens: &mut Tokens<'_>) -> bool {
    let mut allowed = one(tokens);
    while tokens.take("AND") {
        allowed &= one(tokens);
    }
    allowed
}

fn one(tokens: &mut Tokens<'_>) -> bool {
    if tokens.take("(") {
        let allowed = any(tokens);
        return tokens.take(")") && allowed;
    }
    let Some(name) = tokens.next() else { return false };
    if tokens.take("WITH") {
        let exception = tokens.next().unwrap_or_default();
        // An exception only ever gives more freedom.
        return ALLOWED.contains(&name) || ALLOWED.contains(&format!("{name} WITH {exception}").as_str());
    }
    ALLOWED.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_read_as_spdx_means_them() {
        for allowed in [
            "MIT",
            "MIT OR GPL-3.0",
            "MIT/Apache-2.0",
            "(MIT OR GPL-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert!(allows(allowed), "{allowed}");
        }
        for refused in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND GPL-2.0", "", "MIT GPL-3.0", "(MIT"] {
            assert!(!allows(refused), "{refused}");
        }
    }
}
