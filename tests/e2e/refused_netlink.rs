//! A process that may not ask the kernel about its sockets: the pool says that it estimates, and works, and so does a server.

use serde_json::Value;

#[tokio::test]
async fn without_netlink_a_pool_is_estimated_and_a_server_bounded_all_the_same() {
    let program = env!("CARGO_BIN_EXE_poolscope-refused-netlink");
    let output = tokio::process::Command::new(program).kill_on_drop(true).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let pool = |moment: &str| told[moment]["pools"][0].clone();

    let refused = told["used"]["kernel_refused"].as_str().expect("the snapshot says what was refused");
    assert!(refused.contains("netlink") || refused.contains("not permitted"), "{refused}");

    let used = pool("used");
    assert_eq!(used["observation"], "estimated");
    assert_eq!((used["opened"].as_u64(), used["acquires_started"].as_u64()), (Some(3), Some(5)));
    assert_eq!((used["acquires"]["new"].as_u64(), used["acquires"]["reused"].as_u64()), (Some(3), Some(2)));
    assert_eq!((used["acquired"].as_u64(), used["released"].as_u64()), (Some(5), Some(5)));
    assert_eq!(states(&used), [1, 0, 0], "{used}");
    assert_eq!(closes(&used), [("connection_close".to_owned(), 2)]);

    let server = &told["deaf"]["servers"][0];
    assert_eq!(server["closed"]["write_timeout"], 1, "bounded by what it writes: {server}");

    let expired = pool("expired");
    assert_eq!(expired["observation"], "estimated");
    assert_eq!(states(&expired), [0, 0, 0], "{expired}");
    assert_eq!(closes(&expired), [("connection_close".to_owned(), 2), ("idle_timeout".to_owned(), 1)]);
}

/// Idle, active and upgraded connections.
fn states(pool: &Value) -> [u64; 3] {
    let counts = &pool["connections"]["http1"];
    ["idle", "active", "upgraded"].map(|state| counts[state].as_u64().unwrap())
}

/// Closes by reason, all of them inferred.
fn closes(pool: &Value) -> Vec<(String, u64)> {
    let rows = pool["closed"].as_array().unwrap();
    assert!(rows.iter().all(|row| row["certainty"] == "inferred"), "{rows:?}");
    let mut closes: Vec<_> = rows
        .iter()
        .map(|row| (row["reason"].as_str().unwrap().to_owned(), row["count"].as_u64().unwrap()))
        .collect();
    closes.sort();
    closes
}
