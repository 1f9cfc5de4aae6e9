//! Refuses a connection for which there is no room, so that its client reads why.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::shared::{Refusal, Shared, Stage};

/// How long a client that is refused has to say something, to read the answer, and to go.
const LINGER: Duration = Duration::from_secs(1);

/// Seconds after which it may try again.
const RETRY_AFTER: u32 = 1;

/// What a client over HTTP/2 begins with.
const PREFACE: &[u8] = b"PRI";

/// Settings without any, and a GOAWAY without an error before the first stream: the client may send all its requests again,
/// elsewhere or later.
const GOAWAY: [u8; 26] = [0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Refuses a connection in a task of its own, or by closing it where there are too many of these.
pub(super) fn refuse<T>(shared: &Arc<Shared>, io: T)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Some(refusal) = shared.refuse() else { return };
    tokio::spawn(answer(refusal, io));
}

async fn answer<T: AsyncRead + AsyncWrite + Unpin>(refusal: Refusal, io: T) {
    let mut stage = refusal.0.stage.subscribe();
    let name = &refusal.0.name;
    let max = refusal.0.rules.max_connections.unwrap_or_default();
    let body = format!("{name} has as many connections as it may have, {max}: try again later\n");
    tokio::select! {
        _ = timeout(LINGER, say(io, &body)) => {}
        _ = stage.wait_for(|stage| *stage == Stage::Cut) => {}
    }
}

/// Answers, and waits until the client has gone: to close before it has read everything would take the answer from it, since
/// the kernel resets a connection that is closed with bytes left to read.
async fn say<T: AsyncRead + AsyncWrite + Unpin>(mut io: T, body: &str) -> io::Result<()> {
    let mut buf = [0; 1_024];
    let mut begin = 0;
    while begin < PREFACE.len() {
        match io.read(&mut buf[begin..]).await? {
            // It wants nothing.
            0 => return Ok(()),
            read => begin += read,
        }
    }
    if buf.starts_with(PREFACE) {
        io.write_all(&GOAWAY).await?;
    } else {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 503 Service Unavailable\r\nretry-after: {RETRY_AFTER}\r\nconnection: close\r\n\
             content-type: text/plain\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        io.write_all(head.as_bytes()).await?;
    }
    io.shutdown().await?;
    while io.read(&mut buf).await? > 0 {}
    Ok(())
}
