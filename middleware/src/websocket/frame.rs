//! [`Frame`]: what a socket has to know of a message.

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// It is for the program.
    Data,
    /// It asks whether this end is there; the crate for WebSockets answers it.
    Ping,
    /// It answers a ping.
    Pong,
    /// The other end closes.
    Close,
}

/// A message of a crate for WebSockets.
pub trait Frame: Sized {
    /// Only servers have messages of this type: the request in which a session began was that of the socket's other end.
    const IS_SERVED: bool = false;

    /// What it is for.
    fn kind(&self) -> FrameKind;

    /// Bytes of what it says.
    fn size(&self) -> usize;

    /// One that asks whether the other end is there.
    fn ping() -> Self;

    /// One that closes, with a code and a reason.
    fn close(code: u16, reason: &'static str) -> Self;

    /// Code and reason of one that closes, if it has them.
    fn closes(&self) -> Option<(u16, &str)> {
        None
    }
}

/// What a Close frame says of why it closes, if that is more than that all is done.
pub(super) fn farewell(message: &impl Frame) -> Option<String> {
    match message.closes()? {
        (1000, "") => None,
        (code, "") => Some(format!("the other end closed with code {code}")),
        (code, reason) => Some(format!("the other end closed with code {code}: {reason}")),
    }
}

#[cfg(feature = "axum-ws")]
impl Frame for axum::extract::ws::Message {
    const IS_SERVED: bool = true;

    fn kind(&self) -> FrameKind {
        match self {
            Self::Text(_) | Self::Binary(_) => FrameKind::Data,
            Self::Ping(_) => FrameKind::Ping,
            Self::Pong(_) => FrameKind::Pong,
            Self::Close(_) => FrameKind::Close,
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) | Self::Ping(bytes) | Self::Pong(bytes) => bytes.len(),
            Self::Close(frame) => frame.as_ref().map_or(0, |frame| 2 + frame.reason.len()),
        }
    }

    fn ping() -> Self {
        Self::Ping(Default::default())
    }

    fn close(code: u16, reason: &'static str) -> Self {
        use axum::extract::ws::{CloseFrame, Utf8Bytes};
        Self::Close(Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) }))
    }

    fn closes(&self) -> Option<(u16, &str)> {
        match self {
            Self::Close(Some(frame)) => Some((frame.code, frame.reason.as_str())),
            _ => None,
        }
    }
}

#[cfg(feature = "tungstenite")]
impl Frame for tokio_tungstenite::tungstenite::Message {
    fn kind(&self) -> FrameKind {
        match self {
            // A raw frame is never received, and only a program that makes its own sends one.
            Self::Text(_) | Self::Binary(_) | Self::Frame(_) => FrameKind::Data,
            Self::Ping(_) => FrameKind::Ping,
            Self::Pong(_) => FrameKind::Pong,
            Self::Close(_) => FrameKind::Close,
        }
    }

    fn size(&self) -> usize {
        self.len()
    }

    fn ping() -> Self {
        Self::Ping(Default::default())
    }

    fn close(code: u16, reason: &'static str) -> Self {
        use tokio_tungstenite::tungstenite::Utf8Bytes;
        use tokio_tungstenite::tungstenite::protocol::CloseFrame;
        Self::Close(Some(CloseFrame { code: code.into(), reason: Utf8Bytes::from_static(reason) }))
    }

    fn closes(&self) -> Option<(u16, &str)> {
        match self {
            Self::Close(Some(frame)) => Some((frame.code.into(), frame.reason.as_str())),
            _ => None,
        }
    }
}
