//! Clients that are gone without a word: no FIN comes, and nobody answers.

use std::time::{Duration, Instant};

use poolscope_tests::wait;

use crate::process::{Crowd, Server};
use crate::{back_to, warm, warm_server};

/// A client is asked after 1 s in which nothing came, has 500 ms to answer, twice; a sweep may come 250 ms late.
const FOUND_WITHIN: Duration = Duration::from_millis(2_250);

#[tokio::test]
async fn two_thousand_websockets_that_vanish_leave_nothing() {
    let (mut server, start) = warm_server(None).await;
    for turn in 1..=2 {
        let mut crowd = Crowd::start(&server).await;
        assert_eq!(crowd.open("listen", 2_000).await, 2_000);
        let full = server.figures().await;
        assert_eq!((full.sessions, full.connections, full.sockets), (2_000, 2_000, 2_000));
        let ended = unresponsive(&mut server).await;

        crowd.freeze();
        let vanished = Instant::now();
        let (now, _) = back_to(&start, &mut server, "of 2,000 WebSockets that vanished").await;
        println!(
            "turn {turn}: 2,000 WebSockets gone {:?} after they vanished; {full:?} -> {now:?}",
            vanished.elapsed()
        );
        assert_eq!(unresponsive(&mut server).await - ended, 2_000, "each for that reason");
    }
}

#[tokio::test]
#[ignore = "needs root, unshare and ip: cargo xtask test --suite chaos"]
async fn a_network_that_goes_down_leaves_nothing() {
    let (mut server, start) = warm(Server::alone().await).await;
    let mut crowd = Crowd::start(&server).await;
    let crowds = [
        ("listen", 250),
        ("chat", 300),
        ("drown", 50),
        ("news", 200),
        ("slow", 100),
        ("mute", 100),
        ("wait", 100),
    ];
    for (kind, count) in crowds {
        assert_eq!(crowd.open(kind, count).await, count, "{kind}");
    }
    let full = server.figures().await;
    server.network_down().await;
    let down = Instant::now();
    let (now, _) = back_to(&start, &mut server, "of 1,100 clients beyond a network that is down").await;
    println!("1,100 clients gone {:?} after the network went down; {full:?} -> {now:?}", down.elapsed());
    let left = server.unacknowledged();
    let sent = async || server.unacknowledged();
    wait::until("the kernel to send nothing more", sent, |left| *left == 0).await;
    println!("nothing was sent any more, of {left} that were closed, {:?} after it", down.elapsed());
}

#[tokio::test]
#[ignore = "needs root, unshare and ip: cargo xtask test --suite chaos"]
async fn to_sessions_that_vanished_the_kernel_sends_nothing_more() {
    const SESSIONS: u64 = 400;
    let (mut server, _) = warm(Server::alone().await).await;
    let mut crowd = Crowd::start(&server).await;
    for kind in ["listen", "chat"] {
        assert_eq!(crowd.open(kind, SESSIONS as usize / 2).await, SESSIONS as usize / 2, "{kind}");
    }
    let before = unresponsive(&mut server).await;
    server.network_down().await;
    let down = Instant::now();
    while unresponsive(&mut server).await < before + SESSIONS {
        assert!(down.elapsed() < crate::GONE_WITHIN, "{} of {SESSIONS}", unresponsive(&mut server).await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let found = down.elapsed();
    tokio::time::sleep(STOPS_WITHIN).await;
    // Without a socket, the kernel has nobody to send to.
    let held = server.held();
    println!(
        "{SESSIONS} sessions found {found:?} after the network went down; {STOPS_WITHIN:?} later {held} sockets"
    );
    assert_eq!(held, 0);
}

#[tokio::test]
async fn one_that_vanishes_is_found_in_time() {
    let (mut server, _) = warm_server(None).await;
    let mut crowd = Crowd::start(&server).await;
    assert_eq!(crowd.open("listen", 1).await, 1);
    let ended = unresponsive(&mut server).await;
    crowd.freeze();
    let vanished = Instant::now();
    while unresponsive(&mut server).await == ended {
        assert!(vanished.elapsed() < Duration::from_secs(30), "it is never found");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = vanished.elapsed();
    println!("one that vanished was found after {took:?}");
    // What the machine is late by is not the server's.
    assert!(took < FOUND_WITHIN + Duration::from_secs(1), "{took:?}");
}

/// How soon after it was found to be gone nothing more is sent to a client.
const STOPS_WITHIN: Duration = Duration::from_millis(250);

/// Sessions that ended because nobody answered.
async fn unresponsive(server: &mut Server) -> u64 {
    let told = server.look().await;
    let all = told["snapshot"]["sessions"].as_array().unwrap().iter();
    all.map(|sessions| sessions["ended"]["unresponsive"].as_u64().unwrap()).sum()
}
