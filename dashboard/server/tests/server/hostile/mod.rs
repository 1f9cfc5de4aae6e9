//! What a hostile network does to the dashboard. The program runs in a process of its own, so that its memory is its own
//! too, and so that a panic of it is seen.

mod browsers;
mod frames;
mod huge;
mod loris;
mod malformed;
mod samples;
mod script;
mod wrong;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::*;

const MIB: u64 = 1024 * 1024;

/// The program at work, on ports that were free; ended when dropped.
struct Program {
    child: Child,
    http: SocketAddr,
    grpc: SocketAddr,
    otlp: SocketAddr,
    client: Client,
    /// What it said on stderr.
    said: Arc<Mutex<String>>,
}

impl Program {
    /// Starts it with flags besides the addresses.
    fn start(flags: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_poolscope-dashboard"));
        let of_environment = std::env::vars_os().map(|(name, _)| name);
        for name in of_environment.filter(|name| name.to_string_lossy().starts_with("POOLSCOPE_")) {
            command.env_remove(name);
        }
        for flag in ["--http-addr", "--otlp-grpc-addr", "--otlp-http-addr"] {
            command.args([flag, "127.0.0.1:0"]);
        }
        let mut child = command.args(flags).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let addresses: Vec<SocketAddr> = out
            .lines()
            .take(3)
            .map(|line| line.unwrap().rsplit_once("//").unwrap().1.parse().unwrap())
            .collect();
        let said = Arc::new(Mutex::new(String::new()));
        let (errors, heard) = (BufReader::new(child.stderr.take().unwrap()), said.clone());
        // Ends with the program.
        std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                heard.lock().unwrap().extend([&line, "\n"]);
            }
        });
        let [http, grpc, otlp] = addresses.try_into().unwrap();
        Self { child, http, grpc, otlp, client: client(), said }
    }

    async fn post(&self, path: &str, content_type: &str, encoding: Option<&str>, body: Vec<u8>) -> Response {
        let url = format!("http://{}{path}", self.otlp);
        let mut request = self.client.post(url).header("content-type", content_type).body(body);
        if let Some(encoding) = encoding {
            request = request.header("content-encoding", encoding);
        }
        request.send().await.unwrap()
    }

    /// Sends JSON, which has to be taken, and tells how many of its items were rejected.
    async fn take(&self, path: &str, body: &Json) -> u64 {
        let answer = self.post(path, "application/json", None, serde_json::to_vec(body).unwrap()).await;
        assert_eq!(answer.status(), StatusCode::OK, "{}", answer.text().await.unwrap());
        let answer: Json = answer.json().await.unwrap();
        let partial = answer["partialSuccess"].as_object();
        let count =
            partial.and_then(|partial| partial.values().find_map(|value| value.as_str()?.parse().ok()));
        count.unwrap_or(0)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let answer = self.client.get(format!("http://{}{path}", self.http)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.json().await.unwrap()
    }

    async fn status(&self) -> Status {
        self.get(path::STATUS).await
    }

    /// How often something was lost whose words these are among.
    async fn lost(&self, words: &str) -> u64 {
        let losses = self.status().await.own.losses;
        losses.iter().filter(|loss| loss.what.contains(words)).map(|loss| loss.count).sum()
    }

    /// How often a bound was hit, as the About page has it.
    async fn hits(&self, limit: &str) -> u64 {
        let limits = self.status().await.limits;
        limits.iter().find(|one| one.name == limit).unwrap_or_else(|| panic!("{limit}: {limits:?}")).hits
    }

    /// Megabytes that are resident, or were at the worst moment (`VmHWM`).
    fn memory(&self, which: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(which)?.strip_prefix(':')).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }

    /// It lives, did not panic, takes a good export both ways at once and shows what was in it.
    async fn is_well(&self, most_mib: u64) {
        let asked = Instant::now();
        assert_eq!(self.post_good("over-http", 3).await, StatusCode::OK);
        let channel = Channel::from_shared(format!("http://{}", self.grpc)).unwrap().connect().await.unwrap();
        let taken = MetricsServiceClient::new(channel).export(request("over-grpc", 4)).await.unwrap();
        assert_eq!(taken.get_ref().partial_success, None);
        let pools: Vec<PoolSummary> = self.get(path::POOLS).await;
        for (host, active) in [("over-http", 3), ("over-grpc", 4)] {
            let pool = pools.iter().find(|pool| *pool.address == *host).unwrap();
            assert_eq!((pool.now.active, pool.now.idle), (Some(active), Some(1)), "{host}");
        }
        assert!(asked.elapsed() < PATIENCE, "{:?}", asked.elapsed());
        let said = self.said.lock().unwrap().clone();
        assert!(!said.contains("panicked") && !said.contains("fault"), "{said}");
        let peak = self.memory("VmHWM");
        assert!(peak < most_mib, "it took {peak} MiB");
    }

    async fn post_good(&self, host: &str, active: u32) -> StatusCode {
        let body = request(host, active).encode_to_vec();
        self.post("/v1/metrics", "application/x-protobuf", None, body).await.status()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something holds.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let tried = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(9 * PATIENCE, tried).await.unwrap_or_else(|_| panic!("never: {what}"));
}
