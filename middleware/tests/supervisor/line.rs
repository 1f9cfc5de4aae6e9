//! Lines of text over TCP: a link, and a server that can misbehave.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use poolscope::supervisor::{Link, Received};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// A connection on which each line is a message.
pub(crate) struct Line {
    reads: Lines<BufReader<OwnedReadHalf>>,
    writes: OwnedWriteHalf,
}

impl Link for Line {
    type Incoming = String;
    type Outgoing = String;
    type Error = io::Error;

    async fn recv(&mut self) -> Option<io::Result<Received<String>>> {
        let line = self.reads.next_line().await.transpose()?;
        Some(line.map(|line| if line == "PONG" { Received::Alive } else { Received::Message(line) }))
    }

    async fn send(&mut self, message: String) -> io::Result<()> {
        self.writes.write_all(format!("{message}\n").as_bytes()).await
    }

    async fn ping(&mut self) -> io::Result<()> {
        self.writes.write_all(b"PING\n").await
    }

    async fn close(&mut self) {
        let _ = self.writes.write_all(b"BYE\n").await;
    }
}

/// A connect to an address.
pub(crate) fn connect(
    to: SocketAddr,
) -> impl FnMut() -> std::pin::Pin<Box<dyn Future<Output = io::Result<Line>> + Send>> + Send + 'static {
    move || {
        Box::pin(async move {
            let (reads, writes) = TcpStream::connect(to).await?.into_split();
            Ok(Line { reads: BufReader::new(reads).lines(), writes })
        })
    }
}

/// Connections that say nothing, and are closed by the other end at a moment.
pub(crate) struct Brief(Instant);

impl Brief {
    pub(crate) fn of(life: Duration) -> Self {
        Self(Instant::now() + life)
    }
}

impl Link for Brief {
    type Incoming = ();
    type Outgoing = Infallible;
    type Error = Infallible;

    async fn recv(&mut self) -> Option<Result<Received<()>, Infallible>> {
        sleep_until(self.0).await;
        None
    }

    async fn send(&mut self, never: Infallible) -> Result<(), Infallible> {
        match never {}
    }
}

/// Connections that answer at once when they are asked, and take long to send.
#[derive(Default)]
pub(crate) struct Slow {
    has_answer: bool,
}

impl Link for Slow {
    type Incoming = ();
    type Outgoing = ();
    type Error = Infallible;

    async fn recv(&mut self) -> Option<Result<Received<()>, Infallible>> {
        if !std::mem::take(&mut self.has_answer) {
            std::future::pending::<()>().await;
        }
        Some(Ok(Received::Alive))
    }

    async fn send(&mut self, (): ()) -> Result<(), Infallible> {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), Infallible> {
        self.has_answer = true;
        Ok(())
    }
}

/// What a server does with a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Manner {
    /// Gives lines back, and answers pings.
    Echo,
    /// Takes connections and never reads nor writes.
    Silent,
    /// Gives lines back, and does not answer pings.
    Deaf,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    manner: Manner,
    task: JoinHandle<()>,
    goodbyes: Arc<AtomicU64>,
}

impl Server {
    pub(crate) async fn echo() -> Self {
        Self::with(Manner::Echo).await
    }

    pub(crate) async fn with(manner: Manner) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let goodbyes = Arc::default();
        let task = tokio::spawn(serve(listener, manner, Arc::clone(&goodbyes)));
        Self { address, manner, task, goodbyes }
    }

    /// Ends the server with all of its connections.
    pub(crate) async fn kill(&mut self) {
        self.task.abort();
        assert!((&mut self.task).await.unwrap_err().is_cancelled());
    }

    /// Listens at the same address again.
    pub(crate) async fn again(&mut self) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        let listener = socket.listen(8).unwrap();
        self.task = tokio::spawn(serve(listener, self.manner, Arc::clone(&self.goodbyes)));
    }

    /// Connections that were closed in order, once there is one.
    pub(crate) async fn goodbyes(&self) -> u64 {
        let began = Instant::now();
        while self.goodbyes.load(SeqCst) == 0 && began.elapsed() < super::LONG {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.goodbyes.load(SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, manner: Manner, goodbyes: Arc<AtomicU64>) {
    // Connections end with the server.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(converse(stream, manner, Arc::clone(&goodbyes)));
    }
}

async fn converse(stream: TcpStream, manner: Manner, goodbyes: Arc<AtomicU64>) -> io::Result<()> {
    if matches!(manner, Manner::Silent) {
        std::future::pending::<()>().await;
    }
    let (reads, mut writes) = stream.into_split();
    let mut lines = BufReader::new(reads).lines();
    while let Some(line) = lines.next_line().await? {
        let answer = match line.as_str() {
            "BYE" => {
                goodbyes.fetch_add(1, SeqCst);
                break;
            }
            "PING" if matches!(manner, Manner::Deaf) => continue,
            "PING" => "PONG",
            line => line,
        };
        writes.write_all(format!("{answer}\n").as_bytes()).await?;
    }
    Ok(())
}
