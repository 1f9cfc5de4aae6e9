//! Hundreds of peers that are slow on purpose, while honest ones are served.

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::*;

/// Longest that somebody honest may wait for an answer meanwhile.
const FAIR: Duration = Duration::from_secs(15);

/// Keeps so many sockets open that send these bytes at once and then one of `drip` every 200 ms. Who is cut comes again.
fn swarm(address: SocketAddr, sockets: usize, first: Vec<u8>, drip: u8) -> JoinSet<()> {
    let first = Arc::new(first);
    let mut swarm = JoinSet::new();
    for n in 0..sockets {
        let first = first.clone();
        swarm.spawn(async move {
            // Not all at once.
            tokio::time::sleep(Duration::from_millis(n as u64)).await;
            loop {
                if let Ok(mut socket) = TcpStream::connect(address).await
                    && socket.write_all(&first).await.is_ok()
                {
                    while socket.write_all(&[drip]).await.is_ok() {
                        tokio::time::sleep(Duration::from_millis(200)).await;
                    }
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
    }
    swarm
}

/// Has an honest browser and honest exporters ask for some seconds, each of them anew, and tells how long the slowest answer
/// took.
async fn serves(program: &Program, what: &str) -> Duration {
    let mut worst = Duration::ZERO;
    let until = Instant::now() + Duration::from_secs(4);
    while Instant::now() < until {
        let anew = client();
        let asked = Instant::now();
        let page = anew.get(format!("http://{}{}", program.http, path::STATUS));
        let page =
            tokio::time::timeout(FAIR, page.send()).await.unwrap_or_else(|_| panic!("{what}: no page"));
        assert_eq!(page.unwrap().status(), StatusCode::OK, "{what}");
        worst = worst.max(asked.elapsed());

        let asked = Instant::now();
        let url = format!("http://{}/v1/metrics", program.otlp);
        let post = anew.post(url).header("content-type", "application/x-protobuf");
        let post = post.body(request("honest", 3).encode_to_vec()).send();
        let taken = tokio::time::timeout(FAIR, post).await.unwrap_or_else(|_| panic!("{what}: no OTLP/HTTP"));
        assert_eq!(taken.unwrap().status(), StatusCode::OK, "{what}");
        worst = worst.max(asked.elapsed());

        let asked = Instant::now();
        let over_grpc = async {
            let channel =
                Channel::from_shared(format!("http://{}", program.grpc)).unwrap().connect().await.unwrap();
            MetricsServiceClient::new(channel).export(request("honest", 3)).await
        };
        let taken = tokio::time::timeout(FAIR, over_grpc).await;
        taken.unwrap_or_else(|_| panic!("{what}: no OTLP/gRPC")).unwrap();
        worst = worst.max(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    worst
}

fn post_head(path: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\nContent-Length: 100000\r\n\r\n")
        .into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_drip_hold_up_nobody() {
    let program = Program::start(&[]);
    let swarm = swarm(program.otlp, 500, post_head("/v1/metrics"), 10);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let worst = serves(&program, "bodies that drip").await;
    println!("the slowest honest answer took {worst:?}, next to bodies that drip");
    drop(swarm);
    program.is_well(200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_drip_over_http2_hold_up_nobody() {
    let program = Program::start(&[]);
    // The preface, settings, and a call of which no message comes; then frames of nothing, byte by byte.
    let first = frames::unfinished_call();
    let swarm = swarm(program.grpc, 500, first, 0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let worst = serves(&program, "calls that drip").await;
    println!("the slowest honest answer took {worst:?}, next to calls that drip");
    drop(swarm);
    program.is_well(200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browsers_that_take_no_answers_hold_up_nobody() {
    let program = Program::start(&["--max-connections", "16"]);
    let all =
        (0..1_000).flat_map(|n| request(&format!("{n}-{}", "x".repeat(500)), 1).resource_metrics).collect();
    let all = ExportMetricsServiceRequest { resource_metrics: all };
    assert_eq!(
        program.post("/v1/metrics", "application/x-protobuf", None, all.encode_to_vec()).await.status(),
        200
    );
    // More is asked for on each than sockets hold, and nothing is read.
    let mut deaf = Vec::new();
    for _ in 0..24 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(2_048).unwrap();
        let mut socket = socket.connect(program.http).await.unwrap();
        let ask = "GET /api/v1/pools HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(4);
        // Whoever was cut already can't write any more.
        let _ = socket.write_all(ask.as_bytes()).await;
        deaf.push(socket);
    }
    until("those that came first make room", async || {
        program.hits("connections for the dashboard").await >= 8
    })
    .await;
    let worst = serves(&program, "answers that nobody takes").await;
    println!("the slowest honest answer took {worst:?}, next to answers that nobody takes");
    println!("answers that nobody takes: {} MiB at the worst", program.memory("VmHWM"));
    drop(deaf);
    program.is_well(400).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_that_drip_hold_up_nobody() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
    let file = |name: &str, text: String| {
        let path = std::env::temp_dir().join(format!("poolscope-loris-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (cert, key) = (file("cert", made.cert.pem()), file("key", made.signing_key.serialize_pem()));
    let program = Program::start(&["--tls-cert", &cert, "--tls-key", &key]);
    // A record of a handshake that is said to have 512 bytes.
    let swarms: Vec<_> =
        [program.http, program.otlp].map(|to| swarm(to, 250, vec![22, 3, 1, 2, 0], 1)).into_iter().collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let trusted = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        let anew = Client::builder().tls_certs_only([trusted.clone()]).build().unwrap();
        let page = anew.get(format!("https://127.0.0.1:{}{}", program.http.port(), path::STATUS)).send();
        let page = tokio::time::timeout(FAIR, page).await.expect("a page").unwrap();
        assert_eq!(page.status(), StatusCode::OK);
        let post = anew.post(format!("https://127.0.0.1:{}/v1/metrics", program.otlp.port()));
        let post =
            post.header("content-type", "application/x-protobuf").body(request("honest", 3).encode_to_vec());
        let taken = tokio::time::timeout(FAIR, post.send()).await.expect("an answer").unwrap();
        assert_eq!(taken.status(), StatusCode::OK);
    }
    drop(swarms);
    assert!(program.memory("VmHWM") < 200);
    let said = program.said.lock().unwrap().clone();
    assert!(!said.contains("panicked"), "{said}");
    for path in [cert, key] {
        let _ = std::fs::remove_file(path);
    }
}
