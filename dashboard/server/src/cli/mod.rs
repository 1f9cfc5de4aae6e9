//! The subcommands of the program: they ask a dashboard that runs, for those on a server without a browser.

mod client;
mod picture;
mod problem;
mod snapshot;
mod sse;
mod text;
mod top;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use poolscope_wire::path;

pub use problem::Problem;
pub use snapshot::{SNAPSHOT_VERSION, Threshold};

use client::Client;
use text::{cut, plain};

/// The environment variable of the token; the server reads the same.
const TOKEN_ENV: &str = "POOLSCOPE_LOGIN_TOKEN";

/// Services that are named where the one that is wanted is none of them.
const MAX_NAMED: usize = 10;
/// Columns of one of their names.
const MAX_NAME: usize = 60;

/// Prints on stdout. Whoever reads it may stop when they have enough, such as `head`; that is no failure.
///
/// # Errors
/// If it can't be written for another reason.
pub fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// What the program does instead of serving.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Command {
    /// Prints how the pools are right now, worst first
    Snapshot(Snapshot),
    /// Shows the overview in this terminal, live
    Top(Top),
}

/// Which dashboard is asked, and how.
#[derive(Debug, Clone, clap::Args)]
pub struct Target {
    /// Address of the dashboard that runs
    #[arg(long, default_value = "http://127.0.0.1:4320", value_name = "URL")]
    pub url: String,
    /// File with the login token, where the dashboard asks for one; else it is taken from the environment variable
    /// POOLSCOPE_LOGIN_TOKEN
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Certificates to trust instead of the system's, in PEM
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Shows this service only; one that nobody knows is an error
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
}

/// `snapshot`.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "Ends with 0; with 1 if the dashboard can't be asked or knows no such service; with 2 if it is as bad \
    as --fail-on says."
)]
pub struct Snapshot {
    /// Which dashboard.
    #[command(flatten)]
    pub target: Target,
    /// Prints one JSON document instead of text
    #[arg(long)]
    pub json: bool,
    /// Ends with exit code 2 if something is as bad as this
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub fail_on: Option<Threshold>,
}

/// `top`.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "Keys: j and k go down and up, enter shows details, / filters, space pauses, ? tells all, q ends. A \
    severity is a word; NO_COLOR=1 leaves out colours."
)]
pub struct Top {
    /// Which dashboard.
    #[command(flatten)]
    pub target: Target,
}

/// Runs a subcommand to its end and says how the program shall end.
///
/// # Errors
/// If the dashboard can't be asked, or what it says can't be shown.
pub async fn run(command: Command) -> Result<ExitCode, Problem> {
    match command {
        Command::Snapshot(snapshot) => snapshot::run(&snapshot).await,
        Command::Top(top) => top::run(&top.target).await.map(|()| ExitCode::SUCCESS),
    }
}

impl Target {
    fn client(&self) -> Result<Client, Problem> {
        let token = match &self.token_file {
            Some(file) => {
                let told = |why: String| Problem::File(format!("--token-file {}: {why}", file.display()));
                let text = std::fs::read_to_string(file).map_err(|error| told(error.to_string()))?;
                match text.trim() {
                    "" => return Err(told("it is empty".to_owned())),
                    token => Some(token.to_owned()),
                }
            }
            None => std::env::var(TOKEN_ENV).ok().filter(|token| !token.is_empty()),
        };
        Client::new(&self.url, token.as_deref(), self.ca.as_deref())
    }

    /// Sees to it that the service that is wanted is one: nothing is wrong with one that nobody knows.
    async fn find_service(&self, client: &Client) -> Result<(), Problem> {
        let Some(wanted) = &self.service else { return Ok(()) };
        let services: Vec<poolscope_wire::Service> = client.get(path::SERVICES).await?;
        let mut known: Vec<&str> = services.iter().map(|service| &*service.name).collect();
        if known.contains(&&**wanted) {
            return Ok(());
        }
        // Those that look like it first, so that a slip of the pen is seen among a thousand.
        let likeness = |name: &str| strsim::normalized_damerau_levenshtein(wanted, name);
        known.sort_by(|one, other| likeness(other).total_cmp(&likeness(one)).then(one.cmp(other)));
        let more = known.len().saturating_sub(MAX_NAMED);
        known.truncate(MAX_NAMED);
        let mut told =
            known.into_iter().map(|name| cut(&plain(name), MAX_NAME)).collect::<Vec<_>>().join(", ");
        if told.is_empty() {
            told = "none yet".to_owned();
        } else if more > 0 {
            told += &format!(" and {more} more");
        }
        Err(Problem::NoService(plain(wanted), told))
    }

    fn is_of_service(&self, service: &str) -> bool {
        self.service.as_deref().is_none_or(|wanted| wanted == service)
    }
}
