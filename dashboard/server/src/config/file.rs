//! The configuration file: TOML, each key named like its flag.

use std::any::TypeId;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, Command};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::secret::holds_secret;
use crate::words::nearest;

/// What is wrong with a configuration file, and where.
#[derive(Debug, thiserror::Error)]
#[error("{file}{}: {problem}", Line(*line), file = file.display())]
pub struct FileError {
    file: PathBuf,
    line: Option<usize>,
    problem: String,
}

struct Line(Option<usize>);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// A setting that the file makes.
#[derive(Debug)]
pub(super) struct Setting {
    /// Its id among the arguments.
    pub(super) id: String,
    pub(super) values: Vec<String>,
    pub(super) line: usize,
}

/// Reads a file whose keys are the long flags of a command.
pub(super) fn read(file: &Path, command: &Command) -> Result<Vec<Setting>, FileError> {
    let fail = |line, problem| FileError { file: file.to_owned(), line, problem };
    let text =
        std::fs::read_to_string(file).map_err(|error| fail(None, format!("can't be read: {error}")))?;
    let line_of =
        |span: Range<usize>| text.as_bytes()[..span.start].iter().filter(|byte| **byte == b'\n').count() + 1;
    let table = DeTable::parse(&text)
        .map_err(|error| fail(error.span().map(line_of), format!("this is not TOML: {}", error.message())))?;
    let mut settings = Vec::new();
    for (key, value) in table.into_inner() {
        let line = line_of(key.span());
        let key = key.into_inner();
        let setting = setting(&key, value, command);
        let (id, values) = setting.map_err(|problem| fail(Some(line), problem))?;
        settings.push(Setting { id, values, line });
    }
    settings.sort_by_key(|setting| setting.line);
    Ok(settings)
}

fn setting(
    key: &str,
    value: Spanned<DeValue<'_>>,
    command: &Command,
) -> Result<(String, Vec<String>), String> {
    let arg = keys(command).find(|arg| arg.get_long() == Some(key)).ok_or_else(|| {
        if matches!(value.as_ref(), DeValue::Table(_)) {
            return format!(
                "the file has no sections such as `[{key}]`: write each key at the top, named like its flag"
            );
        }
        let names = keys(command).filter_map(Arg::get_long);
        let hint = nearest(&key.replace('_', "-"), names).map(|name| format!(": did you mean `{name}`?"));
        format!("unknown key `{key}`{}", hint.unwrap_or_else(|| "; --help lists all".to_owned()))
    })?;
    let values = match value.into_inner() {
        DeValue::Array(array) if matches!(arg.get_action(), ArgAction::Append) => {
            array.into_iter().map(|value| plain(arg, value.into_inner())).collect()
        }
        DeValue::Array(_) => Err("one value is wanted, not a list".to_owned()),
        value => plain(arg, value).map(|value| vec![value]),
    };
    let values = values.map_err(|problem| format!("`{key}`: {problem}"))?;
    for value in &values {
        check(arg, value).map_err(|problem| format!("`{key}`: {problem}"))?;
    }
    Ok((arg.get_id().to_string(), values))
}

/// What can stand in a file: all that takes a value or is on or off, but the file itself.
pub(super) fn keys(command: &Command) -> impl Iterator<Item = &Arg> {
    let is_key = |arg: &&Arg| {
        matches!(arg.get_action(), ArgAction::Set | ArgAction::Append | ArgAction::SetTrue)
            && arg.get_long().is_some()
            && !super::load::is_about_loading(arg)
    };
    command.get_arguments().filter(is_key)
}

/// What kind of value a key has in TOML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Switch,
    Number,
    Text,
}

impl Kind {
    pub(super) fn of(arg: &Arg) -> Self {
        let holds = arg.get_value_parser().type_id();
        match arg.get_action() {
            ArgAction::SetTrue => Self::Switch,
            _ if holds == TypeId::of::<u64>() || holds == TypeId::of::<usize>() => Self::Number,
            _ => Self::Text,
        }
    }
}

/// A value as a flag would have it. What is right for a flag only by chance, such as a number in quotes, is refused: who
/// wrote it may have meant something else by it.
fn plain(arg: &Arg, value: DeValue<'_>) -> Result<String, String> {
    let key = arg.get_long().unwrap_or_default();
    match (Kind::of(arg), value) {
        (Kind::Switch, DeValue::Boolean(on)) => Ok(on.to_string()),
        (Kind::Switch, _) => Err("true or false is wanted, without quotes".to_owned()),
        (Kind::Number, DeValue::Integer(number)) => i64::from_str_radix(number.as_str(), number.radix())
            .map(|number| number.to_string())
            .map_err(|_| format!("`{}` is too large", number.as_str())),
        (Kind::Number, value) => {
            let given = match value {
                DeValue::String(text) => format!(", not `\"{text}\"`"),
                DeValue::Float(number) => format!(", not `{}`", number.as_str()),
                _ => String::new(),
            };
            let what = unit(arg).map(|unit| format!(" of {unit}")).unwrap_or_default();
            Err(format!("a whole number{what} is wanted{given}: write {key} = 60, without quotes"))
        }
        (Kind::Text, DeValue::String(text)) => Ok(text.into_owned()),
        (Kind::Text, _) => Err(format!("a text in quotes is wanted: write {key} = \"...\"")),
    }
}

/// In what a number counts, as the help says.
fn unit(arg: &Arg) -> Option<&'static str> {
    Some(match arg.get_value_names()?.first()?.as_str() {
        "SECONDS" => "seconds",
        "MS" => "milliseconds",
        "BYTES" => "bytes",
        "MIB" => "mebibytes",
        _ => return None,
    })
}

/// Asks the parser of the flag what it thinks of a value.
fn check(arg: &Arg, value: &str) -> Result<(), String> {
    if Kind::of(arg) == Kind::Switch {
        return Ok(());
    }
    let long = arg.get_long().unwrap_or_default();
    let alone = Command::new("file").disable_help_flag(true).arg(arg.clone().env(None::<&str>).hide(false));
    let tried = alone.try_get_matches_from(["file".to_owned(), format!("--{long}={value}")]);
    tried.map(drop).map_err(|error| reason(&error, arg, value))
}

/// What clap says of a value, as one sentence.
fn reason(error: &clap::Error, arg: &Arg, value: &str) -> String {
    use clap::error::{ContextKind, ContextValue};
    let shown = if holds_secret(arg, value) { "the value".to_owned() } else { format!("`{value}`") };
    if let Some(ContextValue::Strings(possible)) = error.get(ContextKind::ValidValue) {
        return format!("{shown} is not one of {}", possible.join(", "));
    }
    let why = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    if why.is_empty() { format!("{shown} can't be taken") } else { format!("{shown} can't be taken: {why}") }
}
