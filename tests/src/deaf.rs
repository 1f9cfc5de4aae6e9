//! Servers that a client never gets through to.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// How long a connect on loopback may take at most; longer means that the queue is full.
const SOON: Duration = Duration::from_millis(200);

/// A listener that accepts nobody.
#[derive(Debug)]
pub struct Deaf {
    listener: TcpListener,
    /// Those who wait in its queue.
    _waiting: Vec<TcpStream>,
}

impl Deaf {
    /// One whose connects succeed, since the kernel answers for it, and who then says nothing.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn silent() -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind("127.0.0.1:0").await?, _waiting: Vec::new() })
    }

    /// One whose queue is full, so that no connect ends.
    ///
    /// # Errors
    /// If no port can be bound, or the queue does not fill.
    pub async fn full() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind("127.0.0.1:0".parse().map_err(io::Error::other)?)?;
        let listener = socket.listen(1)?;
        let addr = listener.local_addr()?;
        let mut waiting = Vec::new();
        while let Ok(stream) = tokio::time::timeout(SOON, TcpStream::connect(addr)).await {
            waiting.push(stream?);
            if waiting.len() > 16 {
                return Err(io::Error::other("the queue of a listener does not fill"));
            }
        }
        Ok(Self { listener, _waiting: waiting })
    }

    /// Its address.
    ///
    /// # Errors
    /// If the system does not tell it.
    pub fn addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
