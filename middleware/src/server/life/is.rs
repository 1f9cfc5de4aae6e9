//! Bits of what is known of a connection.

/// Its handshake is over, and it was handed out.
pub(in crate::server) const SERVED: u16 = 1;
/// It left HTTP.
pub(in crate::server) const UPGRADED: u16 = 2;
/// It speaks HTTP/2.
pub(in crate::server) const HTTP2: u16 = 4;
/// The last answer, or what it answers, says that no request may follow.
pub(in crate::server) const LAST: u16 = 8;
/// An answer was given whose head was not written yet.
pub(in crate::server) const ANSWERED: u16 = 16;
/// The program has ended its sending side.
pub(in crate::server) const SHUT_DOWN: u16 = 32;
/// Whoever drives it ends it in order when it is told to.
pub(in crate::server) const DRIVEN: u16 = 64;
/// It is to end now.
pub(in crate::server) const CUT: u16 = 128;
/// There is an answer that was handed out whole, and that its transport has not sent yet.
pub(in crate::server) const UNSENT: u16 = 256;
/// Its transport is gone.
pub(in crate::server) const GONE: u16 = 512;
/// The kernel does not know it by its addresses.
pub(in crate::server) const UNKNOWN: u16 = 1024;
