//! The bench of a shared client, small: what must hold at any speed.

use std::process::{Command, Stdio};

use serde_json::Value;

const CONCURRENCY: u64 = 60;
const EACH: u64 = 4;
const ROUNDS: u64 = 2;
const LIMIT: u64 = 6;

fn measure(client: &str, is_tls: bool) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_poolscope-bench-scale"));
    command.args([
        "--client",
        client,
        "--server-program",
        env!("CARGO_BIN_EXE_poolscope-bench-scale-server"),
    ]);
    for (option, value) in
        [("--concurrency", CONCURRENCY), ("--each", EACH), ("--rounds", ROUNDS), ("--limit", LIMIT)]
    {
        command.args([option, &value.to_string()]);
    }
    if is_tls {
        command.arg("--tls");
    }
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().expect("the bench starts");
    assert!(output.status.success(), "{client}: {}", output.status);
    serde_json::from_slice(&output.stdout).expect("the bench prints JSON")
}

#[test]
fn every_request_is_done_and_both_sides_count_the_same_connections() {
    for (client, is_tls) in [("hyper", false), ("hyper", true), ("reqwest", false), ("reqwest", true)] {
        let told = measure(client, is_tls);
        let number = |pointer: &str| told.pointer(pointer).and_then(Value::as_u64);
        let all = Some(CONCURRENCY * EACH * ROUNDS);
        for kind in ["shared", "fresh"] {
            let of = |name: &str| number(&format!("/{kind}/{name}"));
            assert_eq!((of("requests"), of("failed")), (all, Some(0)), "{kind}: {told:#}");
            assert_eq!(of("server/requests"), all, "{kind}: {told:#}");
        }
        // One connection for each request, and for each that the shared client sees.
        assert_eq!(number("/fresh/server/accepted"), all, "{told:#}");
        assert_eq!(number("/seen/opened"), number("/shared/server/accepted"), "{told:#}");
        assert_eq!((number("/seen/acquired"), number("/seen/retries")), (all, Some(0)), "{told:#}");
        let opened = number("/seen/opened").unwrap();
        assert!((1..CONCURRENCY).contains(&opened), "the limit bounds connections: {told:#}");
        assert!(told["mean_ratio"].as_f64() > Some(0.0), "{told:#}");
    }
}
