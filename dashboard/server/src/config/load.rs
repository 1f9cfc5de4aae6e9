//! Puts flags, environment, file and defaults together, in this order of rank.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, Parser};

use super::file::{self, FileError, Setting};
use super::secret::holds_secret;
use crate::words::nearest;

/// The argument that names the file.
const FILE_ID: &str = "config";
/// The argument that asks to show what came of all.
const PRINT_ID: &str = "print_config";
/// What all environment variables of this program begin with; those of other parts and of applications may as well.
const ENV_PREFIX: &str = "POOLSCOPE_";
/// What none of them begins with, and nobody else's either.
const OWN_PREFIX: &str = "POOLSCOPE_DASHBOARD_";

/// Where a value is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The command line.
    Flag,
    /// This environment variable.
    Environment(String),
    /// This line of the configuration file.
    File(PathBuf, usize),
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::File(file, line) => write!(f, "{}:{line}", file.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Why a configuration can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A flag or an environment variable is wrong, or help was asked for.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    /// An environment variable is none of ours and was probably meant to be.
    #[error("the environment variable {name} is not known: {}", Hint(.meant.as_deref()))]
    Variable {
        /// Its name.
        name: String,
        /// The name that was probably meant.
        meant: Option<String>,
    },
    /// The configuration file is wrong.
    #[error(transparent)]
    File(#[from] FileError),
}

struct Hint<'a>(Option<&'a str>);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(meant) => write!(f, "did you mean {meant}? Rename it, or take it away"),
            None => write!(f, "--help lists all; take it away"),
        }
    }
}

/// Arguments and where each is from.
pub struct Loaded<P> {
    /// The arguments.
    pub args: P,
    /// Sentences about what is probably not meant so.
    pub warnings: Vec<String>,
    pub(super) command: Command,
    pub(super) matches: ArgMatches,
    file: Option<PathBuf>,
    lines: HashMap<String, usize>,
}

impl<P: fmt::Debug> fmt::Debug for Loaded<P> {
    /// Without what was matched, which has secrets as they were given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { args, warnings, file, .. } = self;
        let mut shown = f.debug_struct("Loaded");
        shown.field("args", args).field("warnings", warnings).field("file", file).finish_non_exhaustive()
    }
}

/// Reads the arguments of a program: flags before environment before the file of `--config` before defaults.
///
/// The arguments must have the fields `config: Option<PathBuf>` and `print_config: bool` to offer them.
///
/// # Errors
/// If a flag, a variable, or the file is wrong, or help was asked for.
pub fn load<P: Parser>(args: impl IntoIterator<Item = OsString>) -> Result<Loaded<P>, LoadError> {
    let args: Vec<OsString> = args.into_iter().collect();
    let mut command = P::command();
    command.build();
    let file = named_file(command.clone(), &args);
    let settings = match &file {
        Some(file) => file::read(file, &command)?,
        None => Vec::new(),
    };
    let mut with_file = P::command();
    for Setting { id, values, .. } in &settings {
        with_file = with_file.mut_arg(id, |arg| arg.default_values(values.clone()));
    }
    let told = |error| with_variable(without_secret(error, &command), &command, &args);
    let matches = with_file.try_get_matches_from(&args).map_err(told)?;
    // A subcommand takes none of the settings, and has no reason to look at them.
    if matches.subcommand_name().is_none() {
        let variables = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        slip_in(variables, &command).map_or(Ok(()), Err)?;
    }
    let args = P::from_arg_matches(&matches)?;
    let lines = settings.into_iter().map(|setting| (setting.id, setting.line)).collect();
    let mut loaded = Loaded { args, warnings: Vec::new(), command, matches, file, lines };
    loaded.warnings = loaded.shown_secrets();
    Ok(loaded)
}

/// The first variable that is none of ours and nearly is. Those that only begin like ours are other programs' own.
pub(super) fn slip_in(variables: impl Iterator<Item = String>, command: &Command) -> Option<LoadError> {
    let known: Vec<&str> = command.get_arguments().filter_map(|arg| arg.get_env()?.to_str()).collect();
    let slip = |name: String| {
        let own = name.strip_prefix(OWN_PREFIX);
        let rest = own.or_else(|| name.strip_prefix(ENV_PREFIX))?;
        let names = known.iter().filter_map(|name| name.strip_prefix(ENV_PREFIX));
        let meant = nearest(rest, names).map(|meant| format!("{ENV_PREFIX}{meant}"));
        (own.is_some() || meant.is_some()).then_some(LoadError::Variable { name, meant })
    };
    let is_unknown = |name: &String| !known.contains(&name.as_str()) && !is_of_cluster(name);
    let mut unknown: Vec<String> = variables.filter(is_unknown).collect();
    unknown.sort_unstable();
    unknown.into_iter().find_map(slip)
}

/// True for what Kubernetes tells each container of every service, such as `POOLSCOPE_DASHBOARD_PORT_4320_TCP` of one that
/// is named as we are.
fn is_of_cluster(name: &str) -> bool {
    let is_numbered = |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit());
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name.split("_PORT_").skip(1).any(is_numbered)
}

/// Who gave no flag is told which variable holds the value that can't be taken.
fn with_variable(mut error: clap::Error, command: &Command, args: &[OsString]) -> clap::Error {
    let Some(ContextValue::String(told)) = error.get(ContextKind::InvalidArg) else { return error };
    let Some(flag) = told.split([' ', '=']).next().map(str::to_owned) else { return error };
    let is_given = args.iter().any(|arg| {
        let arg = arg.to_string_lossy();
        arg.strip_prefix(&*flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    });
    let arg = command.get_arguments().find(|arg| arg.get_long() == flag.strip_prefix("--"));
    let variable = arg.and_then(|arg| arg.get_env()).filter(|name| std::env::var_os(name).is_some());
    if let (false, Some(variable)) = (is_given, variable) {
        let place = format!("{} ({flag})", variable.to_string_lossy());
        error.insert(ContextKind::InvalidArg, ContextValue::String(place));
    }
    error
}

/// What is wrong with a secret is said without it: what is too short here may be right elsewhere.
fn without_secret(mut error: clap::Error, command: &Command) -> clap::Error {
    let Some(ContextValue::String(told)) = error.get(ContextKind::InvalidArg) else { return error };
    let name = told.split([' ', '=']).next().and_then(|name| name.strip_prefix("--"));
    let value = match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) => value.as_str(),
        _ => "",
    };
    let is_secret = |arg: &Arg| arg.get_long() == name && holds_secret(arg, value);
    if name.is_some() && command.get_arguments().any(is_secret) {
        error.insert(ContextKind::InvalidValue, ContextValue::String("***".to_owned()));
    }
    error
}

/// The file that flags or environment name. What else is wrong is told when all is known.
fn named_file(command: Command, args: &[OsString]) -> Option<PathBuf> {
    let matches = command.ignore_errors(true).try_get_matches_from(args).ok()?;
    matches.try_get_one::<PathBuf>(FILE_ID).ok()?.cloned()
}

/// True for what says how to load and is no setting itself.
pub(super) fn is_about_loading(arg: &Arg) -> bool {
    [FILE_ID, PRINT_ID].contains(&arg.get_id().as_str())
}

impl<P> Loaded<P> {
    /// Where the value of an argument is from.
    pub(super) fn source(&self, arg: &Arg) -> Source {
        let id = arg.get_id().as_str();
        match self.matches.value_source(id) {
            Some(ValueSource::CommandLine) => Source::Flag,
            Some(ValueSource::EnvVariable) => {
                let name = arg.get_env().map(|name| name.to_string_lossy().into_owned());
                Source::Environment(name.unwrap_or_default())
            }
            _ => match (&self.file, self.lines.get(id)) {
                (Some(file), Some(line)) => Source::File(file.clone(), *line),
                _ => Source::Default,
            },
        }
    }

    /// The file that was read.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    fn shown_secrets(&self) -> Vec<String> {
        let secrets = self.command.get_arguments().filter(|arg| arg.is_hide_env_values_set());
        let on_the_line = secrets.filter(|arg| self.source(arg) == Source::Flag);
        let warn = |arg: &Arg| {
            let (long, env) = (arg.get_long()?, arg.get_env()?.to_string_lossy());
            Some(format!(
                "--{long} on the command line can be read by everybody who may list processes; \
                 use {env} or a file instead"
            ))
        };
        on_the_line.filter_map(warn).collect()
    }
}
