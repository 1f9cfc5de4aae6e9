//! The one owner of a request's end, with its span: whoever holds it ends the request, at the latest by dropping it.
//!
//! A request ends in one of five ways: its body is read to the end, or had none; the body fails; the body is dropped
//! half read; the request fails before it has headers; it is dropped before it has headers.

use std::error::Error;
use std::sync::Arc;
use std::task::Waker;

use http::{HeaderMap, StatusCode, Version, header};
#[cfg(feature = "reqwest")]
use poolscope_semconv::value::CloseReason;
use poolscope_semconv::value::{ErrorType, Observation};

use crate::classify;
use crate::clock::Instant;
use crate::current;
use crate::registry::{CloseCause, Connection, End, Outcome, Pool, Protocol, Request, Task, TraceRef};
use crate::trace::{Inside, RequestSpan};

/// Rest of a body that hyper reads by itself when the body is dropped, so that the connection can be used again: what
/// its first read buffer holds.
const DRAINED_BYTES: u64 = 8 * 1024;

/// What is left to do at the end of a request.
#[derive(Debug)]
pub(crate) struct Lease {
    /// Taken when the lease is dropped, so that the record of the request can be used again.
    request: Option<Arc<Request>>,
    span: RequestSpan,
    has_headers: bool,
    /// True if the request says that its connection is to end with it.
    asks_for_close: bool,
    /// Why, if that is so because connections of its pool are to be replaced.
    #[cfg(feature = "reqwest")]
    replaces: Option<CloseReason>,
    /// True if what is left of the body is known to be so little that hyper reads it by itself.
    is_nearly_read: bool,
    ended: bool,
    /// Since when the request, which is over, waits to be sent on to a pool that is not known yet.
    #[cfg(feature = "reqwest")]
    between: Option<Instant>,
}

impl Lease {
    /// The lease of a request with these headers, with its span and what identifies that.
    #[inline]
    pub(crate) fn new(
        request: Arc<Request>,
        headers: &HeaderMap,
        (span, trace): (RequestSpan, Option<TraceRef>),
    ) -> Self {
        if let Some(trace) = trace {
            request.trace(trace);
        }
        Self {
            request: Some(request),
            span,
            has_headers: false,
            asks_for_close: asks_for_close(Version::HTTP_11, headers),
            #[cfg(feature = "reqwest")]
            replaces: None,
            is_nearly_read: false,
            ended: false,
            #[cfg(feature = "reqwest")]
            between: None,
        }
    }

    #[inline]
    pub(crate) fn request(&self) -> &Arc<Request> {
        self.request.as_ref().expect("taken only when the lease is dropped")
    }

    /// Makes the span current while the client works, until what comes back is dropped.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Inside<'_>> {
        self.span.enter()
    }

    /// No idle connection was ready for the request.
    pub(crate) fn queued(&self) {
        let request = self.request();
        #[cfg(feature = "tracing")]
        let begins = request.is_pending() && !request.was_queued();
        request.queued();
        #[cfg(feature = "tracing")]
        if begins && let Some(wait) = self.span.wait() {
            request.waits(wait);
        }
    }

    /// The connection of the request, if it is an HTTP/1 one: one that has no other request.
    fn http1(&self) -> Option<Arc<Connection>> {
        self.request().connection().filter(|known| known.protocol() == Protocol::Http1)
    }

    /// The response names the connection that it came over, where that was not known before; in a poll by a task.
    pub(crate) fn answered_by(&self, connection: &Arc<Connection>, polled_by: Option<Task>, now: Instant) {
        self.request().acquire(now);
        self.request().named(connection, polled_by);
    }

    /// Headers came. The connection must be bound before, if it can be.
    pub(crate) fn headers(
        &mut self,
        status: StatusCode,
        version: Version,
        headers: &HeaderMap,
        now: Instant,
    ) {
        self.has_headers = true;
        let request = self.request();
        // Without a stamp of its own the request has its connection at the latest now.
        request.acquire(now);
        request.result(Outcome::Status(status), Some(version), now);
        request.answered(now);
        // Before a body without an end of its own ends the request.
        current::tell_acquire(|| request.held_since());
        request.judge_answer(status);
        let started = self.request().started();
        self.span.response(status, version, || now.saturating_duration_since(started));
        if status == StatusCode::SWITCHING_PROTOCOLS {
            if let Some(connection) = self.request().connection() {
                connection.upgrade();
                if connection.observation() == Observation::Estimated {
                    // Its end can't be seen, and the pool has no part in it any more.
                    connection.close(now);
                }
            }
        } else if (self.asks_for_close || asks_for_close(version, headers))
            && let Some(connection) = self.http1()
        {
            #[cfg(feature = "reqwest")]
            if let Some(reason) = self.replaces {
                connection.closes_for_another(reason);
            }
            connection.note(CloseCause::CloseAsked);
            if connection.is_gone() {
                connection.close(now);
            }
        }
    }

    /// The body does not tell its length. If the head does not either, only the end of the connection ends it.
    #[cfg(feature = "hyper")]
    pub(crate) fn has_no_length(&self, status: StatusCode, headers: &HeaderMap) {
        let has_body = !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let is_told =
            [header::TRANSFER_ENCODING, header::CONTENT_LENGTH].iter().any(|name| headers.contains_key(name));
        if has_body
            && !is_told
            && let Some(connection) = self.http1()
        {
            connection.note(CloseCause::CloseAsked);
        }
    }

    /// The caller has asked for more of the body; with a waker if there was nothing yet.
    #[inline]
    pub(crate) fn read(&self, waits: Option<&Waker>) {
        self.request().read(waits);
    }

    /// Tells how many bytes of the body are still to come at most, if that is known.
    #[inline]
    pub(crate) fn body_left(&mut self, bytes: Option<u64>) {
        self.is_nearly_read = bytes.is_some_and(|bytes| bytes <= DRAINED_BYTES);
    }

    /// A CONNECT was answered with success: the connection is a tunnel from now on.
    pub(crate) fn tunnel(&self) {
        // A tunnel through HTTP/2 is one stream of a connection that goes on for the others.
        if let Some(connection) = self.http1() {
            connection.upgrade();
        }
    }

    /// The request failed before it had headers; with `connect`, if a connect for it did.
    pub(crate) fn fail(&mut self, error: &(dyn Error + 'static), connect: Option<ErrorType>) {
        let class = match (classify::error_type(error), connect) {
            // What failed in the connect is known to who watched it.
            (ErrorType::Connect | ErrorType::Other, Some(class)) => class,
            (class, _) => class,
        };
        let (request, now) = (self.request(), Instant::now());
        request.result(Outcome::Error(class), None, now);
        if matches!(class, ErrorType::IncompleteMessage | ErrorType::ConnectionReset)
            && request.met_a_stale_connection(now)
        {
            request.pool().was_stale();
            self.span.stale();
        }
        self.failed(class, error);
    }

    /// The response body failed.
    pub(crate) fn body_failed(&mut self, error: &(dyn Error + 'static)) {
        self.failed(classify::body_error_type(error), error);
    }

    fn failed(&mut self, class: ErrorType, error: &(dyn Error + 'static)) {
        self.request().judge_failure(class);
        self.span.error(class, || classify::chain(error));
        // HTTP/2 loses only a stream by a failure. What the IO saw, it has noted itself, where there is one.
        if let Some(connection) = self.http1() {
            let is_seen = connection.observation() == Observation::Exact;
            if self.has_headers && class == ErrorType::IncompleteMessage {
                connection.note(CloseCause::CutShort);
            }
            match class {
                ErrorType::Protocol => connection.note(CloseCause::Protocol),
                // It was answered.
                ErrorType::Redirect => {}
                ErrorType::ConnectionReset | ErrorType::IncompleteMessage if is_seen => {}
                ErrorType::ConnectionReset => connection.note(CloseCause::Reset),
                ErrorType::IncompleteMessage => connection.note(CloseCause::PeerClosed),
                // A time limit of the client, a decoder or the caller's own body has failed, and the rest was dropped.
                _ => connection.note(self.drop_of_unread()),
            }
        }
        self.end(if class == ErrorType::Timeout { End::TimedOut } else { End::Failed }, Some(class));
    }

    /// What it is for its connection that the rest of it is not wanted.
    fn drop_of_unread(&self) -> CloseCause {
        if self.has_headers { CloseCause::BodyDropped } else { CloseCause::RequestDropped }
    }

    /// True once the request has ended.
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        self.ended
    }

    /// The response body was read to its end.
    #[inline]
    pub(crate) fn complete(&mut self) {
        self.end(End::Complete, None);
    }

    #[inline]
    fn end(&mut self, end: End, error: Option<ErrorType>) {
        if !self.ended {
            self.ended = true;
            self.end_now(end, error);
        }
    }

    fn end_now(&mut self, end: End, error: Option<ErrorType>) {
        let now = Instant::now();
        let error = error.or_else(|| (end == End::Dropped).then(|| self.dropped(now)));
        let request = self.request.as_ref().expect("taken only when the lease is dropped");
        if self.span.is_recorded() {
            match request.acquired() {
                Some(acquired) => {
                    let connection = request.connection();
                    self.span.acquired(&acquired, connection.as_ref().map(|known| known.setup()));
                }
                None if request.is_pending() && request.was_queued() => {
                    let error = error.unwrap_or(ErrorType::Canceled);
                    self.span.waited_in_vain(error);
                    #[cfg(feature = "tracing")]
                    request.end_wait(Some(error));
                }
                None => {}
            }
            // One that two threads have missed ends here, so that it is nobody else's.
            #[cfg(feature = "tracing")]
            if request.was_queued() {
                request.end_wait(None);
            }
        }
        if let Some(connection) = request.end(end, now)
            && (connection.is_gone()
                || connection.observation() == Observation::Estimated && connection.is_spent())
        {
            if self.has_headers {
                connection.note(CloseCause::Answered);
            }
            connection.close(now);
        }
        self.span.end();
    }

    fn dropped(&mut self, now: Instant) -> ErrorType {
        #[cfg(feature = "reqwest")]
        self.stay();
        let cause = current::drop_cause();
        current::dropped_from(self.request().pool());
        self.request().judge_failure(cause);
        if !self.has_headers {
            self.request().result(Outcome::Error(cause), None, now);
        }
        // An answer that its caller does not read to the end is no failure, whatever becomes of its connection.
        if !self.has_headers || cause != ErrorType::Canceled {
            self.span.error(cause, String::new);
        }
        // An HTTP/1 connection can't be used again while a response is still in it. Where the close is seen, this only
        // explains it, unless it came before; where it is concluded, a short rest is no reason to conclude it.
        let is_short = self.has_headers && self.is_nearly_read;
        let explains = |connection: &Arc<Connection>| match connection.observation() {
            Observation::Exact => !connection.is_gone(),
            Observation::Kernel | Observation::Estimated => !is_short,
        };
        if let Some(connection) = self.http1().filter(explains) {
            connection.note(self.drop_of_unread());
            if self.has_headers && !is_short {
                connection.note(CloseCause::MuchDropped);
            }
        }
        cause
    }
}

#[cfg(feature = "reqwest")]
impl Lease {
    /// It asks for the end of its connection, since one of its pool is to be replaced for this reason.
    pub(crate) fn replaces(&mut self, reason: CloseReason) {
        self.replaces = Some(reason);
    }
}

/// What becomes of a request that is answered with a redirect, which its client follows: it is over for the pool that
/// answered, and goes on with the same span in the pool that is asked next.
#[cfg(feature = "reqwest")]
impl Lease {
    /// Its connection has answered, and is given back. The connection must be bound before, if it can be.
    pub(crate) fn redirected(&mut self, status: Option<StatusCode>, at: Instant) {
        let request = self.request();
        request.acquire(at);
        let is_http2 = request.connection().is_some_and(|known| known.protocol() == Protocol::Http2);
        // What else it may be, HTTP/1.0 or 1.1, only headers say.
        let version = is_http2.then_some(Version::HTTP_2);
        request.result(status.map_or(Outcome::Redirect, Outcome::Status), version, at);
        if let Some(connection) = request.end(End::Complete, at)
            && connection.is_gone()
        {
            connection.close(at);
        }
        self.between = Some(at);
    }

    /// Since when it has been on its way to a pool that is not known yet.
    pub(crate) fn between(&self) -> Option<Instant> {
        self.between
    }

    /// It asks a pool, since it was redirected. Nothing happens if it was not, or is known to ask one already.
    pub(crate) fn goes_on(&mut self, pool: &Arc<Pool>) {
        if let Some(at) = self.between.take() {
            let next = self.request().next(Arc::clone(pool), at);
            if let Some(record) = self.request.replace(next) {
                Pool::take_back(record);
            }
        }
    }

    /// Where it goes on was never seen: it counts where it came from.
    pub(crate) fn stay(&mut self) {
        let pool = Arc::clone(self.request().pool());
        self.goes_on(&pool);
    }
}

impl Drop for Lease {
    #[inline]
    fn drop(&mut self) {
        self.end(End::Dropped, None);
        if let Some(record) = self.request.take() {
            Pool::take_back(record);
        }
    }
}

/// True if the connection ends with this message.
#[inline]
fn asks_for_close(version: Version, headers: &HeaderMap) -> bool {
    // Over HTTP/2 the header means nothing.
    if version == Version::HTTP_2 || version == Version::HTTP_11 && !has_connection(headers) {
        return false;
    }
    let says = |word: &str| {
        headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(|token| token.trim().eq_ignore_ascii_case(word)))
    };
    if version == Version::HTTP_10 { !says("keep-alive") } else { says("close") }
}

/// True if there is a `Connection` header. To hash its name costs as much as to compare it with a dozen others.
#[inline]
fn has_connection(headers: &HeaderMap) -> bool {
    if headers.len() <= 12 {
        headers.keys().any(|name| *name == header::CONNECTION)
    } else {
        headers.contains_key(header::CONNECTION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(connection: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONNECTION, http::HeaderValue::from_static(connection))])
    }

    #[test]
    fn the_connection_header_is_a_list_without_case() {
        assert!(asks_for_close(Version::HTTP_11, &headers("Upgrade, Close")));
        assert!(!asks_for_close(Version::HTTP_11, &headers("closed")));
        assert!(!asks_for_close(Version::HTTP_11, &HeaderMap::new()));
        assert!(asks_for_close(Version::HTTP_10, &HeaderMap::new()));
        assert!(!asks_for_close(Version::HTTP_10, &headers("keep-alive")));
        let mut many = headers("close");
        many.extend((0..50).map(|number| {
            let name = http::HeaderName::from_bytes(format!("x-{number}").as_bytes()).unwrap();
            (name, http::HeaderValue::from_static("close"))
        }));
        assert!(asks_for_close(Version::HTTP_11, &many));
        many.remove(header::CONNECTION);
        assert!(!asks_for_close(Version::HTTP_11, &many));
    }
}
