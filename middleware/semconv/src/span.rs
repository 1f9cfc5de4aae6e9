//! Span names.
//!
//! A request span is named by its method alone, as the HTTP convention asks where no template of the path is known.

/// Name of a request span whose method is not known to the convention.
pub const HTTP_OTHER: &str = "HTTP";

/// First part of the name of the span over the wait for a connection; host and port follow.
///
/// Source: .NET 9, `docs/dotnet/dotnet-network-traces.md` of the semantic conventions, as for those below.
pub const WAIT_FOR_CONNECTION: &str = "HTTP wait_for_connection";

/// First part of the name of the span over the set-up of a connection; host and port follow.
pub const CONNECTION_SETUP: &str = "HTTP connection_setup";

/// First part of the name of the span over a look-up; the name that is looked up follows.
pub const DNS_LOOKUP: &str = "DNS lookup";

/// First part of the name of the span over the connect of the transport; address and port follow.
pub const SOCKET_CONNECT: &str = "socket connect";

/// First part of the name of the span over the TLS handshake; the host follows.
pub const TLS_HANDSHAKE: &str = "TLS client handshake";

/// Name of the span of a call that a breaker rejected. It has the breaker's name and state.
///
/// Source: ours, as for those below.
pub const BREAKER_REJECTED: &str = "breaker rejected";

/// Name of the span of a call that a limit of requests in flight refused.
pub const LIMIT_REFUSED: &str = "limit refused";

/// Name of the span of a call that a resource guard refused.
pub const GUARD_REFUSED: &str = "guard refused";
