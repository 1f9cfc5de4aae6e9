//! [`Figures`]: what the server holds, as the kernel tells, and as it tells itself.

use std::fs;
use std::net::SocketAddr;

use serde_json::Value;

use crate::FRAGMENTS_KIB;

/// The state of `/proc/net/tcp` of a socket that the program has closed and of which something was not acknowledged yet:
/// `FIN_WAIT1`. The kernel sends it again and again.
const UNACKNOWLEDGED: &str = "04";

/// States in which nobody holds a socket: `TIME_WAIT`, `LISTEN`, and those of a socket that the program has closed, which the
/// kernel only finishes.
const NOT_HELD: [&str; 6] = ["06", "0A", UNACKNOWLEDGED, "05", "09", "0B"];

/// See the [module](self).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Open files of the process.
    pub(crate) files: usize,
    /// Its connections in the kernel's table.
    pub(crate) sockets: usize,
    /// Resident memory.
    pub(crate) memory_kib: u64,
    /// Tasks of its runtime.
    pub(crate) tasks: u64,
    /// Connections that it says are open, or not served yet.
    pub(crate) connections: u64,
    /// Sessions that it says are there.
    pub(crate) sessions: u64,
}

impl Figures {
    /// Reads what a process holds that listens at an address and said this of itself.
    pub(crate) fn read(pid: u32, addr: SocketAddr, told: &Value) -> Self {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        let pages: u64 = words(&format!("/proc/{pid}/statm")).nth(1).unwrap().parse().unwrap();
        let snapshot = &told["snapshot"];
        let sum = |list: &str, figure: fn(&Value) -> u64| -> u64 {
            snapshot[list].as_array().unwrap().iter().map(figure).sum()
        };
        let number = |value: &Value| value.as_u64().unwrap();
        Self {
            files,
            sockets: sockets(pid, addr.port()),
            memory_kib: pages * rustix::param::page_size() as u64 / 1024,
            tasks: number(&told["tasks"]),
            connections: sum("servers", |server| {
                let of = |key: &str| server["connections"][key].as_u64().unwrap();
                of("open") + server["queued"].as_u64().unwrap()
            }),
            sessions: sum("sessions", |sessions| sessions["active"].as_u64().unwrap()),
        }
    }

    /// True if nothing is left of what came since then.
    pub(crate) fn is_back_to(&self, start: &Self) -> bool {
        self.files <= start.files
            && self.memory_kib <= start.memory_kib + FRAGMENTS_KIB
            && self.sockets == 0
            && self.tasks <= start.tasks
            && self.connections == 0
            && self.sessions == 0
    }
}

fn words(path: &str) -> impl Iterator<Item = String> {
    fs::read_to_string(path).unwrap().split_whitespace().map(str::to_owned).collect::<Vec<_>>().into_iter()
}

/// Connections of a process with this local port that somebody holds, as the kernel lists them.
pub(crate) fn sockets(pid: u32, port: u16) -> usize {
    states(pid, port).iter().filter(|state| !NOT_HELD.contains(&state.as_str())).count()
}

/// Connections that were closed, and of which the kernel still sends something.
pub(crate) fn unacknowledged(pid: u32, port: u16) -> usize {
    states(pid, port).iter().filter(|state| *state == UNACKNOWLEDGED).count()
}

/// Connections of this network for which the kernel had no room, and gave their clients a cookie instead.
pub(crate) fn syn_cookies() -> u64 {
    let counts = fs::read_to_string("/proc/net/netstat").unwrap();
    let mut rows = counts.lines().filter(|line| line.starts_with("TcpExt:")).map(|line| line.split(' '));
    let (names, values) = (rows.next().unwrap(), rows.next().unwrap());
    let mut columns = names.zip(values);
    columns.find(|(name, _)| *name == "SyncookiesSent").unwrap().1.parse().unwrap()
}

/// The state of each connection with this local port in the network of a process.
fn states(pid: u32, port: u16) -> Vec<String> {
    let table = fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap();
    let local = format!(":{port:04X}");
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|columns| columns[1].ends_with(&local)).map(|columns| columns[3].to_owned()).collect()
}
