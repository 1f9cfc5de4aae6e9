//! All of it mixed, for a long time: memory, open files, tasks and sockets stay where they are.

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
const CROWD_LIVES: Duration = Duration::from_secs(8);

/// From one line of figures to the next.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Reads one of the figures.
type Read = fn(&Figures) -> u64;

#[tokio::test]
async fn memory_and_descriptors_stay_flat() {
    let seconds = std::env::var(VARIABLE).ok().map(|text| text.parse().unwrap());
    let lasts = seconds.map_or(DEFAULT, Duration::from_secs);
    let (mut server, start) = warm_server(None).await;
    println!("soak of {lasts:?}, from {start:?}");
    let began = Instant::now();
    let mut seen: Vec<(Duration, Figures)> = Vec::new();
    let (mut crowds, mut frozen, mut turn) = (Vec::new(), Vec::new(), 0_u32);
    let mut told = Duration::ZERO;
    while began.elapsed() < lasts {
        let mut crowd = Crowd::start(&server).await;
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
        if began.elapsed() >= told {
            println!("{:>5} s {now:?}", began.elapsed().as_secs());
            told = began.elapsed() + TELL_EVERY;
        }
        seen.push((began.elapsed(), now));
        sleep(Duration::from_millis(200)).await;
    }
    let ends = counts(&mut server).await;
    drop((crowds, frozen));
    let (now, took) = back_to(&start, &mut server, "after the soak").await;
    println!("{turn} crowds; {ends}; back {took:?} after the end: {now:?}");

    // The first third fills what an allocator keeps.
    let part = |from: f64, to: f64| {
        let of = move |(at, _): &&(Duration, Figures)| {
            (from..to).contains(&(at.as_secs_f64() / lasts.as_secs_f64()))
        };
        seen.iter().filter(of).map(|(_, figures)| figures)
    };
    let figures = [
        ("KiB of memory", (|figures| figures.memory_kib) as Read, TURN_KIB),
        ("open files", |figures| figures.files as u64, 200),
        ("tasks", |figures| figures.tasks, 400),
    ];
    for (what, read, more) in figures {
        let most = |from, to| part(from, to).map(read).max().unwrap();
        let (early, late) = (most(0.33, 0.67), most(0.67, 1.01));
        println!("most {what}: {early} in the second third, {late} in the last");
        assert!(late <= early + early / 10 + more, "{what} grow: {early} -> {late}");
    }
}

/// How sessions and connections ended.
async fn counts(server: &mut Server) -> String {
    let told = server.look().await;
    let snapshot = &told["snapshot"];
    let sessions: Vec<_> = snapshot["sessions"].as_array().unwrap().iter().map(|one| &one["ended"]).collect();
    format!("sessions ended {sessions:?}, connections closed {}", snapshot["servers"][0]["closed"])
}
