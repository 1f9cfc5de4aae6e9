//! Whether anything piles up: a server in a process of its own, thousands of clients in others that vanish, stall, flood and
//! fail, and what the kernel tells of the server's process before, meanwhile and after.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod figures;
mod leaks;
mod process;
mod soak;
mod vanished;

use std::time::{Duration, Instant};

use self::figures::Figures;
use self::process::{Crowd, Server};

/// How long the server may take until everything of clients that are gone is gone: its own limits are 2 s.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// How much more memory may stay than before: what an allocator keeps in its arenas for the next burst.
const ARENAS_KIB: u64 = 16 << 10;

/// Waits until the server holds what it held, and tells how long that took.
async fn back_to(start: &Figures, server: &mut Server, what: &str) -> (Figures, Duration) {
    let began = Instant::now();
    loop {
        let now = server.figures().await;
        if now.is_back_to(start) {
            return (now, began.elapsed());
        }
        assert!(
            began.elapsed() < GONE_WITHIN,
            "{what}: began with {start:?}, and {GONE_WITHIN:?} later {now:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A server that nothing has happened to but that it has seen a client of each kind once, so that what is made once is made.
async fn warm_server(most: Option<usize>) -> (Server, Figures) {
    let mut server = Server::start(most).await;
    let mut crowd = Crowd::start(&server).await;
    for kind in ["chat", "news", "panic", "leave"] {
        crowd.open(kind, 20).await;
    }
    crowd.close().await;
    drop(crowd);
    let empty = Figures { tasks: 3, ..Figures::default() };
    let began = Instant::now();
    loop {
        let now = server.figures().await;
        if now.sockets == 0 && now.sessions == 0 && now.connections == 0 && now.tasks <= empty.tasks {
            return (server, now);
        }
        assert!(began.elapsed() < GONE_WITHIN, "a warm server still has {now:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
