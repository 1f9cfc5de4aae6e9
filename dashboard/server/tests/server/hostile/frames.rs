//! HTTP/2 as no client speaks it: floods of frames that cost their sender nothing.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

use super::samples::{Wire, framed, samples};
use super::*;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The head of a request, in HPACK without any table but the static one.
fn head(method: u8, path: &str) -> Vec<u8> {
    // The method (2 is GET, 3 is POST), and the scheme.
    let mut block = vec![0x80 | method, 0x86];
    for (name, value) in [(&[0x04][..], path), (&[0x01], "localhost"), (&[0x0f, 0x10], "application/grpc")] {
        block.extend(name);
        block.push(u8::try_from(value.len()).unwrap());
        block.extend(value.as_bytes());
    }
    block
}

/// A connection of HTTP/2 over which frames are sent as they are.
struct Raw {
    read: OwnedReadHalf,
    write: tokio::net::tcp::OwnedWriteHalf,
}

impl Raw {
    async fn open(address: SocketAddr, settings: &[u8]) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (read, mut write) = stream.into_split();
        write.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        write.write_all(&frame(SETTINGS, 0, 0, settings)).await.unwrap();
        Self { read, write }
    }

    /// Sends until all is sent or the server has had enough, reading meanwhile; true if the server has.
    async fn flood(self, frames: impl Iterator<Item = Vec<u8>>) -> bool {
        let Self { mut read, mut write } = self;
        let writing = async {
            for frames in frames {
                if write.write_all(&frames).await.is_err() {
                    return true;
                }
            }
            false
        };
        let reading = async {
            let mut seen = Vec::new();
            let mut buffer = [0; 16_384];
            while let Ok(1..) =
                read.read(&mut buffer).await.inspect(|len| seen.extend_from_slice(&buffer[..*len]))
            {
                if is_told_to_go(&seen) {
                    break;
                }
            }
            is_told_to_go(&seen)
        };
        let both = async {
            tokio::select! {
                is_cut = writing => is_cut,
                is_told = reading => is_told,
            }
        };
        tokio::time::timeout(3 * PATIENCE, both).await.expect("the flood ends")
    }
}

/// True if there is a GOAWAY with a reason among frames.
fn is_told_to_go(mut frames: &[u8]) -> bool {
    while frames.len() >= 9 {
        let len = usize::from(frames[0]) << 16 | usize::from(frames[1]) << 8 | usize::from(frames[2]);
        let Some(payload) = frames.get(9..9 + len) else { return false };
        if frames[3] == GOAWAY && payload[4..8] != [0; 4] {
            return true;
        }
        frames = &frames[9 + len..];
    }
    false
}

/// So many frames in pieces of many, each made from its number.
fn many(count: u32, one: impl Fn(u32) -> Vec<u8>) -> impl Iterator<Item = Vec<u8>> {
    (0..count / 100).map(move |hundred| (0..100).flat_map(|n| one(hundred * 100 + n)).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_of_frames_are_ended_or_digested() {
    let program = Program::start(&[]);
    let path = samples()[0].grpc_path;
    let open = |stream: u32, flags: u8| frame(HEADERS, flags, stream, &head(3, path));
    let mut ended = Vec::new();
    // Opened and taken back at once, thousands of times.
    let reset = |n| [open(2 * n + 1, END_HEADERS), frame(RST_STREAM, 0, 2 * n + 1, &[0, 0, 0, 8])].concat();
    ended.push(("resets", Raw::open(program.grpc, &[]).await.flood(many(20_000, reset)).await));
    // The server itself takes streams back, since each is against the rules.
    let wrong = |n| [open(2 * n + 1, END_HEADERS), frame(WINDOW_UPDATE, 0, 2 * n + 1, &[0; 4])].concat();
    ended.push(("made to reset", Raw::open(program.grpc, &[]).await.flood(many(20_000, wrong)).await));
    // A head that goes on for ever.
    let name = [&[0x00, 0x01, b'a', 0x7f, 0x80, 0x7e][..], &[b'x'; 16_127]].concat();
    let goes_on = std::iter::once(frame(HEADERS, 0, 1, &head(3, path)))
        .chain(std::iter::repeat_n(frame(CONTINUATION, 0, 1, &name), 5_000));
    ended.push(("a head without end", Raw::open(program.grpc, &[]).await.flood(goes_on).await));
    let empty = std::iter::once(frame(HEADERS, 0, 1, &head(3, path)))
        .chain(many(100_000, |_| frame(CONTINUATION, 0, 1, &[])));
    ended.push(("a head of nothing", Raw::open(program.grpc, &[]).await.flood(empty).await));
    // A window wider than there can be.
    let wide = std::iter::once(frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]));
    let wide = wide.chain(std::iter::repeat_n(frame(PING, 0, 0, &[0; 8]), 10_000));
    ended.push(("a window too wide", Raw::open(program.grpc, &[]).await.flood(wide).await));
    for (what, is_ended) in ended {
        assert!(is_ended, "{what} was not ended");
    }
    // These are answered one by one, as fast as the answers are taken.
    Raw::open(program.grpc, &[]).await.flood(many(50_000, |_| frame(PING, 0, 0, &[7; 8]))).await;
    Raw::open(program.grpc, &[])
        .await
        .flood(many(50_000, |_| frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff])))
        .await;
    let nothing = std::iter::once(open(1, END_HEADERS)).chain(many(50_000, |_| frame(DATA, 0, 1, &[])));
    Raw::open(program.grpc, &[]).await.flood(nothing).await;
    program.is_well(200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_whose_answers_nobody_reads_take_no_memory() {
    let program = Program::start(&[]);
    let before = program.memory("VmHWM");
    let mut floods = Vec::new();
    for kind in [PING, SETTINGS] {
        let one = if kind == PING {
            frame(PING, 0, 0, &[7; 8])
        } else {
            frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff])
        };
        let hundred = one.repeat(100);
        for _ in 0..10 {
            let mut raw = Raw::open(program.grpc, &[]).await;
            let hundred = hundred.clone();
            let writing = async {
                for _ in 0..5_000 {
                    if raw.write.write_all(&hundred).await.is_err() {
                        break;
                    }
                }
            };
            // It is not read any more when the answers are not.
            let _ = tokio::time::timeout(Duration::from_millis(300), writing).await;
            floods.push(raw);
        }
    }
    let peak = program.memory("VmHWM");
    assert!(peak < before + 60, "{before} MiB became {peak}");
    program.is_well(200).await;
    drop(floods);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_takes_are_not_kept_for_ever() {
    let program = Program::start(&[]);
    let hosts: Vec<_> = (0..1_500).map(|n| format!("{n}-{}", "x".repeat(500))).collect();
    let all = hosts.iter().flat_map(|host| request(host, 1).resource_metrics).collect();
    let all = ExportMetricsServiceRequest { resource_metrics: all };
    assert_eq!(
        program.post("/v1/metrics", "application/x-protobuf", None, all.encode_to_vec()).await.status(),
        200
    );
    let size = program.client.get(format!("http://{}{}", program.http, path::POOLS)).send().await.unwrap();
    let size = size.bytes().await.unwrap().len() as u64;
    let before = program.memory("VmRSS");
    // No window at all for what comes back.
    let mut greedy = Vec::new();
    for _ in 0..2 {
        let mut raw = Raw::open(program.http, &[0, 4, 0, 0, 0, 0]).await;
        for stream in 0..20 {
            let ask = frame(HEADERS, END_HEADERS | END_STREAM, 2 * stream + 1, &head(2, path::POOLS));
            raw.write.write_all(&ask).await.unwrap();
        }
        greedy.push(raw);
    }
    until("they were cut", async || program.lost("took nothing of its answer").await >= 1).await;
    println!("{} MiB were asked for and not taken; peak {} MiB", 40 * size / MIB, program.memory("VmHWM"));
    until("memory is as before", async || program.memory("VmRSS") < before + 150).await;
    program.is_well(1_200).await;
    drop(greedy);
}

#[tokio::test]
async fn a_call_may_have_one_message_and_streams_have_a_bound() {
    let program = Program::start(&[]);
    let [one, ..] = samples();
    let mut wire = Wire::open(&program).await;
    let two = framed(0, one.protobuf.len(), &one.protobuf).repeat(2);
    let code = wire.call(one.grpc_path, None, two).await;
    assert!(matches!(code, Code::Ok | Code::InvalidArgument), "{code:?}");
    let received = program.status().await.received;
    assert_eq!(received.requests + received.refused_requests, 1, "it is one request, whatever it is");
    // More heads at once than streams are allowed: refused one by one, and the connection lives.
    let mut raw = Raw::open(program.grpc, &[]).await;
    for n in 0..150 {
        raw.write.write_all(&frame(HEADERS, END_HEADERS, 2 * n + 1, &head(3, one.grpc_path))).await.unwrap();
    }
    let refused = async {
        let mut seen = Vec::new();
        loop {
            let mut buffer = [0; 16_384];
            let len = raw.read.read(&mut buffer).await.unwrap();
            assert_ne!(len, 0, "the connection lives");
            seen.extend_from_slice(&buffer[..len]);
            let refused =
                seen.windows(13).filter(|w| w[..4] == [0, 0, 4, RST_STREAM] && w[9..] == [0, 0, 0, 7]);
            if refused.count() >= 22 {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("those beyond the bound are refused");
    program.is_well(200).await;
}

/// A call whose message does not come.
pub(super) fn unfinished_call() -> Vec<u8> {
    let settings = frame(SETTINGS, 0, 0, &[]);
    let call = frame(HEADERS, END_HEADERS, 1, &head(3, samples()[0].grpc_path));
    // The frame that would hold it, without what is in it.
    let message = frame(DATA, 0, 1, &[0; 10_000])[..9].to_vec();
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), settings, call, message].concat()
}
