//! The connection whose request is being served here, where that request asks to leave HTTP: a session that begins within it is
//! carried by that connection.

use std::cell::RefCell;

use super::connection::Connection;

thread_local! {
    static CURRENT: RefCell<Option<Connection>> = const { RefCell::new(None) };
}

/// The connection that leaves HTTP by the request that is being polled.
#[cfg(feature = "session")]
pub(crate) fn current() -> Option<Connection> {
    CURRENT.with_borrow(Clone::clone)
}

/// Runs one poll of such a request.
pub(super) fn within<R>(connection: Connection, poll: impl FnOnce() -> R) -> R {
    let _outer = Outer(CURRENT.replace(Some(connection)));
    poll()
}

/// Puts the connection of the outer request back.
struct Outer(Option<Connection>);

impl Drop for Outer {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}
