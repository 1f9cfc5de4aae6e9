//! Learns from the Linux kernel when TCP connections close, and what their other ends have taken, without privileges and without
//! a file descriptor of theirs. The latter is what servers ask for; the rest here is about clients.
//!
//! Who opens a connection but can't hold on to it (reqwest hides its own) gives its two addresses to
//! [`Monitor::watch`]. The kernel names the socket by a cookie that no other socket ever gets, multicasts a message
//! when it frees the socket, with the last counters of the connection, and answers questions about single sockets.
//!
//! - What is seen is the network namespace in which the monitor was started.
//! - A process that forks without exec has no monitor in the child: threads don't survive a fork.
//! - A socket is freed when the other side has acknowledged the FIN: after a round trip if it closes too, up to 40 ms
//!   later if it does not and delays the acknowledgement. One that is silent makes the kernel try for minutes: a sweep over
//!   all that is watched, every two seconds, finds those.
//! - A connection that was reset counts as gone from the reset on, even while its owner has not noticed.

#[cfg_attr(not(feature = "reqwest"), allow(dead_code, reason = "a server asks for less than a client does"))]
mod diag;
#[cfg(feature = "reqwest")]
mod ending;
#[cfg(feature = "reqwest")]
mod events;
#[cfg_attr(not(feature = "reqwest"), allow(dead_code, reason = "a server asks for less than a client does"))]
mod lookups;
#[cfg(feature = "reqwest")]
mod monitor;
#[cfg(feature = "reqwest")]
mod probe;
#[cfg(feature = "server")]
mod taken;
#[cfg_attr(not(feature = "reqwest"), allow(dead_code, reason = "a server asks for less than a client does"))]
mod tcp_info;
#[cfg(feature = "reqwest")]
#[cfg(test)]
mod tests;

#[cfg(feature = "reqwest")]
pub(crate) use ending::{Ending, Gone};
#[cfg(feature = "reqwest")]
pub(crate) use monitor::{MOST_ASKED, Monitor, WatchError, Watcher};
#[cfg(feature = "server")]
pub(crate) use taken::{Asker, Said, Taken};
#[cfg(feature = "reqwest")]
pub(crate) use tcp_info::TcpInfo;
