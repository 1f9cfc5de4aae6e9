//! [`FrameWalk`]: finds GOAWAY, HEADERS and DATA in the bytes of an HTTP/2 connection.
//!
//! Every frame begins with nine bytes that tell its length and its type, so a few steps for each frame are enough to know
//! that the peer has said it takes no more streams, that our side has begun one, and that bodies go on. Source: RFC 9113,
//! sections 3.4, 4.1, 6.1, 6.2 and 6.8.

/// Bytes of a frame's head.
const HEAD: usize = 9;

/// Type of a DATA frame.
const DATA: u8 = 0;

/// Type of a HEADERS frame.
const HEADERS: u8 = 1;

/// Type of a GOAWAY frame.
const GOAWAY: u8 = 7;

/// Bytes of a GOAWAY frame that are read: the last stream and the error code.
const GOAWAY_FIELDS: usize = 8;

/// Bytes that a client sends before its first frame.
const PREFACE: usize = 24;

/// Error code of a GOAWAY that ends a connection in order.
pub(crate) const NO_ERROR: u32 = 0;

/// Error code of a GOAWAY whose sender has seen the other side break the protocol.
pub(crate) const PROTOCOL_ERROR: u32 = 1;

/// A walk over the frames of one direction of a connection, through reads of any size.
#[derive(Debug, Default)]
pub(crate) struct FrameWalk {
    /// The frame's head, and of a GOAWAY the fields behind it, as far as they have come.
    seen: [u8; HEAD + GOAWAY_FIELDS],
    len: usize,
    /// Bytes until the next head.
    skip: usize,
    has_headers: bool,
    data: u64,
}

impl FrameWalk {
    /// A walk over what a client sends.
    pub(crate) fn after_preface() -> Self {
        Self { skip: PREFACE, ..Self::default() }
    }

    /// True once a HEADERS frame has begun, with which a client begins a stream.
    pub(crate) fn has_headers(&self) -> bool {
        self.has_headers
    }

    /// Bytes within DATA frames so far.
    pub(crate) fn data(&self) -> u64 {
        self.data
    }

    /// True if no frame has begun that has not ended.
    pub(crate) fn is_between(&self) -> bool {
        self.len == 0 && self.skip == 0
    }

    /// Walks over the next bytes; tells the error code of a GOAWAY that ends in them.
    pub(crate) fn walk(&mut self, mut bytes: &[u8]) -> Option<u32> {
        let mut code = None;
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            // The head of the frame that is skipped, until the next one begins.
            if self.seen[3] == DATA {
                self.data += skipped as u64;
            }
            bytes = &bytes[skipped..];
            let is_goaway = self.len >= HEAD && self.seen[3] == GOAWAY;
            let wanted = if is_goaway { HEAD + GOAWAY_FIELDS } else { HEAD };
            let taken = (wanted - self.len).min(bytes.len());
            self.seen[self.len..self.len + taken].copy_from_slice(&bytes[..taken]);
            self.len += taken;
            bytes = &bytes[taken..];
            if self.len < wanted {
                continue;
            }
            let length = u32::from_be_bytes([0, self.seen[0], self.seen[1], self.seen[2]]) as usize;
            let is_goaway = self.seen[3] == GOAWAY && length >= GOAWAY_FIELDS;
            if is_goaway && self.len == HEAD {
                // Its fields are read before it is skipped.
                continue;
            }
            if is_goaway {
                code = self.seen[HEAD + 4..].try_into().ok().map(u32::from_be_bytes);
            }
            self.has_headers |= self.seen[3] == HEADERS;
            self.skip = length + HEAD - self.len.min(length + HEAD);
            self.len = 0;
        }
        code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        frame.extend([kind, 0, 0, 0, 0, 1]);
        frame.extend(payload);
        frame
    }

    fn goaway(code: u32) -> Vec<u8> {
        let mut payload = 7_u32.to_be_bytes().to_vec();
        payload.extend(code.to_be_bytes());
        payload.extend(b"bye");
        frame(GOAWAY, &payload)
    }

    #[test]
    fn a_goaway_is_found_however_the_bytes_are_cut() {
        let bytes: Vec<u8> =
            [frame(4, &[]), frame(0, &[7; 300]), goaway(2), frame(0, &[7; 3]), frame(6, &[0; 8])].concat();
        for size in [1, 2, 7, 9, 16, 17, 64, bytes.len()] {
            let mut walk = FrameWalk::default();
            let found: Vec<_> = bytes.chunks(size).filter_map(|chunk| walk.walk(chunk)).collect();
            assert_eq!(found, [2], "in pieces of {size}");
            assert_eq!((walk.len, walk.skip), (0, 0), "in pieces of {size}");
        }
    }

    #[test]
    fn the_preface_is_no_frame_and_a_payload_is_not_read() {
        let mut walk = FrameWalk::after_preface();
        assert_eq!(walk.walk(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), None);
        assert_eq!(walk.walk(&frame(0, &goaway(1))), None);
        assert_eq!(walk.walk(&goaway(NO_ERROR)), Some(NO_ERROR));
    }

    #[test]
    fn a_stream_begins_with_headers_and_with_nothing_else() {
        let mut walk = FrameWalk::after_preface();
        walk.walk(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        walk.walk(&[frame(4, &[]), frame(8, &[1; 4]), frame(0, &frame(HEADERS, &[]))].concat());
        assert!(!walk.has_headers());
        let head = frame(HEADERS, &[7; 3]);
        walk.walk(&head[..HEAD - 1]);
        assert!(!walk.has_headers());
        walk.walk(&head[HEAD - 1..]);
        assert!(walk.has_headers());
    }

    #[test]
    fn a_goaway_that_is_too_short_harms_nothing() {
        let mut walk = FrameWalk::default();
        assert_eq!(walk.walk(&frame(GOAWAY, &[0; 3])), None);
        assert_eq!(walk.walk(&goaway(5)), Some(5));
    }
}
