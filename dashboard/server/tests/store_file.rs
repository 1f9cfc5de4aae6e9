//! The file of the history under the real program: killed at any moment, and on a disk that is full.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use poolscope_semconv::{attr, event, metric};
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

fn client() -> Client {
    // The builder wants a provider of TLS, also where none is used; a second call changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new()
}

impl Program {
    fn start(mut command: Command, file: &Path) -> Self {
        let child = command
            .args(["--http-addr", "127.0.0.1:0", "--otlp-grpc-addr", "127.0.0.1:0"])
            .args(["--otlp-http-addr", "127.0.0.1:0", "--store"])
            .arg(file)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Before anything can panic: it is killed with this.
        let mut program = Self { child, http: String::new(), otlp: String::new(), client: client() };
        let lines = BufReader::new(program.child.stdout.take().unwrap()).lines();
        let words: Vec<String> =
            lines.take(3).map(|line| line.unwrap().split_whitespace().last().unwrap().to_owned()).collect();
        (program.http, program.otlp) = (words[0].clone(), words[2].clone());
        program
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        self.client.get(format!("{}{path}", self.http)).send().await.unwrap().json().await.unwrap()
    }

    async fn send(&self, hosts: &[String], count: u64) {
        let answer =
            self.client.post(format!("{}/v1/metrics", self.otlp)).json(&report(hosts, count)).send().await;
        assert!(answer.unwrap().status().is_success());
    }

    /// Sends a request of any signal.
    async fn send_to(&self, signal: &str, request: &Json) {
        let answer = self.client.post(format!("{}/v1/{signal}", self.otlp)).json(request).send().await;
        assert!(answer.unwrap().status().is_success());
    }

    /// What the pages show, beside the histories of pools.
    async fn pages(&self) -> Vec<(&'static str, Json)> {
        let pools: Vec<PoolSummary> = self.get(path::POOLS).await;
        let range = "from_ms=1700000000000&to_ms=4000000000000";
        let mut lanes: Json =
            self.get(&format!("{}/{}/{}?{range}", path::POOLS, pools[0].id, path::CONNECTIONS)).await;
        lanes["rows"].as_array_mut().unwrap().sort_by_key(|row| row["id"].as_u64());
        let traces: Json = self.get(path::TRACES).await;
        let first = traces["traces"][0]["trace_id"].as_str().unwrap().to_owned();
        vec![
            ("services", self.get(path::SERVICES).await),
            ("protection", self.get(path::PROTECTION).await),
            ("sessions", self.get(path::SESSIONS).await),
            ("events", self.get(path::EVENTS).await),
            ("trace", self.get(&format!("{}/{first}", path::TRACES)).await),
            ("traces", traces),
            ("connections", lanes),
        ]
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

/// A number of one of ours, in an instance that nobody hears from again.
fn number(name: &str, attributes: &[Json], value: u64) -> Json {
    let point = json!({
        "timeUnixNano": now().as_nanos().to_string(),
        "asInt": value.to_string(),
        "attributes": attributes,
    });
    json!({ "name": name, "sum": { "aggregationTemporality": 2, "dataPoints": [point] } })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_every_page_shows_is_there_after_a_kill() {
    let folder = Folder::new("pages");
    let resource =
        json!({ "attributes": [text(attr::SERVICE_NAME, "shop"), text(attr::SERVICE_INSTANCE_ID, "one")] });
    let destination =
        [text(attr::SERVER_ADDRESS, "pay"), text(attr::URL_SCHEME, "https"), text(attr::CLIENT_NAME, "web")];
    let state = |state| [&destination[..], &[text(attr::HTTP_CONNECTION_STATE, state)]].concat();
    let (session, client) = (text(attr::SESSION_NAME, "chat"), text(attr::CLIENT_NAME, "web"));
    let pool = || number(metric::HTTP_CLIENT_OPEN_CONNECTIONS.name, &state("active"), 2);
    let of = |metrics: &[Json]| json!({ "resourceMetrics": [{ "resource": resource, "scopeMetrics": [{ "metrics": metrics }] }] });
    let first = of(&[pool()]);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let second = of(&[
        pool(),
        number(metric::LIMIT_MAX.name, std::slice::from_ref(&client), 20),
        number(metric::LIMIT_IN_USE.name, &[client], 7),
        number(metric::SESSION_ACTIVE.name, std::slice::from_ref(&session), 12),
        number(metric::SESSION_OVERDUE.name, std::slice::from_ref(&session), 1),
        number(metric::SESSION_STARTED.name, &[session], 40),
    ]);
    let at = now().as_nanos().to_string();
    let rows = ["17 idle 0 72.400 2.500 40 31.200 10.0.0.7:443", "18 active 1 9 4 3 8 -"];
    let rows: Vec<Json> = rows.iter().map(|row| json!({ "stringValue": row })).collect();
    let rows = json!({ "key": attr::POOL_CONNECTIONS, "value": { "arrayValue": { "values": rows } } });
    let open = json!({ "key": attr::POOL_OPEN, "value": { "intValue": "2" } });
    let closed = [text(attr::CONNECTION_ID, "18"), text(attr::CLOSE_REASON, "reset")];
    let record = |name: &str, attributes: &[Json]| {
        let attributes = [&destination[..], attributes].concat();
        json!({ "timeUnixNano": at, "eventName": name, "attributes": attributes })
    };
    let records = [record(event::POOL_SNAPSHOT, &[rows, open]), record(event::CONNECTION_CLOSED, &closed)];
    let logs =
        json!({ "resourceLogs": [{ "resource": resource, "scopeLogs": [{ "logRecords": records }] }] });
    let begin = (now() - Duration::from_secs(3)).as_nanos().to_string();
    let span = json!({
        "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "kind": 3,
        "name": "GET", "startTimeUnixNano": begin, "endTimeUnixNano": at, "status": { "code": 2 },
        "attributes": [text(attr::HTTP_REQUEST_METHOD, "GET"), text(attr::SERVER_ADDRESS, "pay")],
    });
    let spans = json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [{ "spans": [span] }] }] });

    let program = Program::start(Command::new(PROGRAM), &folder.file());
    // The newest report of a pool is not complete before there is another.
    program.send_to("metrics", &first).await;
    program.send_to("metrics", &second).await;
    program.send_to("logs", &logs).await;
    program.send_to("traces", &spans).await;
    // What one writing just missed is in the next, and what is written as a whole has its turn every ten seconds.
    let sent_ms = now().as_millis() as u64;
    for after_ms in [sent_ms, sent_ms + 12_100] {
        let is_written = |status: &Status| {
            let file = status.store_file.as_ref().unwrap();
            file.written_ms.is_some_and(|written_ms| written_ms > after_ms)
        };
        program.until("the file is written", is_written).await;
    }
    let mut before = program.pages().await;
    program.kill();
    let program = Program::start(Command::new(PROGRAM), &folder.file());
    let mut after = program.pages().await;
    // How much an instance has sent is written now and then.
    for pages in [&mut before, &mut after] {
        let instance = &mut pages[0].1[0]["instances"][0];
        assert_eq!(instance["id"], "one");
        for key in ["events", "spans", "last_seen_ms", "clock_offset_ms"] {
            instance[key].take();
        }
        // Since when a warning stands begins anew.
        pages[2].1[0]["health"]["since_ms"].take();
    }
    for ((name, before), (_, after)) in before.iter().zip(&after) {
        assert_eq!(before, after, "{name}");
    }
    let rows = after[6].1["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[1]["closed"]["reason"], "reset");
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
    // It serves, and says what is amiss without saying where the file is.
    let ready = program.client.get(format!("{}{}", program.http, path::READY)).send().await.unwrap();
    assert_eq!(ready.status(), 200);
    let told = ready.text().await.unwrap();
    assert!(told.starts_with("ready; the history is not written"), "{told}");
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
