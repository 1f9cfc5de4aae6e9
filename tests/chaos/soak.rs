//! All of it mixed, for a long time, in rounds: after each, memory, open files, tasks and sockets are where they were.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::figures::Figures;
use crate::process::{Crowd, Server};
use crate::{TURN_KIB, back_to, warm_server};

/// How long it lasts if nobody says.
const DEFAULT: Duration = Duration::from_secs(60);

/// What says so, in seconds.
const VARIABLE: &str = "POOLSCOPE_SOAK_SECONDS";

/// Every kind of client, and how many of it come at a time.
const MIX: [(&str, usize); 12] = [
    ("chat", 40),
    ("listen", 20),
    ("vanish", 20),
    ("drown", 5),
    ("news", 20),
    ("deaf-news", 10),
    ("slow", 5),
    ("half", 10),
    ("half-body", 10),
    ("mute", 20),
    ("panic", 40),
    ("leave", 40),
];

/// How long a crowd lives until it is closed, or frozen and then killed, in turn.
const CROWD_LIVES: Duration = Duration::from_secs(6);

/// How long a round lasts at most, after which all clients go and everything has to be as it was.
const ROUND: Duration = Duration::from_secs(30);

/// There are at least so many rounds.
const ROUNDS: u32 = 4;

#[tokio::test]
async fn memory_and_descriptors_stay_flat() {
    let seconds = std::env::var(VARIABLE).ok().map(|text| text.parse().unwrap());
    let lasts = seconds.map_or(DEFAULT, Duration::from_secs);
    let (mut server, start) = warm_server(None).await;
    println!("soak of {lasts:?}, from {start:?}");
    let began = Instant::now();
    let mut at_rest = Vec::new();
    while began.elapsed() < lasts {
        let most = round(&mut server, ROUND.min(lasts / ROUNDS)).await;
        let (rest, took) = back_to(&start, &mut server, "after a round").await;
        println!("{:>5} s, most: {most:?}; {took:?} after the round: {rest:?}", began.elapsed().as_secs());
        at_rest.push(rest.memory_kib);
    }
    println!("{}", counts(&mut server).await);
    // The first round fills what is kept.
    let (first, last) = (at_rest[0], *at_rest.last().unwrap());
    println!(
        "KiB of memory: {} at first, {first} after the first round, {last} after the last",
        start.memory_kib
    );
    assert!(at_rest.len() >= ROUNDS as usize && last <= first + TURN_KIB, "memory grows: {at_rest:?}");
}

/// Lets crowds come and go, each in its way; gives the figures when most connections were there.
async fn round(server: &mut Server, lasts: Duration) -> Figures {
    let began = Instant::now();
    let mut most = Figures::default();
    let (mut crowds, mut frozen, mut turn) = (Vec::new(), Vec::new(), 0_u32);
    while began.elapsed() < lasts {
        let mut crowd = Crowd::start(server).await;
        for (kind, count) in MIX {
            crowd.open(kind, count).await;
        }
        crowds.push((Instant::now(), crowd));
        let old = crowds.extract_if(.., |(since, _)| since.elapsed() > CROWD_LIVES);
        for (_, mut crowd) in old {
            turn += 1;
            match turn % 3 {
                0 => crowd.close().await,
                1 => drop(crowd),
                _ => {
                    crowd.freeze();
                    frozen.push((Instant::now(), crowd));
                }
            }
        }
        frozen.retain(|(since, _)| since.elapsed() < CROWD_LIVES);
        let now = server.figures().await;
        if now.connections > most.connections {
            most = now;
        }
        sleep(Duration::from_millis(200)).await;
    }
    most
}

/// How sessions and connections ended.
async fn counts(server: &mut Server) -> String {
    let told = server.look().await;
    let snapshot = &told["snapshot"];
    let sessions: Vec<_> = snapshot["sessions"].as_array().unwrap().iter().map(|one| &one["ended"]).collect();
    format!("sessions ended {sessions:?}, connections closed {}", snapshot["servers"][0]["closed"])
}
