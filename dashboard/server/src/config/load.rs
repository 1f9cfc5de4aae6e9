//! Puts flags, environment, file and defaults together, in this order of rank.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, Parser};

use super::file::{self, FileError, Setting};

/// The argument that names the file.
const FILE_ID: &str = "config";
/// The argument that asks to show what came of all.
const PRINT_ID: &str = "print_config";
/// What all environment variables of this program begin with.
const ENV_PREFIX: &str = "POOLSCOPE_";
/// Variables that look like a slip of the pen are told from this likeness on.
const SLIP: f64 = 0.88;

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
    /// The configuration file is wrong.
    #[error(transparent)]
    File(#[from] FileError),
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
    let matches = with_file.try_get_matches_from(args).map_err(|error| without_secret(error, &command))?;
    let args = P::from_arg_matches(&matches)?;
    let lines = settings.into_iter().map(|setting| (setting.id, setting.line)).collect();
    let mut loaded = Loaded { args, warnings: Vec::new(), command, matches, file, lines };
    loaded.warnings = loaded.slips_in(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()));
    loaded.warnings.extend(loaded.shown_secrets());
    Ok(loaded)
}

/// What is wrong with a secret is said without it: what is too short here may be right elsewhere.
fn without_secret(mut error: clap::Error, command: &Command) -> clap::Error {
    let Some(ContextValue::String(told)) = error.get(ContextKind::InvalidArg) else { return error };
    let name = told.split([' ', '=']).next().and_then(|name| name.strip_prefix("--"));
    let is_secret = |arg: &Arg| arg.is_hide_env_values_set() && arg.get_long() == name;
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

    /// Variables that are none of ours and nearly are. Those that only begin like ours are other programs' own.
    fn slips_in(&self, variables: impl Iterator<Item = String>) -> Vec<String> {
        let known: Vec<&str> =
            self.command.get_arguments().filter_map(|arg| arg.get_env()?.to_str()).collect();
        let slip = |name: String| {
            let meant = file::nearest(&name, known.iter().copied())?;
            (strsim::normalized_damerau_levenshtein(&name, meant) >= SLIP)
                .then(|| format!("the environment variable {name} is not known: did you mean {meant}?"))
        };
        variables
            .filter(|name| name.starts_with(ENV_PREFIX) && !known.contains(&name.as_str()))
            .filter_map(slip)
            .collect()
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
