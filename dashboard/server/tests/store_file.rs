//! The file of the history under the real program: killed at any moment, and on a disk that is full.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use poolscope_semconv::{attr, metric};
use poolscope_wire::{PoolDetail, PoolSummary, Status, path};
use reqwest::Client;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_poolscope-dashboard");
const PATIENCE: Duration = Duration::from_secs(20);

/// The program; killed with the test.
struct Program {
    child: Child,
    http: String,
    otlp: String,
    client: Client,
}

impl Program {
    fn start(mut command: Command, file: &Path) -> Self {
        let mut child = command
            .args(["--http-addr", "127.0.0.1:0", "--otlp-grpc-addr", "127.0.0.1:0"])
            .args(["--otlp-http-addr", "127.0.0.1:0", "--store"])
            .arg(file)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let words: Vec<String> =
            lines.take(3).map(|line| line.unwrap().split_whitespace().last().unwrap().to_owned()).collect();
        // The builder wants a provider of TLS, also where none is used; a second call changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { child, http: words[0].clone(), otlp: words[2].clone(), client: Client::new() }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        self.client.get(format!("{}{path}", self.http)).send().await.unwrap().json().await.unwrap()
    }

    async fn send(&self, hosts: &[String], count: u64) {
        let answer =
            self.client.post(format!("{}/v1/metrics", self.otlp)).json(&report(hosts, count)).send().await;
        assert!(answer.unwrap().status().is_success());
    }

    async fn history(&self) -> PoolDetail {
        let pools: Vec<PoolSummary> = self.get(path::POOLS).await;
        self.get(&format!("{}/{}?from_ms=1&max_points=10000", path::POOLS, pools[0].id)).await
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Status) -> bool) -> Status {
        let begin = Instant::now();
        loop {
            let status: Status = self.get(path::STATUS).await;
            if is_so(&status) {
                return status;
            }
            assert!(begin.elapsed() < PATIENCE, "{what}: {:?}", status.store_file);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// As the kernel ends what has no memory left: nothing of the program runs any more.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("poolscope-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("history.poolscope")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

fn text(key: &str, value: &str) -> Json {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn report(hosts: &[String], count: u64) -> Json {
    let at = now().as_nanos().to_string();
    let points: Vec<Json> = hosts
        .iter()
        .map(|host| {
            json!({
                "timeUnixNano": at,
                "asInt": count.to_string(),
                "attributes": [
                    text(attr::SERVER_ADDRESS, host),
                    text(attr::URL_SCHEME, "https"),
                    text(attr::HTTP_CONNECTION_STATE, "active"),
                ],
            })
        })
        .collect();
    let resource = [text(attr::SERVICE_NAME, "shop"), text(attr::SERVICE_INSTANCE_ID, "one")];
    json!({ "resourceMetrics": [{ "resource": { "attributes": resource }, "scopeMetrics": [{ "metrics": [{
        "name": metric::HTTP_CLIENT_OPEN_CONNECTIONS.name,
        "sum": { "aggregationTemporality": 2, "dataPoints": points },
    }] }] }] })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_killed_at_any_moment_finds_its_history_again() {
    let folder = Folder::new("killed");
    let hosts: Vec<String> = (0..50).map(|host| format!("host-{host}")).collect();
    let (mut count, mut kept, mut first_ms) = (0, 0, None);
    for life in 0..8_u64 {
        let program = Program::start(Command::new(PROGRAM), &folder.file());
        let status: Status = program.get(path::STATUS).await;
        assert_eq!(status.store_file.unwrap().problem, None);
        if life > 0 {
            let detail = program.history().await;
            let newest_ms = detail.points.last().unwrap().at_ms;
            let lost_ms = now().as_millis() as u64 - newest_ms;
            assert!(lost_ms < 5_000, "life {life}: {lost_ms} ms are lost");
            assert!(detail.points.len() >= kept, "life {life}: {} of {kept} points", detail.points.len());
            assert_eq!(detail.points.first().map(|point| point.at_ms), first_ms, "life {life}");
            assert!(detail.points.windows(2).all(|pair| pair[0].at_ms < pair[1].at_ms));
            kept = detail.points.len();
        }
        // Each life ends at another place of the two seconds between writings.
        let end = Instant::now() + Duration::from_millis(2_100 + life * 271);
        while Instant::now() < end {
            count += 1;
            program.send(&hosts, count).await;
            tokio::time::sleep(Duration::from_millis(110)).await;
        }
        first_ms = first_ms.or(program.history().await.points.first().map(|point| point.at_ms));
        program.kill();
    }
    assert!(kept > 60, "{kept} points are kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_stops_nothing() {
    let folder = Folder::new("full");
    // No file may be larger than this; a write beyond it fails as one on a full disk does.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -S -f 4096; exec \"$0\" \"$@\"", PROGRAM]);
    let program = Program::start(limited, &folder.file());
    let hosts: Vec<String> = (0..1_500).map(|host| format!("a-rather-long-name-of-a-host-{host}")).collect();
    let begin = Instant::now();
    let mut count = 0;
    let problem = loop {
        count += 1;
        program.send(&hosts, count).await;
        let status: Status = program.get(path::STATUS).await;
        if let Some(problem) = status.store_file.and_then(|file| file.problem) {
            break problem;
        }
        assert!(begin.elapsed() < 2 * PATIENCE, "the file never was too large");
        tokio::time::sleep(Duration::from_millis(110)).await;
    };
    assert!(problem.contains("there is no room for"), "{problem}");
    program.send(&hosts, count + 1).await;
    assert_eq!(program.get::<Vec<PoolSummary>>(path::POOLS).await.len(), hosts.len());
    // With room again it is written again, with what came in meanwhile.
    let lifted = Command::new("prlimit")
        .args(["--pid", &program.child.id().to_string(), "--fsize=unlimited:unlimited"])
        .status();
    if lifted.is_ok_and(|status| status.success()) {
        program
            .until("the file is written again", |status| {
                status.store_file.as_ref().is_some_and(|file| file.problem.is_none())
            })
            .await;
    }
    program.kill();
    let program = Program::start(Command::new(PROGRAM), &folder.file());
    let status: Status = program.get(path::STATUS).await;
    assert_eq!(status.store_file.unwrap().problem, None, "what was written before is whole");
    assert_eq!(program.get::<Vec<PoolSummary>>(path::POOLS).await.len(), hosts.len());
}
