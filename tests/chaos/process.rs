//! The processes: a server and crowds of clients, in the network of the machine or in one of their own.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::figures::{self, Figures};

const ECHO: &str = env!("CARGO_BIN_EXE_poolscope-echo");
const CROWD: &str = env!("CARGO_BIN_EXE_poolscope-crowd");

/// Longer than anything here takes where it works.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that answers lines by lines. It ends with this.
pub(crate) struct Process {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(mut command: Command) -> Self {
        // What the program frees goes back to the kernel at once, so that resident memory tells what the program holds.
        command.env("_RJEM_MALLOC_CONF", "narenas:1,tcache:false,dirty_decay_ms:0,muzzy_decay_ms:0");
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, input, output: BufReader::new(output).lines() }
    }

    async fn line(&mut self) -> String {
        let line = timeout(PATIENCE, self.output.next_line()).await.expect("no line");
        line.unwrap().expect("the process has ended")
    }

    async fn ask(&mut self, line: &str) -> String {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        self.line().await
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it has not ended")
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }
}

/// The server.
pub(crate) struct Server {
    process: Process,
    pub(crate) addr: SocketAddr,
    is_alone: bool,
}

impl Server {
    /// Starts one in the network of the machine, for so many connections.
    pub(crate) async fn start(most: Option<usize>) -> Self {
        let mut command = Command::new(ECHO);
        command.args(most.map(|most| most.to_string()));
        Self::of(command, false).await
    }

    /// Starts one in a network of its own, which can be taken down.
    pub(crate) async fn alone() -> Self {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", "ip link set lo up && exec \"$0\"", ECHO]);
        Self::of(command, true).await
    }

    async fn of(command: Command, is_alone: bool) -> Self {
        let mut process = Process::start(command);
        let told: Value = serde_json::from_str(&process.line().await).unwrap();
        let addr = told["addr"].as_str().unwrap().parse().unwrap();
        Self { process, addr, is_alone }
    }

    /// What it says of itself.
    pub(crate) async fn look(&mut self) -> Value {
        serde_json::from_str(&self.process.ask("look").await).unwrap()
    }

    pub(crate) async fn figures(&mut self) -> Figures {
        let told = self.look().await;
        Figures::read(self.process.pid(), self.addr, &told)
    }

    /// Its connections that are closed, and of which the kernel still sends something.
    pub(crate) fn unacknowledged(&self) -> usize {
        figures::unacknowledged(self.process.pid(), self.addr.port())
    }

    /// Its connections that somebody holds, or of which the kernel still sends something.
    pub(crate) fn held(&self) -> usize {
        figures::sockets(self.process.pid(), self.addr.port()) + self.unacknowledged()
    }

    /// Takes its network down: nothing arrives any more, in either direction, and nobody is told.
    pub(crate) async fn network_down(&self) {
        let status = self.inside("ip").args(["link", "set", "lo", "down"]).status().await.unwrap();
        assert!(status.success(), "{status}");
    }

    /// A command in its network.
    fn inside(&self, program: &str) -> Command {
        if !self.is_alone {
            return Command::new(program);
        }
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.process.pid())).arg(program);
        command
    }

    /// Has it shut down; gives its report, and waits until the process has ended by itself.
    pub(crate) async fn stop(mut self) -> Value {
        let report = serde_json::from_str(&self.process.ask("stop").await).unwrap();
        let status = timeout(PATIENCE, self.process.child.wait()).await.expect("it does not end").unwrap();
        assert!(status.success(), "{status}");
        report
    }
}

/// A crowd of clients.
pub(crate) struct Crowd {
    process: Process,
}

impl Crowd {
    pub(crate) async fn start(server: &Server) -> Self {
        let mut command = server.inside(CROWD);
        command.arg(server.addr.to_string());
        Self { process: Process::start(command) }
    }

    /// Opens so many clients; tells how many were let in.
    pub(crate) async fn open(&mut self, kind: &str, count: usize) -> usize {
        self.process.ask(&format!("open {kind} {count}")).await.parse().unwrap()
    }

    /// Closes the sockets of all clients without a word of their own.
    pub(crate) async fn close(&mut self) {
        assert_eq!(self.process.ask("close").await, "closed");
    }

    /// Stops the process where it is: its kernel holds its sockets, and nobody reads them or answers.
    pub(crate) fn freeze(&self) {
        self.process.signal(Signal::STOP);
    }
}
