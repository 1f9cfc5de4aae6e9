//! Spans: how they are named, what they carry, and how they hang together.

use crate::attr;
use crate::def::{Origin, Stability, sentence};

/// Which side of a call a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// It calls another service.
    Client,
    /// It serves a call of another service.
    Server,
    /// It is a part of something in this process.
    Internal,
}

impl SpanKind {
    /// The word that OpenTelemetry has for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Internal => "internal",
        }
    }
}

/// What a span is below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parent {
    /// Whatever span is current where the request is made, or the session begun; nothing, if none is.
    Current,
    /// The span of whoever sent the request; nothing, if it tells none.
    Remote,
    /// Nothing: it begins a trace of its own.
    None,
    /// The span with this [`SpanDef::id`].
    Span(&'static str),
}

/// One span of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanDef {
    /// Short name of the definition.
    pub id: &'static str,
    /// How the name begins; empty if with a value.
    pub prefix: &'static str,
    /// The whole name, with attribute keys in braces where their values stand.
    pub pattern: &'static str,
    /// What it is over.
    pub sentence: &'static str,
    /// Its side.
    pub kind: SpanKind,
    /// Who defined it.
    pub origin: Origin,
    /// How firm it is.
    pub stability: Stability,
    /// What it is below.
    pub parent: Parent,
    /// [`SpanDef::id`] of the spans that it may link to.
    pub links: &'static [&'static str],
    /// Keys that every such span carries.
    pub required: &'static [&'static str],
    /// Keys that a span carries when they are known.
    pub optional: &'static [&'static str],
}

/// Defines the constants, which are how the names begin, and the list of all spans in one place, so that none can be left out.
macro_rules! spans {
    ($($(#[doc = $doc:literal])* @$origin:ident $stability:ident $id:ident = $kind:ident $prefix:literal $rest:literal,
        $parent:expr, $links:expr, $required:expr, $optional:expr;)*) => {
        $($(#[doc = $doc])* pub const $id: &str = $prefix;)*

        /// Every span of the contract, in the order of this file.
        pub const DEFS: &[SpanDef] = &[$(SpanDef {
            id: stringify!($id),
            prefix: $prefix,
            pattern: concat!($prefix, $rest),
            sentence: sentence(concat!($($doc),*)),
            kind: SpanKind::$kind,
            origin: Origin::$origin,
            stability: Stability::$stability,
            parent: $parent,
            links: $links,
            required: $required,
            optional: $optional,
        }),*];
    };
}

spans! {
    /// One attempt of a request, from the call to the end of the response body. Its name has the template of the path where the
    /// program tells it, and begins with `HTTP` where the convention does not know the method.
    @OpenTelemetry Stable REQUEST = Client "" "{http.request.method} {url.template}", Parent::Current, &["CONNECTION_SETUP"],
        &[attr::HTTP_REQUEST_METHOD, attr::SERVER_ADDRESS, attr::SERVER_PORT, attr::URL_FULL, attr::URL_SCHEME, attr::CLIENT_NAME],
        &[attr::HTTP_REQUEST_METHOD_ORIGINAL, attr::HTTP_REQUEST_RESEND_COUNT, attr::HTTP_RESPONSE_STATUS_CODE, attr::ERROR_TYPE,
          attr::NETWORK_PROTOCOL_VERSION, attr::NETWORK_PEER_ADDRESS, attr::NETWORK_PEER_PORT, attr::URL_TEMPLATE,
          attr::ACQUIRE_OUTCOME, attr::ACQUIRE_WAIT, attr::CONNECTION_ID, attr::CONNECTION_IDLE_TIME, attr::CONNECTION_STALE,
          attr::LIMIT_WAIT, attr::RESPONSE_HEADERS_TIME];
    /// A request that a server works on, from its head to the end of the answer's body. Its name has the route where the program
    /// tells it, and begins with `HTTP` where the convention does not know the method.
    @OpenTelemetry Stable SERVED = Server "" "{http.request.method} {http.route}", Parent::Remote, &[],
        &[attr::HTTP_REQUEST_METHOD, attr::URL_PATH, attr::URL_SCHEME, attr::SERVER_NAME],
        &[attr::HTTP_REQUEST_METHOD_ORIGINAL, attr::HTTP_ROUTE, attr::HTTP_RESPONSE_STATUS_CODE, attr::ERROR_TYPE,
          attr::NETWORK_PROTOCOL_VERSION, attr::URL_QUERY, attr::SERVER_ADDRESS, attr::SERVER_PORT, attr::CLIENT_ADDRESS,
          attr::NETWORK_PEER_ADDRESS, attr::NETWORK_PEER_PORT, attr::USER_AGENT_ORIGINAL, attr::CONNECTION_ID,
          attr::RESPONSE_HEADERS_TIME, attr::SERVER_DISCONNECT_PHASE];
    /// The wait for a connection, if none was ready.
    @DotNet Development WAIT_FOR_CONNECTION = Internal "HTTP wait_for_connection" " {server.address}:{server.port}",
        Parent::Span("REQUEST"), &[], &[], &[attr::ERROR_TYPE];
    /// The set-up of a connection. It outlives the request that it was made for, so it is a trace of its own, to which the spans
    /// of all requests that it serves link.
    @DotNet Development CONNECTION_SETUP = Internal "HTTP connection_setup" " {server.address}:{server.port}",
        Parent::None, &[],
        &[attr::SERVER_ADDRESS, attr::SERVER_PORT, attr::URL_SCHEME, attr::CLIENT_NAME],
        &[attr::NETWORK_PEER_ADDRESS, attr::NETWORK_PEER_PORT, attr::ERROR_TYPE];
    /// The look-up of a host's name. Without `dns.answers`, which not every resolver shows; the one
    /// that is connected to is on the span of the socket.
    @DotNet Development DNS_LOOKUP = Internal "DNS lookup" " {dns.question.name}",
        Parent::Span("CONNECTION_SETUP"), &[],
        &[attr::DNS_QUESTION_NAME, attr::CONNECT_PHASE], &[attr::ERROR_TYPE];
    /// The connect of the transport. Where no peer is known, its name has the destination's address and port instead.
    @DotNet Development SOCKET_CONNECT = Internal "socket connect" " {network.peer.address}:{network.peer.port}",
        Parent::Span("CONNECTION_SETUP"), &[],
        &[attr::CONNECT_PHASE],
        &[attr::NETWORK_PEER_ADDRESS, attr::NETWORK_PEER_PORT, attr::NETWORK_TYPE, attr::ERROR_TYPE];
    /// The TLS handshake. Without `tls.protocol.*`: only its begin and end are seen.
    @DotNet Development TLS_HANDSHAKE = Internal "TLS client handshake" " {server.address}",
        Parent::Span("CONNECTION_SETUP"), &[],
        &[attr::SERVER_ADDRESS, attr::CONNECT_PHASE], &[attr::ERROR_TYPE];
    /// A session, from its begin until its holder and its tasks have let go of it: below the request that opened it, say. It is made
    /// at its end, and follows the sampling of the span above it. Its status is an error if it ended by an error or a panic, or
    /// if its other end did not answer.
    @Poolscope Development SESSION = Internal "session" " {poolscope.session.name}",
        Parent::Current, &[],
        &[attr::SESSION_NAME, attr::SESSION_ID, attr::SESSION_KEY, attr::SESSION_END_REASON, attr::SESSION_MESSAGES_SENT,
          attr::SESSION_MESSAGES_RECEIVED, attr::SESSION_SENT, attr::SESSION_RECEIVED, attr::SESSION_MISSED_PINGS],
        &[attr::ERROR_TYPE];
    /// A call that a breaker rejected, so that no request was made.
    @Poolscope Development BREAKER_REJECTED = Internal "breaker rejected" "",
        Parent::Current, &[], &[attr::ERROR_TYPE, attr::BREAKER_NAME, attr::BREAKER_STATE], &[];
    /// A call that a limit of requests in flight refused.
    @Poolscope Development LIMIT_REFUSED = Internal "limit refused" "",
        Parent::Current, &[], &[attr::ERROR_TYPE, attr::CLIENT_NAME, attr::SERVER_ADDRESS, attr::LIMIT_OUTCOME], &[];
    /// A call that a resource guard refused.
    @Poolscope Development GUARD_REFUSED = Internal "guard refused" "",
        Parent::Current, &[], &[attr::ERROR_TYPE, attr::GUARD_NAME, attr::RESOURCE_NAME], &[];
}

/// Name of a request span whose method is not known to the convention.
pub const HTTP_OTHER: &str = "HTTP";

/// Looks a span up by its kind and the name that it was given.
#[must_use]
pub fn find(kind: SpanKind, name: &str) -> Option<&'static SpanDef> {
    DEFS.iter().filter(|def| def.kind == kind).find(|def| {
        let is_whole = def.prefix == def.pattern;
        name.strip_prefix(def.prefix).is_some_and(|rest| rest.is_empty() == is_whole)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_found_by_its_name() {
        for (kind, name, id) in [
            (SpanKind::Client, "GET", "REQUEST"),
            (SpanKind::Client, "GET /orders/{id}", "REQUEST"),
            (SpanKind::Server, "GET /orders/{id}", "SERVED"),
            (SpanKind::Internal, "DNS lookup pay.example", "DNS_LOOKUP"),
            (SpanKind::Internal, "session chat", "SESSION"),
            (SpanKind::Internal, "breaker rejected", "BREAKER_REJECTED"),
        ] {
            assert_eq!(find(kind, name).map(|def| def.id), Some(id), "{name}");
        }
        for name in ["GET", "DNS lookup", "DNS", "breaker rejected here"] {
            assert_eq!(find(SpanKind::Internal, name), None, "{name}");
        }
    }

    #[test]
    fn attributes_are_declared_and_what_is_pointed_to_is_there() {
        let ids: Vec<_> = DEFS.iter().map(|def| def.id).collect();
        for def in DEFS {
            assert!(def.sentence.ends_with('.'), "{def:?}");
            for key in def.required.iter().chain(def.optional) {
                assert!(attr::ALL.contains(key), "{} uses the undeclared {key}", def.id);
            }
            assert!(def.links.iter().all(|id| ids.contains(id)), "{} links to nothing", def.id);
            assert!(
                !matches!(def.parent, Parent::Span(id) if !ids.contains(&id)),
                "{} has no parent",
                def.id
            );
        }
    }
}
