//! The connection whose request is being served here, where that request asks to leave HTTP. A session that begins within it may
//! be carried by that connection; or it has another end, as what a proxy opens on behalf of its client.

use std::cell::RefCell;

use super::connection::Connection;

thread_local! {
    static CURRENT: RefCell<Option<Connection>> = const { RefCell::new(None) };
}

/// The connection that leaves HTTP by the request that is being polled.
pub(crate) fn current() -> Option<Connection> {
    CURRENT.with_borrow(Clone::clone)
}

/// Runs one poll of such a request.
pub(super) fn within<R>(connection: &mut Option<Connection>, poll: impl FnOnce() -> R) -> R {
    let _outer = Outer { outer: CURRENT.replace(connection.take()), connection };
    poll()
}

/// Puts the connection of the outer request back, and that of this one to where it came from.
struct Outer<'a> {
    outer: Option<Connection>,
    connection: &'a mut Option<Connection>,
}

impl Drop for Outer<'_> {
    fn drop(&mut self) {
        *self.connection = CURRENT.replace(self.outer.take());
    }
}
