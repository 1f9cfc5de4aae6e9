//! [`Guard`]: one request, from its head to the end of its answer.

use std::sync::{Arc, OnceLock};
use std::thread;

#[cfg(feature = "session")]
use http::header::UPGRADE;
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body;
use poolscope_semconv::value::{DisconnectPhase, ErrorType, ServerCloseReason};
use tokio::runtime::Handle;

use super::connection::Connection;
#[cfg(feature = "session")]
use super::current;
use super::life::{Life, is};
use super::route::{self, Route};
use super::shared::Shared;
use crate::clock::Instant;
use crate::registry::{KnownMethod, Outcome, Served, Traced};
use crate::trace::{ServedInside, ServedSpan};

/// A request that is being served. Dropped before its answer is over, it tells why.
#[derive(Debug)]
pub(super) struct Guard {
    shared: Arc<Shared>,
    pub(super) life: Arc<Life>,
    method: KnownMethod,
    version: Version,
    /// A body of its answer is never sent.
    is_head: bool,
    is_connect: bool,
    /// Its connection, if it asks to leave HTTP, for the session that begins within it.
    #[cfg(feature = "session")]
    carrier: Option<Connection>,
    began: Instant,
    route: OnceLock<Route>,
    span: ServedSpan,
    /// The head of the answer was given.
    is_answered: bool,
    is_over: bool,
}

/// How a request ended whose answer is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    ByClient,
    ByProgram(ErrorType),
}

impl Guard {
    pub(super) fn begin<B>(connection: &Connection, request: &Request<B>) -> Self {
        let Connection { shared, life } = connection;
        life.unmark(is::LAST);
        let (method, version) = (request.method(), request.version());
        if !keeps_alive(version, request.headers()) {
            life.mark(is::LAST);
        }
        let known = KnownMethod::of(method);
        life.begin_request(known);
        let span = ServedSpan::start(
            &shared.scope,
            &crate::trace::Incoming {
                known,
                request: &request_of(request),
                server: &shared.name,
                scheme: shared.scheme(),
                peer: life.peer,
                connection: life.id,
            },
        );
        Self {
            shared: Arc::clone(shared),
            life: Arc::clone(life),
            method: known,
            version,
            is_head: method == Method::HEAD,
            is_connect: method == Method::CONNECT,
            #[cfg(feature = "session")]
            carrier: (version == Version::HTTP_11 && request.headers().contains_key(UPGRADE))
                .then(|| connection.clone()),
            began: Instant::now(),
            route: OnceLock::new(),
            span,
            is_answered: false,
            is_over: false,
        }
    }

    /// Makes its span current until what comes back is dropped.
    #[inline]
    pub(super) fn enter(&self) -> Option<ServedInside<'_>> {
        self.span.enter()
    }

    /// Runs one poll of what serves it.
    #[inline]
    pub(super) fn poll<R>(&mut self, poll: impl FnOnce() -> R) -> R {
        let _inside = self.span.enter();
        #[cfg(feature = "session")]
        if self.carrier.is_some() {
            return current::within(&mut self.carrier, || route::told_in(&self.route, poll));
        }
        route::told_in(&self.route, poll)
    }

    /// The head of the answer is there; tells how many bytes of body it says to have, if it says so, and whether it has any.
    pub(super) fn answered<B: Body>(&mut self, response: &mut Response<B>) -> Answer {
        let status = response.status();
        self.record(Outcome::Status(status));
        self.span.answered(status, self.version, || self.began.elapsed());
        self.is_answered = true;
        let is_http1 = self.version <= Version::HTTP_11;
        if is_http1 {
            self.life.mark(is::ANSWERED);
            // A connection that is to go tells its client, so that it is not used again.
            if self.life.told().is_some() && status != StatusCode::SWITCHING_PROTOCOLS {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            if !keeps_alive(self.version, response.headers()) && self.version == Version::HTTP_11 {
                self.life.mark(is::LAST);
            }
        }
        if status == StatusCode::SWITCHING_PROTOCOLS || self.is_connect && status.is_success() {
            self.shared.upgraded(&self.life);
        }
        let has_none = self.is_head
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || self.is_connect && status.is_success();
        let body = response.body();
        let said = response.headers().get(CONTENT_LENGTH).and_then(|said| said.to_str().ok()?.parse().ok());
        Answer { is_over: has_none || body.is_end_stream(), left: said.or_else(|| body.size_hint().exact()) }
    }

    /// The handler failed without an answer.
    pub(super) fn failed(mut self) {
        self.fail(ErrorType::Other);
    }

    /// The connection was cut before there was an answer.
    pub(super) fn was_cut(mut self) {
        self.left();
    }

    /// The answer was handed out whole. Over HTTP/1, it is over when it was sent; over HTTP/2, nobody can tell by the transport
    /// what was sent of a stream.
    pub(super) fn over(mut self) {
        if self.version <= Version::HTTP_11 {
            let life = Arc::clone(&self.life);
            life.keep(self);
        } else {
            self.end();
        }
    }

    /// The answer was sent.
    pub(super) fn sent(mut self) {
        self.end();
    }

    /// The body of the answer failed.
    pub(super) fn body_failed(mut self) {
        self.fail(ErrorType::Body);
    }

    fn record(&self, outcome: Outcome) {
        let now = Instant::now();
        let (method, version) = (self.method, self.version);
        let served = Served { method, outcome, version, nanos: now.nanos_since(self.began) };
        let route = self.route.get().map(Route::as_str);
        if let Some(route) = route {
            self.span.routed(method, route);
        }
        self.shared.results.record(route, served, || {
            let exemplars = self.shared.scope.exemplars();
            if exemplars.is_off() {
                return None;
            }
            let trace = exemplars
                .pass(|| self.span.trace().filter(|trace| trace.is_sampled), || self.span.trace())?;
            Some(Traced { trace, at: now })
        });
    }

    fn fail(&mut self, error: ErrorType) {
        if !self.is_answered {
            self.record(Outcome::Error(error));
        }
        self.span.error(error);
        self.end();
    }

    fn end(&mut self) {
        if !std::mem::replace(&mut self.is_over, true) {
            self.span.end();
            self.life.end_request(self.method);
        }
    }

    /// It is dropped, and its answer is not over.
    fn left(&mut self) {
        match self.why() {
            Left::ByClient => {
                let phase =
                    if self.is_answered { DisconnectPhase::Responding } else { DisconnectPhase::Waiting };
                self.shared.disconnected(phase);
                self.span.disconnected(phase);
                self.fail(ErrorType::ClientDisconnected);
            }
            Left::ByProgram(error) => self.fail(error),
        }
    }

    /// Who ended it.
    fn why(&self) -> Left {
        use ServerCloseReason::{
            ClientClosed, ClientClosedActive, ClientReset, Shutdown, ShutdownCut, WriteTimeout,
        };
        if thread::panicking() {
            if !self.life.is(is::HTTP2) {
                // Its task is that of the connection.
                self.life.panicked();
            }
            return Left::ByProgram(ErrorType::Panic);
        }
        if self.life.is(is::CUT) {
            let is_shutdown = matches!(self.life.told(), Some(Shutdown | ShutdownCut));
            return Left::ByProgram(if is_shutdown { ErrorType::Shutdown } else { ErrorType::Timeout });
        }
        match self.life.seen() {
            Some(ClientClosed | ClientClosedActive | ClientReset) => Left::ByClient,
            Some(WriteTimeout) => Left::ByProgram(ErrorType::Timeout),
            Some(_) => Left::ByProgram(ErrorType::Protocol),
            // Over HTTP/2, hyper lets go of a request when the client resets its stream, and for nothing else.
            None if self.life.is(is::HTTP2) && is_in_live_runtime() => Left::ByClient,
            None => Left::ByProgram(ErrorType::Canceled),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.is_over {
            self.left();
        }
    }
}

/// What the head of an answer says of its body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    /// None is sent.
    pub(super) is_over: bool,
    /// So many bytes of it are sent, if that is known.
    pub(super) left: Option<u64>,
}

/// True if another request may follow, as far as these headers say.
fn keeps_alive(version: Version, headers: &HeaderMap) -> bool {
    let has = |token: &str| {
        let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(token))
    };
    match version {
        Version::HTTP_09 | Version::HTTP_10 => has("keep-alive"),
        // Most have no such header, which is cheap to tell.
        Version::HTTP_11 => !(headers.contains_key(CONNECTION) && has("close")),
        _ => true,
    }
}

/// The head of a request.
fn request_of<B>(request: &Request<B>) -> crate::trace::Head<'_> {
    crate::trace::Head { method: request.method(), uri: request.uri(), headers: request.headers() }
}

/// True in a runtime that does not shut down: one that does takes no task any more, and ends it at once. Nothing cheaper tells;
/// it is asked for a stream that was reset only, which had a task of its own.
fn is_in_live_runtime() -> bool {
    Handle::try_current().is_ok_and(|runtime| {
        let task = runtime.spawn(std::future::pending::<()>());
        let is_live = !task.is_finished();
        task.abort();
        is_live
    })
}
