//! The resource guard under a flood: a process with few descriptors refuses requests before it has none left, and takes
//! them again when the load is over.

use std::process::Stdio;

use http::StatusCode;
use poolscope::Scope;
use poolscope::guard::{Limits, ResourceGuard};
use poolscope::otlp::{Otlp, Protocol};
use poolscope_tests::dashboard::Dashboard;
use poolscope_tests::limits::allow_open_files;
use poolscope_tests::upstream::{Options, Upstream, answer};
use poolscope_tests::wait;
use poolscope_wire::{Breaker, BreakerState, Event, Severity, path};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Mutex, watch};

/// Descriptors of the process, and the hard limit of its guard.
const DESCRIPTORS: u64 = 200;
const HARD: u64 = 190;

/// What the process opens besides connections while the flood comes, as to ask the kernel about them. It is not the guard's to
/// refuse; there is room for it between the hard limit and the last descriptor.
const OTHERS: u64 = 4;

/// Requests that it sends at once.
const REQUESTS: u64 = 400;

/// A process that floods a server whose answers are held back.
struct Flood {
    child: Child,
    pipes: Mutex<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
    upstream: Upstream,
    released: watch::Sender<bool>,
}

impl Flood {
    async fn start(host: &str, kind: &str, mode: &str) -> Self {
        allow_open_files(4 * REQUESTS).unwrap();
        let released = watch::Sender::new(false);
        let gate = released.clone();
        let upstream = Upstream::start(Options::default(), move |request| {
            let mut gate = gate.subscribe();
            async move {
                if request.uri().path() == "/held" {
                    gate.wait_for(|released| *released).await.unwrap();
                }
                answer(StatusCode::OK, "hello")
            }
        })
        .await
        .unwrap();
        let url = format!("http://{host}:{}", upstream.addr().port());
        let numbers = [DESCRIPTORS.to_string(), REQUESTS.to_string()];
        let mut child = Command::new(env!("CARGO_BIN_EXE_poolscope-flood"))
            .args([&url, kind, mode])
            .args(numbers)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let pipes = Mutex::new((child.stdin.take().unwrap(), lines));
        Self { child, pipes, upstream, released }
    }

    async fn ask(&self, command: &str) -> Value {
        let (stdin, lines) = &mut *self.pipes.lock().await;
        stdin.write_all(format!("{command}\n").as_bytes()).await.unwrap();
        serde_json::from_str(&lines.next_line().await.unwrap().expect("it goes on")).unwrap()
    }

    /// What the process says of itself, and how many descriptors the kernel says that it has.
    async fn look(&self) -> (Value, u64) {
        let told = self.ask("look").await;
        let pid = self.child.id().expect("it goes on");
        (told, std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() as u64)
    }

    /// Waits until every request is held by the server or has ended.
    async fn settled(&self) -> (Value, u64) {
        let counts = self.upstream.counts();
        let held = || async { (self.look().await, counts.requests()) };
        let is_settled = |((told, _), held): &((Value, u64), u64)| {
            let ended = &told["ended"];
            let failed = ended["failed"].as_array().unwrap().len() as u64;
            failed + number(&ended["refused"]) + number(&ended["emfile"]) + held == REQUESTS
        };
        wait::until("all requests to be held or over", held, is_settled).await.0
    }
}

/// How much of a resource is in use, as the guard says.
fn current(told: &Value, name: &str) -> u64 {
    let mut resources = told["snapshot"]["resources"].as_array().unwrap().iter();
    number(&resources.find(|resource| resource["name"] == name).unwrap()["current"])
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[tokio::test]
async fn without_a_guard_a_flood_takes_every_descriptor() {
    let flood = Flood::start("127.0.0.1", "hyper", "watched").await;
    let (told, descriptors) = flood.settled().await;
    // It may have inherited some more, with numbers beyond its limit.
    assert!(descriptors >= DESCRIPTORS, "{descriptors}");
    assert!(number(&told["ended"]["emfile"]) > 0, "{}", told["ended"]);
    // With none left, they are counted all the same.
    let agree = |(told, kernel): &(Value, u64)| current(told, "open_files") == *kernel;
    let (told, _) = wait::until("the figures of the kernel", || flood.look(), agree).await;
    assert!(current(&told, "memory") > 0);
}

#[tokio::test]
async fn a_guard_refuses_before_the_last_descriptor_and_recovers() {
    // By address and by name: a name is looked up first, while nothing is open yet.
    for (host, kind) in
        [("127.0.0.1", "hyper"), ("127.0.0.1", "reqwest"), ("localhost", "hyper"), ("localhost", "reqwest")]
    {
        let flood = Flood::start(host, kind, "guarded").await;
        let (told, descriptors) = flood.settled().await;
        let context = format!("{kind} to {host}: {descriptors} descriptors, {}", told["ended"]);
        assert_eq!(number(&told["ended"]["emfile"]), 0, "{context}");
        assert_eq!(told["ended"]["failed"], Value::Array(Vec::new()), "{context}");
        assert!(descriptors <= HARD + OTHERS, "{context}");
        assert!(flood.upstream.counts().requests() > HARD / 2, "the limit is made use of: {context}");
        let words = told["ended"]["told"].as_str().unwrap();
        assert!(words.contains("open files are at") && words.contains("of at most 190"), "{words}");

        // Its figures are the kernel's.
        let agree = |(told, kernel): &(Value, u64)| {
            let [files, pools] = ["open_files", "connections"].map(|name| current(told, name));
            files == *kernel && pools == number(&told["snapshot"]["pools"][0]["glance"]["total"])
        };
        let (told, _) = wait::until("the figures of the kernel", || flood.look(), agree).await;
        let files = &told["snapshot"]["resources"][0];
        assert_eq!((number(&files["hard_limit"]), number(&files["system_limit"])), (HARD, DESCRIPTORS));
        assert_eq!(number(&files["refused"]), number(&told["ended"]["refused"]), "{context}");

        // When the load is over, the idle connections close, and requests pass again.
        flood.released.send_replace(true);
        let recovered = |(told, _): &(Value, u64)| {
            let answered = number(&told["ended"]["answered"]) + number(&told["ended"]["refused"]);
            answered == REQUESTS && told["snapshot"]["breakers"][0]["state"] == "closed"
        };
        let (told, _) = wait::until("recovery", || flood.look(), recovered).await;
        assert_eq!(flood.ask("request").await, Value::Bool(true));
        assert!(number(&told["snapshot"]["resources"][0]["peak"]) <= HARD + OTHERS, "{told}");
    }
}

#[tokio::test]
async fn the_dashboard_shows_the_breaker_of_a_guard_and_says_why() {
    let dashboard = Dashboard::start().await.unwrap();
    let scope = Scope::new();
    let _telemetry = Otlp::new(&scope)
        .environment(|_| None)
        .service_name("shop")
        .endpoint(format!("http://{}", dashboard.otlp_grpc()))
        .protocol(Protocol::Grpc)
        .start()
        .unwrap();
    let guard = ResourceGuard::builder(&scope).build().unwrap();
    let sessions = watch::Sender::new(0_u64);
    let counted = sessions.subscribe();
    guard.watch("sessions", Limits::amounts(80, 100), move || *counted.borrow()).unwrap();

    sessions.send_replace(120);
    let breakers = || dashboard.get::<Vec<Breaker>>(path::BREAKERS);
    let is = |state| move |breakers: &Vec<Breaker>| breakers.iter().any(|breaker| breaker.state == state);
    // The figures may come before the event that says why.
    let says_why = |breakers: &Vec<Breaker>| {
        let told = |breaker: &Breaker| breaker.sentence == "open: a resource of the process is used up";
        breakers.iter().any(|breaker| breaker.name == "resources" && told(breaker))
    };
    wait::until("an open breaker that says why", breakers, says_why).await;
    sessions.send_replace(10);
    wait::until("a closed breaker", breakers, is(BreakerState::Closed)).await;

    let events = || dashboard.get::<Vec<Event>>(path::EVENTS);
    let told = |event: &Event, severity, text: &str| event.severity == severity && event.text == text;
    let events = wait::until("the events", events, |events| events.len() >= 4).await;
    for (severity, text) in [
        (Severity::Bad, "resource sessions is used up, so requests are refused: 120 in use, of at most 100"),
        (Severity::Bad, "breaker resources opened: a resource of the process is used up"),
        (Severity::Ok, "resource sessions is below its limits again: 10 in use"),
        (Severity::Ok, "breaker resources closed: the resources of the process are enough again"),
    ] {
        assert!(events.iter().any(|event| told(event, severity, text)), "no {text} in {events:#?}");
    }
}
