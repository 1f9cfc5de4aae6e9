//! Every case does the work, and what is around its client sees it: a layer that is not there costs nothing.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use poolscope_bench::Server;
use serde_json::Value;

const CLIENT: &str = env!("CARGO_BIN_EXE_poolscope-bench-client");
const REQUESTS: u64 = 200;
const CONCURRENCY: u64 = 8;

fn server() -> Server {
    Server::start(Path::new(env!("CARGO_BIN_EXE_poolscope-bench-server"))).expect("the server starts")
}

fn client(args: &[&str]) -> String {
    let output = Command::new(CLIENT)
        .args(args)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("the client starts");
    assert!(output.status.success(), "{args:?}: {}", output.status);
    String::from_utf8(output.stdout).expect("the client prints text")
}

#[test]
fn every_case_does_the_work_and_its_layers_see_it() {
    let server = server();
    let addr = server.addr().to_string();
    let list = client(&["--list"]);
    for line in list.lines() {
        let (stack, case) = line.split_once(' ').unwrap();
        let (requests, concurrency) = (REQUESTS.to_string(), CONCURRENCY.to_string());
        let result = client(&[
            "--stack",
            stack,
            "--case",
            case,
            "--server",
            &addr,
            "--requests",
            &requests,
            "--concurrency",
            &concurrency,
        ]);
        let result: Value = serde_json::from_str(&result).unwrap();
        assert!(result["wall_ns"].as_u64() > Some(0), "{line}: {result}");

        // A server's case has one connection for each task, and all know them.
        if stack == "server" && case.starts_with("full") {
            assert_eq!(result["connections"].as_u64(), Some(CONCURRENCY), "{line}: {result}");
        }
        let is_ours = case.starts_with("full") || case == "connector";
        assert_eq!(
            result["connections"].as_u64().is_some_and(|opened| opened >= 1),
            is_ours,
            "{line}: {result}"
        );
        let protects = ["breaker", "retry", "limit", "stack"].contains(&case);
        let counts = case.starts_with("full") || case.contains("metrics") || protects;
        assert_eq!(result["requests"].as_u64(), counts.then_some(REQUESTS), "{line}: {result}");
        let spans = result["spans"].as_u64();
        match case {
            "full-sampled" if stack == "server" => assert_eq!(spans, Some(REQUESTS), "{line}"),
            "full-sampled" => assert!(spans >= Some(REQUESTS), "{line}: {result}"),
            "full-unsampled" | "tower-http-trace" | "reqwest-tracing" => assert_eq!(spans, Some(0), "{line}"),
            _ => assert!(spans.unwrap_or_default() == 0, "{line}: {result}"),
        }
    }
    assert_eq!(list.lines().count(), 49);
}

#[test]
fn two_threads_share_the_breaker_of_a_service() {
    let mut client = Command::new(CLIENT)
        .args(["--stack", "service", "--case", "breaker", "--server", "127.0.0.1:1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the client starts");
    client.stdin.take().unwrap().write_all(b"run 100\nshare 100\n").unwrap();
    let output = client.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let requests =
        |line: &str| serde_json::from_str::<Value>(line).map(|result| result["requests"].clone()).unwrap();
    assert_eq!(text.lines().map(requests).collect::<Vec<_>>(), [100, 200]);
}

fn allocations(stack: &str, case: &str, server: &str) -> f64 {
    let args = ["--stack", stack, "--case", case, "--server", server];
    let output = Command::new(env!("CARGO_BIN_EXE_poolscope-bench-allocations"))
        .args(args)
        .output()
        .expect("the program starts");
    let text = String::from_utf8(output.stdout).expect("the program prints text");
    text.trim().parse().expect("the program prints a number")
}

#[test]
fn our_server_allocates_nothing_for_a_request() {
    let [bare, full, route] =
        ["bare", "full", "full-route"].map(|case| allocations("server", case, "127.0.0.1:1"));
    assert!((1.0..100.0).contains(&bare), "{bare}");
    assert!(full - bare < 0.01 && route - bare < 0.01, "{bare}, {full}, {route}");
}

#[test]
fn allocations_are_counted() {
    let server = server();
    let allocations = allocations("hyper-h1", "bare", &server.addr().to_string());
    // hyper-util allocates a few times for each request; nobody knows better than it how often.
    assert!((1.0..100.0).contains(&allocations), "{allocations}");
}
