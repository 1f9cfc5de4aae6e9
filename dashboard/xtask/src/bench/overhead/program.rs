//! The programs of the bench: a server, and a client for each case.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::figures::Round;
use crate::process::{self, Group, TICK};
use crate::workspace::Workspace;

/// A round takes less than a second.
const LIMIT: Duration = Duration::from_secs(60);

/// What a program of the bench is to measure, and against which server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) stack: &'a str,
    pub(super) case: &'a str,
    pub(super) server: &'a str,
}

impl<'a> Subject<'a> {
    pub(super) fn arguments(&self) -> [&'a str; 6] {
        ["--stack", self.stack, "--case", self.case, "--server", self.server]
    }
}

/// Where the programs are.
pub(super) struct Programs {
    dir: PathBuf,
}

impl Programs {
    /// Those that `cargo build --release` has made.
    pub(super) fn of(workspace: &Workspace) -> Self {
        Self { dir: workspace.target_dir.join("release") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("poolscope-bench-{name}")).with_extension(std::env::consts::EXE_EXTENSION)
    }

    /// The client, to be started in some other way.
    pub(super) fn client_path(&self) -> PathBuf {
        self.path("client")
    }

    /// Every stack with each of its cases.
    pub(super) fn list(&self) -> Result<Vec<(String, String)>> {
        let text = process::output(Command::new(self.client_path()).arg("--list"))?;
        let pairs = text.lines().filter_map(|line| line.split_once(' '));
        Ok(pairs.map(|(stack, case)| (stack.to_owned(), case.to_owned())).collect())
    }

    /// Starts the server.
    pub(super) fn serve(&self) -> Result<Server> {
        let mut talk = Talk::start(&mut Command::new(self.path("server")))?;
        let addr = talk.line()?;
        Ok(Server { _talk: talk, addr })
    }

    /// Starts the client of a case.
    pub(super) fn client(&self, subject: Subject<'_>) -> Result<Worker> {
        Talk::start(Command::new(self.client_path()).args(subject.arguments())).map(Worker)
    }

    /// Allocations of one request.
    pub(super) fn allocations(&self, subject: Subject<'_>) -> Result<f64> {
        let text = process::output(Command::new(self.path("allocations")).args(subject.arguments()))?;
        text.trim().parse().context("the bench program did not print a number of allocations")
    }
}

/// The running server.
pub(super) struct Server {
    _talk: Talk,
    addr: String,
}

impl Server {
    pub(super) fn addr(&self) -> &str {
        &self.addr
    }
}

/// The running client of a case.
pub(super) struct Worker(Talk);

impl Worker {
    /// Does so many requests.
    pub(super) fn round(&mut self, requests: u32) -> Result<Round> {
        self.ask(&format!("run {requests}"))
    }

    /// Does so many requests on two threads together.
    pub(super) fn shared_round(&mut self, requests: u32) -> Result<Round> {
        self.ask(&format!("share {requests}"))
    }

    fn ask(&mut self, line: &str) -> Result<Round> {
        writeln!(self.0.stdin, "{line}").context("a bench program has ended")?;
        let line = self.0.line()?;
        let cost: Value = serde_json::from_str(&line).context("a bench program did not answer with JSON")?;
        let wall = cost["wall_ns"].as_f64().context("a bench program told no time")?;
        Ok(Round { wall, cpu: cost["cpu_ns"].as_f64() })
    }
}

/// A program that answers in lines; it ends with its stdin, and is ended when dropped.
struct Talk {
    stdin: ChildStdin,
    lines: Receiver<String>,
    group: Group,
}

impl Talk {
    fn start(command: &mut Command) -> Result<Self> {
        let mut group = Group::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let stdin = group.take_stdin().context("a bench program has no stdin")?;
        let stdout = group.take_stdout().context("a bench program has no stdout")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut lines = BufReader::new(stdout).lines().map_while(std::result::Result::ok);
            lines.try_for_each(|line| sender.send(line))
        });
        Ok(Self { stdin, lines, group })
    }

    fn line(&mut self) -> Result<String> {
        let deadline = Instant::now() + LIMIT;
        loop {
            match self.lines.recv_timeout(TICK) {
                Ok(line) => return Ok(line),
                Err(RecvTimeoutError::Disconnected) => bail!("a bench program has ended; see above"),
                Err(RecvTimeoutError::Timeout) if Instant::now() >= deadline => {
                    bail!("a bench program has not answered within {} s", LIMIT.as_secs())
                }
                // Fails when the user wants to stop.
                Err(RecvTimeoutError::Timeout) => self.group.status()?,
            };
        }
    }
}
