//! Clients that stall, flood, fail and leave, by the thousand.

use poolscope_tests::echo::Settings;
use serde_json::Value;

use crate::figures;
use crate::process::{Crowd, Server};
use crate::{TURN_KIB, back_to, warm_server};

/// Connections of a server that closed, by reason.
async fn closes(server: &mut Server) -> Value {
    server.look().await["snapshot"]["servers"][0]["closed"].clone()
}

#[tokio::test]
async fn slow_readers_and_half_requests_are_ended() {
    let (mut server, start) = warm_server(None).await;
    let mut before = None;
    for turn in 1..=4 {
        let mut crowd = Crowd::start(&server).await;
        for kind in ["drown", "deaf-news", "slow", "half", "half-body", "mute", "vanish"] {
            assert_eq!(crowd.open(kind, 150).await, 150, "{kind}");
        }
        let full = server.figures().await;
        let (now, took) = back_to(&start, &mut server, "of clients that stall").await;
        println!("turn {turn}: 1,050 clients that stall gone {took:?} later; {full:?} -> {now:?}");
        if let Some(before) = before.replace(now.memory_kib) {
            assert!(now.memory_kib < before + TURN_KIB, "{} KiB, and {before} a turn before", now.memory_kib);
        }
    }
    println!("closed: {}", closes(&mut server).await);
}

#[tokio::test]
async fn handlers_that_panic_and_handlers_that_are_cancelled_leave_nothing() {
    let (mut server, start) = warm_server(None).await;
    let mut crowd = Crowd::start(&server).await;
    for _ in 0..2 {
        assert_eq!(crowd.open("panic", 1_000).await, 1_000);
        assert_eq!(crowd.open("leave", 1_000).await, 1_000);
    }
    let (now, took) = back_to(&start, &mut server, "of handlers that fail").await;
    println!("4,000 requests that failed gone {took:?} later; {start:?} -> {now:?}");
    println!("closed: {}", closes(&mut server).await);
}

#[tokio::test]
async fn sockets_that_are_dropped_leave_nothing() {
    let (mut server, start) = warm_server(None).await;
    let mut crowd = Crowd::start(&server).await;
    for _ in 0..2 {
        for kind in ["listen", "news", "chat", "mute", "half"] {
            assert_eq!(crowd.open(kind, 300).await, 300, "{kind}");
        }
        crowd.close().await;
        let (now, took) = back_to(&start, &mut server, "of sockets that were dropped").await;
        println!("1,500 clients that were dropped gone {took:?} later; {now:?}");
    }
}

#[tokio::test]
async fn a_flood_of_connects_is_turned_away_and_counted() {
    const MOST: usize = 200;
    let (mut server, start) = warm_server(Some(MOST)).await;
    let mut crowd = Crowd::start(&server).await;
    let before = figure(&mut server, "accepted").await;
    let cookies = figures::syn_cookies();
    let began = std::time::Instant::now();
    let connected = crowd.open("mute", 3_000).await as u64;
    let mut accepted = 0;
    while accepted < connected && began.elapsed() < crate::GONE_WITHIN {
        accepted = figure(&mut server, "accepted").await - before;
    }
    let rejected: u64 = sum(&server.look().await["snapshot"]["servers"][0]["rejected"]);
    // Who says nothing loses its place, and makes room for the next ones.
    let turns = began.elapsed().as_secs_f64() / Settings::default().patience.as_secs_f64();
    let served = (MOST as f64 * (turns + 1.0)) as u64;
    let now = server.figures().await;
    println!(
        "3,000 connects, {MOST} at a time: {accepted} accepted, {rejected} of them turned away; {now:?}"
    );
    // Where its queue is full, the kernel lets a client think that it is connected, and keeps nothing of it but a cookie.
    let lost = 3_000 - accepted;
    assert!(lost <= figures::syn_cookies() - cookies, "{lost} that the kernel had were not accepted");
    assert!(now.connections <= MOST as u64, "{now:?}");
    assert!((1..=served).contains(&(accepted - rejected)), "{rejected} of 3,000, with room for {served}");
    crowd.close().await;
    back_to(&start, &mut server, "of a flood").await;
    // It serves again.
    assert_eq!(crowd.open("chat", 50).await, 50);
}

#[tokio::test]
async fn a_shutdown_in_the_midst_of_it_leaves_no_socket_and_no_task() {
    let (mut server, start) = warm_server(None).await;
    let addr = server.addr;
    let mut crowd = Crowd::start(&server).await;
    // Those that stall last, since the server ends them soon.
    for kind in ["listen", "news", "vanish", "drown", "deaf-news", "slow", "half", "mute"] {
        assert_eq!(crowd.open(kind, 50).await, 50, "{kind}");
    }
    let full = server.figures().await;
    assert!(full.connections > 100, "only those who behave are there: {full:?}");
    let stopped = server.stop().await;
    println!("shut down with {full:?}: {}", stopped["report"].as_str().unwrap());
    let after = &stopped["after"];
    // What is left are the tasks that have nothing to do with clients.
    assert!(after["tasks"].as_u64().unwrap() <= start.tasks, "{after}");
    let servers = after["snapshot"]["servers"].as_array().unwrap();
    assert!(servers.iter().all(|server| server["connections"]["open"] == 0), "{after}");
    let refused = std::net::TcpStream::connect(addr).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

async fn figure(server: &mut Server, figure: &str) -> u64 {
    server.look().await["snapshot"]["servers"][0][figure].as_u64().unwrap()
}

/// The sum of an object's numbers.
fn sum(counts: &Value) -> u64 {
    counts.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
}
