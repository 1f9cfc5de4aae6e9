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

/// How long nothing changes in a server that is at rest.
const CALM: Duration = Duration::from_secs(1);

/// How much more memory may stay than before anybody came: tables that have grown, and pages that the allocator can't give
/// back, since something small is left in each.
const FRAGMENTS_KIB: u64 = 8 << 10;

/// How much more memory may stay after one turn than after another one like it.
const TURN_KIB: u64 = 4 << 10;

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

async fn warm_server(most: Option<usize>) -> (Server, Figures) {
    warm(Server::start(most).await).await
}

/// Has a server see a few clients, so that what is made once is made; gives what it has when they are gone.
async fn warm(mut server: Server) -> (Server, Figures) {
    let mut crowd = Crowd::start(&server).await;
    for kind in ["chat", "news", "panic", "leave"] {
        crowd.open(kind, 20).await;
    }
    crowd.close().await;
    drop(crowd);
    // What it has when nobody is there is what has not changed for a second.
    let mut calm = (server.figures().await, Instant::now());
    let began = Instant::now();
    loop {
        let now = server.figures().await;
        let is_empty = now.sockets == 0 && now.sessions == 0 && now.connections == 0;
        if !is_empty || (now.tasks, now.files) != (calm.0.tasks, calm.0.files) {
            calm = (now, Instant::now());
        } else if calm.1.elapsed() > CALM {
            return (server, now);
        }
        assert!(began.elapsed() < GONE_WITHIN, "a warm server still has {:?}", calm.0);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
