//! Server-sent events: bytes in, messages out.

use std::collections::VecDeque;

/// Puts messages together from what comes in, of a bounded size.
#[derive(Debug)]
pub(super) struct Frames {
    max: usize,
    /// The line that has not ended yet.
    line: Vec<u8>,
    /// The lines of data of the message that has not ended yet.
    data: Vec<u8>,
    ready: VecDeque<Vec<u8>>,
}

impl Frames {
    pub(super) fn new(max: usize) -> Self {
        Self { max, line: Vec::new(), data: Vec::new(), ready: VecDeque::new() }
    }

    /// Takes what came in; false if a message is larger than it may be.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> bool {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.line.extend_from_slice(&bytes[..end]);
            bytes = &bytes[end + 1..];
            self.end_line();
        }
        self.line.extend_from_slice(bytes);
        self.line.len() + self.data.len() <= self.max
    }

    /// The next message that is whole.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        self.ready.pop_front()
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        if line.is_empty() {
            if !self.data.is_empty() {
                self.ready.push_back(std::mem::take(&mut self.data));
            }
            return;
        }
        // Comments and other fields say nothing here.
        if let Some(data) = line.strip_prefix(b"data:") {
            if !self.data.is_empty() {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(data.strip_prefix(b" ").unwrap_or(data));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_whole_wherever_they_are_torn() {
        let text = b": hello\r\n\r\ndata: one\r\n\r\nevent: x\ndata:two\ndata: more\n\n\ndata: open";
        for size in 1..text.len() {
            let mut frames = Frames::new(1_000);
            assert!(text.chunks(size).all(|chunk| frames.push(chunk)));
            let all: Vec<_> = std::iter::from_fn(|| frames.next()).collect();
            assert_eq!(all, [&b"one"[..], b"two\nmore"], "torn every {size} bytes");
        }
    }

    #[test]
    fn what_does_not_end_is_refused() {
        let mut frames = Frames::new(8);
        assert!(frames.push(b"data: x\n"));
        assert!(!frames.push(b"data: 12345678"));
    }
}
