//! What a connector tells of a connection that it made, the same for hyper and reqwest.

use http::Extensions;
use hyper_util::client::legacy::connect::{Connection, HttpInfo};

use crate::registry::{Ends, Protocol};

/// Addresses and protocol of a new connection. `http2_only` is for clients that speak HTTP/2 without negotiation.
pub(crate) fn describe(io: &impl Connection, http2_only: bool) -> (Ends, Protocol) {
    let connected = io.connected();
    let mut extras = Extensions::new();
    connected.get_extras(&mut extras);
    let ends = extras.get::<HttpInfo>().map_or_else(Ends::default, ends_of);
    let is_http2 = http2_only || connected.is_negotiated_h2();
    (ends, if is_http2 { Protocol::Http2 } else { Protocol::Http1 })
}

/// Addresses of a connection, as hyper-util tells them.
pub(crate) fn ends_of(info: &HttpInfo) -> Ends {
    Ends { local: Some(info.local_addr()), peer: Some(info.remote_addr()) }
}
