//! The configuration that is in force, and where each part of it is from; written so that it can be a file again.

use std::fmt::{self, Write as _};

use clap::{Arg, ArgAction};

use super::file::{self, Kind};
use super::load::Loaded;

impl<P> fmt::Display for Loaded<P> {
    /// One line for each setting, in TOML, secrets left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = file::keys(&self.command).map(|arg| (self.line(arg), self.source(arg))).collect();
        let width = lines.iter().map(|(line, _)| line.chars().count()).max().unwrap_or(0).min(60);
        for (line, source) in lines {
            writeln!(f, "{line:width$}  # {source}")?;
        }
        Ok(())
    }
}

impl<P> Loaded<P> {
    fn line(&self, arg: &Arg) -> String {
        let key = arg.get_long().unwrap_or_default();
        let id = arg.get_id().as_str();
        let is_secret = arg.is_hide_env_values_set();
        let raw: Option<Vec<String>> = self.matches.get_raw(id).map(|all| {
            all.map(|value| if is_secret { "***".to_owned() } else { value.to_string_lossy().into_owned() })
                .collect()
        });
        match (arg.get_action(), raw) {
            (ArgAction::SetTrue, _) => format!("{key} = {}", self.matches.get_flag(id)),
            // What can't be copied into a file stands there as a comment.
            (_, Some(values)) if is_secret => format!("# {key} = {}", values.join(", ")),
            (ArgAction::Append, raw) => {
                let all: Vec<String> =
                    raw.unwrap_or_default().iter().map(|value| literal(arg, value)).collect();
                format!("{key} = [{}]", all.join(", "))
            }
            (_, Some(values)) => format!("{key} = {}", literal(arg, &values.join(""))),
            (_, None) => format!("# {key} is not set"),
        }
    }
}

/// A value of TOML.
fn literal(arg: &Arg, value: &str) -> String {
    // A flag takes `007` and `+7` as well, TOML does not take them all.
    if let (Kind::Number, Ok(number)) = (Kind::of(arg), value.parse::<u64>()) {
        return number.to_string();
    }
    let mut text = String::from("\"");
    for character in value.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            control if control.is_control() => {
                // Writing to a text does not fail.
                let _ = write!(text, "\\u{:04X}", u32::from(control));
            }
            other => text.push(other),
        }
    }
    text.push('"');
    text
}
