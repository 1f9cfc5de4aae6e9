//! Clients that misbehave, as a process of their own, so that all of them can vanish at once. It reads lines such as
//! `open chat 100`, and answers each with a line once they are there; `close` drops all of them.
#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// How long a client waits for what it wants at most.
const PATIENCE: Duration = Duration::from_secs(20);

/// Connects that are under way at a time.
const AT_A_TIME: usize = 200;

/// What a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Says something now and then, and listens.
    Chat,
    /// Listens, so that it answers pings.
    Listen,
    /// Opens a WebSocket and never looks at it again.
    Vanish,
    /// The same with a WebSocket that never stops talking: its buffers fill.
    Drown,
    /// Reads events.
    News,
    /// Asks for events and reads none.
    DeafNews,
    /// Asks for something large and reads a byte now and then.
    Slow,
    /// Begins with the head of a request and does not end.
    Half,
    /// Begins with the body of a request and does not end.
    HalfBody,
    /// Connects and says nothing.
    Mute,
    /// Asks for what makes the handler panic.
    Panic,
    /// Asks for what never comes, and leaves.
    Leave,
    /// The same, and waits.
    Wait,
}

impl Kind {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "chat" => Self::Chat,
            "listen" => Self::Listen,
            "vanish" => Self::Vanish,
            "drown" => Self::Drown,
            "news" => Self::News,
            "deaf-news" => Self::DeafNews,
            "slow" => Self::Slow,
            "half" => Self::Half,
            "half-body" => Self::HalfBody,
            "mute" => Self::Mute,
            "panic" => Self::Panic,
            "leave" => Self::Leave,
            "wait" => Self::Wait,
            _ => return None,
        })
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let to: SocketAddr = std::env::args().nth(1).context("usage: ADDRESS")?.parse()?;
    let mut crowd = JoinSet::new();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let words: Vec<_> = line.split(' ').collect();
        match words.as_slice() {
            ["open", kind, count] => {
                let kind = Kind::parse(kind).with_context(|| format!("{kind} is no kind of client"))?;
                let there = open(&mut crowd, kind, to, count.parse()?).await;
                println!("{there}");
            }
            ["close"] => {
                crowd.shutdown().await;
                println!("closed");
            }
            _ => bail!("{line:?} is neither `open KIND COUNT` nor `close`"),
        }
    }
    Ok(())
}

/// Opens so many; tells how many were let in.
async fn open(crowd: &mut JoinSet<()>, kind: Kind, to: SocketAddr, count: usize) -> usize {
    let mut there = 0;
    let mut left = count;
    while left > 0 {
        let now = left.min(AT_A_TIME);
        left -= now;
        let (tells, mut told) = mpsc::channel(now);
        for _ in 0..now {
            let tells = tells.clone();
            crowd.spawn(async move {
                // What goes wrong for a client that misbehaves is what it came for.
                let _ = be(kind, to, tells).await;
            });
        }
        drop(tells);
        while let Ok(Some(())) = timeout(PATIENCE, told.recv()).await {
            there += 1;
        }
    }
    while crowd.try_join_next().is_some() {}
    there
}

/// Behaves as its kind does; says once that it is there.
async fn be(kind: Kind, to: SocketAddr, tells: mpsc::Sender<()>) -> Result<()> {
    match kind {
        Kind::Chat => chat(to, tells).await,
        Kind::Listen => {
            let mut socket = socket(to, "/chat").await?;
            there(tells).await;
            while let Some(message) = socket.next().await {
                message?;
            }
            Ok(())
        }
        Kind::Vanish => hold(socket(to, "/chat").await?, tells).await,
        Kind::Drown => hold(socket(to, "/flood").await?, tells).await,
        Kind::News => {
            let mut stream = asked(to, "GET /news").await?;
            there(tells).await;
            read_all(&mut stream).await
        }
        Kind::DeafNews => hold(asked(to, "GET /news").await?, tells).await,
        Kind::Slow => {
            let mut stream = asked(to, "GET /large").await?;
            there(tells).await;
            loop {
                stream.read_u8().await?;
                sleep(Duration::from_secs(1)).await;
            }
        }
        Kind::Half => {
            let mut stream = connect(to).await?;
            stream.write_all(b"GET /hello HTTP/1.1\r\nhost: ").await?;
            hold(stream, tells).await
        }
        Kind::HalfBody => {
            let mut stream = connect(to).await?;
            let head = b"POST /upload HTTP/1.1\r\nhost: chat\r\ncontent-length: 1000\r\n\r\nhalf of it";
            stream.write_all(head).await?;
            hold(stream, tells).await
        }
        Kind::Mute => hold(connect(to).await?, tells).await,
        Kind::Panic => {
            let mut stream = asked(to, "GET /panic").await?;
            there(tells).await;
            read_all(&mut stream).await
        }
        Kind::Leave => {
            let stream = asked(to, "GET /never").await?;
            there(tells).await;
            sleep(Duration::from_millis(100)).await;
            drop(stream);
            Ok(())
        }
        Kind::Wait => hold(asked(to, "GET /never").await?, tells).await,
    }
}

async fn chat(to: SocketAddr, tells: mpsc::Sender<()>) -> Result<()> {
    let mut socket = socket(to, "/chat").await?;
    there(tells).await;
    for turn in 0..50 {
        socket.send(Message::text(format!("line {turn}"))).await?;
        let answer = timeout(PATIENCE, socket.next()).await?.context("the server hung up")??;
        if answer.is_text() && answer.to_text()? != format!("line {turn}") {
            bail!("{answer} came back");
        }
        sleep(Duration::from_millis(100)).await;
    }
    socket.close(None).await?;
    Ok(())
}

async fn there(tells: mpsc::Sender<()>) {
    let _ = tells.send(()).await;
}

/// Keeps something and does nothing with it, until the server has had enough: it is not even looked at.
async fn hold<T>(held: T, tells: mpsc::Sender<()>) -> Result<()> {
    there(tells).await;
    std::future::pending::<()>().await;
    drop(held);
    Ok(())
}

async fn socket(to: SocketAddr, path: &str) -> Result<WebSocketStream<TcpStream>> {
    let stream = connect(to).await?;
    let url = format!("ws://{to}{path}");
    let (socket, _) = timeout(PATIENCE, tokio_tungstenite::client_async(url, stream)).await??;
    Ok(socket)
}

/// Asks for something over HTTP/1.1; reads nothing yet.
async fn asked(to: SocketAddr, request: &str) -> Result<TcpStream> {
    let mut stream = connect(to).await?;
    stream.write_all(format!("{request} HTTP/1.1\r\nhost: chat\r\n\r\n").as_bytes()).await?;
    Ok(stream)
}

async fn read_all(stream: &mut TcpStream) -> Result<()> {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}

/// With small buffers, so that what is not read is soon felt.
async fn connect(to: SocketAddr) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(16 << 10)?;
    Ok(timeout(PATIENCE, socket.connect(to)).await??)
}
