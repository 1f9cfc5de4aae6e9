//! Receivers that are down, silent, slow, broken, or no receivers: the application never waits, and what was sent is what
//! arrived and what was counted.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use poolscope::Scope;
use poolscope::otlp::{Otlp, Protocol};
use poolscope_semconv::value::Signal;

use crate::receiver::{Manner, Receiver, Reply, any_port};
use crate::traffic::{self, failed_request, free_addr, spans, wait_for};
use crate::{export, http_export};

/// Serves each connection with this, on threads that end with the test process.
fn server(serve: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind(any_port()).unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            thread::spawn(move || serve(stream));
        }
    });
    addr
}

/// Reads what comes first.
fn read_some(stream: &mut TcpStream) {
    let _ = stream.read(&mut [0; 16 << 10]);
}

fn never_answers(mut stream: TcpStream) {
    while stream.read(&mut [0; 16 << 10]).is_ok_and(|read| read > 0) {}
}

fn closes_at_once(_: TcpStream) {}

fn closes_midway(mut stream: TcpStream) {
    read_some(&mut stream);
    let _ = stream.write_all(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 99\r\n\r\n\x0a",
    );
}

fn answers_garbage(mut stream: TcpStream) {
    read_some(&mut stream);
    let garbage: Vec<u8> = (0..2000_u32).map(|n| (n * 37 % 251) as u8).collect();
    let _ = stream.write_all(&garbage);
}

/// A web server that shows everybody the same page.
fn is_a_web_site(mut stream: TcpStream) {
    read_some(&mut stream);
    let page = "<!DOCTYPE html><title>Welcome</title>";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length: ";
    let _ = stream.write_all(format!("{head}{}\r\n\r\n{page}", page.len()).as_bytes());
}

/// One that sends everybody elsewhere, by a redirect that would turn a POST into a GET.
fn redirects(mut stream: TcpStream) {
    read_some(&mut stream);
    let head = "HTTP/1.1 302 Found\r\nlocation: /login\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let _ = stream.write_all(head.as_bytes());
}

/// Counts the events of a scope.
fn count_events(scope: &Scope) -> Arc<AtomicU64> {
    #[derive(Debug)]
    struct Counter(Arc<AtomicU64>);
    impl poolscope::Listener for Counter {
        fn on_event(&self, _: &poolscope::Event) {
            self.0.fetch_add(1, Relaxed);
        }
    }
    let count = Arc::new(AtomicU64::new(0));
    scope.listen(Counter(Arc::clone(&count)));
    count
}

fn to(scope: &Scope, addr: SocketAddr, protocol: Protocol) -> Otlp {
    export(scope, &format!("http://{addr}")).protocol(protocol).timeout(Duration::from_millis(500))
}

/// As a healthy receiver counts them.
async fn spans_of_a_failed_request() -> u64 {
    let receiver = Receiver::grpc(Manner::default());
    let scope = Scope::new();
    let telemetry = export(&scope, &receiver.url()).start().unwrap();
    failed_request(&scope).await;
    telemetry.shutdown_async(Duration::from_secs(5)).await;
    let spans = receiver.received().spans();
    spans as u64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_listens_there_everything_is_counted_and_nobody_waits() {
    let troubles = [
        ("refuses", free_addr()),
        ("never answers", server(never_answers)),
        ("closes at once", server(closes_at_once)),
        ("closes midway", server(closes_midway)),
        ("answers garbage", server(answers_garbage)),
        ("is a web site", server(is_a_web_site)),
        ("redirects", server(redirects)),
    ];
    let by_requests = spans_of_a_failed_request().await;
    let mut all = Vec::new();
    for (trouble, addr) in troubles {
        for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
            all.push(tokio::spawn(async move {
                let scope = Scope::new();
                let events = count_events(&scope);
                let started = Instant::now();
                let telemetry = to(&scope, addr, protocol).start().unwrap();
                let by_hand = 700;
                spans(&telemetry, by_hand);
                assert!(started.elapsed() < Duration::from_secs(1), "{trouble}: {:?}", started.elapsed());
                failed_request(&scope).await;
                let started = Instant::now();
                let lost = telemetry.shutdown_async(Duration::from_secs(4)).await;
                assert!(started.elapsed() < Duration::from_secs(5), "{trouble}: {:?}", started.elapsed());
                let case = format!("{trouble} {protocol:?} {lost:?}");
                assert_eq!(lost.events, events.load(Relaxed), "{case}");
                assert_eq!(lost.spans, by_hand as u64 + by_requests, "{case}");
                assert!(lost.points > 0, "{case}");
            }));
        }
    }
    for case in all {
        case.await.unwrap();
    }
}

#[test]
fn what_finds_the_queue_full_is_counted() {
    let addr = server(never_answers);
    let telemetry = to(&Scope::new(), addr, Protocol::Grpc)
        .timeout(Duration::from_secs(60))
        .environment(|name| (name == "OTEL_BSP_MAX_QUEUE_SIZE").then(|| "100".to_owned()))
        .start()
        .unwrap();
    spans(&telemetry, 10_000);
    // A hundred wait, and at most as many again are on their way.
    let dropped = telemetry.dropped(Signal::Spans);
    assert!((9_000..=9_900).contains(&dropped), "{dropped}");
    assert_eq!(telemetry.shutdown_within(Duration::from_millis(200)).spans, 10_000);
}

#[test]
fn a_burst_arrives_or_is_counted() {
    const SCRIPT: &[Reply] = &[Reply::Slow(20), Reply::Slow(20), Reply::Slow(20)];
    for grpc in [true, false] {
        let scope = Scope::new();
        let manner = Manner::scripted(SCRIPT);
        let receiver = if grpc { Receiver::grpc(manner) } else { Receiver::http(manner) };
        let export =
            if grpc { export(&scope, &receiver.url()) } else { http_export(&scope, &receiver.url()) };
        let telemetry = export.timeout(Duration::from_secs(10)).start().unwrap();
        thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| spans(&telemetry, 5_000));
            }
        });
        let lost = telemetry.shutdown();
        let arrived = receiver.received().spans() as u64;
        assert_eq!(arrived + lost.spans, 20_000, "{arrived} arrived, {} were counted", lost.spans);
        assert!(arrived >= 2_000 && lost.spans > 0, "{arrived} arrived, {} were counted", lost.spans);
    }
}

#[tokio::test]
async fn a_receiver_that_comes_back_in_time_gets_everything() {
    let addr = free_addr();
    let scope = Scope::new();
    let telemetry =
        export(&scope, &format!("http://{addr}")).timeout(Duration::from_secs(10)).start().unwrap();
    spans(&telemetry, 1_000);
    failed_request(&scope).await;
    // By now the first attempts have failed: spans wait a second.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let receiver = Receiver::grpc_at(addr, Manner::default());
    wait_for("all of it", || receiver.received().spans() >= 1_000 && receiver.received().records() == 1)
        .await;
    let lost = telemetry.shutdown_async(Duration::from_secs(5)).await;
    assert_eq!(lost, poolscope::otlp::Lost::default());
}

/// Times of requests in microseconds: the middle one and the worst of 99 in 100.
async fn latency(scope: &Scope) -> (u128, u128) {
    let server = traffic::Server::start().await;
    let mut client = traffic::client(scope, "latency");
    let mut times = Vec::new();
    for _ in 0..1_000 {
        let started = Instant::now();
        server.request(&mut client).await;
        times.push(started.elapsed().as_micros());
    }
    times.sort_unstable();
    (times[500], times[990])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_do_not_feel_a_receiver_that_is_down_or_silent() {
    let (calm, _) = latency(&Scope::new()).await;
    for (trouble, addr) in [("refuses", free_addr()), ("never answers", server(never_answers))] {
        let scope = Scope::new();
        let telemetry = to(&scope, addr, Protocol::Grpc)
            .metrics_interval(Duration::from_millis(20))
            .environment(|name| (name == "OTEL_BSP_MAX_QUEUE_SIZE").then(|| "64".to_owned()))
            .start()
            .unwrap();
        let (troubled, worst) = latency(&scope).await;
        println!(
            "{trouble}: {calm} us without telemetry, {troubled} us with, {worst} us for the worst of 99 %"
        );
        // Spans and metrics cost something, in a debug build more; a wait for the receiver would be 500 ms.
        assert!(troubled < calm * 4 + 1_000, "{trouble}: {calm} us without telemetry, {troubled} us with");
        assert!(worst < 100_000, "{trouble}: {worst} us");
        assert!(telemetry.shutdown_async(Duration::from_millis(100)).await.spans >= 900);
    }
}
