//! Bodies that are broken in every way: cut off, changed, of a wrong type, compressed to death, never ending.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::samples::{JSON, PROTOBUF, Sample, Wire, framed, samples};
use super::*;

/// Changed exports of each signal and form.
const MUTANTS: usize = 150;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_that_breaks_off_at_any_byte_is_refused_over_http() {
    let program = Program::start(&[]);
    let mut refused = 0;
    for Sample { path, json, protobuf, .. } in samples() {
        let zipped = gzip(&protobuf);
        for (kind, encoding, whole) in
            [(PROTOBUF, None, protobuf), (JSON, None, json), (PROTOBUF, Some("gzip"), zipped)]
        {
            for len in 0..whole.len() {
                let answer = program.post(path, kind, encoding, whole[..len].to_vec()).await;
                // Nothing at all is an empty request of protobuf.
                let expected = if (len, kind, encoding) == (0, PROTOBUF, None) { 200 } else { 400 };
                assert_eq!(answer.status(), expected, "{path} {kind} {encoding:?}: {len} of {}", whole.len());
                refused += u64::from(expected == 400);
            }
            assert_eq!(
                program.post(path, kind, encoding, whole).await.status(),
                StatusCode::OK,
                "{path} {kind}"
            );
        }
    }
    assert_eq!(program.lost("refused: not OTLP").await, refused);
    assert_eq!(program.status().await.received.refused_requests, refused);
    println!("{refused} exports over HTTP that break off");
    program.is_well(200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_that_breaks_off_at_any_byte_is_refused_over_grpc() {
    let program = Program::start(&[]);
    let mut wire = Wire::open(&program).await;
    let mut refused = 0;
    for Sample { grpc_path, protobuf, .. } in samples() {
        let whole = framed(0, protobuf.len(), &protobuf);
        for len in 0..whole.len() {
            let code = wire.call(grpc_path, None, whole[..len].to_vec()).await;
            assert_eq!(code, Code::InvalidArgument, "{grpc_path}: {len} of {} bytes", whole.len());
        }
        // The same with a length that fits what is there.
        for len in 1..protobuf.len() {
            let code = wire.call(grpc_path, None, framed(0, len, &protobuf[..len])).await;
            assert_eq!(code, Code::InvalidArgument, "{grpc_path}: {len} of {}", protobuf.len());
        }
        refused += whole.len() as u64 + protobuf.len() as u64 - 1;
        assert_eq!(wire.call(grpc_path, None, whole).await, Code::Ok);
    }
    assert_eq!(program.lost("refused: not OTLP").await, refused);
    println!("{refused} exports over gRPC that break off");
    program.is_well(200).await;
}

/// An export with some of its bytes changed, left out, doubled or moved.
fn mutant(whole: &[u8], edits: &[(u8, Index, Index, u8)]) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for (kind, at, to, byte) in edits {
        if bytes.is_empty() {
            break;
        }
        let (at, to) = (at.index(bytes.len()), to.index(bytes.len()));
        match kind {
            0 => bytes[at] = *byte,
            1 => bytes[at] ^= 1 << (byte % 8),
            2 => drop(bytes.drain(at.min(to)..at.max(to))),
            3 => bytes.insert(at, *byte),
            4 => bytes.swap(at, to),
            _ => {
                let piece = bytes[at.min(to)..at.max(to)].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exports_changed_at_random_are_taken_or_refused_and_nothing_else() {
    let program = Program::start(&[]);
    let mut wire = Wire::open(&program).await;
    // The same cases each time.
    let mut runner = TestRunner::deterministic();
    let edits = prop::collection::vec((0_u8..6, any::<Index>(), any::<Index>(), any::<u8>()), 1..4);
    let (mut taken, mut refused) = (0, 0);
    for Sample { path, grpc_path, json, protobuf } in samples() {
        for _ in 0..MUTANTS {
            let edits = edits.new_tree(&mut runner).unwrap().current();
            for (kind, whole) in [(PROTOBUF, &protobuf), (JSON, &json)] {
                let answer = program.post(path, kind, None, mutant(whole, &edits)).await;
                match answer.status().as_u16() {
                    200 => taken += 1,
                    400 | 413 => refused += 1,
                    other => panic!("{other} for {edits:?}"),
                }
            }
            let changed = mutant(&protobuf, &edits);
            match wire.call(grpc_path, None, framed(0, changed.len(), &changed)).await {
                Code::Ok => taken += 1,
                Code::InvalidArgument | Code::ResourceExhausted => refused += 1,
                other => panic!("{other:?} for {edits:?}"),
            }
        }
    }
    println!("{taken} mutants taken, {refused} refused");
    assert!(taken > 50 && refused > 50, "{taken} {refused}");
    let received = program.status().await.received;
    assert_eq!((received.requests, received.refused_requests), (taken, refused));
    program.is_well(200).await;
}

#[tokio::test]
async fn types_and_encodings_that_are_none_of_ours_are_refused_unread() {
    let program = Program::start(&[]);
    let [Sample { path, grpc_path, protobuf, .. }, ..] = samples();
    for kind in ["", "text/plain", "application/grpc", "application/x-protobuf2", "*/*", "\u{fc}"] {
        let answer = program.post(path, kind, None, protobuf.clone()).await;
        assert_eq!(answer.status(), 415, "{kind:?}");
    }
    for encoding in ["br", "zstd", "deflate", "gzip, gzip", "gzip;q=1", "x-gzip"] {
        let answer = program.post(path, PROTOBUF, Some(encoding), gzip(&protobuf)).await;
        assert_eq!(answer.status(), 415, "{encoding:?}");
    }
    assert_eq!(program.lost("type or compression").await, 12);
    let mut wire = Wire::open(&program).await;
    let message = framed(0, protobuf.len(), &protobuf);
    assert_eq!(wire.call(grpc_path, Some("zstd"), message).await, Code::Unimplemented);
    // Said to be compressed, and either not, or by nobody knows what.
    for (flag, encoding) in
        [(1, None), (1, Some("gzip")), (1, Some("identity")), (2, None), (255, Some("gzip"))]
    {
        let code = wire.call(grpc_path, encoding, framed(flag, protobuf.len(), &protobuf)).await;
        assert_eq!(code, Code::InvalidArgument, "{flag} {encoding:?}");
    }
    assert_eq!(program.lost("type or compression").await, 13);
    assert_eq!(program.lost("not OTLP").await, 5);
    program.is_well(200).await;
}

#[tokio::test]
async fn json_of_another_signal_or_shape_is_refused_and_counted() {
    let program = Program::start(&[]);
    for (path, body, words) in [
        ("/v1/metrics", json!({ "resourceSpans": [] }), "/v1/traces: send it there"),
        ("/v1/logs", json!({ "resourceMetrics": [{}] }), "or send resourceLogs to /v1/logs"),
        ("/v1/metrics", json!({ "resourceMetrics": [[]] }), "a list stands in resourceMetrics"),
        ("/v1/traces", json!({ "resourceSpans": [{ "resource": [] }] }), "resource is a list"),
    ] {
        let answer = program.post(path, JSON, None, body.to_string().into_bytes()).await;
        assert_eq!(answer.status(), 400, "{path} {body}");
        let told: Json = answer.json().await.unwrap();
        assert!(told["message"].as_str().unwrap().contains(words), "{path} {body}: {told}");
    }
    assert_eq!(program.lost("refused: not OTLP").await, 4);
    assert_eq!(program.take("/v1/metrics", &json!({ "nobodyKnows": [[1]] })).await, 0);
    program.is_well(200).await;
}

#[tokio::test]
async fn compression_can_not_make_much_of_little() {
    let program = Program::start(&[]);
    let [Sample { path, grpc_path, protobuf, .. }, ..] = samples();
    let before = program.memory("VmHWM");
    let bomb = gzip(&vec![0; 300 << 20]);
    assert!(bomb.len() < 400_000);
    let mut wire = Wire::open(&program).await;
    for _ in 0..3 {
        assert_eq!(program.post(path, PROTOBUF, Some("gzip"), bomb.clone()).await.status(), 413);
        let code = wire.call(grpc_path, Some("gzip"), framed(1, bomb.len(), &bomb)).await;
        assert_eq!(code, Code::ResourceExhausted);
    }
    assert!(program.lost("too large").await == 6 && program.hits("bytes of a request, inflated").await == 6);
    let peak = program.memory("VmHWM");
    assert!(peak < before + 200, "{before} MiB became {peak}");
    // A file of two members is the two put together, an empty one is none, and what follows must be one.
    let (first, second) = protobuf.split_at(protobuf.len() / 2);
    let members = [gzip(first), gzip(b"").repeat(20_000), gzip(second)].concat();
    assert_eq!(program.post(path, PROTOBUF, Some("gzip"), members).await.status(), 200);
    let trailing = [gzip(&protobuf), b"and more".to_vec()].concat();
    assert_eq!(program.post(path, PROTOBUF, Some("gzip"), trailing).await.status(), 400);
    let mut damaged = gzip(&protobuf);
    let end = damaged.len();
    damaged[end - 6] ^= 1;
    assert_eq!(program.post(path, PROTOBUF, Some("gzip"), damaged.clone()).await.status(), 400);
    assert_eq!(
        wire.call(grpc_path, Some("gzip"), framed(1, damaged.len(), &damaged)).await,
        Code::InvalidArgument
    );
    program.is_well(300).await;
}

/// What comes back for bytes as they are, until the other side ends or half a minute is over.
async fn raw(address: SocketAddr, head: &str, then: impl Iterator<Item = Vec<u8>>) -> String {
    let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
    write.write_all(head.as_bytes()).await.unwrap();
    let writing = async {
        for bytes in then {
            // Whoever has its answer is sent away.
            if write.write_all(&bytes).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let _ = write.shutdown().await;
    };
    let reading = async {
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(1..) =
            read.read(&mut buffer).await.inspect(|len| answer.extend_from_slice(&buffer[..*len]))
        {}
        String::from_utf8_lossy(&answer).into_owned()
    };
    let both = async { tokio::join!(writing, reading).1 };
    tokio::time::timeout(3 * PATIENCE, both).await.expect("it ends")
}

const HEAD: &str = "POST /v1/metrics HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_without_end_are_ended() {
    let program = Program::start(&[]);
    let chunked = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n");
    let large = [b"10000\r\n".to_vec(), vec![0; 0x10000], b"\r\n".to_vec()].concat();
    let answer = raw(program.otlp, &chunked, std::iter::repeat_n(large, 2_000)).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert_eq!(program.hits("bytes of a request").await, 1);
    // Each byte in a chunk of its own, with as much said about it as there is room for.
    let talkative = format!("1;{}\r\nx\r\n", "a".repeat(4_000)).into_bytes();
    let answer = raw(program.otlp, &chunked, std::iter::repeat_n(talkative, 20_000)).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    // A name in the trailers, again and again.
    let trailers =
        std::iter::once(b"0\r\n".to_vec()).chain(std::iter::repeat_n(b"a: b\r\n".to_vec(), 200_000));
    let answer = raw(program.otlp, &chunked, trailers).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    program.is_well(200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lengths_that_are_lies_hurt_nobody_else() {
    let program = Program::start(&[]);
    let protobuf = samples()[0].protobuf.clone();
    let body = || std::iter::once(protobuf.clone());
    for (what, head, begins) in [
        ("too short, so that the rest is no request", "Content-Length: 10", "HTTP/1.1 400"),
        ("two lengths", "Content-Length: 10\r\nContent-Length: 20", "HTTP/1.1 400"),
        ("negative", "Content-Length: -1", "HTTP/1.1 400"),
        ("no number", "Content-Length: 0x10", "HTTP/1.1 400"),
        ("more than there are", "Content-Length: 99999999999999999999", "HTTP/1.1 400"),
        // Cut off, so that nobody is left to answer.
        ("too long", "Content-Length: 18446744073709551613", ""),
        ("both", "Content-Length: 3\r\nTransfer-Encoding: chunked", "HTTP/1.1 400"),
        ("chunks that end twice", "Transfer-Encoding: chunked, chunked", "HTTP/1.1 400"),
        ("an encoding nobody knows", "Transfer-Encoding: gzip", "HTTP/1.1 400"),
    ] {
        let answer = raw(program.otlp, &format!("{HEAD}{head}\r\n\r\n"), body()).await;
        assert!(answer.starts_with(begins), "{what}: {answer}");
        assert!(!answer.contains("HTTP/1.1 200"), "{what}: {answer}");
    }
    let [Sample { grpc_path, protobuf, .. }, ..] = samples();
    let mut wire = Wire::open(&program).await;
    for (len, code) in [
        (u32::MAX as usize, Code::ResourceExhausted),
        ((16 << 20) + 1, Code::ResourceExhausted),
        (protobuf.len() + 1, Code::InvalidArgument),
        (protobuf.len() - 1, Code::InvalidArgument),
        (1, Code::InvalidArgument),
    ] {
        assert_eq!(wire.call(grpc_path, None, framed(0, len, &protobuf)).await, code, "{len}");
    }
    program.is_well(200).await;
}
