//! As much of YAML as a registry takes: maps, lists, texts and numbers, in block style.

use std::fmt::Write as _;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Yaml {
    Text(String),
    /// Numbers on one line.
    Numbers(&'static [f64]),
    List(Vec<Yaml>),
    Map(Vec<(&'static str, Yaml)>),
}

impl From<&str> for Yaml {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Yaml {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// A document.
pub(super) fn document(map: Vec<(&'static str, Yaml)>) -> String {
    let mut text = format!("# Written by `{}` from the telemetry contract. Do not edit.\n", super::COMMAND);
    write(&mut text, &Yaml::Map(map), 0, true);
    text
}

/// Writes a value. `is_begun` says that the line is indented already, so that a list's dash may stand before it.
fn write(out: &mut String, value: &Yaml, indent: usize, is_begun: bool) {
    match value {
        Yaml::Text(text) => {
            out.push_str(&scalar(text));
            out.push('\n');
        }
        Yaml::Numbers(numbers) => {
            let numbers: Vec<_> = numbers.iter().map(ToString::to_string).collect();
            let _ = writeln!(out, "[{}]", numbers.join(", "));
        }
        Yaml::List(values) => {
            for (index, value) in values.iter().enumerate() {
                if index > 0 || !is_begun {
                    out.push_str(&" ".repeat(indent));
                }
                out.push_str("- ");
                write(out, value, indent + 2, true);
            }
        }
        Yaml::Map(pairs) => {
            for (index, (key, value)) in pairs.iter().enumerate() {
                if index > 0 || !is_begun {
                    out.push_str(&" ".repeat(indent));
                }
                out.push_str(key);
                out.push(':');
                match value {
                    Yaml::List(_) | Yaml::Map(_) => out.push('\n'),
                    Yaml::Text(_) | Yaml::Numbers(_) => out.push(' '),
                }
                write(out, value, indent + 2, false);
            }
        }
    }
}

/// A text as it is if it can be nothing else, and otherwise in quotes as JSON has them, which YAML reads too.
fn scalar(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_./{}".contains(c);
    let is_plain = text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(is_word);
    if is_plain && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text) {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_and_lists_are_in_block_style() {
        let inner = Yaml::Map(vec![
            ("id", "a.b".into()),
            ("of", Yaml::List(vec!["x".into(), "y z".into()])),
            ("bounds", Yaml::Numbers(&[0.5, 10.0])),
            ("level", Yaml::Map(vec![("when", "if: so".into())])),
        ]);
        let text = document(vec![("groups", Yaml::List(vec![inner, Yaml::Map(vec![("id", "c".into())])]))]);
        let body: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(
            body,
            [
                "groups:",
                "  - id: a.b",
                "    of:",
                "      - x",
                "      - \"y z\"",
                "    bounds: [0.5, 10]",
                "    level:",
                "      when: \"if: so\"",
                "  - id: c",
            ]
        );
    }

    #[test]
    fn what_could_be_something_else_is_quoted() {
        for text in ["no", "1", "1.0", "{connection}", "# x", "a: b", "a \"b\"", "", "-", "@x", "É"] {
            assert_eq!(scalar(text), serde_json::Value::from(text).to_string());
        }
        assert_eq!(scalar("poolscope.breaker.state"), "poolscope.breaker.state");
    }
}
