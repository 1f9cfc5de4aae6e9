//! The [`Pill`] of an HTTP/2 connection: hyper-util's own, which has it give the connection to no request any more.
//!
//! hyper-util shows what it knows of a connection only to a request that has asked to see it, and keeps it for as long as
//! the request's side of that is kept. To ask allocates; so only a request asks that is likely to get a connection whose pill
//! is not known.

use http::Extensions;
use hyper_util::client::legacy::connect::CaptureConnection;

use super::named::ConnectionRef;
use crate::registry::{Connection, Pill, Protocol, Upkeep};

/// The connection that a request was shown, once it was.
pub(super) fn take(capture: &mut Option<CaptureConnection>) {
    // What names no connection is one of HTTP/1.
    let Some(Some(ConnectionRef(connection))) = capture.as_ref().and_then(shown) else { return };
    if let Some(pill) = capture.take() {
        connection.give_pill(Box::new(pill));
    }
}

/// A request uses an HTTP/1 connection, which was the last that it was shown: if that is to go, it is the last request.
pub(super) fn retire(capture: &mut Option<CaptureConnection>, connection: &Connection) {
    if connection.protocol() == Protocol::Http1
        && let Some(capture) = capture.take()
        && let Some(reason) = connection.upkeep().and_then(Upkeep::retired)
        && let Some(connected) = capture.connection_metadata().as_ref()
    {
        connected.poison();
        connection.closing(reason);
    }
}

/// What was shown, if anything was: the connection, if it is one that is observed and speaks HTTP/2.
fn shown(capture: &CaptureConnection) -> Option<Option<ConnectionRef>> {
    capture.connection_metadata().as_ref().map(|connected| {
        let mut extras = Extensions::new();
        connected.get_extras(&mut extras);
        extras.remove()
    })
}

impl Pill for CaptureConnection {
    fn poison(&self, connection: &Connection) -> bool {
        // A request that was sent over another one after all was shown that one too.
        let is_its =
            matches!(shown(self), Some(Some(ConnectionRef(shown))) if std::ptr::eq(&*shown, connection));
        if is_its && let Some(connected) = self.connection_metadata().as_ref() {
            connected.poison();
        }
        is_its
    }
}
