//! Two hundred browsers at once, some of which read nothing, while a thousand pools change.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use super::*;

const BROWSERS: usize = 200;
/// Of them, those that read nothing.
const STUCK: usize = 20;
const POOLS: usize = 1_000;
const REPORTS: u32 = 10;
/// From one report to the next.
const PERIOD: Duration = Duration::from_millis(500);

/// All pools with so many connections each.
fn fleet(active: u32) -> Vec<u8> {
    let all = (0..POOLS).flat_map(|n| request(&format!("pool-{n}"), active).resource_metrics).collect();
    ExportMetricsServiceRequest { resource_metrics: all }.encode_to_vec()
}

/// Sends reports and tells the 95th percentile of how long each took to be taken.
async fn reports(program: &Program, from: u32) -> Duration {
    let mut took = Vec::new();
    for n in from..from + REPORTS {
        let body = fleet(n);
        let sent = Instant::now();
        let answer = program.post("/v1/metrics", "application/x-protobuf", None, body).await;
        assert_eq!(answer.status(), StatusCode::OK);
        took.push(sent.elapsed());
        tokio::time::sleep(PERIOD.saturating_sub(sent.elapsed())).await;
    }
    took.sort_unstable();
    took[took.len() * 95 / 100]
}

/// A browser that asks for the stream and has not read anything.
fn listener(program: &Program) -> TcpStream {
    let mut socket = TcpStream::connect(program.http).unwrap();
    socket.set_read_timeout(Some(4 * PATIENCE)).unwrap();
    socket.write_all(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    socket
}

/// Reads until the first pool of a message has so many connections; tells how many whole pictures and how many updates it
/// was sent.
fn listen(socket: TcpStream, figure: u32) -> (u32, u32) {
    let wanted = format!("\"active\":{figure}");
    let (mut pictures, mut updates) = (0, 0);
    let mut socket = BufReader::with_capacity(1 << 20, socket);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = socket.read_until(b'\n', &mut line).unwrap();
        assert_ne!(read, 0, "the stream ended");
        // Of a message that comes in pieces, the first.
        let Some(message) = line.strip_prefix(b"data: ") else { continue };
        let begin = String::from_utf8_lossy(&message[..message.len().min(16 << 10)]);
        if begin.starts_with("{\"type\":\"full\"") {
            pictures += 1;
        } else {
            updates += 1;
        }
        if begin.contains(&wanted) {
            return (pictures, updates);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_browsers_hold_up_nothing_and_get_the_newest_picture() {
    let program = Program::start(&[]);
    let alone = reports(&program, 1_000).await;
    let before = program.memory("VmRSS");

    let last = 2_000 + REPORTS - 1;
    let browsers: Vec<_> = (0..BROWSERS - STUCK)
        .map(|_| {
            let socket = listener(&program);
            tokio::task::spawn_blocking(move || listen(socket, last))
        })
        .collect();
    let stuck: Vec<_> = (0..STUCK).map(|_| listener(&program)).collect();
    until("all listen", async || program.status().await.streams == BROWSERS as u64).await;
    // One more is told why not.
    let url = format!("http://{}{}", program.http, path::STREAM);
    let refused = program.client.get(url).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    let sentence: ApiError = refused.json().await.unwrap();
    assert!(sentence.error.contains("--max-streams"), "{}", sentence.error);
    assert_eq!(program.hits("live streams").await, 1);

    let watched = reports(&program, 2_000).await;
    let during = program.memory("VmRSS");
    let (mut pictures, mut updates) = (0, 0);
    for browser in browsers {
        let (of_it, more) = browser.await.expect("every browser is told the newest figure");
        (pictures, updates) = (pictures + of_it, updates + more);
    }
    println!(
        "ingest p95 {alone:?} alone, {watched:?} with {BROWSERS} browsers: {:.2}; memory {before} MiB before, {during} \
         MiB during, {} MiB at the worst; {pictures} pictures and {updates} updates were read",
        watched.as_secs_f64() / alone.as_secs_f64(),
        program.memory("VmHWM"),
    );
    assert!(watched < Duration::from_secs(5), "{watched:?}");
    // Who reads nothing lags and is told of, those first that lag most.
    let mut figure = 3_000;
    until("those that read nothing lag", async || {
        figure += 1;
        program.post("/v1/metrics", "application/x-protobuf", None, fleet(figure)).await;
        program.status().await.own.browsers.iter().filter(|one| one.lags && one.queued > 0).count() >= STUCK
    })
    .await;
    drop(stuck);
    until("all have left", async || program.status().await.streams == 0).await;
    until("memory is as before", async || program.memory("VmRSS") < before + 100).await;
    program.is_well(700).await;
}
